//! Runs a command and says so: what a chore does, a person can do.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
    time::Duration,
};

/// Why a chore failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// A program could not be started.
    #[error("cannot start `{command}`; is it installed? ({source})")]
    Start { command: String, source: io::Error },
    /// A program said that it failed.
    #[error("`{command}` ended with {status}")]
    Status { command: String, status: ExitStatus },
    /// A check found something: one line for each.
    #[error("{}", .0.join("\n"))]
    Found(Vec<String>),
    /// A file could not be read or written.
    #[error("cannot use `{path}` ({source})", path = path.display())]
    File { path: PathBuf, source: io::Error },
    /// What a program printed, or a file holds, is not what was expected of it.
    #[error("cannot understand {what} ({source})")]
    Unreadable {
        what: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no PostgreSQL to work with.
    #[error("{}", describe(.0))]
    Postgres(stent_test_postgres::Error),
    /// Parts of a chore failed; each has said why.
    #[error("{}", .0.join(", "))]
    Parts(Vec<String>),
}

/// An error with its causes.
fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

pub(crate) type Done<T = ()> = Result<T, Failed>;

impl Failed {
    /// That nothing was found, or what was.
    pub(crate) fn unless_empty(found: Vec<String>) -> Done {
        if found.is_empty() {
            Ok(())
        } else {
            Err(Self::Found(found))
        }
    }

    /// For `map_err` on whatever is done with a file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    /// For `map_err` on reading what a program printed or a file holds.
    pub(crate) fn unreadable<E: std::error::Error + Send + Sync + 'static>(
        what: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Unreadable {
            what,
            source: Box::new(source),
        }
    }
}

/// Options that are passed on, as they are, to a program of the workspace.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct PassedOn {
    /// The program's own; `--help` lists them
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "OPTIONS"
    )]
    pub(crate) arguments: Vec<String>,
}

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

/// A command as a person would type it.
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
    println!("$ {text}");
    let status = command.status().map_err(|source| Failed::Start {
        command: text.clone(),
        source,
    })?;
    succeeded(text, status)
}

/// Runs a command to its end and gives what it printed.
pub(crate) fn read(mut command: Command) -> Done<String> {
    let text = line(&command);
    println!("$ {text}");
    let Output { status, stdout, .. } =
        command
            .stderr(Stdio::inherit())
            .output()
            .map_err(|source| Failed::Start {
                command: text.clone(),
                source,
            })?;
    succeeded(text, status)?;
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

fn succeeded(command: String, status: ExitStatus) -> Done {
    if status.success() {
        Ok(())
    } else {
        Err(Failed::Status { command, status })
    }
}

/// Parts of a chore. All of them run, whatever the others found: one look shows everything that is wrong.
#[derive(Default)]
pub(crate) struct Parts(Vec<Part>);

struct Part {
    name: String,
    took: Duration,
    succeeded: bool,
}

impl Parts {
    /// Runs a part.
    pub(crate) fn run(&mut self, name: &str, part: impl FnOnce() -> Done) {
        println!("\n━━ {name}");
        let (done, took) = timed(part);
        if let Err(error) = &done {
            println!("{name} failed: {error}");
        }
        self.0.push(Part {
            name: name.to_owned(),
            took,
            succeeded: done.is_ok(),
        });
    }

    /// Says what took how long, and fails if any part did.
    pub(crate) fn done(self) -> Done {
        println!();
        for part in &self.0 {
            println!(
                "{} {:<20} {:>6.1} s",
                if part.succeeded { "ok    " } else { "FAILED" },
                part.name,
                part.took.as_secs_f64()
            );
        }
        let failed: Vec<_> = self.0.iter().filter(|part| !part.succeeded).collect();
        if failed.is_empty() {
            Ok(())
        } else {
            Err(Failed::Parts(
                failed.iter().map(|part| part.name.clone()).collect(),
            ))
        }
    }
}

fn timed(part: impl FnOnce() -> Done) -> (Done, Duration) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a chore tells a person how long it took"
    )]
    let began = std::time::Instant::now();
    let done = part();
    (done, began.elapsed())
}
