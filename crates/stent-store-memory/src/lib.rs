//! Stent's rules applied to plain maps: the specification that other stores are compared with.
//!
//! [`MemoryStore`] keeps everything in this process, as long as the value lives. It is for tests, for trying things out, and for the conformance
//! suite, which drives it and another store with the same operations and compares every answer.
//!
//! ```
//! use stent_core::Store;
//! use stent_store_memory::MemoryStore;
//!
//! let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(MemoryStore::new());
//! # let _ = store;
//! ```
//!
//! **Invariant:** no rule stands here. A request loads, asks `stent-core` and saves; whatever follows from a change of a task goes through
//! `effects`. Everything that a request does happens under one lock, so it is one transaction.

mod admin;
mod claim;
mod cleanup;
mod clock;
mod commit;
mod deadlock;
mod dispatch;
mod effects;
mod index;
mod inspect;
mod renew;
mod signal;
mod store;
mod tables;

pub use crate::{clock::SystemClock, store::MemoryStore};
