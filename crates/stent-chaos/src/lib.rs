//! Trials of Stent with real processes that are killed and paused, and what they are made of.
//!
//! A trial starts worker processes ([`process`]) on a real database and does to them what machines do. Meanwhile everyone writes down what they
//! see ([`history`]): the bodies, the clients, and whoever does the damage. At the end the history is judged by pure functions ([`limit`],
//! [`accounts`]), which share no code with the engine and ask the database nothing: they find what must not be, or figures of a trial in which all
//! was well. [`audit`] looks for rows in the database that belong to nothing.
//!
//! [`soak`] keeps what a long trial used, and says what grows.
//!
//! [`proxy`] stands before a server and cuts, stalls and half-closes connections. [`power`] takes away from a disk what was not synced.
//!
//! `cargo xtask trial` runs the trials.

pub mod accounts;
pub mod audit;
pub mod history;
pub mod limit;
pub mod power;
pub mod process;
pub mod proxy;
pub mod soak;
