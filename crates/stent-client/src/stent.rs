//! A program's door to a store: it makes executions and waits for them.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use stent_core::{
    ExecutionId, NewExecution, Store, StoreError, defaults,
    store::{DispatchAnswer, DispatchRequest, Dispatched},
};

use crate::{
    call::Call,
    durable::Durable,
    error::{Error, Result},
    handle::{ExecutionHandle, Handle},
    ids::{IdSource, MachineIds, task_id},
    patience::Patience,
    waiter::Waiter,
};

/// Dispatches calls to a store, and asks it what became of them. Cheap to clone; all clones wait through one task.
///
/// Every method repeats a request whose answer is a failure that may pass, or none, under the same ids: what is asked for happens once. After 30 s
/// ([`StentBuilder::patience`]) it gives up with [`Error::Unavailable`]. They need a tokio runtime with time enabled.
///
/// # Cancel safety
/// A method whose future is dropped has done what it was asked for as a whole, or not at all, unless it says otherwise.
#[derive(Clone, Debug)]
pub struct Stent {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) payload_limit: usize,
    pub(crate) patience: Patience,
    pub(crate) waiter: Waiter,
}

/// Sets a [`Stent`] up.
#[derive(Debug)]
#[must_use = "it does nothing before it is built"]
pub struct StentBuilder {
    store: Arc<dyn Store>,
    payload_limit: usize,
    patience: Duration,
    poll_interval: Duration,
    ids: Arc<dyn IdSource>,
}

impl StentBuilder {
    /// How large an input or a signal may be, in bytes. Default 4 MiB. Workers have a limit of their own.
    pub fn payload_limit(mut self, bytes: usize) -> Self {
        self.payload_limit = bytes;
        self
    }

    /// How long a request is repeated that the store does not answer. Default 30 s.
    pub fn patience(mut self, within: Duration) -> Self {
        self.patience = within;
        self
    }

    /// How often executions are looked at that someone waits for, when no hint comes. Default 1 s, at least 1 ms.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval.max(Duration::from_millis(1));
        self
    }

    /// Where ids come from. Default: the machine's clock and random numbers.
    pub fn ids(mut self, ids: Arc<dyn IdSource>) -> Self {
        self.ids = ids;
        self
    }

    /// The client.
    #[must_use]
    pub fn build(self) -> Stent {
        let patience = Patience {
            within: self.patience,
            ids: self.ids,
        };
        let waiter = Waiter::new(
            Arc::clone(&self.store),
            patience.clone(),
            self.poll_interval,
        );
        Stent {
            inner: Arc::new(Inner {
                store: self.store,
                payload_limit: self.payload_limit,
                patience,
                waiter,
            }),
        }
    }
}

