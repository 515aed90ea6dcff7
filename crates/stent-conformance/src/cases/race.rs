//! Operations that may meet: whatever the order in which they are done, what must hold holds.

use std::{collections::BTreeSet, sync::Arc};

use stent_core::{
    NewExecution, NewTask, Outcome, StateKind, Store, When,
    commit::{CommitRefused, TaskCommit, Then},
    signal::NewSignal,
    store::{
        CancelAnswer, CommitRequest, CommitResult, DispatchRequest, Dispatched, ReplayAnswer,
        SignalRequest,
    },
};

use crate::{
    race::race,
    world::{Held, World, answered, claim_request, held},
    writes::{
        at_most, call, done, execution, failed, key, new_signal_id, payload, seconds, signal_name,
        task, value, wait_for, waits,
    },
};

/// How often each race is run: either order comes up many times.
const ROUNDS: usize = 40;
const RACERS: usize = 8;

pub(crate) async fn racing_claims_never_return_one_task_twice(world: World) {
    let executions = (0..200).map(|_| execution(task("f")));
    world.dispatch_all(executions.collect()).await;
    let racers = (0..RACERS).map(|_| {
        let store = Arc::clone(&world.store);
        async move {
            let mut taken = Vec::new();
            loop {
                let answer = store.claim(claim_request(&["f"], 3)).await;
                let claimed = held(answered("claim", answer));
                if claimed.is_empty() {
                    return taken;
                }
                assert!(claimed.len() <= 3, "a claim takes at most what it asks for");
                taken.extend(claimed.iter().map(Held::id));
            }
        }
    });
    let taken: Vec<_> = race(racers.collect()).await.into_iter().flatten().collect();
    let distinct: BTreeSet<_> = taken.iter().collect();
    assert_eq!((taken.len(), distinct.len()), (200, 200));
}

pub(crate) async fn racing_claims_never_exceed_a_limit(world: World) {
    world.declare("f", at_most(3)).await;
    for _ in 0..ROUNDS {
        let executions = (0..RACERS).map(|_| execution(task("f")));
        world.dispatch_all(executions.collect()).await;
        let racers = (0..RACERS).map(|_| claim_some(&world, 2));
        let taken: Vec<_> = race(racers.collect()).await.into_iter().flatten().collect();
        assert_eq!(taken.len(), 3);
        assert_eq!(world.slots_held("f").await, 3);
        for mut claimed in taken {
            world.complete(&mut claimed).await;
        }
    }
}

pub(crate) async fn claims_that_race_with_ends_never_exceed_a_limit(world: World) {
    world.declare("f", at_most(2)).await;
    let executions = (0..60).map(|_| execution(task("f")));
    world.dispatch_all(executions.collect()).await;
    let racers = (0..RACERS).map(|_| {
        let store = Arc::clone(&world.store);
        async move {
            let mut done_here = 0;
            let mut idle = 0;
            while idle < 50 {
                let answer = store.claim(claim_request(&["f"], 2)).await;
                let claimed = held(answered("claim", answer));
                let functions = answered("list", store.functions().await);
                assert!(functions[0].slots_held <= 2, "S4 at every instant");
                idle = if claimed.is_empty() { idle + 1 } else { 0 };
                for mut claimed in claimed {
                    let result = send(&*store, claimed.next(Vec::new(), done())).await;
                    result.result.expect("nobody else holds it");
                    done_here += 1;
                }
                tokio::task::yield_now().await;
            }
            done_here
        }
    });
    let done_by_all: usize = race(racers.collect()).await.into_iter().sum();
    let left = world.function("f").await.counts;
    assert_eq!(
        done_by_all as u64 + left.pending,
        60,
        "nothing is lost or done twice"
    );
    assert_eq!((left.running, world.slots_held("f").await), (0, 0));
}

pub(crate) async fn racing_dispatches_under_one_key_make_one_execution(world: World) {
    for round in 0..ROUNDS {
        let racers = (0..RACERS).map(|_| {
            let store = Arc::clone(&world.store);
            async move {
                let keyed = NewExecution {
                    idempotency_key: key(&format!("order-{round}")),
                    ..execution(task("f"))
                };
                let request = DispatchRequest {
                    executions: vec![keyed],
                };
                answered("dispatch", store.dispatch(request).await).executions[0]
            }
        });
        let answers = race(racers.collect()).await;
        let made = answers
            .iter()
            .filter(|one| matches!(one, Dispatched::Created(_)));
        assert_eq!(made.count(), 1);
        let ids: BTreeSet<_> = answers.iter().map(Dispatched::execution).collect();
        assert_eq!(ids.len(), 1, "all are told of the same one");
    }
    assert_eq!(world.executions().await.len(), ROUNDS);
}

