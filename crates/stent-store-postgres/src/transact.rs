//! Running requests: each in a transaction of its own, anew when another transaction was in its way.
//!
//! **Invariant:** a transaction runs in a task that nobody drops, whatever becomes of its caller; and a connection whose call failed in a way that
//! leaves its state unknown is thrown away. No attempt takes longer than the store's patience, and a rollback after it, whatever the server does.

use std::{sync::Arc, time::Duration};

use stent_core::{FunctionName, Priority, QueueName, StoreError};
use tokio_postgres::Row;

use crate::{
    fault::Fault,
    lanes::LaneNames,
    pipeline::{Call, Frame},
    pool::Connection,
    read::Look,
    rows::Reading,
    session::Session,
    shared::Shared,
    statements::Sql,
    write::Verb,
};

/// How often a request is done anew before its caller is told to try again. Conflicts come from others that were faster, so each round
/// lets at least one of them through.
const ATTEMPTS_MAX: u32 = 20;

/// How long a rollback may take, or a question that reads no table: neither waits for anybody.
const ROLLBACK_WAIT: Duration = Duration::from_secs(5);

impl Shared {
    /// Does a request that changes something, to its end, even if the caller goes away.
    pub(crate) async fn write<V: Verb>(self: &Arc<Self>, verb: V) -> Result<V::Answer, StoreError> {
        let shared = Arc::clone(self);
        let running = tokio::spawn(async move { shared.attempts(&verb).await });
        match running.await {
            Ok(answer) => answer,
            Err(stopped) => Err(StoreError::OutcomeUnknown {
                what: format!("`{}` was stopped with its runtime, or panicked", V::NAME),
                source: Some(Box::new(stopped)),
            }),
        }
    }

    /// Does a request, anew as long as others are in its way. Only within a task that nobody drops.
    pub(crate) async fn attempts<V: Verb>(&self, verb: &V) -> Result<V::Answer, StoreError> {
        let mut left = ATTEMPTS_MAX;
        loop {
            left = left.saturating_sub(1);
            match self.attempt(verb).await {
                Err(Failure::Conflict(_)) if left > 0 => {}
                Err(Failure::Conflict(fault)) => return Err(fault.into_store_error(V::NAME)),
                Err(Failure::Store(error)) => return Err(error),
                Ok(answer) => return Ok(answer),
            }
        }
    }

    async fn attempt<V: Verb>(&self, verb: &V) -> Result<V::Answer, Failure> {
        let mut connection = self.pool.get(V::NAME).await.map_err(Failure::Store)?;
        let mut session = Session::new(&connection, self);
        let after = self.patience;
        let done = tokio::time::timeout(after, session.transact(verb)).await;
        let done = done.unwrap_or(Err(Fault::Silent { after }));
        let hints = session.take_hints();
        let is_committed = session.is_finished;
        drop(session);
        let fault = match done {
            Ok(answer) => {
                connection.keep();
                self.tell(hints);
                return Ok(answer);
            }
            Err(fault) => fault,
        };
        let fault = self.end(&mut connection, fault).await;
        Err(if is_committed {
            // Done anew, it would find what it made itself, and take it for somebody else's.
            // proven by cuts::a_dispatch_that_is_committed_is_never_said_to_have_changed_nothing
            self.tell(hints);
            Failure::Store(fault.after_commit(V::NAME))
        } else if fault.is_conflict() {
            Failure::Conflict(fault)
        } else {
            Failure::Store(fault.into_store_error(V::NAME))
        })
    }

    /// Begins to look at one instant of the database, and looks.
    pub(crate) async fn read<L: Look>(self: &Arc<Self>, look: L) -> Result<L::Answer, StoreError> {
        let shared = Arc::clone(self);
        let running = tokio::spawn(async move {
            let mut left = ATTEMPTS_MAX;
            loop {
                left = left.saturating_sub(1);
                match shared.look_once(&look).await? {
                    Err(Fault::OtherServer(_)) if left > 0 => {}
                    looked => return looked.map_err(|fault| fault.into_store_error(L::NAME)),
                }
            }
        });
        running.await.unwrap_or_else(|stopped| {
            Err(StoreError::Retryable {
                what: format!("`{}` was stopped with its runtime, or panicked", L::NAME),
                source: Some(Box::new(stopped)),
            })
        })
    }
}

