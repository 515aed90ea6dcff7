//! underway.
//!
//! 32 tasks at once, as in the example of `Worker::set_concurrency_limit`; each holds a connection, so the pool has as many and some for its
//! listeners. It hears of tasks by `NOTIFY`. Many tasks by `Queue::enqueue_multi`; steps as a job of ten.

use std::{process::ExitCode, sync::Arc, time::Duration};

use peer_common::{Peer, Result, Workload, body};
use sqlx::{PgPool, Postgres, Transaction, postgres::PgPoolOptions};
use tokio::{runtime::Handle, sync::Mutex, task::block_in_place};
use underway::{Job, Queue, Task, To, Worker, task};

const AT_ONCE: usize = 32;
/// Steps of the job, which is built once.
const STEPS: usize = 10;

fn main() -> ExitCode {
    peer_common::main(|asked| asked.measure::<Underway>())
}

struct Noop;

impl Task for Noop {
    type Input = u64;
    type Output = ();

    async fn execute(&self, tx: Transaction<'_, Postgres>, _: u64) -> task::Result<()> {
        body::ran();
        tx.commit().await?;
        Ok(())
    }
}

struct Underway {
    pool: PgPool,
    queue: Arc<Queue<Noop>>,
    /// The one that has steps.
    job: Mutex<Option<Job<u64, ()>>>,
}

impl Peer for Underway {
    const DIFFERS: &'static str =
        "each step is a task of its own, whose result the next one is given";

    async fn open(database: &str) -> Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(u32::try_from(AT_ONCE + 8)?)
            .connect(database)
            .await?;
        // The compiler cannot see that this future may go to another thread, so it stays on this one.
        block_in_place(|| Handle::current().block_on(underway::run_migrations(&pool)))?;
        let queue = Queue::builder()
            .name("bench")
            .pool(pool.clone())
            .build()
            .await?;
        Ok(Self {
            pool,
            queue: Arc::new(queue),
            job: Mutex::new(None),
        })
    }

    async fn dispatch(&self) -> Result {
        self.queue.enqueue(&self.pool, &Noop, &0).await?;
        Ok(())
    }

    async fn dispatch_all(&self, count: usize) -> Result {
        let numbers: Vec<_> = (0..u64::try_from(count)?).collect();
        self.queue
            .enqueue_multi(&self.pool, &Noop, &numbers)
            .await?;
        Ok(())
    }

    async fn work(&self, _: Workload) -> Result {
        let mut worker = Worker::new(Arc::clone(&self.queue), Noop);
        worker.set_concurrency_limit(AT_ONCE);
        tokio::spawn(async move { worker.run().await });
        Ok(())
    }

    async fn unfinished(&self) -> Result<usize> {
        let text = "select count(*) from underway.task where state <> 'succeeded'";
        let count: i64 = sqlx::query_scalar(text).fetch_one(&self.pool).await?;
        Ok(usize::try_from(count)?)
    }

    async fn dispatch_steps(&self, executions: usize, each: usize) -> Result {
        if each != STEPS {
            return Err(format!("the job has {STEPS} steps, not {each}").into());
        }
        let next = |_, number: u64| async move {
            body::ran();
            To::next(number)
        };
        let job = Job::<u64, ()>::builder()
            .step(next)
            .step(next)
            .step(next)
            .step(next)
            .step(next)
            .step(next)
            .step(next)
            .step(next)
            .step(next)
            .step(|_, _: u64| async move {
                body::ran();
                To::done()
            })
            .name("steps")
            .pool(self.pool.clone())
            .build()
            .await?;
        for _ in 0..executions {
            job.enqueue(&0).await?;
        }
        *self.job.lock().await = Some(job);
        Ok(())
    }

    async fn steps(&self, _: usize, _: usize) -> Result {
        let job = self.job.lock().await.take().ok_or("there is no job")?;
        let mut worker = job.worker();
        worker.set_concurrency_limit(AT_ONCE);
        tokio::spawn(async move { worker.run().await });
        while self.unfinished().await? > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}
