//! All tests.

use clap::Args;

use crate::run::{Done, cargo, show};

/// What to test, and for how long.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Try 100 times as many random cases in the property tests.
    #[arg(long)]
    long: bool,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

/// Cases of a property test in the long form; the short form is each test's own default.
const LONG_CASES: &str = "5000";

pub(crate) fn run(options: &Options) -> Done {
    let mut test = cargo(["test", "--workspace", "--all-features"]);
    if options.long {
        test.env("PROPTEST_CASES", LONG_CASES);
    }
    test.args(&options.filter);
    show(test)
}
