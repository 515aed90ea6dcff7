//! Prints which event leads a task from which state to which, by asking the rules: `cargo run -p stent-core --example states`.
//!
//! `cargo xtask docs` keeps what this prints in `docs/reference/states.md`, so that the page cannot say anything else than the code.

use std::{collections::BTreeSet, convert::Infallible};

use stent_core::{
    CallPosition, EntryHead, Epoch, ExecutionId, Failure, FailureKind, FunctionName, Operation,
    Ordinal, Outcome, Payload, Priority, QueueName, Refused, SignalId, SignalName, State,
    StateKind, Task, TaskId, Timestamp, WorkerName, cancel,
    commit::{CommitView, TaskCommit, Then, plan},
    dead_letter, history,
    lease::{self, CrashLimit, LeaseDuration, LeaseTerms},
    limit::Slots,
    retry::RetryPolicy,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Something that happens to a task, and what the rules make of it: the state that follows, or none if they refuse it.
struct Event {
    name: &'static str,
    apply: fn(Task) -> Result<Option<StateKind>>,
}

/// All events, in the order of a task's life.
const EVENTS: &[Event] = &[
    Event {
        name: "claim, when it is due",
        apply: |task| Ok(followed(lease::claim(task, &terms()?, false, NOW))),
    },
    Event {
        name: "renew",
        apply: |task| {
            let fence = task.fence;
            Ok(followed(lease::renew(
                task,
                fence,
                LeaseDuration::default(),
                NOW,
            )))
        },
    },
    Event {
        name: "commit: go on",
        apply: |task| commit(task, Then::Continue),
    },
    Event {
        name: "commit: suspend",
        apply: |task| {
            commit(
                task,
                Then::Suspend {
                    seen: Ordinal::NONE,
                    attempt_ends: None,
                },
            )
        },
    },
    Event {
        name: "commit: release",
        apply: |task| commit(task, Then::Release),
    },
    Event {
        name: "commit: fail, a retry is left",
        apply: |task| commit(task, fail(FailureKind::Error, &RetryPolicy::stated())),
    },
    Event {
        name: "commit: fail, none is left",
        apply: |task| commit(task, fail(FailureKind::Error, &once()?)),
    },
    Event {
        name: "commit: time is up, no retry is left",
        apply: |task| commit(task, fail(FailureKind::Timeout, &once()?)),
    },
    Event {
        name: "commit: end with a value",
        apply: |task| commit(task, Then::End(Outcome::Completed(Payload::null()))),
    },
    Event {
        name: "an outcome or a signal is delivered",
        apply: |task| Ok(followed(history::deliver(task, NOW))),
    },
    Event {
        name: "the lease runs out",
        apply: |task| Ok(followed(lease::ran_out(task, CrashLimit::MIN, LATER))),
    },
    Event {
        name: "the lease runs out, once too often",
        apply: |mut task| {
            task.crashes.total = u32::MAX;
            task.commits = 1;
            Ok(followed(lease::ran_out(task, CrashLimit::MIN, LATER)))
        },
    },
    Event {
        name: "cancel",
        apply: |task| Ok(followed(cancel::request(task, NOW))),
    },
    Event {
        name: "cancel, and then a commit",
        apply: |task| match cancel::request(task, NOW) {
            Ok(cancelled) => commit(cancelled.task, Then::Release),
            Err(_) => Ok(None),
        },
    },
    Event {
        name: "the deadline passes",
        apply: |mut task| {
            task.deadline = Some(NOW);
            Ok(followed(cancel::deadline_passed(task, NOW)))
        },
    },
    Event {
        name: "replay_dead_letter",
        apply: |task| {
            let kept = history::keep_for_replay(&[]);
            Ok(followed(dead_letter::replay(task, &kept, NOW)))
        },
    },
];

const NOW: Timestamp = Timestamp::from_micros(1_000_000);
const LATER: Timestamp = Timestamp::from_micros(2_000_000);

#[expect(clippy::print_stdout, reason = "printing is all it does")]
fn main() -> Result<()> {
    println!("# States of a task\n");
    println!(
        "<!-- Printed by `cargo xtask docs` from the rules of `stent-core`; edit those. -->\n"
    );
    println!(
        "What follows an event in each state; `–` where the rules refuse the event and nothing changes.\n"
    );
    println!(
        "| event | {} |",
        StateKind::ALL.map(|kind| format!("`{kind}`")).join(" | ")
    );
    println!("|---|{}", "---|".repeat(StateKind::ALL.len()));
    let mut arrows = BTreeSet::new();
    for event in EVENTS {
        let mut cells = Vec::new();
        for from in StateKind::ALL {
            let to = (event.apply)(task(from)?)?;
            cells.push(to.map_or("–".to_owned(), |to| format!("`{to}`")));
            arrows.extend(to.filter(|to| *to != from).map(|to| (from, to)));
        }
        println!("| {} | {} |", event.name, cells.join(" | "));
    }
    println!("\n```mermaid\nstateDiagram-v2\n    [*] --> pending");
    for (from, to) in arrows {
        println!("    {from} --> {to}");
    }
    for kind in StateKind::ALL.into_iter().filter(|kind| kind.is_terminal()) {
        println!("    {kind} --> [*]");
    }
    println!("```");
    println!(
        "\nA running task that is cancelled is marked; its holder stops the body, and its next commit ends the task."
    );
    println!("A suspended task that something is delivered to stays suspended and is due at once.");
    Ok(())
}

/// The root of an execution in a state, due or leased as that state may be.
fn task(kind: StateKind) -> Result<Task> {
    let state = match kind {
        StateKind::Pending => State::Pending { run_at: NOW },
        StateKind::Running => State::Running {
            holder: terms()?.holder,
            expires_at: LATER,
        },
        StateKind::Suspended => State::Suspended { wake_at: Some(NOW) },
        StateKind::Completed => State::Completed { at: NOW },
        StateKind::Failed => State::Failed { at: NOW },
        StateKind::TimedOut => State::TimedOut { at: NOW },
        StateKind::Cancelled => State::Cancelled { at: NOW },
    };
    let id = TaskId::from_parts(NOW, &[0; 10]);
    Ok(Task {
        id,
        execution: id.as_root(),
        parent: None,
        function: FunctionName::new("f")?,
        queue: QueueName::default(),
        priority: Priority(0),
        state,
        fence: stent_core::Fence::default(),
        commits: 0,
        failed_attempts: 0,
        crashes: stent_core::Crashes::default(),
        holds_slot: false,
        cancel_requested: false,
        operations: 0,
        deliveries: Ordinal::NONE,
        timeout: None,
        attempt_ends: None,
        deadline: None,
        queued_at: NOW,
        created_at: NOW,
    })
}

fn terms() -> Result<LeaseTerms> {
    Ok(LeaseTerms {
        holder: WorkerName::new("w")?,
        mark: stent_core::ClaimMark(1),
        duration: LeaseDuration::default(),
    })
}

fn once() -> Result<RetryPolicy> {
    Ok(RetryPolicy::stated().max_attempts(1)?)
}

fn fail(kind: FailureKind, policy: &RetryPolicy) -> Then {
    Then::Fail {
        failure: Failure::new(kind, "why"),
        policy: *policy,
        random: 0,
    }
}

fn followed(transition: std::result::Result<stent_core::Transition, Refused>) -> Option<StateKind> {
    transition
        .ok()
        .map(|transition| transition.task.state.kind())
}

/// What a commit under the newest fence leads to.
fn commit(task: Task, then: Then) -> Result<Option<StateKind>> {
    let commit = TaskCommit {
        task: task.id,
        fence: task.fence,
        number: task.commits.saturating_add(1),
        epoch: Epoch::default(),
        assumes: Vec::new(),
        writes: Vec::new(),
        then,
    };
    let planned = plan(task, commit, &mut OneWait, NOW, Epoch::default())?;
    Ok(planned.ok().map(|plan| plan.task.state.kind()))
}

/// A history of one operation, which waits: else nothing could be suspended.
struct OneWait;

impl CommitView for OneWait {
    type Error = Infallible;

    fn entry(
        &mut self,
        _: TaskId,
        _: CallPosition,
    ) -> std::result::Result<Option<EntryHead>, Infallible> {
        Ok(None)
    }

    fn entries(&mut self, _: TaskId) -> std::result::Result<Vec<EntryHead>, Infallible> {
        Ok(vec![EntryHead {
            position: CallPosition(0),
            key: None,
            operation: Operation::SleepUntil { at: LATER },
            after: Ordinal::NONE,
            child: None,
            wake_at: Some(LATER),
            abandoned: false,
            signal: None,
            resolved: None,
        }])
    }

    fn slots(&mut self, _: &FunctionName) -> std::result::Result<Option<Slots>, Infallible> {
        Ok(None)
    }

    fn task(&mut self, _: TaskId) -> std::result::Result<Option<Task>, Infallible> {
        Ok(None)
    }

    fn unreceived_signal(
        &mut self,
        _: ExecutionId,
        _: &SignalName,
        _: u32,
    ) -> std::result::Result<Option<SignalId>, Infallible> {
        Ok(None)
    }
}
