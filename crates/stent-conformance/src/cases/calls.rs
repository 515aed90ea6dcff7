//! Calls whatever their callers do: dropped at any point, each is done whole or not at all, and none waits for ever.

use std::{future::Future, pin::Pin, sync::Arc};

use futures_util::future::{Either, select};
use stent_core::{
    StateKind, Store,
    commit::Then,
    lease::LeaseDuration,
    signal::NewSignal,
    store::{CommitRequest, DispatchRequest, RenewRequest, SignalRequest, TaskQuery},
};

use crate::{
    model::check_visible,
    race::race,
    world::{LEASE, World, answered, claim_request, held, worker},
    writes::{
        call, done, execution, new_signal_id, payload, seconds, signal_name, sleep, task, wait_for,
    },
};

/// How often a call is polled at most before it is dropped. Between the polls others get their turn.
const POLLS: usize = 6;

/// Polls a call so many times, and drops it.
async fn drop_after<T>(polls: usize, call: impl Future<Output = T>) {
    let mut call: Pin<Box<_>> = Box::pin(call);
    for _ in 0..polls {
        match select(call, Box::pin(tokio::task::yield_now())).await {
            Either::Left(_) => return,
            Either::Right(((), unfinished)) => call = unfinished,
        }
    }
}

pub(crate) async fn a_dispatch_that_is_dropped_and_repeated_is_made_once(world: World) {
    for polls in 0..POLLS {
        let executions: Vec<_> = (0..3).map(|_| execution(task("f"))).collect();
        let ids: Vec<_> = executions.iter().map(|one| one.root.id).collect();
        let request = || DispatchRequest {
            executions: executions.clone(),
        };
        drop_after(polls, world.store.dispatch(request())).await;
        let query = TaskQuery {
            ids: Some(ids.clone()),
            ..TaskQuery::default()
        };
        let seen = answered("list tasks", world.store.tasks(query).await).tasks;
        assert!(
            matches!(seen.len(), 0 | 3),
            "whole or not at all, at whatever moment one looks: {seen:?}"
        );
        answered("dispatch", world.store.dispatch(request()).await);
        for id in ids {
            assert_eq!(world.state(id).await, StateKind::Pending);
        }
    }
    let all = world.executions().await.len();
    assert_eq!(all, 3 * POLLS, "each was made once");
    check_visible(&world.visible().await);
}

pub(crate) async fn a_commit_that_is_dropped_and_repeated_is_applied_once(world: World) {
    for polls in 0..POLLS {
        let mut parent = world.start(task("f")).await;
        let id = parent.id();
        let writes = vec![
            call(1, task("child")),
            sleep(2, seconds(60)),
            wait_for(3, "go", None),
        ];
        let first = parent.next(writes, Then::Continue);
        let last = parent.next(Vec::new(), done());
        for commit in [first, last] {
            let request = || CommitRequest {
                commits: vec![commit.clone()],
            };
            drop_after(polls, world.store.commit(request())).await;
            let again = answered("commit", world.store.commit(request()).await);
            assert!(again.results[0].result.is_ok(), "{again:?}");
        }
        assert_eq!(world.history(id).await.len(), 3, "after {polls} polls");
        assert_eq!(world.state(id).await, StateKind::Completed);
        check_visible(&world.visible().await);
    }
}

pub(crate) async fn a_signal_that_is_dropped_and_repeated_is_received_once(world: World) {
    for polls in 0..POLLS {
        let mut waiting = world.start(task("f")).await;
        let signal = NewSignal {
            id: new_signal_id(),
            execution: waiting.task.execution,
            name: signal_name("go"),
            payload: payload("1"),
        };
        let request = || SignalRequest {
            signals: vec![signal.clone()],
        };
        drop_after(polls, world.store.signal(request())).await;
        answered("signal", world.store.signal(request()).await);
        let writes = vec![wait_for(1, "go", None), wait_for(2, "go", None)];
        world.write(&mut waiting, writes, Then::Continue).await;
        assert!(world.entry(waiting.id(), 1).await.head.resolved.is_some());
        assert!(world.entry(waiting.id(), 2).await.head.resolved.is_none());
        world.complete(&mut waiting).await;
        check_visible(&world.visible().await);
    }
}

pub(crate) async fn a_claim_that_is_dropped_takes_whole_leases_or_none(world: World) {
    for polls in 0..POLLS {
        let executions = (0..3).map(|_| execution(task("f")));
        world.dispatch_all(executions.collect()).await;
        drop_after(polls, world.store.claim(claim_request(&["f"], 2))).await;
        check_visible(&world.visible().await);
        // What nobody was told of is free again when its lease runs out. The claim may happen as late as now: then that is a lease later.
        let mut done = 0;
        for _ in 0..20 {
            world.advance(61);
            for mut task in world.claim(&["f"], 10).await {
                world.complete(&mut task).await;
                done += 1;
            }
        }
        assert_eq!(done, 3, "none of it is lost");
    }
}

pub(crate) async fn what_others_drop_holds_up_nobody(world: World) {
    // L12: whatever stood in the way of these calls is gone with whoever made them; the suite gives each case a bound.
    let racers = (0..8).map(|number| {
        let store = Arc::clone(&world.store);
        async move {
            for polls in 0..POLLS {
                let executions = vec![execution(task("f"))];
                drop_after(polls, store.dispatch(DispatchRequest { executions })).await;
                drop_after(polls, store.claim(claim_request(&["f"], 1))).await;
                if number % 2 == 0 {
                    finish_some(&*store, polls).await;
                }
            }
        }
    });
    race(racers.collect()).await;
    let mut last = world.start(task("g")).await;
    world.complete(&mut last).await;
    check_visible(&world.visible().await);
}

/// Claims a task, and begins to renew and to end it, more or less.
async fn finish_some(store: &dyn Store, polls: usize) {
    let claimed = answered("claim", store.claim(claim_request(&["f"], 1)).await);
    for mut task in held(claimed) {
        let renew = RenewRequest {
            worker: worker("w1"),
            duration: LeaseDuration::new(LEASE).expect("a lease of the suite"),
            leases: vec![(task.id(), task.fence())],
        };
        drop_after(polls, store.renew(renew)).await;
        let commits = vec![task.next(Vec::new(), done())];
        drop_after(polls, store.commit(CommitRequest { commits })).await;
    }
}
