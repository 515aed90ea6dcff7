//! Rights: one role makes the schema, another only uses it.

use stent_store_postgres::{OpenError, PostgresStore};
use stent_test_postgres::{Cluster, Options};

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

/// The statements that the page tells to run for a role.
fn statements(role: &str) -> &'static str {
    let (_, section) = PLAIN_SQL.split_once("## Roles").unwrap();
    let blocks = section.split("```sql\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    let begins = format!("CREATE ROLE {role} LOGIN");
    blocks.find(|block| block.starts_with(&begins)).unwrap()
}

/// What each of these roles may not, whatever it is for.
const FORBIDDEN: [&str; 12] = [
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
    "TRUNCATE stent.task_rows",
    "CREATE TRIGGER mine BEFORE INSERT ON stent.task_rows EXECUTE FUNCTION suppress_redundant_updates_trigger()",
];

/// A server with a store, a role of the page's, and what the role is answered.
struct Guarded {
    server: Cluster,
    store: PostgresStore,
    role: &'static str,
}

impl Guarded {
    async fn new(role: &'static str) -> Self {
        let server = cluster(&Options::new());
        let store = options(&server.url("postgres")).open().await.unwrap();
        server.sql("postgres", statements(role)).unwrap();
        Self {
            server,
            store,
            role,
        }
    }

    fn sql(&self, text: &str) -> Result<String, stent_test_postgres::Error> {
        let text = format!("SET ROLE {}; {text}", self.role);
        self.server.sql("postgres", &text)
    }

    fn is_refused(&self, text: &str) {
        let refused = self.sql(text).unwrap_err().to_string();
        assert!(
            ["permission denied", "cannot update view", "must be owner"]
                .iter()
                .any(|said| refused.contains(said)),
            "{text}: {refused}"
        );
    }
}

#[tokio::test]
async fn a_role_that_may_only_dispatch_by_sql_does_that_and_no_more() {
    let shop = Guarded::new("shop").await;
    let keyed = "SELECT stent.dispatch('f', '1', idempotency_key => 'k', tags => '{a,a,b}')";
    let id = shop.sql(keyed).unwrap();
    assert_eq!(shop.sql(keyed).unwrap(), id);
    shop.sql("SELECT stent.dispatch('f', '2'::json, queue => 'another')")
        .unwrap();
    shop.sql("SELECT stent.dispatch('f', '2'::jsonb)").unwrap();
    for forbidden in FORBIDDEN {
        shop.is_refused(forbidden);
    }
    for forbidden in [
        "SELECT input FROM stent.task_rows",
        "SELECT * FROM stent.executions",
        "SELECT idempotency_key FROM stent.idempotency_keys",
        "INSERT INTO stent.lanes (queue, function, priority) VALUES ('q', 'f', 0)",
        "INSERT INTO stent.tags VALUES ('00000000-0000-0000-0000-000000000000', 't')",
        "SELECT stent.make_execution(stent.new_id(0), 'f', 'q', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{', 0)",
    ] {
        shop.is_refused(forbidden);
    }
    assert_eq!(claim(&shop.store, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_role_that_may_only_read_the_views_does_that_and_no_more() {
    let report = Guarded::new("report").await;
    dispatch(&report.store, "1").await.unwrap();
    let views = "executions execution_tags tasks dead_letters leases queues functions workers";
    for view in views.split(' ') {
        report.sql(&format!("SELECT * FROM stent.{view}")).unwrap();
    }
    for forbidden in FORBIDDEN {
        report.is_refused(forbidden);
    }
    report.is_refused("SELECT stent.dispatch('f')");
    report.is_refused("SELECT input FROM stent.task_rows");
    assert_eq!(executions(&report.store).await.len(), 1);
}

#[tokio::test]
async fn a_role_that_may_only_dispatch_in_its_transactions_changes_nothing_that_is_there() {
    let clerk = Guarded::new("clerk").await;
    for forbidden in FORBIDDEN {
        clerk.is_refused(forbidden);
    }
    let url = clerk.server.url("postgres");
    let url = url.replace("postgres@", "clerk@");
    let (mut client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let transaction = client.transaction().await.unwrap();
    let request = one(execution("3"));
    let made = clerk.store.dispatch_in(&transaction, &request).await;
    made.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(claim(&clerk.store, 10).await.unwrap().len(), 1);
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
