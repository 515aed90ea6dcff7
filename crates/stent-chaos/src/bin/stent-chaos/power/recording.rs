//! Processes that work under `strace`, one life after the other, and what they did to the disk.

use std::{
    collections::BTreeSet,
    error::Error,
    fs, io,
    ops::Range,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use fastrand::Rng;
use stent_chaos::{
    power::{
        disk::{Deaf, Disk, Files},
        judge::Saying,
        trace::{self, Step},
    },
    process::Process,
};

use super::life::Orders;

/// The database's file.
pub(super) const DATABASE: &str = "stent.db";
/// Longer than any string that a process writes at once.
const LONGEST_STRING: &str = "16777216";

/// What is recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Calls of one process.
    pub(super) calls: u64,
    /// Bytes of a large input.
    pub(super) large: usize,
    /// Whether commits do not wait for the disk.
    pub(super) normal: bool,
    pub(super) seed: u64,
}

/// How one process ends that opens the database, and who is there beside it.
#[derive(Clone, Copy, Debug)]
struct Life {
    /// It is killed as one of its threads begins its sync of this number.
    dies_at: Option<u32>,
    has_twin: bool,
    moves_the_log: bool,
    only_dispatches: bool,
}

/// What processes did to the disk, one life after the other.
#[derive(Debug)]
pub(super) struct Recording {
    /// Where everything of it is kept.
    folder: PathBuf,
    /// What was done and said, over all lives.
    pub(super) steps: Vec<Step>,
    /// The line at which each life began.
    pub(super) births: Vec<usize>,
    lines: usize,
}

