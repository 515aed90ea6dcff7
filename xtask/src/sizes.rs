//! No file of code is longer than one idea.

use std::{fs, path::Path};

use crate::run::{Done, Failed, root};

/// Lines beyond which a file is more than one idea.
const LINES_MAX: usize = 800;

/// Files that may be longer, with the reason.
const LONGER: &[(&str, &str)] = &[];

pub(crate) fn check() -> Done {
    let root = root();
    let mut wrong = Vec::new();
    for folder in ["crates", "xtask", "benches"] {
        visit(&root.join(folder), &mut |path, lines| {
            let name = path
                .strip_prefix(&root)
                .unwrap_or(path)
                .display()
                .to_string();
            let allowed = LONGER.iter().any(|(longer, _)| *longer == name);
            if lines > LINES_MAX && !allowed {
                wrong.push(format!(
                    "`{name}` has {lines} lines; split it by idea ({LINES_MAX} at most)"
                ));
            }
        })?;
    }
    if wrong.is_empty() {
        println!("no file is longer than {LINES_MAX} lines");
        Ok(())
    } else {
        Err(Failed::Found(wrong.join("\n")))
    }
}

/// Calls with each Rust file below a folder.
fn visit(folder: &Path, each: &mut impl FnMut(&Path, usize)) -> Done {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| Failed::Read { path, source }
    };
    for entry in fs::read_dir(folder).map_err(read(folder))? {
        let path = entry.map_err(read(folder))?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                visit(&path, each)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).map_err(read(&path))?;
            each(&path, text.lines().count());
        }
    }
    Ok(())
}
