//! The work: shapes of durable functions as data, what they return when nothing goes wrong, and what callers do with them.

use std::{collections::BTreeSet, time::Duration};

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::{random::chance, scenario::Fault};

/// One thing that a function does. Every one of a world has a number of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) number: u32,
    pub(crate) does: Does,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Does {
    /// A step, which takes so long.
    Step {
        millis: u64,
    },
    /// A random value that a step uses.
    Random,
    /// The store's time, twice.
    Now,
    /// A durable sleep.
    Sleep {
        millis: u64,
    },
    /// Something that is not durable.
    Work {
        millis: u64,
    },
    /// A signal of this name, or none in that time.
    Signal {
        name: String,
        timeout: Option<u64>,
    },
    /// A child task.
    Call {
        function: Function,
        with: Box<Node>,
    },
    Sequence(Vec<Node>),
    Join(Vec<Node>),
    Unordered(Vec<Node>),
    /// Whichever is first; the others are dropped.
    Select(Vec<Node>),
    /// Like `Select`, in another order than that in which they were made.
    Backwards(Vec<Node>),
}

/// The durable functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Function {
    Plain,
    /// At most two at once, also while they wait.
    Limited,
    /// At most one at once, not counting those that wait.
    Releasing,
    /// Fails twice, and is tried three times.
    Flaky,
    /// Fails after its calls, and is tried three times.
    Persistent,
    /// Fails as often as it is tried, which is twice.
    Hopeless,
    /// Fails for good at its first attempt.
    Fatal,
    /// Panics.
    Panics,
    /// Ends its process whenever it runs.
    Poison,
    /// Has a second for each of its two attempts.
    Timed,
}

impl Function {
    /// Whether its call returns what its body does.
    const fn succeeds(self) -> bool {
        match self {
            Self::Plain | Self::Limited | Self::Releasing | Self::Flaky | Self::Persistent => true,
            Self::Hopeless | Self::Fatal | Self::Panics | Self::Poison | Self::Timed => false,
        }
    }
}

/// Where every third call goes. Not all workers serve it.
pub(crate) const ASIDE: &str = "aside";

impl Node {
    /// The queue of the task that does it.
    pub(crate) const fn queue(&self) -> &'static str {
        if self.number.is_multiple_of(3) {
            ASIDE
        } else {
            "default"
        }
    }

    /// What it returns: all that does not depend on who was faster.
    pub(crate) fn returns(&self) -> String {
        let each = |nodes: &[Self]| nodes.iter().map(Self::returns).collect::<Vec<_>>();
        match &self.does {
            Does::Step { .. } => format!("s{}", self.number),
            Does::Random => format!("r{}", self.number),
            Does::Now => "n".to_owned(),
            Does::Sleep { .. } => "z".to_owned(),
            Does::Work { .. } => "w".to_owned(),
            Does::Signal { timeout: None, .. } => format!("g{}", self.number),
            Does::Signal { .. } | Does::Select(_) | Does::Backwards(_) => "?".to_owned(),
            Does::Call {
                function: Function::Timed,
                ..
            } => "?".to_owned(),
            Does::Call { function, with } if function.succeeds() => {
                format!("c({})", with.returns())
            }
            Does::Call { .. } => "f".to_owned(),
            Does::Sequence(nodes) => format!("[{}]", each(nodes).join(" ")),
            Does::Join(nodes) => format!("({})", each(nodes).join("&")),
            Does::Unordered(nodes) => {
                let mut all = each(nodes);
                all.sort();
                format!("{{{}}}", all.join("|"))
            }
        }
    }

    pub(crate) fn visit(&self, see: &mut impl FnMut(&Self)) {
        see(self);
        match &self.does {
            Does::Call { with, .. } => with.visit(see),
            Does::Sequence(nodes)
            | Does::Join(nodes)
            | Does::Unordered(nodes)
            | Does::Select(nodes)
            | Does::Backwards(nodes) => nodes.iter().for_each(|node| node.visit(see)),
            Does::Step { .. }
            | Does::Random
            | Does::Now
            | Does::Sleep { .. }
            | Does::Work { .. }
            | Does::Signal { .. } => {}
        }
    }
}

impl Node {
    /// Whether something below calls a function.
    pub(crate) fn calls(&self, wanted: Function) -> bool {
        let mut found = false;
        self.visit(&mut |node| {
            found |= matches!(&node.does, Does::Call { function, .. } if *function == wanted);
        });
        found
    }
}

/// An execution that somebody wants, and what they do with it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Its place in the scenario.
    pub(crate) number: usize,
    pub(crate) at: Duration,
    pub(crate) function: Function,
    pub(crate) node: Node,
    /// Under a key, which makes it safe to ask again.
    pub(crate) keyed: bool,
    pub(crate) delay: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) priority: i32,
    /// How long after it was made it is cancelled.
    pub(crate) cancel: Option<Duration>,
    /// How long after it was made each of its signals is sent.
    pub(crate) signals: Vec<(String, Duration)>,
    /// Whether it is replayed when it is found to be a dead letter.
    pub(crate) replayed: bool,
}

impl Item {
    /// What its result is, if it ends well.
    pub(crate) fn returns(&self) -> String {
        self.node.returns()
    }
}

