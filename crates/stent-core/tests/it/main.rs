//! The rules, from outside: every state with every event, and random data against naive models.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod claiming;
mod keeping;
mod operations;
mod requests;
mod sizes;
mod states;
