//! What a disk holds of a folder after a loss of power.
//!
//! What was promised is what `fsync(2)` says: what was written to a file before a sync of it began is there once that sync has ended, and so is
//! the size; which files the folder has is promised by a sync of the folder alone. All else may be there or not, each write for itself, in any
//! order and in part: a disk writes sectors, in the order that it likes. A file that grew may have grown and hold zeros where its bytes were to
//! be, or what stood there before.
//!
//! **Invariant:** what survives depends on the steps, the point and the random numbers that are handed in, and on nothing else.

use std::collections::{BTreeMap, HashMap};

use clap::ValueEnum;
use fastrand::Rng;

use super::trace::{Action, Step};

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// The files of a folder, by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Syncs that a disk acknowledges and does not do. Other than [`Deaf::ToNone`], it is one that breaks its promise: what must be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Deaf {
    /// None: it does what it is asked
    #[value(name = "none")]
    ToNone,
    /// Those of the write-ahead log
    #[value(name = "log")]
    ToTheLog,
    /// Those of the database itself
    #[value(name = "database")]
    ToTheDatabase,
    /// Those of the folder
    #[value(name = "folder")]
    ToTheFolder,
    /// All
    #[value(name = "all")]
    ToAll,
}

impl Deaf {
    fn to(self, action: &Action) -> bool {
        match self {
            Self::ToNone => false,
            Self::ToTheLog => matches!(action, Action::Sync(file) if file.ends_with("-wal")),
            Self::ToTheDatabase => {
                matches!(action, Action::Sync(file) if !file.ends_with("-wal") && !file.ends_with("-journal"))
            }
            Self::ToTheFolder => matches!(action, Action::SyncFolder),
            Self::ToAll => true,
        }
    }
}

/// A disk on its way through a trace.
#[derive(Debug)]
pub struct Disk<'s> {
    steps: &'s [Step],
    /// Beginnings and ends of steps, in the order of the trace.
    events: Vec<Event>,
    /// How many of them have happened.
    happened: usize,
    deaf: Deaf,
    files: Vec<File>,
    names: BTreeMap<String, Name>,
    /// Syncs that have begun: of which file.
    syncing: HashMap<usize, usize>,
}

#[derive(Clone, Copy, Debug)]
struct Event {
    line: usize,
    step: usize,
    is_end: bool,
}

/// A file, whatever its name is by now.
#[derive(Debug, Default)]
struct File {
    synced: Vec<u8>,
    /// Steps that changed it since, in their order.
    unsynced: Vec<usize>,
}

/// Which file a name stands for.
#[derive(Debug, Default)]
struct Name {
    synced: Option<usize>,
    /// What became of it since, and by which step.
    unsynced: Vec<(usize, Option<usize>)>,
}

impl Name {
    fn now(&self) -> Option<usize> {
        self.unsynced.last().map_or(self.synced, |(_, file)| *file)
    }
}

/// What a disk is like when its power goes.
#[derive(Clone, Copy, Debug)]
enum Temper {
    /// It has written what it had to.
    Lazy,
    /// It has written everything.
    Eager,
    /// It has written everything that came before a line.
    Orderly { until: usize },
    /// It has written what came to its mind.
    Wild,
}

/// What became of one write.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Kept,
    Lost,
    /// The file has grown; its bytes are zeros, or noise.
    Grown {
        noise: bool,
    },
    /// Some sectors are there.
    Scattered,
    /// It broke off, at any byte.
    BrokenOff,
}

impl<'s> Disk<'s> {
    /// An empty folder, to which steps will happen.
    #[must_use]
    pub fn new(steps: &'s [Step], deaf: Deaf) -> Self {
        let each = steps.iter().enumerate();
        let mut events: Vec<Event> = each
            .flat_map(|(number, step)| {
                let event = move |line, is_end| Event {
                    line,
                    step: number,
                    is_end,
                };
                let end = step.ended.map(|line| event(line, true));
                [Some(event(step.began, false)), end]
            })
            .flatten()
            .collect();
        events.sort_by_key(|event| (event.line, event.is_end));
        Self {
            steps,
            events,
            happened: 0,
            deaf,
            files: Vec::new(),
            names: BTreeMap::new(),
            syncing: HashMap::new(),
        }
    }

