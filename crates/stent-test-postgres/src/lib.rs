//! Throwaway PostgreSQL servers for tests, benchmarks and chores.
//!
//! [`database()`] is what most tests want: an empty database of a server that this process's tests share, and that goes with the process, however
//! it ends. [`Cluster`] is a server of one's own, to stop, to kill and to start again.
//!
//! The programs of PostgreSQL are looked for where Debian puts them, and on `PATH`; as root on a machine with `apt-get` they are installed. With
//! `STENT_TEST_POSTGRES_URL` that server is used instead, by [`database()`] only.

mod cluster;
mod database;
mod error;
mod programs;

pub use crate::{
    cluster::{Cluster, Options, Stop},
    database::{Database, Server, URL_VARIABLE, database, shared},
    error::Error,
    programs::{Programs, program},
};
