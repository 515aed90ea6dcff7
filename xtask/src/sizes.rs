//! No file of code is longer than one idea.

use std::fs;

use crate::{
    files::{files, name},
    run::{Done, Failed},
};

/// Lines beyond which a file is more than one idea.
const LINES_MAX: usize = 800;

/// Files that may be longer, with the reason.
const LONGER: &[(&str, &str)] = &[];

pub(crate) fn check() -> Done {
    let mut wrong = Vec::new();
    for folder in ["crates", "xtask", "benches"] {
        for path in files(folder, &["rs", "sql"])? {
            let text = fs::read_to_string(&path).map_err(Failed::file(&path))?;
            let (name, lines) = (name(&path), text.lines().count());
            if lines > LINES_MAX && !LONGER.iter().any(|(longer, _)| *longer == name) {
                wrong.push(format!(
                    "`{name}` has {lines} lines; split it by idea ({LINES_MAX} at most)"
                ));
            }
        }
    }
    Failed::unless_empty(wrong)?;
    println!("no file is longer than {LINES_MAX} lines");
    Ok(())
}
