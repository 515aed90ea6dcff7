//! The one thread that writes: it takes what is waiting, commits it in one transaction, and only then answers.
//!
//! **Invariant:** an answer is sent after the COMMIT that it reports, or after the roll-back. A request that fails is undone alone, by its own
//! savepoint. Whatever ends the thread, nobody waits for ever: what it has not answered is answered as unknown, and what comes later is refused.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use rusqlite::{Connection, config::DbConfig};
use stent_core::{Hint, StoreError, store::HintHub};
use tokio::sync::oneshot;

use crate::{
    clock::StoreClock,
    error::{self, Failure, Fault},
    place::Place,
    queue::{Queue, Taken, Weigh},
    session::Session,
    statements::Sql,
    watch,
};

/// Requests that may wait. A caller who finds no room waits for it.
const QUEUED_MAX: usize = 4_096;
/// Elements of requests in one transaction: some ten milliseconds of work, after which the first of them has waited long enough.
const BATCH_ELEMENTS: usize = 2_048;

/// A request on its way through a transaction.
trait Request: Send {
    /// Does it, within a transaction; says whether it succeeded.
    fn run(&mut self, session: &mut Session<'_>) -> bool;
    /// Says that what it did was undone, or never done, because of a failure.
    fn fail(&mut self, failure: &Failure, at_commit: bool);
    /// Sends the answer.
    fn answer(self: Box<Self>);
}

/// A request in the queue.
struct Queued {
    request: Box<dyn Request>,
    elements: usize,
}

impl fmt::Debug for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queued({} elements)", self.elements)
    }
}

impl Weigh for Queued {
    fn weight(&self) -> usize {
        self.elements
    }
}

struct Call<T, F> {
    operation: &'static str,
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Request for Call<T, F>
where
    T: Send,
    F: FnOnce(&mut Session<'_>) -> Result<T, Fault> + Send,
{
    fn run(&mut self, session: &mut Session<'_>) -> bool {
        let Some(work) = self.work.take() else {
            return true;
        };
        let result = work(session).map_err(|fault| fault.into_store_error(self.operation));
        let succeeded = result.is_ok();
        self.result = Some(result);
        succeeded
    }

    fn fail(&mut self, failure: &Failure, at_commit: bool) {
        // A request that had failed by itself keeps its own error.
        if matches!(self.result, None | Some(Ok(_))) {
            self.work = None;
            self.result = Some(Err(if at_commit {
                failure.at_commit(self.operation)
            } else {
                failure.rolled_back(self.operation)
            }));
        }
    }

    fn answer(self: Box<Self>) {
        if let Some(result) = self.result {
            // A caller who has gone does not want it.
            drop(self.reply.send(result));
        }
    }
}

/// Counts of what the writer did.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) commits: AtomicU64,
    pub(crate) requests: AtomicU64,
}

/// The way to the writer's thread.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Arc<Queue<Queued>>,
    counts: Arc<Counts>,
    told: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on its connection.
    pub(crate) fn start(
        connection: Connection,
        place: Arc<Place>,
        clock: StoreClock,
        hub: Arc<HintHub>,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(QUEUED_MAX));
        let counts = Arc::new(Counts::default());
        let told = Arc::new(AtomicBool::new(false));
        let work = Thread {
            queue: Arc::clone(&queue),
            counts: Arc::clone(&counts),
            told: Arc::clone(&told),
            place,
            hub,
        };
        let thread = std::thread::Builder::new()
            .name("stent-sqlite-writer".into())
            .spawn(move || {
                let place = Arc::clone(&work.place);
                work.serve(&connection, clock);
                close(connection, &place);
            })?;
        Ok(Self {
            queue,
            counts,
            told,
            thread: Some(thread),
        })
    }

    /// The kernel tells of writes to the file from now on: the thread looks for those of others less often.
    pub(crate) fn kernel_tells(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// Has something done in a transaction, and waits until it is committed. Dropping the future leaves it done as a whole, or not at all.
    pub(crate) async fn write<T, F>(
        &self,
        operation: &'static str,
        elements: usize,
        work: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let queued = Queued {
            request: Box::new(Call {
                operation,
                work: Some(work),
                result: None,
                reply,
            }),
            elements,
        };
        if self.queue.put(queued).await.is_err() {
            return Err(error::closed(operation));
        }
        answer
            .await
            .unwrap_or_else(|_| Err(error::unanswered(operation)))
    }

    /// What makes the thread look whether anyone listens, and whether another process has written.
    pub(crate) fn waker(&self) -> impl Fn() + Send + Sync + use<> {
        let queue = Arc::clone(&self.queue);
        move || queue.wake()
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for Writer {
    /// Waits until everything that was accepted is committed.
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes had panicked");
        }
    }
}

/// Closes the connection. The last one of a database moves the log into it and removes the files beside it. If they are not those that it knows,
/// others may have written meanwhile, over whose work the old log must not go.
/// proven by place::a_log_that_was_taken_away_does_not_go_into_the_database_any_more
fn close(connection: Connection, place: &Place) {
    let kept = match place.check() {
        Ok(()) => Ok(false),
        Err(_) => connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
    };
    let closed = connection.close().map_err(|(_, error)| error);
    if let Err(error) = kept.and(closed) {
        tracing::warn!(%error, "the database was not closed as it should be");
    }
}

struct Thread {
    queue: Arc<Queue<Queued>>,
    counts: Arc<Counts>,
    /// Whether the kernel tells of writes to the file.
    told: Arc<AtomicBool>,
    place: Arc<Place>,
    hub: Arc<HintHub>,
}

