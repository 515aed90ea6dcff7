//! Turns the model into code.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Type, spanned::Spanned};

use crate::{
    model::{Durable, Limit, Options, Parameter, Retry, Source},
    parse::Functions,
};

/// The code of a durable function: its call, its type, and how it is run.
pub(crate) fn durable(durable: &Durable) -> TokenStream {
    let (call, ty, body) = (call(durable), ty(durable), body(durable));
    let (assertions, implementation) = (assertions(durable), implementation(durable));
    let everywhere = &durable.everywhere;
    quote! {
        #call
        #ty
        #body
        #(#everywhere)*
        const _: () = {
            #assertions
            #implementation
        };
    }
}

/// The function that users call.
fn call(durable: &Durable) -> TokenStream {
    let Durable {
        name,
        visibility,
        everywhere,
        outside,
        ..
    } = durable;
    let (names, types) = arguments(durable);
    let input = match names.as_slice() {
        [] => quote!(()),
        [name] => quote!(#name),
        names => quote!((#(&#names),*)),
    };
    let made = quote_spanned! {first_span(&types)=> ::stent::__private::Call::new(&#input) };
    quote! {
        #(#everywhere)*
        #(#outside)*
        #visibility fn #name(#(#names: #types),*) -> ::stent::__private::Call<#name> {
            #made
        }
    }
}

/// Where the compiler complains about arguments.
fn first_span(types: &[&Type]) -> Span {
    types.first().map_or_else(Span::call_site, Spanned::span)
}

/// The struct that stands for the function.
fn ty(durable: &Durable) -> TokenStream {
    let Durable {
        name,
        visibility,
        everywhere,
        ..
    } = durable;
    let docs = durable
        .outside
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"));
    quote! {
        #(#everywhere)*
        #(#docs)*
        #[derive(::core::fmt::Debug)]
        #[allow(non_camel_case_types, dead_code, reason = "it stands for a function, and is never made")]
        #visibility struct #name {}
    }
}

fn body_name() -> Ident {
    format_ident!("__stent_body", span = Span::call_site())
}

/// What the user wrote, out of reach of the name that it had: that makes calls now, also in the body itself.
fn body(durable: &Durable) -> TokenStream {
    let Durable {
        name,
        everywhere,
        inside,
        parameters,
        returns,
        body,
        options,
        ..
    } = durable;
    let body_name = body_name();
    let asyncness = (!options.blocking).then(|| quote!(async));
    let parameters = parameters.iter().map(|parameter| {
        let Parameter {
            attributes,
            mutable,
            name,
            ty,
            ..
        } = parameter;
        let mutable = mutable.then(|| quote!(mut));
        quote!(#(#attributes)* #mutable #name: #ty)
    });
    quote! {
        #(#everywhere)*
        impl #name {
            #(#inside)*
            #asyncness fn #body_name(#(#parameters),*) -> #returns #body
        }
    }
}

/// Bounds on the user's types, each checked where the type was written.
fn assertions(durable: &Durable) -> TokenStream {
    let parameters = durable
        .parameters
        .iter()
        .map(|parameter| match &parameter.source {
            Source::Call => {
                let ty = &parameter.ty;
                quote_spanned!(ty.span()=> ::stent::__private::assert_argument::<#ty>();)
            }
            Source::Worker(ty) => {
                quote_spanned!(ty.span()=> ::stent::__private::assert_state::<#ty>();)
            }
        });
    let returns = &durable.returns;
    let returned = quote_spanned! {returns.span()=>
        ::stent::__private::assert_returns::<#returns>();
    };
    quote! {
        #(#parameters)*
        #returned
    }
}

fn implementation(durable: &Durable) -> TokenStream {
    let Durable { name, returns, .. } = durable;
    let stored_name = &durable.options.name;
    let states =
        states(durable).map(|ty| quote!(::stent::__private::StateRequirement::of::<#ty>()));
    let definition = definition(&durable.options);
    let run = run(durable);
    let kind = if durable.options.blocking {
        quote!(Blocking)
    } else {
        quote!(Async)
    };
    let output = quote_spanned! {returns.span()=>
        <#returns as ::stent::__private::Returns>::Output
    };
    quote! {
        impl ::stent::__private::Durable for #name {
            type Output = #output;
            const NAME: &'static str = #stored_name;

            fn definition() -> &'static ::stent::__private::FunctionDefinition {
                #run
                static DEFINITION: ::stent::__private::LazyLock<::stent::__private::FunctionDefinition> =
                    ::stent::__private::LazyLock::new(|| {
                        #definition.build(
                            ::stent::__private::Body::#kind(__stent_run),
                            ::std::vec![#(#states),*],
                        )
                    });
                &DEFINITION
            }
        }
    }
}

/// The function that a worker calls: from the document of the arguments to that of the result.
fn run(durable: &Durable) -> TokenStream {
    let name = &durable.name;
    let body_name = body_name();
    let (_, types) = arguments(durable);
    // One argument is the document itself, several are an array.
    let input: Vec<_> = (0..types.len())
        .map(|at| format_ident!("__stent_argument_{at}"))
        .collect();
    let (pattern, input_type) = match (input.as_slice(), types.as_slice()) {
        ([name], [ty]) => (quote!(#name), quote!(#ty)),
        (names, types) => (quote!((#(#names),*)), quote!((#(#types),*))),
    };
    let mut arguments = input.iter();
    let given: Vec<_> = durable
        .parameters
        .iter()
        .map(|parameter| match &parameter.source {
            Source::Call => {
                let argument = arguments.next();
                quote!(#argument)
            }
            Source::Worker(ty) => quote!(::stent::__private::state::<#ty>()?),
        })
        .collect();
    let when = durable
        .options
        .retry
        .as_ref()
        .and_then(|retry| retry.when.as_ref());
    let may_be_retried = match when {
        Some(path) => quote_spanned!(path.span()=> |error| #path(error)),
        None => quote!(|_| true),
    };
    let wait = (!durable.options.blocking).then(|| quote!(.await));
    let finish = quote_spanned! {durable.returns.span()=>
        ::stent::__private::finish(__stent_returned, #may_be_retried)
    };
    let run = quote! {
        let #pattern = ::stent::__private::decode_input::<#input_type>(&__stent_input)?;
        ::core::mem::drop(__stent_input);
        let __stent_returned = #name::#body_name(#(#given),*)#wait;
        #finish
    };
    let lints = quote!(#[allow(clippy::redundant_closure, reason = "the closure turns `&E` into what `when` takes")]);
    if durable.options.blocking {
        quote! {
            #lints
            fn __stent_run(
                __stent_input: ::stent::__private::Payload,
            ) -> ::core::result::Result<::stent::__private::Payload, ::stent::__private::Failure> {
                #run
            }
        }
    } else {
        quote! {
            #lints
            fn __stent_run(__stent_input: ::stent::__private::Payload) -> ::stent::__private::BodyFuture {
                ::std::boxed::Box::pin(async move { #run })
            }
        }
    }
}

/// Names and types of what comes from the call.
fn arguments(durable: &Durable) -> (Vec<&Ident>, Vec<&Type>) {
    durable
        .parameters
        .iter()
        .filter(|parameter| matches!(parameter.source, Source::Call))
        .map(|parameter| (&parameter.name, &parameter.ty))
        .unzip()
}

/// Types of what comes from the worker.
fn states(durable: &Durable) -> impl Iterator<Item = &Type> {
    durable
        .parameters
        .iter()
        .filter_map(|parameter| match &parameter.source {
            Source::Call => None,
            Source::Worker(ty) => Some(&**ty),
        })
}

fn definition(options: &Options) -> TokenStream {
    let Options {
        name,
        priority,
        limit,
        ..
    } = options;
    let queue = option(options.queue.as_ref().map(|queue| quote!(#queue)));
    let timeout = option(options.timeout.map(duration));
    let retry = option(options.retry.as_ref().map(retry));
    let max_concurrent = option(
        limit
            .as_ref()
            .map(|Limit { max_concurrent, .. }| quote!(#max_concurrent)),
    );
    let while_waiting = match limit {
        Some(Limit { release: true, .. }) => quote!(Release),
        Some(Limit { release: false, .. }) | None => quote!(Hold),
    };
    quote! {
        ::stent::__private::Definition {
            name: #name,
            queue: #queue,
            priority: #priority,
            max_concurrent: #max_concurrent,
            while_waiting: ::stent::__private::WhileWaiting::#while_waiting,
            retry: #retry,
            timeout: #timeout,
        }
    }
}

fn retry(retry: &Retry) -> TokenStream {
    let max_attempts = option(retry.max_attempts.map(|attempts| quote!(#attempts)));
    let initial_delay = option(retry.initial_delay.map(duration));
    let max_delay = option(retry.max_delay.map(duration));
    let backoff = option(retry.backoff.map(|factor| quote!(#factor)));
    let jitter = option(retry.jitter.map(|fraction| quote!(#fraction)));
    quote! {
        ::stent::__private::Retry {
            max_attempts: #max_attempts,
            initial_delay: #initial_delay,
            max_delay: #max_delay,
            backoff: #backoff,
            jitter: #jitter,
        }
    }
}

fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

fn duration(span: Duration) -> TokenStream {
    let (seconds, nanos) = (span.as_secs(), span.subsec_nanos());
    quote!(::core::time::Duration::new(#seconds, #nanos))
}

/// The definitions of a list of functions.
pub(crate) fn functions(list: &Functions) -> TokenStream {
    let count = list.paths.len();
    let definitions = list.paths.iter().map(
        |path| quote_spanned!(path.span()=> <#path as ::stent::__private::Durable>::definition()),
    );
    quote! {{
        let functions: [&'static ::stent::__private::FunctionDefinition; #count] = [#(#definitions),*];
        functions
    }}
}
