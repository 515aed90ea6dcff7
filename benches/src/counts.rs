//! What a machine's load does not change: how many transactions and statements something takes, and how many bytes it writes.

use tokio_postgres::Client;

use crate::{
    Result,
    limit::postgres::connect,
    stores::{Address, PostgresServer},
    usage::Usage,
};

/// Statements that reached one database of the server since they are counted, those that begin and end transactions included, and the commits
/// among them. A statement outside a transaction is a commit by itself.
const STATEMENTS: &str = r"
    SELECT coalesce(sum(calls), 0)::bigint, coalesce(sum(calls) FILTER (WHERE query ~* '^COMMIT\M'), 0)::bigint
    FROM pg_stat_statements JOIN pg_database ON pg_database.oid = pg_stat_statements.dbid
    WHERE datname = $1";

/// Counts so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Where the database counts them.
    pub(crate) statements: Option<u64>,
    pub(crate) commits: Option<u64>,
    /// Of the server's log, or by this process.
    pub(crate) written_bytes: u64,
}

/// Counts what is done to one database.
pub(crate) enum Counter {
    /// A file, to which this process alone writes.
    Sqlite,
    /// A database of the server, to which nobody else writes.
    Postgres { client: Client, database: String },
}

impl Counter {
    /// Of connections to this address that are opened from now on.
    pub(crate) async fn new(address: &Address) -> Result<Self> {
        let Address::Postgres { url } = address else {
            return Ok(Self::Sqlite);
        };
        let database = url.rsplit('/').next().unwrap_or_default().to_owned();
        let client = connect(&PostgresServer::running()?.url("postgres")).await?;
        client
            .batch_execute(&format!(
                "CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
                 ALTER DATABASE {database} SET pg_stat_statements.track = 'top';"
            ))
            .await?;
        // What is written first after a checkpoint is written as whole pages: all begin alike.
        client.batch_execute("CHECKPOINT").await?;
        Ok(Self::Postgres { client, database })
    }

    pub(crate) async fn read(&self) -> Result<Counts> {
        match self {
            Self::Sqlite => Ok(Counts {
                written_bytes: Usage::of_this_process()?.written_bytes,
                ..Counts::default()
            }),
            Self::Postgres { client, database } => {
                let row = client.query_one(STATEMENTS, &[database]).await?;
                let log = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";
                let log = client.query_one(log, &[]).await?;
                let count = |number: i64| u64::try_from(number);
                Ok(Counts {
                    statements: Some(count(row.get(0))?),
                    commits: Some(count(row.get(1))?),
                    written_bytes: count(log.get(0))?,
                })
            }
        }
    }
}

impl Counts {
    /// What was added since an earlier count.
    pub(crate) fn since(self, before: Self) -> Self {
        let less = |after: Option<u64>, before: Option<u64>| {
            after
                .zip(before)
                .map(|(after, before)| after.saturating_sub(before))
        };
        Self {
            statements: less(self.statements, before.statements),
            commits: less(self.commits, before.commits),
            written_bytes: self.written_bytes.saturating_sub(before.written_bytes),
        }
    }
}
