//! What to measure, and how much of it.

use std::path::PathBuf;

use clap::Parser;
use tempfile::TempDir;

use crate::{Result, stores::StoreKind, workloads::Workload};

/// Measures Stent, beside hand-written SQL that does the same work in the same run.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
pub(crate) struct Options {
    /// Only this workload; may be given more than once
    #[arg(long, value_name = "WORKLOAD")]
    only: Vec<Workload>,
    /// Only on this store; may be given more than once
    #[arg(long, value_name = "STORE")]
    store: Vec<StoreKind>,
    /// How often everything is measured; medians are reported
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// How many other tasks `backlog` and `growth` put in the way
    #[arg(long, default_value_t = 1_000_000)]
    others: usize,
    /// Small and once: shows that everything runs, not how fast
    #[arg(long)]
    pub(crate) quick: bool,
    /// A durability for SQLite and for the limit that a loss of power may undo
    #[arg(long)]
    normal: bool,
    /// The folder for databases, on the disk to be measured [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the figures to this file, as tables in Markdown
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// `growth` beside ten times as many tasks that have ended, too
    #[arg(long)]
    pub(crate) long: bool,
    /// Measure other libraries in the same rounds: the folder with the programs of `benches/peers`. Without `--only` and `--store`, then only
    /// what others do, on the stores that they have
    #[arg(long, value_name = "FOLDER", conflicts_with = "normal")]
    pub(crate) peers: Option<PathBuf>,
    /// Only this peer, by the name of its folder; may be given more than once
    #[arg(long, value_name = "PEER", requires = "peers")]
    peer: Vec<String>,
    /// Be a process of a measurement: what this program is given when it starts itself
    #[arg(long, hide = true)]
    pub(crate) part: Option<String>,
}

impl Options {
    pub(crate) fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.runs.max(1) }
    }

    pub(crate) fn workloads(&self) -> Vec<Workload> {
        match (self.only.is_empty(), &self.peers) {
            (false, _) => self.only.clone(),
            (true, Some(_)) => Workload::OF_PEERS.to_vec(),
            (true, None) => Workload::ALL.to_vec(),
        }
    }

    pub(crate) fn stores(&self) -> Vec<StoreKind> {
        match (self.store.is_empty(), &self.peers) {
            (false, _) => self.store.clone(),
            (true, Some(_)) => vec![StoreKind::Sqlite, StoreKind::Postgres],
            (true, None) => StoreKind::ALL.to_vec(),
        }
    }

    /// Whether a peer is to be measured, if any is.
    pub(crate) fn wants_peer(&self, name: &str) -> bool {
        self.peer.is_empty() || self.peer.iter().any(|one| one == name)
    }

    /// How many other tasks are in the way of a drain.
    pub(crate) fn others(&self) -> usize {
        self.others
    }

    /// Whether SQLite runs with `synchronous=NORMAL`.
    pub(crate) fn is_normal(&self) -> bool {
        self.normal
    }

    /// A number of things to do, or a hundredth of it, whole thousands becoming whole tens.
    pub(crate) fn scaled(&self, full: usize) -> usize {
        if self.quick {
            (full / 100).max(1)
        } else {
            full
        }
    }

    /// A folder for one database, removed when it is dropped.
    pub(crate) fn temporary(&self) -> Result<TempDir> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("stent-bench-");
        Ok(match &self.folder {
            Some(folder) => builder.tempdir_in(folder)?,
            None => builder.tempdir()?,
        })
    }
}
