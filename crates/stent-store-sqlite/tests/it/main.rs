//! What is particular to this store: files, settings, locks, processes. What every store must do is checked by `tests/conformance.rs`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod cleanup;
mod damage;
mod deadlock;
mod group_commit;
mod hints;
mod opening;
#[cfg(unix)]
mod place;
mod processes;
mod spoiled;
mod within;
