//! Every order of operations of a small world, to a fixed depth: two workers, two executions of a function that is limited to one, which may call a
//! third task, wait for a signal, fail, be cancelled, stolen, replayed and cleaned up.
//!
//! After every step the invariants must hold, and a write that is refused must have changed nothing. From every state that is reached, all must
//! heal: when workers claim and complete what is due, and signals come, everything ends.
//!
//! `STENT_DEPTH=9 cargo test small_world` goes deeper.

use std::{collections::HashSet, pin::pin, sync::Arc, task::Poll};

use stent_core::{
    ClaimMark, Clock as _, ExecutionId, NewTask, StateKind, Store as _, TaskId, Timestamp,
    commit::{TaskCommit, Then},
    limit::Limit,
    signal::NewSignal,
    store::{
        CleanupRequest, CommitRequest, DeclareRequest, DispatchRequest, FunctionDeclaration,
        RenewRequest, SignalRequest,
    },
};
use stent_store_memory::MemoryStore;

use super::{invariants, operations::Operation};
use crate::{
    ManualClock,
    visible::Visible,
    world::{Held, answered, claim_request, held, worker},
    writes::{
        attempt_failed, call, done, execution, failed, function, new_signal_id, numbered_bytes,
        payload, seconds, signal_name, task, wait_for, waits,
    },
};

/// Steps of a sequence where `STENT_DEPTH` does not say otherwise: some ten thousand states, a few seconds.
const DEPTH: usize = 5;

/// What may happen next. A number says which worker does it, or to which execution it is done.
#[derive(Clone, Copy, Debug)]
enum Step {
    Claim(usize),
    Complete(usize),
    RetryLater(usize),
    Fail(usize),
    WaitForSignal(usize),
    CallAndWait(usize),
    GoOn(usize),
    Release(usize),
    Repeat(usize),
    Renew(usize),
    Signal(usize),
    Cancel(usize),
    Replay(usize),
    CleanUp,
    Tick,
}

/// A state of the world.
struct State {
    store: MemoryStore,
    now: Timestamp,
    /// What each worker claimed last, with the commit that it sent last.
    workers: [Option<(Held, Option<TaskCommit>)>; 2],
    visible: Visible,
    path: Vec<Step>,
}

struct SmallWorld {
    clock: Arc<ManualClock>,
    roots: [ExecutionId; 2],
}

/// The memory store answers at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the memory store waits for something"),
    }
}

impl SmallWorld {
    fn begin() -> (Self, State) {
        let clock = Arc::new(ManualClock::new());
        let store = MemoryStore::with_clock(Arc::<ManualClock>::clone(&clock));
        let limit = Limit::new(1).ok();
        let declared = FunctionDeclaration {
            name: function("f"),
            limit,
        };
        let request = DeclareRequest {
            worker: worker("w1"),
            functions: vec![declared],
        };
        answered("declare", at_once(store.declare(request)));
        let roots = [1, 2].map(|number| NewTask {
            id: id(number),
            ..task("f")
        });
        let executions = roots.iter().cloned().map(execution).collect();
        answered(
            "dispatch",
            at_once(store.dispatch(DispatchRequest { executions })),
        );
        let state = State {
            visible: at_once(Visible::of(&store)),
            store,
            now: clock.now(),
            workers: [None, None],
            path: Vec::new(),
        };
        let roots = roots.map(|root| root.id.as_root());
        (Self { clock, roots }, state)
    }

    fn steps() -> Vec<Step> {
        let of_each = |which| {
            [
                Step::Claim(which),
                Step::Complete(which),
                Step::RetryLater(which),
                Step::Fail(which),
                Step::WaitForSignal(which),
                Step::CallAndWait(which),
                Step::GoOn(which),
                Step::Release(which),
                Step::Repeat(which),
                Step::Renew(which),
            ]
        };
        let of_first = [
            Step::Signal(0),
            Step::Cancel(0),
            Step::Replay(0),
            Step::CleanUp,
            Step::Tick,
        ];
        of_each(0)
            .into_iter()
            .chain(of_each(1))
            .chain(of_first)
            .collect()
    }

