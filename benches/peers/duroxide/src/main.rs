//! duroxide, with its providers for SQLite and Postgres.
//!
//! Idle dispatchers look every 5 ms instead of every 100 (`RuntimeOptions::dispatcher_min_poll_interval`). On Postgres four orchestrations and eight
//! activities run at once, as in its guide (`docs/observability-guide.md`); on SQLite two of each, its default, which it recommends
//! (`docs/stress-test-spec.md`): more of them lock each other out. It logs errors and warnings only. Its provider sets `synchronous` of SQLite to a
//! word that SQLite takes for NORMAL; it is set to FULL on all of its pool's connections.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use duroxide::{
    ActivityContext, Client, OrchestrationContext, OrchestrationRegistry,
    providers::{Provider, sqlite::SqliteProvider},
    runtime::{ObservabilityConfig, Runtime, RuntimeOptions, registry::ActivityRegistry},
};
use duroxide_pg::PostgresProvider;
use peer_common::{Peer, Result, Workload, body};
use sqlx::{PgPool, SqlitePool};

const NO_BULK: &str = "no call that starts many";
/// Connections of its pool for SQLite.
const CONNECTIONS: usize = 5;

fn main() -> ExitCode {
    peer_common::main(|asked| asked.measure::<Duroxide>())
}

async fn noop(_: OrchestrationContext, _: String) -> std::result::Result<String, String> {
    body::ran();
    Ok(String::new())
}

async fn nothing(_: ActivityContext, number: String) -> std::result::Result<String, String> {
    body::ran();
    Ok(number)
}

async fn step_in_sequence(
    context: OrchestrationContext,
    steps: String,
) -> std::result::Result<String, String> {
    let steps: u64 = steps.parse().map_err(|_| "not a number".to_owned())?;
    for number in 0..steps {
        context
            .schedule_activity("nothing", number.to_string())
            .await?;
    }
    Ok(String::new())
}

/// Where it keeps its state, and a way to count there.
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// What was called and not yet taken up is in the queue, what has begun in the table of executions.
const UNFINISHED: &str = "select (select count(*) from orchestrator_queue)
    + (select count(*) from executions where status <> 'Completed')";

impl Pool {
    async fn unfinished(&self) -> Result<usize> {
        let count: i64 = match self {
            Self::Sqlite(pool) => sqlx::query_scalar(UNFINISHED).fetch_one(pool).await?,
            Self::Postgres(pool) => sqlx::query_scalar(UNFINISHED).fetch_one(pool).await?,
        };
        Ok(usize::try_from(count)?)
    }
}

struct Duroxide {
    store: Arc<dyn Provider>,
    client: Client,
    pool: Pool,
    number: AtomicUsize,
}

impl Duroxide {
    async fn call(&self, orchestration: &str, input: String) -> Result {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let id = format!("call-{number}");
        let called = self.client.start_orchestration(id, orchestration, input);
        called
            .await
            .map_err(|error| format!("cannot start an orchestration: {error:?}"))?;
        Ok(())
    }
}

impl Peer for Duroxide {
    const DIFFERS: &'static str = "";
    const CANNOT: &'static [(Workload, &'static str)] = &[(Workload::DispatchInBulk, NO_BULK)];

    async fn open(database: &str) -> Result<Self> {
        let (store, pool): (Arc<dyn Provider>, _) = if database.starts_with("postgres") {
            let provider = PostgresProvider::new(database).await?;
            let pool = provider.pool().clone();
            (Arc::new(provider), Pool::Postgres(pool))
        } else {
            std::fs::File::create_new(database)?;
            let provider = SqliteProvider::new(&format!("sqlite:{database}"), None).await?;
            let pool = provider.get_pool().clone();
            wait_for_the_disk(&pool).await?;
            (Arc::new(provider), Pool::Sqlite(pool))
        };
        Ok(Self {
            client: Client::new(Arc::clone(&store)),
            store,
            pool,
            number: AtomicUsize::new(0),
        })
    }

    async fn dispatch(&self) -> Result {
        self.call("noop", String::new()).await
    }

    async fn work(&self, _: Workload) -> Result {
        let activities = ActivityRegistry::builder()
            .register("nothing", nothing)
            .build();
        let orchestrations = OrchestrationRegistry::builder()
            .register("noop", noop)
            .register("step_in_sequence", step_in_sequence)
            .build();
        let (orchestration_concurrency, worker_concurrency) = match self.pool {
            Pool::Sqlite(_) => (2, 2),
            Pool::Postgres(_) => (4, 8),
        };
        let options = RuntimeOptions {
            orchestration_concurrency,
            worker_concurrency,
            dispatcher_min_poll_interval: Duration::from_millis(5),
            observability: ObservabilityConfig {
                log_level: "error".to_owned(),
                ..ObservabilityConfig::default()
            },
            ..RuntimeOptions::default()
        };
        let store = Arc::clone(&self.store);
        let runtime = Runtime::start_with_options(store, activities, orchestrations, options).await;
        // It runs until the program ends.
        std::mem::forget(runtime);
        Ok(())
    }

    async fn unfinished(&self) -> Result<usize> {
        self.pool.unfinished().await
    }

    async fn dispatch_steps(&self, executions: usize, each: usize) -> Result {
        for _ in 0..executions {
            self.call("step_in_sequence", each.to_string()).await?;
        }
        Ok(())
    }

    async fn steps(&self, _: usize, _: usize) -> Result {
        self.work(Workload::Steps).await?;
        while self.unfinished().await? > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

/// Makes every commit on any connection of the pool wait for the disk.
async fn wait_for_the_disk(pool: &SqlitePool) -> Result {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(pool.acquire().await?);
    }
    for connection in &mut connections {
        sqlx::query("PRAGMA synchronous = FULL")
            .execute(&mut **connection)
            .await?;
    }
    Ok(())
}
