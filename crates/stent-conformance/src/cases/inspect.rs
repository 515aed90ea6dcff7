//! The read side: what the command line and the dashboard show.

use std::collections::BTreeMap;

use stent_core::{
    ExecutionId, IdempotencyKey, NewTask, Ordinal, Priority, StateKind, StoreError, Tag, TaskId,
    When, defaults,
    store::{
        Counts, DeclareRequest, ExecutionQuery, FunctionDeclaration, HistoryRequest, QueueRecord,
        RenewRequest, TaskQuery, WorkerReport,
    },
};

use crate::{
    world::{LEASE, World, answered, claim_request, worker},
    writes::{
        at_most, call, done, execution, failed, function, key, queue, seconds, sleep, task,
        wait_for, waits,
    },
};

pub(crate) async fn executions_are_listed_newest_first(world: World) {
    let made = make(&world, 5).await;
    let listed: Vec<_> = list(&world, ExecutionQuery::default()).await;
    assert!(listed.into_iter().eq(made.into_iter().rev()));
}

pub(crate) async fn pages_join_without_a_gap_or_an_overlap(world: World) {
    let made = make(&world, 7).await;
    let mut seen = Vec::new();
    loop {
        let query = ExecutionQuery {
            before: seen.last().copied(),
            limit: 3,
            ..ExecutionQuery::default()
        };
        let page = answered("list", world.store.executions(query).await);
        seen.extend(page.executions.iter().map(|one| one.root.task.execution));
        assert_eq!(page.more, seen.len() < 7);
        if !page.more {
            break;
        }
    }
    assert!(seen.into_iter().eq(made.into_iter().rev()));
}

pub(crate) async fn a_page_that_is_just_full_has_no_more(world: World) {
    make(&world, 3).await;
    let query = ExecutionQuery {
        limit: 3,
        ..ExecutionQuery::default()
    };
    let page = answered("list", world.store.executions(query).await);
    assert_eq!((page.executions.len(), page.more), (3, false));
}

pub(crate) async fn a_page_is_never_longer_than_the_longest(world: World) {
    let count = defaults::PAGE_SIZE_MAX as usize + 1;
    make(&world, count).await;
    let executions = ExecutionQuery {
        limit: u32::MAX,
        ..ExecutionQuery::default()
    };
    let page = answered("list", world.store.executions(executions).await);
    assert_eq!((page.executions.len(), page.more), (count - 1, true));
    let tasks = TaskQuery {
        limit: u32::MAX,
        ..TaskQuery::default()
    };
    let page = answered("list", world.store.tasks(tasks).await);
    assert_eq!((page.tasks.len(), page.more), (count - 1, true));
}

pub(crate) async fn executions_are_found_by_each_of_their_properties(world: World) {
    let id = make_wanted(&world).await;
    make(&world, 3).await;
    let all = ExecutionQuery::default;
    let queries = [
        ExecutionQuery {
            ids: Some(vec![id]),
            ..all()
        },
        ExecutionQuery {
            states: vec![StateKind::Failed, StateKind::TimedOut],
            ..all()
        },
        ExecutionQuery {
            function: Some(function("wanted")),
            ..all()
        },
        ExecutionQuery {
            queue: Some(queue("own")),
            ..all()
        },
        ExecutionQuery {
            tag: Tag::new("vip").ok(),
            ..all()
        },
        ExecutionQuery {
            idempotency_key: key("k"),
            ..all()
        },
    ];
    for query in queries {
        assert_eq!(list(&world, query.clone()).await, [id], "{query:?}");
    }
}

pub(crate) async fn a_property_that_no_execution_has_finds_nothing(world: World) {
    make_wanted(&world).await;
    let all = ExecutionQuery::default;
    let nothing = [
        ExecutionQuery {
            ids: Some(Vec::new()),
            ..all()
        },
        ExecutionQuery {
            states: vec![StateKind::Running],
            ..all()
        },
        ExecutionQuery {
            function: Some(function("want%")),
            ..all()
        },
        ExecutionQuery {
            queue: Some(queue("o_n")),
            ..all()
        },
        ExecutionQuery {
            tag: Tag::new("VIP").ok(),
            ..all()
        },
        ExecutionQuery {
            idempotency_key: IdempotencyKey::new("k ").ok(),
            ..all()
        },
        ExecutionQuery {
            states: vec![StateKind::Failed],
            tag: Tag::new("eu").ok(),
            ..all()
        },
    ];
    for query in nothing {
        assert!(list(&world, query.clone()).await.is_empty(), "{query:?}");
    }
}

