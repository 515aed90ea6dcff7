//! Deliberate defects: each is made in a copy of the repository, and the simulator or the tests must see it. A checker that never failed is unproven.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use clap::Args;
use serde::Deserialize;

use crate::run::{Done, Failed, read, root};

/// Which defects, and how long to look for each.
#[derive(Args)]
pub(crate) struct Options {
    /// Only those whose name holds this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Seeds that the simulator tries for each
    #[arg(long, default_value_t = 300)]
    seeds: u32,
    /// Write down what saw which, in docs/reference/defects.md
    #[arg(long)]
    write: bool,
}

const LIST: &str = "crates/stent-sim/defects.toml";
const PAGE: &str = "docs/reference/defects.md";

/// What looks for defects, without optimisation, for building is most of the time; the quickest first, with how long it may take: one that makes everything hang is seen by that.
const WATCHERS: &[(&str, &[&str])] = &[
    (
        "simulation",
        &[
            "run",
            "--package",
            "stent-sim",
            "--",
            "--no-shrink",
            "--from",
            "1",
            "--seeds",
        ],
    ),
    (
        "rules",
        &[
            "test",
            "--package",
            "stent-core",
            "--package",
            "stent-worker",
        ],
    ),
    ("conformance", &["test", "--package", "stent-conformance"]),
    (
        "tests of the facade",
        &["test", "--package", "stent", "--test", "it"],
    ),
];
const SECONDS_MAX: &str = "200";

#[derive(Deserialize)]
struct Defects {
    defect: Vec<Defect>,
}

#[derive(Deserialize)]
struct Defect {
    name: String,
    /// The promise that it breaks.
    breaks: String,
    file: PathBuf,
    from: String,
    to: String,
}

pub(crate) fn run(options: &Options) -> Done {
    let list = root().join(LIST);
    let text = fs::read_to_string(&list).map_err(Failed::file(&list))?;
    let Defects { mut defect } = toml::from_str(&text).map_err(Failed::unreadable(LIST))?;
    if let Some(only) = &options.only {
        defect.retain(|defect| defect.name.contains(only.as_str()));
    }
    let place = root().join("target/defects");
    let copy = place.join("tree");
    let mut prefix = copy.clone().into_os_string();
    prefix.push("/");
    let mut check_out = Command::new("git");
    check_out.args(["checkout-index", "--all", "--force", "--prefix"]);
    check_out.arg(prefix).current_dir(root());
    read(check_out)?;

    let count = defect.len();
    let (mut rows, mut unseen) = (String::new(), Vec::new());
    for (number, defect) in defect.iter().enumerate() {
        println!(
            "\n━━ {}/{}  {} ({})",
            number + 1,
            count,
            defect.name,
            defect.breaks
        );
        match look(defect, &copy, options.seeds)? {
            Some((by, what)) => {
                println!("seen by the {by}: {what}");
                rows.push_str(&format!("| {} | {} | {by} |\n", defect.name, defect.breaks));
            }
            None => unseen.push(format!("nothing sees: {}", defect.name)),
        }
    }
    if options.write && options.only.is_none() && unseen.is_empty() {
        let page = root().join(PAGE);
        fs::write(&page, format!("{HEAD}{rows}")).map_err(Failed::file(&page))?;
    }
    Failed::unless_empty(unseen)
}

const HEAD: &str = "\
# Deliberate defects

Each of these defects was made in a copy of the repository, one at a time, and something saw it: `cargo xtask defects --write` makes them, looks, and writes this page.
The simulator is asked first, then the tests of the rules and of the worker, the conformance suite on the memory store, and the tests of the facade; named is the first that saw it.
[The list](../../crates/stent-sim/defects.toml) holds the changes themselves.

| defect | breaks | seen by |
|---|---|---|
";

/// Makes a defect, and asks one after the other whether they see it.
fn look(defect: &Defect, copy: &Path, seeds: u32) -> Done<Option<(&'static str, String)>> {
    let file = copy.join(&defect.file);
    let whole = fs::read_to_string(&file).map_err(Failed::file(&file))?;
    if whole.matches(defect.from.as_str()).count() != 1 {
        let what = format!(
            "`{}` does not fit `{}` any more",
            defect.name,
            defect.file.display()
        );
        return Err(Failed::Found(vec![what]));
    }
    let spoilt = whole.replacen(defect.from.as_str(), &defect.to, 1);
    fs::write(&file, spoilt).map_err(Failed::file(&file))?;
    let seen = watch(copy, seeds);
    fs::write(&file, whole).map_err(Failed::file(&file))?;
    seen
}

fn watch(copy: &Path, seeds: u32) -> Done<Option<(&'static str, String)>> {
    // What does not compile shows nothing.
    let built = cargo(copy, &["build", "--quiet", "--package", "stent-sim"], "")?;
    if !built.status.success() {
        let text = String::from_utf8_lossy(&built.stderr).into_owned();
        return Err(Failed::Found(vec![text]));
    }
    for (name, arguments) in WATCHERS {
        let last = if *name == "simulation" {
            seeds.to_string()
        } else {
            String::new()
        };
        let output = cargo(copy, arguments, &last)?;
        if !output.status.success() {
            return Ok(Some((name, first_line(&output))));
        }
    }
    Ok(None)
}

fn cargo(copy: &Path, arguments: &[&str], last: &str) -> Done<Output> {
    let mut command = Command::new("timeout");
    command.args([SECONDS_MAX, "cargo"]).args(arguments);
    if !last.is_empty() {
        command.arg(last);
    }
    command
        .env("CARGO_TARGET_DIR", copy.with_file_name("target"))
        .env("RUSTFLAGS", "-Awarnings")
        .current_dir(copy);
    command.output().map_err(|source| Failed::Start {
        command: "timeout".to_owned(),
        source,
    })
}

/// What was said first of what is wrong.
fn first_line(output: &Output) -> String {
    if output.status.code() == Some(124) {
        return format!("it hangs: nothing came of {SECONDS_MAX} s");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines().map(str::trim);
    let broken = lines.find(|line| {
        line.starts_with(['S', 'L']) && line.contains(':') || line.contains("panicked")
    });
    let line = broken.unwrap_or("it fails");
    line.chars().take(150).collect()
}
