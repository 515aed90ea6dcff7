//! One world from its beginning to its end: a storm, then calm, then the verdict.

use std::{sync::Arc, time::Duration};

use crate::{check::end, fleet::Fleet, random::rng, scenario::Scenario, world::World};

/// How long everything may take to come to its end when all faults have stopped. What ends its process costs some leases until it is condemned, what
/// waits for its own caller's slot is ended after ten seconds, and functions within functions that are tried three times each multiply that.
const HEALING: Duration = Duration::from_secs(1_200);

/// What came of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What must not have happened, and did.
    pub broken: Vec<String>,
    /// How many events there were, and a number that stands for them all: the same whenever the seed is the same.
    pub trace: (u64, u64),
    /// Bodies that were begun.
    pub bodies: usize,
    /// The virtual time that it took.
    pub took: Duration,
}

/// Runs a world; `shown` prints what happens.
#[must_use]
pub fn run(scenario: &Scenario, shown: bool) -> Verdict {
    let world = World::new(scenario.clone());
    if shown {
        world.record().show();
    }
    let mut fleet = Fleet::new(&world);
    let mut turns = rng(scenario.seed, 5);
    let mut turn =
        |longest: usize| Duration::from_millis([1, 2, 5, 10, 20, 50][turns.usize(0..longest)]);
    let mut left = scenario.steps.unwrap_or(u64::MAX);
    let mut goes_on = || {
        let goes_on = left > 0;
        left = left.saturating_sub(1);
        goes_on
    };
    while world.now() < crate::time::micros(scenario.storm) {
        if !goes_on() {
            return verdict(&world);
        }
        let span = turn(5);
        fleet.befall(span);
        fleet.turn(span);
    }
    fleet.calm();
    let until = world.now() + crate::time::micros(HEALING);
    let mut next_look = world.now();
    while world.now() < until {
        if !goes_on() {
            return verdict(&world);
        }
        fleet.turn(turn(6));
        if world.now() >= next_look {
            next_look = world.now() + 500_000;
            crate::client::help(&world);
            if end::is_over(&world) {
                break;
            }
        }
    }
    world.note(("over", fleet.on()));
    end::judge(&world);
    drop(fleet);
    verdict(&world)
}

fn verdict(world: &Arc<World>) -> Verdict {
    let record = world.record();
    Verdict {
        broken: record.broken.clone(),
        trace: record.trace(),
        bodies: record.bodies.len(),
        took: Duration::from_micros(world.now()),
    }
}