pub(crate) async fn racing_dispatches_of_one_id_make_one_execution(world: World) {
    let root = task("f");
    let racers = (0..RACERS).map(|_| {
        let (store, root) = (Arc::clone(&world.store), root.clone());
        async move {
            let request = DispatchRequest {
                executions: vec![execution(root)],
            };
            answered("dispatch", store.dispatch(request).await).executions[0]
        }
    });
    let answers = race(racers.collect()).await;
    let made = answers
        .iter()
        .filter(|one| matches!(one, Dispatched::Created(_)));
    assert_eq!(made.count(), 1);
}

pub(crate) async fn a_dispatch_by_key_that_races_with_its_cleanup_is_never_lost(world: World) {
    for _ in 0..ROUNDS {
        let keyed = || NewExecution {
            idempotency_key: key("k"),
            ..execution(task("f"))
        };
        world.dispatch_all(vec![keyed()]).await;
        let mut claimed = world.claim_one("f").await;
        world.complete(&mut claimed).await;
        world.advance(10);
        let cleanup = Arc::clone(&world.store);
        let dispatch = Arc::clone(&world.store);
        let request = DispatchRequest {
            executions: vec![keyed()],
        };
        let (answer, _) = both(
            async move { answered("dispatch", dispatch.dispatch(request).await) },
            async move {
                let request = stent_core::store::CleanupRequest {
                    retention: seconds(5),
                    limit: 10,
                    interval: None,
                };
                answered("clean up", cleanup.clean_up(request).await)
            },
        )
        .await;
        match answer.executions[0] {
            Dispatched::Created(id) => {
                assert_eq!(world.state(id.root()).await, StateKind::Pending);
                world.cancel(id).await;
                world.advance(10);
                world.clean_up(5).await;
            }
            Dispatched::Existing { execution, .. } => {
                assert_eq!(execution, claimed.task.execution);
                assert!(
                    world.find(execution.root()).await.is_none(),
                    "it was deleted after"
                );
            }
        }
    }
}

pub(crate) async fn a_suspension_that_races_with_a_childs_end_misses_nothing(world: World) {
    for _ in 0..ROUNDS {
        let mut parent = world.start(task("f")).await;
        let mut child = world.start_child(&mut parent, 1, task("child")).await;
        let suspend = parent.next(Vec::new(), waits(0));
        let end = child.next(Vec::new(), done());
        let (suspended, ended) = both(commit(&world, suspend), commit(&world, end)).await;
        ended.result.expect("nobody else holds it");
        assert_eq!(ended.delivered.map(|one| one.ordinal.0), Some(1));
        sees_the_outcome(&world, parent, suspended, "true").await;
    }
}

pub(crate) async fn a_suspension_that_races_with_a_signal_misses_nothing(world: World) {
    for _ in 0..ROUNDS {
        let mut parent = world.start(task("f")).await;
        world
            .write(&mut parent, vec![wait_for(1, "x", None)], Then::Continue)
            .await;
        let suspend = parent.next(Vec::new(), waits(0));
        let (suspended, ()) = both(commit(&world, suspend), signal(&world, &parent)).await;
        sees_the_outcome(&world, parent, suspended, "1").await;
    }
}

pub(crate) async fn a_wait_that_races_with_its_signal_receives_it(world: World) {
    for _ in 0..ROUNDS {
        let mut parent = world.start(task("f")).await;
        let wait = parent.next(vec![wait_for(1, "x", None)], waits(0));
        let (suspended, ()) = both(commit(&world, wait), signal(&world, &parent)).await;
        sees_the_outcome(&world, parent, suspended, "1").await;
    }
}

pub(crate) async fn a_suspension_that_races_with_a_cancel_ends_as_cancelled(world: World) {
    for _ in 0..ROUNDS {
        let mut parent = world.start(task("f")).await;
        let suspend = parent.next(vec![wait_for(1, "x", None)], waits(0));
        let (suspended, cancelled) = both(commit(&world, suspend), cancel(&world, &parent)).await;
        suspended
            .result
            .expect("a task that is to be cancelled may suspend: it ends");
        assert_eq!(cancelled, CancelAnswer::Requested);
        assert_eq!(world.state(parent.id()).await, StateKind::Cancelled);
    }
}

