//! Random numbers from a seed. Each part of a world has a stream of its own, so that one more draw here changes nothing there.

use std::sync::{Mutex, PoisonError};

use fastrand::Rng;

/// A stream of random numbers that several may draw from.
#[derive(Debug)]
pub(crate) struct Random(Mutex<Rng>);

impl Random {
    /// The stream of one part of the world of a seed.
    pub(crate) fn new(seed: u64, part: u64) -> Self {
        Self(Mutex::new(rng(seed, part)))
    }

    pub(crate) fn with<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn fill(&self, buffer: &mut [u8]) {
        self.with(|rng| rng.fill(buffer));
    }
}

/// See [`Random::new`].
pub(crate) fn rng(seed: u64, part: u64) -> Rng {
    // Seeds side by side are as different as any: the finaliser of SplitMix64 (Steele, Lea and Flood 2014).
    let mut mixed = seed.wrapping_add(part.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Rng::with_seed(mixed ^ (mixed >> 31))
}

/// Whether something happens that happens so many times in a thousand.
pub(crate) fn chance(rng: &mut Rng, per_mille: u32) -> bool {
    rng.u32(0..1_000) < per_mille
}
