//! Whole fleets in one thread, under virtual time and injected faults, from a seed.
//!
//! The engine is the real one: workers, clients, the client library. Each process has a runtime of its own whose clock stands still; they take
//! turns, and at the end of a turn the virtual time has moved on. The store is the memory store, the specification of all stores, behind connections
//! that lose, delay and double what goes over them. What happens is drawn from a seed, and happens again under the same seed.
//!
//! First comes a storm; then all faults stop, and everything must come to its end. What was seen is judged by the checker in `check`, which
//! knows the promises and nothing of how the engine keeps them.

mod check;
mod client;
mod fleet;
mod functions;
mod machine;
mod network;
mod random;
mod record;
mod run;
pub mod scenario;
mod shrink;
mod time;
mod work;
mod world;

pub use crate::{
    run::{Verdict, run},
    shrink::shrink,
};
