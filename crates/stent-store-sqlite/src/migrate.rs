//! Numbered migrations, and whose file it is.
//!
//! **Invariant:** all of a start's migrations are one transaction, under the lock from its beginning: any number of programs may start at
//! once, and be killed at any moment, and one whole schema is there in the end.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// `Stnt` in ASCII: by it a file is known as Stent's (<https://sqlite.org/pragma.html#pragma_application_id>).
pub(crate) const APPLICATION_ID: i32 = 0x5374_6e74;

/// Every migration, in order; the first makes schema 1. A released one is never edited.
const MIGRATIONS: [&str; 3] = [
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_boot.sql"),
    include_str!("../migrations/0003_attempt_ends.sql"),
];

/// The newest schema that this version knows.
pub(crate) const NEWEST: i64 = 3;

const _: () = assert!(
    NEWEST as usize == MIGRATIONS.len(),
    "the newest schema is that of the last migration"
);

/// Whose file it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// It is empty.
    Nobody,
    /// Ours.
    Stent {
        /// Its schema.
        schema: i64,
    },
    /// It is another program's.
    Another {
        /// Its application id; 0 if it has none.
        application_id: i32,
    },
}

/// Looks whose file it is, by one statement: another program may be making it ours, and half of that is nobody's.
/// proven by migrate::tests::whoever_looks_while_another_migrates_sees_nobodys_file_or_ours
pub(crate) fn owner(connection: &Connection) -> rusqlite::Result<Owner> {
    let (application_id, schema, objects): (i32, i64, i64) = connection.query_row(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
                (SELECT count(*) FROM sqlite_schema)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    Ok(if application_id == APPLICATION_ID {
        Owner::Stent { schema }
    } else if application_id == 0 && schema == 0 && objects == 0 {
        Owner::Nobody
    } else {
        Owner::Another { application_id }
    })
}

/// A transaction that has the lock from its beginning.
pub(crate) fn immediate(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Brings the schema of a file that is ours or nobody's up to date. Does nothing when it is another's by now.
pub(crate) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    if matches!(owner(connection)?, Owner::Stent { schema: NEWEST }) {
        return Ok(());
    }
    let transaction = immediate(connection)?;
    let present = match owner(&transaction)? {
        Owner::Nobody => 0,
        Owner::Stent { schema } => schema,
        Owner::Another { .. } => return Ok(()),
    };
    for (number, migration) in (1_i64..).zip(MIGRATIONS) {
        if number > present {
            transaction.execute_batch(migration)?;
            transaction.pragma_update(None, "user_version", number)?;
        }
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()
}

#[cfg(test)]
mod tests;
