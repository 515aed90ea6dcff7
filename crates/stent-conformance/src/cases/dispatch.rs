//! Making executions: once, whole, and found again.

use stent_core::{
    ExecutionId, NewExecution, NewTask, Priority, State, StateKind, StoreError, Tag, Timestamp,
    When, defaults,
    store::{DispatchRequest, Dispatched, ExecutionQuery},
};

use crate::{
    world::{World, answered},
    writes::{done, execution, key, payload, queue, seconds, task},
};

pub(crate) async fn an_execution_is_kept_as_it_was_given(world: World) {
    let root = NewTask {
        queue: queue("warehouse"),
        priority: Priority(-3),
        input: payload(r#"{"b": 1, "a": [null, 1.50]}"#),
        timeout: Some(seconds(9)),
        deadline: Some(When::After(seconds(100))),
        ..task("ship")
    };
    let id = world.dispatch(root.clone()).await;
    let kept = world.task(id.root()).await;
    assert_eq!(id, root.id.as_root());
    assert_eq!(kept.input.as_ref(), Some(&root.input));
    assert_eq!(kept.outcome, None);
    let (expected, _) = root.into_root(world.now());
    assert_eq!(kept.task, expected);
}

pub(crate) async fn an_execution_survives_a_restart(world: World) {
    let id = world.dispatch(task("f")).await;
    let before = world.visible().await;
    let Some(world) = world.reopened().await else {
        return;
    };
    assert_eq!(world.visible().await, before);
    let mut held = world.claim_one("f").await;
    world.complete(&mut held).await;
    let Some(world) = world.reopened().await else {
        panic!("the store could be reopened once, and not twice");
    };
    assert_eq!(world.state(id.root()).await, StateKind::Completed);
}

pub(crate) async fn a_delay_is_counted_by_the_stores_clock(world: World) {
    let id = world
        .dispatch(NewTask {
            due: When::After(seconds(30)),
            ..task("f")
        })
        .await;
    let due = world.after(30);
    assert_eq!(
        world.task(id.root()).await.task.state,
        State::Pending { run_at: due }
    );
    world.advance(29);
    assert!(world.claim(&["f"], 1).await.is_empty(), "it started early");
    world.advance(1);
    assert_eq!(world.claim(&["f"], 1).await.len(), 1);
}

pub(crate) async fn an_instant_in_the_past_means_now(world: World) {
    let id = world
        .dispatch(NewTask {
            due: When::At(Timestamp::MIN),
            ..task("f")
        })
        .await;
    assert_eq!(world.task(id.root()).await.task.queued_at, world.now());
    assert_eq!(world.claim(&["f"], 1).await.len(), 1);
}

pub(crate) async fn a_task_due_at_the_end_of_time_is_never_due(world: World) {
    let ends = [
        When::At(Timestamp::MAX),
        When::After(std::time::Duration::MAX),
    ];
    for due in ends {
        let id = world.dispatch(NewTask { due, ..task("f") }).await;
        let expected = State::Pending {
            run_at: Timestamp::MAX,
        };
        assert_eq!(world.task(id.root()).await.task.state, expected);
    }
    world.advance(1_000_000_000);
    assert!(world.claim(&["f"], 2).await.is_empty());
}

pub(crate) async fn a_dispatch_that_is_repeated_makes_nothing_new(world: World) {
    let root = task("f");
    let first = world.dispatch(root.clone()).await;
    let mut held = world.claim_one("f").await;
    world.complete(&mut held).await;
    let before = world.visible().await;
    let again = world.dispatch_all(vec![execution(root)]).await;
    assert_eq!(again, [existing(first, false)]);
    assert_eq!(world.visible().await, before);
}

pub(crate) async fn a_key_makes_one_execution_however_often_it_is_used(world: World) {
    let first = world.dispatch_all(vec![keyed("f", "order-17")]).await;
    let [Dispatched::Created(first)] = first[..] else {
        panic!("the first use of a key makes an execution: {first:?}");
    };
    for _ in 0..2 {
        let again = world.dispatch_all(vec![keyed("f", "order-17")]).await;
        assert_eq!(again, [existing(first, false)]);
    }
    assert_eq!(world.executions().await.len(), 1);
}

pub(crate) async fn a_key_used_twice_in_one_batch_makes_one_execution(world: World) {
    let answers = world
        .dispatch_all(vec![keyed("f", "k"), keyed("f", "k"), keyed("f", "l")])
        .await;
    let [
        Dispatched::Created(first),
        second,
        Dispatched::Created(third),
    ] = answers[..]
    else {
        panic!("two keys make two executions: {answers:?}");
    };
    assert_eq!(second, existing(first, false));
    assert_ne!(first, third);
}

pub(crate) async fn a_key_belongs_to_its_function(world: World) {
    let answers = world
        .dispatch_all(vec![keyed("f", "k"), keyed("g", "k")])
        .await;
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Dispatched::Created(_)))
    );
}

