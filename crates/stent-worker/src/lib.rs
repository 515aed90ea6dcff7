//! Runs durable functions: claims tasks, delivers their history, renews their leases, commits what they did, cleans up, and drains.
//!
//! ```text
//!            hints                     polls bodies
//!   store ──────────▶ claimer ──▶ runner, one per leased task ──▶ committer ──▶ store
//!     ▲                              ▲    ▲                          │
//!     └── renewer, cleaner           │    └── news (outcomes that others recorded)
//!                                    └─────────── answers ───────────┘
//! ```
//!
//! **Invariants**
//! * A body runs only while its lease surely holds, by a clock of the worker's own ([`HolderClock`]).
//! * Nothing with an effect starts before the commit that it depends on.
//! * Correctness never rests on a hint.

mod backoff;
mod builder;
mod claimer;
mod cleaner;
mod clock;
mod committer;
mod context;
mod error;
mod extension;
mod live;
mod news;
mod printable;
mod registry;
mod renewer;
mod replay;
mod runner;
mod shared;
mod stats;
mod worker;

pub use crate::{
    builder::WorkerBuilder,
    clock::{Entropy, HolderClock, MachineClock, MachineEntropy},
    error::WorkerError,
    extension::StentWorkers,
    stats::WorkerStats,
    worker::Worker,
};
