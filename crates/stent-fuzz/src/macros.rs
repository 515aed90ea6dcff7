//! What stands in and below the macros.

use std::str;

use proc_macro2::TokenStream;

use crate::tokens;

/// Beyond this, what is nested in itself would exhaust the parser's stack, as it does in any macro.
const LONGEST: usize = 1_024;

/// Whatever the tokens are, code comes of them, or errors, which are code too. What stands before an empty line are the options of `#[durable(..)]`,
/// and what stands after it the function; without one, it is a list for `functions![..]`.
pub fn macro_input(data: &[u8]) {
    let Some(text) = str::from_utf8(data)
        .ok()
        .filter(|text| text.len() <= LONGEST)
    else {
        return;
    };
    let read = |text: &str| text.parse::<TokenStream>().ok();
    match text.split_once("\n\n") {
        Some((options, function)) => {
            if let (Some(options), Some(function)) = (read(options), read(function)) {
                let made = tokens::durable(options, function);
                if let Err(error) = syn::parse2::<syn::File>(made.clone()) {
                    panic!("{error}: {made}");
                }
            }
        }
        None => {
            if let Some(list) = read(text) {
                let made = tokens::functions(list);
                if let Err(error) = syn::parse2::<syn::Expr>(made.clone()) {
                    panic!("{error}: {made}");
                }
            }
        }
    }
}
