//! Each example ends by itself and shows what it says that it shows.

use std::collections::BTreeSet;

use crate::process::{Running, example};

/// Runs an example on a database of its own.
fn run(name: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = example(name);
    command.arg(folder.path().join("test.db"));
    Running::start(command).wait().success()
}

/// The lines that hold a text.
fn lines<'a>(output: &'a str, text: &str) -> Vec<&'a str> {
    output.lines().filter(|line| line.contains(text)).collect()
}

#[cfg(unix)]
#[test]
fn a_service_that_is_asked_to_end_finishes_what_runs_and_begins_nothing() {
    let output = run("service");
    let expected = [
        "the first nap begins",
        "the service is asked to end",
        "the first nap ends",
        "the service has drained",
        "meanwhile the first nap is completed",
        "meanwhile the second nap is pending",
        "the second nap begins",
        "the second nap ends",
        "the service is asked to end",
        "the service has drained",
    ];
    assert_eq!(output.lines().collect::<Vec<_>>(), expected);
}

/// As the example has it; it is only dispatched here.
#[cfg(unix)]
#[stent::durable]
async fn nap(name: String) -> stent::Result<()> {
    Err(stent::fatal(std::io::Error::other(name)))
}

#[cfg(unix)]
#[tokio::test]
async fn a_service_that_is_asked_twice_ends_at_once_and_loses_nothing() {
    use rustix::process::Signal;
    use stent::{prelude::*, store::StateKind};

    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("test.db");
    let url = format!("sqlite:{}", database.display());
    let stent = Stent::open(url).await.unwrap();
    let long = stent.dispatch(nap("long".to_owned())).await.unwrap();

    let mut serve = example("service");
    serve.arg("serve").arg(&database);
    let mut service = Running::start(serve);
    while service.line().unwrap() != "the long nap begins" {}
    // Two of a kind might arrive as one.
    service.signal(Signal::TERM);
    service.signal(Signal::INT);

    let output = service.wait().success();
    assert!(!output.contains("ends"), "{output}");
    assert_eq!(long.state().await.unwrap(), StateKind::Running);
}

#[test]
fn a_killed_workers_task_goes_on_elsewhere_and_what_finished_is_not_run_again() {
    let output = run("crash_recovery");
    assert_eq!(
        lines(&output, "the task's body begins").len(),
        2,
        "{output}"
    );
    let packed = lines(&output, "step `pack` runs");
    assert!(
        matches!(packed[..], [line] if line.contains("worker 1")),
        "{output}"
    );
    let labelled = lines(&output, "step `label` runs");
    assert!(
        matches!(labelled[..], [first, second] if first.contains("worker 1") && second.contains("worker 2")),
        "{output}"
    );
    assert_eq!(
        lines(&output, "the result: a book, packed and labelled").len(),
        1,
        "{output}"
    );
}

#[test]
fn a_limit_of_one_holds_over_three_processes_of_which_one_is_killed() {
    let output = run("exclusive");
    assert_eq!(
        lines(&output, "with `max_concurrent = 1`"),
        ["with `max_concurrent = 1`: 24 tasks, at most 1 at once"]
    );
    let without: Vec<_> = lines(&output, "without a limit");
    assert!(
        !without[0].ends_with("at most 1 at once"),
        "the witness is blind:\n{output}"
    );
    assert_eq!(lines(&output, "killing process").len(), 1, "{output}");
    let (_, limited) = output.split_once("with `max_concurrent").unwrap();
    assert!(lines(limited, "  process").len() > 1, "{output}");
}

#[test]
fn a_saga_undoes_what_it_did_last_first() {
    let output = run("saga");
    let (lisbon, venice) = output.split_once("a trip to Venice").unwrap();
    assert!(lisbon.contains("all 3 parts are booked"), "{output}");
    let words: Vec<_> = venice
        .lines()
        .filter_map(|line| line.trim().split(':').next())
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(
        words,
        [
            "booked Flight",
            "booked Hotel",
            "undid Hotel",
            "undid Flight",
            "no trip"
        ]
    );
}

