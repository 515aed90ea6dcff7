//! The trials in their short form.
#![allow(clippy::unwrap_used, reason = "a test that meets an error fails")]

mod limits;
#[cfg(target_os = "linux")]
mod power;
