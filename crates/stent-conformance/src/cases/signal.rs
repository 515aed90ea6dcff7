//! Outside events: kept until asked for, received once, in order.

use stent_core::{
    ExecutionId, Ordinal, Outcome, StateKind,
    commit::Then,
    signal::{NewSignal, SignalAnswer},
};

use crate::{
    world::World,
    writes::{
        abandon, asked_after, attempt_failed, done, failed, failure, fired, new_id, new_signal_id,
        payload, seconds, signal_name, step, task, value, wait_for, waits,
    },
};

pub(crate) async fn a_signal_that_comes_before_anyone_waits_is_kept(world: World) {
    let id = world.dispatch(task("f")).await;
    assert_eq!(world.signal(id, "x", "1").await, SignalAnswer::Accepted);
    let mut claimed = world.claim_one("f").await;
    let applied = world
        .write(&mut claimed, vec![wait_for(1, "x", None)], Then::Continue)
        .await;
    assert_eq!(applied.deliveries, Ordinal(1));
    assert_eq!(world.entry(claimed.id(), 1).await.outcome, Some(value("1")));
}

pub(crate) async fn signals_of_one_name_are_received_in_their_order(world: World) {
    let id = world.dispatch(task("f")).await;
    for says in ["1", "2", "3"] {
        world.signal(id, "x", says).await;
    }
    let mut claimed = world.claim_one("f").await;
    let two = vec![wait_for(1, "x", None), wait_for(2, "x", None)];
    world.write(&mut claimed, two, Then::Continue).await;
    let writes = vec![wait_for(3, "x", None), wait_for(4, "x", None)];
    world.write(&mut claimed, writes, waits(3)).await;
    world.signal(id, "x", "4").await;
    let history = world.claim_one("f").await.history;
    let received = history.iter().map(|entry| entry.outcome.clone());
    assert!(received.eq(["1", "2", "3", "4"].map(|says| Some(value(says)))));
}

pub(crate) async fn a_signal_wakes_the_task_that_waits_for_it(world: World) {
    let mut claimed = world.start(task("f")).await;
    world
        .write(&mut claimed, vec![wait_for(1, "x", None)], waits(0))
        .await;
    world.advance(5);
    world.signal(claimed.task.execution, "y", "0").await;
    assert!(
        world.claim(&["f"], 1).await.is_empty(),
        "it waits for another"
    );
    world.signal(claimed.task.execution, "x", "1").await;
    let woken = world.claim_one("f").await;
    assert_eq!(woken.history[0].outcome, Some(value("1")));
    assert!(woken.history[0].head.signal.is_some());
    assert_eq!(woken.task.queued_at, world.now());
}

pub(crate) async fn the_oldest_wait_receives_a_signal(world: World) {
    let mut parent = world.start(task("f")).await;
    let mut child = world.start_child(&mut parent, 1, task("child")).await;
    world
        .write(&mut child, vec![wait_for(1, "x", None)], waits(0))
        .await;
    world
        .write(&mut parent, vec![wait_for(2, "x", None)], waits(0))
        .await;
    world.signal(parent.task.execution, "x", "1").await;
    assert_eq!(world.entry(child.id(), 1).await.outcome, Some(value("1")));
    assert_eq!(world.entry(parent.id(), 2).await.outcome, None);
    world.signal(parent.task.execution, "x", "2").await;
    assert_eq!(world.entry(parent.id(), 2).await.outcome, Some(value("2")));
}

pub(crate) async fn a_wait_that_began_anew_is_as_young_as_its_new_beginning(world: World) {
    let mut parent = world.start(task("f")).await;
    let mut child = world.start_child(&mut parent, 1, task("child")).await;
    let writes = vec![
        step(1, "s", Outcome::Failed(failure("it broke"))),
        asked_after(1, wait_for(2, "x", None)),
    ];
    world.write(&mut child, writes, attempt_failed(2)).await;
    world
        .write(&mut parent, vec![wait_for(2, "x", None)], waits(0))
        .await;
    world.advance(1);
    let mut again = world.claim_one("child").await;
    let writes = vec![step(1, "s", value("1")), wait_for(2, "x", None)];
    world.write(&mut again, writes, waits(1)).await;
    world.signal(parent.task.execution, "x", "1").await;
    assert_eq!(world.entry(parent.id(), 2).await.outcome, Some(value("1")));
    assert_eq!(world.entry(child.id(), 2).await.outcome, None);
}

