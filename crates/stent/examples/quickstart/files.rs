//! What is done with files: listing those of a folder, and measuring one. Plain code that blocks; nothing in it knows that it is durable.
//!
//! **Invariants**
//! * What cannot be read is a [`Problem`] of its own, and stops nothing else.
//! * No link is followed, so no loop is walked and no file counts twice; nothing but plain files is opened.
//! * None of [`Own`] files is opened: closing any descriptor of an SQLite database drops the locks that this process holds on it.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use walkdir::{DirEntry, WalkDir};

/// Folders that hold what tools made, and that change while they work.
const SKIPPED_FOLDERS: [&str; 2] = [".git", "target"];

/// How much of a file is read before it is asked whether to go on.
const CHUNK: usize = 256 * 1024;

/// What is wrong with one file or folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Problem {
    /// The file or folder, below the indexed one.
    pub(crate) path: String,
    /// Why it is not in the index.
    pub(crate) reason: String,
}

/// What there is to index. Paths are relative to the folder and sorted.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Listing {
    /// Plain files.
    pub(crate) files: Vec<String>,
    /// What could not be listed.
    pub(crate) problems: Vec<Problem>,
    /// Folders that were left out, as [`SKIPPED_FOLDERS`] says.
    pub(crate) skipped: Vec<String>,
    /// Links that were not followed.
    pub(crate) links: u64,
}

/// What one file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Measures {
    /// Its size.
    pub(crate) bytes: u64,
    /// Its lines; a last one without a line feed counts too. None in a file with a NUL byte, which is no text.
    pub(crate) lines: u64,
    /// Its words: what stands between ASCII white space. None in a file that is no text.
    pub(crate) words: u64,
    /// The SHA-256 of its content, in hexadecimal, as `sha256sum` prints it.
    pub(crate) sha256: String,
}

/// Files of this program that may lie in the indexed folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Own(Vec<PathBuf>);

impl Own {
    /// A database with the two files that stand beside it while it is open, and the report.
    pub(crate) fn new(database: &Path, report: &Path) -> Self {
        let beside = |suffix: &str| {
            let mut path = database.as_os_str().to_owned();
            path.push(suffix);
            PathBuf::from(path)
        };
        Self(vec![
            database.to_owned(),
            beside("-wal"),
            beside("-shm"),
            report.to_owned(),
        ])
    }

    /// Whether a file is one of them, by whatever path it was reached.
    fn has(&self, path: &Path, metadata: &Metadata) -> bool {
        self.0.iter().any(|own| {
            own == path
                || own
                    .symlink_metadata()
                    .is_ok_and(|own| is_same(&own, metadata))
        })
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_one: &Metadata, _other: &Metadata) -> bool {
    false
}

/// Lists the files of a folder.
///
/// # Errors
/// When the folder itself cannot be read.
pub(crate) fn list(folder: &Path, own: &Own) -> io::Result<Listing> {
    let mut listing = Listing::default();
    let mut walk = WalkDir::new(folder).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        match entry {
            Ok(entry) if is_skipped(&entry) => {
                listing.skipped.push(relative(folder, entry.path()));
                walk.skip_current_dir();
            }
            Ok(entry) => listing.add(folder, &entry, own),
            Err(error) if error.depth() == 0 => return Err(error.into()),
            Err(error) => {
                let path = relative(folder, error.path().unwrap_or(folder));
                let reason = reason(&error);
                listing.problems.push(Problem { path, reason });
            }
        }
    }
    Ok(listing)
}

fn is_skipped(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    entry.depth() > 0
        && entry.file_type().is_dir()
        && SKIPPED_FOLDERS.iter().any(|skipped| name == *skipped)
}

impl Listing {
    fn add(&mut self, folder: &Path, entry: &DirEntry, own: &Own) {
        let kind = entry.file_type();
        if kind.is_symlink() {
            self.links += 1;
        }
        // Pipes, sockets and devices are no files to read, and opening one may wait for ever.
        if !kind.is_file() {
            return;
        }
        let path = relative(folder, entry.path());
        let reason = match entry.metadata() {
            Ok(metadata) if own.has(entry.path(), &metadata) => return,
            Ok(_) if entry.path().to_str().is_some() => {
                self.files.push(path);
                return;
            }
            Ok(_) => "its name is not UTF-8".to_owned(),
            Err(error) => reason(&error),
        };
        self.problems.push(Problem { path, reason });
    }
}

/// Why something could not be listed, without its path.
fn reason(error: &walkdir::Error) -> String {
    error
        .io_error()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// A path below the folder, for people and for the index.
fn relative(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}

/// Reads a file once, from start to end, in little memory. It stops when `should_stop` says so.
///
/// # Errors
/// When it is no plain file (any more), cannot be read, or the reading was stopped.
pub(crate) fn measure(path: &Path, should_stop: impl Fn() -> bool) -> io::Result<Measures> {
    if !path.symlink_metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no plain file any more",
        ));
    }
    let mut file = File::open(path)?;
    let mut chunk = vec![0; CHUNK];
    let mut counts = Counts::default();
    let mut hash = Sha256::new();
    loop {
        if should_stop() {
            return Err(io::Error::other("it was told to stop"));
        }
        let read = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => &chunk[..read],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        counts.add(read);
        hash.update(read);
    }
    Ok(Measures {
        bytes: counts.bytes,
        lines: counts.if_text(counts.lines + u64::from(counts.in_line)),
        words: counts.if_text(counts.words),
        sha256: hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    })
}

/// Counts over chunks that may end in the middle of a line or a word.
#[derive(Default)]
struct Counts {
    bytes: u64,
    lines: u64,
    words: u64,
    is_binary: bool,
    in_line: bool,
    in_word: bool,
}

impl Counts {
    const fn if_text(&self, count: u64) -> u64 {
        if self.is_binary { 0 } else { count }
    }

    fn add(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        self.is_binary |= chunk.contains(&0);
        for byte in chunk {
            self.lines += u64::from(*byte == b'\n');
            let is_space = byte.is_ascii_whitespace();
            self.words += u64::from(!is_space && !self.in_word);
            self.in_word = !is_space;
        }
        if let Some(last) = chunk.last() {
            self.in_line = *last != b'\n';
        }
    }
}
