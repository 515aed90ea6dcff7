//! What all migrations make together: the golden file, and the page that says what each part is for.

use std::{fs, path::Path};

use crate::support::{database, open};

/// Compares a file with what it should hold, or writes it.
fn compare(path: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("STENT_BLESS").is_some() {
        fs::write(&path, made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let different = made
        .lines()
        .zip(kept.lines())
        .find(|(made, kept)| made != kept);
    assert!(
        made == kept,
        "{} is not what the migrations make; `STENT_BLESS=1 cargo test -p stent-store-postgres schema` writes it anew. First: {different:?}",
        path.display()
    );
}

/// Tables as statements; views and functions by what their callers see of them, their texts stand in the migrations.
const GOLDEN: &str = include_str!("schema.sql");

/// The page's lines.
const PAGE: &str = include_str!("schema_page.sql");

const HEAD: &str = "\
-- What all migrations make together. A test compares it; `STENT_BLESS=1 cargo test -p stent-store-postgres schema` writes it anew.

";

const PAGE_HEAD: &str = "\
# The schema of Postgres

Printed from the comments in the database, which the migrations make: `\\d+ stent.tasks` in psql shows them too.
The views stay as they are described here; [plain SQL](../plain-sql.md) says how to use them.
The tables below them may change with any version: read them if you must, and write only through Stent.
[`schema.sql`](../../crates/stent-store-postgres/schema.sql) has their constraints and indexes.

";

#[tokio::test]
async fn the_migrations_make_the_schema_of_the_golden_file() {
    let database = database();
    drop(open(database.url()).await);
    let made = database.sql(GOLDEN).unwrap();
    compare("schema.sql", &format!("{HEAD}{made}\n"));
}

#[tokio::test]
async fn the_page_says_what_each_part_of_the_schema_is_for() {
    let database = database();
    drop(open(database.url()).await);
    let made = database.sql(PAGE).unwrap();
    assert!(!made.contains("(nobody has said)"), "{made}");
    let page = format!("{PAGE_HEAD}{made}\n");
    compare("../../docs/reference/postgres-schema.md", &page);
}