impl Stent {
    /// A client of a store, with the defaults. The facade's `Stent::open` takes a URL instead.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self::builder(store).build()
    }

    /// Sets up a client of a store.
    pub fn builder(store: Arc<dyn Store>) -> StentBuilder {
        StentBuilder {
            store,
            payload_limit: defaults::PAYLOAD_MAX_BYTES,
            patience: defaults::CLIENT_PATIENCE,
            poll_interval: defaults::POLL_INTERVAL,
            ids: Arc::new(MachineIds),
        }
    }

    /// Its store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// How large an input or a signal may be, in bytes.
    #[must_use]
    pub fn payload_limit(&self) -> usize {
        self.inner.payload_limit
    }

    /// Makes an execution of a call. When it returns, the execution is committed: it is run, whatever happens to this program.
    ///
    /// With an idempotency key that its function has in use, it gives the existing execution; see [`Handle::existing`].
    ///
    /// # Errors
    /// What is wrong with the call; [`Error::Store`]; [`Error::Unavailable`], after which it may have been made all the same.
    ///
    /// ```
    /// # use stent_client::{Call, Durable, Stent};
    /// # async fn example<D: Durable>(stent: Stent, charge: fn(u64) -> Call<D>) -> stent_client::Result<()> {
    /// let execution = stent.dispatch(charge(17).delay("5m").tag("vip")).await?;
    /// println!("{}", execution.id());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn dispatch<D: Durable>(&self, call: Call<D>) -> Result<Handle<D>> {
        let execution = self.inner.execution(call)?;
        let id = execution.root.id.as_root();
        let executions = vec![execution];
        let answer = self.inner.dispatch(&DispatchRequest { executions }).await?;
        match answer.executions.as_slice() {
            [dispatched] => Ok(self.handle_of(id, *dispatched)),
            other => Err(wrong_count(1, other.len())),
        }
    }

    /// Makes an execution of each call, in their order; as [`Stent::dispatch`].
    ///
    /// Calls are checked before anything is made. Up to 10,000 calls, of 64 MiB of input together, are one transaction; of more, each such part
    /// is one.
    ///
    /// # Errors
    /// As [`Stent::dispatch`]; [`Error::PartlyDispatched`] when a part failed after others.
    ///
    /// # Cancel safety
    /// Dropped, it has made the executions of some of the first parts, each whole.
    pub async fn dispatch_all<D: Durable>(
        &self,
        calls: impl IntoIterator<Item = Call<D>>,
    ) -> Result<Vec<Handle<D>>> {
        let executions = self.inner.executions(calls)?;
        let calls = executions.len();
        let mut handles = Vec::with_capacity(calls);
        for part in parts(executions) {
            let request = DispatchRequest { executions: part };
            let answer = self.inner.dispatch(&request).await;
            match answer.and_then(|answer| self.handles_of(&request, answer)) {
                Ok(more) => handles.extend(more),
                Err(error) if handles.is_empty() => return Err(error),
                Err(error) => {
                    return Err(Error::PartlyDispatched {
                        dispatched: handles.len(),
                        calls,
                        source: Box::new(error),
                    });
                }
            }
        }
        Ok(handles)
    }

    /// Checks calls and gives their executions ids, as [`Stent::dispatch_all`] does, for a store that is to make them in another way: in a
    /// transaction of the caller's. On the stores of the crate `stent`, its `dispatch_in` does both.
    ///
    /// # Errors
    /// What is wrong with a call; the first one counts.
    ///
    /// ```
    /// # use stent_client::{Call, Durable, Handle, Stent};
    /// # use stent_core::{StoreError, store::{DispatchAnswer, DispatchRequest}};
    /// # fn example<D: Durable>(
    /// #     stent: &Stent, call: Call<D>, my_store: fn(&DispatchRequest) -> Result<DispatchAnswer, StoreError>,
    /// # ) -> Result<Vec<Handle<D>>, Box<dyn std::error::Error>> {
    /// let prepared = stent.prepare([call])?;
    /// let answers = prepared.requests().iter().map(my_store).collect::<Result<Vec<_>, _>>()?;
    /// let handles = prepared.into_handles(answers)?;
    /// # Ok(handles)
    /// # }
    /// ```
    pub fn prepare<D: Durable>(
        &self,
        calls: impl IntoIterator<Item = Call<D>>,
    ) -> Result<Prepared<D>> {
        let executions = self.inner.executions(calls)?;
        let requests = parts(executions)
            .into_iter()
            .map(|executions| DispatchRequest { executions });
        Ok(Prepared {
            stent: self.clone(),
            requests: requests.collect(),
            function: PhantomData,
        })
    }

    /// Dispatches a call and waits for its result.
    ///
    /// # Errors
    /// Those of [`Stent::dispatch`] and of [`Handle::result`].
    ///
    /// # Cancel safety
    /// Dropped, it does not cancel the execution.
    pub async fn run<D: Durable>(&self, call: Call<D>) -> Result<D::Output> {
        self.dispatch(call).await?.result().await
    }

    /// A handle of an execution that was dispatched before. The store is not asked.
    #[must_use]
    pub fn handle<D: Durable>(&self, id: ExecutionId) -> Handle<D> {
        Handle::new(self.execution(id), None)
    }

    /// A handle of an execution of whatever function. The store is not asked.
    #[must_use]
    pub fn execution(&self, id: ExecutionId) -> ExecutionHandle {
        ExecutionHandle::new(self.clone(), id)
    }

    /// The handles of what was made, in order.
    fn handles_of<D: Durable>(
        &self,
        request: &DispatchRequest,
        answer: DispatchAnswer,
    ) -> Result<Vec<Handle<D>>> {
        let (asked, answers) = (request.executions.len(), answer.executions.len());
        if asked != answers {
            return Err(wrong_count(asked, answers));
        }
        let ids = request.executions.iter().map(|one| one.root.id.as_root());
        Ok(ids
            .zip(answer.executions)
            .map(|(id, dispatched)| self.handle_of(id, dispatched))
            .collect())
    }

    fn handle_of<D: Durable>(&self, id: ExecutionId, dispatched: Dispatched) -> Handle<D> {
        let existing = match dispatched {
            // What exists under the id that was just made was made by this dispatch, which had to be repeated.
            Dispatched::Existing { execution, .. } if execution == id => None,
            Dispatched::Created(_) => None,
            Dispatched::Existing { other_input, .. } => Some(Existing { other_input }),
        };
        Handle::new(self.execution(dispatched.execution()), existing)
    }
}