pub(crate) async fn a_cancel_that_races_with_an_end_leaves_one_state_everywhere(world: World) {
    for _ in 0..ROUNDS {
        let mut parent = world.start(task("f")).await;
        let mut child = world.start_child(&mut parent, 1, task("child")).await;
        let end = child.next(Vec::new(), done());
        let (ended, cancelled) = both(commit(&world, end), cancel(&world, &parent)).await;
        ended.result.expect("nobody else holds it");
        assert_eq!(cancelled, CancelAnswer::Requested);
        let state = world.state(child.id()).await;
        let entry = world.entry(parent.id(), 1).await;
        match state {
            StateKind::Completed => assert_eq!(entry.outcome, Some(value("true"))),
            StateKind::Cancelled => assert_eq!(entry.outcome, Some(Outcome::Cancelled)),
            other => panic!("the child is {other}"),
        }
        world.complete(&mut parent).await;
    }
}

pub(crate) async fn a_cancel_that_races_with_new_children_leaves_none_to_start(world: World) {
    for _ in 0..ROUNDS {
        let mut parent = world.start(task("f")).await;
        let calls = vec![call(1, task("child")), call(2, task("child"))];
        let more = parent.next(calls, Then::Continue);
        let (added, cancelled) = both(commit(&world, more), cancel(&world, &parent)).await;
        assert_eq!(cancelled, CancelAnswer::Requested);
        if let Err(refused) = added.result {
            assert_eq!(refused, CommitRefused::CancelRequested);
            parent.number -= 1;
        }
        assert!(
            world.claim(&["child"], 2).await.is_empty(),
            "none of them starts"
        );
        world.complete(&mut parent).await;
        assert_eq!(world.state(parent.id()).await, StateKind::Cancelled);
    }
}

pub(crate) async fn a_steal_that_races_with_an_end_lets_one_of_them_win(world: World) {
    for _ in 0..ROUNDS {
        let mut holder = world.start(task("f")).await;
        world.advance(60);
        let end = holder.next(Vec::new(), done());
        let (ended, stolen) = both(commit(&world, end), claim_some(&world, 1)).await;
        match ended.result {
            Ok(_) => {
                assert!(stolen.is_empty());
                assert_eq!(world.state(holder.id()).await, StateKind::Completed);
            }
            Err(refused) => {
                assert_eq!(refused, CommitRefused::LeaseLost);
                assert_eq!(stolen.len(), 1);
                let mut thief = stolen.into_iter().next().expect("counted above");
                world.complete(&mut thief).await;
            }
        }
    }
}

pub(crate) async fn a_steal_that_races_with_a_renewal_lets_one_of_them_win(world: World) {
    use stent_core::store::RenewResult;
    for _ in 0..ROUNDS {
        let holder = world.start(task("f")).await;
        world.advance(60);
        let renewing = Arc::clone(&world.store);
        let lease = (holder.id(), holder.fence());
        let (renewed, stolen) = both(
            async move {
                let request = stent_core::store::RenewRequest {
                    worker: crate::world::worker("w1"),
                    duration: claim_request(&[], 0).terms.duration,
                    leases: vec![lease],
                };
                answered("renew", renewing.renew(request).await).leases[0]
            },
            claim_some(&world, 1),
        )
        .await;
        let kept = matches!(renewed, RenewResult::Renewed { .. });
        assert_eq!(kept, stolen.is_empty(), "{renewed:?}");
        let mut newest = stolen.into_iter().next().unwrap_or(holder);
        world.complete(&mut newest).await;
    }
}

pub(crate) async fn a_deadline_that_races_with_an_end_is_one_outcome(world: World) {
    for _ in 0..ROUNDS {
        let root = NewTask {
            deadline: Some(When::After(seconds(30))),
            ..task("f")
        };
        let mut holder = world.start(root).await;
        world.advance(60);
        let end = holder.next(Vec::new(), done());
        let (ended, taken) = both(commit(&world, end), claim_some(&world, 1)).await;
        assert!(taken.is_empty(), "it is overdue");
        let state = world.state(holder.id()).await;
        match ended.result {
            Ok(_) => assert_eq!(state, StateKind::Completed),
            Err(_) => assert_eq!(state, StateKind::TimedOut),
        }
    }
}

pub(crate) async fn many_children_that_end_at_once_get_each_its_place(world: World) {
    let mut parent = world.start(task("f")).await;
    let calls = (1..=64).map(|position| call(position, task("child")));
    world.write(&mut parent, calls.collect(), waits(0)).await;
    let children = world.claim(&["child"], 64).await;
    let racers = children.into_iter().map(|mut child| {
        let end = child.next(Vec::new(), done());
        commit(&world, end)
    });
    let results = race(racers.collect()).await;
    let places = results.iter().filter_map(|one| one.delivered);
    let places: BTreeSet<_> = places.map(|place| place.ordinal.0).collect();
    assert!(places.into_iter().eq(1..=64), "no place twice, and no gap");
    assert_eq!(world.claim_one("f").await.task.deliveries.0, 64);
}

