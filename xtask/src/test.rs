//! All tests.

use clap::Args;

use stent_test_postgres::URL_VARIABLE;

use crate::{
    pg,
    run::{Done, Parts, cargo, show},
};

/// What to test, and for how long.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Let property tests try 5,000 random cases each, many times their default
    #[arg(long)]
    long: bool,
    /// Only tests whose name contains this
    #[arg(value_name = "NAME")]
    filter: Option<String>,
}

/// Cases of a property test in the long form; the short form is each test's own default.
const LONG_CASES: &str = "5000";

pub(crate) fn run(options: &Options) -> Done {
    // Not `--all-targets`: that builds examples as tests, and some tests run the examples as the programs that they are.
    let mut test = cargo(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    if options.long {
        test.env("PROPTEST_CASES", LONG_CASES);
    }
    test.args(&options.filter);
    // Held until all is done: it ends with this value.
    let (url, _cluster) = pg::for_tests()?;
    test.env(URL_VARIABLE, url);
    let mut parts = Parts::default();
    parts.run("tests", || show(test));
    parts.done()
}
