use std::{fs, path::Path};

use super::*;

/// The schema of a database as text, sorted.
fn schema(connection: &Connection) -> String {
    let mut statement = connection
        .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name")
        .unwrap();
    let statements = statement.raw_query().mapped(|row| row.get::<_, String>(0));
    statements.map(|sql| sql.unwrap() + ";\n\n").collect()
}

fn fresh() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection).unwrap();
    connection
}

#[test]
fn a_fresh_database_has_the_schema_of_the_golden_file() {
    let head = "-- What all migrations make together. A test compares it; `STENT_BLESS=1 cargo test -p stent-store-sqlite` writes it anew.\n\n";
    let made = head.to_owned() + schema(&fresh()).trim_end() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.sql");
    if std::env::var_os("STENT_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), made);
}

#[test]
fn migrating_twice_changes_nothing() {
    let mut connection = fresh();
    let before = schema(&connection);
    migrate(&mut connection).unwrap();
    assert_eq!(schema(&connection), before);
    assert_eq!(owner(&connection).unwrap(), Owner::Stent { schema: NEWEST });
}

#[test]
fn a_database_of_another_is_left_alone() {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
    migrate(&mut connection).unwrap();
    assert_eq!(schema(&connection), "CREATE TABLE theirs (x);\n\n");
    assert_eq!(
        owner(&connection).unwrap(),
        Owner::Another { application_id: 0 }
    );
}

#[test]
fn a_row_that_no_rule_makes_is_refused_by_the_database() {
    let connection = fresh();
    let insert = |state: i64, ended_at: Option<i64>, due_at: Option<i64>, token: i64| {
        connection.execute(
            "INSERT INTO tasks (id, lane, holds_slot, state, due_at, ended_at, token, mark, commits, failed_attempts, crashes,
                 crashes_as_suspect, cancel_requested, operations, deliveries, queued_at, created_at)
             VALUES (randomblob(16), 1, 0, ?1, ?2, ?3, ?4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
            rusqlite::params![state, due_at, ended_at, token],
        )
    };
    assert!(insert(1, None, Some(5), 0).is_ok());
    assert!(insert(4, Some(5), None, 0).is_ok());
    assert!(insert(4, None, None, 0).is_err(), "ended without an end");
    assert!(
        insert(1, Some(5), Some(5), 0).is_err(),
        "pending with an end"
    );
    assert!(insert(1, None, None, 0).is_err(), "pending without a time");
    assert!(insert(2, None, None, 0).is_err(), "running without a lease");
    assert!(insert(4, Some(5), Some(5), 0).is_err(), "ended and due");
    assert!(insert(1, None, Some(5), -1).is_err(), "a negative token");
    assert!(insert(8, Some(5), None, 0).is_err(), "an unknown state");
}

#[test]
fn whoever_looks_while_another_migrates_sees_nobodys_file_or_ours() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..50 {
        let path = folder.path().join(format!("{round}.db"));
        let mut makes = Connection::open(&path).unwrap();
        makes.pragma_update(None, "journal_mode", "wal").unwrap();
        let looks = Connection::open(&path).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || migrate(&mut makes).unwrap());
            loop {
                match owner(&looks).unwrap() {
                    Owner::Nobody => {}
                    Owner::Stent { schema } => break assert_eq!(schema, NEWEST),
                    Owner::Another { application_id } => panic!("{round}: {application_id}"),
                }
            }
        });
    }
}
