//! One server in a folder of its own.
//!
//! **Invariant:** a server that was started by [`Cluster::start`] is stopped, and its folder removed, when its process ends, however it ends: a small
//! shell waits for the end of a pipe whose other end only that process holds.

use std::{
    env, fs,
    io::Write as _,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::{Error, Programs, programs};

/// Ports and starts that are tried: another program may take a port between its choice and its use.
const ATTEMPTS: u32 = 5;
/// What the folders' names begin with; the process that owns one follows.
const PREFIX: &str = "stent-postgres-";

/// How a server is stopped, as `pg_ctl stop -m` knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Connections are cut, and all is written to disk.
    Fast,
    /// At once; the next start recovers from the log.
    Immediate,
}

/// How a server is made.
#[derive(Clone, Debug, Default)]
#[must_use = "options start nothing"]
pub struct Options {
    is_durable: bool,
    settings: Vec<(String, String)>,
    encoding: Option<String>,
}

impl Options {
    /// Options for tests: nothing is waited for that only matters when the machine stops.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether commits wait for the disk, as a benchmark wants. Default `false`; the end of the server alone loses nothing either way.
    pub const fn durable(mut self, durable: bool) -> Self {
        self.is_durable = durable;
        self
    }

    /// A line of `postgresql.conf`; the value as it stands there.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The encoding of its databases. Default `UTF8`.
    pub fn encoding(mut self, encoding: &str) -> Self {
        self.encoding = Some(encoding.to_owned());
        self
    }
}

/// A server. Dropped, it is stopped, and its folder removed.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
    folder: PathBuf,
    port: u16,
    /// Who stops it when this process ends; none for one that is to stay.
    watch: Option<Child>,
}

