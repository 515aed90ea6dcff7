//! A loss of power: what a disk holds then of a folder that processes wrote to, and whether it is what had been promised.
//!
//! Processes run under `strace(1)`, which writes down in one order every call by which they change the folder, and every line by which they say
//! what was acknowledged. [`trace`] reads that; [`disk`] follows it, and tells at any point what a disk may hold that kept what was synced, and of
//! the rest whatever chance left; [`judge`] compares what is found there with what had been said before.
//!
//! The write-ahead log's index (`-shm`) is memory that processes share, never synced, and is gone with them.

pub mod disk;
pub mod judge;
pub mod trace;
