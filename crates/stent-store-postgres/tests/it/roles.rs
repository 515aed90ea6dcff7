//! Rights: one role makes the schema, another only uses it.

use stent_store_postgres::OpenError;
use stent_test_postgres::Options;

use crate::support::{cluster, options, refusal, whole};
use stent_conformance::requests::{claim, dispatch, executions};

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
    let store = options(&url("stent_app")).open().await.unwrap();
    dispatch(&store, "1").await.unwrap();
    assert_eq!(claim(&store, 1).await.unwrap().len(), 1);
    assert_eq!(executions(&store).await.len(), 1);
    let make = "SET ROLE stent_app; CREATE TABLE stent.mine ()";
    assert!(server.sql("orders", make).is_err());
}

#[test]
fn the_guide_tells_what_is_tested_here() {
    let guide = include_str!("../../../../docs/postgres.md");
    assert!(guide.contains(GRANTS) && guide.contains(ROLES));
}
