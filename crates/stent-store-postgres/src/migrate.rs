//! Numbered migrations, and whose schema it is.
//!
//! **Invariant:** each migration is one transaction, which holds the schema's migration lock and records the migration's number and the
//! digest of its text: any number of programs may start at once, and be killed at any moment, and one whole schema is there in the end.
//! The lock belongs to the transaction, so that it works behind a pooler and never outlives its holder.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::{Error, error::SqlState, types::Type};

use crate::{
    OpenError,
    error::opening,
    open::in_time,
    options::PostgresOptions,
    pool::Connection,
    statements::{in_schema, quoted},
};

/// Every migration, in order; the first makes schema 1. A released one is never edited.
pub(crate) const MIGRATIONS: [&str; 10] = [
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_plain_sql.sql"),
    include_str!("../migrations/0003_views.sql"),
    include_str!("../migrations/0004_comments.sql"),
    include_str!("../migrations/0005_attempt_ends.sql"),
    include_str!("../migrations/0006_glance.sql"),
    include_str!("../migrations/0007_search_paths.sql"),
    include_str!("../migrations/0008_occupied_lanes.sql"),
    include_str!("../migrations/0009_rights.sql"),
    include_str!("../migrations/0010_long_numbers.sql"),
];

/// The newest schema that this version knows.
pub(crate) const NEWEST: i32 = 10;

const _: () = assert!(
    NEWEST as usize == MIGRATIONS.len(),
    "the newest schema is that of the last migration"
);

/// What keeps the record of migrations. It is there before the first one.
pub(crate) const MIGRATIONS_TABLE: &str = include_str!("../sql/open/create_migrations.sql");
const READ_SCHEMA: &str = include_str!("../sql/open/read_schema.sql");
const READ_MIGRATIONS: &str = include_str!("../sql/open/read_migrations.sql");
const RECORD_MIGRATION: &str = include_str!("../sql/open/record_migration.sql");
const TRY_LOCK: &str = include_str!("../sql/open/try_migration_lock.sql");

/// What a migration runs under, whatever a role or a database has set. Whoever wants a table after it waits behind it: so it waits for one itself no
/// longer than that, and comes back.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;SET LOCAL search_path=pg_catalog;\
     SET LOCAL synchronous_commit=on;SET LOCAL standard_conforming_strings=on;SET LOCAL statement_timeout=0;\
     SET LOCAL lock_timeout='1s';SET LOCAL idle_in_transaction_session_timeout='1min'";

/// How long another program's migration is waited for, or a transaction that uses a table. A migration itself may take as long as it takes.
const LOCK_WAIT: Duration = Duration::from_secs(120);
/// How long others have the tables for themselves until a migration tries again.
const TABLE_PAUSE: Duration = Duration::from_secs(1);
/// How long it is until the lock is tried again.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// What is there.
struct Present {
    has_schema: bool,
    /// How many migrations were applied.
    applied: i32,
}

/// What an attempt to apply the next migration came to.
enum Step {
    /// The schema is the newest.
    Newest,
    /// One was applied, and others follow.
    Applied,
    /// Another program applies one.
    Locked,
    /// Another transaction uses a table that one changes.
    InUse,
}

/// Brings the schema up to date, if it may.
pub(crate) async fn migrate(
    options: &PostgresOptions,
    connection: &Connection,
) -> Result<(), OpenError> {
    if present(options, connection).await?.applied == NEWEST {
        return Ok(());
    }
    if !options.migrate {
        let found = present(options, connection).await?.applied;
        let (schema, needed) = (options.schema.to_string(), NEWEST);
        return Err(OpenError::OlderSchema {
            schema,
            found,
            needed,
        });
    }
    let mut since = Instant::now();
    loop {
        let step = migrate_once(options, connection).await?;
        let (schema, waited) = (options.schema.to_string(), LOCK_WAIT);
        let is_over = since.elapsed() >= LOCK_WAIT;
        match step {
            Step::Newest => return Ok(()),
            Step::Applied => since = Instant::now(),
            Step::Locked if is_over => return Err(OpenError::Locked { schema, waited }),
            Step::InUse if is_over => return Err(OpenError::TablesInUse { schema, waited }),
            Step::Locked => tokio::time::sleep(LOCK_POLL).await,
            Step::InUse => {
                tracing::warn!(
                    schema,
                    "a migration waits for a transaction that uses a table"
                );
                tokio::time::sleep(TABLE_PAUSE).await;
            }
        }
    }
}

