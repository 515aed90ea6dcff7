//! What `#[durable]` refuses, and what the code that it makes does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod run;
mod ui;
