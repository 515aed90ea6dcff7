//! Dispatching in a transaction of the caller's, on a connection of the caller's to the same file.
//!
//! **Invariant:** a request does all or nothing, and leaves the caller's transaction as it was if it fails.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, Transaction};
use stent_core::{
    StoreError,
    store::{Checked, DispatchAnswer, DispatchRequest},
};

use crate::{
    SqliteStore,
    error::Fault,
    migrate::{NEWEST, Owner, owner},
    session::Session,
    statements::Sql,
};

/// Why nothing was dispatched in a caller's transaction. The transaction is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DispatchInError {
    /// The transaction's main database is another file than the store's.
    #[error(
        "the transaction is one of `{}`, and the store's database is `{}`; open the same file",
        .found.display(), .expected.display()
    )]
    OtherDatabase {
        /// The transaction's file; empty if it is in memory.
        found: PathBuf,
        /// The store's.
        expected: PathBuf,
    },
    /// The file was given another schema since the store was opened, by a newer version.
    #[error("the database `{}` has another schema than this version; open the store anew", .path.display())]
    OtherSchema {
        /// The database.
        path: PathBuf,
    },
    /// The request was refused, or the database failed. When that is retryable, the whole transaction may succeed when it is done again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SqliteStore {
    /// Makes executions in a transaction of the caller's, with all that [`dispatch`](stent_core::Store::dispatch) promises but one thing: they are there
    /// when the caller commits, and never if the transaction is rolled back. It blocks for as long as a write to the file does.
    ///
    /// The transaction is one of a connection to the store's file, of the `rusqlite` that this crate gives. While it has written and is not ended, the
    /// store cannot write: keep it short, and begin it as immediate, or it may be refused as locked when it has read before. What its commit survives is
    /// for its connection to say (`PRAGMA synchronous`).
    ///
    /// # Errors
    /// As [`DispatchInError`] says.
    ///
    /// ```
    /// # use stent_core::store::DispatchRequest;
    /// # use stent_store_sqlite::{SqliteOptions, rusqlite::{Connection, TransactionBehavior}};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("orders.db");
    /// # let request = DispatchRequest::default();
    /// let store = SqliteOptions::new(&path).open()?;
    /// let mut connection = Connection::open(&path)?;
    /// connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)", ())?;
    ///
    /// let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    /// transaction.execute("INSERT INTO orders VALUES (17)", ())?;
    /// store.dispatch_in(&transaction, &request)?;
    /// transaction.commit()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dispatch_in(
        &self,
        transaction: &Transaction<'_>,
        request: &DispatchRequest,
    ) -> Result<DispatchAnswer, DispatchInError> {
        request.check().map_err(StoreError::from)?;
        self.check_file(transaction)?;
        let failed = |fault: Fault| fault.into_store_error("dispatch_in");
        let mut session = Session::new(transaction, self.clock()).map_err(failed)?;
        let done = within_savepoint(&mut session, request);
        Ok(done.map_err(failed)?)
    }

    fn check_file(&self, connection: &Connection) -> Result<(), DispatchInError> {
        let found = PathBuf::from(connection.path().unwrap_or_default());
        if !is_same_file(&found, self.path()) {
            return Err(DispatchInError::OtherDatabase {
                found,
                expected: self.path().to_owned(),
            });
        }
        match owner(connection) {
            Ok(Owner::Stent { schema: NEWEST }) => Ok(()),
            Ok(Owner::Stent { .. } | Owner::Nobody | Owner::Another { .. }) => {
                Err(DispatchInError::OtherSchema {
                    path: self.path().to_owned(),
                })
            }
            Err(error) => {
                let fault = Fault::from(error);
                Err(fault.into_store_error("dispatch_in").into())
            }
        }
    }
}

/// Whether two paths lead to one file. Neither is opened: closing it would drop SQLite's locks.
fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        (Err(_), _) | (_, Err(_)) => false,
    }
}

fn within_savepoint(
    session: &mut Session<'_>,
    request: &DispatchRequest,
) -> Result<DispatchAnswer, Fault> {
    session.sql.run(Sql::OpenSavepoint)?;
    let done = session
        .load()
        .and_then(|()| session.dispatch(request.clone()));
    if done.is_err() && !session.connection.is_autocommit() {
        session.sql.run(Sql::RollBackToSavepoint)?;
    }
    if !session.connection.is_autocommit() {
        session.sql.run(Sql::ReleaseSavepoint)?;
    }
    done
}
