//! Runs a command and says so: what a chore does, a person can do.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Why a chore failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// A program could not be started.
    #[error("cannot start `{command}`; is it installed? ({source})")]
    Start { command: String, source: io::Error },
    /// A program said that it failed.
    #[error("`{command}` ended with {status}")]
    Status {
        command: String,
        status: std::process::ExitStatus,
    },
    /// A check found something.
    #[error("{0}")]
    Found(String),
    /// A file could not be read.
    #[error("cannot read `{path}` ({source})", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    /// What a program printed is not what was expected of it.
    #[error("cannot understand what `{command}` printed ({source})")]
    Output {
        command: String,
        source: serde_json::Error,
    },
}

pub(crate) type Done<T = ()> = Result<T, Failed>;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Cargo, in the repository's root.
pub(crate) fn cargo<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_stem().unwrap_or(program.as_os_str());
    let words = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned());
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = value?.to_string_lossy().into_owned();
        Some(format!("{}={value:?}", name.to_string_lossy()))
    });
    variables
        .chain([name.to_string_lossy().into_owned()])
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a command to its end, its output shown.
pub(crate) fn show(mut command: Command) -> Done {
    let text = line(&command);
    println!("\n$ {text}");
    let status = command.status().map_err(|source| Failed::Start {
        command: text.clone(),
        source,
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(Failed::Status {
            command: text,
            status,
        })
    }
}

/// Runs a command to its end and gives what it printed.
pub(crate) fn read(mut command: Command) -> Done<String> {
    let text = line(&command);
    println!("\n$ {text}");
    let Output { status, stdout, .. } =
        command
            .stderr(Stdio::inherit())
            .output()
            .map_err(|source| Failed::Start {
                command: text.clone(),
                source,
            })?;
    if status.success() {
        Ok(String::from_utf8_lossy(&stdout).into_owned())
    } else {
        Err(Failed::Status {
            command: text,
            status,
        })
    }
}

/// Runs a named part of a chore and says how long it took.
pub(crate) fn timed(what: &str, part: impl FnOnce() -> Done) -> Done {
    #[allow(
        clippy::disallowed_methods,
        reason = "a chore tells a person how long it took"
    )]
    let now = std::time::Instant::now;
    let began = now();
    println!("\n━━ {what}");
    part()?;
    println!("━━ {what}: done in {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}
