//! S1 when the power goes: what was acknowledged is there, whatever the disk did with what was not synced.

mod aftermath;
mod cuts;
pub(crate) mod life;
mod recording;
mod report;

use std::{error::Error, fs, path::PathBuf};

use clap::{Args, ValueEnum};
use stent_chaos::power::disk::Deaf;

use self::recording::{Plan, Recording};

/// What to try, and how often.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How often the power goes
    #[arg(long, value_name = "NUMBER", default_value_t = 300)]
    cuts: usize,
    /// What decides when the power goes and what the disk keeps; the same number and the same recording give the same cuts
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Only the cut of this number, as a failure names it
    #[arg(long, value_name = "NUMBER", conflicts_with = "cuts")]
    cut: Option<u64>,
    /// What an acknowledged write survives; with `normal` the newest commits may be lost, and nothing else
    #[arg(long, value_name = "MODE", default_value = "full")]
    synchronous: Synchronous,
    /// Syncs that the disk acknowledges and does not do: that must be found out
    #[arg(long, value_name = "SYNCS", default_value = "none")]
    ignore_syncs: Deaf,
    /// Calls of each process that works on the database
    #[arg(long, value_name = "NUMBER", default_value_t = 40, value_parser = clap::value_parser!(u64).range(2..=10_000))]
    calls: u64,
    /// Bytes of the large ones among their inputs; with 200 calls of 400000, the store itself moves the log into the database
    #[arg(long, value_name = "BYTES", default_value_t = 20_000)]
    large: usize,
    /// Where it is recorded what processes do, or has been: then that is cut anew. By default it is gone at the end, if all held
    #[arg(long, value_name = "FOLDER")]
    recording: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Synchronous {
    Full,
    Normal,
}

/// Runs the trial; whether all held.
pub(crate) async fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let folder = options.recording.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(folder)?;
    let plan = Plan {
        calls: options.calls,
        large: options.large,
        normal: options.synchronous == Synchronous::Normal,
        seed: options.seed,
    };
    say(&format!(
        "processes work under strace, are killed, and begin anew; then the power goes, by seed {}",
        options.seed
    ));
    let recording = Recording::at(folder, plan)?;
    let verdicts = cuts::judge_all(options, &recording).await?;
    report::say_figures(&recording.steps, &verdicts);
    let wrong = report::say_wrong(options.synchronous == Synchronous::Normal, &verdicts);
    if let Some(cut) = wrong {
        let folder = match &options.recording {
            Some(given) => given.clone(),
            None => temporary.keep(),
        };
        report::say_again(options, &folder, cut);
    }
    Ok(wrong.is_none())
}

#[expect(clippy::print_stdout, reason = "a program talks to people")]
fn say(text: &str) {
    println!("{text}");
}
