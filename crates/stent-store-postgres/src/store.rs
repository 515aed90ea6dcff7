//! The store.

use crate::{OpenError, PostgresOptions, open, pool::Pool};

/// Stent's store on PostgreSQL. Clones share one pool of connections.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    pub(crate) pool: Pool,
}

impl PostgresStore {
    /// Opens the database that a URL names, with the defaults of [`PostgresOptions`] for all that the URL does not say.
    ///
    /// # Errors
    /// As [`OpenError`] says.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        PostgresOptions::from_url(url)?.open().await
    }

    pub(crate) async fn open_with(options: PostgresOptions) -> Result<Self, OpenError> {
        let pool = open::open(&options).await?;
        Ok(Self { pool })
    }
}