    /// How many points there are at which the power may go, after the first.
    #[must_use]
    pub fn points(&self) -> usize {
        self.events.len()
    }

    /// The points at which something has just been said.
    #[must_use]
    pub fn sayings(&self) -> Vec<usize> {
        let events = self.events.iter().enumerate();
        let sayings = events.filter(|(_, event)| {
            !event.is_end && matches!(self.steps[event.step].action, Action::Say(_))
        });
        sayings.map(|(number, _)| number + 1).collect()
    }

    /// The first point at which something of a line has happened, or of a later one.
    #[must_use]
    pub fn point_of(&self, line: usize) -> usize {
        self.events.partition_point(|event| event.line < line) + 1
    }

    /// Lets everything happen up to a point.
    pub fn follow(&mut self, point: usize) {
        while self.happened < point.min(self.events.len()) {
            let Event { step, is_end, .. } = self.events[self.happened];
            if is_end {
                self.end(step);
            } else {
                self.begin(step);
            }
            self.happened += 1;
        }
    }

    /// What has been said by now.
    pub fn said(&self) -> impl Iterator<Item = &'s [u8]> {
        let begun = self.events[..self.happened]
            .iter()
            .filter(|event| !event.is_end);
        begun.filter_map(|event| match &self.steps[event.step].action {
            Action::Say(line) => Some(&**line),
            _ => None,
        })
    }

    /// The files as processes see them.
    #[must_use]
    pub fn seen(&self) -> Files {
        self.left(Temper::Eager, &mut Rng::with_seed(0))
    }

    /// The files that are left when the power goes now.
    #[must_use]
    pub fn lose_power(&self, random: &mut Rng) -> Files {
        let temper = match random.u32(..10) {
            0..3 => Temper::Lazy,
            3 => Temper::Eager,
            4..6 => {
                let from = self.oldest_unsynced();
                Temper::Orderly {
                    until: random.usize(from..=self.now()),
                }
            }
            _ => Temper::Wild,
        };
        self.left(temper, random)
    }

    /// The line after all that has happened.
    fn now(&self) -> usize {
        let last = self.happened.checked_sub(1);
        last.map_or(0, |last| self.events[last].line + 1)
    }

    fn oldest_unsynced(&self) -> usize {
        let of_files = self.files.iter().flat_map(|file| file.unsynced.first());
        let of_names = self.names.values().flat_map(|name| name.unsynced.first());
        let steps = of_files.chain(of_names.map(|(step, _)| step));
        let lines = steps.map(|step| self.steps[*step].began);
        lines.min().unwrap_or_else(|| self.now())
    }

    fn begin(&mut self, number: usize) {
        match &self.steps[number].action {
            Action::Create(name) => {
                self.file(name, number);
            }
            Action::Write { file, .. } | Action::Resize { file, .. } => {
                let file = self.file(file, number);
                self.files[file].unsynced.push(number);
            }
            Action::Remove(name) => {
                let name = self.names.entry(name.clone()).or_default();
                name.unsynced.push((number, None));
            }
            Action::Sync(name) => {
                if let Some(file) = self.names.get(name).and_then(Name::now) {
                    self.syncing.insert(number, file);
                }
            }
            Action::SyncFolder | Action::Say(_) => {}
        }
    }

    /// The file of a name, which is made if there is none.
    fn file(&mut self, name: &str, number: usize) -> usize {
        let name = self.names.entry(name.to_owned()).or_default();
        name.now().unwrap_or_else(|| {
            let file = self.files.len();
            self.files.push(File::default());
            name.unsynced.push((number, Some(file)));
            file
        })
    }

    fn end(&mut self, number: usize) {
        let Step { began, action, .. } = &self.steps[number];
        if self.deaf.to(action) {
            return;
        }
        let steps = self.steps;
        let is_covered = |step: usize| steps[step].ended.is_some_and(|ended| ended < *began);
        match action {
            Action::Sync(_) => {
                if let Some(file) = self.syncing.remove(&number) {
                    let file = &mut self.files[file];
                    for step in file.unsynced.extract_if(.., |step| is_covered(*step)) {
                        apply(&steps[step].action, &mut file.synced);
                    }
                }
            }
            Action::SyncFolder => {
                for name in self.names.values_mut() {
                    for (_, file) in name.unsynced.extract_if(.., |(step, _)| is_covered(*step)) {
                        name.synced = file;
                    }
                }
            }
            _ => {}
        }
    }

    fn left(&self, temper: Temper, random: &mut Rng) -> Files {
        let mut left = Files::new();
        for (text, name) in &self.names {
            let survives = |(step, _): &&(usize, _)| self.is_whole(temper, *step);
            let file = match temper {
                Temper::Wild => match random.usize(..=name.unsynced.len()) {
                    0 => name.synced,
                    number => name.unsynced[number - 1].1,
                },
                _ => match name.unsynced.iter().rfind(survives) {
                    Some((_, file)) => *file,
                    None => name.synced,
                },
            };
            if let Some(file) = file {
                left.insert(text.clone(), self.content(file, temper, random));
            }
        }
        left
    }

    /// Whether a step survives for sure.
    fn is_whole(&self, temper: Temper, step: usize) -> bool {
        match temper {
            Temper::Lazy | Temper::Wild => false,
            Temper::Eager => true,
            Temper::Orderly { until } => self.steps[step].began < until,
        }
    }

    fn content(&self, file: usize, temper: Temper, random: &mut Rng) -> Vec<u8> {
        let file = &self.files[file];
        let mut content = file.synced.clone();
        for step in &file.unsynced {
            let action = &self.steps[*step].action;
            let fate = match temper {
                Temper::Wild => fate(random),
                _ if self.is_whole(temper, *step) => Fate::Kept,
                _ => Fate::Lost,
            };
            match (fate, action) {
                (Fate::Kept, _) => apply(action, &mut content),
                (Fate::Grown { noise }, Action::Write { offset, bytes, .. }) => {
                    grow(&mut content, offset + bytes.len(), || {
                        if noise { random.u8(..) } else { 0 }
                    });
                }
                (Fate::Scattered, Action::Write { offset, bytes, .. }) => {
                    scatter(*offset, bytes, &mut content, random);
                }
                (Fate::BrokenOff, Action::Write { offset, bytes, .. }) => {
                    put(
                        *offset,
                        &bytes[..random.usize(..=bytes.len())],
                        &mut content,
                    );
                }
                _ => {}
            }
        }
        content
    }
}