impl Shared {
    async fn look_once<L: Look>(&self, look: &L) -> Result<Result<L::Answer, Fault>, StoreError> {
        let mut connection = self.pool.get(L::NAME).await?;
        let session = Session::new(&connection, self);
        let after = self.patience;
        let looked = tokio::time::timeout(after, look.run(&session)).await;
        let looked = looked.unwrap_or(Err(Fault::Silent { after }));
        drop(session);
        Ok(match looked {
            Ok(answer) => {
                if self.is_rolled_back(&connection).await {
                    connection.keep();
                }
                Ok(answer)
            }
            Err(fault) => Err(self.end(&mut connection, fault).await),
        })
    }

    /// Whether the transaction could be rolled back. A connection on which that does not even succeed in time is not used again.
    /// proven by silence::a_server_that_does_not_even_roll_back_is_waited_for_no_longer
    async fn is_rolled_back(&self, connection: &Connection) -> bool {
        let wait = self.patience.min(ROLLBACK_WAIT);
        let ended = tokio::time::timeout(wait, connection.batch_execute("ROLLBACK")).await;
        matches!(ended, Ok(Ok(())))
    }

    /// Ends a transaction that failed; why it did.
    ///
    /// Where it did not begin because the server is another one, forgets what was known of the one before, of which this one may have lost the newest
    /// part, and works with this one.
    /// proven by cuts::what_is_remembered_of_a_server_is_forgotten_with_it
    async fn end(&self, connection: &mut Connection, fault: Fault) -> Fault {
        if !fault.leaves_connection() || !self.is_rolled_back(connection).await {
            return fault;
        }
        if matches!(fault, Fault::OtherServer(_)) {
            let wait = self.patience.min(ROLLBACK_WAIT);
            let known = connection.know_server(|| self.forget_all());
            match tokio::time::timeout(wait, known).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Fault::Postgres(error),
                // Whoever comes next asks again.
                Err(_) => return fault,
            }
        }
        connection.keep();
        fault
    }
}

/// Why an attempt failed.
enum Failure {
    /// Another transaction was in the way.
    Conflict(Fault),
    Store(StoreError),
}

impl Session<'_> {
    async fn transact<V: Verb>(&mut self, verb: &V) -> Result<V::Answer, Fault> {
        self.make_lanes(verb.lanes()).await?;
        let answer = verb.run(self).await?;
        self.finish().await?;
        Ok(answer)
    }

    /// Makes the lanes that a request needs, before its transaction: they stay, whatever becomes of it.
    async fn make_lanes(&self, wanted: Vec<LaneNames>) -> Result<(), Fault> {
        let unknown = self.shared.lanes.unknown(wanted.into_iter());
        if unknown.is_empty() {
            return Ok(());
        }
        let mut columns: (Vec<String>, Vec<String>, Vec<i32>) = Default::default();
        for (queue, function, priority) in unknown {
            columns.0.push(queue.as_str().to_owned());
            columns.1.push(function.as_str().to_owned());
            columns.2.push(priority.0);
        }
        let calls = [Sql::InsertLanes, Sql::FindLanes].map(|sql| {
            Call::new(sql)
                .with(columns.0.clone())
                .with(columns.1.clone())
                .with(columns.2.clone())
        });
        // In a transaction, because a role may have set that what has none cannot write.
        let answers = self.pipeline(Frame::Begin, &calls).await?;
        self.pipeline(Frame::Commit, &[]).await?;
        answers
            .iter()
            .flatten()
            .try_for_each(|row| self.know_lane(row))
    }

    /// Knows a row of `lanes`. One that cannot be read is left out, and so are its tasks.
    pub(crate) fn know_lane(&self, row: &Row) -> Result<(), Fault> {
        match lane(row) {
            Ok((number, names)) => self.shared.lanes.add(number, names),
            Err(error @ Fault::Row { .. }) => {
                tracing::warn!(%error, "a lane cannot be read; its tasks are left alone");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn lane(row: &Row) -> Result<(i32, LaneNames), Fault> {
    let row = Reading::new(row, "lanes");
    let (queue, function): (&str, &str) = (row.get(1)?, row.get(2)?);
    let names = (
        QueueName::new(queue).map_err(|error| row.bad(error))?,
        FunctionName::new(function).map_err(|error| row.bad(error))?,
        Priority(row.get(3)?),
    );
    Ok((row.get(0)?, names))
}
