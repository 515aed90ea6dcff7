//! Durable functions written by hand; nothing here runs them.

use std::sync::LazyLock;

use stent_client::{Body, Call, Durable, FunctionDefinition, FunctionName, Payload};

macro_rules! function {
    ($name:ident($($argument:ident: $ty:ty),*) -> $output:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name {}

        pub(crate) fn $name($($argument: $ty),*) -> Call<$name> {
            Call::new(&($($argument),*))
        }

        impl Durable for $name {
            type Output = $output;
            const NAME: &'static str = stringify!($name);

            fn definition() -> &'static FunctionDefinition {
                static DEFINITION: LazyLock<FunctionDefinition> = LazyLock::new(|| {
                    let name = FunctionName::new($name::NAME).unwrap();
                    FunctionDefinition::new(name, Body::Blocking(|_| Ok(Payload::null())))
                });
                &DEFINITION
            }
        }
    };
}

#[allow(non_camel_case_types, reason = "they stand for functions")]
mod all {
    use super::*;

    function!(double(number: u32) -> u32);
    function!(join_words(left: String, right: String) -> String);
    function!(note(text: String) -> ());
}

pub(crate) use all::*;
