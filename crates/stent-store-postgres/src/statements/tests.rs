use std::{collections::BTreeSet, fs, path::Path};

use stent_test_postgres::Database;

use super::*;
use crate::migrate::{MIGRATIONS, MIGRATIONS_TABLE};

const SCHEMA: &str = "CREATE SCHEMA stent;";
const FILL: &str = include_str!("fill.sql");

fn empty() -> Database {
    let database = stent_test_postgres::database().expect("a database for tests");
    let tables = MIGRATIONS.concat();
    database
        .sql(&format!("{SCHEMA}{MIGRATIONS_TABLE};{tables}"))
        .unwrap();
    database
}

/// Statements that are no plans but the frame of all others.
fn is_frame(sql: Sql) -> bool {
    matches!(sql, Sql::Begin | Sql::BeginRead)
}

/// Statements of requests that change nothing.
fn is_read(sql: Sql) -> bool {
    matches!(
        sql,
        Sql::CountTasks
            | Sql::ListDeadLetters
            | Sql::ListExecutions
            | Sql::ListExecutionsById
            | Sql::ListExecutionsByKey
            | Sql::ListExecutionsByTag
            | Sql::ListTasks
            | Sql::ListTasksById
            | Sql::ListTasksOfExecution
            | Sql::ListWorkers
            | Sql::ReadDeliveries
            | Sql::ReadHistories
    )
}

/// The plans of all statements, each as it is when parameters are not looked at.
fn plans(database: &Database) -> Vec<(Sql, String)> {
    const MARK: &str = "plan of ";
    let mut script = String::new();
    for sql in Sql::ALL.iter().copied().filter(|sql| !is_frame(*sql)) {
        let begin = if is_read(sql) {
            Sql::BeginRead
        } else {
            Sql::Begin
        };
        let text = sql.text();
        let parameters = (1..).take_while(|number| text.contains(&format!("${number}")));
        let nulls = vec!["NULL"; parameters.count()].join(", ");
        let arguments = if nulls.is_empty() {
            nulls
        } else {
            format!("({nulls})")
        };
        script.push_str(&format!(
            "{};\nSELECT '{MARK}{sql:?}';\nPREPARE one AS {text};\nEXPLAIN (COSTS OFF) EXECUTE one{arguments};\nDEALLOCATE one;\nROLLBACK;\n",
            begin.text()
        ));
    }
    let answer = database.sql(&script).expect("every statement prepares");
    let plans: Vec<&str> = answer.split(MARK).skip(1).collect();
    let listed = Sql::ALL.iter().copied().filter(|sql| !is_frame(*sql));
    listed
        .zip(plans)
        .map(|(sql, plan)| {
            assert!(plan.starts_with(&format!("{sql:?}")), "{sql:?}: {plan}");
            (sql, plan.to_owned())
        })
        .collect()
}

#[test]
fn every_file_is_listed_and_begins_with_what_it_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let files: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let listed: BTreeSet<String> = Sql::ALL.iter().map(|sql| sql.text().to_owned()).collect();
    assert_eq!(files, listed);
    assert_eq!(listed.len(), Sql::ALL.len());
    assert!(listed.iter().all(|text| text.starts_with("-- ")));
}

/// Whether a sort is of what a request names, and not of what waits: its own elements, the history of one task, a mailbox.
fn sorts_little(sql: Sql) -> bool {
    matches!(
        sql,
        Sql::CountTasks
            | Sql::InsertKeys
            | Sql::ListEntries
            | Sql::ListExecutionsById
            | Sql::ListExecutionsByKey
            | Sql::ListLiveChildren
            | Sql::ListMembers
            | Sql::ListTasksById
            | Sql::ListUnreceived
            | Sql::ListWaits
            | Sql::LockFreeRoots
            | Sql::LockFunctions
            | Sql::LockTasks
            | Sql::ReadDeliveries
            | Sql::ReadHistories
    )
}

