//! Fuzzing: whatever bytes come, nothing that reads them panics or reads them wrongly.
//!
//! libFuzzer runs with the stable compiler, so without a sanitizer: there is no unsafe code of ours that one could watch.

use std::{
    fs,
    process::{Command, Stdio},
};

use clap::Args;

use crate::{
    files::files,
    run::{Done, Failed, Parts, cargo, root, show},
};

/// What to fuzz, and for how long.
#[derive(Args)]
#[command(
    after_help = "What is found is kept below `target/fuzz`; an input that fails is named with the command that tries it again."
)]
pub(crate) struct Options {
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Add to the corpus in the repository the fewest of what was found that reach new code
    #[arg(long)]
    keep: bool,
    /// Only this target; all by default
    target: Option<String>,
}

/// Enough to read the corpus and to look around; CI does it at each change.
const SHORT_SECONDS: u32 = 4;

const FOLDER: &str = "crates/stent-fuzz";
/// What was found on this machine.
const FOUND: &str = "target/fuzz";
/// The version that is installed where there is none.
const CARGO_FUZZ: &str = "cargo-fuzz@0.13.1";

/// What libFuzzer is told of each target: an input takes no longer than seconds, and no more memory than what it is made of many times over.
const BOUNDS: [&str; 3] = ["-timeout=10", "-rss_limit_mb=1024", "-malloc_limit_mb=256"];
/// The longest input. What is longer is found in tests that are about length.
const LENGTH_MAX: &str = "-max_len=4096";

pub(crate) fn run(options: &Options) -> Done {
    install()?;
    let known = targets()?;
    let chosen = match &options.target {
        None => known,
        Some(target) if known.contains(target) => vec![target.clone()],
        Some(target) => {
            let list = known.join(", ");
            let found = format!("there is no target `{target}`; there are {list}");
            return Err(Failed::Found(vec![found]));
        }
    };
    show(cargo_fuzz("build"))?;
    let mut parts = Parts::default();
    for target in chosen {
        parts.run(&target, || fuzz(&target, options));
    }
    parts.done()
}

/// What CI does.
pub(crate) fn short() -> Done {
    run(&Options {
        seconds: SHORT_SECONDS,
        keep: false,
        target: None,
    })
}

/// The names of the programs.
fn targets() -> Done<Vec<String>> {
    let programs = files(&format!("{FOLDER}/fuzz_targets"), &["rs"])?;
    let names = programs
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()));
    Ok(names.collect())
}

/// Installs `cargo fuzz` if it is missing.
fn install() -> Done {
    let is_there = cargo(["fuzz", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if is_there.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    show(cargo(["install", "--locked", CARGO_FUZZ]))
}

fn cargo_fuzz(verb: &str) -> Command {
    let mut command = cargo([
        "fuzz",
        verb,
        "--fuzz-dir",
        FOLDER,
        "--sanitizer",
        "none",
        "--features",
        "targets",
    ]);
    // Everything is compiled for it, with what counts where a run has been; more than that takes longer to build than it gains in seconds.
    command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    command.env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only");
    command
}

fn fuzz(target: &str, options: &Options) -> Done {
    let corpus = format!("{FOLDER}/corpus/{target}");
    let found = format!("{FOUND}/{target}");
    make(&found)?;
    let mut fuzz = cargo_fuzz("run");
    fuzz.args([target, &found, &corpus, "--", LENGTH_MAX])
        .args(BOUNDS)
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-artifact_prefix={FOUND}/failed-{target}-"))
        .args(["-print_final_stats=1", "-verbosity=0"]);
    show(fuzz)?;
    if options.keep {
        keep(target, &corpus, &found)?;
    }
    Ok(())
}

/// Adds the fewest of what was found that together reach what the corpus does not.
fn keep(target: &str, corpus: &str, found: &str) -> Done {
    let mut merge = cargo_fuzz("run");
    merge
        .args([target, corpus, found, "--", "-set_cover_merge=1"])
        // Where a run has been counts, and not how often.
        .arg("-use_counters=0")
        .args(BOUNDS);
    show(merge)
}

fn make(folder: &str) -> Done {
    let path = root().join(folder);
    fs::create_dir_all(&path).map_err(Failed::file(&path))
}
