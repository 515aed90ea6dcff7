//! The store on servers of its own: opening, rights, poolers, encryption, and what goes wrong.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod bad_input;
mod cleanup;
mod cuts;
mod failover;
mod hostile;
mod idle;
mod listening;
mod logs;
mod opening;
mod pieces;
mod plain_sql;
mod pooler;
mod races;
mod random;
mod roles;
mod schema;
mod silence;
mod spoiled;
mod support;
mod tls;
mod within;
