//! See the library.
#![cfg_attr(fuzzing, no_main)]

stent_fuzz::program!(operations);
