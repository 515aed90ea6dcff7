//! What was written: options as a list of items, with the place of each, and lists of paths. Nothing is judged here.

use proc_macro2::Span;
use syn::{
    Expr, Ident, Path, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
    spanned::Spanned,
    token::Paren,
};

/// The options of `#[durable(..)]`, as they were written.
pub(crate) struct Options {
    pub(crate) items: Vec<Item>,
}

/// One item of a list of options.
pub(crate) enum Item {
    /// `blocking`
    Flag(Ident),
    /// `queue = "mail"`
    Value(Ident, Expr),
    /// `retry(max_attempts = 5)`
    List(Ident, Vec<Item>),
    /// `4`
    Bare(Expr),
}

impl Item {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Flag(name) | Self::Value(name, _) | Self::List(name, _) => name.span(),
            Self::Bare(value) => value.span(),
        }
    }
}

fn items(input: ParseStream<'_>) -> syn::Result<Vec<Item>> {
    Ok(Punctuated::<Item, Token![,]>::parse_terminated(input)?
        .into_iter()
        .collect())
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self {
            items: items(input)?,
        })
    }
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(Ident::peek_any) || input.peek(syn::LitBool) {
            return Ok(Self::Bare(input.parse()?));
        }
        let name = input.call(Ident::parse_any)?;
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Ok(Self::Value(name, input.parse()?))
        } else if input.peek(Paren) {
            let list;
            syn::parenthesized!(list in input);
            Ok(Self::List(name, items(&list)?))
        } else {
            Ok(Self::Flag(name))
        }
    }
}

/// The paths of `functions![..]`.
pub(crate) struct Functions {
    pub(crate) paths: Vec<Path>,
}

impl Parse for Functions {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let paths =
            Punctuated::<Path, Token![,]>::parse_terminated_with(input, Path::parse_mod_style)?;
        Ok(Self {
            paths: paths.into_iter().collect(),
        })
    }
}
