//! apalis, with its stores for SQLite and Postgres.
//!
//! A batch of 1,000 instead of 10 on Postgres, and of 100 on SQLite (`Config::batch_size`: larger ones can improve throughput), and tasks are not
//! locked once more after they were fetched, as in its example `realtime`. For latency the worker hears of tasks: by SQLite's update hook (README,
//! "Event-Driven Worker"), and by `NOTIFY` (README, "Pubsub listener example"). Its set-up for SQLite switches `synchronous` off for a connection,
//! so that is done by one of its own, and the others have FULL, which is SQLite's default.

use std::{process::ExitCode, time::Duration};

use apalis::prelude::*;
use apalis_postgres::PostgresStorage;
use apalis_sqlite::{SqliteStorage, callback::HookCallbackListener};
use peer_common::{Peer, Result, Workload, body};
use sqlx::{PgPool, SqlitePool};

const QUEUE: &str = "bench";
/// A larger one was slower there.
const BATCH_ON_SQLITE: usize = 100;
const BATCH: usize = 1_000;
const NO_STEPS: &str = "its workflows push each step as a task of its own";
/// How often it looks for work, and for what has ended and is to be recorded.
const POLL: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    peer_common::main(|asked| {
        if asked.on_postgres() {
            asked.measure::<Postgres>()
        } else {
            asked.measure::<Sqlite>()
        }
    })
}

async fn noop(_: u64) -> std::result::Result<(), BoxDynError> {
    body::ran();
    Ok(())
}

/// Starts a worker, whatever the type of its backend.
macro_rules! run_worker {
    ($backend:expr) => {
        let worker = WorkerBuilder::new("bench").backend($backend).build(noop);
        tokio::spawn(async move { worker.run().await });
    };
}

fn numbers(count: usize) -> Result<Vec<u64>> {
    Ok((0..u64::try_from(count)?).collect())
}

struct Sqlite {
    pool: SqlitePool,
    listener: HookCallbackListener,
    storage: SqliteStorage<u64>,
}

impl Peer for Sqlite {
    /// A drain of 3,000 was a ninth as fast as one of 300.
    const DIFFERS: &'static str = "the more tasks there are, the slower its drain";
    const CANNOT: &'static [(Workload, &'static str)] = &[(Workload::Steps, NO_STEPS)];

    async fn open(database: &str) -> Result<Self> {
        let url = format!("sqlite://{database}?mode=rwc");
        let setting_up = SqlitePool::connect(&url).await?;
        SqliteStorage::setup(&setting_up).await?;
        setting_up.close().await;
        let (pool, listener) = SqliteStorage::connect_with_callback(&url)?;
        let config = apalis_sqlite::Config::default()
            .queue(QUEUE)
            .batch_size(BATCH_ON_SQLITE)
            .lock_tasks(false);
        let storage = SqliteStorage::new(&pool).with_config(config);
        Ok(Self {
            pool,
            listener,
            storage,
        })
    }

    async fn dispatch(&self) -> Result {
        Ok(self.storage.clone().push(0).await?)
    }

    async fn dispatch_all(&self, count: usize) -> Result {
        Ok(self.storage.clone().push_bulk(numbers(count)?).await?)
    }

    async fn work(&self, workload: Workload) -> Result {
        let storage = self.storage.clone();
        match workload {
            Workload::Latency => {
                let strategy = Strategy::new().stream(self.listener.clone()).interval(POLL);
                let backend = storage.poll_with_strategy(strategy);
                run_worker!(backend);
            }
            _ => {
                let backend = storage.poll_with_interval(POLL);
                run_worker!(backend);
            }
        }
        Ok(())
    }

    async fn unfinished(&self) -> Result<usize> {
        let text = "select count(*) from Jobs where status <> 'Done'";
        let count: i64 = sqlx::query_scalar(text).fetch_one(&self.pool).await?;
        Ok(usize::try_from(count)?)
    }
}

struct Postgres {
    pool: PgPool,
    storage: PostgresStorage<u64>,
}

impl Peer for Postgres {
    const DIFFERS: &'static str = "";
    const CANNOT: &'static [(Workload, &'static str)] = &[(Workload::Steps, NO_STEPS)];

    async fn open(database: &str) -> Result<Self> {
        let pool = PgPool::connect(database).await?;
        PostgresStorage::setup(&pool).await?;
        let config = apalis_postgres::Config::default()
            .queue(QUEUE)
            .batch_size(BATCH)
            .lock_tasks(false);
        let storage = PostgresStorage::new(&pool).with_config(config);
        Ok(Self { pool, storage })
    }

    async fn dispatch(&self) -> Result {
        Ok(self.storage.clone().push(0).await?)
    }

    async fn dispatch_all(&self, count: usize) -> Result {
        Ok(self.storage.clone().push_bulk(numbers(count)?).await?)
    }

    async fn work(&self, workload: Workload) -> Result {
        let storage = self.storage.clone();
        match workload {
            Workload::Latency => {
                let backend = storage.with_pubsub().poll_with_interval(POLL);
                run_worker!(backend);
            }
            _ => {
                let backend = storage.poll_with_interval(POLL);
                run_worker!(backend);
            }
        }
        Ok(())
    }

    async fn unfinished(&self) -> Result<usize> {
        let text = "select count(*) from apalis.jobs where status <> 'Done'";
        let count: i64 = sqlx::query_scalar(text).fetch_one(&self.pool).await?;
        Ok(usize::try_from(count)?)
    }
}
