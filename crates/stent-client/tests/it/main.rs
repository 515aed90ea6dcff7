//! What bodies ask of a context, and what a client asks of a store.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod body;
mod client;
mod faulty;
mod functions;
mod map;
mod operations;
mod positions;
mod waiting;