pub(crate) async fn a_signal_sent_twice_is_received_once(world: World) {
    let mut claimed = world.start(task("f")).await;
    let signal = signal(claimed.task.execution, "x", "1");
    let answers = world.send(vec![signal.clone(), signal.clone()]).await;
    assert_eq!(answers, [SignalAnswer::Accepted, SignalAnswer::Known]);
    let two = vec![wait_for(1, "x", None), wait_for(2, "x", None)];
    world.write(&mut claimed, two, Then::Continue).await;
    assert_eq!(world.send(vec![signal]).await, [SignalAnswer::Known]);
    assert_eq!(world.entry(claimed.id(), 1).await.outcome, Some(value("1")));
    assert_eq!(world.entry(claimed.id(), 2).await.outcome, None);
}

pub(crate) async fn a_signal_that_was_accepted_is_known_also_when_the_execution_has_ended(
    world: World,
) {
    let mut claimed = world.start(task("f")).await;
    let signal = signal(claimed.task.execution, "x", "1");
    world.send(vec![signal.clone()]).await;
    world.complete(&mut claimed).await;
    assert_eq!(world.send(vec![signal]).await, [SignalAnswer::Known]);
}

pub(crate) async fn a_signal_to_what_has_ended_is_refused(world: World) {
    let mut claimed = world.start(task("f")).await;
    let id = claimed.task.execution;
    world.write(&mut claimed, Vec::new(), failed()).await;
    let before = world.visible().await;
    let answer = world.signal(id, "x", "1").await;
    assert_eq!(answer, SignalAnswer::Ended(StateKind::Failed));
    assert_eq!(world.visible().await, before);
}

pub(crate) async fn a_signal_to_nobody_is_refused(world: World) {
    let nobody = new_id().as_root();
    assert_eq!(
        world.signal(nobody, "x", "1").await,
        SignalAnswer::NoSuchExecution
    );
    let mut claimed = world.start(task("f")).await;
    let id = claimed.task.execution;
    world.complete(&mut claimed).await;
    world.advance(10);
    world.clean_up(5).await;
    assert_eq!(
        world.signal(id, "x", "1").await,
        SignalAnswer::NoSuchExecution
    );
}

pub(crate) async fn a_child_is_no_execution_that_could_be_signalled(world: World) {
    let mut parent = world.start(task("f")).await;
    let child = world.start_child(&mut parent, 1, task("child")).await;
    let answer = world.signal(child.id().as_root(), "x", "1").await;
    assert_eq!(answer, SignalAnswer::NoSuchExecution);
}

pub(crate) async fn signals_are_answered_in_their_order(world: World) {
    let open = world.dispatch(task("f")).await;
    let mut ended = world.start(task("g")).await;
    world.complete(&mut ended).await;
    let batch = vec![
        signal(ended.task.execution, "x", "1"),
        signal(open, "x", "2"),
        signal(new_id().as_root(), "x", "3"),
    ];
    assert_eq!(
        world.send(batch).await,
        [
            SignalAnswer::Ended(StateKind::Completed),
            SignalAnswer::Accepted,
            SignalAnswer::NoSuchExecution
        ]
    );
}

pub(crate) async fn signals_of_one_batch_are_received_in_their_order(world: World) {
    let mut claimed = world.start(task("f")).await;
    let id = claimed.task.execution;
    world
        .send(vec![signal(id, "x", "1"), signal(id, "x", "2")])
        .await;
    let two = vec![wait_for(1, "x", None), wait_for(2, "x", None)];
    world.write(&mut claimed, two, Then::Continue).await;
    assert_eq!(world.entry(claimed.id(), 1).await.outcome, Some(value("1")));
    assert_eq!(world.entry(claimed.id(), 2).await.outcome, Some(value("2")));
}

