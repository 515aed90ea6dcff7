//! The examples, run as processes as people run them, and the pages that speak of defaults.

mod docs;
mod examples;
mod process;
mod quickstart;
