//! What a store's failure means for its caller.

use std::error::Error;

/// Why a store did not answer. The variant says what has happened to the data, and so what the caller does next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing has happened; the same request may succeed later: the store is busy, restarting, or out of connections.
    #[error("{what}; nothing was changed, try again")]
    Retryable {
        /// What the store could not do, on what.
        what: String,
        /// Why.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// It may have happened, whole, or not at all, or may still happen: send the same request again, with the same ids.
    #[error("{what}; it may or may not have happened, send the same request again")]
    OutcomeUnknown {
        /// What the store does not know.
        what: String,
        /// Why.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// Nothing has happened, and the same request never succeeds.
    #[error("{what}")]
    Refused {
        /// What is wrong with the request, and what to do.
        what: String,
    },
    /// Nothing has happened, and no request succeeds before someone mends the store.
    #[error("{what}")]
    Final {
        /// What is wrong with the store, and what to do.
        what: String,
        /// Why.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl StoreError {
    /// Whether the same request may be sent again.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable { .. } | Self::OutcomeUnknown { .. })
    }

    /// Whether the request may have taken effect.
    #[must_use]
    pub const fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. })
    }
}