pub(crate) async fn a_wait_that_ended_by_time_receives_nothing(world: World) {
    let mut claimed = world.start(task("f")).await;
    let id = claimed.task.execution;
    let writes = vec![wait_for(1, "x", Some(seconds(5)))];
    world.write(&mut claimed, writes, Then::Continue).await;
    world.advance(5);
    world
        .write(&mut claimed, vec![fired(1)], Then::Continue)
        .await;
    world.signal(id, "x", "1").await;
    assert_eq!(
        world.entry(claimed.id(), 1).await.outcome,
        Some(value("null"))
    );
    world
        .write(&mut claimed, vec![wait_for(2, "x", None)], Then::Continue)
        .await;
    assert_eq!(world.entry(claimed.id(), 2).await.outcome, Some(value("1")));
}

pub(crate) async fn a_signal_and_a_timeout_are_one_outcome(world: World) {
    let mut claimed = world.start(task("f")).await;
    let writes = vec![wait_for(1, "x", Some(seconds(5)))];
    world.write(&mut claimed, writes, Then::Continue).await;
    world.advance(5);
    world.signal(claimed.task.execution, "x", "1").await;
    let refused = world
        .refused(&mut claimed, vec![fired(1)], Then::Continue)
        .await;
    assert_eq!(refused, stent_core::commit::CommitRefused::Stale);
    assert_eq!(world.entry(claimed.id(), 1).await.outcome, Some(value("1")));
}

pub(crate) async fn an_abandoned_wait_receives_nothing(world: World) {
    let mut claimed = world.start(task("f")).await;
    let writes = vec![wait_for(1, "x", None)];
    world.write(&mut claimed, writes, Then::Continue).await;
    world
        .write(&mut claimed, vec![abandon(1, 0)], Then::Continue)
        .await;
    world.signal(claimed.task.execution, "x", "1").await;
    assert_eq!(world.entry(claimed.id(), 1).await.outcome, None);
    world
        .write(&mut claimed, vec![wait_for(2, "x", None)], Then::Continue)
        .await;
    assert_eq!(world.entry(claimed.id(), 2).await.outcome, Some(value("1")));
}

pub(crate) async fn a_wait_that_is_given_up_as_it_begins_receives_nothing(world: World) {
    let mut claimed = world.start(task("f")).await;
    let (id, execution) = (claimed.id(), claimed.task.execution);
    world.signal(execution, "kept", "1").await;
    let writes = vec![
        wait_for(1, "kept", None),
        abandon(1, 0),
        wait_for(2, "later", None),
        abandon(2, 0),
    ];
    world.write(&mut claimed, writes, Then::Continue).await;
    world.signal(execution, "later", "2").await;
    for position in [1, 2] {
        let entry = world.entry(id, position).await;
        assert!(entry.head.abandoned && entry.head.resolved.is_none());
    }
    let writes = vec![wait_for(3, "kept", None), wait_for(4, "later", None)];
    world.write(&mut claimed, writes, Then::Continue).await;
    for (position, text) in [(3, "1"), (4, "2")] {
        let entry = world.entry(id, position).await;
        assert_eq!(entry.outcome, Some(value(text)));
    }
}

pub(crate) async fn a_signal_that_was_given_but_not_seen_goes_back_to_its_place(world: World) {
    let mut claimed = world.start(task("f")).await;
    let id = claimed.task.execution;
    world
        .write(&mut claimed, vec![wait_for(1, "x", None)], Then::Continue)
        .await;
    world.signal(id, "x", "1").await;
    world.signal(id, "x", "2").await;
    world
        .write(&mut claimed, vec![abandon(1, 0)], Then::Continue)
        .await;
    let two = vec![wait_for(2, "x", None), wait_for(3, "x", None)];
    world.write(&mut claimed, two, Then::Continue).await;
    assert_eq!(world.entry(claimed.id(), 2).await.outcome, Some(value("1")));
    assert_eq!(world.entry(claimed.id(), 3).await.outcome, Some(value("2")));
}

pub(crate) async fn a_signal_that_was_seen_does_not_come_again(world: World) {
    let mut claimed = world.start(task("f")).await;
    world
        .write(&mut claimed, vec![wait_for(1, "x", None)], Then::Continue)
        .await;
    world.signal(claimed.task.execution, "x", "1").await;
    world
        .write(&mut claimed, vec![abandon(1, 1)], Then::Continue)
        .await;
    world
        .write(&mut claimed, vec![wait_for(2, "x", None)], Then::Continue)
        .await;
    assert_eq!(world.entry(claimed.id(), 2).await.outcome, None);
}

