//! Letting the power go, again and again.
//!
//! **Invariant:** a cut depends on the recording and its own number alone.

use std::{error::Error, path::Path};

use fastrand::Rng;
use futures_util::{StreamExt, stream};
use stent_chaos::power::{
    disk::{Disk, Files},
    judge::{Found, Saying, Violation, judge},
};
use tempfile::TempDir;

use super::{
    Options, aftermath,
    recording::{DATABASE, Recording},
};

/// How much of what is said first after a process began is cut at as often as all the rest: it may rest on what another process left.
const FIRST_SAYINGS: usize = 8;
/// Databases that are looked at at the same time.
const AT_ONCE: usize = 4;
/// Where databases are looked at if it is there: it is fast, and what is left of them need not last.
const MEMORY: &str = "/dev/shm";

/// When the power goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// What decides everything about it.
    pub(super) number: u64,
    /// After so many events of the recording.
    pub(super) point: usize,
}

/// What became of one cut.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) cut: Cut,
    /// Whether the disk had lost anything that processes saw.
    pub(super) lost_something: bool,
    /// What had been acknowledged, shown or done before.
    pub(super) promises: usize,
    pub(super) executions: usize,
    /// Those of them that workers had yet to finish.
    pub(super) open: usize,
    pub(super) violations: Vec<Violation>,
}

impl Verdict {
    /// Violations that are losses, and the others.
    pub(super) fn counts(&self) -> (usize, usize) {
        let losses = self.violations.iter().filter(|one| one.is_loss()).count();
        (losses, self.violations.len() - losses)
    }
}

/// Lets the power go again and again, and judges what is left each time.
///
/// # Errors
/// When a folder cannot be made, or something was said that is not understood.
pub(super) async fn judge_all(
    options: &Options,
    recording: &Recording,
) -> Result<Vec<Verdict>, Box<dyn Error>> {
    let scratch = if Path::new(MEMORY).is_dir() {
        TempDir::new_in(MEMORY)?
    } else {
        tempfile::tempdir()?
    };
    let mut disk = Disk::new(&recording.steps, options.ignore_syncs);
    let looks = cuts(options, recording, &disk)
        .into_iter()
        .map(|(cut, mut random)| {
            disk.follow(cut.point);
            let said = disk.said().map(serde_json::from_slice);
            let said = said.collect::<Result<Vec<Saying>, _>>();
            let left = disk.lose_power(&mut random);
            let lost_something = left != disk.seen();
            let scratch = scratch.path().to_owned();
            tokio::spawn(async move { look(cut, &said?, &left, lost_something, &scratch).await })
        });
    let mut verdicts = Vec::new();
    let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
    while let Some(verdict) = looks.next().await {
        verdicts.push(verdict?.map_err(|error| error.to_string())?);
    }
    Ok(verdicts)
}

/// The cuts in the order of their points, each with its further random numbers.
fn cuts(options: &Options, recording: &Recording, disk: &Disk<'_>) -> Vec<(Cut, Rng)> {
    let sayings = disk.sayings();
    let births = recording.births.iter().map(|line| disk.point_of(*line));
    let first_sayings: Vec<usize> = births
        .flat_map(|birth| {
            let before = sayings.partition_point(|point| *point < birth);
            sayings[before..].iter().copied().take(FIRST_SAYINGS)
        })
        .collect();
    let cut = |number| {
        let mut random = Rng::with_seed(number);
        let point = match random.u32(..3) {
            0 => random.choice(&first_sayings).copied(),
            1 => random.choice(&sayings).copied(),
            _ => None,
        };
        let point = point.unwrap_or_else(|| random.usize(..=disk.points()));
        (Cut { number, point }, random)
    };
    let mut seeds = Rng::with_seed(options.seed);
    let mut cuts: Vec<(Cut, Rng)> = match options.cut {
        Some(number) => vec![cut(number)],
        None => (0..options.cuts).map(|_| cut(seeds.u64(..))).collect(),
    };
    cuts.sort_by_key(|(cut, _)| cut.point);
    cuts
}

async fn look(
    cut: Cut,
    said: &[Saying],
    left: &Files,
    lost_something: bool,
    scratch: &Path,
) -> Result<Verdict, Box<dyn Error + Send + Sync>> {
    let aftermath = aftermath::look(scratch, DATABASE, left).await?;
    let is_promise = |saying: &&Saying| !matches!(saying, Saying::Asks(_));
    let is_open = |found: &&Found| found.ending.is_none();
    Ok(Verdict {
        cut,
        lost_something,
        promises: said.iter().filter(is_promise).count(),
        executions: aftermath.found.len(),
        open: aftermath.found.iter().filter(is_open).count(),
        violations: judge(said, &aftermath),
    })
}
