//! What must not be in a database when all has ended: rows that belong to nothing, and damage.
//!
//! These are questions in SQL to the tables themselves; they share nothing with the stores' statements.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use stent_test_postgres::Cluster;

/// Why a database could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite said so.
    #[error("the database file cannot be audited")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL or one of its programs said so.
    #[error("the database cannot be audited")]
    Postgres(#[from] stent_test_postgres::Error),
}

/// Looks into a database file; each line is something that must not be.
///
/// # Errors
/// When it cannot be read.
pub fn sqlite(file: &Path) -> Result<Vec<String>, Error> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut found = Vec::new();
    let mut check = connection.prepare("PRAGMA integrity_check")?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        let says: String = row.get(0)?;
        if says != "ok" {
            found.push(says);
        }
    }
    let mut orphans = connection.prepare(include_str!("sqlite.sql"))?;
    let mut rows = orphans.query([])?;
    while let Some(row) = rows.next()? {
        let (what, count): (String, i64) = (row.get(0)?, row.get(1)?);
        if count != 0 {
            found.push(format!("{what}: {count}"));
        }
    }
    Ok(found)
}

/// Looks into a database of a server, and has its tables and indexes compared by `pg_amcheck`; each line is something that must not be.
///
/// # Errors
/// When the server does not answer, or `pg_amcheck` finds damage.
pub fn postgres(cluster: &Cluster, database: &str) -> Result<Vec<String>, Error> {
    let answer = cluster.sql(database, include_str!("postgres.sql"))?;
    let none = |line: &&str| !line.ends_with("|0");
    let found = answer.lines().filter(none);
    let found = found.map(|line| line.replace('|', ": ")).collect();
    cluster.check(database)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_ask_the_same_of_their_tables() {
        let of = |sql: &str| -> Vec<String> {
            let what = sql.lines().filter_map(|line| line.strip_prefix("SELECT '"));
            what.filter_map(|line| Some(line.split_once('\'')?.0.to_owned()))
                .collect()
        };
        let mut sqlite = of(include_str!("sqlite.sql"));
        // Large ones stand apart in SQLite only.
        sqlite.retain(|what| what != "inputs without a task");
        assert_eq!(sqlite, of(include_str!("postgres.sql")));
    }
}
