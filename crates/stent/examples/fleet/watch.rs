//! How things are: leases as the database has them, and the rest as the bodies say it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    error::Error,
    time::Duration,
};

use stent::{
    ExecutionId, StateKind, TaskQuery,
    prelude::*,
    store::State,
    worker::{HolderClock, MachineClock},
};

use crate::{
    index::index_folder,
    journal::{Event, Reader},
    screen::{Row, View},
    worker::name_of,
    workers::Workers,
};

/// The span over which the speed is taken.
const RECENTLY: Duration = Duration::from_secs(2);

/// What has been seen so far.
#[derive(Debug)]
pub(crate) struct Watched {
    journal: Reader,
    began: Duration,
    total: usize,
    /// Files that a body has finished.
    done: BTreeSet<String>,
    /// Bodies that each process has finished.
    measured: BTreeMap<u32, usize>,
    /// Tasks that each process has taken over.
    stolen: BTreeMap<u32, u64>,
    killed: usize,
    /// How much was done when, lately.
    lately: VecDeque<(Duration, usize)>,
    /// Leases by holder.
    leases: BTreeMap<String, usize>,
}

impl Watched {
    pub(crate) fn new(journal: Reader, total: usize) -> Self {
        Self {
            journal,
            began: MachineClock.now(),
            total,
            done: BTreeSet::new(),
            measured: BTreeMap::new(),
            stolen: BTreeMap::new(),
            killed: 0,
            lately: VecDeque::new(),
            leases: BTreeMap::new(),
        }
    }

    /// How long it has been watched.
    pub(crate) fn elapsed(&self) -> Duration {
        MachineClock.now().saturating_sub(self.began)
    }

    /// Leases that a process had when it was looked at last.
    pub(crate) fn leases_of(&self, process: u32) -> usize {
        let leases = self.leases.get(&name_of(process));
        leases.copied().unwrap_or_default()
    }

    /// Looks anew.
    pub(crate) async fn look(
        &mut self,
        stent: &Stent,
        execution: ExecutionId,
        workers: &Workers,
    ) -> Result<View, Box<dyn Error>> {
        self.read_journal()?;
        let query = TaskQuery {
            execution: Some(execution),
            states: vec![StateKind::Running],
            ..TaskQuery::default()
        };
        let running = stent.tasks(query).await?.tasks;
        self.leases.clear();
        let mut index_holder = None;
        for task in running.iter().map(|record| &record.task) {
            let State::Running { holder, .. } = &task.state else {
                continue;
            };
            let holder = holder.as_str();
            *self.leases.entry(holder.to_owned()).or_default() += 1;
            if task.function.as_str() == index_folder::NAME {
                index_holder = Some(holder);
            }
        }
        let rows: Vec<_> = workers
            .places()
            .iter()
            .map(|place| {
                let process = place.id();
                Row {
                    process,
                    replaced: place.replaced,
                    runs_for: place.runs_for(),
                    leases: self.leases_of(process),
                    has_index: index_holder == Some(&name_of(process)),
                    measured: self.measured.get(&process).copied().unwrap_or_default(),
                    stolen: self.stolen.get(&process).copied().unwrap_or_default(),
                }
            })
            .collect();
        let held: usize = rows.iter().map(|row| row.leases).sum();
        let all: usize = self.leases.values().sum();
        Ok(View {
            orphans: all - held,
            rows,
            done: self.done.len(),
            total: self.total,
            per_second: self.per_second(),
            stolen: self.stolen.values().sum(),
            killed: self.killed,
        })
    }

    fn read_journal(&mut self) -> Result<(), Box<dyn Error>> {
        let new = self.journal.read()?;
        for line in &self.journal.lines[new..] {
            match &line.event {
                Event::Begins(_) => {}
                Event::Ends(file) => {
                    self.done.insert(file.clone());
                    *self.measured.entry(line.process).or_default() += 1;
                }
                Event::Stole(tasks) => drop(self.stolen.insert(line.process, *tasks)),
                Event::Killed => self.killed += 1,
            }
        }
        Ok(())
    }

    fn per_second(&mut self) -> f64 {
        let (now, done) = (self.elapsed(), self.done.len());
        self.lately.push_back((now, done));
        while self
            .lately
            .front()
            .is_some_and(|(at, _)| now.saturating_sub(*at) > RECENTLY)
        {
            self.lately.pop_front();
        }
        match self.lately.front() {
            Some((at, before)) if *at < now => {
                (done - before) as f64 / now.saturating_sub(*at).as_secs_f64()
            }
            _ => 0.0,
        }
    }
}
