//! What every store for Stent must pass.
//!
//! A store has no rules of its own: it loads, asks `stent-core` and saves. This crate checks that it does so, by named cases
//! (one `#[test]` each), by races, and by random sequences of operations whose every answer, and the whole visible state after each of them,
//! must equal those of [`MemoryStore`](stent_store_memory::MemoryStore).
//!
//! # Usage
//! Add this crate to the `dev-dependencies`, and put this into `tests/conformance.rs`. The expression is evaluated once per test.
//!
//! ```
//! use std::sync::Arc;
//!
//! use stent_conformance::{Harness, ManualClock, Surroundings};
//! use stent_core::Store;
//! # use stent_store_memory::MemoryStore as MyStore;
//!
//! /// The place of one store: a folder, a schema. Dropped when its test ends, and cleans up then.
//! struct MyHarness;
//!
//! #[async_trait::async_trait]
//! impl Harness for MyHarness {
//!     async fn open(&self, clock: Arc<ManualClock>) -> Arc<dyn Store> {
//!         Arc::new(MyStore::with_clock(clock))
//!     }
//!
//!     async fn reopen(&self, _: Arc<ManualClock>) -> Option<Arc<dyn Store>> {
//!         None // it keeps nothing
//!     }
//!
//!     async fn open_at_once(&self, _: usize, _: Arc<ManualClock>) -> Option<Vec<Arc<dyn Store>>> {
//!         None // and shares it with nobody
//!     }
//!
//!     fn surroundings(&self) -> Vec<Box<dyn Surroundings>> {
//!         Vec::new() // so nothing around it can be wrong
//!     }
//! }
//!
//! stent_conformance::suite!(MyHarness);
//! # fn main() {}
//! ```
//!
//! That is all. `cargo test` then lists `dispatch::a_key_makes_one_execution_however_often_it_is_used` and the rest, each of which can be run alone.
//!
//! A store that keeps its data opens it anew in [`Harness::reopen`]. One that keeps nothing says so there by `None`, and proves nothing about restarts.
//! [`Harness::open_at_once`] opens it as processes do that start together, and [`Surroundings`] are what may be wrong with the place that it lies in.
//!
//! # When random operations find a difference
//! The message shows the shortest sequence that still fails, what both stores answered, and the lines of visible state that differ. proptest
//! writes the seed to a file beside the test, and tries it first from then on. `PROPTEST_CASES=10000` looks longer; see [`model`].

#![allow(
    clippy::expect_used,
    reason = "a failed expectation is how a case fails"
)]

mod alternating;
mod cases;
mod clock;
mod harness;
mod list;
pub mod model;
mod race;
pub mod requests;
mod visible;
mod world;
mod writes;

pub use crate::{
    alternating::Alternating,
    clock::ManualClock,
    harness::{Harness, Surroundings},
    list::{CASES, Case, run},
};

/// The code of the page for authors of stores, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/write-your-own-store.md")]
struct WriteYourOwnStore;
