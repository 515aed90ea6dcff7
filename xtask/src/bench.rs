//! Measurements.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    metadata::Metadata,
    run::{Done, Failed, cargo, root, show},
};

/// Where peers are, each in a folder of its name; outside the workspace, so that nobody builds them who does not ask for them.
const PEERS: &str = "benches/peers";
/// What they share.
const COMMON: &str = "common";

/// What to measure; all of it is passed on to the package `stent-benches`.
#[derive(Args)]
pub(crate) struct Options {
    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the figures to this file, as tables in Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Only this workload: store, dispatch, drain, latency, steps, fanout, processes, elsewhere, idle, costs, backlog or growth; may be given
    /// more than once
    #[arg(long, value_name = "WORKLOAD")]
    only: Vec<String>,
    /// Only on this store: memory, sqlite or postgres; may be given more than once
    #[arg(long, value_name = "STORE")]
    store: Vec<String>,
    /// How often everything is measured; medians are reported
    #[arg(long)]
    runs: Option<u32>,
    /// How many other tasks `backlog` and `growth` put in the way [default: 1000000]
    #[arg(long)]
    others: Option<usize>,
    /// Small and once: shows that everything runs, not how fast
    #[arg(long)]
    quick: bool,
    /// `growth` beside ten times as many tasks that have ended, too: that takes many minutes
    #[arg(long)]
    long: bool,
    /// SQLite with `synchronous=NORMAL`: a loss of power may take the newest commits
    #[arg(long)]
    normal: bool,
    /// The folder for databases, on the disk to be measured [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Other libraries in the same rounds, beside what they do too: builds the programs of `benches/peers`, which takes long the first time
    #[arg(long)]
    peers: bool,
    /// Only this peer, by the name of its folder; may be given more than once
    #[arg(long, value_name = "PEER")]
    peer: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Done {
    let mut bench = cargo([
        "run",
        "--profile",
        "bench",
        "--package",
        "stent-benches",
        "--",
    ]);
    // Paths are those of whoever typed them, and Cargo runs in the root.
    let here = std::env::current_dir().unwrap_or_default();
    if let Some(json) = &options.json {
        bench.arg("--json").arg(here.join(json));
    }
    if let Some(markdown) = &options.markdown {
        bench.arg("--markdown").arg(here.join(markdown));
    }
    if let Some(folder) = &options.folder {
        bench.arg("--folder").arg(here.join(folder));
    }
    for only in &options.only {
        bench.args(["--only", only]);
    }
    for store in &options.store {
        bench.args(["--store", store]);
    }
    if let Some(runs) = options.runs {
        bench.args(["--runs", &runs.to_string()]);
    }
    if let Some(others) = options.others {
        bench.args(["--others", &others.to_string()]);
    }
    if options.quick {
        bench.arg("--quick");
    }
    if options.long {
        bench.arg("--long");
    }
    if options.normal {
        bench.arg("--normal");
    }
    if options.peers || !options.peer.is_empty() {
        let peers = Peers::build(&options.peer)?;
        bench.arg("--peers").arg(&peers.programs);
        for name in &peers.built {
            bench.args(["--peer", name]);
        }
    }
    show(bench)
}

/// What was built of them.
struct Peers {
    /// The folder with their programs.
    programs: PathBuf,
    built: Vec<String>,
}

impl Peers {
    /// Builds those that are wanted, or all. One that does not build is left out: it is not ours to mend, and the others are worth measuring.
    fn build(wanted: &[String]) -> Done<Self> {
        let names = peers()?;
        let unknown = wanted.iter().filter(|name| !names.contains(name));
        Failed::unless_empty(
            unknown
                .map(|name| format!("there is no peer `{name}`; there are {}", names.join(", ")))
                .collect(),
        )?;
        let target = Metadata::read()?.target_directory.join("peers");
        let mut built = Vec::new();
        let wanted = |name: &String| wanted.is_empty() || wanted.contains(name);
        for name in names.iter().filter(|name| wanted(name)) {
            println!("\n━━ {name}");
            let mut build = cargo(["build", "--release", "--locked", "--manifest-path"]);
            build.arg(manifest(name)).arg("--target-dir").arg(&target);
            match show(build) {
                Ok(()) => built.push(name.clone()),
                Err(error) => println!("{name} is left out: {error}"),
            }
        }
        if built.is_empty() {
            return Err(Failed::Found(vec!["no peer could be built".to_owned()]));
        }
        Ok(Self {
            programs: target.join("release"),
            built,
        })
    }
}

fn manifest(name: &str) -> String {
    format!("{PEERS}/{name}/Cargo.toml")
}

/// The manifests of all peers, and of what they share.
pub(crate) fn peer_manifests() -> Done<Vec<String>> {
    let mut names = peers()?;
    names.push(COMMON.to_owned());
    Ok(names.iter().map(|name| manifest(name)).collect())
}

/// The names of all peers, sorted.
fn peers() -> Done<Vec<String>> {
    let folder = root().join(PEERS);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(Failed::file(&folder))? {
        let path = entry.map_err(Failed::file(&folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy());
        names.extend(
            name.filter(|name| name != COMMON && is_package(&path))
                .map(Into::into),
        );
    }
    names.sort();
    Ok(names)
}

fn is_package(folder: &Path) -> bool {
    folder.join("Cargo.toml").is_file()
}
