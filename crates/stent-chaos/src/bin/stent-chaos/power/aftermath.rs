//! What is left after a loss of power, and what workers make of it.

use std::{
    error::Error,
    fs, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use stent::{
    prelude::*,
    rusqlite::Connection,
    store::{ExecutionQuery, SqliteOptions},
};
use stent_chaos::{
    audit,
    history::Call,
    power::{
        disk::Files,
        judge::{Aftermath, Found, Saying, Signal},
    },
};

use super::life::{GO, Witness, ending, order, worker};

/// How long it may take until all has ended that was left: many times what it takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// How far back the machine's last start is put: further than two starts that are taken for one.
const EARLIER_BOOT: &str =
    "UPDATE boot SET boot_id = 'before the loss of power', booted_at = booted_at - 3600000000";
type Failed = Box<dyn Error + Send + Sync>;

/// Opens what is left in a new folder, lets workers end it, and tells all that was seen.
///
/// # Errors
/// When the folder cannot be made. What the database does not do is damage.
pub(super) async fn look(scratch: &Path, database: &str, files: &Files) -> io::Result<Aftermath> {
    let folder = tempfile::tempdir_in(scratch)?;
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes)?;
    }
    let mut aftermath = Aftermath::default();
    if let Err(error) = revive(&folder.path().join(database), &mut aftermath).await {
        aftermath.damage.push(with_causes(&*error));
    }
    Ok(aftermath)
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}

async fn revive(database: &Path, aftermath: &mut Aftermath) -> Result<(), Failed> {
    let stent = open(database)?;
    aftermath.found = executions(&stent).await?;
    drop(stent);
    let connection = Connection::open(database)?;
    let integrity: String =
        connection.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
    if integrity != "ok" {
        aftermath.damage.push(integrity);
    }
    // The machine has been started anew since.
    connection.execute(EARLIER_BOOT, [])?;
    drop(connection);
    let stent = open(database)?;
    let witness = Arc::new(Witness::Memory(Mutex::default()));
    let worker = worker(&stent, &witness).start().await?;
    let finished = tokio::time::timeout(PATIENCE, finish(&stent, &aftermath.found)).await;
    aftermath.ended = executions(&stent).await?;
    if let Ok(finished) = finished {
        finished?;
    }
    worker.drain().await?;
    drop(stent);
    aftermath.damage.extend(audit::sqlite(database)?);
    if let Witness::Memory(said) = &*witness {
        let said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let paid = said.iter().filter_map(|saying| match *saying {
            Saying::Pays(call, key) => Some((call, key)),
            _ => None,
        });
        aftermath.paid = paid.collect();
    }
    Ok(())
}

fn open(database: &Path) -> Result<Stent, Failed> {
    let store = SqliteOptions::new(database).open()?;
    Ok(Stent::new(Arc::new(store)))
}

/// All executions with how they ended.
async fn executions(stent: &Stent) -> Result<Vec<Found>, Failed> {
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let query = ExecutionQuery {
            before,
            limit: u32::MAX,
            ..ExecutionQuery::default()
        };
        let page = stent.executions(query).await?;
        for record in &page.executions {
            let key = record.idempotency_key.as_ref().ok_or("it has no key")?;
            let execution = record.root.task.execution;
            all.push(Found {
                call: Call(key.as_str().parse()?),
                execution,
                ending: ending(&stent.handle(execution)).await?,
            });
        }
        before = all.last().map(|found| found.execution);
        if !page.more {
            return Ok(all);
        }
    }
}

/// Signals all that has not ended, and waits until it has.
async fn finish(stent: &Stent, found: &[Found]) -> Result<(), Failed> {
    let open: Vec<Handle<order>> = found
        .iter()
        .filter(|found| found.ending.is_none())
        .map(|found| stent.handle(found.execution))
        .collect();
    for handle in &open {
        match handle.signal(GO, &Signal::Late).await {
            Ok(()) | Err(stent::Error::Ended { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for handle in &open {
        // That it failed, or was cancelled, is seen afterwards.
        if let Err(error @ stent::Error::Unavailable { .. }) = handle.result().await {
            return Err(error.into());
        }
    }
    Ok(())
}
