//! Answers that get lost once the database has done what was asked.

use std::sync::{Arc, Mutex};

use stent_conformance::requests::{claim, dispatch, epoch, execution, executions};
use stent_core::{
    Outcome, Payload, Store as _, StoreError,
    commit::{TaskCommit, Then},
    store::{CommitRequest, DispatchRequest, Dispatched},
};
use stent_test_postgres::{Options, Stop};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_postgres::config::Host;

use crate::support::{cluster, database, open, options};

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

/// What becomes of the next commit that passes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    No,
    /// The server never gets it.
    Before,
    /// The server does it, and its answer is lost.
    After,
}

/// Listens, and passes on to a server what it is sent; cuts a connection at its commit, once it is told to.
async fn cutting(url: &str, cut: Arc<Mutex<Cut>>) -> String {
    let config: tokio_postgres::Config = url.parse().expect("a URL");
    let (Host::Tcp(host), port) = (config.get_hosts()[0].clone(), config.get_ports()[0]) else {
        panic!("the server of the test is reached by TCP");
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("a port").to_string();
    let replaced = url.replace(&format!("{host}:{port}"), &address);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect((host.as_str(), port)).await;
            let server = server.expect("the server of the test");
            tokio::spawn(pass_on(client, server, Arc::clone(&cut)));
        }
    });
    replaced
}

async fn pass_on(mut client: TcpStream, mut server: TcpStream, cut: Arc<Mutex<Cut>>) {
    let has = |said: &[u8], word: &[u8]| said.windows(word.len()).any(|part| part == word);
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    let mut is_lost = false;
    loop {
        tokio::select! {
            Ok(count) = client.read(&mut asked) => {
                if has(&asked[..count], b"COMMIT\0") {
                    match std::mem::replace(&mut *cut.lock().unwrap(), Cut::No) {
                        Cut::No => {}
                        Cut::Before => return,
                        Cut::After => is_lost = true,
                    }
                }
                if count == 0 || server.write_all(&asked[..count]).await.is_err() {
                    return;
                }
            }
            Ok(count) = server.read(&mut answered) => {
                if is_lost && has(&answered[..count], b"COMMIT\0") {
                    return;
                }
                if count == 0 || client.write_all(&answered[..count]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_is_lost_finds_out_what_it_leased() {
    let database = database();
    let cut = Arc::new(Mutex::new(Cut::No));
    let url = cutting(database.url(), Arc::clone(&cut)).await;
    let store = open(&url).await;
    let made = [
        dispatch(&store, "1").await.unwrap(),
        dispatch(&store, "2").await.unwrap(),
    ];
    *cut.lock().unwrap() = Cut::After;
    let claimed = claim(&store, 10).await.unwrap();
    assert!(*cut.lock().unwrap() == Cut::No);
    let ids: Vec<_> = claimed.iter().map(|one| one.task.execution).collect();
    assert_eq!(ids, made);
    let inputs: Vec<_> = claimed.iter().map(|one| one.input.as_str()).collect();
    assert_eq!(inputs, ["1", "2"]);
    let epoch = epoch(&store).await.unwrap();
    let commits = claimed.iter().map(|one| TaskCommit {
        task: one.task.id,
        fence: one.task.fence,
        number: 1,
        epoch,
        assumes: Vec::new(),
        writes: Vec::new(),
        then: Then::End(Outcome::Completed(Payload::null())),
    });
    let commits = commits.collect();
    let done = store.commit(CommitRequest { commits }).await.unwrap();
    assert!(done.results.iter().all(|one| one.result.is_ok()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_cut_before_its_commit_says_that_nothing_was_leased() {
    let database = database();
    let cut = Arc::new(Mutex::new(Cut::No));
    let url = cutting(database.url(), Arc::clone(&cut)).await;
    let store = open(&url).await;
    let made = dispatch(&store, "1").await.unwrap();
    *cut.lock().unwrap() = Cut::Before;
    let refused = claim(&store, 10).await.unwrap_err();
    let is_sure = matches!(refused, StoreError::Retryable { .. });
    assert!(is_sure, "{refused:?}");
    let claimed = claim(&store, 10).await.unwrap();
    assert_eq!(claimed[0].task.id, made.root());
    assert_eq!(claimed[0].task.crashes.total, 0);
}
