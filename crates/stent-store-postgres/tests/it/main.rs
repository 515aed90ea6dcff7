//! The store on servers of its own: opening, rights, poolers, encryption, and what goes wrong.
#![allow(missing_docs, reason = "tests")]

mod bad_input;
mod listening;
mod opening;
mod pooler;
mod races;
mod requests;
mod roles;
mod support;
mod tls;
