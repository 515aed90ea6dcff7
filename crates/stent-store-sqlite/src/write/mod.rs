//! What the writer's thread does within a transaction: it loads, asks the rules of `stent-core`, and saves.
//!
//! **Invariant:** no rule stands here. Whatever follows from a change of a task goes through [`effects`].

mod admin;
pub(crate) mod align;
mod claim;
mod cleanup;
mod commit;
mod deadlock;
mod dispatch;
mod effects;
mod limits;
mod renew;
mod signal;
mod tasks;

use stent_core::Epoch;

/// It never changes under a running program: a file that is replaced is refused, and one that is written over must not be open, which the page on
/// SQLite says.
const EPOCH: Epoch = Epoch(0);
