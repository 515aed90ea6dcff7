//! An execution as whoever dispatched it sees it.

use std::{fmt, marker::PhantomData};

use serde::Serialize;
use stent_core::{
    ExecutionId, FunctionName, Outcome, StateKind,
    store::{CancelAnswer, ExecutionQuery, ExecutionRecord},
};

use crate::{
    call::decode,
    durable::Durable,
    error::{Error, Result},
    stent::{Existing, Stent},
};

/// An execution of whatever function. Cheap to clone; dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct ExecutionHandle {
    stent: Stent,
    id: ExecutionId,
}

impl ExecutionHandle {
    pub(crate) const fn new(stent: Stent, id: ExecutionId) -> Self {
        Self { stent, id }
    }

    /// Its id. It is no secret, and knowing it is no permission.
    #[must_use]
    pub const fn id(&self) -> ExecutionId {
        self.id
    }

    /// Waits until the execution has ended, and gives its function and how it ended.
    ///
    /// However many wait, they cost one query per look: at hints, and each second. It has no time limit of its own.
    ///
    /// # Errors
    /// [`Error::NoSuchExecution`]; [`Error::Store`]; [`Error::Unavailable`] when the store has not answered for as long as the client tries.
    ///
    /// # Cancel safety
    /// Dropping it only stops waiting.
    pub async fn outcome(&self) -> Result<(FunctionName, Outcome)> {
        let ended = self.stent.inner.waiter.ended(self.id).await?;
        Ok((ended.function, ended.outcome))
    }

    /// The execution as it is kept, with its input and outcome.
    ///
    /// # Errors
    /// [`Error::NoSuchExecution`], [`Error::Store`], [`Error::Unavailable`].
    pub async fn record(&self) -> Result<ExecutionRecord> {
        self.read(true).await
    }

    /// Its state.
    ///
    /// # Errors
    /// [`Error::NoSuchExecution`], [`Error::Store`], [`Error::Unavailable`].
    pub async fn state(&self) -> Result<StateKind> {
        Ok(self.read(false).await?.root.task.state.kind())
    }

    async fn read(&self, payloads: bool) -> Result<ExecutionRecord> {
        let query = ExecutionQuery {
            ids: Some(vec![self.id]),
            limit: 1,
            payloads,
            ..ExecutionQuery::default()
        };
        let page = self.stent.executions(query).await?;
        page.executions
            .into_iter()
            .next()
            .ok_or(Error::NoSuchExecution { execution: self.id })
    }

    /// Sends it a signal; as [`Stent::signal`].
    ///
    /// # Errors
    /// As [`Stent::signal`].
    pub async fn signal<T: Serialize + ?Sized>(
        &self,
        name: impl AsRef<str>,
        payload: &T,
    ) -> Result<()> {
        self.stent.signal(self.id, name, payload).await
    }

    /// Cancels it, with all below it; as [`Stent::cancel`].
    ///
    /// # Errors
    /// As [`Stent::cancel`].
    pub async fn cancel(&self) -> Result<CancelAnswer> {
        self.stent.cancel(self.id).await
    }
}

/// An execution of the durable function `D`. Cheap to clone; dropping it changes nothing.
pub struct Handle<D: Durable> {
    execution: ExecutionHandle,
    existing: Option<Existing>,
    function: PhantomData<fn() -> D>,
}

impl<D: Durable> Handle<D> {
    pub(crate) const fn new(execution: ExecutionHandle, existing: Option<Existing>) -> Self {
        Self {
            execution,
            existing,
            function: PhantomData,
        }
    }

    /// Its id. It is no secret, and knowing it is no permission.
    #[must_use]
    pub const fn id(&self) -> ExecutionId {
        self.execution.id()
    }

    /// What the dispatch found under its idempotency key, if it made nothing.
    #[must_use]
    pub const fn existing(&self) -> Option<Existing> {
        self.existing
    }

    /// The execution without the type of its function.
    #[must_use]
    pub const fn untyped(&self) -> &ExecutionHandle {
        &self.execution
    }

    /// Waits until the execution has ended, and gives its result; as [`ExecutionHandle::outcome`].
    ///
    /// # Errors
    /// [`Error::Failed`], [`Error::TimedOut`], [`Error::Cancelled`] as it ended; [`Error::Undecodable`] when its result is no `D::Output`;
    /// [`Error::OtherFunction`]; and those of [`ExecutionHandle::outcome`].
    ///
    /// # Cancel safety
    /// Dropping it only stops waiting.
    pub async fn result(&self) -> Result<D::Output> {
        let (function, outcome) = self.execution.outcome().await?;
        self.read(&function, outcome)
    }

    /// The result, if the execution has ended.
    ///
    /// # Errors
    /// As [`Handle::result`].
    pub async fn try_result(&self) -> Result<Option<D::Output>> {
        let root = self.execution.record().await?.root;
        root.outcome
            .map(|outcome| self.read(&root.task.function, outcome))
            .transpose()
    }

    fn read(&self, function: &FunctionName, outcome: Outcome) -> Result<D::Output> {
        let expected = &D::definition().name;
        if function != expected {
            return Err(Error::OtherFunction {
                execution: self.id(),
                expected: expected.clone(),
                found: function.clone(),
            });
        }
        let payload = Error::of_outcome(function, outcome)?;
        decode(
            &format_args!("execution {} of `{function}`", self.id()),
            &payload,
        )
    }

    /// Its state; as [`ExecutionHandle::state`].
    ///
    /// # Errors
    /// As [`ExecutionHandle::state`].
    pub async fn state(&self) -> Result<StateKind> {
        self.execution.state().await
    }

    /// Sends it a signal; as [`Stent::signal`].
    ///
    /// # Errors
    /// As [`Stent::signal`].
    pub async fn signal<T: Serialize + ?Sized>(
        &self,
        name: impl AsRef<str>,
        payload: &T,
    ) -> Result<()> {
        self.execution.signal(name, payload).await
    }

    /// Cancels it, with all below it; as [`Stent::cancel`].
    ///
    /// # Errors
    /// As [`Stent::cancel`].
    pub async fn cancel(&self) -> Result<CancelAnswer> {
        self.execution.cancel().await
    }
}

impl<D: Durable> Clone for Handle<D> {
    fn clone(&self) -> Self {
        Self::new(self.execution.clone(), self.existing)
    }
}

impl<D: Durable> fmt::Debug for Handle<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("function", &D::NAME)
            .field("id", &self.id())
            .field("existing", &self.existing)
            .finish_non_exhaustive()
    }
}
