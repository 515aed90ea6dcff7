//! What a seed stands for: how many machines, which work, which faults and how often. All of it is drawn before anything runs, so that a part can
//! be taken away and the rest stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    time::Duration,
};

use fastrand::Rng;

use crate::{
    random::{chance, rng},
    work::{ASIDE, Item, items},
};

/// A kind of fault, by the name that the command line knows it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
#[value(rename_all = "kebab-case")]
pub enum Fault {
    /// A worker's process ends at any await, and starts again or not (F1).
    Kill,
    /// A process stands still for longer than its leases, and goes on (F2).
    Pause,
    /// A task's body ends the process whenever it runs (F3).
    Poison,
    /// A body panics (F3).
    Panic,
    /// Clocks of machines are wrong and drift (F4).
    Drift,
    /// The store's clock is set forward or back (F4).
    StoreClock,
    /// The connection is lost before a request arrives (F5).
    LostRequest,
    /// The connection is lost before the answer arrives (F5).
    LostAnswer,
    /// A request whose caller was told nothing is applied much later (F5).
    Late,
    /// A request is applied twice (F5).
    Twice,
    /// A call is answered by nobody until it is given up (F5).
    Silence,
    /// Answers take their time (F5).
    Slow,
    /// Hints are lost and doubled (F6).
    Hints,
    /// The store is away for a while (F7).
    Outage,
    /// Workers lack functions that others have (F9).
    Versions,
    /// An operator changes limits while tasks run.
    Limits,
    /// Clients give up on calls, and are killed (F12).
    Clients,
    /// Workers are drained and started again.
    Drain,
    /// The store loses its newest transactions: it is again what it was a moment ago (F8).
    Loss,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use clap::ValueEnum as _;
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        <Self as clap::ValueEnum>::from_str(name, false)
    }
}

/// Everything that is drawn from a seed.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Where it comes from.
    pub seed: u64,
    /// Worker processes.
    pub workers: usize,
    /// How long faults happen.
    pub storm: Duration,
    /// Which faults happen.
    pub faults: BTreeSet<Fault>,
    /// What is dispatched, when, and what its callers do then.
    pub(crate) items: Vec<Item>,
    pub(crate) lease: Duration,
    pub(crate) suspend_after: Duration,
    pub(crate) poll_interval: Duration,
    pub(crate) retention: Option<Duration>,
    pub(crate) concurrency: u32,
    pub(crate) renew: bool,
    /// Workers that serve one queue alone. The first serves all, so that everything can be done.
    pub(crate) serve_one: BTreeMap<usize, &'static str>,
    /// Ends after so many turns of the machines, whatever is going on.
    pub steps: Option<u64>,
}

impl Scenario {
    /// What a seed stands for.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        use clap::ValueEnum as _;
        let mut rng = rng(seed, 1);
        // Some seeds have few kinds of faults, so that one of them can go on long enough to matter.
        let share = [150, 400, 800][rng.usize(0..3)];
        let faults = Fault::value_variants().iter().copied();
        let faults: BTreeSet<_> = faults.filter(|_| chance(&mut rng, share)).collect();
        let storm = Duration::from_millis(rng.u64(3_000..15_000));
        let count = rng.usize(2..12);
        Self {
            seed,
            workers: rng.usize(1..5),
            storm,
            items: items(&mut rng, count, storm, &faults),
            faults,
            lease: Duration::from_millis(rng.u64(500..4_000)),
            suspend_after: pick(&mut rng, &[0, 50, 500, 5_000]),
            poll_interval: pick(&mut rng, &[100, 1_000]),
            retention: chance(&mut rng, 300).then(|| Duration::from_millis(rng.u64(500..10_000))),
            concurrency: [1, 2, 8, 64][rng.usize(0..4)],
            renew: chance(&mut rng, 900),
            serve_one: serve_one(&mut rng),
            steps: None,
        }
    }

    /// Leaves out all executions but these.
    pub fn keep(&mut self, numbers: &[usize]) {
        self.items.retain(|item| numbers.contains(&item.number));
    }

    /// Whether a kind of fault happens.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// The command that runs it again.
    #[must_use]
    pub fn command(&self) -> String {
        let whole = Self::of(self.seed);
        let mut command = format!("cargo xtask sim --seed {}", self.seed);
        if self.faults != whole.faults {
            let faults: Vec<_> = self.faults.iter().map(ToString::to_string).collect();
            let faults = if faults.is_empty() {
                "none".to_owned()
            } else {
                faults.join(",")
            };
            command.push_str(&format!(" --faults {faults}"));
        }
        if self.items.len() != whole.items.len() {
            let items: Vec<_> = self
                .items
                .iter()
                .map(|item| item.number.to_string())
                .collect();
            command.push_str(&format!(" --executions {}", items.join(",")));
        }
        if self.workers != whole.workers {
            command.push_str(&format!(" --workers {}", self.workers));
        }
        if self.storm != whole.storm {
            command.push_str(&format!(" --storm-ms {}", self.storm.as_millis()));
        }
        if let Some(steps) = self.steps {
            command.push_str(&format!(" --steps {steps}"));
        }
        command
    }
}

fn serve_one(rng: &mut Rng) -> BTreeMap<usize, &'static str> {
    let others = (1..5).filter(|_| chance(rng, 250));
    let others: Vec<usize> = others.collect();
    let queues = others
        .into_iter()
        .map(|worker| (worker, ["default", ASIDE][rng.usize(0..2)]));
    queues.collect()
}

fn pick(rng: &mut Rng, millis: &[u64]) -> Duration {
    Duration::from_millis(millis[rng.usize(0..millis.len())])
}
