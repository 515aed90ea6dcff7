//! Whether a limit held, and whether all that was called came about once: judged from a history alone.
//!
//! **What a line proves.** A worker polls a body only while it is sure of its lease, so a body that was polled again holds its slot then, and has
//! held it since it began: a slot that was lost once never comes back to the same body. Each line of a body is of another poll (there is an
//! `await` between any two). What stands still between that look at the clock and the line, for longer than the margin that a holder leaves
//! (a tenth of the lease), may write *one* late line: a paused body runs on to its next `await`, no further (S5). So a line that comes long
//! after the one before proves nothing by itself, and the next one does.
//!
//! **What follows.** A body holds a slot at least from its first line to the last one that proves it. If ever more of these spans than the limit
//! have an instant in common, S4 was broken, whatever the database says. The other way round it is no proof: from a killed process's last line
//! to the end of its lease, its slot is held and nobody says so.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use crate::history::{Body, Call, Event, Line};

/// The part of a lease that its holder leaves unused, as a divisor.
const MARGIN: u32 = 10;

/// What was to hold.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Bodies that may hold a slot at once.
    pub limit: usize,
    /// How long leases ran.
    pub lease: Duration,
    /// How long a call may be passed over by younger ones, and how long nothing may begin while calls wait: a lease and a poll, because a killed
    /// process may have claimed what waits, and what a busy machine takes beside.
    pub patience: Duration,
}

/// What must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// More bodies than the limit held a slot (S4, S5).
    Exceeded {
        /// From when on.
        at: Duration,
        /// Those that did.
        bodies: Vec<Body>,
    },
    /// Two bodies of one call held its lease (S3, S5).
    TwiceAtOnce {
        /// The call.
        call: Call,
        /// From when on.
        at: Duration,
    },
    /// A call was acknowledged, and nobody was shown its outcome (S1, L1, L2).
    Lost(Call),
    /// A call was shown to have two outcomes (S2).
    Changed(Call),
    /// A call was shown to have been done by a body that had not said so, or was not its own.
    Invented(Call, Body),
    /// A body began for a call whose outcome had been shown (S8).
    BegunAfterItsEnd(Call, Body),
    /// A call waited while younger ones began, for longer than the patience (L1).
    PassedOver {
        /// The call.
        call: Call,
        /// For how long.
        span: Duration,
    },
    /// Nothing began although calls waited, for longer than the patience (L1, L4).
    Idle {
        /// Since when.
        from: Duration,
        /// For how long.
        span: Duration,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exceeded { at, bodies } => {
                write!(f, "at {at:?}, {} bodies held a slot at once:", bodies.len())?;
                bodies
                    .iter()
                    .try_for_each(|body| write!(f, " {}.{}", body.process, body.number))
            }
            Self::TwiceAtOnce { call, at } => {
                write!(f, "at {at:?}, two bodies held the lease of call {}", call.0)
            }
            Self::Lost(call) => write!(f, "call {} was acknowledged and never ended", call.0),
            Self::Changed(call) => write!(f, "call {} was shown to end in two ways", call.0),
            Self::Invented(call, body) => write!(
                f,
                "call {} was shown to have been done by body {}.{}, which did not say so",
                call.0, body.process, body.number
            ),
            Self::BegunAfterItsEnd(call, body) => write!(
                f,
                "body {}.{} began after call {} had ended",
                body.process, body.number, call.0
            ),
            Self::PassedOver { call, span } => {
                write!(
                    f,
                    "call {} was passed over by younger ones for {span:?}",
                    call.0
                )
            }
            Self::Idle { from, span } => {
                write!(
                    f,
                    "from {from:?}, nothing began for {span:?} although calls waited"
                )
            }
        }
    }
}

/// What happened in a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Calls that were acknowledged.
    pub calls: usize,
    /// Bodies that began.
    pub bodies: usize,
    /// Calls of which more than one body began.
    pub begun_anew: usize,
    /// Bodies that stood still for longer than a holder's margin.
    pub stalled: usize,
    /// Those of them that went on under their lease.
    pub went_on: usize,
    /// Processes that were killed.
    pub kills: usize,
    /// Pauses of processes.
    pub pauses: usize,
    /// The most bodies that held a slot at one instant.
    pub at_once: usize,
    /// Slots that were provably held, on average from the first body to the last.
    pub held: f64,
    /// The longest time from a call's acknowledgement to its first body.
    pub longest_wait: Duration,
    /// The longest time that a call was passed over by younger ones.
    pub longest_passed_over: Duration,
    /// The longest time that nothing began while calls waited.
    pub longest_idle: Duration,
}

