//! Files of the repository, below a folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::run::{Done, Failed, root};

/// Every file with one of the extensions below a folder of the repository, sorted; without what Cargo built.
pub(crate) fn files(folder: &str, extensions: &[&str]) -> Done<Vec<PathBuf>> {
    let mut found = Vec::new();
    visit(&root().join(folder), extensions, &mut found)?;
    found.sort();
    Ok(found)
}

fn visit(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) -> Done {
    for entry in fs::read_dir(folder).map_err(Failed::file(folder))? {
        let path = entry.map_err(Failed::file(folder))?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                visit(&path, extensions, found)?;
            }
        } else if path
            .extension()
            .is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted))
        {
            found.push(path);
        }
    }
    Ok(())
}

/// A file's name as people write it: from the root of the repository.
pub(crate) fn name(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}
