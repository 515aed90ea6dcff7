//! What people and workers look at. Nothing here changes anything.

mod functions;
mod histories;
mod listing;

use stent_core::store::{
    ExecutionPage, ExecutionQuery, FunctionRecord, HistoryRequest, QueueRecord, TaskHistory,
    TaskPage, TaskQuery, WorkerRecord,
};

use crate::{fault::Fault, session::Session};

/// A request that changes nothing, and sees one instant of the database.
#[async_trait::async_trait]
pub(crate) trait Look: Send + Sync + 'static {
    /// What it is answered with.
    type Answer: Send + 'static;
    /// What it is called in errors.
    const NAME: &'static str;

    /// Looks.
    async fn run(&self, session: &Session<'_>) -> Result<Self::Answer, Fault>;
}

/// Every function.
#[derive(Debug)]
pub(crate) struct Functions;

/// Every queue.
#[derive(Debug)]
pub(crate) struct Queues;

/// Every worker that reported of late.
#[derive(Debug)]
pub(crate) struct Workers;

macro_rules! looks {
    ($($request:ty => $answer:ty, $name:literal, $method:ident($($argument:ident)?);)*) => {$(
        #[async_trait::async_trait]
        impl Look for $request {
            type Answer = $answer;
            const NAME: &'static str = $name;

            async fn run(&self, session: &Session<'_>) -> Result<$answer, Fault> {
                $(let $argument = self;)?
                session.$method($($argument)?).await
            }
        }
    )*};
}

looks! {
    Vec<HistoryRequest> => Vec<TaskHistory>, "history", task_histories(requests);
    ExecutionQuery => ExecutionPage, "executions", execution_page(query);
    TaskQuery => TaskPage, "tasks", task_page(query);
    Functions => Vec<FunctionRecord>, "functions", function_records();
    Queues => Vec<QueueRecord>, "queues", queue_records();
    Workers => Vec<WorkerRecord>, "workers", worker_records();
}
