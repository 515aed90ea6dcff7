//! Measures the store alone, beside hand-written SQL that does the same work on the same machine: `cargo run --release -p stent-store-sqlite
//! --example measure [-- TASKS [normal]]`. The project's own benchmarks, with workers, are `cargo xtask bench`.

use std::{error::Error, num::NonZeroU32, time::Duration};

use rusqlite::{Connection, params};
use stent_core::{
    ClaimMark, FunctionName, NewExecution, NewTask, Outcome, Payload, Priority, QueueName, Store,
    TaskId, Timestamp, When, WorkerName,
    claim::Demand,
    commit::{TaskCommit, Then},
    lease::{LeaseDuration, LeaseTerms},
    store::{ClaimRequest, ClaimedTask, CommitRequest, DispatchRequest},
};
use stent_store_sqlite::{SqliteOptions, SqliteStore, Synchronous};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const BATCH: usize = 1_000;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let tasks: usize = arguments.next().map_or(Ok(200_000), |n| n.parse())?;
    let normal = arguments.next().is_some_and(|word| word == "normal");
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for round in 1..=3 {
        let folder = tempfile::tempdir()?;
        let (insert, drain) = by_hand(&folder.path().join("limit.db"), tasks, normal)?;
        print(round, "by hand", "insert", insert, insert);
        print(round, "by hand", "drain", drain, drain);
        let synchronous = if normal {
            Synchronous::Normal
        } else {
            Synchronous::Full
        };
        let store = SqliteOptions::new(folder.path().join("store.db"))
            .synchronous(synchronous)
            .open()?;
        let (ours_insert, ours_claim, ours_commit) = runtime.block_on(by_store(&store, tasks))?;
        print(round, "store", "dispatch", ours_insert, insert);
        print(round, "store", "claim", ours_claim, drain);
        print(round, "store", "commit", ours_commit, drain);
        let ours_drain = 1.0 / (1.0 / ours_claim + 1.0 / ours_commit);
        print(round, "store", "drain", ours_drain, drain);
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is a program for people")]
fn print(round: u32, who: &str, what: &str, rate: f64, limit: f64) {
    println!(
        "{round} {who:8} {what:9} {rate:9.0} tasks/s  {:.2} of the limit",
        rate / limit
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement needs a real clock"
)]
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let began = std::time::Instant::now();
    let value = work()?;
    Ok((value, began.elapsed()))
}

fn rate(tasks: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(tasks).unwrap_or(u32::MAX)) / took.as_secs_f64()
}

const SCHEMA: &str = "
    CREATE TABLE tasks (id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, state INTEGER NOT NULL, run_at INTEGER NOT NULL, lease_until INTEGER,
        holder TEXT, token INTEGER NOT NULL DEFAULT 0, ended_at INTEGER, input TEXT NOT NULL, outcome TEXT);
    CREATE INDEX due ON tasks (lane, run_at) WHERE state = 1;
    CREATE INDEX leased ON tasks (lease_until) WHERE state = 2;
    CREATE INDEX ended ON tasks (ended_at) WHERE state = 4;";
const INSERT: &str = "INSERT INTO tasks (lane, state, run_at, input) VALUES (1, 1, ?1, ?2)";
const CLAIM: &str = "WITH picked AS MATERIALIZED (SELECT id FROM tasks WHERE lane = 1 AND state = 1 AND run_at <= ?1 ORDER BY run_at LIMIT ?2)
    UPDATE tasks SET state = 2, lease_until = ?3, holder = ?4, token = token + 1 WHERE id IN (SELECT id FROM picked) RETURNING id, token, input";
const END: &str = "UPDATE tasks SET state = 4, lease_until = NULL, ended_at = ?3, outcome = ?4 WHERE id = ?1 AND token = ?2 AND state = 2";

