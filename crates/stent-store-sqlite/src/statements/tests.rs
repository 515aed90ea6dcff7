use std::{collections::BTreeSet, fs, path::Path};

use super::*;
use crate::migrate;

fn database() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate::migrate(&mut connection).unwrap();
    connection
}

/// A database in which every index has many rows, and of which SQLite has no statistics.
fn large_database() -> Connection {
    let connection = database();
    connection
        .execute_batch(
            "INSERT INTO lanes (queue, function, priority, holds_slot, suspect)
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
             SELECT 'default', 'f' || i, 0, 0, 0 FROM n;
             INSERT INTO tasks (id, execution, parent, position, lane, holds_slot, state, due_at, lease_expires_at, holder, ended_at,
                 token, mark, commits, failed_attempts, crashes, crashes_as_suspect, cancel_requested, operations, deliveries,
                 deadline, queued_at, created_at)
             WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999)
             SELECT unhex(printf('%032x', i)), iif(i % 2, x'00', NULL), iif(i % 2, x'00', NULL), iif(i % 2, 1, NULL), 1 + i % 50,
                 i % 7 = 1, 1 + i % 7, iif(i % 7 IN (0, 2), i, NULL), iif(i % 7 = 1, i, NULL), iif(i % 7 = 1, 'w', NULL),
                 iif(i % 7 > 2, i, NULL), 1, 1, 0, 0, 0, 0, 0, 0, 0, i, i, i
             FROM n;
             INSERT INTO history (task, position, operation, after, abandoned, ordinal, outcome_kind)
             SELECT seq, 1, 1, 0, 0, 1, 4 FROM tasks;
             INSERT INTO signals (id, root, name, payload) SELECT id, seq, 's', 'null' FROM tasks;
             INSERT INTO signal_waits (root, name, task, position) SELECT seq, 's', seq, 1 FROM tasks;
             INSERT INTO inputs (task, input) SELECT seq, 'null' FROM tasks;
             INSERT INTO tags (root, tag) SELECT seq, 't' || seq % 10 FROM tasks;
             INSERT INTO idempotency_keys (root, function, idempotency_key) SELECT seq, 'f', seq FROM tasks;",
        )
        .unwrap();
    connection
}

fn plan(connection: &Connection, sql: Sql) -> Vec<String> {
    let text = format!("EXPLAIN QUERY PLAN {}", sql.text());
    let mut statement = connection.prepare(&text).unwrap();
    let steps = statement.raw_query().mapped(|row| row.get(3));
    steps.collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn every_file_is_listed_and_every_statement_prepares() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let files: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    let listed: BTreeSet<String> = Sql::ALL.iter().map(|sql| sql.text().to_owned()).collect();
    assert_eq!(files, listed);
    assert_eq!(listed.len(), Sql::ALL.len());
    let connection = database();
    let mut statements = Statements::new(&connection);
    for sql in Sql::ALL {
        assert!(sql.text().starts_with("-- "), "{sql:?} has no head comment");
        statements
            .get(*sql)
            .unwrap_or_else(|error| panic!("{sql:?}: {error}"));
    }
}

/// Statements that read more than one row of a table by design: small tables, pages that people ask for, and counts.
const MAY_SCAN: [Sql; 8] = [
    Sql::ListLimits,
    Sql::ListLanes,
    Sql::ListLeased,
    Sql::CountLeased,
    Sql::MoveLeases,
    Sql::KeepDue,
    Sql::ListExecutionsByTag,
    Sql::ListExecutionsByIdempotencyKey,
];

#[test]
fn no_statement_scans_a_table_or_sorts_whatever_the_tables_hold() {
    for connection in [database(), large_database()] {
        for sql in Sql::ALL.iter().filter(|sql| !MAY_SCAN.contains(sql)) {
            for step in plan(&connection, *sql) {
                let reads_rows_one_by_one = step.starts_with("SCAN")
                    && !step.contains("json_each")
                    && !step.contains("CONSTANT ROW")
                    && !step.contains("VALUES CLAUSE");
                // These skip through their index and stop: at the next lane, at the end of a page, at what they may take.
                let stops = matches!(
                    sql,
                    Sql::NextDueLane
                        | Sql::ListRoots
                        | Sql::ListChildren
                        | Sql::ListDeadLetters
                        | Sql::ListExecutions
                );
                assert!(
                    (!reads_rows_one_by_one || stops && step.contains("USING"))
                        && !step.contains("TEMP B-TREE"),
                    "{sql:?}: {step}"
                );
            }
        }
    }
}

#[test]
fn claiming_and_sweeping_read_through_the_indexes_that_hold_only_what_they_may_take() {
    let through = [
        (Sql::NextDueLane, "tasks_due"),
        (Sql::NextDueAfter, "tasks_due (lane=? AND due_at>"),
        (
            Sql::NextLeaseEnd,
            "tasks_leased (lease_expires_at>? AND lease_expires_at<?)",
        ),
        (
            Sql::NextDeadline,
            "tasks_deadline (deadline>? AND deadline<?)",
        ),
        (Sql::ListDue, "tasks_due (lane=? AND due_at>? AND due_at<?)"),
        (Sql::ListLeasesThatRanOut, "tasks_leased (lease_expires_at"),
        (Sql::MoveLeases, "tasks_leased"),
        (Sql::KeepDue, "tasks_due (lane=? AND due_at>? AND due_at<?)"),
        (Sql::EndLeases, "tasks_leased (lease_expires_at>"),
        (Sql::ListDeadlinesThatPassed, "tasks_deadline (deadline"),
        (Sql::ListExpired, "tasks_ended (ended_at"),
        (Sql::CountSlots, "tasks_slot (lane=?)"),
        (
            Sql::FindUnreceivedSignal,
            "signals_unreceived (root=? AND name=?)",
        ),
        (Sql::FindSignalWait, "signal_waits_name (root=? AND name=?)"),
        (Sql::ReadDeliveries, "history_ordinal (task=? AND ordinal>"),
        (Sql::Claim, "INTEGER PRIMARY KEY (rowid=?)"),
        (Sql::End, "INTEGER PRIMARY KEY (rowid=?)"),
    ];
    for connection in [database(), large_database()] {
        for (sql, index) in through {
            let plan = plan(&connection, sql);
            assert!(plan[0].contains(index), "{sql:?}: {plan:?}");
        }
    }
}

#[test]
fn going_on_and_renewing_touch_no_index_but_that_of_leases() {
    let connection = database();
    for (sql, indexes) in [(Sql::GoOn, 0), (Sql::Renew, 2)] {
        let mut statement = connection
            .prepare(&format!("EXPLAIN {}", sql.text()))
            .unwrap();
        let opened = statement
            .raw_query()
            .mapped(|row| row.get::<_, String>(1))
            .filter(|code| matches!(code, Ok(code) if code == "OpenWrite"))
            .count();
        assert_eq!(opened, 1 + indexes, "{sql:?}");
    }
}
