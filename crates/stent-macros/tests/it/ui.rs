//! Every way to write a durable function wrongly, with what the compiler says about it; and all that may be written.

#[test]
fn mistakes_are_compile_errors_on_the_token_that_is_wrong() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/pass/*.rs");
}
