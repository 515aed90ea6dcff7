//! The durable functions: `index_folder` lists a folder's files, has each measured by a child task, and writes the report.
//!
//! What watches them is handed in, so that any program may run them: this one draws a bar, `fleet` keeps a log.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use serde::{Deserialize, Serialize};
use stent::prelude::*;

use crate::{
    files::{self, Listing, Own, Problem},
    report::{Index, Measured, Start, Summary},
};

/// A body's listing is one payload; paths of as many files as one execution may call tasks for fit in.
pub(crate) const PAYLOAD_LIMIT: usize = 64 << 20;
/// Files of one index: an execution records 100,000 operations at most, and some are not files.
const FILES_MAX: usize = 99_000;

/// What is told how the work goes on.
pub(crate) trait Watch: fmt::Debug + Send + Sync {
    /// So many files of the index are done, on whatever process. A body that is begun anew counts again what it had counted.
    fn progress(&self, _done: usize, _total: usize) {}

    /// A body of this process begins to measure a file; it ends when what is given back is dropped.
    ///
    /// # Errors
    /// When it must not go on.
    fn begins(&self, _file: &Path) -> io::Result<Box<dyn Send>> {
        Ok(Box::new(()))
    }
}

/// What watches the work of this process.
#[derive(Debug)]
pub(crate) struct Watcher(pub(crate) Arc<dyn Watch>);

/// What is indexed, and where the report goes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// The report.
    pub(crate) report: PathBuf,
    /// What is not opened.
    pub(crate) own: Own,
    /// The start that asked for it.
    pub(crate) by: Start,
}

/// The main job. Everything that it awaits is recorded: begun again after a crash, it sees the same listing and the same outcomes, and only
/// what is missing is done.
#[durable]
pub(crate) async fn index_folder(
    request: Request,
    #[state] watcher: Arc<Watcher>,
    #[state] start: Arc<Start>,
) -> stent::Result<Summary> {
    let folder = &request.folder;
    let listing = list_files(folder.clone(), request.own).await?;
    let total = listing.files.len();

    // The calls are made here, in the order of the listing. Each waits for its turn; the outcomes come as they are recorded.
    let calls = measure_file.map(listing.files.iter().map(|file| folder.join(file)));
    let mut measuring: FuturesUnordered<_> = listing
        .files
        .iter()
        .zip(calls)
        .map(|(file, call)| async move { (file.as_str(), call.await) })
        .collect();
    let mut files = Vec::with_capacity(total);
    let mut problems = listing.problems;
    for done in 0.. {
        watcher.0.progress(done, total);
        let Some((file, outcome)) = measuring.next().await else {
            break;
        };
        match outcome {
            Ok(measured) => files.push((file, measured)),
            Err(error) => problems.push(problem(file, &error)),
        }
    }

    files.sort_unstable_by_key(|(file, _)| *file);
    problems.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let index = Index {
        folder,
        files,
        problems,
        skipped: &listing.skipped,
        links: listing.links,
    };
    let starts = [request.by, *start];
    stent::step("write-report", || async move {
        let written = index.write(&request.report, &starts);
        written.map_err(|error| at("write", &request.report, error))
    })
    .await
}

/// Lists a folder on a thread that may block.
#[durable(blocking)]
pub(crate) fn list_files(folder: PathBuf, own: Own) -> stent::Result<Listing> {
    let listing = files::list(&folder, &own).map_err(|error| at("read", &folder, error))?;
    match listing.files.len() {
        0..=FILES_MAX => Ok(listing),
        files => Err(stent::fatal(format!(
            "`{}` holds {files} files; {FILES_MAX} are the most for one index: index its parts",
            folder.display()
        ))),
    }
}

/// Measures one file. Four at once are enough to keep a disk busy, however many processes share the work.
#[durable(
    blocking,
    max_concurrent = 4,
    retry(max_attempts = 3, initial_delay = "200ms", when = may_pass)
)]
pub(crate) fn measure_file(
    file: PathBuf,
    #[state] start: Arc<Start>,
    #[state] watcher: Arc<Watcher>,
) -> io::Result<Measured> {
    let _begun = watcher.0.begins(&file)?;
    let measures = files::measure(&file, stent::is_cancelled)?;
    Ok(Measured {
        measures,
        by: *start,
    })
}

/// Whether reading a file again may help: not if it is gone or closed to us.
fn may_pass(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotADirectory, NotFound, PermissionDenied};
    !matches!(
        error.kind(),
        NotFound | NotADirectory | PermissionDenied | InvalidInput
    )
}

fn at(what: &str, path: &Path, error: io::Error) -> stent::Error {
    stent::Error::other(format!("cannot {what} `{}`: {error}", path.display()))
}

/// Why a file is not in the index: what its function said, without who called it.
fn problem(file: &str, error: &stent::Error) -> Problem {
    let reason = error
        .failure()
        .map_or_else(|| error.to_string(), ToString::to_string);
    Problem {
        path: file.to_owned(),
        reason,
    }
}
