//! The simulator itself: what a seed stands for, and that it stands for the same each time. Whether promises are kept, `cargo xtask sim` looks for
//! at length, under seeds of its own.

use stent_sim::{
    run,
    scenario::{Fault, Scenario},
};

/// Few, and always the same: what fails here fails for everyone.
const SEEDS: std::ops::Range<u64> = 0..60;

#[test]
fn all_promises_are_kept_under_the_first_seeds() {
    for seed in SEEDS {
        let scenario = Scenario::of(seed);
        let verdict = run(&scenario, false);
        assert_eq!(
            verdict.broken,
            Vec::<String>::new(),
            "{}",
            scenario.command()
        );
        assert!(verdict.bodies > 0, "something was done under seed {seed}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in SEEDS {
        let scenario = Scenario::of(seed);
        assert_eq!(run(&scenario, false), run(&scenario, false), "seed {seed}");
    }
}

#[test]
fn a_part_of_a_scenario_can_be_run_without_the_rest() {
    let seed = SEEDS
        .into_iter()
        .find(|seed| Scenario::of(*seed).has(Fault::Kill));
    let mut scenario = Scenario::of(seed.expect("one of them kills"));
    let whole = run(&scenario, false);
    scenario.faults.retain(|fault| *fault == Fault::Kill);
    scenario.keep(&[0, 1]);
    let command = scenario.command();
    assert!(command.contains("--faults kill") && command.contains("--executions 0,1"));
    assert_ne!(run(&scenario, false).trace, whole.trace);
}
