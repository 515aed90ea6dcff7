//! All tests.

use std::process::Command;

use clap::Args;

use stent_test_postgres::URL_VARIABLE;

use crate::{
    pg,
    run::{Done, Failed, Parts, cargo, show},
};

/// What to test, and for how long.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Let property tests try 5,000 random cases each, many times their default
    #[arg(long)]
    long: bool,
    /// Fail where there is no PostgreSQL, instead of leaving out the tests that need it
    #[arg(long)]
    need_postgres: bool,
    /// Only tests whose name contains this
    #[arg(value_name = "NAME")]
    filter: Option<String>,
}

/// Cases of a property test in the long form; the short form is each test's own default.
const LONG_CASES: &str = "5000";

/// Packages whose tests need PostgreSQL, all or many of them.
const ON_POSTGRES: [&str; 4] = [
    "stent-store-postgres",
    "stent-test-postgres",
    "stent-chaos",
    "stent-benches",
];
/// The package of which some tests do, and its features for the others.
const PARTLY_ON_POSTGRES: (&str, &str) = ("stent", "memory");

pub(crate) fn run(options: &Options) -> Done {
    // The cluster ends with this value, when all is done.
    let (url, _cluster) = match pg::for_tests() {
        Ok(found) => found,
        Err(Failed::Postgres(missing)) if missing.is_missing() && !options.need_postgres => {
            return run_without_postgres(options, &missing);
        }
        Err(other) => return Err(other),
    };
    // Not `--all-targets`: that builds examples as tests, and some tests run the examples as the programs that they are.
    let mut test = tests(options, ["--workspace", "--all-features"]);
    test.env(URL_VARIABLE, url);
    let mut parts = Parts::default();
    parts.run("tests", || show(test));
    parts.done()
}

fn tests<'a>(options: &'a Options, which: impl IntoIterator<Item = &'a str>) -> Command {
    let mut test = cargo(["test", "--no-fail-fast"]);
    if options.long {
        test.env("PROPTEST_CASES", LONG_CASES);
    }
    test.args(which).args(&options.filter);
    test
}

fn run_without_postgres(options: &Options, missing: &stent_test_postgres::Error) -> Done {
    let (partly, features) = PARTLY_ON_POSTGRES;
    let mut others = tests(options, ["--workspace", "--all-features"]);
    for package in ON_POSTGRES.into_iter().chain([partly]) {
        others.args(["--exclude", package]);
    }
    let some = tests(options, ["--package", partly, "--features", features]);
    let mut parts = Parts::default();
    parts.run("tests", || show(others));
    parts.run("tests of its facade", || show(some));
    println!(
        "\nNOT RUN, for want of PostgreSQL: the tests of {}, and those of {partly} on Postgres.\n{missing}.",
        ON_POSTGRES.join(", ")
    );
    parts.done()
}
