//! graphile_worker.
//!
//! The drain's configuration is that of its own benchmark (`benches/perf_test.rs`): 500 at once, local queue of 5,000, completions gathered for
//! 5 ms. For latency a worker with its defaults, which hears of jobs by `NOTIFY`: a local queue would only stand between.

use std::{process::ExitCode, time::Duration};

use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, TaskHandler, WorkerContext, WorkerOptions,
    WorkerUtils,
};
use peer_common::{Peer, Result, Workload, body};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgPoolOptions};

const SCHEMA: &str = "graphile_worker";
const NO_STEPS: &str = "a job queue: it records no steps";

fn main() -> ExitCode {
    peer_common::main(|asked| asked.measure::<GraphileWorker>())
}

#[derive(Clone, Deserialize, Serialize)]
struct Noop {
    number: u64,
}

impl TaskHandler for Noop {
    const IDENTIFIER: &'static str = "noop";

    async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {
        body::ran();
        Ok::<(), String>(())
    }
}

struct GraphileWorker {
    pool: PgPool,
    utils: WorkerUtils,
}

impl Peer for GraphileWorker {
    const DIFFERS: &'static str = "deletes what is finished, and keeps no result";
    const CANNOT: &'static [(Workload, &'static str)] = &[(Workload::Steps, NO_STEPS)];

    async fn open(database: &str) -> Result<Self> {
        // As many as its own benchmarks have.
        let pool = PgPoolOptions::new()
            .max_connections(100)
            .connect(database)
            .await?;
        let utils = WorkerUtils::new(pool.clone(), SCHEMA);
        utils.migrate().await?;
        Ok(Self { pool, utils })
    }

    async fn dispatch(&self) -> Result {
        let job = Noop { number: 0 };
        self.utils.add_job(job, JobSpec::default()).await?;
        Ok(())
    }

    async fn dispatch_all(&self, count: usize) -> Result {
        let spec = JobSpec::default();
        let jobs: Vec<_> = (0..u64::try_from(count)?)
            .map(|number| (Noop { number }, &spec))
            .collect();
        self.utils.add_jobs(&jobs).await?;
        Ok(())
    }

    async fn work(&self, workload: Workload) -> Result {
        let options = WorkerOptions::default()
            .pg_pool(self.pool.clone())
            .schema(SCHEMA)
            .define_job::<Noop>();
        let options = match workload {
            Workload::Latency => options,
            _ => options
                .concurrency(500)
                .poll_interval(Duration::from_millis(5))
                .complete_job_batch_delay(Duration::from_millis(5))
                .local_queue(LocalQueueConfig::default().with_size(5_000)),
        };
        let worker = options.init().await?;
        tokio::spawn(async move { worker.run().await });
        Ok(())
    }

    async fn unfinished(&self) -> Result<usize> {
        let text = "select count(*) from graphile_worker._private_jobs";
        let count: i64 = sqlx::query_scalar(text).fetch_one(&self.pool).await?;
        Ok(usize::try_from(count)?)
    }
}
