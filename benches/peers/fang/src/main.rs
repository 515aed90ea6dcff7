//! fang, with its asynchronous workers on Postgres.
//!
//! One worker, which looks every 5 ms when idle instead of every 5 s (README, "Configuring sleep values"): it takes a task by two statements without
//! a transaction (`AsyncQueue::fetch_and_touch_task_query`), so several workers run the same task, and a figure of those would count work twice. What
//! is finished is kept (`RetentionMode::KeepAll`), as Stent keeps it, where fang's default is to delete it. Its tables are made as its migrations
//! make them, which are run by hand.

use std::{process::ExitCode, time::Duration};

use fang::{
    AsyncRunnable, FangError, RetentionMode, SleepParams, async_trait,
    asynk::{
        async_queue::{AsyncQueue, AsyncQueueable},
        async_worker_pool::AsyncWorkerPool,
    },
    typetag,
};
use peer_common::{Peer, Result, Workload, body};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

const CONNECTIONS: u32 = 10;
const NO_STEPS: &str = "a job queue: it records no steps";
const NO_BULK: &str = "no call that inserts many";

/// What its migrations come to.
const TABLES: &str = r#"
create extension if not exists "uuid-ossp";
create type fang_task_state as enum ('new', 'in_progress', 'failed', 'finished', 'retried');
create table fang_tasks (
    id uuid primary key default uuid_generate_v4(),
    metadata jsonb not null,
    error_message text,
    state fang_task_state default 'new' not null,
    task_type text default 'common' not null,
    uniq_hash text,
    retries integer default 0 not null,
    scheduled_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index fang_tasks_state_index on fang_tasks(state);
create index fang_tasks_type_index on fang_tasks(task_type);
create index fang_tasks_scheduled_at_index on fang_tasks(scheduled_at);
create index fang_tasks_uniq_hash on fang_tasks(uniq_hash);
"#;

fn main() -> ExitCode {
    peer_common::main(|asked| asked.measure::<Fang>())
}

#[derive(Deserialize, Serialize)]
struct Noop {
    number: u64,
}

#[typetag::serde]
#[async_trait]
impl AsyncRunnable for Noop {
    async fn run(&self, _: &dyn AsyncQueueable) -> std::result::Result<(), FangError> {
        body::ran();
        Ok(())
    }
}

struct Fang {
    pool: PgPool,
    queue: AsyncQueue,
}

impl Peer for Fang {
    const DIFFERS: &'static str = "one worker, for several run the same task; keeps no result";
    const CANNOT: &'static [(Workload, &'static str)] = &[
        (Workload::DispatchInBulk, NO_BULK),
        (Workload::Steps, NO_STEPS),
    ];

    async fn open(database: &str) -> Result<Self> {
        let pool = PgPool::connect(database).await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        let mut queue = AsyncQueue::builder()
            .uri(database)
            .max_pool_size(CONNECTIONS)
            .build();
        queue.connect().await?;
        Ok(Self { pool, queue })
    }

    async fn dispatch(&self) -> Result {
        self.queue.insert_task(&Noop { number: 0 }).await?;
        Ok(())
    }

    async fn work(&self, _: Workload) -> Result {
        let pause = Duration::from_millis(5);
        let mut workers: AsyncWorkerPool<AsyncQueue> = AsyncWorkerPool::builder()
            .number_of_workers(1_u32)
            .queue(self.queue.clone())
            .retention_mode(RetentionMode::KeepAll)
            .sleep_params(SleepParams {
                sleep_period: pause,
                max_sleep_period: pause,
                min_sleep_period: pause,
                sleep_step: Duration::ZERO,
            })
            .build();
        workers.start().await;
        Ok(())
    }

    async fn unfinished(&self) -> Result<usize> {
        let text = "select count(*) from fang_tasks where state <> 'finished'";
        let count: i64 = sqlx::query_scalar(text).fetch_one(&self.pool).await?;
        Ok(usize::try_from(count)?)
    }
}
