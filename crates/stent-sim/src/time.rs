//! Virtual time: one for the world, one that the store goes by, one for each machine.
//!
//! Each machine has a runtime of its own whose clock stands still; the world lets one after the other run for a moment. While one runs, the world's
//! time goes on with that runtime's clock.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use stent::{
    IdSource,
    store::{Clock, Timestamp},
    worker::{Entropy, HolderClock},
};
use tokio::time::Instant;

use crate::random::Random;

thread_local! {
    /// Since when a machine runs: by the world's time and by its runtime's clock.
    static RUNNING: Cell<Option<(u64, Instant)>> = const { Cell::new(None) };
}

/// The world's time, in microseconds since its beginning.
#[derive(Debug, Default)]
pub(crate) struct WorldTime(AtomicU64);

impl WorldTime {
    pub(crate) fn now(&self) -> u64 {
        match RUNNING.get() {
            Some((since, began)) => since.saturating_add(micros(began.elapsed())),
            None => self.0.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.0.fetch_add(micros(span), Ordering::Relaxed);
    }

    /// Lets a machine's runtime tell the time until the answer is dropped. Called within that runtime.
    pub(crate) fn enter(&self) -> Running {
        RUNNING.set(Some((self.0.load(Ordering::Relaxed), Instant::now())));
        Running
    }
}

/// A machine runs.
pub(crate) struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.set(None);
    }
}

pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// The store's clock: the world's, moved by whoever sets clocks. It never goes back by itself, though machines take turns.
#[derive(Debug)]
pub(crate) struct StoreClock {
    world: Arc<WorldTime>,
    moved: AtomicI64,
    newest: AtomicI64,
}

impl StoreClock {
    pub(crate) const BEGINNING: i64 = 1_800_000_000_000_000;

    pub(crate) fn new(world: Arc<WorldTime>) -> Self {
        Self {
            world,
            moved: AtomicI64::new(0),
            newest: AtomicI64::new(i64::MIN),
        }
    }

    /// Somebody sets it, forward or back.
    pub(crate) fn step(&self, by_micros: i64) {
        self.moved.fetch_add(by_micros, Ordering::Relaxed);
        self.newest.store(i64::MIN, Ordering::Relaxed);
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        let world = i64::try_from(self.world.now()).unwrap_or(i64::MAX);
        let now = Self::BEGINNING + world + self.moved.load(Ordering::Relaxed);
        let newest = self.newest.fetch_max(now, Ordering::Relaxed).max(now);
        Timestamp::from_micros(newest)
    }
}

/// A machine's own clock, which counts its pauses and goes a little faster or slower than the world's, and its random numbers.
#[derive(Debug)]
pub(crate) struct MachineClock {
    pub(crate) world: Arc<WorldTime>,
    /// Parts of a thousand.
    pub(crate) drift: i64,
    /// By how much its wall clock is wrong, in microseconds.
    pub(crate) wrong_by: i64,
    pub(crate) random: Random,
}

impl MachineClock {
    fn own(&self) -> u64 {
        let world = i64::try_from(self.world.now()).unwrap_or(i64::MAX);
        u64::try_from(world + world / 1_000 * self.drift).unwrap_or(0)
    }
}

impl HolderClock for MachineClock {
    fn now(&self) -> Duration {
        Duration::from_micros(self.own())
    }
}

impl Entropy for MachineClock {
    fn fill(&self, buffer: &mut [u8]) {
        self.random.fill(buffer);
    }
}

impl IdSource for MachineClock {
    fn now(&self) -> Timestamp {
        let own = i64::try_from(self.own()).unwrap_or(i64::MAX);
        Timestamp::from_micros(StoreClock::BEGINNING + own + self.wrong_by)
    }

    fn fill(&self, buffer: &mut [u8]) {
        self.random.fill(buffer);
    }
}
