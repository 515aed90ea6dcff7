//! Every example, built and run to its end.

use std::path::PathBuf;

use crate::run::{Done, Failed, cargo, root, show};

/// Examples with their arguments. `quickstart` indexes the sources of this workspace.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("fan_out", &[]),
    ("saga", &[]),
    ("approval", &[]),
    ("exclusive", &[]),
    ("crash_recovery", &[]),
    ("custom_store", &[]),
];

pub(crate) fn run() -> Done {
    let mut build = cargo([
        "build",
        "--package",
        "stent",
        "--examples",
        "--all-features",
    ]);
    build.env("CARGO_TERM_QUIET", "true");
    show(build)?;
    for (name, arguments) in EXAMPLES {
        let mut example = cargo([
            "run",
            "--quiet",
            "--all-features",
            "--package",
            "stent",
            "--example",
            name,
            "--",
        ]);
        example.args(*arguments);
        show(example)?;
    }
    quickstart()
}

fn quickstart() -> Done {
    let folder = std::env::temp_dir().join(format!("stent-quickstart-{}", std::process::id()));
    let failed = |path: &PathBuf| {
        let path = path.clone();
        move |source| Failed::Read { path, source }
    };
    std::fs::create_dir_all(&folder).map_err(failed(&folder))?;
    let report = folder.join("report.md");
    let mut example = cargo([
        "run",
        "--quiet",
        "--all-features",
        "--package",
        "stent",
        "--example",
        "quickstart",
        "--",
    ]);
    example
        .arg(root().join("crates"))
        .arg("--database")
        .arg(folder.join("index.db"))
        .arg("--report")
        .arg(&report);
    show(example)?;
    let text = std::fs::read_to_string(&report).map_err(failed(&report))?;
    std::fs::remove_dir_all(&folder).map_err(failed(&folder))?;
    if text.contains("main.rs") {
        Ok(())
    } else {
        Err(Failed::Found(
            "the report of `quickstart` names no file of this workspace".to_owned(),
        ))
    }
}