pub(crate) async fn an_execution_that_is_asked_for_twice_is_listed_once(world: World) {
    let id = world.dispatch(task("f")).await;
    let query = ExecutionQuery {
        ids: Some(vec![id, id]),
        ..ExecutionQuery::default()
    };
    assert_eq!(list(&world, query).await, [id]);
}

pub(crate) async fn payloads_are_read_only_when_asked_for(world: World) {
    let mut claimed = world.start(task("f")).await;
    world.complete(&mut claimed).await;
    let id = claimed.task.execution;
    for payloads in [false, true] {
        let query = ExecutionQuery {
            payloads,
            ..ExecutionQuery::default()
        };
        let page = answered("list", world.store.executions(query).await);
        let root = &page.executions[0].root;
        assert_eq!(root.task.execution, id);
        assert_eq!(
            (root.input.is_some(), root.outcome.is_some()),
            (payloads, payloads)
        );
        let query = TaskQuery {
            payloads,
            ..TaskQuery::default()
        };
        let page = answered("list", world.store.tasks(query).await);
        assert_eq!(page.tasks[0].input.is_some(), payloads);
        assert_eq!(page.tasks[0].outcome.is_some(), payloads);
    }
}

pub(crate) async fn a_child_is_listed_as_a_task_and_not_as_an_execution(world: World) {
    let mut parent = world.start(task("f")).await;
    world
        .write(&mut parent, vec![call(1, task("child"))], waits(0))
        .await;
    assert_eq!(
        list(&world, ExecutionQuery::default()).await,
        [parent.task.execution]
    );
    assert_eq!(list_tasks(&world, TaskQuery::default()).await.len(), 2);
}

pub(crate) async fn tasks_are_found_by_each_of_their_properties(world: World) {
    let mut parent = world.start(task("f")).await;
    let calls = (1..=3).map(|position| call(position, task("child")));
    world.write(&mut parent, calls.collect(), waits(0)).await;
    let mut other = world.start(task("f")).await;
    world.complete(&mut other).await;
    let of_parent = TaskQuery {
        execution: Some(parent.task.execution),
        ..TaskQuery::default()
    };
    let members = list_tasks(&world, of_parent.clone()).await;
    assert_eq!(members.len(), 4);
    assert!(members.is_sorted(), "in the order of their making");
    let children = TaskQuery {
        function: Some(function("child")),
        states: vec![StateKind::Pending],
        ..of_parent.clone()
    };
    assert_eq!(list_tasks(&world, children).await, members[1..]);
    let by_id = TaskQuery {
        ids: Some(vec![other.id(), members[2], crate::writes::new_id()]),
        ..TaskQuery::default()
    };
    assert_eq!(list_tasks(&world, by_id).await, [members[2], other.id()]);
    let after = TaskQuery {
        after: Some(members[1]),
        limit: 1,
        ..of_parent
    };
    let page = answered("list", world.store.tasks(after).await);
    assert_eq!((page.tasks[0].task.id, page.more), (members[2], true));
}

pub(crate) async fn functions_are_listed_by_name_with_what_has_not_ended(world: World) {
    world.declare("b", at_most(7)).await;
    world.dispatch(task("a")).await;
    world.start(task("c")).await;
    let mut waiting = world.start(task("c")).await;
    world
        .write(&mut waiting, vec![wait_for(1, "x", None)], waits(0))
        .await;
    let mut ended = world.start(task("c")).await;
    world.complete(&mut ended).await;
    let functions = answered("list", world.store.functions().await);
    let names: Vec<_> = functions.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let counts = |pending, running, suspended| Counts {
        pending,
        running,
        suspended,
    };
    assert_eq!(functions[0].counts, counts(1, 0, 0));
    assert_eq!(
        (functions[1].counts, functions[1].limits.declared),
        (counts(0, 0, 0), at_most(7))
    );
    assert_eq!(functions[2].counts, counts(0, 1, 1));
    assert!(functions.iter().all(|one| one.slots_held == 0));
}

