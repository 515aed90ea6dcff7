//! Which files a database is, and whether they are still the ones at its path.
//!
//! **Invariant:** nothing is acknowledged that went into a file which others no longer find. A process that has a database open keeps its files
//! though they are deleted or replaced, as when a backup is put in their place: it would go on, and all of its work be lost; and the write-ahead
//! log of one file beside another damages that one (<https://sqlite.org/howtocorrupt.html>, section 1.4 and 2.4).
//!
//! Only their names are looked at: a descriptor that was opened and closed would drop the locks of this process.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// A file of a database is not the one that was opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileChanged {
    /// Nothing has its name any more.
    #[error("`{}` was deleted or moved while it was open", .path.display())]
    Missing {
        /// The file: the database, its log or its index.
        path: PathBuf,
    },
    /// Another file has its name.
    #[error("`{}` was replaced by another file while it was open", .path.display())]
    Replaced {
        /// The file: the database, its log or its index.
        path: PathBuf,
    },
}

/// What tells a file from all others, also from one that later has its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// That of the file which has a name now; `None` where files have no such id.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> io::Result<Option<Self>> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path)?;
        Ok(Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }))
    }

    #[cfg(not(unix))]
    pub(crate) fn of(_path: &Path) -> io::Result<Option<Self>> {
        Ok(None)
    }
}

/// The files of a database that is open.
#[derive(Debug)]
pub(crate) struct Place {
    log: PathBuf,
    files: Vec<(PathBuf, FileId)>,
    /// Whether somebody was told that a file has changed.
    is_told: AtomicBool,
}

impl Place {
    /// Notes the files of a database that connections have open. `resolved` is its path without symbolic links, beside which SQLite puts the others.
    pub(crate) fn of(path: &Path, resolved: &Path) -> io::Result<Self> {
        let beside = |end: &str| {
            let mut name = OsString::from(resolved);
            name.push(end);
            PathBuf::from(name)
        };
        let log = beside("-wal");
        let mut files = Vec::new();
        for path in [path.to_owned(), log.clone(), beside("-shm")] {
            if let Some(id) = FileId::of(&path)? {
                files.push((path, id));
            }
        }
        Ok(Self {
            log,
            files,
            is_told: AtomicBool::new(false),
        })
    }

    /// The write-ahead log.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// The id of the database itself.
    pub(crate) fn database(&self) -> Option<FileId> {
        self.files.first().map(|(_, id)| *id)
    }

    /// Whether the files are still those that were opened: some microseconds. What cannot be looked at is taken to be.
    ///
    /// # Errors
    /// With the first that is not. It is logged once.
    pub(crate) fn check(&self) -> Result<(), FileChanged> {
        for (path, id) in &self.files {
            let changed = match FileId::of(path) {
                Ok(now) if now == Some(*id) => continue,
                Ok(_) => FileChanged::Replaced { path: path.clone() },
                Err(error) => match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                        FileChanged::Missing { path: path.clone() }
                    }
                    _ => continue,
                },
            };
            if !self.is_told.swap(true, Ordering::Relaxed) {
                tracing::error!(error = %changed, "the database is not used any more; end every program that has it open and start anew");
            }
            return Err(changed);
        }
        Ok(())
    }
}