/// Whether one of the large tables is read as a whole.
fn reads_a_whole_table(plan: &str) -> bool {
    let large = [
        "task_rows",
        "history",
        "signals",
        "signal_waits",
        "tags",
        "idempotency_keys",
    ];
    plan.lines().any(|line| {
        line.contains("Seq Scan")
            && large
                .iter()
                .any(|table| line.contains(&format!("on {table}")))
            || line.contains("Hash Join")
            || line.contains("Merge Join")
    })
}

/// Looks at empty tables, then at large ones.
fn at_every_size(database: &Database, look: impl Fn(&str)) {
    look("empty");
    when_large(database, look);
}

fn when_large(database: &Database, look: impl Fn(&str)) {
    database.sql(FILL).unwrap();
    look("large, and never analysed");
    database.sql("ANALYZE").unwrap();
    look("large");
}

#[test]
fn no_statement_reads_a_whole_table_or_sorts_a_backlog() {
    let database = empty();
    let look = |when: &str| {
        for (sql, plan) in plans(&database) {
            assert!(!reads_a_whole_table(&plan), "{when}: {plan}");
            let sorts = plan.contains("Sort") && !sorts_little(sql);
            assert!(!sorts, "{when}: {plan}");
        }
    };
    at_every_size(&database, look);
}

/// With sorts forbidden, as they are while reading, a plan that reads an index in order and looks at each row whether it was named is the cheaper one,
/// however long the index is.
#[test]
fn what_a_request_names_is_looked_up_and_not_searched_for() {
    let database = empty();
    let look = |when: &str| {
        for (_, plan) in plans(&database) {
            let searches = plan.lines().any(|line| {
                let by_join = line.contains("Join Filter: ")
                    && (line.contains("wanted.") || line.contains("lanes.id)"));
                let by_array = line.contains(" Filter: ")
                    && ["(id = ANY", "(task = ANY", "(execution = ANY"]
                        .iter()
                        .any(|named| line.contains(named));
                by_join || by_array
            });
            assert!(!searches, "{when}: {plan}");
        }
    };
    at_every_size(&database, look);
}

#[test]
fn claiming_and_sweeping_read_through_the_indexes_that_hold_only_what_they_may_take() {
    let through: [(Sql, &[&str]); 15] = [
        (
            Sql::ClaimDue,
            &["Limit", "LockRows", "using tasks_due", "lane = ask.lane"],
        ),
        (
            Sql::DueLanes,
            &[
                "using tasks_due",
                "using tasks_leased",
                "using tasks_deadline",
            ],
        ),
        (
            Sql::ListPassedLeases,
            &["using tasks_leased", "lease_expires_at <= $1"],
        ),
        (
            Sql::ListPassedDeadlines,
            &["using tasks_deadline", "deadline_at <= $1"],
        ),
        (
            Sql::ListExpired,
            &["using tasks_ended", "using tasks_execution"],
        ),
        (Sql::CountSlots, &["tasks_slot"]),
        (Sql::LockTasks, &["task_rows_pkey"]),
        (Sql::SaveClaims, &["using task_rows_pkey"]),
        (Sql::SaveEnds, &["using task_rows_pkey"]),
        (Sql::SaveTasks, &["using task_rows_pkey"]),
        (Sql::ListUnreceived, &["using signals_unreceived"]),
        (
            Sql::ReadDeliveries,
            &["using history_ordinal", "task = wanted.task"],
        ),
        (
            Sql::ListExecutionsById,
            &["using task_rows_pkey", "Index Cond: (id = wanted.id)"],
        ),
        (
            Sql::ListTasksById,
            &["using task_rows_pkey", "Index Cond: (id = wanted.id)"],
        ),
        (
            Sql::ListExecutionsByKey,
            &["using idempotency_keys_pkey", "(id = "],
        ),
    ];
    let database = empty();
    let look = |when: &str| {
        let plans = plans(&database);
        for (sql, parts) in through {
            let (_, plan) = plans.iter().find(|(of, _)| *of == sql).unwrap();
            for part in parts {
                assert!(plan.contains(part), "{when}: no `{part}` in {plan}");
            }
        }
    };
    when_large(&database, look);
}
