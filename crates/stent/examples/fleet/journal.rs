//! What bodies say of themselves: a log beside the database, that all processes append to.
//!
//! **Invariants**
//! * A line is one write to a file that is open for appending, so lines of several processes never mix, and a killed process leaves whole ones.
//! * All lines are on one clock, that of the machine.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use stent::worker::{HolderClock, MachineClock};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// When it was written, since the machine started.
    pub(crate) at: Duration,
    /// Which process it is about.
    pub(crate) process: u32,
    /// What happened.
    pub(crate) event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// A body began to measure a file.
    Begins(String),
    /// It is about to return.
    Ends(String),
    /// The process has taken over so many tasks since it started.
    Stole(u64),
    /// The process is about to be killed.
    Killed,
}

/// The log, as those have it who write.
#[derive(Debug)]
pub(crate) struct Journal(File);

impl Journal {
    /// Opens it; makes it if need be.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self(file))
    }

    /// Adds a line about a process.
    pub(crate) fn add(&self, process: u32, event: Event) -> io::Result<()> {
        let at = MachineClock.now();
        let mut line = serde_json::to_string(&Line { at, process, event })?;
        line.push('\n');
        (&self.0).write_all(line.as_bytes())
    }
}

/// The log, as one has it who reads while others write.
#[derive(Debug)]
pub(crate) struct Reader {
    file: BufReader<File>,
    begun: String,
    /// Everything that was read, in the order of the file.
    pub(crate) lines: Vec<Line>,
}

impl Reader {
    /// Begins at the first line.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufReader::new(File::open(path)?),
            begun: String::new(),
            lines: Vec::new(),
        })
    }

    /// Reads what is new; gives the index of the first new line.
    pub(crate) fn read(&mut self) -> io::Result<usize> {
        let new = self.lines.len();
        while self.file.read_line(&mut self.begun)? > 0 {
            if self.begun.ends_with('\n') {
                self.lines.push(serde_json::from_str(&self.begun)?);
                self.begun.clear();
            }
        }
        Ok(new)
    }
}