pub(crate) async fn a_signal_that_goes_back_is_given_to_who_waits_for_it(world: World) {
    let mut parent = world.start(task("f")).await;
    let mut child = world.start_child(&mut parent, 1, task("child")).await;
    world
        .write(&mut parent, vec![wait_for(2, "x", None)], Then::Continue)
        .await;
    world
        .write(&mut child, vec![wait_for(1, "x", None)], waits(0))
        .await;
    world.signal(parent.task.execution, "x", "1").await;
    world
        .write(&mut parent, vec![abandon(2, 0)], Then::Continue)
        .await;
    assert_eq!(world.entry(child.id(), 1).await.outcome, Some(value("1")));
    assert_eq!(world.claim(&["child"], 1).await.len(), 1, "it is woken");
}

pub(crate) async fn a_signal_goes_back_once(world: World) {
    let mut claimed = world.start(task("f")).await;
    world
        .write(&mut claimed, vec![wait_for(1, "x", None)], Then::Continue)
        .await;
    world.signal(claimed.task.execution, "x", "1").await;
    world
        .write(&mut claimed, vec![abandon(1, 0)], Then::Continue)
        .await;
    world
        .write(&mut claimed, vec![wait_for(2, "x", None)], Then::Continue)
        .await;
    // It is another's by now.
    let writes = vec![abandon(1, 0), wait_for(3, "x", None)];
    world.write(&mut claimed, writes, Then::Continue).await;
    assert_eq!(world.entry(claimed.id(), 2).await.outcome, Some(value("1")));
    assert_eq!(world.entry(claimed.id(), 3).await.outcome, None);
}

pub(crate) async fn a_task_that_ended_leaves_signals_to_others(world: World) {
    let mut parent = world.start(task("f")).await;
    let mut child = world.start_child(&mut parent, 1, task("child")).await;
    let wait = vec![wait_for(1, "x", None)];
    world.write(&mut child, wait, Then::Continue).await;
    world.write(&mut child, Vec::new(), done()).await;
    world.signal(parent.task.execution, "x", "1").await;
    world
        .write(&mut parent, vec![wait_for(2, "x", None)], Then::Continue)
        .await;
    assert_eq!(world.entry(parent.id(), 2).await.outcome, Some(value("1")));
}

pub(crate) async fn a_signal_that_was_received_stays_received_over_a_retry(world: World) {
    let mut claimed = world.start(task("f")).await;
    world.signal(claimed.task.execution, "x", "1").await;
    let writes = vec![wait_for(1, "x", None)];
    world.write(&mut claimed, writes, attempt_failed(2)).await;
    world.advance(1);
    let mut again = world.claim_one("f").await;
    assert_eq!(again.history[0].outcome, Some(value("1")));
    let more = vec![wait_for(2, "x", None)];
    world.write(&mut again, more, Then::Continue).await;
    assert_eq!(world.entry(again.id(), 2).await.outcome, None);
}

pub(crate) async fn many_signals_to_one_execution_keep_their_order(world: World) {
    let mut claimed = world.start(task("f")).await;
    let id = claimed.task.execution;
    let batch = (0..500).map(|number: u32| signal(id, "x", &number.to_string()));
    world.send(batch.collect()).await;
    let waiting = (1..=500).map(|position| wait_for(position, "x", None));
    world
        .write(&mut claimed, waiting.collect(), Then::Continue)
        .await;
    let history = world.history(claimed.id()).await;
    let received = history.iter().map(|entry| entry.outcome.clone());
    assert!(received.eq((0..500).map(|number: u32| Some(value(&number.to_string())))));
}

pub(crate) async fn a_signal_survives_a_restart(world: World) {
    let id = world.dispatch(task("f")).await;
    world.signal(id, "x", "1").await;
    let Some(world) = world.reopened().await else {
        return;
    };
    let mut claimed = world.claim_one("f").await;
    world
        .write(&mut claimed, vec![wait_for(1, "x", None)], Then::Continue)
        .await;
    assert_eq!(world.entry(claimed.id(), 1).await.outcome, Some(value("1")));
}

fn signal(execution: ExecutionId, name: &str, says: &str) -> NewSignal {
    NewSignal {
        id: new_signal_id(),
        execution,
        name: signal_name(name),
        payload: payload(says),
    }
}
