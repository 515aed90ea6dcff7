//! What a client changes without dispatching.

use std::num::NonZeroU32;

use serde::Serialize;
use stent_core::{
    ExecutionId, FunctionName, Payload, SignalName, defaults,
    limit::Limit,
    signal::{NewSignal, SignalAnswer},
    store::{
        CancelAnswer, CleanupAnswer, CleanupRequest, ReplayAnswer, SetLimitRequest, SignalRequest,
    },
};

use crate::{
    duration::IntoDuration,
    error::{Error, Result},
    ids::signal_id,
    stent::{Stent, wrong_count},
};

/// The answer to a request that was about one thing.
fn only<T>(answers: Vec<T>) -> Result<T> {
    let count = answers.len();
    let mut answers = answers.into_iter();
    match (answers.next(), answers.next()) {
        (Some(answer), None) => Ok(answer),
        _ => Err(wrong_count(1, count)),
    }
}

impl Stent {
    /// Sends an outside event to an execution. When it returns, the signal is kept, and received when a body of the execution asks for its name.
    /// Signals that one sender sends one after the other are received in that order.
    ///
    /// # Errors
    /// [`Error::Ended`] and [`Error::NoSuchExecution`]; [`Error::Name`], [`Error::Payload`]; [`Error::Store`]; [`Error::Unavailable`], after
    /// which it may have been sent all the same.
    pub async fn signal<T: Serialize + ?Sized>(
        &self,
        execution: ExecutionId,
        name: impl AsRef<str>,
        payload: &T,
    ) -> Result<()> {
        let inner = &*self.inner;
        let request = SignalRequest {
            signals: vec![NewSignal {
                id: signal_id(&*inner.patience.ids),
                execution,
                name: SignalName::new(name)?,
                payload: Payload::encode(payload, inner.payload_limit)?,
            }],
        };
        let answers = inner
            .patience
            .ask("send a signal", || inner.store.signal(request.clone()))
            .await?;
        match only(answers)? {
            SignalAnswer::Accepted | SignalAnswer::Known => Ok(()),
            SignalAnswer::Ended(state) => Err(Error::Ended { execution, state }),
            SignalAnswer::NoSuchExecution => Err(Error::NoSuchExecution { execution }),
        }
    }

    /// Cancels an execution with all below it. What has not started never starts; bodies that run are dropped at their next await. Asking again
    /// changes nothing, and neither does asking for one that has ended: the answer says so.
    ///
    /// # Errors
    /// [`Error::NoSuchExecution`]; [`Error::Store`]; [`Error::Unavailable`], after which it may be cancelled all the same.
    pub async fn cancel(&self, execution: ExecutionId) -> Result<CancelAnswer> {
        let inner = &*self.inner;
        let answers = inner
            .patience
            .ask("cancel", || inner.store.cancel(vec![execution]))
            .await?;
        match only(answers)? {
            CancelAnswer::NoSuchExecution => Err(Error::NoSuchExecution { execution }),
            answer @ (CancelAnswer::Requested | CancelAnswer::Ended(_)) => Ok(answer),
        }
    }

    /// Puts a failed execution back into the queue, due now, with its attempts and crashes counted anew. What finished is not run again.
    ///
    /// # Errors
    /// [`Error::NotDeadLetter`] and [`Error::NoSuchExecution`]; [`Error::Store`]; [`Error::Unavailable`], after which it may be replayed all
    /// the same: then asking again is [`Error::NotDeadLetter`].
    pub async fn replay_dead_letter(&self, execution: ExecutionId) -> Result<()> {
        let inner = &*self.inner;
        let answers = inner
            .patience
            .ask("replay a dead letter", || {
                inner.store.replay_dead_letters(vec![execution])
            })
            .await?;
        match only(answers)? {
            ReplayAnswer::Replayed => Ok(()),
            ReplayAnswer::NotDeadLetter(state) => Err(Error::NotDeadLetter { execution, state }),
            ReplayAnswer::NoSuchExecution => Err(Error::NoSuchExecution { execution }),
        }
    }

    /// Sets how many tasks of a function may hold a slot at once, over all workers. It counts before what the code declares, until it is unset.
    /// Lowered below what runs, it starts nothing until that fits.
    ///
    /// # Errors
    /// [`Error::Limit`] for 0 and more than `i32::MAX`; [`Error::Name`]; [`Error::Store`]; [`Error::Unavailable`], after which it may be set
    /// all the same.
    pub async fn set_limit(&self, function: impl AsRef<str>, max_concurrent: u32) -> Result<()> {
        let limit = Limit::new(i64::from(max_concurrent))?;
        self.store_limit(function.as_ref(), Some(limit.max_concurrent))
            .await
    }

    /// Lets a function's limit be what its code declares again.
    ///
    /// # Errors
    /// As [`Stent::set_limit`].
    pub async fn unset_limit(&self, function: impl AsRef<str>) -> Result<()> {
        self.store_limit(function.as_ref(), None).await
    }

    async fn store_limit(&self, function: &str, max_concurrent: Option<NonZeroU32>) -> Result<()> {
        let inner = &*self.inner;
        let request = SetLimitRequest {
            function: FunctionName::new(function)?,
            max_concurrent,
        };
        inner
            .patience
            .ask("set a limit", || inner.store.set_limit(request.clone()))
            .await
    }

    /// Deletes all executions that ended longer ago than a span of time, with all that belongs to them, and answers how many there were. Workers
    /// do it on their own, by their retention period.
    ///
    /// # Errors
    /// [`Error::Duration`], [`Error::Store`], [`Error::Unavailable`]. Some may be deleted by then.
    ///
    /// # Cancel safety
    /// Dropped, it has deleted some of them, each whole.
    pub async fn clean_up(&self, retention: impl IntoDuration) -> Result<u64> {
        let inner = &*self.inner;
        let request = CleanupRequest {
            retention: retention.into_duration()?,
            limit: defaults::CLEANUP_BATCH,
            interval: None,
        };
        let mut deleted = 0_u64;
        loop {
            let answer = inner
                .patience
                .ask("clean up", || inner.store.clean_up(request))
                .await?;
            match answer {
                CleanupAnswer::Deleted { executions, more } => {
                    deleted = deleted.saturating_add(u64::from(executions));
                    if !more || executions == 0 {
                        return Ok(deleted);
                    }
                }
                CleanupAnswer::NotDue { .. } => return Ok(deleted),
            }
        }
    }
}