impl Cluster {
    /// Makes a server that goes with this process, and starts it.
    ///
    /// # Errors
    /// Where PostgreSQL is missing or does not start.
    pub fn start(options: &Options) -> Result<Self, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        remove_orphans();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("{PREFIX}{}-{number}", process::id()));
        let mut cluster = Self::make(folder, options)?;
        cluster.watch = Some(cluster.watch()?);
        Ok(cluster)
    }

    /// Makes a server that stays until [`Cluster::remove`], in a folder that does not exist yet.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn keep(folder: &Path, options: &Options) -> Result<Self, Error> {
        Self::make(folder.to_owned(), options)
    }

    /// The server that was made in a folder, if it runs.
    ///
    /// # Errors
    /// Where PostgreSQL is missing.
    pub fn running(folder: &Path) -> Result<Option<Self>, Error> {
        let Some((_, port)) = running(folder) else {
            return Ok(None);
        };
        Ok(Some(Self {
            programs: Programs::find()?,
            folder: folder.to_owned(),
            port,
            watch: None,
        }))
    }

    fn make(folder: PathBuf, options: &Options) -> Result<Self, Error> {
        let programs = Programs::find()?;
        fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        programs.give(&folder)?;
        let mut cluster = Self {
            programs,
            folder,
            port: 0,
            watch: None,
        };
        cluster.initialise(options)?;
        cluster.choose_port()?;
        Ok(cluster)
    }

    fn initialise(&self, options: &Options) -> Result<(), Error> {
        let mut make = self.programs.command("initdb", &self.folder);
        make.args(["--pgdata=data", "--username=postgres", "--auth=trust"])
            .args(["--locale=C", "--no-sync", "--no-instructions"])
            .arg(format!(
                "--encoding={}",
                options.encoding.as_deref().unwrap_or("UTF8")
            ));
        programs::run(make)?;
        let path = self.folder.join("data/postgresql.conf");
        let mut text = String::from(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = '..'\nmax_connections = 200\n",
        );
        if !options.is_durable {
            text.push_str("fsync = off\nfull_page_writes = off\n");
        }
        for (name, value) in &options.settings {
            text.push_str(&format!("{name} = {value}\n"));
        }
        let mut file = fs::File::options()
            .append(true)
            .open(&path)
            .map_err(Error::file(&path))?;
        file.write_all(text.as_bytes()).map_err(Error::file(&path))
    }

    fn choose_port(&mut self) -> Result<(), Error> {
        let mut attempt = 1;
        loop {
            let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(Error::file("127.0.0.1"))?;
            let address = listener.local_addr().map_err(Error::file("127.0.0.1"))?;
            self.port = address.port();
            drop(listener);
            match self.begin() {
                Err(_) if attempt < ATTEMPTS => attempt += 1,
                done => return done,
            }
        }
    }

    /// Starts it again after [`Cluster::stop`] or [`Cluster::kill`], on the same port.
    ///
    /// # Errors
    /// Where it does not start; the end of its log is in the message.
    pub fn begin(&self) -> Result<(), Error> {
        let mut start = self.programs.command("pg_ctl", &self.folder);
        start
            .args(["start", "--pgdata=data", "--log=log", "--wait", "--silent"])
            .arg(format!("--options=-p {}", self.port));
        programs::run(start).map(drop).map_err(|error| match error {
            Error::Failed { program, output } => Error::Failed {
                program,
                output: output + &self.log_end(),
            },
            error => error,
        })
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Stops it.
    ///
    /// # Errors
    /// Where it does not run, or does not stop.
    pub fn stop(&self, how: Stop) -> Result<(), Error> {
        let mode = match how {
            Stop::Fast => "--mode=fast",
            Stop::Immediate => "--mode=immediate",
        };
        let mut stop = self.programs.command("pg_ctl", &self.folder);
        stop.args(["stop", "--pgdata=data", "--wait", "--silent", mode]);
        programs::run(stop).map(drop)
    }

    /// Stops it and starts it again.
    ///
    /// # Errors
    /// As [`Cluster::stop`] and [`Cluster::begin`].
    pub fn restart(&self, how: Stop) -> Result<(), Error> {
        self.stop(how)?;
        self.begin()
    }

    /// Copies the running server, as a standby of which it takes no further notice. There is one at a time; [`Cluster::fail_over`] needs it.
    ///
    /// # Errors
    /// Where the server cannot be copied.
    pub fn keep_standby(&self) -> Result<(), Error> {
        let standby = self.folder.join("standby");
        if standby.exists() {
            fs::remove_dir_all(&standby).map_err(Error::file(&standby))?;
        }
        let mut copy = self.programs.command("pg_basebackup", &self.folder);
        copy.args(["--pgdata=standby", "--wal-method=stream"])
            .args(["--checkpoint=fast", "--no-sync", "--username=postgres"])
            .args(["--host=127.0.0.1", &format!("--port={}", self.port)]);
        programs::run(copy)?;
        let signal = standby.join("standby.signal");
        fs::write(&signal, "").map_err(Error::file(&signal))?;
        self.programs.give(&signal)
    }

    /// Promotes the standby on the same port, after the server was lost with its machine: what it committed since [`Cluster::keep_standby`] is gone.
    ///
    /// # Errors
    /// Where there is no standby, or it cannot be promoted.
    pub fn fail_over(&self) -> Result<(), Error> {
        self.stop(Stop::Immediate)?;
        let [data, lost, standby] = ["data", "lost", "standby"].map(|it| self.folder.join(it));
        fs::rename(&data, &lost).map_err(Error::file(&data))?;
        fs::rename(&standby, &data).map_err(Error::file(&standby))?;
        fs::remove_dir_all(&lost).map_err(Error::file(&lost))?;
        self.begin()?;
        self.promote()
    }

    /// Promotes it, if it is a standby.
    ///
    /// # Errors
    /// Where it is none.
    pub fn promote(&self) -> Result<(), Error> {
        let mut promote = self.programs.command("pg_ctl", &self.folder);
        promote.args(["promote", "--pgdata=data", "--wait", "--silent"]);
        programs::run(promote).map(drop)
    }

    /// Kills its first process, as the kernel does when memory runs out. Its other processes end when they notice.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn kill(&self) -> Result<(), Error> {
        let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let (pid, _) = running(&self.folder).ok_or_else(|| Error::file(&self.folder)(missing()))?;
        kill_process(pid, Signal::KILL).map_err(|error| Error::file(&self.folder)(error.into()))
    }

    /// Stops it and removes its folder.
    ///
    /// # Errors
    /// Where the folder cannot be removed.
    pub fn remove(mut self) -> Result<(), Error> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Error> {
        if let Some(mut watch) = self.watch.take() {
            // The end of its pipe is what it waits for.
            drop(watch.stdin.take());
            watch.wait().map_err(Error::file("sh"))?;
            return Ok(());
        }
        if running(&self.folder).is_some() {
            self.stop(Stop::Immediate)?;
        }
        fs::remove_dir_all(&self.folder).map_err(Error::file(&self.folder))
    }

    /// Starts the shell that ends the server when this process ends.
    fn watch(&self) -> Result<Child, Error> {
        let mut shell = Command::new("sh");
        shell
            .args([
                "-c",
                "read -r _; kill -QUIT \"$(head -n 1 data/postmaster.pid)\"; cd /; \
                 for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf \"$0\" && break; sleep 0.1; done",
            ])
            .arg(&self.folder)
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // So that an interrupt from the terminal ends its owner, and not the shell.
            .process_group(0);
        shell.spawn().map_err(|source| Error::Run {
            program: "sh".to_owned(),
            source,
        })
    }

    /// The URL of one of its databases; `postgres` is there from the beginning.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Its port, on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its folder: the data in `data`, what it says in `log`, its socket.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its programs.
    #[must_use]
    pub const fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Has `pg_amcheck` look whether a database's tables and indexes are whole and agree. It makes the extension `amcheck` there.
    ///
    /// # Errors
    /// What it found, or why it could not look.
    pub fn check(&self, database: &str) -> Result<(), Error> {
        let mut check = self.programs.command("pg_amcheck", &self.folder);
        check
            .args([
                "--install-missing",
                "--heapallindexed",
                "--username=postgres",
            ])
            .args(["--host=127.0.0.1", &format!("--port={}", self.port)])
            .arg(format!("--database={database}"));
        programs::run(check).map(drop)
    }

    /// Stops all its processes where they stand, until they are let go on: a machine that hangs.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn freeze(&self) -> Result<Frozen, Error> {
        let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let (pid, _) = running(&self.folder).ok_or_else(|| Error::file(&self.folder)(missing()))?;
        let mut frozen = Frozen(Vec::new());
        frozen.stop(pid);
        // It starts none any more.
        for child in children(pid) {
            frozen.stop(child);
        }
        Ok(frozen)
    }

    /// Runs SQL as its owner, each statement by itself; what it answered, without titles.
    ///
    /// # Errors
    /// What the server said.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, Error> {
        crate::database::sql(&self.programs, &self.url(database), sql)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // One that was kept outlives this value.
        if self.watch.is_some() {
            // Nobody is there to be told, and the next start removes what is left.
            self.end().unwrap_or_default();
        }
    }
}