/// Draws what is dispatched in a world.
pub(crate) fn items(
    rng: &mut Rng,
    count: usize,
    storm: Duration,
    faults: &BTreeSet<Fault>,
) -> Vec<Item> {
    let mut drawing = Drawing {
        faults: faults.clone(),
        next: 0,
    };
    let millis = u64::try_from(storm.as_millis()).unwrap_or(u64::MAX);
    (0..count)
        .map(|number| {
            let mut rng = rng.fork();
            let rng = &mut rng;
            let node = drawing.sequence(rng, 3);
            let mut signals = Vec::new();
            node.visit(&mut |node| {
                if let Does::Signal { name, .. } = &node.does {
                    signals.push((name.clone(), Duration::from_millis(rng.u64(0..4_000))));
                }
            });
            // What waits for its own caller's slot is ended after ten seconds; whoever tries it again and again does so for minutes.
            let tangled = node.calls(Function::Limited) && node.calls(Function::Persistent);
            let function = match rng.u32(0..20) {
                0 => Function::Hopeless,
                1 if !tangled => Function::Limited,
                2 => Function::Persistent,
                _ => Function::Plain,
            };
            Item {
                number,
                at: Duration::from_millis(rng.u64(0..millis)),
                function,
                node,
                keyed: chance(rng, 500),
                delay: some(rng, 150, 3_000),
                deadline: some(rng, 100, 20_000),
                priority: rng.i32(-1..2),
                cancel: some(rng, 150, 5_000),
                signals,
                replayed: chance(rng, 300),
            }
        })
        .collect()
}

fn some(rng: &mut Rng, per_mille: u32, millis: u64) -> Option<Duration> {
    let is_there = chance(rng, per_mille);
    let span = Duration::from_millis(rng.u64(0..millis));
    is_there.then_some(span)
}

struct Drawing {
    faults: BTreeSet<Fault>,
    next: u32,
}

impl Drawing {
    fn node(&mut self, does: Does) -> Node {
        self.next += 1;
        Node {
            number: self.next,
            does,
        }
    }

    /// What a body does: one thing after the other.
    fn sequence(&mut self, rng: &mut Rng, depth: u32) -> Node {
        let nodes = self.some(rng, depth, true);
        self.node(Does::Sequence(nodes))
    }

    fn some(&mut self, rng: &mut Rng, depth: u32, alone: bool) -> Vec<Node> {
        let count = rng.usize(1..4);
        (0..count).map(|_| self.any(rng, depth, alone)).collect()
    }

    /// `alone` says that nothing else goes on in the body meanwhile. What is not durable has its place only there: beside other things it would make
    /// the order of calls a matter of luck.
    fn any(&mut self, rng: &mut Rng, depth: u32, alone: bool) -> Node {
        if alone && chance(rng, 50) {
            return self.work(rng, 500);
        }
        if depth == 0 || chance(rng, 450) {
            return self.leaf(rng);
        }
        let depth = depth - 1;
        let does = match rng.u32(0..9) {
            0 => Does::Join(self.some(rng, depth, false)),
            1 => Does::Unordered(self.some(rng, depth, false)),
            2 => Does::Select(self.some(rng, depth, false)),
            3 => Does::Backwards(self.some(rng, depth, false)),
            4 => Does::Sequence(self.some(rng, depth, alone)),
            5 => self.call(rng, Function::Limited, depth),
            6 => self.call(rng, Function::Persistent, depth),
            _ => self.call(rng, Function::Plain, depth),
        };
        self.node(does)
    }

    fn call(&mut self, rng: &mut Rng, function: Function, depth: u32) -> Does {
        let with = match function {
            // What holds a slot and waits for what needs one may wait for ever; see `limit` in the checks of the store.
            Function::Limited | Function::Releasing => self.leaf_without_limits(rng),
            Function::Flaky
            | Function::Hopeless
            | Function::Fatal
            | Function::Panics
            | Function::Poison => self.work(rng, 100),
            Function::Timed => self.work(rng, 2_500),
            Function::Plain | Function::Persistent => self.sequence(rng, depth),
        };
        Does::Call {
            function,
            with: Box::new(with),
        }
    }

    fn work(&mut self, rng: &mut Rng, millis: u64) -> Node {
        let millis = rng.u64(0..millis);
        self.node(Does::Work { millis })
    }

    fn leaf_without_limits(&mut self, rng: &mut Rng) -> Node {
        let does = match rng.u32(0..4) {
            0 => Does::Step {
                millis: rng.u64(0..50),
            },
            1 => Does::Sleep {
                millis: rng.u64(0..1_500),
            },
            2 => {
                let with = Box::new(self.work(rng, 100));
                Does::Call {
                    function: Function::Plain,
                    with,
                }
            }
            _ => Does::Work {
                millis: rng.u64(0..300),
            },
        };
        self.node(does)
    }

    fn leaf(&mut self, rng: &mut Rng) -> Node {
        let does = match rng.u32(0..20) {
            0..=3 => Does::Step {
                millis: rng.u64(0..100),
            },
            4 => Does::Random,
            5 => Does::Now,
            6 | 7 => Does::Sleep {
                millis: rng.u64(0..3_000),
            },
            8..=10 => {
                let name = format!("signal {}", self.next + 1);
                let timeout = chance(rng, 300).then(|| rng.u64(0..4_000));
                Does::Signal { name, timeout }
            }
            11 => self.call(rng, Function::Limited, 0),
            12 => self.call(rng, Function::Releasing, 0),
            13 => self.call(rng, Function::Flaky, 0),
            14 => self.call(rng, Function::Hopeless, 0),
            15 => self.call(rng, Function::Timed, 0),
            16 => self.call(rng, Function::Fatal, 0),
            17 if self.faults.contains(&Fault::Panic) => self.call(rng, Function::Panics, 0),
            18 if self.faults.contains(&Fault::Poison) && chance(rng, 200) => {
                self.call(rng, Function::Poison, 0)
            }
            _ => {
                let with = Box::new(self.work(rng, 200));
                Does::Call {
                    function: Function::Plain,
                    with,
                }
            }
        };
        self.node(does)
    }
}
