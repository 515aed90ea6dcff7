//! What may be done to a store, with numbers in place of what is only known when it runs.

use proptest::{collection::vec, option, prelude::*};

/// A number that chooses among what is known so far.
pub(crate) type Which = u8;

/// Something that is done to both stores.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Dispatch(Vec<Dispatch>),
    Claim(Claim),
    Commit(Vec<Commit>),
    Renew {
        held: Vec<Which>,
        seconds: u64,
    },
    Signal(Vec<Signal>),
    Cancel(Vec<Which>),
    Replay(Vec<Which>),
    SetLimit {
        function: u8,
        limit: Option<u8>,
    },
    Declare(Vec<(u8, Option<DeclaredLimit>)>),
    CleanUp {
        retention: u64,
        limit: u32,
        interval: Option<u64>,
    },
    History {
        task: Which,
        after: u32,
        whole: bool,
    },
    Advance {
        seconds: u64,
    },
    Back {
        seconds: u64,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Dispatch {
    pub(crate) function: u8,
    pub(crate) queue: u8,
    pub(crate) priority: i8,
    pub(crate) delay: u64,
    pub(crate) timeout: Option<u64>,
    pub(crate) deadline: Option<u64>,
    pub(crate) key: Option<u8>,
    pub(crate) tags: Vec<u8>,
    pub(crate) input: u8,
    /// Under the id of an execution that exists.
    pub(crate) again: Option<Which>,
}

#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) functions: Vec<u8>,
    pub(crate) queue: Option<u8>,
    pub(crate) limit: u32,
    pub(crate) rotation: u32,
    pub(crate) seconds: u64,
    pub(crate) accept_suspect: bool,
    pub(crate) crash_limit: u32,
    /// Its functions were declared in another epoch.
    pub(crate) of_other_epoch: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct DeclaredLimit {
    pub(crate) max_concurrent: u8,
    pub(crate) release: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Signal {
    pub(crate) execution: Which,
    pub(crate) name: u8,
    /// The same signal once more.
    pub(crate) again: Option<Which>,
}

#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) held: Which,
    pub(crate) number: Number,
    pub(crate) assumes: Option<Assumes>,
    /// Whether what it begins or records has keys.
    pub(crate) keyed: bool,
    /// Whether the body has seen one outcome more than is recorded.
    pub(crate) ahead: bool,
    /// Its task was claimed in another epoch.
    pub(crate) of_other_epoch: bool,
    pub(crate) writes: Vec<Write>,
    pub(crate) then: Then,
}

/// An outcome that the body was given before it was committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Assumes {
    pub(crate) position: u8,
    pub(crate) ordinal: u8,
    /// That of the child that was called there, under its present fence.
    pub(crate) of_child: bool,
}

/// Which number a commit carries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Next,
    /// That of the commit before, as if nobody knew whether it had arrived.
    Repeated,
    Skipped,
    /// The next one, under a mark that nobody was given.
    Forged,
}

#[derive(Clone, Debug)]
pub(crate) enum Write {
    Call {
        function: u8,
        start: bool,
        delay: u64,
        timeout: Option<u64>,
        deadline: Option<u64>,
    },
    Sleep {
        seconds: u64,
    },
    SleepUntil {
        seconds: u64,
    },
    Wait {
        name: u8,
        timeout: Option<u64>,
    },
    Step {
        completed: bool,
        place: Place,
    },
    Now,
    Random,
    Resolve {
        position: Which,
        completed: bool,
        place: Place,
    },
    Abandon {
        position: Which,
        seen: u8,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Next,
    /// The next one as far as the holder knows.
    Expected,
    Wrong,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    Continue,
    Suspend { seen: Seen, timeout: Option<u64> },
    Release,
    Fail { max_attempts: u32, kind: u8 },
    Complete,
    EndFailed,
    EndTimedOut,
    EndCancelled,
}

/// What a body that waits has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen {
    All,
    Nothing,
}

pub(crate) fn any() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => vec(dispatch(), 1..3).prop_map(Operation::Dispatch),
        5 => claim().prop_map(Operation::Claim),
        9 => vec(commit(), 1..3).prop_map(Operation::Commit),
        1 => (vec(0..8u8, 0..3), 1..90u64)
            .prop_map(|(held, seconds)| Operation::Renew { held, seconds }),
        2 => vec(signal(), 1..3).prop_map(Operation::Signal),
        1 => vec(0..8u8, 1..3).prop_map(Operation::Cancel),
        1 => vec(0..8u8, 1..3).prop_map(Operation::Replay),
        1 => (0..3u8, option::of(1..3u8))
            .prop_map(|(function, limit)| Operation::SetLimit { function, limit }),
        1 => vec((0..3u8, option::of(declared_limit())), 1..3).prop_map(Operation::Declare),
        1 => (0..100u64, 1..3u32, option::of(0..50u64)).prop_map(
            |(retention, limit, interval)| Operation::CleanUp { retention, limit, interval }
        ),
        1 => (0..16u8, 0..3u32, any_bool())
            .prop_map(|(task, after, whole)| Operation::History { task, after, whole }),
        3 => prop_oneof![0..3u64, 5..70u64].prop_map(|seconds| Operation::Advance { seconds }),
        1 => (1..20u64).prop_map(|seconds| Operation::Back { seconds }),
    ]
}

