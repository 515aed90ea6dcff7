//! dbos, of the makers of DBOS.
//!
//! Work that waits goes by a queue that is looked at every 5 ms instead of every second (`QueueOptions::polling_interval`), with 20 connections as
//! in the example of its `Config`. One instance only calls (`Config::listen_queues` is empty), another works. The way `direct` starts workflows in
//! the process that calls, which is what its guide begins with, and its steps are measured that way, 100 workflows at once.

use std::{process::ExitCode, time::Duration};

use dbos::{Config, DBOS, Enqueue, QueueConflict, QueueOptions, StartOptions, WorkflowRef};
use futures_util::{StreamExt, TryStreamExt, stream};
use peer_common::{CANNOT_DIRECTLY, NO_BULK, Peer, RUNS_WITH_CALLER, Result, Workload, body};
use sqlx::PgPool;

const QUEUE: &str = "bench";
/// Workflows that run at once where each has steps.
const AT_ONCE: usize = 100;
/// A worker begins by looking every second, and each time waits a tenth less until it is at its interval.
const UNTIL_IDLE: Duration = Duration::from_secs(11);
const BY_DIRECT: &str = "measured as `dbos, direct`";

fn main() -> ExitCode {
    peer_common::main(|asked| match asked.way.as_str() {
        "direct" => asked.measure::<Direct>(),
        _ => asked.measure::<Queued>(),
    })
}

async fn noop(_: u64) -> dbos::Result<()> {
    body::ran();
    Ok(())
}

async fn step_in_sequence(steps: u64) -> dbos::Result<()> {
    for number in 0..steps {
        dbos::step("nothing", || async move {
            body::ran();
            Ok::<_, dbos::Error>(number)
        })
        .await?;
    }
    Ok(())
}

type Workflow = WorkflowRef<u64, (), dbos::EngineOnly>;

/// An instance that runs, and its workflows.
struct Instance {
    dbos: DBOS,
    noop: Workflow,
    step_in_sequence: Workflow,
}

async fn launch(database: &str, listen_queues: Option<Vec<String>>) -> Result<Instance> {
    let dbos = DBOS::new(Config {
        app_version: Some("1".to_owned()),
        max_connections: 20,
        listen_queues,
        ..Config::new("bench", database)
    });
    let noop = dbos.register_workflow("noop", noop)?;
    let step_in_sequence = dbos.register_workflow("step_in_sequence", step_in_sequence)?;
    dbos.launch().await?;
    Ok(Instance {
        dbos,
        noop,
        step_in_sequence,
    })
}

async fn unfinished(pool: &PgPool) -> Result<usize> {
    let text = "select count(*) from dbos.workflow_status where status <> 'SUCCESS'";
    let count: i64 = sqlx::query_scalar(text).fetch_one(pool).await?;
    Ok(usize::try_from(count)?)
}

/// Calls go through a queue.
struct Queued {
    caller: Instance,
    database: String,
    pool: PgPool,
}

impl Peer for Queued {
    const DIFFERS: &'static str = "";
    const CANNOT: &'static [(Workload, &'static str)] = &[
        (Workload::DispatchInBulk, NO_BULK),
        (Workload::Steps, BY_DIRECT),
    ];

    async fn open(database: &str) -> Result<Self> {
        let caller = launch(database, Some(Vec::new())).await?;
        let options = QueueOptions {
            polling_interval: Duration::from_millis(5),
            ..QueueOptions::default()
        };
        let conflict = QueueConflict::AlwaysUpdate;
        caller.dbos.register_queue(QUEUE, options, conflict).await?;
        Ok(Self {
            caller,
            database: database.to_owned(),
            pool: PgPool::connect(database).await?,
        })
    }

    async fn dispatch(&self) -> Result {
        let options = StartOptions {
            queue: Some(Enqueue::new(QUEUE)),
            ..StartOptions::default()
        };
        self.caller.noop.start_with(0, options).await?;
        Ok(())
    }

    async fn work(&self, workload: Workload) -> Result {
        let worker = launch(&self.database, None).await?;
        // It runs until the program ends.
        std::mem::forget(worker);
        if workload == Workload::Latency {
            tokio::time::sleep(UNTIL_IDLE).await;
        }
        Ok(())
    }

    async fn unfinished(&self) -> Result<usize> {
        unfinished(&self.pool).await
    }
}

/// Calls run where they are made.
struct Direct {
    instance: Instance,
    pool: PgPool,
}

impl Peer for Direct {
    const DIFFERS: &'static str = RUNS_WITH_CALLER;
    const CANNOT: &'static [(Workload, &'static str)] = CANNOT_DIRECTLY;

    async fn open(database: &str) -> Result<Self> {
        Ok(Self {
            instance: launch(database, None).await?,
            pool: PgPool::connect(database).await?,
        })
    }

    async fn dispatch(&self) -> Result {
        self.instance.noop.start(0).await?;
        Ok(())
    }

    async fn work(&self, _: Workload) -> Result {
        Ok(())
    }

    async fn unfinished(&self) -> Result<usize> {
        unfinished(&self.pool).await
    }

    async fn steps(&self, executions: usize, each: usize) -> Result {
        let each = u64::try_from(each)?;
        stream::iter(0..executions)
            .map(|_| async move { self.instance.step_in_sequence.run(each).await })
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(())
    }
}