/// Lets nothing more in when the thread ends, also by a panic.
struct Stop<'t>(&'t Thread);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.hub.close();
    }
}

impl Thread {
    fn serve(self, connection: &Connection, clock: StoreClock) {
        let mut batch = Vec::new();
        // Dropped before the batch: whoever is told that the thread has stopped finds it so.
        let _stop = Stop(&self);
        let mut session = match Session::new(connection, clock) {
            Ok(session) => session,
            Err(error) => {
                tracing::error!(%error, "the thread that writes could not begin");
                return;
            }
        };
        loop {
            let patience = self.hub.is_heard().then(|| {
                if self.told.load(Ordering::Relaxed) {
                    watch::TOLD_INTERVAL
                } else {
                    watch::UNTOLD_INTERVAL
                }
            });
            match self.queue.take(BATCH_ELEMENTS, patience, &mut batch) {
                Taken::Some => self.transact(&mut session, &mut batch),
                Taken::Nothing => self.watch(&mut session),
                Taken::Closed => return,
            }
        }
    }

    /// Tells those who listen when another process has written.
    fn watch(&self, session: &mut Session<'_>) {
        if self.place.check().is_err() {
            return;
        }
        match session.foreign_writes() {
            Ok(true) => self.hub.tell(vec![Hint::Anything]),
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "cannot look for other processes' writes"),
        }
    }

    /// Does a batch in one transaction, or in several if SQLite undoes one as a whole.
    fn transact(&self, session: &mut Session<'_>, batch: &mut Vec<Queued>) {
        while !batch.is_empty() {
            let noted = session.hints_noted();
            let done = self.run(session, batch);
            let hints = match done {
                Ok(()) => session.take_hints(),
                Err(_) => {
                    session.drop_hints(noted);
                    Vec::new()
                }
            };
            let finished = match done {
                Ok(()) | Err(Undone { ran: None }) => batch.len(),
                Err(Undone { ran: Some(ran) }) => ran,
            };
            for queued in batch.drain(..finished) {
                queued.request.answer();
            }
            self.hub.tell(hints);
        }
    }

    /// Runs a batch and commits it. On failure the requests that ran know it.
    fn run(&self, session: &mut Session<'_>, batch: &mut [Queued]) -> Result<(), Undone> {
        let begun = self
            .place
            .check()
            .map_err(Fault::from)
            .and_then(|()| Ok(session.sql.run(Sql::Begin)?))
            .and_then(|()| session.refresh(self.hub.is_heard()))
            .and_then(|()| session.align());
        if let Err(fault) = begun {
            undo(session);
            fail(batch, &failure(&fault), false);
            return Err(Undone { ran: None });
        }
        let alone = batch.len() == 1;
        for ran in 0..batch.len() {
            if let Err(failure) = run_one(session, &mut batch[ran], alone) {
                // SQLite undid the whole transaction, as on a full disk. Whatever ran in it is gone; the rest begins anew.
                undo(session);
                fail(&mut batch[..=ran], &failure, false);
                return Err(Undone { ran: Some(ran + 1) });
            }
        }
        let committed = session.sql.run(Sql::Commit);
        let committed = committed.map_err(|error| Failure::from(&error));
        match committed.and_then(|()| Ok(self.place.check()?)) {
            Ok(()) => {
                self.counts.commits.fetch_add(1, Ordering::Relaxed);
                let requests = u64::try_from(batch.len()).unwrap_or(u64::MAX);
                self.counts.requests.fetch_add(requests, Ordering::Relaxed);
                Ok(())
            }
            Err(failure) => {
                undo(session);
                fail(batch, &failure, true);
                Err(Undone { ran: None })
            }
        }
    }
}

/// A transaction was undone; this many requests had been run in it, or all are answered.
struct Undone {
    ran: Option<usize>,
}

/// Runs one request between savepoints, unless it is alone in its transaction. Fails when the whole transaction is undone.
fn run_one(session: &mut Session<'_>, queued: &mut Queued, alone: bool) -> Result<(), Failure> {
    let noted = session.hints_noted();
    if !alone {
        savepoint(session, &[Sql::OpenSavepoint])?;
    }
    if queued.request.run(session) {
        return if alone {
            Ok(())
        } else {
            savepoint(session, &[Sql::ReleaseSavepoint])
        };
    }
    session.drop_hints(noted);
    session.forget();
    if alone || session.connection.is_autocommit() {
        return Err(Failure::undone());
    }
    savepoint(session, &[Sql::RollBackToSavepoint, Sql::ReleaseSavepoint])?;
    session.load().map_err(|fault| failure(&fault))
}

fn savepoint(session: &mut Session<'_>, statements: &[Sql]) -> Result<(), Failure> {
    for &statement in statements {
        session
            .sql
            .run(statement)
            .map_err(|error| Failure::from(&error))?;
    }
    Ok(())
}

/// Undoes the transaction, if there is one, and what is known of it.
fn undo(session: &mut Session<'_>) {
    session.forget();
    if !session.connection.is_autocommit()
        && let Err(error) = session.sql.run(Sql::RollBack)
    {
        tracing::warn!(%error, "a transaction could not be rolled back");
    }
}

fn fail(batch: &mut [Queued], failure: &Failure, at_commit: bool) {
    for queued in batch {
        queued.request.fail(failure, at_commit);
    }
}

fn failure(fault: &Fault) -> Failure {
    match fault {
        Fault::Sqlite(error) => Failure::from(error),
        Fault::Changed(changed) => Failure::from(changed.clone()),
        Fault::Row { .. } | Fault::Value(_) => Failure::unreadable(fault),
    }
}

#[cfg(test)]
mod tests;