/// Processes of a server that stand still. Dropped, they go on.
#[derive(Debug)]
#[must_use = "dropped, they go on"]
pub struct Frozen(Vec<Pid>);

impl Frozen {
    fn stop(&mut self, pid: Pid) {
        // One that is gone needs no stopping.
        if kill_process(pid, Signal::STOP).is_ok() {
            self.0.push(pid);
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in self.0.iter().rev() {
            kill_process(*pid, Signal::CONT).unwrap_or_default();
        }
    }
}

/// The processes that a process has started.
fn children(pid: Pid) -> Vec<Pid> {
    let path = format!("/proc/{0}/task/{0}/children", pid.as_raw_nonzero());
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .collect()
}

/// The process and the port of the server in a folder, if it runs.
fn running(folder: &Path) -> Option<(Pid, u16)> {
    let text = fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
    let mut lines = text.lines();
    let pid = Pid::from_raw(lines.next()?.trim().parse().ok()?)?;
    let port = lines.nth(2)?.trim().parse().ok()?;
    test_kill_process(pid).ok()?;
    Some((pid, port))
}

/// Removes what processes left behind whose shells were killed too.
fn remove_orphans() {
    for entry in fs::read_dir(env::temp_dir())
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok())
            .and_then(Pid::from_raw);
        let Some(owner) = owner else { continue };
        if test_kill_process(owner) != Err(rustix::io::Errno::SRCH) {
            continue;
        }
        if let Some((pid, _)) = running(&entry.path()) {
            // It may have ended meanwhile.
            kill_process(pid, Signal::QUIT).unwrap_or_default();
        }
        // Another process may be doing the same.
        fs::remove_dir_all(entry.path()).unwrap_or_default();
    }
}