impl Recording {
    fn empty(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            folder: folder.canonicalize()?,
            steps: Vec::new(),
            births: Vec::new(),
            lines: 0,
        })
    }

    /// The recording in a folder, at the place where it was made; it is made if the folder is empty.
    ///
    /// # Errors
    /// When `strace` is missing or may not trace, when a process does not end as it should, and when a trace does not tell all.
    pub(super) fn at(folder: &Path, plan: Plan) -> Result<Self, Box<dyn Error>> {
        let mut recording = Self::empty(folder)?;
        if !recording.trace(0).exists() {
            return recording.make(plan);
        }
        let mut number = 0;
        while recording.trace(number).exists() {
            recording.add(number)?;
            number += 1;
        }
        Ok(recording)
    }

    fn make(mut self, plan: Plan) -> Result<Self, Box<dyn Error>> {
        fs::create_dir(self.disk())?;
        fs::write(self.said(), "")?;
        for (number, life) in lives(plan).into_iter().enumerate() {
            self.live(number, life, plan)?;
            self.add(number)?;
            self.check()?;
        }
        Ok(self)
    }

    fn disk(&self) -> PathBuf {
        self.folder.join("disk")
    }

    fn said(&self) -> PathBuf {
        self.folder.join("said.jsonl")
    }

    fn trace(&self, number: usize) -> PathBuf {
        self.folder.join(format!("trace.{number}"))
    }

    /// Adds the steps of a life.
    fn add(&mut self, number: usize) -> Result<(), Box<dyn Error>> {
        let text = fs::read_to_string(self.trace(number))?;
        let steps = trace::read(&text, &self.disk(), &self.said())?;
        let birth = self.lines;
        self.steps.extend(steps.into_iter().map(|step| Step {
            began: birth + step.began,
            ended: step.ended.map(|line| birth + line),
            ..step
        }));
        self.births.push(birth);
        self.lines += text.lines().count();
        Ok(())
    }

    /// Makes sure that the steps lead to the files that are there.
    fn check(&self) -> Result<(), Box<dyn Error>> {
        let mut disk = Disk::new(&self.steps, Deaf::ToNone);
        disk.follow(disk.points());
        let mut files = Files::new();
        for entry in fs::read_dir(self.disk())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.ends_with("-shm") {
                let bytes = fs::read(self.disk().join(&name))?;
                files.insert(name, bytes);
            }
        }
        if disk.seen() == files {
            Ok(())
        } else {
            Err("the trace does not lead to the files that are there: something was done that it does not tell".into())
        }
    }

    fn live(&self, number: usize, life: Life, plan: Plan) -> Result<(), Box<dyn Error>> {
        let first = number as u64 * 2 * plan.calls;
        let mut orders = Orders {
            database: self.disk().join(DATABASE),
            said: self.said(),
            normal: plan.normal,
            calls: first..first + plan.calls,
            large: plan.large,
            only_dispatches: life.only_dispatches,
            unknown: Vec::new(),
            earlier: Vec::new(),
            moves_the_log: life.moves_the_log,
            twin: None,
        };
        if life.has_twin {
            let mut twin = orders.clone();
            twin.calls = orders.calls.end..orders.calls.end + plan.calls;
            orders.twin = Some(Box::new(twin));
        }
        self.remind(&mut orders)?;
        let mut strace = Command::new(stent_test_postgres::program("strace")?);
        strace
            .args(["-f", "-q", "-y", "-xx"])
            .args([
                "-s",
                LONGEST_STRING,
                "-e",
                &format!("trace={}", trace::CALLS),
            ])
            .arg("-o")
            .arg(self.trace(number));
        if let Some(sync) = life.dies_at {
            let inject = format!("inject=fsync,fdatasync:signal=SIGKILL:when={sync}");
            strace.args(["-e", &inject]);
        }
        strace
            .arg("--")
            .arg(std::env::current_exe()?)
            .arg("power-life");
        strace.stdout(Stdio::null());
        let status = Process::start(&mut strace, &orders)?.end()?;
        let is_as_planned = match life.dies_at {
            // What it had to do may need fewer syncs, above all where commits do not wait for the disk.
            Some(_) => was_killed(status) || status.success(),
            None => status.success(),
        };
        if is_as_planned {
            Ok(())
        } else {
            Err(format!("a process under strace ended with {status}").into())
        }
    }

    /// Tells of the calls that were asked for and not acknowledged, and of those that were.
    fn remind(&self, orders: &mut Orders) -> Result<(), Box<dyn Error>> {
        let mut unknown = BTreeSet::new();
        for line in fs::read_to_string(self.said())?.lines() {
            match serde_json::from_str(line)? {
                Saying::Asks(call) => {
                    unknown.insert(call);
                }
                Saying::Dispatched(call, execution) => {
                    unknown.remove(&call);
                    orders.earlier.push((call, execution));
                }
                _ => {}
            }
        }
        orders.unknown.extend(unknown);
        Ok(())
    }
}

/// Whether a process was killed.
pub(super) fn was_killed(status: ExitStatus) -> bool {
    const SIGKILL: i32 = 9;
    status.signal() == Some(SIGKILL)
}

/// Processes are killed while they make the database, while they work alone and beside another, and end in peace; after each, the next one finds
/// what it left. A process that only dispatches is killed at the commit of a dispatch, whose caller asks again in the next one.
fn lives(plan: Plan) -> Vec<Life> {
    let mut random = Rng::with_seed(plan.seed);
    // A call of a client who waits for its result needs more syncs than one.
    let syncs = u32::try_from(plan.calls).unwrap_or(u32::MAX);
    let peaceful = Life {
        dies_at: None,
        has_twin: false,
        moves_the_log: false,
        only_dispatches: false,
    };
    let mut killed = |syncs: Range<u32>| Life {
        dies_at: Some(random.u32(syncs)),
        ..peaceful
    };
    let dispatching = |life| Life {
        only_dispatches: true,
        ..life
    };
    vec![
        killed(1..8),
        dispatching(killed(1..syncs)),
        killed(1..syncs),
        dispatching(killed(1..syncs)),
        Life {
            has_twin: true,
            ..killed(1..syncs)
        },
        Life {
            has_twin: true,
            moves_the_log: true,
            ..peaceful
        },
        killed(1..syncs),
        peaceful,
    ]
}
