//! Makes a world that fails smaller, for as long as it fails.

use crate::{run, scenario::Scenario};

/// The smallest scenario that was found in which something is broken still. `tell` is told of each that is smaller.
pub fn shrink(scenario: Scenario, mut tell: impl FnMut(&Scenario)) -> Scenario {
    let mut smallest = scenario;
    loop {
        let next = smaller(&smallest)
            .into_iter()
            .find(|smaller| !run(smaller, false).broken.is_empty());
        match next {
            Some(smaller) => {
                tell(&smaller);
                smallest = smaller;
            }
            None => return smallest,
        }
    }
}

/// What is a little smaller: the largest steps first.
fn smaller(scenario: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    let count = scenario.items.len();
    if count > 3 {
        for half in [0..count / 2, count / 2..count] {
            let mut smaller = scenario.clone();
            smaller.items.drain(half);
            all.push(smaller);
        }
    }
    if scenario.workers > 1 {
        let workers = scenario.workers - 1;
        all.push(Scenario {
            workers,
            ..scenario.clone()
        });
    }
    for fault in &scenario.faults {
        let mut smaller = scenario.clone();
        smaller.faults.remove(fault);
        all.push(smaller);
    }
    for item in 0..count {
        let mut smaller = scenario.clone();
        smaller.items.remove(item);
        all.push(smaller);
    }
    let storm = scenario.storm / 4 * 3;
    if storm.as_millis() > 500 {
        all.push(Scenario {
            storm,
            ..scenario.clone()
        });
    }
    all
}
