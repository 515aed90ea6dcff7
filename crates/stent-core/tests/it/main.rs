//! The rules, from outside: every state with every event, and random data against naive models.

mod claiming;
mod keeping;
mod states;