    /// The state after a step, if the step is possible.
    fn after(&self, state: &State, step: Step) -> Option<State> {
        self.clock.set(state.now);
        let mut next = State {
            store: answered("fork", state.store.fork()),
            now: state.now,
            workers: state.workers.clone(),
            visible: state.visible.clone(),
            path: state.path.iter().copied().chain([step]).collect(),
        };
        let refused = self.perform(&mut next, step)?;
        next.now = self.clock.now();
        next.visible = at_once(Visible::of(&next.store));
        let lawful = invariants::check(&state.visible, &next.visible, &operation_of(step));
        if let Err(broken) = lawful {
            panic!("{broken}\nafter {:?}", next.path);
        }
        let is_same = state.visible == next.visible;
        assert!(
            !refused || is_same,
            "S3: a refused write changed something: {:?}",
            next.path
        );
        Some(next)
    }

    /// Does a step; whether it was refused, or nothing if it is not possible.
    fn perform(&self, next: &mut State, step: Step) -> Option<bool> {
        let store = &next.store;
        match step {
            Step::Claim(which) => {
                let mut request = claim_request(&["f", "g"], 1);
                // The token tells claims apart; the mark tells which worker it was.
                request.terms.mark = ClaimMark(i64::try_from(which).ok()?);
                let claimed = held(answered("claim", at_once(store.claim(request))));
                let first = claimed.into_iter().next()?;
                *next.workers.get_mut(which)? = Some((first, None));
                Some(false)
            }
            Step::Complete(which) => self.commit(next, which, |_, _| (vec![], done())),
            Step::RetryLater(which) => self.commit(next, which, |_, _| (vec![], attempt_failed(2))),
            Step::Fail(which) => self.commit(next, which, |_, _| (vec![], failed())),
            Step::GoOn(which) => self.commit(next, which, |_, _| (vec![], Then::Continue)),
            Step::Release(which) => self.commit(next, which, |_, _| (vec![], Then::Release)),
            Step::WaitForSignal(which) => self.commit(next, which, |position, seen| {
                (vec![wait_for(position, "x", None)], waits(seen))
            }),
            Step::CallAndWait(which) => {
                let (held, _) = next.workers.get(which)?.as_ref()?;
                let child = NewTask {
                    id: child_id(held, next.visible.tasks.len()),
                    ..task("g")
                };
                self.commit(next, which, |position, seen| {
                    (vec![call(position, child.clone())], waits(seen))
                })
            }
            Step::Repeat(which) => {
                let (_, sent) = next.workers.get(which)?.as_ref()?;
                let commits = vec![sent.clone()?];
                let answer = at_once(store.commit(CommitRequest { commits }));
                let result = answered("commit", answer).results.remove(0).result;
                // It was applied before, or is refused now: either way nothing changes.
                Some(result.map_or(true, |applied| applied.repeated))
            }
            Step::Renew(which) => {
                let (held, _) = next.workers.get(which)?.as_ref()?;
                renew(store, held);
                Some(false)
            }
            Step::Signal(_) | Step::Cancel(_) | Step::Replay(_) | Step::CleanUp | Step::Tick => {
                self.happen(store, step);
                Some(false)
            }
        }
    }

    /// Does what no worker does.
    fn happen(&self, store: &MemoryStore, step: Step) {
        let of = |which: usize| self.roots.get(which).copied().into_iter().collect();
        match step {
            Step::Signal(which) => {
                let roots: Vec<ExecutionId> = of(which);
                roots.into_iter().for_each(|root| signal(store, root));
            }
            Step::Cancel(which) => {
                answered("cancel", at_once(store.cancel(of(which))));
            }
            Step::Replay(which) => {
                answered("replay", at_once(store.replay_dead_letters(of(which))));
            }
            Step::CleanUp => {
                let request = CleanupRequest {
                    retention: seconds(30),
                    limit: 5,
                    interval: None,
                };
                answered("clean up", at_once(store.clean_up(request)));
            }
            _ => self.clock.advance(seconds(60)),
        }
    }

    /// Sends the next commit of what a worker claimed last; whether it was refused.
    fn commit(
        &self,
        next: &mut State,
        which: usize,
        writes: impl Fn(u32, u32) -> (Vec<stent_core::commit::HistoryWrite>, Then),
    ) -> Option<bool> {
        let (held, sent) = next.workers.get_mut(which)?.as_mut()?;
        let mut seen = next.visible.tasks.iter();
        let seen = seen.find(|seen| seen.task.id == held.id());
        let last = seen.and_then(|seen| seen.history.last());
        let position = last.map_or(1, |entry| entry.head.position.0 + 1);
        let deliveries = seen.map_or(0, |seen| seen.task.deliveries.0);
        let (writes, then) = writes(position, deliveries);
        let before = held.number;
        let commit = held.next(writes, then);
        let commits = vec![commit.clone()];
        let answer = at_once(next.store.commit(CommitRequest { commits }));
        let refused = answered("commit", answer).results.remove(0).result.is_err();
        if refused {
            held.number = before;
        } else {
            *sent = Some(commit);
        }
        Some(refused)
    }

