//! Migrations come one after the other, and one that was released is never edited: its text has the digest that is listed here.

use std::{collections::BTreeMap, fs, path::Path};

use crate::{
    files::{files, name},
    run::{Done, Failed},
};

/// Released migrations with the digest of their text (64-bit FNV-1a). None has been released yet.
const RELEASED: &[(&str, u64)] = &[];

pub(crate) fn check() -> Done {
    let mut wrong = Vec::new();
    let mut found = BTreeMap::new();
    for path in files("crates", &["sql"])? {
        let folder = path.parent().unwrap_or(Path::new(""));
        if folder.ends_with("migrations") {
            let text = fs::read(&path).map_err(Failed::file(&path))?;
            found.insert(name(&path), fnv1a(&text));
        }
    }
    check_numbers(found.keys(), &mut wrong);
    for (name, digest) in RELEASED {
        match found.get(*name) {
            Some(found) if found == digest => {}
            Some(found) => wrong.push(format!(
                "`{name}` was released and has been edited since (digest {found:#018x}); take it back and add a new migration"
            )),
            None => wrong.push(format!("`{name}` was released and is missing")),
        }
    }
    Failed::unless_empty(wrong)?;
    println!(
        "{} migrations, {} of them released",
        found.len(),
        RELEASED.len()
    );
    Ok(())
}

/// Makes sure that the numbers of each folder run from 0001 without a gap.
fn check_numbers<'a>(names: impl Iterator<Item = &'a String>, wrong: &mut Vec<String>) {
    let mut last = BTreeMap::<&str, u32>::new();
    for path in names {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let next = last.entry(folder).or_default();
        *next += 1;
        if !name.starts_with(&format!("{next:04}_")) {
            wrong.push(format!("`{path}` should be number {next:04}"));
        }
    }
}

/// <http://www.isthe.com/chongo/tech/comp/fnv/>: it finds edits, not attacks.
fn fnv1a(text: &[u8]) -> u64 {
    text.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(names: &[&str]) -> usize {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut wrong = Vec::new();
        check_numbers(names.iter(), &mut wrong);
        wrong.len()
    }

    #[test]
    fn migrations_of_each_folder_are_numbered_without_a_gap() {
        assert_eq!(wrong(&["a/0001_x.sql", "a/0002_y.sql", "b/0001_z.sql"]), 0);
        assert_eq!(wrong(&["a/0002_x.sql"]), 1);
        assert_eq!(wrong(&["a/0001_x.sql", "a/0003_y.sql"]), 1);
        assert_eq!(wrong(&["a/1_x.sql"]), 1);
    }

    #[test]
    fn an_edit_changes_the_digest() {
        // The vectors of the algorithm's authors.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
