//! durare.
//!
//! Work that waits goes by its queue, which its documentation (`WorkflowQueue`) says how to tune: 1,000 claimed at once, and looked for every 5 ms
//! instead of every second. The way `direct` starts workflows in the process that calls, as its guide's first example does, and its steps are
//! measured that way, 100 workflows at once. On SQLite the pool is built by hand, as its page `operations` shows, with `synchronous=FULL` where its
//! own would have NORMAL; on Postgres it is its own.

use std::{process::ExitCode, str::FromStr, sync::Arc, time::Duration};

use durare::{
    DurableContext, DurableEngine, PostgresProvider, SqliteProvider, StateProvider,
    WorkflowOptions, WorkflowQueue,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use peer_common::{CANNOT_DIRECTLY, NO_BULK, Peer, RUNS_WITH_CALLER, Result, Workload, body};
use sqlx::{
    PgPool, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

const QUEUE: &str = "bench";
/// Workflows that run at once where each has steps.
const AT_ONCE: usize = 100;
const BY_DIRECT: &str = "measured as `durare, direct`";

fn main() -> ExitCode {
    peer_common::main(|asked| match asked.way.as_str() {
        "direct" => asked.measure::<Direct>(),
        _ => asked.measure::<Queued>(),
    })
}

#[durare::workflow]
async fn noop(_ctx: DurableContext, _number: u64) -> durare::Result<()> {
    body::ran();
    Ok(())
}

#[durare::step]
async fn nothing(_ctx: &DurableContext, number: u64) -> durare::Result<u64> {
    body::ran();
    Ok(number)
}

#[durare::workflow]
async fn step_in_sequence(ctx: DurableContext, steps: u64) -> durare::Result<()> {
    for number in 0..steps {
        nothing(&ctx, number).await?;
    }
    Ok(())
}

/// Where it keeps its state, and a way to count there.
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Pool {
    async fn unfinished(&self) -> Result<usize> {
        let count: i64 = match self {
            Self::Sqlite(pool) => {
                let text = "select count(*) from workflow_status where status <> 'SUCCESS'";
                sqlx::query_scalar(text).fetch_one(pool).await?
            }
            Self::Postgres(pool) => {
                let text = "select count(*) from dbos.workflow_status where status <> 'SUCCESS'";
                sqlx::query_scalar(text).fetch_one(pool).await?
            }
        };
        Ok(usize::try_from(count)?)
    }
}

async fn open(database: &str) -> Result<Opened> {
    let (provider, pool): (Arc<dyn StateProvider>, _) = if database.starts_with("postgres") {
        let provider = PostgresProvider::connect(database).await?;
        let pool = provider.pool().clone();
        (Arc::new(provider), Pool::Postgres(pool))
    } else {
        let options = SqliteConnectOptions::from_str(&format!("sqlite://{database}"))?
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new()
            .max_connections(5)
            .connect_with(options)
            .await?;
        let provider = SqliteProvider::from_pool(pool.clone());
        (Arc::new(provider), Pool::Sqlite(pool))
    };
    let mut engine = DurableEngine::builder(provider);
    engine.register_queue(
        WorkflowQueue::new(QUEUE)
            .max_tasks_per_iteration(1_000)
            .base_polling_interval(Duration::from_millis(5)),
    );
    let engine = engine.build().await?;
    Ok(Opened { engine, pool })
}

/// An engine on its database.
struct Opened {
    engine: DurableEngine,
    pool: Pool,
}

impl Opened {
    async fn launch(&self) -> Result {
        Ok(self.engine.launch().await?)
    }
}

/// Calls go through a queue.
struct Queued(Opened);

impl Peer for Queued {
    const DIFFERS: &'static str = "";
    const CANNOT: &'static [(Workload, &'static str)] = &[
        (Workload::DispatchInBulk, NO_BULK),
        (Workload::Steps, BY_DIRECT),
    ];

    async fn open(database: &str) -> Result<Self> {
        open(database).await.map(Self)
    }

    async fn dispatch(&self) -> Result {
        let options = WorkflowOptions::default().queue(QUEUE);
        self.0.engine.start_with(Noop, 0, options).await?;
        Ok(())
    }

    async fn work(&self, _: Workload) -> Result {
        self.0.launch().await
    }

    async fn unfinished(&self) -> Result<usize> {
        self.0.pool.unfinished().await
    }
}

/// Calls run where they are made.
struct Direct(Opened);

impl Peer for Direct {
    const DIFFERS: &'static str = RUNS_WITH_CALLER;
    const CANNOT: &'static [(Workload, &'static str)] = CANNOT_DIRECTLY;

    async fn open(database: &str) -> Result<Self> {
        open(database).await.map(Self)
    }

    async fn dispatch(&self) -> Result {
        let options = WorkflowOptions::default();
        self.0.engine.start_with(Noop, 0, options).await?;
        Ok(())
    }

    async fn work(&self, _: Workload) -> Result {
        self.0.launch().await
    }

    async fn unfinished(&self) -> Result<usize> {
        self.0.pool.unfinished().await
    }

    async fn steps(&self, executions: usize, each: usize) -> Result {
        let each = u64::try_from(each)?;
        self.0.launch().await?;
        stream::iter(0..executions)
            .map(|_| async move {
                let options = WorkflowOptions::default();
                let handle = self
                    .0
                    .engine
                    .start_with(StepInSequence, each, options)
                    .await?;
                handle.result().await
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(())
    }
}
