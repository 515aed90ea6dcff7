//! What a request is refused for before a store does anything.

use crate::{
    ExecutionId, FunctionName, StoreError, TaskId,
    defaults::{BATCH_MAX, TAGS_MAX},
    store::{
        CommitRequest, DeclareRequest, DispatchRequest, ExecutionQuery, HistoryRequest,
        RenewRequest, SignalRequest, TaskQuery,
    },
};

/// Why a request is refused, whatever is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It does not fit one transaction.
    #[error("a request names {given} {what}; at most {BATCH_MAX} are allowed: split it")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        given: usize,
    },
    /// An execution has too many tags.
    #[error(
        "execution `{execution}` of `{function}` has {given} tags; at most {TAGS_MAX} are allowed"
    )]
    TooManyTags {
        /// Its root's id.
        execution: TaskId,
        /// Its function.
        function: FunctionName,
        /// How many there are.
        given: usize,
    },
}

impl From<RequestError> for StoreError {
    fn from(error: RequestError) -> Self {
        Self::Refused {
            what: error.to_string(),
        }
    }
}

/// A request that has to be looked at before it is done; for a store to do first.
pub trait Checked {
    /// Whether the request is one that a store takes.
    ///
    /// # Errors
    /// [`RequestError`] when it is too large.
    fn check(&self) -> Result<(), RequestError>;
}

fn at_most_a_batch(what: &'static str, given: usize) -> Result<(), RequestError> {
    if given > BATCH_MAX {
        return Err(RequestError::TooMany { what, given });
    }
    Ok(())
}

impl Checked for DispatchRequest {
    fn check(&self) -> Result<(), RequestError> {
        at_most_a_batch("executions", self.executions.len())?;
        let mut executions = self.executions.iter();
        match executions.find(|one| one.tags.len() > TAGS_MAX) {
            None => Ok(()),
            Some(execution) => Err(RequestError::TooManyTags {
                execution: execution.root.id,
                function: execution.root.function.clone(),
                given: execution.tags.len(),
            }),
        }
    }
}

impl Checked for DeclareRequest {
    fn check(&self) -> Result<(), RequestError> {
        at_most_a_batch("functions", self.functions.len())
    }
}

impl Checked for CommitRequest {
    fn check(&self) -> Result<(), RequestError> {
        at_most_a_batch("commits", self.commits.len())
    }
}

impl Checked for RenewRequest {
    fn check(&self) -> Result<(), RequestError> {
        at_most_a_batch("leases", self.leases.len())
    }
}

impl Checked for SignalRequest {
    fn check(&self) -> Result<(), RequestError> {
        at_most_a_batch("signals", self.signals.len())
    }
}

impl Checked for [ExecutionId] {
    fn check(&self) -> Result<(), RequestError> {
        at_most_a_batch("executions", self.len())
    }
}

impl Checked for [HistoryRequest] {
    fn check(&self) -> Result<(), RequestError> {
        at_most_a_batch("tasks", self.len())
    }
}

impl Checked for ExecutionQuery {
    fn check(&self) -> Result<(), RequestError> {
        at_most_a_batch("executions", self.ids.as_ref().map_or(0, Vec::len))
    }
}

impl Checked for TaskQuery {
    fn check(&self) -> Result<(), RequestError> {
        at_most_a_batch("tasks", self.ids.as_ref().map_or(0, Vec::len))
    }
}
