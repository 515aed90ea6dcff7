//! What was seen of a world from outside of the engine: what bodies did, what the store was asked and answered, what clients were told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
};

use stent::store::{ExecutionId, ExecutionRecord, Fence, Outcome, TaskId, Timestamp};

use crate::work::Function;

/// One run of a body: from its first poll until it returned, was dropped, or its process ended.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) task: TaskId,
    pub(crate) execution: ExecutionId,
    pub(crate) function: Function,
    pub(crate) machine: usize,
    pub(crate) attempt: u32,
    pub(crate) ended: Option<u64>,
    /// Pauses of its machine before its last poll.
    pub(crate) pauses: u32,
    /// Outcomes in the order in which it was given them.
    pub(crate) saw: Vec<Seen>,
    /// The store has lost transactions since it began: it may have seen what never was.
    pub(crate) is_lost: bool,
}

/// An outcome that a body was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) node: u32,
    pub(crate) value: String,
}

/// A lease, as the store answered.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) fence: Fence,
    pub(crate) machine: usize,
    pub(crate) until: Timestamp,
    /// The store has lost transactions since: what it knows of this lease may be older than what its holder was told.
    pub(crate) is_lost: bool,
}

/// What a client did for one item.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dealt {
    pub(crate) began: bool,
    pub(crate) acknowledged: Option<ExecutionId>,
    pub(crate) cancelled: Option<u64>,
    pub(crate) asked_to_cancel: bool,
    /// Signals that were acknowledged.
    pub(crate) sent: Vec<bool>,
    /// How often it began to live again: replayed, or made anew after its cleanup.
    pub(crate) lives: u32,
    /// How it was told the execution ended, each time.
    pub(crate) told: Vec<Outcome>,
    /// The store has lost the execution after it had been acknowledged.
    pub(crate) lost: bool,
}

/// What is known of what the store holds: it goes when the store loses that.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    firm: BTreeMap<(TaskId, u32), Vec<Seen>>,
    used: BTreeMap<(TaskId, u32), u64>,
    gone: BTreeMap<ExecutionId, ExecutionRecord>,
    slots: BTreeMap<String, u32>,
    slept: BTreeMap<(TaskId, u32), u64>,
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) bodies: Vec<Body>,
    pub(crate) leases: BTreeMap<TaskId, Vec<Lease>>,
    pub(crate) dealt: Vec<Dealt>,
    /// What an attempt of a task saw before it began an effect: every later run of it must see the same.
    pub(crate) firm: BTreeMap<(TaskId, u32), Vec<Seen>>,
    /// The random values that steps used.
    pub(crate) used: BTreeMap<(TaskId, u32), u64>,
    /// When a sleep was first asked for.
    pub(crate) slept: BTreeMap<(TaskId, u32), u64>,
    /// Executions that a cleanup deleted, as they were.
    pub(crate) gone: BTreeMap<ExecutionId, ExecutionRecord>,
    /// Slots held after the last transaction, by function.
    pub(crate) slots: BTreeMap<String, u32>,
    /// What must not have happened.
    pub(crate) broken: Vec<String>,
    trace: Trace,
}

#[derive(Debug, Default)]
struct Trace {
    hasher: DefaultHasher,
    events: u64,
    shown: bool,
}

impl Record {
    /// Of a world with items up to a number.
    pub(crate) fn of(items: usize) -> Self {
        Self {
            dealt: vec![Dealt::default(); items],
            ..Self::default()
        }
    }

    pub(crate) fn show(&mut self) {
        self.trace.shown = true;
    }

    /// Notes an event: two runs of a seed note the same.
    #[expect(clippy::print_stdout, reason = "a person asked to see what happens")]
    pub(crate) fn note(&mut self, now: u64, event: impl Debug) {
        let line = format!("{:>11.3} {event:?}", now as f64 / 1_000.0);
        line.hash(&mut self.trace.hasher);
        self.trace.events += 1;
        if self.trace.shown {
            println!("{line}");
        }
    }

    /// How many events were noted, and a number that stands for them all.
    pub(crate) fn trace(&self) -> (u64, u64) {
        (self.trace.events, self.trace.hasher.finish())
    }