pub(crate) async fn a_commit_that_is_sent_by_many_at_once_is_applied_once(world: World) {
    for _ in 0..ROUNDS {
        let mut holder = world.start(task("f")).await;
        let write = holder.next(vec![call(1, task("child"))], Then::Continue);
        let racers = (0..RACERS).map(|_| commit(&world, write.clone()));
        let results = race(racers.collect()).await;
        let results = results
            .into_iter()
            .map(|one| one.result.expect("applied, or was"));
        assert_eq!(results.filter(|one| !one.repeated).count(), 1);
        assert_eq!(world.claim(&["child"], 5).await.len(), 1);
        world.complete(&mut holder).await;
    }
}

pub(crate) async fn a_signal_that_is_sent_by_many_at_once_is_received_once(world: World) {
    for _ in 0..ROUNDS {
        let mut holder = world.start(task("f")).await;
        let sent = new_signal(&holder);
        let racers = (0..RACERS).map(|_| {
            let (store, signal) = (Arc::clone(&world.store), sent.clone());
            async move {
                let signals = vec![signal];
                answered("signal", store.signal(SignalRequest { signals }).await)
            }
        });
        race(racers.collect()).await;
        let two = vec![wait_for(1, "x", None), wait_for(2, "x", None)];
        world.write(&mut holder, two, Then::Continue).await;
        assert_eq!(world.entry(holder.id(), 1).await.outcome, Some(value("1")));
        assert_eq!(world.entry(holder.id(), 2).await.outcome, None);
        world.complete(&mut holder).await;
    }
}

pub(crate) async fn a_signal_that_races_with_the_end_is_received_or_refused(world: World) {
    for _ in 0..ROUNDS {
        let mut holder = world.start(task("f")).await;
        let (store, sent) = (Arc::clone(&world.store), new_signal(&holder));
        let end = holder.next(vec![wait_for(1, "x", None)], done());
        let (_, answers) = both(commit(&world, end), async move {
            let signals = vec![sent];
            answered("signal", store.signal(SignalRequest { signals }).await)
        })
        .await;
        let received = world.entry(holder.id(), 1).await.outcome.is_some();
        let accepted = answers[0] == stent_core::signal::SignalAnswer::Accepted;
        assert_eq!(
            received, accepted,
            "what is acknowledged is received if it is asked for"
        );
    }
}

pub(crate) async fn a_dead_letter_that_two_replay_at_once_is_replayed_once(world: World) {
    for _ in 0..ROUNDS {
        let mut dead = world.start(task("f")).await;
        world.write(&mut dead, Vec::new(), failed()).await;
        let racers = (0..RACERS).map(|_| {
            let (store, id) = (Arc::clone(&world.store), dead.task.execution);
            async move { answered("replay", store.replay_dead_letters(vec![id]).await).remove(0) }
        });
        let answers = race(racers.collect()).await;
        let replayed = answers.iter().filter(|one| **one == ReplayAnswer::Replayed);
        assert_eq!(replayed.count(), 1);
        world.cancel(dead.task.execution).await;
    }
}

pub(crate) async fn a_replay_that_races_with_a_cleanup_is_whole_or_too_late(world: World) {
    for _ in 0..ROUNDS {
        let mut dead = world.start(task("f")).await;
        world
            .write(&mut dead, vec![call(1, task("child"))], failed())
            .await;
        world.advance(10);
        let (replaying, cleaning) = (Arc::clone(&world.store), Arc::clone(&world.store));
        let id = dead.task.execution;
        let (replayed, _) = both(
            async move { answered("replay", replaying.replay_dead_letters(vec![id]).await) },
            async move {
                let request = stent_core::store::CleanupRequest {
                    retention: seconds(5),
                    limit: 10,
                    interval: None,
                };
                answered("clean up", cleaning.clean_up(request).await)
            },
        )
        .await;
        match replayed[0] {
            ReplayAnswer::Replayed => {
                assert_eq!(world.claim_one("f").await.id(), dead.id());
                world.cancel(id).await;
                world.advance(100);
                world.sweep().await;
                world.advance(10);
                world.clean_up(5).await;
            }
            ReplayAnswer::NoSuchExecution => {}
            ReplayAnswer::NotDeadLetter(state) => panic!("it was {state}"),
        }
        assert!(world.visible().await.tasks.is_empty());
    }
}