/// Judges a history: what must not be, and what happened.
#[must_use]
pub fn judge(history: &[Line], rules: &Rules) -> (Vec<Violation>, Figures) {
    let story = Story::of(history, rules.lease / MARGIN);
    let mut violations = Vec::new();
    let mut figures = story.figures(history);
    figures.at_once = story.exceeded(rules.limit, &mut violations);
    story.outcomes(&mut violations);
    story.order(rules.patience, &mut violations, &mut figures);
    story.idleness(rules.patience, &mut violations, &mut figures);
    (violations, figures)
}

/// What is known of one body.
#[derive(Clone, Copy, Debug)]
struct Run {
    call: Call,
    begins: Duration,
    /// Its last line.
    last: Duration,
    /// Its last line that proves that it holds its slot.
    held_until: Duration,
    /// Whether it stood still, and whether it went on after that.
    stalled: bool,
    went_on: bool,
    ended: bool,
}

/// What is known of one call.
#[derive(Clone, Debug, Default)]
struct Fate {
    invoked: Option<Duration>,
    acknowledged: Option<Duration>,
    /// When its first body began.
    begins: Option<Duration>,
    bodies: Vec<Body>,
    shown: Vec<(Duration, Body)>,
}

/// A history, by body and by call.
#[derive(Debug, Default)]
struct Story {
    runs: BTreeMap<Body, Run>,
    fates: BTreeMap<Call, Fate>,
}

impl Story {
    fn of(history: &[Line], margin: Duration) -> Self {
        let mut story = Self::default();
        for &Line { at, event } in history {
            match event {
                Event::Invoked(call) => story.fate(call).invoked = Some(at),
                Event::Acknowledged(call) => story.fate(call).acknowledged = Some(at),
                Event::Shown(call, body) => story.fate(call).shown.push((at, body)),
                Event::Begins(call, body) => {
                    let fate = story.fate(call);
                    fate.begins.get_or_insert(at);
                    fate.bodies.push(body);
                    story.runs.insert(body, Run::begins(call, at));
                }
                Event::Ticks(body) | Event::Ends(body) => {
                    if let Some(run) = story.runs.get_mut(&body) {
                        run.goes_on(at, margin);
                        run.ended |= matches!(event, Event::Ends(_));
                    }
                }
                Event::Accepted(_)
                | Event::Cancels(_)
                | Event::Did(..)
                | Event::Got(..)
                | Event::Over(..)
                | Event::Kills(_)
                | Event::Pauses(_)
                | Event::Resumes(_)
                | Event::Damages(_) => {}
            }
        }
        story
    }

    fn fate(&mut self, call: Call) -> &mut Fate {
        self.fates.entry(call).or_default()
    }

    fn figures(&self, history: &[Line]) -> Figures {
        let count = |is: fn(&Event) -> bool| history.iter().filter(|line| is(&line.event)).count();
        let runs = || self.runs.values();
        let first = runs().map(|run| run.begins).min().unwrap_or_default();
        let last = runs().map(|run| run.last).max().unwrap_or_default();
        let held: Duration = runs().map(|run| run.held_until - run.begins).sum();
        let fates = || self.fates.values();
        let waits =
            fates().filter_map(|fate| Some(fate.begins?.saturating_sub(fate.acknowledged?)));
        Figures {
            calls: fates().filter(|fate| fate.acknowledged.is_some()).count(),
            bodies: self.runs.len(),
            begun_anew: fates().filter(|fate| fate.bodies.len() > 1).count(),
            stalled: runs().filter(|run| run.stalled).count(),
            went_on: runs().filter(|run| run.went_on).count(),
            kills: count(|event| matches!(event, Event::Kills(_))),
            pauses: count(|event| matches!(event, Event::Pauses(_))),
            held: held.as_secs_f64() / (last - first).as_secs_f64().max(f64::MIN_POSITIVE),
            longest_wait: waits.max().unwrap_or_default(),
            ..Figures::default()
        }
    }

