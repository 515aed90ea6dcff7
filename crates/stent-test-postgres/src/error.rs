//! Why there is no server.

use std::{io, path::PathBuf};

/// Why there is no server to test with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The programs are missing.
    #[error(
        "PostgreSQL is not installed: install it (Debian: `apt-get install postgresql`) so that `initdb`, `pg_ctl` and `psql` are in \
         `/usr/lib/postgresql/*/bin` or on `PATH`, or name a server with STENT_TEST_POSTGRES_URL"
    )]
    Missing,
    /// A program that a test needs is not there, and was not installed.
    #[error("`{program}` is not installed: install it (Debian: `apt-get install {program}`)")]
    MissingProgram {
        /// The program.
        program: String,
    },
    /// PostgreSQL refuses to run as root, and there is nobody else to run it as.
    #[error(
        "PostgreSQL does not run as root, and this machine has no user `postgres`; make one, or run as another user"
    )]
    NoUser,
    /// A program could not be started.
    #[error("cannot run `{program}`")]
    Run {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program failed.
    #[error("`{program}` failed: {output}")]
    Failed {
        /// The program with its arguments.
        program: String,
        /// What it said, and the end of the server's log.
        output: String,
    },
    /// A file or folder could not be used.
    #[error("cannot use `{}`", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

impl Error {
    /// Whether the machine has no PostgreSQL that could be run, which is no failure of what is tested.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing | Self::NoUser)
    }
}
