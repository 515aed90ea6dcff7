//! Every way to write a durable function wrongly, with what the compiler says about it; and all that may be written.

#[test]
fn mistakes_are_compile_errors_on_the_token_that_is_wrong() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/pass/*.rs");
}

/// Here the compiler speaks in its own words, which change from version to version; the place that it points at is ours.
#[rustversion::attr(not(stable(1.95)), ignore = "the texts are those of Rust 1.95")]
#[test]
fn what_only_the_compiler_can_find_is_found_on_the_token_that_is_wrong() {
    trybuild::TestCases::new().compile_fail("tests/ui/rustc/*.rs");
}