pub(crate) async fn queues_are_listed_by_name_with_what_has_not_ended(world: World) {
    assert!(answered("list", world.store.queues().await).is_empty());
    let dispatched_at = world.now();
    for (name, due) in [("b", 0), ("b", 60), ("a", 60), ("a", 0), ("a", 1)] {
        let root = NewTask {
            queue: queue(name),
            due: When::After(seconds(due)),
            ..task(name)
        };
        world.dispatch(root).await;
    }
    let mut ended = world.start(task("gone")).await;
    world.write(&mut ended, Vec::new(), done()).await;
    let mut asleep = world.claim_one("b").await;
    let nap = vec![sleep(0, seconds(30))];
    world.write(&mut asleep, nap, waits(0)).await;
    world.advance(1);
    let listed = answered("list", world.store.queues().await);
    let record = |name, pending, suspended, oldest_due| QueueRecord {
        name: queue(name),
        counts: Counts {
            pending,
            running: 0,
            suspended,
        },
        oldest_due,
    };
    let expected = [
        record("a", 3, 0, Some(dispatched_at)),
        record("b", 1, 1, None),
    ];
    assert_eq!(listed, expected);

    world.advance(29);
    let listed = answered("list", world.store.queues().await);
    let woken_at = dispatched_at.saturating_add(seconds(30));
    assert_eq!(listed[1], record("b", 1, 1, Some(woken_at)));
}

pub(crate) async fn a_healthy_store_tells_its_time_and_changes_nothing(world: World) {
    make(&world, 2).await;
    let before = world.visible().await;
    let health = answered("look after its health", world.store.health().await);
    assert_eq!(health.now, world.now());
    assert_eq!(world.visible().await, before);
}

pub(crate) async fn what_names_too_many_is_refused(world: World) {
    let execution = make(&world, 1).await[0];
    let before = world.visible().await;
    let too_many = defaults::BATCH_MAX + 1;
    let executions = vec![execution; too_many];
    refused(world.store.cancel(executions.clone()).await);
    refused(world.store.replay_dead_letters(executions.clone()).await);
    let history = HistoryRequest {
        task: execution.root(),
        after: Ordinal::default(),
        whole: true,
    };
    refused(world.store.history(vec![history; too_many]).await);
    let query = ExecutionQuery {
        ids: Some(executions),
        ..ExecutionQuery::default()
    };
    refused(world.store.executions(query).await);
    let query = TaskQuery {
        ids: Some(vec![execution.root(); too_many]),
        ..TaskQuery::default()
    };
    refused(world.store.tasks(query).await);
    let declaration = FunctionDeclaration {
        name: function("f"),
        limit: at_most(1),
    };
    let declare = DeclareRequest {
        worker: worker("w"),
        functions: vec![declaration; too_many],
    };
    refused(world.store.declare(declare).await);
    assert_eq!(world.visible().await, before);
}

fn refused<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    let error = answer.expect_err("too many are refused");
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains(&defaults::BATCH_MAX.to_string()), "{said}");
}

pub(crate) async fn workers_are_listed_as_they_reported_last(world: World) {
    world.declare("f", None).await;
    let since = world.now();
    world.advance(5);
    let report = WorkerReport {
        capacity: 3,
        leased: 2,
        draining: true,
        ..worker("w1")
    };
    report_as(&world, report.clone()).await;
    let workers = answered("list", world.store.workers().await);
    assert_eq!(workers.len(), 1);
    assert_eq!(workers[0].report, report);
    assert_eq!((workers[0].since, workers[0].seen_at), (since, world.now()));
}

