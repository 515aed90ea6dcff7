//! Turns what was written into the model, or into every error at once, each on the token that is wrong.

mod near;
mod options;
mod signature;

use std::{collections::HashSet, fmt::Display};

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Error, ItemFn, Result};

use crate::{model, parse};

/// Errors, as they are found.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.push(Error::new(span, message));
    }

    /// An error on all the tokens of something.
    pub(crate) fn on(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(Error::new_spanned(tokens, message));
    }

    fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    fn none_or<T>(self, value: Option<T>) -> Result<T> {
        match (self.0, value) {
            (None, Some(value)) => Ok(value),
            (Some(errors), _) => Err(errors),
            (None, None) => Err(Error::new(Span::call_site(), "not a durable function")),
        }
    }
}

/// Checks a durable function.
pub(crate) fn durable(options: parse::Options, function: ItemFn) -> Result<model::Durable> {
    let mut errors = Errors::default();
    let options = options::check(options, &function.sig, &mut errors);
    let durable = signature::check(function, options, &mut errors);
    errors.none_or(durable)
}

/// Checks a list of functions.
pub(crate) fn functions(list: &parse::Functions) -> Result<()> {
    let mut errors = Errors::default();
    let mut seen = HashSet::new();
    for path in &list.paths {
        let text = path.to_token_stream().to_string();
        if !seen.insert(text) {
            errors.on(
                path,
                "this function is listed twice; a worker needs it once",
            );
        }
    }
    errors.none_or(Some(()))
}
