//! Small tangles of tasks: who is stuck, and who could still move.

use std::convert::Infallible;

use super::*;
use crate::{
    CallPosition, NewTask, Ordinal, Payload, Priority, QueueName, When, history::Operation,
};

#[derive(Default)]
struct World {
    tasks: BTreeMap<TaskId, (Task, Vec<EntryHead>)>,
    limits: BTreeMap<FunctionName, usize>,
}

const NOW: Timestamp = Timestamp::MIN;

fn id(number: u8) -> TaskId {
    TaskId::from_uuid(uuid::Uuid::from_bytes([number; 16]))
}

fn name(text: &str) -> FunctionName {
    FunctionName::new(text).unwrap()
}

impl World {
    fn limit(&mut self, function: &str, slots: usize) {
        self.limits.insert(name(function), slots);
    }

    fn pending(&mut self, number: u8, function: &str) {
        let new = NewTask {
            id: id(number),
            function: name(function),
            queue: QueueName::default(),
            priority: Priority(0),
            due: When::Now,
            input: Payload::null(),
            timeout: None,
            deadline: None,
        };
        let (task, _) = new.into_root(NOW);
        self.tasks.insert(task.id, (task, Vec::new()));
    }

    /// A task that holds a slot and waits for calls.
    fn waiting(&mut self, number: u8, function: &str, calls: &[u8]) {
        self.pending(number, function);
        let entries = calls.iter().map(|call| EntryHead {
            position: CallPosition(u32::from(*call)),
            key: None,
            operation: Operation::Child {
                function: name("any"),
                input: 0,
            },
            after: Ordinal::NONE,
            child: Some(id(*call)),
            wake_at: None,
            abandoned: false,
            signal: None,
            resolved: None,
        });
        let (task, of) = self.tasks.get_mut(&id(number)).unwrap();
        of.extend(entries);
        task.state = State::Suspended { wake_at: None };
        task.holds_slot = true;
    }

    fn change(&mut self, number: u8, change: impl FnOnce(&mut Task)) {
        change(&mut self.tasks.get_mut(&id(number)).unwrap().0);
    }

    fn find(&mut self, starved: &[&str]) -> Option<Deadlock> {
        let starved = starved.iter().copied().map(name).collect();
        match find(&starved, NOW, self) {
            Ok(found) => found,
            Err(never) => match never {},
        }
    }
}

impl WaitView for World {
    type Error = Infallible;

    fn task(&mut self, id: TaskId) -> Result<Option<Task>, Infallible> {
        Ok(self.tasks.get(&id).map(|(task, _)| task.clone()))
    }

    fn entries(&mut self, id: TaskId) -> Result<Vec<EntryHead>, Infallible> {
        Ok(self
            .tasks
            .get(&id)
            .map(|(_, entries)| entries.clone())
            .unwrap_or_default())
    }

    fn holders_if_full(
        &mut self,
        function: &FunctionName,
    ) -> Result<Option<BTreeSet<TaskId>>, Infallible> {
        let holders: BTreeSet<_> = self
            .tasks
            .values()
            .filter(|(task, _)| task.holds_slot && task.function == *function)
            .map(|(task, _)| task.id)
            .collect();
        let limit = self.limits.get(function).copied().unwrap_or(usize::MAX);
        Ok((holders.len() >= limit).then_some(holders))
    }
}

/// `a` waits for a call of `b`, `b` for a call of `a`, each limited to one.
fn crossed() -> World {
    let mut world = World::default();
    world.limit("a", 1);
    world.limit("b", 1);
    world.waiting(1, "a", &[3]);
    world.waiting(2, "b", &[4]);
    world.pending(3, "b");
    world.pending(4, "a");
    world
}

#[test]
fn crossed_functions_are_found_and_the_error_shows_the_cycle() {
    let deadlock = crossed().find(&["a"]).unwrap();
    assert_eq!(deadlock.victim.id, id(4), "the one that was made last");
    assert_eq!(deadlock.failure.kind(), FailureKind::SlotDeadlock);
    let text = deadlock.failure.message();
    for part in [
        "a slot of `a` is held by `a`",
        "its call of `b`",
        "a slot of `b` is held by `b`",
        "its call of `a`",
    ] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    assert!(matches!(
        end_victim(deadlock, NOW).unwrap().task.state,
        State::Failed { .. }
    ));
}