pub(crate) async fn a_key_with_other_input_says_so(world: World) {
    let first = world.dispatch_all(vec![keyed("f", "k")]).await[0].execution();
    let mut other = keyed("f", "k");
    other.root.input = payload("[2]");
    assert_eq!(
        world.dispatch_all(vec![other]).await,
        [existing(first, true)]
    );
    assert_eq!(
        world.task(first.root()).await.input,
        Some(payload("[1]")),
        "the first input counts"
    );
}

pub(crate) async fn a_key_stays_in_use_when_its_execution_ends(world: World) {
    let first = world.dispatch_all(vec![keyed("f", "k")]).await[0].execution();
    let mut held = world.claim_one("f").await;
    world.complete(&mut held).await;
    assert_eq!(
        world.dispatch_all(vec![keyed("f", "k")]).await,
        [existing(first, false)]
    );
}

pub(crate) async fn a_key_is_free_again_when_its_execution_was_deleted(world: World) {
    world.dispatch_all(vec![keyed("f", "k")]).await;
    let mut held = world.claim_one("f").await;
    world.complete(&mut held).await;
    world.advance(10);
    world.clean_up(5).await;
    let again = world.dispatch_all(vec![keyed("f", "k")]).await;
    assert!(matches!(again[..], [Dispatched::Created(_)]), "{again:?}");
}

pub(crate) async fn a_batch_is_answered_in_its_order(world: World) {
    let existing_one = world.dispatch(task("f")).await;
    let new = [task("f"), task("g")];
    let batch = vec![
        execution(new[0].clone()),
        execution(NewTask {
            id: existing_one.root(),
            ..task("f")
        }),
        execution(new[1].clone()),
    ];
    assert_eq!(
        world.dispatch_all(batch).await,
        [
            Dispatched::Created(new[0].id.as_root()),
            existing(existing_one, false),
            Dispatched::Created(new[1].id.as_root()),
        ]
    );
}

pub(crate) async fn an_empty_batch_changes_nothing(world: World) {
    let before = world.visible().await;
    assert!(world.dispatch_all(Vec::new()).await.is_empty());
    assert_eq!(world.visible().await, before);
}

pub(crate) async fn a_batch_that_is_too_long_is_refused_whole(world: World) {
    let root = task("f");
    let executions = vec![execution(root); defaults::BATCH_MAX + 1];
    let answer = world.store.dispatch(DispatchRequest { executions }).await;
    assert!(
        matches!(answer, Err(StoreError::Refused { .. })),
        "{answer:?}"
    );
    assert!(world.executions().await.is_empty());
}

pub(crate) async fn too_many_tags_are_refused_and_nothing_is_made(world: World) {
    let mut tagged = execution(task("f"));
    tagged.tags = (0..=defaults::TAGS_MAX)
        .map(|number| Tag::new(format!("t{number}")).expect("a name"))
        .collect();
    let executions = vec![execution(task("f")), tagged];
    let answer = world.store.dispatch(DispatchRequest { executions }).await;
    assert!(
        matches!(answer, Err(StoreError::Refused { .. })),
        "{answer:?}"
    );
    assert!(world.executions().await.is_empty());
}

pub(crate) async fn tags_are_kept_once_and_sorted(world: World) {
    let tag = |name: &str| Tag::new(name).expect("a name");
    let mut tagged = execution(task("f"));
    tagged.tags = vec![tag("vip"), tag("eu"), tag("vip")];
    world.dispatch_all(vec![tagged, execution(task("f"))]).await;
    let query = ExecutionQuery {
        tag: Some(tag("vip")),
        ..ExecutionQuery::default()
    };
    let page = answered("list", world.store.executions(query).await);
    assert_eq!(page.executions.len(), 1);
    assert_eq!(page.executions[0].tags, [tag("eu"), tag("vip")]);
}

pub(crate) async fn a_function_that_nobody_has_is_kept_and_left_alone(world: World) {
    let id = world.dispatch(task("of-another-binary")).await;
    assert!(world.claim(&["f"], 10).await.is_empty());
    assert_eq!(world.state(id.root()).await, StateKind::Pending);
    let mut held = world.claim_one("of-another-binary").await;
    world.write(&mut held, Vec::new(), done()).await;
}

fn keyed(function: &str, name: &str) -> NewExecution {
    NewExecution {
        idempotency_key: key(name),
        ..execution(task(function))
    }
}

const fn existing(execution: ExecutionId, other_input: bool) -> Dispatched {
    Dispatched::Existing {
        execution,
        other_input,
    }
}
