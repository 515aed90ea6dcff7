//! Which tasks a claim takes, and in which order.

use stent_core::{
    NewTask, Priority, State, StateKind, When,
    claim::Demand,
    commit::Then,
    store::{ClaimRequest, Dispatched},
};

use crate::{
    world::{World, claim_request, held},
    writes::{execution, payload, queue, seconds, sleep, step, task, value, wait_for, waits},
};

pub(crate) async fn a_claim_brings_task_input_and_history(world: World) {
    let root = NewTask {
        input: payload(r#"{"order":17}"#),
        ..task("f")
    };
    let mut first = world.start(root).await;
    assert_eq!(first.input, payload(r#"{"order":17}"#));
    assert!(first.history.is_empty());
    let writes = vec![step(1, "s", value("1")), sleep(2, seconds(9))];
    world.write(&mut first, writes, Then::Release).await;
    let second = world.claim_one("f").await;
    assert_eq!(second.history, world.history(first.id()).await);
    assert_eq!(second.history.len(), 2);
}

pub(crate) async fn a_claim_takes_at_most_what_it_asks_for(world: World) {
    for _ in 0..5 {
        world.dispatch(task("f")).await;
        world.dispatch(task("g")).await;
    }
    assert_eq!(world.claim(&["f", "g"], 3).await.len(), 3);
    assert_eq!(world.claim(&["f", "g"], 100).await.len(), 7);
    assert!(world.claim(&["f", "g"], 1).await.is_empty());
}

pub(crate) async fn a_claim_for_nothing_takes_nothing(world: World) {
    world.dispatch(task("f")).await;
    let before = world.visible().await;
    assert!(world.claim(&["f"], 0).await.is_empty());
    assert!(world.claim(&[], 5).await.is_empty());
    assert_eq!(world.visible().await, before);
}

pub(crate) async fn a_claim_takes_only_functions_that_the_worker_has(world: World) {
    world.dispatch(task("f")).await;
    let g = world.dispatch(task("g")).await;
    let claimed = world.claim(&["g", "unknown"], 10).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].id(), g.root());
}

pub(crate) async fn a_claim_takes_only_queues_that_the_worker_serves(world: World) {
    let own = NewTask {
        queue: queue("own"),
        ..task("f")
    };
    let own_id = world.dispatch(own).await;
    world.dispatch(task("f")).await;
    let served = |queues| ClaimRequest {
        queues: Some(queues),
        ..claim_request(&["f"], 10)
    };
    assert!(world.claim_with(served(Vec::new())).await.tasks.is_empty());
    let answer = world.claim_with(served(vec![queue("own")])).await;
    assert_eq!(answer.tasks.len(), 1);
    assert_eq!(answer.tasks[0].task.id, own_id.root());
}

pub(crate) async fn the_oldest_of_a_lane_comes_first(world: World) {
    let mut expected = Vec::new();
    for _ in 0..4 {
        expected.push(world.dispatch(task("f")).await.root());
        world.advance(1);
    }
    for expected in expected {
        assert_eq!(world.claim_one("f").await.id(), expected);
    }
}

pub(crate) async fn of_equal_age_the_first_made_comes_first(world: World) {
    // The ids say otherwise: they come from dispatchers whose clocks differ.
    let mut roots = [task("f"), task("f"), task("f")];
    roots.reverse();
    let executions = roots.iter().cloned().map(execution).collect();
    let made = world.dispatch_all(executions).await;
    let expected: Vec<_> = made.iter().map(Dispatched::execution).collect();
    let claimed = world.claim(&["f"], 3).await;
    let claimed: Vec<_> = claimed.iter().map(|one| one.task.execution).collect();
    assert_eq!(claimed, expected);
}

pub(crate) async fn age_counts_from_when_a_task_is_due(world: World) {
    let late = NewTask {
        due: When::After(seconds(30)),
        ..task("f")
    };
    let late = world.dispatch(late).await;
    world.advance(10);
    let early = world.dispatch(task("f")).await;
    world.advance(30);
    let claimed = world.claim(&["f"], 2).await;
    assert_eq!(claimed[0].id(), early.root());
    assert_eq!(claimed[1].id(), late.root());
}

pub(crate) async fn a_higher_priority_comes_first(world: World) {
    let with = |priority| NewTask {
        priority: Priority(priority),
        ..task("f")
    };
    for priority in [0, i32::MIN, 7, i32::MAX, -1] {
        world.dispatch(with(priority)).await;
    }
    let claimed = world.claim(&["f"], 5).await;
    let order: Vec<_> = claimed.iter().map(|one| one.task.priority.0).collect();
    assert_eq!(order, [i32::MAX, 7, 0, -1, i32::MIN]);
}

pub(crate) async fn functions_of_one_priority_share_a_claim(world: World) {
    for _ in 0..50 {
        world.dispatch(task("flood")).await;
    }
    world.advance(1);
    for _ in 0..3 {
        world.dispatch(task("trickle")).await;
    }
    let claimed = world.claim(&["flood", "trickle"], 6).await;
    let trickle = claimed
        .iter()
        .filter(|one| one.task.function.as_str() == "trickle");
    assert_eq!(trickle.count(), 3, "a flood delays no other function");
}

pub(crate) async fn queues_of_one_priority_share_a_claim(world: World) {
    for _ in 0..50 {
        world.dispatch(task("f")).await;
    }
    world.advance(1);
    let other = NewTask {
        queue: queue("other"),
        ..task("f")
    };
    let other = world.dispatch(other).await;
    let claimed = world.claim(&["f"], 2).await;
    assert!(claimed.iter().any(|one| one.id() == other.root()));
}

pub(crate) async fn claims_of_one_task_take_each_function_in_turn(world: World) {
    for name in ["a", "b", "c"] {
        world.dispatch(task(name)).await;
        world.dispatch(task(name)).await;
    }
    let mut taken = Vec::new();
    for rotation in [0, 1, 2, u32::MAX] {
        let request = ClaimRequest {
            demand: Demand {
                limit: 1,
                rotation,
                accept_suspect: true,
            },
            ..claim_request(&["a", "b", "c"], 1)
        };
        let claimed = held(world.claim_with(request).await).remove(0);
        taken.push(claimed.task.function.as_str().to_owned());
    }
    // u32::MAX is divisible by 3.
    assert_eq!(taken, ["a", "b", "c", "a"]);
}

pub(crate) async fn a_claim_says_when_the_next_task_is_due(world: World) {
    let due_in = |span| NewTask {
        due: When::After(seconds(span)),
        ..task("f")
    };
    world.dispatch(due_in(50)).await;
    world.dispatch(due_in(20)).await;
    let answer = world.claim_with(claim_request(&["f"], 1)).await;
    assert!(answer.tasks.is_empty());
    assert_eq!(answer.now, world.now());
    assert_eq!(answer.next_due, Some(world.after(20)));
    let foreign = world.claim_with(claim_request(&["g"], 1)).await;
    assert_eq!(foreign.next_due, None, "tasks of others are none of its");
    world.advance(20);
    let answer = world.claim_with(claim_request(&["f"], 1)).await;
    assert_eq!(answer.tasks.len(), 1);
    assert_eq!(answer.next_due, Some(world.after(30)));
}

pub(crate) async fn a_claim_says_when_the_next_lease_runs_out(world: World) {
    world.dispatch(task("f")).await;
    let own = world.claim_with(claim_request(&["f"], 1)).await;
    assert_eq!(own.next_sweep, None, "its own leases are its to renew");
    let first = world.after(60);
    world.advance(10);
    world.start(task("f")).await;
    for request in [
        claim_request(&["f"], 1),
        claim_request(&["g"], 1),
        claim_request(&[], 0),
    ] {
        let answer = world.claim_with(request).await;
        assert_eq!(answer.next_sweep, Some(first), "whoever looks takes over");
    }
    world.advance(50);
    let answer = world.claim_with(claim_request(&["f"], 1)).await;
    assert_eq!((answer.stolen.len(), answer.tasks.len()), (1, 1));
    assert_eq!(answer.next_sweep, Some(world.after(10)), "the other lease");
}

pub(crate) async fn a_claim_says_when_the_next_deadline_passes(world: World) {
    let due_by = |span| NewTask {
        deadline: Some(When::After(seconds(span))),
        ..task("nobody-has-it")
    };
    world.dispatch(due_by(30)).await;
    world.dispatch(due_by(20)).await;
    let deadline = world.after(20);
    world.start(task("f")).await;
    let answer = world.claim_with(claim_request(&["f"], 1)).await;
    assert_eq!(
        answer.next_sweep,
        Some(deadline),
        "it comes before the lease"
    );
    world.advance(20);
    let answer = world.claim_with(claim_request(&["f"], 1)).await;
    assert_eq!(answer.next_sweep, Some(world.after(10)));
}

pub(crate) async fn a_claim_looks_ahead_no_further_than_it_is_asked_to(world: World) {
    world.start(task("f")).await;
    for (ahead, expected) in [(59, None), (60, Some(world.after(60)))] {
        let request = ClaimRequest {
            look_ahead: seconds(ahead),
            ..claim_request(&["f"], 1)
        };
        assert_eq!(world.claim_with(request).await.next_sweep, expected);
    }
    let request = ClaimRequest {
        look_ahead: std::time::Duration::MAX,
        ..claim_request(&["f"], 1)
    };
    let answer = world.claim_with(request).await;
    assert_eq!(answer.next_sweep, Some(world.after(60)));
}

pub(crate) async fn what_has_passed_is_no_reason_to_look_again(world: World) {
    world.set_limit("full", Some(1)).await;
    let mut holder = world.start(task("full")).await;
    world.dispatch(task("full")).await;
    world.start(task("foreign")).await;
    world.advance(59);
    world.renew(&holder).await;
    world.advance(1);
    // A lease ran out whose task another has to run, and work is due that a limit holds back.
    for _ in 0..2 {
        let answer = world.claim_with(claim_request(&["full"], 1)).await;
        assert!(answer.tasks.is_empty());
        assert_eq!(answer.next_due, None);
        assert_eq!(answer.next_sweep, Some(world.after(59)));
    }
    world.complete(&mut holder).await;
    assert_eq!(world.claim(&["full"], 1).await.len(), 1);
}

pub(crate) async fn what_is_not_due_is_never_claimed(world: World) {
    let later = NewTask {
        due: When::After(seconds(1)),
        ..task("f")
    };
    world.dispatch(later).await;
    let mut waiting = world.start(task("f")).await;
    let write = vec![wait_for(1, "x", None)];
    world.write(&mut waiting, write, waits(0)).await;
    let mut sleeping = world.start(task("f")).await;
    let write = vec![sleep(1, seconds(1))];
    world.write(&mut sleeping, write, waits(0)).await;
    let mut ended = world.start(task("f")).await;
    world.complete(&mut ended).await;
    let cancelled = world.dispatch(task("f")).await;
    world.cancel(cancelled).await;
    assert!(world.claim(&["f"], 10).await.is_empty());
    assert_eq!(world.state(sleeping.id()).await, StateKind::Suspended);
}

pub(crate) async fn many_sleepers_hide_no_due_task(world: World) {
    let sleeper = || {
        execution(NewTask {
            due: When::After(seconds(3_600)),
            ..task("f")
        })
    };
    world
        .dispatch_all((0..500).map(|_| sleeper()).collect())
        .await;
    let due = world.dispatch(task("f")).await;
    assert_eq!(world.claim_one("f").await.id(), due.root());
}

pub(crate) async fn a_task_that_woke_keeps_its_place_among_the_others(world: World) {
    let mut sleeping = world.start(task("f")).await;
    let write = vec![sleep(1, seconds(10))];
    world.write(&mut sleeping, write, waits(0)).await;
    world.advance(5);
    let before = world.dispatch(task("f")).await;
    world.advance(10);
    let after = world.dispatch(task("f")).await;
    let claimed = world.claim(&["f"], 3).await;
    let order: Vec<_> = claimed.iter().map(|one| one.id()).collect();
    assert_eq!(order, [before.root(), sleeping.id(), after.root()]);
}

pub(crate) async fn a_suspect_is_claimed_alone(world: World) {
    let suspect = make_suspect(&world).await;
    for _ in 0..3 {
        world.dispatch(task("f")).await;
    }
    let claimed = world.claim(&["f"], 4).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].id(), suspect);
    assert_eq!(world.claim(&["f"], 4).await.len(), 3);
}