fn dispatch() -> impl Strategy<Value = Dispatch> {
    let when = (0..3u8, 0..2u8, -1..2i8, delay(), span(), span());
    let what = (
        option::weighted(0.2, 0..2u8),
        vec(0..3u8, 0..3),
        0..2u8,
        option::weighted(0.1, 0..8u8),
    );
    (when, what).prop_map(|(when, what)| {
        let (function, queue, priority, delay, timeout, deadline) = when;
        let (key, tags, input, again) = what;
        Dispatch {
            function,
            queue,
            priority,
            delay,
            timeout,
            deadline,
            key,
            tags,
            input,
            again,
        }
    })
}

fn delay() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(0), 1 => 1..30u64]
}

/// What bounds a few tasks.
fn span() -> impl Strategy<Value = Option<u64>> {
    option::weighted(0.2, 1..60u64)
}

fn claim() -> impl Strategy<Value = Claim> {
    let which = (
        prop_oneof![2 => Just(vec![0, 1, 2]), 1 => vec(0..3u8, 0..3)],
        option::weighted(0.2, 0..2u8),
        0..5u32,
        0..4u32,
    );
    let how = (
        prop_oneof![1..10u64, 30..60u64],
        prop::bool::weighted(0.9),
        1..3u32,
        prop::bool::weighted(0.05),
    );
    (which, how).prop_map(|(which, how)| {
        let (functions, queue, limit, rotation) = which;
        let (seconds, accept_suspect, crash_limit, of_other_epoch) = how;
        Claim {
            functions,
            queue,
            limit,
            rotation,
            seconds,
            accept_suspect,
            crash_limit,
            of_other_epoch,
        }
    })
}

fn declared_limit() -> impl Strategy<Value = DeclaredLimit> {
    (1..3u8, any_bool()).prop_map(|(max_concurrent, release)| DeclaredLimit {
        max_concurrent,
        release,
    })
}

fn any_bool() -> impl Strategy<Value = bool> {
    prop::bool::ANY
}

fn signal() -> impl Strategy<Value = Signal> {
    (0..8u8, 0..2u8, option::weighted(0.15, 0..8u8)).prop_map(|(execution, name, again)| Signal {
        execution,
        name,
        again,
    })
}

fn commit() -> impl Strategy<Value = Commit> {
    let number = prop_oneof![
        12 => Just(Number::Next),
        1 => Just(Number::Repeated),
        1 => Just(Number::Skipped),
        1 => Just(Number::Forged),
    ];
    let assumes = option::weighted(0.2, assumes());
    let seldom = || prop::bool::weighted(0.05);
    let how = (prop::bool::weighted(0.2), seldom(), seldom());
    (0..8u8, number, assumes, how, vec(write(), 0..4), then()).prop_map(
        |(held, number, assumes, (keyed, ahead, of_other_epoch), writes, then)| Commit {
            held,
            number,
            assumes,
            keyed,
            ahead,
            of_other_epoch,
            writes,
            then,
        },
    )
}

fn assumes() -> impl Strategy<Value = Assumes> {
    (0..4u8, 0..4u8, any_bool()).prop_map(|(position, ordinal, of_child)| Assumes {
        position,
        ordinal,
        of_child,
    })
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        4 => (0..3u8, any_bool(), delay(), span(), span()).prop_map(
            |(function, start, delay, timeout, deadline)| {
                Write::Call { function, start, delay, timeout, deadline }
            }
        ),
        2 => (0..40u64).prop_map(|seconds| Write::Sleep { seconds }),
        1 => (0..40u64).prop_map(|seconds| Write::SleepUntil { seconds }),
        3 => (0..2u8, option::of(0..40u64)).prop_map(|(name, timeout)| Write::Wait { name, timeout }),
        2 => (any_bool(), place()).prop_map(|(completed, place)| Write::Step { completed, place }),
        1 => Just(Write::Now),
        1 => Just(Write::Random),
        2 => (0..6u8, any_bool(), place())
            .prop_map(|(position, completed, place)| Write::Resolve { position, completed, place }),
        2 => (0..6u8, 0..4u8).prop_map(|(position, seen)| Write::Abandon { position, seen }),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        4 => Just(Place::Next),
        2 => Just(Place::Expected),
        1 => Just(Place::Wrong),
    ]
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![
        5 => Just(Then::Continue),
        4 => Just(Then::Suspend { seen: Seen::All, timeout: None }),
        1 => (0..40u64).prop_map(|span| Then::Suspend { seen: Seen::All, timeout: Some(span) }),
        1 => Just(Then::Suspend { seen: Seen::Nothing, timeout: None }),
        1 => Just(Then::Release),
        2 => (1..4u32, 0..4u8).prop_map(|(max_attempts, kind)| Then::Fail { max_attempts, kind }),
        2 => Just(Then::Complete),
        2 => Just(Then::EndFailed),
        1 => Just(Then::EndTimedOut),
        1 => Just(Then::EndCancelled),
    ]
}
