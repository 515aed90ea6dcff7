//! What a client asks of a store without changing anything.

use std::sync::Arc;

use stent_core::{
    StateKind, TaskId,
    store::{
        ExecutionPage, ExecutionQuery, FunctionRecord, Health, HistoryRequest, QueueRecord,
        TaskHistory, TaskPage, TaskQuery, WorkerRecord,
    },
};

use crate::{
    error::{Error, Result},
    stent::Stent,
};

impl Stent {
    /// Executions by a query, newest first, in pages.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Unavailable`].
    ///
    /// ```
    /// # use stent_client::{Stent, Tag, ExecutionQuery};
    /// # async fn example(stent: Stent) -> stent_client::Result<()> {
    /// let query = ExecutionQuery { tag: Some(Tag::new("vip")?), ..ExecutionQuery::default() };
    /// for execution in stent.executions(query).await?.executions {
    ///     println!("{} is {}", execution.root.task.id, execution.root.task.state.kind());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn executions(&self, query: ExecutionQuery) -> Result<ExecutionPage> {
        let inner = &*self.inner;
        inner
            .patience
            .ask("read executions", || inner.store.executions(query.clone()))
            .await
    }

    /// Executions that failed with no retry left, newest first, in pages. The states of the query don't count.
    ///
    /// # Errors
    /// As [`Stent::executions`].
    pub async fn dead_letters(&self, query: ExecutionQuery) -> Result<ExecutionPage> {
        self.executions(ExecutionQuery {
            states: vec![StateKind::Failed],
            ..query
        })
        .await
    }

    /// Tasks by a query, in the order of their making, in pages.
    ///
    /// # Errors
    /// As [`Stent::executions`].
    pub async fn tasks(&self, query: TaskQuery) -> Result<TaskPage> {
        let inner = &*self.inner;
        inner
            .patience
            .ask("read tasks", || inner.store.tasks(query.clone()))
            .await
    }

    /// The recorded operations of tasks, by call position; none for a task that there is not.
    ///
    /// # Errors
    /// As [`Stent::executions`].
    pub async fn histories(
        &self,
        tasks: impl IntoIterator<Item = TaskId>,
    ) -> Result<Vec<TaskHistory>> {
        let inner = &*self.inner;
        let requests: Vec<_> = tasks
            .into_iter()
            .map(|task| HistoryRequest {
                task,
                after: stent_core::Ordinal::NONE,
                whole: true,
            })
            .collect();
        inner
            .patience
            .ask("read histories", || inner.store.history(requests.clone()))
            .await
    }

    /// Functions that workers declared or that have tasks, by name, with their limits and the numbers of their tasks.
    ///
    /// # Errors
    /// As [`Stent::executions`].
    pub async fn functions(&self) -> Result<Vec<FunctionRecord>> {
        let inner = &*self.inner;
        inner
            .patience
            .ask("read functions", || inner.store.functions())
            .await
    }

    /// Queues with tasks that have not ended, by name: how many tasks wait and run, and since when the one that is due longest could have been
    /// started, which tells how far the workers are behind.
    ///
    /// # Errors
    /// As [`Stent::executions`].
    pub async fn queues(&self) -> Result<Vec<QueueRecord>> {
        let inner = &*self.inner;
        inner
            .patience
            .ask("read queues", || inner.store.queues())
            .await
    }

    /// Whether the store would take a change now; for a health check. It asks once, and goes the way of a request that changes something.
    ///
    /// # Errors
    /// [`Error::Store`], with what such a request would meet.
    pub async fn health(&self) -> Result<Health> {
        let health = self.inner.store.health().await;
        health.map_err(|source| Error::Store {
            what: "pass a health check",
            source: Arc::new(source),
        })
    }

    /// Workers that were heard of within the last day, the newest first.
    ///
    /// # Errors
    /// As [`Stent::executions`].
    pub async fn workers(&self) -> Result<Vec<WorkerRecord>> {
        let inner = &*self.inner;
        inner
            .patience
            .ask("read workers", || inner.store.workers())
            .await
    }
}
