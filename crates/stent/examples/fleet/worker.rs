//! A worker process: it runs the quickstart's functions, and says in the log what its bodies do.

use std::{
    error::Error,
    io::{self, Read},
    path::{Path, PathBuf},
    process,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use stent::prelude::*;

use crate::{
    index::{PAYLOAD_LIMIT, Watch, Watcher, index_folder, list_files, measure_file},
    journal::{Event, Journal},
    report::Start,
};

/// Bodies that one process runs at once: less than the limit, so that the work is spread over several.
const CONCURRENCY: u32 = 2;
/// How often it is looked whether tasks were taken over.
const LOOK: Duration = Duration::from_millis(100);

/// What a worker process is told, as the first line of its standard input. Not by arguments, which anybody on the machine may read: a URL may
/// hold a password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) url: String,
    pub(crate) journal: PathBuf,
    pub(crate) lease: Duration,
    pub(crate) pace: Duration,
}

/// What a worker process is called.
pub(crate) fn name_of(process: u32) -> String {
    format!("process {process}")
}

/// Works until standard input ends: with the process that started this one, if not before.
///
/// # Errors
/// When the store cannot be opened, or the log not be written.
pub(crate) async fn work() -> Result<(), Box<dyn Error>> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let orders: Orders = serde_json::from_str(&line)?;
    let journal = Arc::new(Journal::open(&orders.journal)?);
    let witness = Witness {
        journal: Arc::clone(&journal),
        pace: orders.pace,
    };
    let stent = Stent::open(&orders.url).await?;
    let worker = stent
        .worker()
        .register(functions![index_folder, list_files, measure_file])
        .state(Arc::new(Watcher(Arc::new(witness))))
        .state(Arc::new(Start::now()))
        .name(name_of(process::id()))
        .concurrency(CONCURRENCY)
        .lease_duration(orders.lease)
        // A lease that runs out is no event that anyone is told of; somebody watches.
        .poll_interval(Duration::from_millis(200))
        // Being killed is what it is for: no number of crashes makes a dead letter.
        .crash_limit(u32::MAX)
        .payload_limit(PAYLOAD_LIMIT)
        .drain_grace(Duration::from_secs(1))
        .start()
        .await?;
    let mut end = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    let mut stolen = 0;
    while tokio::time::timeout(LOOK, &mut end).await.is_err() {
        let now = worker.stats().stolen;
        if now > stolen {
            stolen = now;
            journal.add(process::id(), Event::Stole(stolen))?;
        }
    }
    worker.drain().await?;
    Ok(())
}

/// Writes down what the bodies of this process do, and lets each take its time.
#[derive(Debug)]
struct Witness {
    journal: Arc<Journal>,
    pace: Duration,
}

impl Watch for Witness {
    #[expect(
        clippy::disallowed_methods,
        reason = "it stands for the time that a larger file takes, on a thread that may block"
    )]
    fn begins(&self, file: &Path) -> io::Result<Box<dyn Send>> {
        let file = file.display().to_string();
        let begins = Event::Begins(file.clone());
        self.journal.add(process::id(), begins)?;
        let journal = Arc::clone(&self.journal);
        let running = Running { journal, file };
        std::thread::sleep(self.pace);
        Ok(Box::new(running))
    }
}

/// A body that measures a file. Dropped, it says that it ends.
struct Running {
    journal: Arc<Journal>,
    file: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let ends = Event::Ends(std::mem::take(&mut self.file));
        // Without this line the body is taken to run on: the proof may fail then, and never pass wrongly.
        self.journal.add(process::id(), ends).unwrap_or_default();
    }
}
