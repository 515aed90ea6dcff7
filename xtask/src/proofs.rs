//! A lock, a fence or an index that names the tests which fail without it (`-- proven by module::test`) names ones that exist. So does each clause
//! of a contract, each promise in `docs/invariants.md`, of which none is left out, and each defence in `docs/security.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use crate::{
    files::{files, name},
    run::{Done, Failed, root},
};

const MARK: &str = "proven by ";
const PROMISES: &str = "docs/invariants.md";
const DEFENCES: &str = "docs/security.md";
/// The title of the column in which a page names its tests.
const SHOWN_BY: &str = "shown by";

pub(crate) fn check() -> Done {
    let mut named = Vec::new();
    let mut functions = BTreeSet::new();
    for path in files("crates", &["rs", "sql"])? {
        let text = fs::read_to_string(&path).map_err(Failed::file(&path))?;
        let lines = text.lines().map(str::trim);
        functions.extend(lines.filter_map(declared).map(str::to_owned));
        let tests = proofs(&text).into_iter();
        named.extend(tests.map(|test| (name(&path), test.to_owned())));
    }
    let path = root().join(PROMISES);
    let text = fs::read_to_string(&path).map_err(Failed::file(&path))?;
    let promises = promises(&text);
    for tests in promises.values() {
        named.extend(tests.iter().map(|test| (name(&path), test.clone())));
    }
    let path = root().join(DEFENCES);
    let text = fs::read_to_string(&path).map_err(Failed::file(&path))?;
    let defences = defences(&text);
    for tests in defences.values() {
        named.extend(tests.iter().map(|test| (name(&path), test.clone())));
    }
    let missing = named
        .iter()
        .filter(|(_, test)| !functions.contains(test.as_str()));
    let missing = missing
        .map(|(file, test)| format!("`{file}` names the test `{test}`, which does not exist"));
    let bare = defences.iter().filter(|(_, tests)| tests.is_empty());
    let bare = bare.map(|(defence, _)| format!("`{DEFENCES}` names no test of: {defence}"));
    Failed::unless_empty(missing.chain(left_out(&promises)).chain(bare).collect())?;
    println!(
        "{} proofs name tests that exist; {} promises and {} defences have one",
        named.len(),
        promises.len(),
        defences.len()
    );
    Ok(())
}

/// The tests of each promise, by its letter and number.
fn promises(page: &str) -> BTreeMap<(char, u32), Vec<String>> {
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let number = cells.next()?;
        let letter = number.chars().next()?;
        let number = number.get(1..)?.parse().ok()?;
        Some(((letter, number), tests(cells.nth(1)?)))
    });
    rows.collect()
}

/// The tests of each defence, by the first cell of its row: the rows of tables whose last column has that title.
fn defences(page: &str) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    let mut is_listed = false;
    for line in page.lines() {
        let cells = line
            .strip_prefix("| ")
            .and_then(|row| row.strip_suffix(" |"));
        let Some((first, (_, last))) =
            cells.and_then(|row| Some((row.split_once(" | ")?.0, row.rsplit_once(" | ")?)))
        else {
            // The line below a title is no row, and ends no table either.
            is_listed &= line.starts_with('|');
            continue;
        };
        if last == SHOWN_BY {
            is_listed = true;
        } else if is_listed {
            found.insert(first.to_owned(), tests(last));
        }
    }
    found
}

/// The tests that a cell names, without their modules.
fn tests(cell: &str) -> Vec<String> {
    let names = cell.split('`').skip(1).step_by(2);
    names.map(|test| last(test).to_owned()).collect()
}

/// Promises without a test, and gaps in their numbers.
fn left_out(promises: &BTreeMap<(char, u32), Vec<String>>) -> impl Iterator<Item = String> {
    let numbers = ['S', 'L'].into_iter().flat_map(|letter| {
        let of_letter = promises.keys().filter(move |(one, _)| *one == letter);
        let greatest = of_letter.map(|(_, number)| *number).max().unwrap_or(1);
        (1..=greatest).map(move |number| (letter, number))
    });
    let bare = numbers.filter(|number| promises.get(number).is_none_or(Vec::is_empty));
    bare.map(|(letter, number)| format!("`{PROMISES}` names no test of {letter}{number}"))
}

/// The name of the function that a line declares.
fn declared(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("fn ")?;
    let end = rest.find(['(', '<'])?;
    rest.get(..end)
}

/// The names, without their modules, of the tests that comments name. A list that ends in a comma goes on in the next line.
fn proofs(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut goes_on = false;
    for line in text.lines().map(str::trim) {
        let comment = line.strip_prefix("--").or_else(|| line.strip_prefix("//"));
        let comment = comment.map(|comment| comment.trim_start_matches(['/', '!']));
        let tests = comment.and_then(|comment| match comment.split_once(MARK) {
            Some((_, tests)) => Some(tests),
            None => Some(comment).filter(|_| goes_on),
        });
        let tests = tests.unwrap_or_default().trim();
        goes_on = tests.ends_with(',');
        let names = tests
            .split([',', ';'])
            .map(|test| last(test.trim_matches(['`', '.', ' ', ')'])));
        found.extend(names.filter(|name| !name.is_empty()));
    }
    found
}

fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_and_tests_are_found_by_name() {
        assert_eq!(
            proofs("-- proven by lease::a_stolen_task"),
            ["a_stolen_task"]
        );
        assert_eq!(
            proofs("// Held: proven by `a_stolen_task`."),
            ["a_stolen_task"]
        );
        assert_eq!(proofs("/// Once (proven by `a::b`, `c`)."), ["b", "c"]);
        assert_eq!(
            proofs("//! (proven by `a`,\n//! `b::c`)\n//! d"),
            ["a", "c"]
        );
        assert!(proofs("let x = \"-- proven by nobody\";").is_empty());
        assert_eq!(
            declared("async fn a_stolen_task() {"),
            Some("a_stolen_task")
        );
        assert_eq!(declared("fn each<T>(t: T)"), Some("each"));
    }

    #[test]
    fn a_defence_and_its_tests_are_found_in_tables_that_are_about_them() {
        let page = "| what | why | shown by |\n|---|---|---|\n| a | b | `m::c`, `d` |\n| e | f | nobody |\n\n| x | `y` |\n|---|---|\n| x | `z` |\n";
        let defences = defences(page);
        assert_eq!(defences.len(), 2);
        assert_eq!(defences["a"], ["c", "d"]);
        assert!(defences["e"].is_empty());
    }

    #[test]
    fn a_promise_without_a_test_and_a_gap_are_found() {
        let page = "| # | what |\n| S1 | One. | `a::b`, `c` |\n| S3 | Three. | nobody |\n";
        let promises = promises(page);
        assert_eq!(promises[&('S', 1)], ["b", "c"]);
        let left_out: Vec<_> = left_out(&promises).collect();
        assert_eq!(left_out.len(), 3, "{left_out:?}");
        for (number, said) in ["S2", "S3", "L1"].iter().zip(&left_out) {
            assert!(said.contains(number), "{said}");
        }
    }
}