pub(crate) async fn tasks_are_made_claimed_and_ended_by_many_at_once(world: World) {
    world.declare("child", at_most(3)).await;
    let racers = (0..4).map(|_| {
        let store = Arc::clone(&world.store);
        async move {
            for _ in 0..25 {
                let request = DispatchRequest {
                    executions: vec![execution(task("f"))],
                };
                answered("dispatch", store.dispatch(request).await);
                let answer = store.claim(claim_request(&["f", "child"], 2)).await;
                for mut claimed in held(answered("claim", answer)) {
                    let is_fresh_root = claimed.task.is_root() && claimed.history.is_empty();
                    let next = if is_fresh_root {
                        claimed.next(vec![call(1, task("child"))], waits(0))
                    } else {
                        claimed.next(Vec::new(), done())
                    };
                    send(&*store, next)
                        .await
                        .result
                        .expect("nobody else holds it");
                }
            }
        }
    });
    race(racers.collect()).await;
    while let Some(mut claimed) = world.claim(&["f", "child"], 1).await.pop() {
        let is_fresh_root = claimed.task.is_root() && claimed.history.is_empty();
        if is_fresh_root {
            world
                .write(&mut claimed, vec![call(1, task("child"))], waits(0))
                .await;
        } else {
            world.complete(&mut claimed).await;
        }
    }
    let tasks = world.visible().await.tasks;
    assert_eq!(tasks.len(), 200, "a hundred executions of two tasks");
    let ended = tasks
        .iter()
        .filter(|one| one.task.state.kind() == StateKind::Completed);
    assert_eq!(ended.count(), 200, "everything that waited was woken");
}

/// Runs two racers of different kinds.
async fn both<A: Send + 'static, B: Send + 'static>(
    a: impl Future<Output = A> + Send + 'static,
    b: impl Future<Output = B> + Send + 'static,
) -> (A, B) {
    type Racer<A, B> = std::pin::Pin<Box<dyn Future<Output = (Option<A>, Option<B>)> + Send>>;
    let racers: Vec<Racer<A, B>> = vec![
        Box::pin(async { (Some(a.await), None) }),
        Box::pin(async { (None, Some(b.await)) }),
    ];
    let mut answers = race(racers).await.into_iter();
    let first = answers.next().and_then(|(a, _)| a);
    let second = answers.next().and_then(|(_, b)| b);
    (
        first.expect("the first racer answers"),
        second.expect("the second racer answers"),
    )
}

async fn send(store: &dyn Store, commit: TaskCommit) -> CommitResult {
    let request = CommitRequest {
        commits: vec![commit],
    };
    answered("commit", store.commit(request).await)
        .results
        .remove(0)
}

fn commit(world: &World, commit: TaskCommit) -> impl Future<Output = CommitResult> + use<> {
    let store = Arc::clone(&world.store);
    async move { send(&*store, commit).await }
}

fn claim_some(world: &World, limit: u32) -> impl Future<Output = Vec<Held>> + use<> {
    let store = Arc::clone(&world.store);
    async move {
        held(answered(
            "claim",
            store.claim(claim_request(&["f"], limit)).await,
        ))
    }
}

fn cancel(world: &World, of: &Held) -> impl Future<Output = CancelAnswer> + use<> {
    let (store, id) = (Arc::clone(&world.store), of.task.execution);
    async move { answered("cancel", store.cancel(vec![id]).await)[0] }
}

fn new_signal(to: &Held) -> NewSignal {
    NewSignal {
        id: new_signal_id(),
        execution: to.task.execution,
        name: signal_name("x"),
        payload: payload("1"),
    }
}

fn signal(world: &World, to: &Held) -> impl Future<Output = ()> + use<> {
    let (store, signals) = (Arc::clone(&world.store), vec![new_signal(to)]);
    async move {
        answered("signal", store.signal(SignalRequest { signals }).await);
    }
}

/// Either the suspension saw the outcome and the task is still leased, or it was woken by it; then it can be claimed. It ends here.
async fn sees_the_outcome(world: &World, parent: Held, suspended: CommitResult, says: &str) {
    let applied = suspended.result.expect("nobody else holds it");
    let mut parent = if applied.still_held {
        parent
    } else {
        world.claim_one("f").await
    };
    assert_eq!(world.entry(parent.id(), 1).await.outcome, Some(value(says)));
    world.complete(&mut parent).await;
}
