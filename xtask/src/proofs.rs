//! A lock, a fence or an index that names the test which fails without it (`-- proven by module::test`) names one that exists.

use std::{collections::BTreeSet, fs};

use crate::{
    files::{files, name},
    run::{Done, Failed},
};

const MARK: &str = "proven by ";

pub(crate) fn check() -> Done {
    let mut named = Vec::new();
    let mut functions = BTreeSet::new();
    for path in files("crates", &["rs", "sql"])? {
        let text = fs::read_to_string(&path).map_err(Failed::file(&path))?;
        for line in text.lines().map(str::trim) {
            if let Some(function) = declared(line) {
                functions.insert(function.to_owned());
            }
            named.extend(proof(line).map(|test| (name(&path), test.to_owned())));
        }
    }
    let missing = named
        .iter()
        .filter(|(_, test)| !functions.contains(test.as_str()));
    Failed::unless_empty(
        missing
            .map(|(file, test)| format!("`{file}` names the test `{test}`, which does not exist"))
            .collect(),
    )?;
    println!("{} proofs name tests that exist", named.len());
    Ok(())
}

/// The name of the function that a line declares.
fn declared(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("fn ")?;
    let end = rest.find(['(', '<'])?;
    rest.get(..end)
}

/// The name, without its modules, of the test that a comment names.
fn proof(line: &str) -> Option<&str> {
    let comment = line
        .strip_prefix("--")
        .or_else(|| line.strip_prefix("//"))?;
    let (_, test) = comment.split_once(MARK)?;
    let test = test.trim_matches(['`', '.', ' ']);
    Some(test.rsplit("::").next().unwrap_or(test))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_and_tests_are_found_by_name() {
        assert_eq!(
            proof("-- proven by lease::a_stolen_task"),
            Some("a_stolen_task")
        );
        assert_eq!(
            proof("// Held: proven by `a_stolen_task`."),
            Some("a_stolen_task")
        );
        assert_eq!(proof("let x = \"-- proven by nobody\";"), None);
        assert_eq!(
            declared("async fn a_stolen_task() {"),
            Some("a_stolen_task")
        );
        assert_eq!(declared("fn each<T>(t: T)"), Some("each"));
    }
}
