//! What happened, as those wrote it down who saw it: an append-only log beside the database.
//!
//! **Invariants**
//! * A line is one write to a file that is open for appending, so lines of several processes never mix, and a killed process leaves whole ones.
//! * All lines are on one clock, which the processes of a machine share and which never goes back.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// One call of a durable function, by the number that its client gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Call(pub u64);

/// One run of a body: what one claim of a task led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Body {
    /// The process that ran it.
    pub process: u32,
    /// Which one of that process.
    pub number: u64,
}

/// One of the things that a call does, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Part(pub u8);

/// What was done to the database, or between it and those who use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Damage {
    /// Its server ended at once, and started again.
    Restart,
    /// Its server ended all connections.
    Terminate,
    /// All processes of its server stood still.
    Freeze,
    /// Connections were cut at a COMMIT: before it, after it, or before one that arrived all the same.
    CutAtCommit,
    /// All connections were cut, whatever they were about to say.
    CutAll,
    /// Servers' answers ended, while clients could still speak.
    HalfClose,
    /// Nothing was sent on.
    Stall,
    /// A foreign program held the lock of the file.
    Lock,
    /// A foreign program read one state of the file for long.
    Read,
    /// There was no room left on the file system.
    Full,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When it was written, by [`now`].
    pub at: Duration,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A client is about to dispatch a call.
    Invoked(Call),
    /// Its dispatch was acknowledged.
    Acknowledged(Call),
    /// A client was shown the call's outcome, which is the body that made it.
    Shown(Call, Body),
    /// A body begins.
    Begins(Call, Body),
    /// A body was polled again, for the first time since its last line.
    Ticks(Body),
    /// A body was polled again and is about to return.
    Ends(Body),
    /// A client was told that its call is kept, in a trial in which calls may be cancelled, or their clients killed.
    Accepted(Call),
    /// A client is about to cancel a call.
    Cancels(Call),
    /// A part of a call was done, and this came of it.
    Did(Call, Part, u64),
    /// A client was shown what came of a part of a call.
    Got(Call, Part, u64),
    /// At the end of all, this had become of a call.
    Over(Call, Fate),
    /// A process is about to be killed.
    Kills(u32),
    /// A process has been stopped: it stands still.
    Pauses(u32),
    /// A process is about to go on.
    Resumes(u32),
    /// Something else is about to be damaged.
    Damages(Damage),
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It completed.
    Completed,
    /// It was cancelled.
    Cancelled,
    /// It failed, or its time was up.
    Failed,
    /// It had not ended.
    Unfinished,
}

/// The time since some instant before all trials of this machine's present start.
#[must_use]
pub fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// A log to write to. Any number of processes may have the same one open.
#[derive(Debug)]
pub struct Journal(File);

impl Journal {
    /// Opens a log, which is made if there is none.
    ///
    /// # Errors
    /// When the file cannot be opened or made.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self(file))
    }

    /// Writes down that something happens now.
    ///
    /// # Errors
    /// When it cannot be written. What is not written down must not happen.
    pub fn write(&self, event: Event) -> io::Result<()> {
        let mut line = serde_json::to_string(&Line { at: now(), event })?;
        line.push('\n');
        (&self.0).write_all(line.as_bytes())
    }
}

/// Reads a whole log, in the order of time.
///
/// # Errors
/// When it cannot be read, or a line is not one of a log.
pub fn read(path: &Path) -> io::Result<Vec<Line>> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines().map(serde_json::from_str);
    let mut lines = lines.collect::<Result<Vec<Line>, _>>()?;
    lines.sort_by_key(|line| line.at);
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_write_is_read_in_the_order_of_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let journals = [(); 2].map(|()| Journal::open(&path).unwrap());
        let events = [1, 2, 3].map(|number| Event::Invoked(Call(number)));
        for (event, journal) in events.iter().zip(journals.iter().cycle()) {
            journal.write(*event).unwrap();
        }
        let lines = read(&path).unwrap();
        assert!(lines.is_sorted_by_key(|line| line.at));
        let read: Vec<_> = lines.iter().map(|line| line.event).collect();
        assert_eq!(read, events);
    }
}
