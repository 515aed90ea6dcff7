//! Answers that get lost once the database has done what was asked.

use stent_conformance::requests::{claim, dispatch, execution, executions};
use stent_core::{
    Store as _, StoreError,
    store::{DispatchRequest, Dispatched},
};
use stent_test_postgres::{Options, Stop};

use crate::support::{cluster, open, options};

/// Cuts whoever reads a task in no transaction of the store's, each of which has a path of its own.
const CUT_READERS: &str = "\
CREATE FUNCTION public.may_read() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('search_path') <> 'pg_catalog' THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
    END IF;
    RETURN true;
END $$;
ALTER TABLE stent.task_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY cut ON stent.task_rows USING (public.may_read()) WITH CHECK (true);
CREATE ROLE app LOGIN;
GRANT USAGE ON SCHEMA stent TO app;
GRANT ALL ON ALL TABLES IN SCHEMA stent TO app";

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatch_that_is_committed_is_never_said_to_have_changed_nothing() {
    let server = cluster(&Options::new());
    let url = server.url("postgres");
    let owner = options(&url).open().await.unwrap();
    let known = execution("1");
    let made = owner
        .dispatch(DispatchRequest {
            executions: vec![known.clone()],
        })
        .await;
    made.unwrap();
    server.sql("postgres", CUT_READERS).unwrap();
    let store = options(&url.replace("postgres@", "app@"));
    let store = store.open().await.unwrap();
    dispatch(&store, "2").await.unwrap();

    let new = execution("3");
    let request = DispatchRequest {
        executions: vec![known, new.clone()],
    };
    let answer = store.dispatch(request.clone()).await;
    assert_eq!(executions(&owner).await.len(), 3);
    match answer {
        Ok(answer) => assert!(matches!(answer.executions[1], Dispatched::Created(_))),
        Err(error) => assert!(
            matches!(error, StoreError::OutcomeUnknown { .. }),
            "{error:?}"
        ),
    }

    server
        .sql("postgres", "DROP POLICY cut ON stent.task_rows CASCADE; ALTER TABLE stent.task_rows DISABLE ROW LEVEL SECURITY")
        .unwrap();
    let again = store.dispatch(request).await.unwrap();
    let existing =
        |one: &Dispatched| matches!(one, Dispatched::Existing { other_input, .. } if !other_input);
    assert!(again.executions.iter().all(existing), "{again:?}");
}

/// As a standby that takes over before the newest lane reached it: what was made there since has the lane's number.
const LOSE_A_LANE: &str = "\
DELETE FROM stent.task_rows;
UPDATE stent.lanes SET queue = 'another'";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_of_a_server_is_forgotten_with_it() {
    let server = cluster(&Options::new());
    let store = open(&server.url("postgres")).await;
    dispatch(&store, "1").await.unwrap();
    server.stop(Stop::Fast).unwrap();
    server.begin().unwrap();
    server.sql("postgres", LOSE_A_LANE).unwrap();

    let made = loop {
        match dispatch(&store, "2").await {
            Ok(made) => break made,
            // Its connections learn one by one that they are lost.
            Err(error) => assert!(error.is_retryable(), "{error:?}"),
        }
    };
    let claimed = claim(&store, 1).await.unwrap();
    assert_eq!(claimed[0].task.id, made.root());
    assert_eq!(claimed[0].task.queue.as_str(), "default");
    let queues = store.queues().await.unwrap();
    assert_eq!(queues.len(), 1);
}
