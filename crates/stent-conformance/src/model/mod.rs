//! Random operations on a store and on the memory store, compared.
//!
//! Both stores go by one clock and are given the same requests. After each operation the answers must be equal, and so must be everything that
//! can be seen; and what can be seen must obey the `invariants`.
//!
//! Operations name tasks, executions and signals by a number into what is known so far, so that any part of a sequence is a sequence too: that
//! is how the shortest one that fails is found.

mod driver;
mod invariants;
mod operations;
mod requests;
#[cfg(test)]
mod small_world;

use proptest::{
    collection::vec,
    test_runner::{Config, FileFailurePersistence, TestCaseError, TestError, TestRunner},
};

use self::{driver::Driver, operations::Operation};
use crate::{Harness, visible::Visible};

/// Sequences that are tried where `PROPTEST_CASES` does not say otherwise.
const SEQUENCES: u32 = 64;
/// Operations of one sequence at most.
const OPERATIONS: usize = 60;

/// Compares a store with the memory store, on random sequences of operations.
///
/// `source` is the file of the test: seeds of sequences that failed are kept beside it.
///
/// # Panics
/// When the stores differ. The message shows the shortest sequence that was found.
pub fn check(source: &'static str, make: impl Fn() -> Box<dyn Harness>) {
    let mut config = Config {
        source_file: Some(source),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = SEQUENCES;
    }
    let mut runner = TestRunner::new(config);
    let sequences = vec(operations::any(), 1..OPERATIONS);
    let verdict = runner.run(&sequences, |sequence| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        runtime
            .block_on(run(make(), &sequence))
            .map_err(TestCaseError::fail)
    });
    match verdict {
        Ok(()) => {}
        Err(TestError::Fail(reason, sequence)) => {
            panic!("{reason}\nThe shortest sequence that was found:\n{sequence:#?}")
        }
        Err(TestError::Abort(reason)) => panic!("no sequence could be tried: {reason}"),
    }
}

/// Checks what can be seen of a store at one moment.
///
/// # Panics
/// With the invariant that is broken, and by what.
pub(crate) fn check_visible(visible: &Visible) {
    if let Err(broken) = invariants::is_whole(visible) {
        panic!("{broken}");
    }
}

/// Does a sequence to both stores; what differs.
async fn run(harness: Box<dyn Harness>, sequence: &[Operation]) -> Result<(), String> {
    let mut driver = Driver::open(harness).await;
    for (number, operation) in sequence.iter().enumerate() {
        driver
            .perform(operation)
            .await
            .map_err(|what| format!("operation {number}, {operation:?}: {what}"))?;
    }
    Ok(())
}