fn fate(random: &mut Rng) -> Fate {
    match random.u32(..20) {
        0..8 => Fate::Kept,
        8..14 => Fate::Lost,
        14 => Fate::Grown { noise: false },
        15 => Fate::Grown { noise: true },
        16..19 => Fate::Scattered,
        _ => Fate::BrokenOff,
    }
}

fn apply(action: &Action, content: &mut Vec<u8>) {
    match action {
        Action::Write { offset, bytes, .. } => put(*offset, bytes, content),
        Action::Resize { size, .. } => content.resize(*size, 0),
        _ => {}
    }
}

fn put(offset: usize, bytes: &[u8], content: &mut Vec<u8>) {
    let end = offset + bytes.len();
    grow(content, end, || 0);
    content[offset..end].copy_from_slice(bytes);
}

fn grow(content: &mut Vec<u8>, size: usize, filling: impl FnMut() -> u8) {
    if content.len() < size {
        content.resize_with(size, filling);
    }
}

/// Keeps some of the sectors that bytes were to stand in.
fn scatter(offset: usize, bytes: &[u8], content: &mut Vec<u8>, random: &mut Rng) {
    let mut from = 0;
    while from < bytes.len() {
        let to = bytes
            .len()
            .min((offset + from) / SECTOR * SECTOR + SECTOR - offset);
        if random.bool() {
            put(offset + from, &bytes[from..to], content);
        }
        from = to;
    }
}

#[cfg(test)]
mod tests;
