//! Rights: one role makes the schema, another only uses it.

use stent_store_postgres::OpenError;
use stent_test_postgres::Options;

use crate::support::{cluster, options, refusal, whole};
use stent_conformance::requests::{claim, dispatch, execution, executions, one};

/// What the guide tells to grant; a test compares it with the guide.
const GRANTS: &str = "\
GRANT USAGE ON SCHEMA stent TO stent_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA stent TO stent_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA stent TO stent_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA stent TO stent_app;
";

const ROLES: &str = "\
CREATE ROLE stent_owner LOGIN;
CREATE ROLE stent_app LOGIN;
GRANT CREATE ON DATABASE orders TO stent_owner;
";

#[tokio::test]
async fn a_role_that_owns_nothing_does_all_the_work() {
    let server = cluster(&Options::new());
    let url = |user: &str| {
        server
            .url("orders")
            .replace("postgres@", &format!("{user}@"))
    };
    for statement in ["CREATE DATABASE orders"].into_iter().chain(ROLES.lines()) {
        server.sql("postgres", statement).unwrap();
    }

    let refused = refusal(options(&url("stent_app"))).await;
    assert!(
        matches!(&refused, OpenError::NoRights { user, .. } if user == "stent_app"),
        "{refused}"
    );
    assert!(whole(&refused).contains("GRANT"), "{}", whole(&refused));

    drop(options(&url("stent_owner")).open().await.unwrap());
    let refused = refusal(options(&url("stent_app"))).await;
    assert!(matches!(refused, OpenError::NoRights { .. }), "{refused}");

    for statement in GRANTS.lines() {
        server.sql("orders", statement).unwrap();
    }
    // As where nobody may call what is new unless it is granted.
    let revoke = "REVOKE EXECUTE ON FUNCTION stent.glance FROM PUBLIC, stent_app";
    server.sql("orders", revoke).unwrap();
    let refused = refusal(options(&url("stent_app"))).await;
    assert!(matches!(refused, OpenError::NoRights { .. }), "{refused}");

    for statement in GRANTS.lines() {
        server.sql("orders", statement).unwrap();
    }
    let store = options(&url("stent_app")).open().await.unwrap();
    dispatch(&store, "1").await.unwrap();
    assert_eq!(claim(&store, 1).await.unwrap().len(), 1);
    assert_eq!(executions(&store).await.len(), 1);
    let make = "SET ROLE stent_app; CREATE TABLE stent.mine ()";
    assert!(server.sql("orders", make).is_err());
}

const PLAIN_SQL: &str = include_str!("../../../../docs/plain-sql.md");

/// The statements of a page's section.
fn statements(section: &str) -> &'static str {
    let (_, section) = PLAIN_SQL.split_once(section).unwrap();
    let (_, block) = section.split_once("```sql\n").unwrap();
    block.split("```").next().unwrap()
}

#[tokio::test]
async fn a_role_that_may_only_dispatch_by_sql_and_read_the_views_does_that_and_no_more() {
    let server = cluster(&Options::new());
    let store = options(&server.url("postgres")).open().await.unwrap();
    server.sql("postgres", statements("## Roles")).unwrap();
    let as_shop = |sql: &str| server.sql("postgres", &format!("SET ROLE shop; {sql}"));
    let keyed = "SELECT stent.dispatch('f', '1', idempotency_key => 'k', tags => '{a,a,b}')";
    let id = as_shop(keyed).unwrap();
    assert_eq!(as_shop(keyed).unwrap(), id);
    as_shop("SELECT stent.dispatch('f', '2', queue => 'another')").unwrap();
    for view in "executions execution_tags tasks dead_letters leases queues functions workers"
        .split_whitespace()
    {
        as_shop(&format!("SELECT * FROM stent.{view}")).unwrap();
    }
    for forbidden in [
        "DELETE FROM stent.task_rows",
        "UPDATE stent.task_rows SET lane = 4",
        "INSERT INTO stent.task_rows (id, lane, state, queued_at, created_at, input, ended_at) VALUES ('00000000-0000-0000-0000-000000000000', 4, 4, 0, 0, '', 0)",
        "UPDATE stent.lanes SET priority = 1",
        "SELECT * FROM stent.task_rows",
        "SELECT * FROM stent.history",
        "SELECT * FROM stent.signals",
        "DELETE FROM stent.idempotency_keys",
        "UPDATE stent.executions SET queue = 'q'",
        "CREATE TABLE stent.mine ()",
    ] {
        let refused = as_shop(forbidden).unwrap_err().to_string();
        assert!(
            refused.contains("permission denied") || refused.contains("cannot update view"),
            "{forbidden}: {refused}"
        );
    }
    assert_eq!(claim(&store, 10).await.unwrap().len(), 2);

    let url = server.url("postgres").replace("postgres@", "shop@");
    let (mut client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let transaction = client.transaction().await.unwrap();
    let request = one(execution("3"));
    store.dispatch_in(&transaction, &request).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(claim(&store, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_page_about_plain_sql_shows_statements_that_run() {
    let database = crate::support::database();
    let store = crate::support::open(database.url()).await;
    let (before, _) = PLAIN_SQL.split_once("## Roles").unwrap();
    let blocks = before.split("```sql\n").skip(1);
    let blocks: Vec<&str> = blocks.filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() > 6);
    for block in blocks {
        database
            .sql(block)
            .unwrap_or_else(|error| panic!("{block}: {error}"));
    }
    assert_eq!(executions(&store).await.len(), 2 + 100 + 2);
}

#[test]
fn the_guide_tells_what_is_tested_here() {
    let guide = include_str!("../../../../docs/postgres.md");
    assert!(guide.contains(GRANTS) && guide.contains(ROLES));
}
