//! Tokens in, tokens out: what the macros do, for whoever has tokens. Whatever comes in, what goes out is code; of what is wrong it is the errors.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemFn, parse2};

use crate::{expand, parse, validate};

/// Turns the options of a function and the function into its code.
pub(crate) fn durable(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let made = parse2::<parse::Options>(attribute)
        .and_then(|options| Ok((options, parse2::<ItemFn>(item)?)))
        .and_then(|(options, function)| validate::durable(options, function))
        .map(|model| expand::durable(&model));
    made.unwrap_or_else(syn::Error::into_compile_error)
}

/// Turns a list of functions into their definitions.
pub(crate) fn functions(list: TokenStream) -> TokenStream {
    let made = parse2::<parse::Functions>(list)
        .and_then(|list| validate::functions(&list).map(|()| expand::functions(&list)));
    // It stands where an expression does, and of several in a row the compiler would take the first alone.
    made.unwrap_or_else(|errors| {
        let errors = errors.into_iter().map(|error| error.into_compile_error());
        quote!({ #(#errors);* })
    })
}
