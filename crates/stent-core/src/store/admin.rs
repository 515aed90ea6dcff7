use std::num::NonZeroU32;

use crate::{
    Epoch, FunctionName, StateKind,
    limit::{Limit, Limits},
    store::WorkerReport,
};

/// A worker with the functions that it has.
#[derive(Clone, Debug)]
pub struct DeclareRequest {
    /// The worker.
    pub worker: WorkerReport,
    /// Its functions.
    pub functions: Vec<FunctionDeclaration>,
}

/// What a worker's code says of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionDeclaration {
    /// Its name.
    pub name: FunctionName,
    /// Its limit, if it has one.
    pub limit: Option<Limit>,
}

impl FunctionDeclaration {
    /// What is kept from now on, and what the worker is told. `known` is what was kept of the function; `None` if it was never heard of.
    #[must_use]
    pub fn replace(&self, known: Option<Limits>) -> (Limits, Option<LimitDifference>) {
        let before = known.unwrap_or_default();
        let is_other = known.is_some() && before.declared != self.limit;
        let difference = LimitDifference {
            function: self.name.clone(),
            before: before.declared,
            by_operator: before.by_operator,
        };
        let limits = Limits {
            declared: self.limit,
            ..before
        };
        let differs = is_other || before.by_operator.is_some();
        (limits, differs.then_some(difference))
    }
}

/// What differed from what was stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclareAnswer {
    /// Functions whose declared limit was another before, or is overruled by an operator's.
    pub differences: Vec<LimitDifference>,
    /// The store's epoch: what is declared here is known in it.
    pub epoch: Epoch,
}

/// A limit that differed from what was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitDifference {
    /// The function.
    pub function: FunctionName,
    /// What was declared before.
    pub before: Option<Limit>,
    /// What an operator set, which overrules both.
    pub by_operator: Option<NonZeroU32>,
}

/// An operator's limit.
#[derive(Clone, Debug)]
pub struct SetLimitRequest {
    /// The function.
    pub function: FunctionName,
    /// The limit; `None` unsets it.
    pub max_concurrent: Option<NonZeroU32>,
}

impl SetLimitRequest {
    /// What is kept from now on.
    #[must_use]
    pub fn replace(&self, known: Option<Limits>) -> Limits {
        Limits {
            by_operator: self.max_concurrent,
            ..known.unwrap_or_default()
        }
    }
}

/// What became of a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelAnswer {
    /// It is cancelled, or will be as soon as its running bodies have stopped.
    Requested,
    /// It had ended, in this state.
    Ended(StateKind),
    /// There is no such execution: it never was, or it was cleaned up.
    NoSuchExecution,
}

/// What became of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayAnswer {
    /// It is in the queue again.
    Replayed,
    /// It is no dead letter: it is in this state.
    NotDeadLetter(StateKind),
    /// There is no such execution: it never was, or it was cleaned up.
    NoSuchExecution,
}
