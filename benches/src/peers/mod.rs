//! Libraries that do such work too, measured in the same rounds.
//!
//! Each is a program of its own below `benches/peers`, outside the workspace: several of them link versions of SQLite that one build cannot hold.
//! A program is given a workload, a fresh database and a count, and prints a JSON object for each figure.

pub(crate) mod table;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde::Deserialize;

use crate::{
    Result,
    measure::Sample,
    options::Options,
    peers::table::{Found, Table},
    stores::{Address, StoreKind},
    workloads::Workload,
};

/// A library, in one way of using it.
#[derive(Debug)]
struct Peer {
    name: &'static str,
    /// The folder below `benches/peers`.
    program: &'static str,
    /// What the program is told beside the workload, where it has several ways.
    way: &'static str,
    stores: &'static [StoreKind],
    /// How many tasks it works off in some seconds, on the slower of its stores.
    tasks: usize,
}

const SQLITE: &[StoreKind] = &[StoreKind::Sqlite];
const POSTGRES: &[StoreKind] = &[StoreKind::Postgres];
const BOTH: &[StoreKind] = &[StoreKind::Sqlite, StoreKind::Postgres];

impl Peer {
    const fn new(program: &'static str, stores: &'static [StoreKind], tasks: usize) -> Self {
        Self {
            name: program,
            program,
            way: "",
            stores,
            tasks,
        }
    }

    /// The way in which what is called runs in the calling process, without a queue between.
    const fn directly(mut self, name: &'static str) -> Self {
        self.name = name;
        self.way = "direct";
        self
    }

    /// How much of a workload it is to do.
    fn count(&self, workload: &str) -> usize {
        match workload {
            "dispatch_in_bulk" => 100_000,
            "dispatch_32_at_once" => self.tasks.min(32_000),
            "latency" => 300,
            // Executions of ten steps each.
            "steps" if self.tasks < 10_000 => 100,
            "steps" => 1_000,
            _ => self.tasks,
        }
    }
}

const PEERS: &[Peer] = &[
    Peer::new("graphile_worker", POSTGRES, 100_000),
    Peer::new("effectum", SQLITE, 100_000),
    Peer::new("apalis", BOTH, 5_000),
    Peer::new("durare", BOTH, 20_000),
    Peer::new("durare", BOTH, 20_000).directly("durare, direct"),
    Peer::new("duroxide", BOTH, 2_000),
    Peer::new("underway", POSTGRES, 5_000),
    Peer::new("fang", POSTGRES, 5_000),
    Peer::new("dbos", POSTGRES, 20_000),
    Peer::new("dbos", POSTGRES, 20_000).directly("dbos, direct"),
];

/// What a program is asked for a workload of ours.
const fn asked(workload: Workload) -> &'static [&'static str] {
    match workload {
        Workload::Dispatch => &["dispatch_32_at_once", "dispatch_in_bulk"],
        Workload::Drain => &["drain"],
        Workload::Latency => &["latency"],
        Workload::Steps => &["steps"],
        Workload::Store
        | Workload::Fanout
        | Workload::Processes
        | Workload::Elsewhere
        | Workload::Idle
        | Workload::Costs
        | Workload::Backlog
        | Workload::Growth => &[],
    }
}

/// A line of what a program prints: a figure, or why there is none.
#[derive(Debug, Deserialize)]
struct Line {
    workload: String,
    value: Option<f64>,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    differs: String,
    #[serde(default)]
    why_not: String,
}

/// Measures a workload once by every peer that is wanted, on fresh databases. What a peer fails at is a line of the table: others go on.
pub(crate) async fn measure(
    workload: Workload,
    store: StoreKind,
    options: &Options,
    ours: &[Sample],
    table: &mut Table,
) -> Result {
    let Some(folder) = &options.peers else {
        return Ok(());
    };
    let peers = PEERS
        .iter()
        .filter(|peer| options.wants_peer(peer.program) && peer.stores.contains(&store));
    for peer in peers {
        for asked in asked(workload) {
            eprintln!("    {}: {asked} on {store}", peer.name);
            let lines = match run(folder, peer, asked, store, options).await {
                Ok(lines) => lines,
                Err(error) => failed(asked, &error.to_string()),
            };
            for line in lines {
                table.push(store, peer.name, found(line, ours));
            }
        }
    }
    Ok(())
}

fn failed(asked: &str, error: &str) -> Vec<Line> {
    eprintln!("    {error}");
    let figures: &[&str] = match asked {
        "latency" => &["latency_start_p50", "latency_start_p99"],
        "steps" => &["sequential_steps"],
        itself => &[itself],
    };
    let line = |figure: &&str| Line {
        workload: (*figure).to_owned(),
        value: None,
        unit: String::new(),
        differs: String::new(),
        why_not: error.to_owned(),
    };
    figures.iter().map(line).collect()
}

fn found(line: Line, ours: &[Sample]) -> Found {
    let ours = ours.iter().find(|sample| sample.workload == line.workload);
    Found {
        workload: line.workload,
        value: line.value,
        unit: line.unit,
        ours: ours.map(|sample| sample.value),
        differs: line.differs,
        why_not: line.why_not,
    }
}

/// How long a program may take for one workload.
const PATIENCE: Duration = Duration::from_secs(600);

/// The last thing that a program said, without the advice that Rust adds to a panic.
fn reason(said: &str) -> &str {
    let is_said = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ");
    let last = said.lines().rev().find(is_said);
    last.unwrap_or("failed, and said nothing")
}

async fn run(
    folder: &Path,
    peer: &Peer,
    asked: &str,
    store: StoreKind,
    options: &Options,
) -> Result<Vec<Line>> {
    // The folder has to outlive the program.
    let (address, _folder) = Address::new(store, options)?.ok_or("this store has no address")?;
    let database = match address {
        Address::Sqlite { path, .. } => path,
        Address::Postgres { url } => PathBuf::from(url),
    };
    let count = options.scaled(peer.count(asked));
    let mut program = tokio::process::Command::new(folder.join(format!("peer-{}", peer.program)));
    program
        .arg(asked)
        .arg(database)
        .args([&count.to_string(), peer.way])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, program.output()).await;
    let output = output.map_err(|_| format!("not done after {} s", PATIENCE.as_secs()))??;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(reason(&said).into());
    }
    let printed = String::from_utf8(output.stdout)?;
    // A peer may print on its own.
    let lines = printed.lines().filter(|line| line.starts_with('{'));
    Ok(lines
        .map(serde_json::from_str)
        .collect::<std::result::Result<_, _>>()?)
}
