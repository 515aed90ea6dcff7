//! The API documentation, and the pages that are printed from the code.

use std::fs;

use clap::Args;

use crate::run::{Done, Failed, Parts, cargo, read, root, show};

/// Whether the printed pages are written or compared.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Write nothing; fail if a printed page is not what the code prints
    #[arg(long)]
    check: bool,
}

impl Options {
    /// As CI does it.
    pub(crate) const CHECK: Self = Self { check: true };
}

/// The states of a task and what leads from one to another.
const STATES: &str = "docs/reference/states.md";

pub(crate) fn run(options: &Options) -> Done {
    let mut parts = Parts::default();
    parts.run("API documentation", api);
    parts.run("printed pages", || states(options));
    parts.done()
}

fn api() -> Done {
    let mut doc = cargo([
        "doc",
        "--workspace",
        "--no-deps",
        "--all-features",
        "--document-private-items",
    ]);
    doc.env(
        "RUSTDOCFLAGS",
        "-D warnings -A rustdoc::private_intra_doc_links",
    );
    show(doc)
}

/// Has the core's own rules say which states there are and what leads where.
fn states(options: &Options) -> Done {
    let printed = read(cargo([
        "run",
        "--quiet",
        "--package",
        "stent-core",
        "--example",
        "states",
    ]))?;
    let path = root().join(STATES);
    if options.check {
        let written = fs::read_to_string(&path).map_err(Failed::file(&path))?;
        if written == printed {
            println!("`{STATES}` is what the code prints");
            Ok(())
        } else {
            let found = format!("`{STATES}` is not what the code prints; run `cargo xtask docs`");
            Err(Failed::Found(vec![found]))
        }
    } else {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Failed::file(folder))?;
        }
        fs::write(&path, printed).map_err(Failed::file(&path))?;
        println!("wrote `{STATES}`");
        Ok(())
    }
}
