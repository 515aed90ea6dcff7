//! Values never become SQL: statements stand in files, and what is put into one's text by a program is listed here with its reason.

use std::fs;

use crate::{
    files::{files, name},
    run::{Done, Failed},
};

/// Crates that talk to a database.
const STORES: [&str; 2] = [
    "crates/stent-store-postgres/src",
    "crates/stent-store-sqlite/src",
];

/// Words by which a text is taken for SQL.
const VERBS: [&str; 16] = [
    "ALTER", "ATTACH", "BEGIN", "COPY", "CREATE", "DELETE", "DROP", "EXECUTE", "GRANT", "INSERT",
    "LISTEN", "NOTIFY", "PRAGMA", "SELECT", "SET", "UPDATE",
];

/// Texts that may be made, by their file and a part of them, and why.
const MADE: &[(&str, &str, &str)] = &[
    (
        "crates/stent-store-postgres/src/listen/listener.rs",
        "LISTEN {}",
        "a channel takes no parameter; it is quoted",
    ),
    (
        "crates/stent-store-postgres/src/migrate.rs",
        "CREATE SCHEMA {}",
        "a name takes no parameter; it is quoted",
    ),
    (
        "crates/stent-store-postgres/src/open.rs",
        "SET LOCAL statement_timeout = {}",
        "numbers",
    ),
    (
        "crates/stent-store-postgres/src/open.rs",
        "SET LOCAL synchronous_commit = {synchronous_commit}",
        "one of four words",
    ),
    (
        "crates/stent-store-postgres/src/pool.rs",
        "SELECT 1 / (pg_postmaster_start_time() = '{started_at}",
        "an instant in the server's own words, for the same server; it is sent with others, which take no parameters",
    ),
];

pub(crate) fn check() -> Done {
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    for folder in STORES {
        for path in files(folder, &["rs"])? {
            let text = fs::read_to_string(&path).map_err(Failed::file(&path))?;
            let file = name(&path);
            if file.ends_with("tests.rs") {
                continue;
            }
            for made in made(&text) {
                match MADE.iter().position(|(in_file, part, _)| *in_file == file && made.contains(part)) {
                    Some(known) => seen.push(known),
                    None => wrong.push(format!(
                        "`{file}` puts something into an SQL text: `{made}`; make it a parameter, or say in xtask/src/sql.rs why it cannot be one"
                    )),
                }
            }
        }
    }
    let gone = (0..MADE.len()).filter(|known| !seen.contains(known));
    wrong.extend(gone.map(|known| {
        let (file, part, _) = MADE[known];
        format!("`{file}` no longer makes `{part}`; take it from xtask/src/sql.rs")
    }));
    Failed::unless_empty(wrong)?;
    println!("{} SQL texts are made, each for a reason", MADE.len());
    Ok(())
}

/// The texts of `format!` and its like that look like SQL and have something put into them.
fn made(code: &str) -> Vec<&str> {
    let before_tests = code.split("#[cfg(test)]").next().unwrap_or(code);
    let calls = ["format!(", "write!(", "format_args!("];
    let literals = calls
        .iter()
        .flat_map(|call| before_tests.split(call).skip(1))
        .filter_map(literal);
    literals
        .filter(|text| text.contains('{') && is_sql(text))
        .collect()
}

/// The first literal of a call, if it has one before its end.
fn literal(rest: &str) -> Option<&str> {
    let (before, rest) = rest.split_once('"')?;
    if before.contains([';', ')']) {
        return None;
    }
    let mut escaped = false;
    let end = rest.find(|character| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    })?;
    rest.get(..end)
}

fn is_sql(text: &str) -> bool {
    let lines = text.replace("\\n", " ");
    let mut words = lines.split(|c: char| !c.is_ascii_alphabetic());
    words.any(|word| VERBS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_becomes_sql_is_found() {
        assert_eq!(
            made("let x = format!(\n    \"SELECT {} FROM t\", name);"),
            ["SELECT {} FROM t"]
        );
        assert_eq!(
            made("write!(text, \"a \\\" INSERT {x}\")"),
            ["a \\\" INSERT {x}"]
        );
        assert_eq!(made("format!(\"{x};\\nSET {y}\")").len(), 1);
        for harmless in [
            "format!(\"no right to select {what}\")",
            "format!(\"SELECT 1\")",
            "let sql = \"SELECT {}\";",
            "format!(\"`CREATED` {x}\")",
            "#[cfg(test)]\nformat!(\"SELECT {x}\")",
        ] {
            assert!(made(harmless).is_empty(), "{harmless}");
        }
    }
}
