//! Threads that read, each with a connection of its own. Each request sees one state of the database, and no writer waits for it.

use std::{fmt, io, sync::Arc, thread::JoinHandle};

use rusqlite::Connection;
use stent_core::StoreError;
use tokio::sync::oneshot;

use crate::{
    error::{self, Fault},
    lanes::Lanes,
    place::Place,
    queue::{Queue, Taken, Weigh},
    statements::{Sql, Statements},
};

/// Requests that may wait.
const QUEUED_MAX: usize = 1_024;

/// What a reading thread has at hand.
pub(crate) struct Snapshot<'c> {
    pub(crate) sql: Statements<'c>,
    pub(crate) lanes: Lanes,
    place: Arc<Place>,
}

type Work = Box<dyn FnOnce(&mut Snapshot<'_>) + Send>;

/// A request in the queue.
struct Queued(Work);

impl fmt::Debug for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queued")
    }
}

impl Weigh for Queued {
    fn weight(&self) -> usize {
        1
    }
}

/// The way to the reading threads.
#[derive(Debug)]
pub(crate) struct Readers {
    queue: Arc<Queue<Queued>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts one thread for each connection.
    pub(crate) fn start(connections: Vec<Connection>, place: &Arc<Place>) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(QUEUED_MAX));
        let last = Arc::new(Last(Arc::clone(&queue)));
        let mut readers = Self {
            queue,
            threads: Vec::with_capacity(connections.len()),
        };
        for connection in connections {
            let (queue, last) = (Arc::clone(&readers.queue), Arc::clone(&last));
            let place = Arc::clone(place);
            let thread = std::thread::Builder::new()
                .name("stent-sqlite-reader".into())
                .spawn(move || {
                    serve(&connection, &queue, place);
                    drop(last);
                })?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Has something read.
    pub(crate) async fn read<T, F>(&self, operation: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Snapshot<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |snapshot| {
            let result = in_one_state(snapshot, work);
            // A caller who has gone does not want it.
            drop(reply.send(result.map_err(|fault| fault.into_store_error(operation))));
        });
        if self.queue.put(Queued(work)).await.is_err() {
            return Err(error::closed(operation));
        }
        answer
            .await
            .unwrap_or_else(|_| Err(error::closed(operation)))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that reads had panicked");
            }
        }
    }
}

/// Held by every reading thread: when the last one is gone, whoever waits is told.
struct Last(Arc<Queue<Queued>>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn serve(connection: &Connection, queue: &Queue<Queued>, place: Arc<Place>) {
    let mut snapshot = Snapshot {
        sql: Statements::new(connection),
        lanes: Lanes::default(),
        place,
    };
    let mut taken = Vec::new();
    loop {
        match queue.take(1, None, &mut taken) {
            Taken::Some | Taken::Nothing => {
                for Queued(work) in taken.drain(..) {
                    work(&mut snapshot);
                }
            }
            Taken::Closed => return,
        }
    }
}

/// Reads within one transaction.
fn in_one_state<T>(
    snapshot: &mut Snapshot<'_>,
    work: impl FnOnce(&mut Snapshot<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    snapshot.place.check()?;
    snapshot.sql.run(Sql::BeginRead)?;
    let result = snapshot
        .lanes
        .catch_up(&mut snapshot.sql)
        .and_then(|()| work(snapshot));
    let ended = snapshot.sql.run(Sql::Commit);
    let value = result?;
    ended?;
    Ok(value)
}