    /// L1–L4: when faults stop, everything ends, whatever was lost before.
    fn heals(&self, state: &State) {
        self.clock.set(state.now);
        let store = answered("fork", state.store.fork());
        for _ in 0..12 {
            self.clock.advance(seconds(61));
            for root in self.roots {
                signal(&store, root);
            }
            let request = claim_request(&["f", "g"], 5);
            let claimed = held(answered("claim", at_once(store.claim(request))));
            let commits = claimed
                .into_iter()
                .map(|mut one| one.next(Vec::new(), done()));
            let commits = commits.collect();
            answered("commit", at_once(store.commit(CommitRequest { commits })));
        }
        let healed = at_once(Visible::of(&store));
        for seen in &healed.tasks {
            let ended = StateKind::is_terminal(seen.task.state.kind());
            assert!(ended, "it never ends: {seen:?}\nafter {:?}", state.path);
        }
        let mut functions = healed.functions.iter();
        assert!(
            functions.all(|one| one.slots_held == 0),
            "a slot is lost: {:?}",
            state.path
        );
    }
}

fn renew(store: &MemoryStore, held: &Held) {
    let request = RenewRequest {
        worker: worker("w1"),
        duration: claim_request(&[], 0).terms.duration,
        leases: vec![(held.id(), held.fence())],
    };
    answered("renew", at_once(store.renew(request)));
}

fn signal(store: &MemoryStore, execution: ExecutionId) {
    let signal = NewSignal {
        id: new_signal_id(),
        execution,
        name: signal_name("x"),
        payload: payload("1"),
    };
    let signals = vec![signal];
    answered("signal", at_once(store.signal(SignalRequest { signals })));
}

fn id(number: u64) -> TaskId {
    TaskId::from_parts(ManualClock::START, &numbered_bytes(number))
}

/// An id that no other call has, and that is the same however a state is reached.
fn child_id(parent: &Held, tasks: usize) -> TaskId {
    let token = u64::try_from(parent.fence().token.0).expect("tokens grow from 0");
    let parent = parent.id();
    let number = parent.as_bytes().iter().skip(9);
    let number = number.fold(0, |number, byte| number << 8 | u64::from(*byte));
    let tasks = u64::try_from(tasks).expect("a small world");
    id(number << 9 | token << 5 | tasks << 1 | 1)
}

/// What the invariants want to know of a step.
fn operation_of(step: Step) -> Operation {
    match step {
        Step::Replay(_) => Operation::Replay(Vec::new()),
        Step::CleanUp => Operation::CleanUp {
            retention: 30,
            limit: 5,
            interval: None,
        },
        _ => Operation::Advance { seconds: 0 },
    }
}

/// Two states of one key differ in nothing that could matter later: instants are told relative to now, and signals by nothing.
fn key(state: &State) -> String {
    let workers = state.workers.iter().flatten();
    let workers: Vec<_> = workers
        .map(|(held, sent)| (held.id(), held.fence(), held.number, sent.is_some()))
        .collect();
    let text = format!("{workers:?} {:?}", state.visible.tasks);
    let mut parts = text.split("Timestamp(");
    let mut key = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once(')').expect("a timestamp has an end");
        let at: i64 = number.parse().expect("a timestamp is a number");
        key.push_str(&format!("{}{rest}", at - state.now.as_micros()));
    }
    key
}

#[test]
fn every_order_of_operations_of_a_small_world_is_lawful_and_heals() {
    let depth = std::env::var("STENT_DEPTH").ok();
    let depth = depth.and_then(|depth| depth.parse().ok()).unwrap_or(DEPTH);
    let (world, begin) = SmallWorld::begin();
    let mut known = HashSet::from([key(&begin)]);
    let mut frontier = vec![begin];
    for _ in 0..depth {
        let mut reached = Vec::new();
        for state in &frontier {
            for step in SmallWorld::steps() {
                if let Some(next) = world.after(state, step)
                    && known.insert(key(&next))
                {
                    world.heals(&next);
                    reached.push(next);
                }
            }
        }
        frontier = reached;
    }
    assert!(known.len() > 1_000, "too little was tried: {}", known.len());
}