/// Calls of one function that were checked, with ids: what [`Stent::prepare`] gives.
#[must_use = "nothing is dispatched before a store was given the requests"]
pub struct Prepared<D: Durable> {
    stent: Stent,
    requests: Vec<DispatchRequest>,
    function: PhantomData<fn() -> D>,
}

impl<D: Durable> Prepared<D> {
    /// What to ask of the store, in order: one request, or several where one would be too large.
    #[must_use]
    pub fn requests(&self) -> &[DispatchRequest] {
        &self.requests
    }

    /// The handles, in the order of the calls, from the store's answers in the order of the requests.
    ///
    /// # Errors
    /// [`Error::Store`] when there are more or fewer answers than there were requests.
    pub fn into_handles(
        self,
        answers: impl IntoIterator<Item = DispatchAnswer>,
    ) -> Result<Vec<Handle<D>>> {
        let answers: Vec<_> = answers.into_iter().collect();
        if answers.len() != self.requests.len() {
            return Err(wrong_count(self.requests.len(), answers.len()));
        }
        let mut handles = Vec::new();
        for (request, answer) in self.requests.iter().zip(answers) {
            handles.extend(self.stent.handles_of(request, answer)?);
        }
        Ok(handles)
    }
}

impl<D: Durable> fmt::Debug for Prepared<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

/// An execution that a dispatch found under its idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Existing {
    /// Whether its arguments are other than those of the dispatch.
    pub other_input: bool,
}

impl Inner {
    fn execution<D: Durable>(&self, call: Call<D>) -> Result<NewExecution> {
        call.into_execution(task_id(&*self.patience.ids), self.payload_limit)
    }

    fn executions<D: Durable>(
        &self,
        calls: impl IntoIterator<Item = Call<D>>,
    ) -> Result<Vec<NewExecution>> {
        let calls = calls.into_iter();
        calls.map(|call| self.execution(call)).collect()
    }

    async fn dispatch(&self, request: &DispatchRequest) -> Result<DispatchAnswer> {
        self.patience
            .ask("dispatch", || self.store.dispatch(request.clone()))
            .await
    }
}

/// Cuts executions into what one request may hold.
fn parts(executions: Vec<NewExecution>) -> Vec<Vec<NewExecution>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut bytes = 0_usize;
    for execution in executions {
        let size = execution.root.input.as_str().len();
        let full = part.len() == defaults::BATCH_MAX
            || bytes.saturating_add(size) > defaults::BATCH_MAX_BYTES;
        if full && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes = bytes.saturating_add(size);
        part.push(execution);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// A store that gave more or fewer answers than it was asked for.
pub(crate) fn wrong_count(asked: usize, answers: usize) -> Error {
    Error::Store {
        what: "answer",
        source: Arc::new(StoreError::Final {
            what: format!("{asked} answers were expected and {answers} came"),
            source: None,
        }),
    }
}

impl fmt::Display for Existing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.other_input {
            "an execution with other arguments exists under this idempotency key"
        } else {
            "an execution exists under this idempotency key"
        })
    }
}

#[cfg(test)]
mod tests {
    use stent_core::{FunctionName, NewTask, Payload, Priority, QueueName, TaskId, When};
    use uuid::Uuid;

    use super::*;

    fn execution(bytes: usize) -> NewExecution {
        NewExecution {
            root: NewTask {
                id: TaskId::from_uuid(Uuid::nil()),
                function: FunctionName::new("f").unwrap(),
                queue: QueueName::default(),
                priority: Priority::default(),
                due: When::Now,
                input: Payload::from_stored("x".repeat(bytes)),
                timeout: None,
                deadline: None,
            },
            idempotency_key: None,
            tags: Vec::new(),
        }
    }

    fn sizes(executions: Vec<NewExecution>) -> Vec<usize> {
        parts(executions).iter().map(Vec::len).collect()
    }

    #[test]
    fn many_calls_are_cut_into_requests_of_bounded_number_and_size() {
        assert!(sizes(Vec::new()).is_empty());
        assert_eq!(
            sizes(vec![execution(1); defaults::BATCH_MAX]),
            [defaults::BATCH_MAX]
        );
        assert_eq!(
            sizes(vec![execution(1); defaults::BATCH_MAX + 1]),
            [defaults::BATCH_MAX, 1]
        );
        let large = execution(defaults::BATCH_MAX_BYTES / 2 + 1);
        assert_eq!(sizes(vec![large; 3]), [1, 1, 1]);
        assert_eq!(
            sizes(vec![execution(defaults::BATCH_MAX_BYTES + 1); 2]),
            [1, 1]
        );
    }
}
