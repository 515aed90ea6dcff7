//! The signature of a durable function.

use syn::{
    Attribute, FnArg, GenericArgument, ItemFn, Pat, PatType, PathArguments, ReturnType, Safety,
    Signature, Type, spanned::Spanned,
};

use super::Errors;
use crate::model::{Durable, Options, Parameter, Source};

/// Arguments of a call, at most: what fits one tuple of the crate `serde`, and a reader's mind.
const ARGUMENTS_MAX: usize = 12;

/// Checks a function with options that were checked before.
pub(crate) fn check(function: ItemFn, options: Options, errors: &mut Errors) -> Option<Durable> {
    qualifiers(&function.sig, &options, errors);
    let attributes = Attributes::sort(function.attrs);
    let parameters: Vec<_> = function
        .sig
        .inputs
        .into_iter()
        .filter_map(|input| parameter(input, errors))
        .collect();
    let from_call = parameters
        .iter()
        .filter(|parameter| matches!(parameter.source, Source::Call));
    if let Some(beyond) = from_call.clone().nth(ARGUMENTS_MAX) {
        errors.at(
            beyond.name.span(),
            format!(
                "{} arguments are too many, at most {ARGUMENTS_MAX} are allowed; put them into a struct",
                from_call.count()
            ),
        );
    }
    let returns = match function.sig.output {
        ReturnType::Type(_, ty) => Some(*ty),
        ReturnType::Default => {
            errors.at(
                function.sig.ident.span(),
                "a durable function returns a `Result`; write `-> stent::Result<()>` if it has no value",
            );
            None
        }
    };
    Some(Durable {
        name: function.sig.ident,
        visibility: function.vis,
        everywhere: attributes.everywhere,
        outside: attributes.outside,
        inside: attributes.inside,
        parameters,
        returns: returns?,
        body: *function.block,
        options,
    })
}

fn qualifiers(signature: &Signature, options: &Options, errors: &mut Errors) {
    if signature.asyncness.is_none() && !options.blocking {
        errors.at(
            signature.fn_token.span(),
            "a durable function is an `async fn`; for one that blocks or computes, write `#[durable(blocking)]`",
        );
    }
    if let Some(token) = &signature.constness {
        errors.on(token, "a durable function cannot be `const`");
    }
    if let Safety::Unsafe(token) = &signature.safety {
        errors.on(
            token,
            "a durable function cannot be `unsafe`: a worker calls it",
        );
    }
    if let Some(abi) = &signature.abi {
        errors.on(abi, "a durable function cannot be `extern`");
    }
    if let Some(variadic) = &signature.variadic {
        errors.on(variadic, "a durable function cannot be variadic");
    }
    if !signature.generics.params.is_empty() {
        errors.on(
            &signature.generics.params,
            "a durable function cannot be generic: its name in the store stands for one body, and its arguments for one type",
        );
    } else if let Some(clause) = &signature.generics.where_clause {
        errors.on(clause, "a durable function cannot have a `where` clause");
    }
}

/// Attributes, by where they go.
#[derive(Default)]
struct Attributes {
    everywhere: Vec<Attribute>,
    outside: Vec<Attribute>,
    inside: Vec<Attribute>,
}

impl Attributes {
    fn sort(attributes: Vec<Attribute>) -> Self {
        let mut sorted = Self::default();
        for attribute in attributes {
            let path = attribute.path();
            let is = |name: &str| path.is_ident(name);
            if is("cfg") {
                sorted.everywhere.push(attribute);
            } else if is("doc") || is("deprecated") || is("must_use") {
                sorted.outside.push(attribute);
            } else if is("allow") || is("warn") || is("deny") || is("forbid") {
                sorted.outside.push(attribute.clone());
                sorted.inside.push(attribute);
            } else {
                sorted.inside.push(attribute);
            }
        }
        sorted
    }
}

fn parameter(input: FnArg, errors: &mut Errors) -> Option<Parameter> {
    match input {
        FnArg::Receiver(receiver) => {
            errors.on(
                receiver,
                "a durable function cannot take `self`: its arguments are stored; make it a free function, and take what it shares as `#[state]`",
            );
            None
        }
        FnArg::Typed(typed) => typed_parameter(typed, errors),
    }
}

fn typed_parameter(typed: PatType, errors: &mut Errors) -> Option<Parameter> {
    let PatType { attrs, pat, ty, .. } = typed;
    let (states, attributes): (Vec<_>, Vec<_>) = attrs
        .into_iter()
        .partition(|attribute| attribute.path().is_ident("state"));
    let name = match *pat {
        Pat::Ident(ident) if ident.by_ref.is_none() && ident.subpat.is_none() => {
            Some((ident.mutability.is_some(), ident.ident))
        }
        other => {
            errors.on(
                other,
                "an argument of a durable function is a name; take it apart in the body",
            );
            None
        }
    };
    let source = match states.first() {
        Some(state) => {
            if state.meta.require_path_only().is_err() {
                errors.on(state, "`#[state]` has no options");
            }
            state_type(&ty, errors).map(|inner| Source::Worker(Box::new(inner)))
        }
        None => {
            argument_type(&ty, errors);
            Some(Source::Call)
        }
    };
    let (mutable, name) = name?;
    Some(Parameter {
        attributes,
        mutable,
        name,
        ty: *ty,
        source: source?,
    })
}

fn argument_type(ty: &Type, errors: &mut Errors) {
    match ty {
        Type::Reference(_) => errors.on(
            ty,
            "an argument of a durable function is stored and read back, so it cannot be a reference; take an owned value, such as `String` for `&str`",
        ),
        Type::ImplTrait(_) => errors.on(
            ty,
            "an argument of a durable function is stored and read back, so it cannot be `impl Trait`; name its type",
        ),
        _ => {}
    }
}

/// The type within the `Arc` of a state.
fn state_type(ty: &Type, errors: &mut Errors) -> Option<Type> {
    if let Type::Path(path) = ty
        && let Some(last) = path.path.segments.last()
        && last.ident == "Arc"
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let (1, Some(GenericArgument::Type(inner))) =
            (arguments.args.len(), arguments.args.first())
    {
        return Some(inner.clone());
    }
    errors.on(ty, "a state is shared by all bodies of a worker, so it is an `Arc`; write `#[state] gateway: Arc<Gateway>`");
    None
}
