//! PostgreSQL's programs: where they are, and as whom they run.

use std::{
    env, fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use crate::Error;

/// Where Debian puts each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// What is needed of them.
const NEEDED: [&str; 4] = ["initdb", "pg_ctl", "postgres", "psql"];

/// PostgreSQL's programs on this machine.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
    /// Whom the server runs as, where that is somebody else.
    user: Option<User>,
}

#[derive(Clone, Copy, Debug)]
struct User {
    id: u32,
    group: u32,
}

impl Programs {
    /// Finds them; as root on a machine with `apt-get`, installs them first where they are missing.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::NoUser`], which say what to do.
    pub fn find() -> Result<Self, Error> {
        let is_root = rustix::process::geteuid().is_root();
        let folder = match folder() {
            Some(folder) => folder,
            None if is_root && install("postgresql") => folder().ok_or(Error::Missing)?,
            None => return Err(Error::Missing),
        };
        let user = if is_root {
            Some(postgres_user().ok_or(Error::NoUser)?)
        } else {
            None
        };
        Ok(Self { folder, user })
    }

    /// A program, as the user that the server runs as, in a folder that this user may enter.
    #[must_use]
    pub fn command(&self, program: &str, folder: &Path) -> Command {
        let mut command = Command::new(self.folder.join(program));
        command.current_dir(folder).stdin(Stdio::null());
        // The server's messages are read by people; its dates and orders must not depend on the machine.
        command.env("LC_ALL", "C").env_remove("PGDATA");
        if let Some(user) = self.user {
            command.uid(user.id).gid(user.group);
        }
        command
    }

    /// Where a program is.
    #[must_use]
    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    /// Gives a folder to the user that the server runs as.
    pub(crate) fn give(&self, folder: &Path) -> Result<(), Error> {
        match self.user {
            Some(user) => std::os::unix::fs::chown(folder, Some(user.id), Some(user.group))
                .map_err(Error::file(folder)),
            None => Ok(()),
        }
    }
}

/// A program that tests need beside the server's, by the name of its Debian package; as root on a machine with `apt-get`, it is installed first
/// where it is missing.
///
/// # Errors
/// [`Error::MissingProgram`], which says what to do.
pub fn program(name: &str) -> Result<PathBuf, Error> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let find = || {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain(["/usr/sbin".into()]);
        folders
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())
    };
    let is_root = rustix::process::geteuid().is_root();
    find()
        .or_else(|| (is_root && install(name)).then(find).flatten())
        .ok_or_else(|| Error::MissingProgram {
            program: name.to_owned(),
        })
}

/// Runs a program to its end; what it printed.
pub(crate) fn run(mut command: Command) -> Result<String, Error> {
    let program = format!("{command:?}");
    let output = match command.output() {
        Ok(output) => output,
        Err(source) => return Err(Error::Run { program, source }),
    };
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let output = printed + &String::from_utf8_lossy(&output.stderr);
    Err(Error::Failed { program, output })
}

/// The folder of the newest version.
fn folder() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let debian = versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| is_whole(folder))
        .max();
    if let Some((_, folder)) = debian {
        return Some(folder);
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).find_map(|folder| {
        // A link leads to where the others are; a wrapper stands alone and is passed over.
        let program = folder.join("initdb").canonicalize().ok()?;
        let folder = program.parent()?.to_owned();
        is_whole(&folder).then_some(folder)
    })
}

fn is_whole(folder: &Path) -> bool {
    NEEDED.iter().all(|program| folder.join(program).is_file())
}

/// Installs Debian's package. Whether that worked shows when the programs are looked for.
fn install(package: &str) -> bool {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command.args(["-qq", "-y"]).args(arguments);
        command.status().is_ok_and(|status| status.success())
    };
    let package = ["install", "--no-install-recommends", package];
    apt(&package) || (apt(&["update"]) && apt(&package))
}

/// The user that Debian's package makes.
fn postgres_user() -> Option<User> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != "postgres" {
            return None;
        }
        Some(User {
            id: fields.nth(1)?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
        })
    })
}
