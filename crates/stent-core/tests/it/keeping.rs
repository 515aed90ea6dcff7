//! What a further attempt, and a replayed dead letter, keeps of a history.

use proptest::{collection::vec, prelude::*};
use stent_core::{
    CallPosition, EntryHead, FunctionName, Operation, Ordinal, SignalName, StepName, TaskId,
    Timestamp,
    history::{Resolved, keep_for_replay, keep_for_retry},
};

/// What happens next in a history.
#[derive(Clone, Copy, Debug)]
enum Next {
    Begin { kind: u8 },
    Resolve { which: usize, completed: bool },
    GiveUp { which: usize },
    OnTheSpot,
}

fn next() -> impl Strategy<Value = Next> {
    prop_oneof![
        3 => (0..4u8).prop_map(|kind| Next::Begin { kind }),
        4 => (any::<usize>(), any::<bool>())
            .prop_map(|(which, completed)| Next::Resolve { which, completed }),
        1 => any::<usize>().prop_map(|which| Next::GiveUp { which }),
        1 => Just(Next::OnTheSpot),
    ]
}

/// A history as a task can have it: outcomes get the next ordinal, operations know the newest one that their body had seen.
fn history() -> impl Strategy<Value = Vec<EntryHead>> {
    vec(next(), 0..30).prop_map(|script| {
        let mut entries: Vec<EntryHead> = Vec::new();
        let mut newest = Ordinal::NONE;
        for next in script {
            let position = CallPosition(u32::try_from(entries.len()).unwrap() + 1);
            match next {
                Next::Begin { kind } => entries.push(entry(position, operation(kind), newest)),
                Next::OnTheSpot => {
                    let mut entry = entry(position, Operation::Now, newest);
                    entry.resolved = resolved(true, None);
                    entries.push(entry);
                }
                Next::GiveUp { which } => {
                    let mut waits: Vec<_> = entries
                        .iter_mut()
                        .filter(|entry| entry.is_waiting() && may_be_given_up(&entry.operation))
                        .collect();
                    if !waits.is_empty() {
                        let which = which % waits.len();
                        waits[which].abandoned = true;
                    }
                }
                Next::Resolve { which, completed } => {
                    let mut waiting: Vec<_> = entries
                        .iter_mut()
                        .filter(|entry| entry.is_waiting())
                        .collect();
                    if !waiting.is_empty() {
                        newest = newest.next();
                        let which = which % waiting.len();
                        waiting[which].resolved = resolved(completed, Some(newest));
                    }
                }
            }
        }
        entries
    })
}

fn resolved(completed: bool, ordinal: Option<Ordinal>) -> Option<Resolved> {
    Some(Resolved { completed, ordinal })
}

fn operation(kind: u8) -> Operation {
    match kind {
        0 => Operation::Child {
            function: FunctionName::new("child").unwrap(),
            input: 7,
        },
        1 => Operation::Signal {
            name: SignalName::new("x").unwrap(),
            timeout: None,
        },
        2 => Operation::SleepUntil { at: Timestamp::MAX },
        _ => Operation::Step {
            name: StepName::new("step").unwrap(),
        },
    }
}

fn entry(position: CallPosition, operation: Operation, after: Ordinal) -> EntryHead {
    let child = matches!(operation, Operation::Child { .. });
    EntryHead {
        position,
        key: None,
        child: child.then(|| TaskId::from_parts(Timestamp::MIN, &[7; 10])),
        operation,
        after,
        wake_at: None,
        abandoned: false,
        signal: None,
        resolved: None,
    }
}

fn may_be_given_up(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Signal { .. } | Operation::Sleep { .. } | Operation::SleepUntil { .. }
    )
}

fn ordinal(entry: &EntryHead) -> Option<Ordinal> {
    entry.resolved?.ordinal
}

/// The same, said slowly: forget outcomes from the newest one back, until one that completed.
fn naive(entries: &[EntryHead]) -> (Ordinal, Vec<EntryHead>) {
    let mut delivered: Vec<_> = entries
        .iter()
        .filter(|entry| ordinal(entry).is_some())
        .collect();
    delivered.sort_by_key(|entry| ordinal(entry));
    while delivered
        .last()
        .is_some_and(|last| !last.resolved.unwrap().completed)
    {
        delivered.pop();
    }
    let newest = delivered.last().and_then(|last| ordinal(last));
    let newest = newest.unwrap_or(Ordinal::NONE);
    let is_forgotten = |one: Ordinal| one > newest;
    let removed = entries.iter().filter(|entry| {
        is_forgotten(entry.after)
            || ordinal(entry).is_some_and(is_forgotten)
            || entry.abandoned && entry.resolved.is_none()
    });
    (newest, removed.cloned().collect())
}

fn without(entries: &[EntryHead], removed: &[EntryHead]) -> Vec<EntryHead> {
    let kept = entries.iter().filter(|entry| !removed.contains(entry));
    kept.cloned().collect()
}

proptest! {
    #[test]
    fn a_further_attempt_keeps_what_a_slow_reader_of_the_rule_would_keep(entries in history()) {
        let kept = keep_for_retry(&entries);
        prop_assert_eq!((kept.deliveries, kept.removed), naive(&entries));
    }

    #[test]
    fn nothing_that_completed_is_ever_forgotten(entries in history()) {
        for kept in [keep_for_retry(&entries), keep_for_replay(&entries)] {
            let forgotten = kept.removed.iter().filter(|entry| ordinal(entry).is_some());
            for entry in forgotten {
                prop_assert!(!entry.resolved.unwrap().completed, "{:?}", entry);
            }
        }
    }

    #[test]
    fn what_is_kept_is_a_history_again(entries in history()) {
        for kept in [keep_for_retry(&entries), keep_for_replay(&entries)] {
            let left = without(&entries, &kept.removed);
            let mut ordinals: Vec<_> = left.iter().filter_map(ordinal).collect();
            ordinals.sort();
            let expected = (1..=kept.deliveries.0).map(Ordinal);
            prop_assert!(ordinals.into_iter().eq(expected), "places without a gap: {:?}", left);
            prop_assert!(left.iter().all(|entry| entry.after <= kept.deliveries));
            prop_assert!(keep_for_retry(&left).removed.is_empty(), "twice is once");
        }
    }

    #[test]
    fn a_replay_waits_for_nothing_that_ended_with_the_execution(entries in history()) {
        let kept = keep_for_replay(&entries);
        for entry in without(&entries, &kept.removed).iter().filter(|entry| entry.is_waiting()) {
            let by_others =
                matches!(entry.operation, Operation::Child { .. } | Operation::Signal { .. });
            prop_assert!(!by_others, "{:?}", entry);
        }
        let retried = keep_for_retry(&entries);
        prop_assert!(retried.removed.iter().all(|entry| kept.removed.contains(entry)));
        prop_assert!(kept.removed.is_sorted_by_key(|entry| entry.position));
    }
}