#[test]
fn nobody_is_condemned_while_one_holder_could_still_move() {
    let mut with_another_slot = crossed();
    with_another_slot.limit("a", 2);
    assert_eq!(
        with_another_slot.find(&["b"]),
        None,
        "a slot of `a` is free"
    );

    let mut with_a_timer = crossed();
    with_a_timer.change(2, |task| {
        task.state = State::Suspended {
            wake_at: Some(Timestamp::MAX),
        }
    });
    assert_eq!(with_a_timer.find(&["a", "b"]), None, "`b` wakes by itself");

    let mut running = crossed();
    running.change(1, |task| {
        task.state = State::Running {
            holder: "w".parse().unwrap(),
            expires_at: Timestamp::MAX,
        };
    });
    assert_eq!(running.find(&["a", "b"]), None, "`a` is running");

    let mut with_a_free_call = crossed();
    with_a_free_call.waiting(1, "a", &[3, 5]);
    with_a_free_call.pending(5, "c");
    assert_eq!(
        with_a_free_call.find(&["a", "b"]),
        None,
        "`a` also waits for a call that can start"
    );
}

#[test]
fn a_wait_for_a_signal_is_no_deadlock() {
    let mut world = crossed();
    let (_, entries) = world.tasks.get_mut(&id(2)).unwrap();
    let mut signal = entries[0].clone();
    signal.operation = Operation::Signal {
        name: "go".parse().unwrap(),
        timeout: None,
    };
    signal.child = None;
    entries.push(signal);
    assert_eq!(world.find(&["a", "b"]), None);
}

#[test]
fn a_chain_over_three_functions_is_found() {
    let mut world = World::default();
    for (holder, call, function, called) in
        [(1, 11, "a", "b"), (2, 12, "b", "c"), (3, 13, "c", "a")]
    {
        world.limit(function, 1);
        world.waiting(holder, function, &[call]);
        world.pending(call, called);
    }
    assert_eq!(world.find(&["c"]).unwrap().victim.id, id(13));
}

#[test]
fn a_victim_that_has_moved_meanwhile_is_left_alone() {
    let mut deadlock = crossed().find(&["a"]).unwrap();
    deadlock.victim.state = State::Suspended { wake_at: None };
    assert_eq!(end_victim(deadlock, NOW), Err(Refused::Waiting));
}

#[test]
fn a_call_that_is_not_due_yet_may_still_come() {
    let mut world = World::default();
    world.limit("f", 1);
    world.waiting(1, "f", &[2]);
    world.pending(2, "f");
    assert!(world.find(&["f"]).is_some());
    let later = NOW.saturating_add(std::time::Duration::from_micros(1));
    world.change(2, |task| task.state = State::Pending { run_at: later });
    assert!(world.find(&["f"]).is_none());
}

#[test]
fn what_is_too_large_to_look_at_is_left_alone() {
    for (calls, is_found) in [(NODES_MAX - 1, true), (NODES_MAX, false)] {
        let mut world = World::default();
        world.limit("f", 1);
        world.waiting(1, "f", &[]);
        let number = |call: usize| {
            let bytes = u128::try_from(call).unwrap() + (1 << 64);
            TaskId::from_uuid(uuid::Uuid::from_u128(bytes))
        };
        world.waiting(2, "any", &[3]);
        world.pending(3, "f");
        let entry = world.tasks[&id(2)].1[0].clone();
        let waits = (0..calls).map(|call| EntryHead {
            child: Some(number(call)),
            ..entry.clone()
        });
        let waits: Vec<_> = waits.collect();
        let pending = world.tasks[&id(3)].0.clone();
        for call in 0..calls {
            let task = Task {
                id: number(call),
                ..pending.clone()
            };
            world.tasks.insert(task.id, (task, Vec::new()));
        }
        world.tasks.get_mut(&id(1)).unwrap().1 = waits;
        assert_eq!(world.find(&["f"]).is_some(), is_found, "{calls} calls");
    }
}

#[test]
fn a_search_is_due_at_first_and_after_its_interval() {
    let (last, interval) = (NOW, DEADLOCK_CHECK_INTERVAL);
    assert!(is_search_due(None, NOW));
    assert!(!is_search_due(Some(last), last));
    let before = last.saturating_add(interval - std::time::Duration::from_micros(1));
    assert!(!is_search_due(Some(last), before));
    assert!(is_search_due(Some(last), last.saturating_add(interval)));
}
