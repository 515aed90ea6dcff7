//! `cargo xtask sim`: looks for seeds under which a promise is broken.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to a person"
)]

use std::{collections::BTreeSet, process::ExitCode, time::Duration};

use clap::Parser;
use stent_sim::{
    run,
    scenario::{Fault, Scenario},
    shrink,
};

/// Simulates fleets under faults, each from a seed, and judges what happened.
///
/// Without a seed it begins at one that is drawn anew each time, and says which.
#[derive(Parser)]
#[command(name = "cargo xtask sim", bin_name = "cargo xtask sim")]
struct Arguments {
    /// How many seeds to try
    #[arg(long, default_value_t = 1_000, conflicts_with_all = ["seed", "minutes"])]
    seeds: u64,
    /// Try seeds for so long
    #[arg(long, value_name = "M", conflicts_with = "seed")]
    minutes: Option<f64>,
    /// Try seeds from this one on
    #[arg(long, value_name = "SEED", conflicts_with = "seed")]
    from: Option<u64>,
    /// Run this seed alone, and print what happens
    #[arg(long)]
    seed: Option<u64>,
    /// With `--seed`: print the verdict only
    #[arg(long, requires = "seed")]
    quiet: bool,
    /// With `--seed`: only these faults, or `none`
    #[arg(long, requires = "seed", value_delimiter = ',', value_name = "FAULTS")]
    faults: Option<Vec<String>>,
    /// With `--seed`: only these executions, by number
    #[arg(long, requires = "seed", value_delimiter = ',', value_name = "NUMBERS")]
    executions: Option<Vec<usize>>,
    /// With `--seed`: so many workers
    #[arg(long, requires = "seed", value_name = "N")]
    workers: Option<usize>,
    /// With `--seed`: how long faults happen
    #[arg(long, requires = "seed", value_name = "MS")]
    storm_ms: Option<u64>,
    /// With `--seed`: stop after so many turns of the machines, and judge what was seen until then
    #[arg(long, requires = "seed", value_name = "K")]
    steps: Option<u64>,
    /// When a seed fails, look for no smaller world
    #[arg(long, conflicts_with = "seed")]
    no_shrink: bool,
    /// Run every seed twice and compare: the same seed must be the same run
    #[arg(long)]
    twice: bool,
}

fn main() -> ExitCode {
    // Panics of bodies are part of the work.
    std::panic::set_hook(Box::new(|panic| {
        if panic.payload().downcast_ref::<&str>() != Some(&"a panic of the workload") {
            eprintln!("{panic}");
        }
    }));
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => one(seed, &arguments),
        None => many(&arguments),
    }
}

fn one(seed: u64, arguments: &Arguments) -> ExitCode {
    let mut scenario = Scenario::of(seed);
    if let Some(names) = &arguments.faults {
        let faults = names.iter().filter(|name| *name != "none");
        let faults: Result<BTreeSet<Fault>, _> = faults.map(|name| name.parse()).collect();
        match faults {
            Ok(faults) => scenario.faults = faults,
            Err(error) => {
                println!("{error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if let Some(numbers) = &arguments.executions {
        scenario.keep(numbers);
    }
    scenario.workers = arguments.workers.unwrap_or(scenario.workers);
    scenario.storm = arguments
        .storm_ms
        .map_or(scenario.storm, Duration::from_millis);
    scenario.steps = arguments.steps;
    if !arguments.quiet {
        println!("{scenario:#?}");
    }
    let verdict = run(&scenario, !arguments.quiet);
    println!(
        "{} bodies, {} events (trace {:016x}), {:.1} s of virtual time",
        verdict.bodies,
        verdict.trace.0,
        verdict.trace.1,
        verdict.took.as_secs_f64()
    );
    if verdict.broken.is_empty() {
        println!("all promises were kept");
        return ExitCode::SUCCESS;
    }
    for broken in &verdict.broken {
        println!("BROKEN {broken}");
    }
    ExitCode::FAILURE
}

fn many(arguments: &Arguments) -> ExitCode {
    let from = arguments.from.unwrap_or_else(|| fastrand::u64(..1 << 48));
    println!("from seed {from} on");
    #[expect(
        clippy::disallowed_methods,
        reason = "a person is told how long it took"
    )]
    let began = std::time::Instant::now();
    let until = arguments.minutes.map(|minutes| minutes * 60.0);
    let (mut tried, mut bodies, mut events) = (0_u64, 0_usize, 0_u64);
    let mut told = 0.0;
    loop {
        let elapsed = began.elapsed().as_secs_f64();
        if until.map_or(tried >= arguments.seeds, |until| elapsed >= until) {
            break;
        }
        if elapsed - told >= 10.0 {
            told = elapsed;
            println!("{tried} seeds in {elapsed:.0} s, {bodies} bodies, {events} events");
        }
        let scenario = Scenario::of(from + tried);
        let verdict = run(&scenario, false);
        tried += 1;
        bodies += verdict.bodies;
        events += verdict.trace.0;
        if arguments.twice && run(&scenario, false) != verdict {
            println!("\nseed {} is not the same run twice", scenario.seed);
            return ExitCode::FAILURE;
        }
        if !verdict.broken.is_empty() {
            failed(scenario, &verdict.broken, !arguments.no_shrink);
            return ExitCode::FAILURE;
        }
    }
    let elapsed = began.elapsed().as_secs_f64();
    println!(
        "{tried} seeds in {elapsed:.0} s ({:.0} a minute): {bodies} bodies, {events} events, all promises were kept",
        tried as f64 / elapsed * 60.0
    );
    ExitCode::SUCCESS
}

fn failed(scenario: Scenario, broken: &[String], shrinks: bool) {
    println!("\nseed {} breaks a promise:", scenario.seed);
    for broken in broken {
        println!("  {broken}");
    }
    println!("it runs again by\n  {}", scenario.command());
    if !shrinks {
        return;
    }
    println!("looking for a smaller world that fails …");
    let smallest = shrink(scenario, |smaller| println!("  {}", smaller.command()));
    println!(
        "the smallest that was found runs by\n  {}",
        smallest.command()
    );
}
