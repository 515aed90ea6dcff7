use crate::{ExecutionId, NewExecution};

/// Executions to make.
#[derive(Clone, Debug, Default)]
pub struct DispatchRequest {
    /// At most [`crate::defaults::BATCH_MAX`]; the request is one transaction.
    pub executions: Vec<NewExecution>,
}

/// What became of each, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispatchAnswer {
    /// One for each.
    pub executions: Vec<Dispatched>,
}

/// What became of an execution that was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatched {
    /// It was made.
    Created(ExecutionId),
    /// One under its id or its idempotency key existed.
    Existing {
        /// The one that exists.
        execution: ExecutionId,
        /// Whether it has other arguments.
        other_input: bool,
    },
}

impl Dispatched {
    /// The execution, made now or before.
    #[must_use]
    pub const fn execution(&self) -> ExecutionId {
        match self {
            Self::Created(execution) | Self::Existing { execution, .. } => *execution,
        }
    }
}
