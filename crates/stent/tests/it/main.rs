//! The whole, from the attribute to the store, under virtual time.

mod cut;
mod failures;
mod faults;
mod replay;
mod requirement;
mod stopping;
mod support;
mod waiting;
