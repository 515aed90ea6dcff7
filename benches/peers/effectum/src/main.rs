//! effectum.
//!
//! Workers and their concurrency as in its own stress test (`stress_test/src/main.rs`): ten of 20 each. It sets a pragma of a name that SQLite
//! does not know, so its file stays in the rollback journal's mode, in which a commit waits for the disk also with `synchronous=NORMAL`; nothing
//! else can be set.

use std::{path::Path, process::ExitCode};

use effectum::{Job, JobRunner, Queue, RunningJob, Worker};
use peer_common::{Peer, Result, Workload, body};
use rusqlite::{Connection, OpenFlags};

const JOB: &str = "noop";
const WORKERS: usize = 10;
const CONCURRENCY: u16 = 20;
const NO_STEPS: &str = "a job queue: a job has one checkpoint, which it overwrites";

fn main() -> ExitCode {
    peer_common::main(|asked| asked.measure::<Effectum>())
}

async fn noop(_: RunningJob, _: ()) -> std::result::Result<(), String> {
    body::ran();
    Ok(())
}

struct Effectum {
    queue: Queue,
    database: String,
}

impl Peer for Effectum {
    const DIFFERS: &'static str = "rollback journal with synchronous=NORMAL";
    const CANNOT: &'static [(Workload, &'static str)] = &[(Workload::Steps, NO_STEPS)];

    async fn open(database: &str) -> Result<Self> {
        Ok(Self {
            queue: Queue::new(Path::new(database)).await?,
            database: database.to_owned(),
        })
    }

    async fn dispatch(&self) -> Result {
        Job::builder(JOB)
            .json_payload(&0)?
            .add_to(&self.queue)
            .await?;
        Ok(())
    }

    async fn dispatch_all(&self, count: usize) -> Result {
        let jobs: Result<Vec<_>> = (0..count)
            .map(|number| Ok(Job::builder(JOB).json_payload(&number)?.build()))
            .collect();
        self.queue.add_jobs(jobs?).await?;
        Ok(())
    }

    async fn work(&self, _: Workload) -> Result {
        for _ in 0..WORKERS {
            let worker = Worker::builder(&self.queue, ())
                .jobs([JobRunner::builder(JOB, noop).build()])
                .max_concurrency(CONCURRENCY)
                .build()
                .await?;
            // It stops when it is dropped.
            std::mem::forget(worker);
        }
        Ok(())
    }

    async fn unfinished(&self) -> Result<usize> {
        let reader = Connection::open_with_flags(&self.database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        reader.busy_timeout(std::time::Duration::from_secs(5))?;
        let text = "select count(*) from jobs where status is null or status <> 'succeeded'";
        let count: i64 = reader.query_row(text, (), |row| row.get(0))?;
        Ok(usize::try_from(count)?)
    }
}
