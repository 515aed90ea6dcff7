//! Why one attempt at a request failed, and what that means.
//!
//! **Invariant:** what a failure means is decided by SQLSTATE codes and by where it happened, never by texts.

use std::time::Duration;

use stent_core::StoreError;
use tokio_postgres::error::SqlState;

use crate::error;

/// What is done anew: what other transactions were in the way of, and statements that a pooler has lost.
const CONFLICTS: [SqlState; 5] = [
    SqlState::T_R_DEADLOCK_DETECTED,
    SqlState::T_R_SERIALIZATION_FAILURE,
    SqlState::UNIQUE_VIOLATION,
    SqlState::INVALID_SQL_STATEMENT_NAME,
    SqlState::DUPLICATE_PSTATEMENT,
];

/// Why one attempt at a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The transaction was rolled back, or never began.
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
    /// It happened when the commit had been sent.
    #[error("the commit failed")]
    Commit(#[source] tokio_postgres::Error),
    /// The server was started since what is remembered of it was read: the transaction ended where it began, and is done anew.
    #[error("the server was started anew")]
    OtherServer(#[source] tokio_postgres::Error),
    /// The server is a standby, on which no transaction that writes can begin.
    #[error("the server is a standby")]
    Standby(#[source] tokio_postgres::Error),
    /// A row that this version cannot read.
    #[error("row `{row}` of `{table}` cannot be read: {what}")]
    Row {
        table: &'static str,
        row: String,
        what: String,
    },
    /// The server has not answered in time; what it does with the request is not known.
    #[error("the server did not answer within {after:?}")]
    Silent { after: Duration },
    /// Another transaction did something meanwhile that this one must see: it is done anew.
    #[error("another transaction was faster")]
    Again,
}

impl Fault {
    fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Postgres(error)
            | Self::Commit(error)
            | Self::OtherServer(error)
            | Self::Standby(error) => error.code(),
            Self::Row { .. } | Self::Silent { .. } | Self::Again => None,
        }
    }

    /// Whether the transaction was rolled back for what another one did, so that it is done anew at once.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Again | Self::OtherServer(_))
            || self.code().is_some_and(|code| CONFLICTS.contains(code))
    }

    /// Whether the connection may still be used.
    pub(crate) fn leaves_connection(&self) -> bool {
        match self {
            Self::Again | Self::OtherServer(_) | Self::Standby(_) | Self::Row { .. } => true,
            Self::Silent { .. } => false,
            Self::Postgres(_) | Self::Commit(_) => self.code().is_some(),
        }
    }

    /// What it means for a request that was committed already, and whose answer it kept from being read.
    pub(crate) fn after_commit(self, operation: &str) -> StoreError {
        StoreError::OutcomeUnknown {
            what: format!("`{operation}` was committed, and how it went could not be read"),
            source: Some(Box::new(self)),
        }
    }

    /// What it means for its request.
    pub(crate) fn into_store_error(self, operation: &str) -> StoreError {
        match self {
            Self::Postgres(error) => error::rolled_back(operation, error),
            Self::Commit(error) => error::at_commit(operation, error),
            Self::Row { .. } => StoreError::Final {
                what: format!("`{operation}` found data that it cannot read"),
                source: Some(Box::new(self)),
            },
            Self::Silent { .. } => StoreError::OutcomeUnknown {
                what: format!(
                    "nobody knows whether `{operation}` was done; its connection is closed"
                ),
                source: Some(Box::new(self)),
            },
            Self::Standby(_) => StoreError::Retryable {
                what: format!(
                    "`{operation}` met a standby, which takes no changes before it is promoted"
                ),
                source: Some(Box::new(self)),
            },
            Self::OtherServer(_) => StoreError::Retryable {
                what: format!("`{operation}` met one server after the other"),
                source: Some(Box::new(self)),
            },
            Self::Again => StoreError::Retryable {
                what: format!("`{operation}` met other transactions again and again"),
                source: None,
            },
        }
    }
}
