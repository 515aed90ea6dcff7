//! Outside events: kept until an operation of their execution asks for one, and received once.
//!
//! **Invariant:** a signal that was acknowledged is received at most once, in the order in which it was kept, and it stays for the next who asks
//! if the wait that it was given to was abandoned before its body saw it.

use crate::{ExecutionId, Payload, SignalId, SignalName, StateKind};

/// An outside event for an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSignal {
    /// Its id, chosen by the sender: sending it again changes nothing.
    pub id: SignalId,
    /// The execution that it is for.
    pub execution: ExecutionId,
    /// What it is called.
    pub name: SignalName,
    /// What it says.
    pub payload: Payload,
}

/// What became of a signal that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalAnswer {
    /// It is kept, and received as soon as the execution asks for it.
    Accepted,
    /// It was accepted before.
    Known,
    /// The execution has ended, in this state; nothing was kept.
    Ended(StateKind),
    /// There is no such execution: it never was, or it was cleaned up.
    NoSuchExecution,
}

/// Whether an execution takes signals, by the state of its root task.
#[must_use]
pub const fn accept(root: Option<StateKind>) -> SignalAnswer {
    match root {
        None => SignalAnswer::NoSuchExecution,
        Some(state) if state.is_terminal() => SignalAnswer::Ended(state),
        Some(_) => SignalAnswer::Accepted,
    }
}