fn by_hand(path: &std::path::Path, tasks: usize, normal: bool) -> Result<(f64, f64)> {
    let connection = Connection::open(path)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", if normal { "NORMAL" } else { "FULL" })?;
    connection.pragma_update(None, "cache_size", -64 * 1024)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 4_000, |_| Ok(()))?;
    connection.execute_batch(SCHEMA)?;
    let at = 1_700_000_000_000_000_i64;
    let ((), inserting) = timed(|| {
        let mut insert = connection.prepare(INSERT)?;
        for _ in 0..tasks / BATCH {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            for _ in 0..BATCH {
                insert.execute(params![at, "{\"order\":17}"])?;
            }
            connection.execute_batch("COMMIT")?;
        }
        Ok(())
    })?;
    let ((), draining) = timed(|| {
        let mut claim = connection.prepare(CLAIM)?;
        let mut end = connection.prepare(END)?;
        for _ in 0..tasks / BATCH {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            let claimed: Vec<(i64, i64, String)> = claim
                .query_map(params![at, BATCH as i64, at + 1, "worker-1"], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?
                .collect::<rusqlite::Result<_>>()?;
            connection.execute_batch("COMMIT")?;
            connection.execute_batch("BEGIN IMMEDIATE")?;
            for (id, token, _) in &claimed {
                end.execute(params![id, token, at, "null"])?;
            }
            connection.execute_batch("COMMIT")?;
        }
        Ok(())
    })?;
    Ok((rate(tasks, inserting), rate(tasks, draining)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement needs a real clock"
)]
async fn by_store(store: &SqliteStore, tasks: usize) -> Result<(f64, f64, f64)> {
    use std::time::Instant;

    let function = FunctionName::new("noop")?;
    let mut batches = Vec::new();
    for batch in 0..tasks / BATCH {
        batches.push(
            (0..BATCH)
                .map(|number| execution(&function, batch * BATCH + number))
                .collect::<Result<Vec<_>>>()?,
        );
    }
    let began = Instant::now();
    for executions in batches {
        store.dispatch(DispatchRequest { executions }).await?;
    }
    let dispatching = began.elapsed();
    let (mut claiming, mut committing) = (Duration::ZERO, Duration::ZERO);
    for rotation in 0..tasks / BATCH {
        let request = claim(&function, u32::try_from(rotation)?)?;
        let began = Instant::now();
        let claimed = store.claim(request).await?.tasks;
        claiming += began.elapsed();
        assert_eq!(claimed.len(), BATCH);
        let commits = claimed.into_iter().map(end).collect();
        let began = Instant::now();
        let answer = store.commit(CommitRequest { commits }).await?;
        committing += began.elapsed();
        assert!(answer.results.iter().all(|result| result.result.is_ok()));
    }
    Ok((
        rate(tasks, dispatching),
        rate(tasks, claiming),
        rate(tasks, committing),
    ))
}

fn execution(function: &FunctionName, number: usize) -> Result<NewExecution> {
    let mut random = [0; 10];
    random[..8].copy_from_slice(
        &(number as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .to_be_bytes(),
    );
    // Three hundred ids of one millisecond, as a busy dispatcher makes them.
    let at = Timestamp::from_micros(1_700_000_000_000_000 + i64::try_from(number / 300)? * 1_000);
    Ok(NewExecution {
        root: NewTask {
            id: TaskId::from_parts(at, &random),
            function: function.clone(),
            queue: QueueName::default(),
            priority: Priority(0),
            due: When::Now,
            input: Payload::from_stored("{\"order\":17}"),
            timeout: None,
            deadline: None,
        },
        idempotency_key: None,
        tags: Vec::new(),
    })
}

fn claim(function: &FunctionName, rotation: u32) -> Result<ClaimRequest> {
    Ok(ClaimRequest {
        terms: LeaseTerms {
            holder: WorkerName::new("worker-1")?,
            mark: ClaimMark(i64::from(rotation).wrapping_mul(0x1234_5678_9abc_def1)),
            duration: LeaseDuration::default(),
        },
        functions: vec![function.clone()],
        queues: None,
        demand: Demand {
            limit: u32::try_from(BATCH)?,
            rotation,
            accept_suspect: true,
        },
        crash_limit: NonZeroU32::MIN,
    })
}

fn end(claimed: ClaimedTask) -> TaskCommit {
    TaskCommit {
        task: claimed.task.id,
        fence: claimed.task.fence,
        number: 1,
        assumes: Vec::new(),
        writes: Vec::new(),
        then: Then::End(Outcome::Completed(Payload::null())),
    }
}