    /// Looks at every instant; gives the most bodies at one.
    fn exceeded(&self, limit: usize, violations: &mut Vec<Violation>) -> usize {
        let mut edges: Vec<_> = self
            .runs
            .iter()
            .filter(|(_, run)| run.begins < run.held_until)
            .flat_map(|(body, run)| [(run.begins, true, *body), (run.held_until, false, *body)])
            .collect();
        // At one instant, what ends is over when something begins.
        edges.sort_unstable();
        let mut holding = BTreeMap::new();
        let mut most = 0;
        for (at, begins, body) in edges {
            if !begins {
                holding.remove(&body);
                continue;
            }
            let call = self.runs[&body].call;
            if holding.values().any(|held| *held == call) {
                violations.push(Violation::TwiceAtOnce { call, at });
            }
            holding.insert(body, call);
            most = most.max(holding.len());
            if holding.len() > limit {
                let bodies = holding.keys().copied().collect();
                violations.push(Violation::Exceeded { at, bodies });
            }
        }
        most
    }

    /// What became of each call.
    fn outcomes(&self, violations: &mut Vec<Violation>) {
        for (&call, fate) in &self.fates {
            let Some(&(first, by)) = fate.shown.first() else {
                if fate.acknowledged.is_some() {
                    violations.push(Violation::Lost(call));
                }
                continue;
            };
            if fate.shown.iter().any(|(_, body)| *body != by) {
                violations.push(Violation::Changed(call));
            }
            let is_its_own = |run: &Run| run.call == call && run.ended && run.last <= first;
            if !self.runs.get(&by).is_some_and(is_its_own) {
                violations.push(Violation::Invented(call, by));
            }
            let late = fate
                .bodies
                .iter()
                .filter(|body| self.runs[body].begins > first);
            violations.extend(late.map(|body| Violation::BegunAfterItsEnd(call, *body)));
        }
    }

    /// Whether older calls came before younger ones.
    fn order(&self, patience: Duration, violations: &mut Vec<Violation>, figures: &mut Figures) {
        let mut younger: Vec<_> = self
            .fates
            .values()
            .filter_map(|fate| Some((fate.invoked?, fate.begins?)))
            .collect();
        younger.sort_unstable();
        // From each on, the earliest beginning.
        for at in (1..younger.len()).rev() {
            younger[at - 1].1 = younger[at - 1].1.min(younger[at].1);
        }
        for (&call, fate) in &self.fates {
            let (Some(acknowledged), Some(begins)) = (fate.acknowledged, fate.begins) else {
                continue;
            };
            let first = younger.partition_point(|(invoked, _)| *invoked <= acknowledged);
            let Some((_, earliest)) = younger.get(first) else {
                continue;
            };
            let span = begins.saturating_sub(*earliest);
            figures.longest_passed_over = figures.longest_passed_over.max(span);
            if span > patience {
                violations.push(Violation::PassedOver { call, span });
            }
        }
    }

    /// Whether something began as long as calls waited.
    fn idleness(&self, patience: Duration, violations: &mut Vec<Violation>, figures: &mut Figures) {
        let waits = self.fates.iter().filter_map(|(&call, fate)| {
            let acknowledged = fate.acknowledged?;
            // One that begins before its dispatch is acknowledged waits for nothing.
            (fate.begins? > acknowledged).then_some((acknowledged, call))
        });
        let mut to_come: Vec<_> = waits.collect();
        to_come.sort_unstable_by(|a, b| b.cmp(a));
        let mut begins: Vec<_> = self
            .runs
            .values()
            .map(|run| (run.begins, run.call))
            .collect();
        begins.sort_unstable();
        let mut waiting = BTreeSet::new();
        let mut before = None;
        for (at, call) in begins {
            while let Some(next) = to_come.pop_if(|(acknowledged, _)| *acknowledged < at) {
                waiting.insert(next);
            }
            if let (Some(before), Some(&(oldest, _))) = (before, waiting.first()) {
                let from = oldest.max(before);
                let span = at - from;
                figures.longest_idle = figures.longest_idle.max(span);
                if span > patience {
                    violations.push(Violation::Idle { from, span });
                }
            }
            if let Some(acknowledged) = self.fates[&call].acknowledged {
                waiting.remove(&(acknowledged, call));
            }
            before = Some(at);
        }
    }
}

impl Run {
    const fn begins(call: Call, at: Duration) -> Self {
        Self {
            call,
            begins: at,
            last: at,
            held_until: at,
            stalled: false,
            went_on: false,
            ended: false,
        }
    }

    /// It was polled again.
    fn goes_on(&mut self, at: Duration, margin: Duration) {
        if at.saturating_sub(self.last) >= margin {
            self.stalled = true;
        } else {
            self.went_on |= self.stalled;
            self.held_until = at;
        }
        self.last = at;
    }
}
