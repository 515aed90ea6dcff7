//! The examples, run as processes as people run them, and the pages that speak of defaults.

#![allow(clippy::unwrap_used, reason = "a test that meets an error fails")]

mod docs;
mod examples;
mod process;
mod quickstart;