    /// What is known of what the store holds.
    pub(crate) fn memory(&self) -> Memory {
        Memory {
            firm: self.firm.clone(),
            used: self.used.clone(),
            gone: self.gone.clone(),
            slots: self.slots.clone(),
            slept: self.slept.clone(),
        }
    }

    /// The store holds again what it held then, and these executions. Whatever was said and done since says nothing of it.
    pub(crate) fn lose(&mut self, memory: Memory, left: &BTreeSet<ExecutionId>) {
        let Memory {
            firm,
            used,
            gone,
            slots,
            slept,
        } = memory;
        // When sleeps were asked for stays, as what asks may be on its way; of what was cleaned up since, it is known again.
        for (sleep, began) in slept {
            self.slept.entry(sleep).or_insert(began);
        }
        (self.firm, self.used) = (firm, used);
        (self.gone, self.slots) = (gone, slots);
        for body in &mut self.bodies {
            body.is_lost = true;
        }
        for lease in self.leases.values_mut().flatten() {
            lease.is_lost = true;
        }
        for dealt in &mut self.dealt {
            if let Some(id) = dealt.acknowledged {
                dealt.lives += 1;
                dealt.lost |= !left.contains(&id) && !self.gone.contains_key(&id);
            }
        }
    }

    /// The newest lease of a body's machine on its task.
    pub(crate) fn lease_of(&self, body: usize) -> Option<&Lease> {
        let body = &self.bodies[body];
        let leases = self.leases.get(&body.task)?;
        leases
            .iter()
            .rev()
            .find(|lease| lease.machine == body.machine)
    }

    /// Whether a body goes by what the store has lost: it began before that, or under a lease that did.
    pub(crate) fn is_lost(&self, body: usize) -> bool {
        self.bodies[body].is_lost || self.lease_of(body).is_some_and(|lease| lease.is_lost)
    }

    /// Whether another machine has taken a body's task over.
    pub(crate) fn is_overtaken(&self, body: usize) -> bool {
        let body = &self.bodies[body];
        let leases = self.leases.get(&body.task);
        let newest = leases.and_then(|leases| leases.last());
        newest.is_some_and(|lease| lease.machine != body.machine)
    }

    /// All bodies of a machine ended with its process.
    pub(crate) fn killed(&mut self, machine: usize, now: u64) {
        let bodies = self.bodies.iter_mut();
        for body in bodies.filter(|body| body.machine == machine && body.ended.is_none()) {
            body.ended = Some(now);
        }
    }

    /// An execution is made. Worlds keep what has ended so shortly that a dispatch which is late makes anew what was cleaned up already; what was
    /// said of its earlier life says nothing of this one.
    pub(crate) fn begins_anew(&mut self, execution: ExecutionId) {
        if self.gone.remove(&execution).is_some() {
            let dealt = self.dealt.iter_mut();
            dealt
                .filter(|dealt| dealt.acknowledged == Some(execution))
                .for_each(|dealt| dealt.lives += 1);
        }
    }

    /// A dead letter is replayed: its attempts are counted from the first again, and the failed end of its history is forgotten.
    pub(crate) fn attempts_begin_anew(&mut self, execution: ExecutionId) {
        self.firm.retain(|(task, _), _| *task != execution.root());
    }

    /// Forgets tasks that are gone.
    pub(crate) fn forget_all_but(&mut self, left: &BTreeSet<TaskId>) {
        // A body may still go by a lease that the store has lost with its task.
        self.leases.retain(|task, leases| {
            let is_left = left.contains(task);
            leases.retain(|lease| is_left || lease.is_lost);
            !leases.is_empty()
        });
        self.firm.retain(|(task, _), _| left.contains(task));
        self.used.retain(|(task, _), _| left.contains(task));
        self.slept.retain(|(task, _), _| left.contains(task));
    }

    pub(crate) fn broke(&mut self, now: u64, what: String) {
        self.note(now, &what);
        // The first few tell the story; a thousand of one kind tell no more.
        if self.broken.len() < 20 {
            self.broken.push(what);
        }
    }
}