pub(crate) async fn a_worker_that_takes_no_suspects_gets_the_others(world: World) {
    let suspect = make_suspect(&world).await;
    world.dispatch(task("f")).await;
    let mut request = claim_request(&["f"], 4);
    request.demand.accept_suspect = false;
    let answer = world.claim_with(request).await;
    assert_eq!(answer.tasks.len(), 1);
    assert_ne!(answer.tasks[0].task.id, suspect);
}

pub(crate) async fn a_claim_takes_over_and_claims_in_one_go(world: World) {
    let lost = world.start(task("f")).await;
    world.advance(60);
    let answer = world.claim_with(claim_request(&["f"], 1)).await;
    assert_eq!(answer.stolen.len(), 1);
    assert_eq!(answer.tasks.len(), 1);
    assert_eq!(answer.tasks[0].task.id, lost.id());
    assert!(matches!(answer.tasks[0].task.state, State::Running { .. }));
}

/// A task that was lost with its worker twice.
async fn make_suspect(world: &World) -> stent_core::TaskId {
    let id = world.dispatch(task("f")).await.root();
    for _ in 0..2 {
        world.claim_one("f").await;
        world.advance(60);
        world.sweep().await;
    }
    assert!(world.task(id).await.task.crashes.is_suspect());
    id
}