/// Applies the next migration if nobody else applies one now.
async fn migrate_once(
    options: &PostgresOptions,
    connection: &Connection,
) -> Result<Step, OpenError> {
    let driver = |error| opening(options, error);
    connection.batch_execute(BEGIN).await.map_err(driver)?;
    let applied = apply_next(options, connection).await;
    let end = if matches!(applied, Ok(Step::Newest | Step::Applied)) {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    let ended = connection.batch_execute(end).await.map_err(driver);
    let step = applied?;
    ended?;
    Ok(step)
}

/// As [`migrate_once`], within its transaction.
async fn apply_next(options: &PostgresOptions, connection: &Connection) -> Result<Step, OpenError> {
    let driver = |error| opening(options, error);
    let key = [(
        &&*options.schema as &(dyn tokio_postgres::types::ToSql + Sync),
        Type::TEXT,
    )];
    let row = connection
        .query_typed_one(TRY_LOCK, &key)
        .await
        .map_err(driver)?;
    if !row.try_get::<_, bool>(0).map_err(driver)? {
        return Ok(Step::Locked);
    }
    let present = present(options, connection).await?;
    let Some(text) = usize::try_from(present.applied)
        .ok()
        .and_then(|next| MIGRATIONS.get(next))
    else {
        return Ok(Step::Newest);
    };
    let number = present.applied.saturating_add(1);
    if !present.has_schema {
        let schema = format!("CREATE SCHEMA {}", quoted(&options.schema));
        connection.batch_execute(&schema).await.map_err(driver)?;
    }
    if number == 1 {
        let table = in_schema(MIGRATIONS_TABLE, &options.schema);
        connection.batch_execute(&table).await.map_err(driver)?;
    }
    let migration = in_schema(text, &options.schema);
    match connection.batch_execute(&migration).await {
        // proven by opening::a_migration_that_waits_for_a_table_keeps_nobody_else_from_it
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            return Ok(Step::InUse);
        }
        applied => applied.map_err(driver)?,
    }
    let record = in_schema(RECORD_MIGRATION, &options.schema);
    connection
        .query_typed(&record, &[(&number, Type::INT4), (text, Type::TEXT)])
        .await
        .map_err(driver)?;
    tracing::info!(schema = &*options.schema, number, "migrated");
    Ok(if number == NEWEST {
        Step::Newest
    } else {
        Step::Applied
    })
}

/// Looks what is there, and refuses what is not ours, newer, other than it should be, or out of reach.
async fn present(options: &PostgresOptions, connection: &Connection) -> Result<Present, OpenError> {
    let driver = |error: Error| opening(options, error);
    let schema = || options.schema.to_string();
    let name = [(
        &&*options.schema as &(dyn tokio_postgres::types::ToSql + Sync),
        Type::TEXT,
    )];
    let row = in_time(options, connection.query_typed_one(READ_SCHEMA, &name)).await?;
    let flag = |at: usize| row.try_get::<_, bool>(at).map_err(driver);
    let has_schema = flag(0)?;
    if !flag(2)? {
        if flag(1)? {
            return Err(OpenError::AnotherProgram { schema: schema() });
        }
        return Ok(Present {
            has_schema,
            applied: 0,
        });
    }
    let out_of_reach: i64 = row.try_get(4).map_err(driver)?;
    if !flag(3)? || out_of_reach > 0 {
        let what = format!(
            "on the schema {}, its tables or its functions",
            quoted(&options.schema)
        );
        return Err(OpenError::NoRights {
            user: options.user().to_owned(),
            what,
        });
    }
    let texts: Vec<&str> = MIGRATIONS.to_vec();
    let read = in_schema(READ_MIGRATIONS, &options.schema);
    let texts = [(
        &texts as &(dyn tokio_postgres::types::ToSql + Sync),
        Type::TEXT_ARRAY,
    )];
    let row = in_time(options, connection.query_typed_one(&read, &texts)).await?;
    let applied: i32 = row.try_get(0).map_err(driver)?;
    let differs: Option<i32> = row.try_get(1).map_err(driver)?;
    if applied > NEWEST {
        return Err(OpenError::NewerSchema {
            schema: schema(),
            found: applied,
            known: NEWEST,
        });
    }
    match differs {
        Some(number) => Err(OpenError::ChangedMigration {
            schema: schema(),
            number,
        }),
        None => Ok(Present {
            has_schema,
            applied,
        }),
    }
}
