//! What a transaction does: it loads, asks the rules of `stent-core`, and saves.
//!
//! **Invariant:** no rule stands here. Whatever follows from a change of a task goes through [`effects`].

mod admin;
mod claim;
mod cleanup;
mod commit;
mod deadlock;
mod dispatch;
mod effects;
mod functions;
mod health;
mod histories;
mod mailboxes;
mod renew;
mod signal;
mod sweep;
mod tasks;
mod unsure;
mod verb;

pub(crate) use self::{
    admin::{CancelRequest, ReplayRequest},
    claim::{Claim, Claimed},
    deadlock::Untangle,
    functions::{FunctionSlots, limits_of},
    health::HealthCheck,
    histories::Histories,
    mailboxes::Mailboxes,
    sweep::Sweep,
    tasks::{Changes, uuids},
    unsure::Unsure,
    verb::Verb,
};