#[test]
fn an_approval_is_granted_refused_or_missed() {
    let output = run("approval");
    let lines: Vec<_> = output.lines().collect();
    assert!(
        matches!(lines[..], [granted, refused, missed]
            if granted.contains("Ada approved it; payment")
            && refused.contains("Ada refused it")
            && missed.contains("nobody answered in time")),
        "{output}"
    );
}

const FANNED_OUT: &str = "99 texts have 4950 words
9 of 10 texts have 45 words, and 1 has none
`to be to be` is 2 words, twice
ho ho ho and hey hey
";

#[test]
fn a_fan_out_gives_results_in_order_and_failures_as_values() {
    let output = run("fan_out");
    assert_eq!(output, FANNED_OUT);
}

/// Kills an example with SIGKILL as soon as it says a line, starts it again on the same database, and gives what both said and how many
/// executions there are then.
async fn killed_at(name: &str, text: &str) -> (String, String, usize) {
    use stent::{prelude::*, store::ExecutionQuery};

    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("test.db");
    let start = || {
        let mut command = example(name);
        command.arg(&database);
        Running::start(command)
    };
    let (mut first, mut said) = (start(), String::new());
    while !said.contains(text) {
        said.push_str(&first.line().unwrap());
        said.push('\n');
    }
    first.kill();
    let said_again = start().wait().success();
    let url = format!("sqlite:{}", database.display());
    let stent = Stent::open(url).await.unwrap();
    let executions = stent.executions(ExecutionQuery::default()).await.unwrap();
    (said, said_again, executions.executions.len())
}

#[tokio::test]
async fn a_saga_that_is_killed_goes_on_and_books_nothing_twice() {
    for moment in ["booked Flight", "booked Hotel", "undid Hotel"] {
        let (before, after, executions) = killed_at("saga", moment).await;
        assert!(after.contains("all 3 parts are booked"), "{after}");
        assert!(
            after.ends_with("no trip: there are no cars in Venice\n"),
            "{after}"
        );
        assert_eq!(executions, 2);
        // Of each trip and part one number, whoever said it; the trip that is killed may be either.
        let both = format!("{before}{after}");
        let bookings: BTreeSet<_> = lines(&both, "  booked ").into_iter().collect();
        assert_eq!(bookings.len(), 3 + 2, "{moment}: {both}");
        let undone: BTreeSet<_> = lines(&both, "  undid ").into_iter().collect();
        assert_eq!(undone.len(), 2, "{moment}: {both}");
    }
}

#[tokio::test]
async fn an_approval_that_is_killed_goes_on_and_pays_nothing_twice() {
    let (before, after, executions) = killed_at("approval", "a train ticket").await;
    assert!(
        after.starts_with(&before),
        "another payment:\n{before}\n{after}"
    );
    assert!(after.contains("Ada refused it"), "{after}");
    assert!(after.contains("nobody answered in time"), "{after}");
    assert_eq!(executions, 3);
}

#[tokio::test]
async fn a_fan_out_that_is_killed_goes_on() {
    let (_, after, executions) = killed_at("fan_out", "99 texts").await;
    assert_eq!(after, FANNED_OUT);
    assert_eq!(executions, 3 + 2);
}

#[test]
fn an_option_is_never_taken_for_a_database() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "approval",
        "crash_recovery",
        "exclusive",
        "fan_out",
        "saga",
        "service",
    ] {
        let start = |option| {
            let mut command = example(name);
            command.arg(option).current_dir(folder.path());
            Running::start(command).wait()
        };
        let help = start("--help").success();
        assert!(
            help.contains(&format!("Usage: {name} [DATABASE]")),
            "{help}"
        );
        assert_eq!(start("--database").status.code(), Some(2), "{name}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
