//! The whole, from the attribute to the store, under virtual time.

#![allow(clippy::unwrap_used, reason = "a test that meets an error fails")]

mod blocking;
mod claiming;
mod cut;
mod epochs;
mod failures;
mod faults;
mod input;
mod logs;
mod replay;
mod requirement;
mod room;
mod stopping;
mod stores;
mod support;
mod suspects;
mod takeover;
mod transactions;
mod waiting;
