//! Every example, built and run to its end.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use crate::{
    metadata::Metadata,
    run::{Done, Failed, Parts, cargo, root, show},
};

const FOLDER: &str = "crates/stent/examples";

/// Examples that end by themselves and need no arguments. Those with a folder to index are run by functions of their own.
const EXAMPLES: &[&str] = &[
    "fan_out",
    "saga",
    "approval",
    "exclusive",
    "crash_recovery",
    "service",
    "custom_store",
];

pub(crate) fn run() -> Done {
    check_list()?;
    // As the tests build them, so that nothing is built twice.
    show(cargo([
        "build",
        "--workspace",
        "--all-features",
        "--examples",
    ]))?;
    let built = Metadata::read()?.target_directory.join("debug/examples");
    let mut parts = Parts::default();
    for name in EXAMPLES {
        parts.run(name, || show(Command::new(built.join(name))));
    }
    parts.run("quickstart", || quickstart(&built.join("quickstart")));
    parts.run("fleet", || fleet(&built.join("fleet")));
    parts.done()
}

/// Makes sure that no example is forgotten.
fn check_list() -> Done {
    let folder = root().join(FOLDER);
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(&folder).map_err(Failed::file(&folder))? {
        let path = entry.map_err(Failed::file(&folder))?.path();
        if let Some(name) = path.file_stem() {
            found.insert(name.to_string_lossy().into_owned());
        }
    }
    let listed: BTreeSet<_> = EXAMPLES
        .iter()
        .chain(["quickstart", "fleet"].iter())
        .map(|name| (*name).to_owned())
        .collect();
    let unlisted = found
        .difference(&listed)
        .map(|name| format!("`{FOLDER}/{name}` is not run; list it in xtask/src/examples.rs"));
    let missing = listed
        .difference(&found)
        .map(|name| format!("`{FOLDER}/{name}` is listed and does not exist"));
    Failed::unless_empty(unlisted.chain(missing).collect())
}

/// Indexes the sources of this workspace, and looks into the report.
fn quickstart(program: &Path) -> Done {
    let folder = std::env::temp_dir().join(format!("stent-quickstart-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(Failed::file(&folder))?;
    let report = folder.join("report.md");
    let mut example = Command::new(program);
    example
        .arg(root().join("crates"))
        .arg("--database")
        .arg(folder.join("index.db"))
        .arg("--report")
        .arg(&report);
    let text =
        show(example).and_then(|()| fs::read_to_string(&report).map_err(Failed::file(&report)));
    fs::remove_dir_all(&folder).map_err(Failed::file(&folder))?;
    if text?.contains("main.rs") {
        Ok(())
    } else {
        let found = "the report of `quickstart` names no file of this workspace";
        Err(Failed::Found(vec![found.to_owned()]))
    }
}

/// Indexes the sources of this workspace with a fleet. It proves by itself that it did so.
fn fleet(program: &Path) -> Done {
    let mut example = Command::new(program);
    example
        .arg(root().join("crates"))
        .args(["--pace", "20ms", "--kill-every", "1s"]);
    show(example)
}
