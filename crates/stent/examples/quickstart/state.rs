//! Where the state of an index lies, and how a start of the program finds the index that is not finished.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf, absolute},
    time::SystemTime,
};

use etcetera::BaseStrategy;
use sha2::{Digest, Sha256};
use stent::{
    ExecutionId, ExecutionQuery, FunctionName, StateKind, Tag, TaskId, TaskQuery, Timestamp,
    prelude::*,
    store::{Operation, State},
};

use crate::{
    Options,
    index::{index_folder, measure_file},
    report::Summary,
    screen::Screen,
};

/// Where things are.
#[derive(Debug)]
pub(crate) struct Places {
    /// The folder, by its one true path.
    pub(crate) folder: PathBuf,
    /// The database.
    pub(crate) database: PathBuf,
    /// The report.
    pub(crate) report: PathBuf,
    /// Whether this start was told where the report goes.
    is_report_given: bool,
}

impl Places {
    /// Finds them, and makes the folders that the database and the report need. That the report can be written is tried here, and not found out
    /// when all the work is done.
    ///
    /// # Errors
    /// When there is no such folder, one cannot be made, or the report could not be written.
    pub(crate) fn find(options: &Options) -> Result<Self, Box<dyn Error>> {
        let folder = fs::canonicalize(&options.folder)
            .and_then(|folder| fs::read_dir(&folder).map(|_| folder))
            .map_err(|error| cannot("index", &options.folder, &error))?;
        let home = home_of(&folder);
        let place = |given: &Option<PathBuf>, default: &str| -> Result<PathBuf, String> {
            let path = match given {
                Some(given) => absolute(given).map_err(|error| cannot("find", given, &error))?,
                None => home.join(default),
            };
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|error| cannot("make", parent, &error))?;
            }
            Ok(path)
        };
        let report = place(&options.report, "report.md")?;
        try_to_write(&report).map_err(|error| cannot("write", &report, &error))?;
        Ok(Self {
            database: place(&options.database, "index.db")?,
            report,
            is_report_given: options.report.is_some(),
            folder,
        })
    }

    /// Copies the report to where this start was told to put it: one that goes on with an index finds that its report goes elsewhere.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub(crate) fn deliver(&self, summary: Summary) -> Result<Summary, Box<dyn Error>> {
        if !self.is_report_given || summary.report == self.report {
            return Ok(summary);
        }
        fs::copy(&summary.report, &self.report)
            .map_err(|error| cannot("write", &self.report, &error))?;
        let report = self.report.clone();
        Ok(Summary { report, ..summary })
    }

    /// What the indexes of this folder are found by, should several folders share a database.
    fn tag(&self) -> String {
        format!("folder-{}", digest(&self.folder))
    }
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {what} `{}`: {error}", path.display())
}

/// Makes a file beside the report, as writing it does, and takes it away. The name is this process's, so that nobody else's is taken away.
fn try_to_write(report: &Path) -> io::Result<()> {
    if report.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut beside = report.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    fs::write(&beside, "")?;
    fs::remove_file(&beside)
}

/// A folder of the user's for the state of one indexed folder.
fn home_of(folder: &Path) -> PathBuf {
    let data = etcetera::choose_base_strategy()
        .map_or_else(|_| std::env::temp_dir(), |strategy| strategy.data_dir());
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    data.join("stent-quickstart")
        .join(format!("{name}-{}", digest(folder)))
}

fn digest(path: &Path) -> String {
    let hash = Sha256::digest(path.as_os_str().as_encoded_bytes());
    hash.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is shown to people and decides nothing"
)]
fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Finds the index of the folder that has not ended, or dispatches a new one.
///
/// A new one has a key that names the one before: of two programs that start at once, one dispatches and the other finds it.
///
/// # Errors
/// When the store fails.
pub(crate) async fn find_or_dispatch(
    stent: &Stent,
    places: &Places,
    call: Call<index_folder>,
    screen: &Screen,
) -> stent::Result<Handle<index_folder>> {
    let newest = stent
        .executions(ExecutionQuery {
            function: Some(FunctionName::new(index_folder::NAME)?),
            tag: Some(Tag::new(places.tag())?),
            limit: 1,
            ..ExecutionQuery::default()
        })
        .await?
        .executions
        .pop()
        .map(|execution| execution.root.task);
    if let Some(root) = newest
        .as_ref()
        .filter(|root| !root.state.kind().is_terminal())
    {
        screen.say(&format!(
            "going on with the index of {}",
            places.folder.display()
        ));
        tell_what_is_done(stent, root.id, screen).await?;
        tell_who_holds_it(stent, root.execution, screen).await?;
        return Ok(stent.handle(root.execution));
    }
    screen.say(&format!("indexing {}", places.folder.display()));
    screen.waiting("listing its files");
    let before = newest.map_or_else(|| "none".to_owned(), |root| root.execution.to_string());
    let key = format!("{} after {before}", places.tag());
    stent
        .dispatch(call.tag(places.tag()).idempotency_key(key))
        .await
}

/// Says how many files were done before this start: each outcome is in the root's history.
async fn tell_what_is_done(stent: &Stent, root: TaskId, screen: &Screen) -> stent::Result<()> {
    let histories = stent.histories([root]).await?;
    let file = FunctionName::new(measure_file::NAME)?;
    let calls = histories
        .iter()
        .flat_map(|history| &history.entries)
        .filter(|entry| matches!(&entry.head.operation, Operation::Child { function, .. } if *function == file));
    let (mut done, mut total) = (0, 0);
    for call in calls {
        total += 1;
        done += usize::from(call.head.resolved.is_some());
    }
    if total > 0 {
        screen.begin_at(done, total);
    }
    Ok(())
}

/// Says whose leases still run: what a killed process was doing is taken over when they end.
async fn tell_who_holds_it(
    stent: &Stent,
    execution: ExecutionId,
    screen: &Screen,
) -> stent::Result<()> {
    let query = TaskQuery {
        execution: Some(execution),
        states: vec![StateKind::Running],
        ..TaskQuery::default()
    };
    let running = stent.tasks(query).await?.tasks;
    let leases: Vec<_> = running
        .iter()
        .filter_map(|record| match &record.task.state {
            State::Running { holder, expires_at } if *expires_at > now() => {
                Some((*expires_at, holder))
            }
            _ => None,
        })
        .collect();
    if let Some((expires_at, holder)) = leases.iter().max() {
        screen.waiting(&format!(
            "waiting: {holder} holds {} tasks; if it was killed, they are taken over in {:.1} s",
            leases.len(),
            expires_at.since(now()).as_secs_f64(),
        ));
    }
    Ok(())
}