pub(crate) async fn workers_that_were_not_heard_of_for_a_day_are_not_shown(world: World) {
    report_as(&world, worker("old")).await;
    world.advance(10);
    report_as(&world, worker("a")).await;
    report_as(&world, worker("b")).await;
    world.advance(86_390);
    report_as(&world, worker("new")).await;
    let names = || async {
        let workers = answered("list", world.store.workers().await);
        let names = workers.iter().map(|one| one.report.name.to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["new", "a", "b", "old"], "the newest first");
    world.advance(1);
    assert_eq!(names().await, ["new", "a", "b"]);
}

pub(crate) async fn a_worker_that_a_cleanup_forgot_is_new_when_it_reports_again(world: World) {
    report_as(&world, worker("listed")).await;
    report_as(&world, worker("gone")).await;
    let began = world.now();
    world.advance(1);
    report_as(&world, worker("listed")).await;
    world.advance(86_400);
    world.clean_up(1_000_000).await;
    for name in ["listed", "gone"] {
        report_as(&world, worker(name)).await;
    }
    let workers = answered("list", world.store.workers().await);
    let since: BTreeMap<_, _> = workers
        .iter()
        .map(|one| (one.report.name.as_str(), one.since))
        .collect();
    let expected = BTreeMap::from([("listed", began), ("gone", world.now())]);
    assert_eq!(since, expected);
}

pub(crate) async fn reading_changes_nothing(world: World) {
    let mut parent = world.start(task("f")).await;
    world
        .write(&mut parent, vec![call(1, task("child"))], waits(0))
        .await;
    world.advance(1_000);
    let before = world.visible().await;
    for _ in 0..2 {
        assert_eq!(world.visible().await, before);
    }
    assert_eq!(world.claim(&["child"], 1).await.len(), 1);
}

pub(crate) async fn one_store_sees_nothing_of_another(world: World) {
    let other = world.another().await;
    let root = task("f");
    let id = world.dispatch(root.clone()).await;
    world.set_limit("f", Some(1)).await;
    assert!(other.executions().await.is_empty());
    assert!(
        other
            .claim_with(claim_request(&["f"], 1))
            .await
            .tasks
            .is_empty()
    );
    let mut there = other.start(root).await;
    other.write(&mut there, Vec::new(), done()).await;
    assert_eq!(world.state(id.root()).await, StateKind::Pending);
    assert_eq!(other.state(id.root()).await, StateKind::Completed);
    assert!(
        answered("list", other.store.functions().await)
            .iter()
            .all(|one| one.limits.by_operator.is_none())
    );
}

pub(crate) async fn extremes_of_priority_and_time_are_read_as_they_were_written(world: World) {
    for priority in [i32::MIN, -1, 0, i32::MAX] {
        let root = NewTask {
            priority: Priority(priority),
            due: When::After(seconds(1 << 60)),
            timeout: Some(std::time::Duration::from_micros(1)),
            deadline: Some(When::At(stent_core::Timestamp::MAX)),
            ..task("f")
        };
        let (expected, _) = root.clone().into_root(world.now());
        let id = world.dispatch(root).await;
        assert_eq!(world.task(id.root()).await.task, expected);
    }
}

/// A dead letter that has every property.
async fn make_wanted(world: &World) -> ExecutionId {
    let mut wanted = execution(NewTask {
        queue: queue("own"),
        ..task("wanted")
    });
    wanted.idempotency_key = key("k");
    wanted.tags = vec![Tag::new("vip").expect("a name")];
    let id = world.dispatch_all(vec![wanted]).await[0].execution();
    let mut claimed = world.claim_one("wanted").await;
    world.write(&mut claimed, Vec::new(), failed()).await;
    id
}

async fn make(world: &World, count: usize) -> Vec<ExecutionId> {
    let executions = (0..count).map(|_| execution(task("f")));
    let made = world.dispatch_all(executions.collect()).await;
    made.iter()
        .map(stent_core::store::Dispatched::execution)
        .collect()
}

async fn list(world: &World, query: ExecutionQuery) -> Vec<ExecutionId> {
    let page = answered("list", world.store.executions(query).await);
    page.executions
        .iter()
        .map(|one| one.root.task.execution)
        .collect()
}

async fn list_tasks(world: &World, query: TaskQuery) -> Vec<TaskId> {
    let page = answered("list", world.store.tasks(query).await);
    page.tasks.iter().map(|one| one.task.id).collect()
}

async fn report_as(world: &World, report: WorkerReport) {
    let request = RenewRequest {
        worker: report,
        duration: stent_core::lease::LeaseDuration::new(LEASE).expect("a lease"),
        leases: Vec::new(),
    };
    answered("renew", world.store.renew(request).await);
}
