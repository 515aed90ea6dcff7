//! What is done to a database, and to the way to it.

use std::{
    error::Error,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use fastrand::Rng;
use rusqlite::Connection;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use stent_chaos::{
    history::{Damage, Event, Journal, now},
    proxy::{Cut, Proxy},
};
use stent_test_postgres::{Cluster, Options, Stop};

/// The file system that is filled: room for a long trial, and little enough to be filled in a moment.
const ROOM: &str = "2g";

/// How long a foreign program waits for the lock of the file.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database of a trial, and who does what to it.
#[derive(Debug)]
pub(crate) enum Trouble {
    Postgres { cluster: Arc<Cluster>, proxy: Proxy },
    Sqlite(Place),
}

/// Where a database file is.
#[derive(Debug)]
pub(crate) struct Place {
    folder: tempfile::TempDir,
    /// It is a file system of its own.
    is_mounted: bool,
}

impl Trouble {
    /// A throwaway server, and a proxy before it.
    ///
    /// # Errors
    /// Where there is no PostgreSQL, or it does not start.
    pub(crate) async fn postgres() -> Result<Self, Box<dyn Error>> {
        let options = Options::new().durable(true);
        let cluster = tokio::task::spawn_blocking(move || Cluster::start(&options)).await??;
        let proxy = Proxy::start(([127, 0, 0, 1], cluster.port()).into()).await?;
        let cluster = Arc::new(cluster);
        Ok(Self::Postgres { cluster, proxy })
    }

    /// A file, on a file system of its own where this process may mount one.
    ///
    /// # Errors
    /// Where there is no place for it.
    pub(crate) fn sqlite() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={ROOM}"), "stent-chaos"]);
        let is_mounted = run(mount.arg(folder.path())).is_ok();
        Ok(Self::Sqlite(Place { folder, is_mounted }))
    }

    /// The URL that all processes use, by the way that is damaged too.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Postgres { proxy, .. } => {
                // What is encrypted the proxy cannot read.
                format!(
                    "postgres://postgres@{}/postgres?sslmode=disable",
                    proxy.address()
                )
            }
            Self::Sqlite(place) => format!("sqlite:{}", place.file().display()),
        }
    }

    /// What can be done to it.
    pub(crate) fn kinds(&self) -> Vec<Damage> {
        match self {
            Self::Postgres { .. } => vec![
                Damage::Restart,
                Damage::Terminate,
                Damage::Freeze,
                Damage::CutAtCommit,
                Damage::CutAtCommit,
                Damage::CutAll,
                Damage::HalfClose,
                Damage::Stall,
            ],
            Self::Sqlite(place) => {
                let mut kinds = vec![Damage::Lock, Damage::Read];
                kinds.extend(place.is_mounted.then_some(Damage::Full));
                kinds
            }
        }
    }

    /// Damages from time to time, about once in each lease, until the time is over. All is whole again then.
    ///
    /// # Errors
    /// When something cannot be damaged, or not mended.
    pub(crate) async fn rage(
        &self,
        span: Duration,
        lease: Duration,
        journal: &Journal,
        random: &mut Rng,
    ) -> Result<(), Box<dyn Error>> {
        let kinds = self.kinds();
        let end = now() + span;
        loop {
            let pause = lease.mul_f64(0.3 + random.f64());
            tokio::time::sleep(pause.min(end.saturating_sub(now()))).await;
            if now() >= end {
                return Ok(());
            }
            let damage = kinds[random.usize(..kinds.len())];
            let span = lease.mul_f64(0.1 + 1.4 * random.f64());
            journal.write(Event::Damages(damage))?;
            match self {
                Self::Postgres { cluster, proxy } => {
                    let cluster = Arc::clone(cluster);
                    damage_server(cluster, proxy, damage, span, random).await?;
                }
                Self::Sqlite(place) => place.damage(damage, span).await?,
            }
        }
    }

    /// What must not be in the database, once all has ended; each line is something.
    ///
    /// # Errors
    /// When it cannot be looked at, or it is damaged.
    pub(crate) fn audit(&self) -> Result<Vec<String>, stent_chaos::audit::Error> {
        match self {
            Self::Postgres { cluster, .. } => stent_chaos::audit::postgres(cluster, "postgres"),
            Self::Sqlite(place) => stent_chaos::audit::sqlite(&place.file()),
        }
    }
}

async fn damage_server(
    cluster: Arc<Cluster>,
    proxy: &Proxy,
    damage: Damage,
    span: Duration,
    random: &mut Rng,
) -> Result<(), Box<dyn Error>> {
    match damage {
        Damage::Restart => {
            tokio::task::spawn_blocking(move || cluster.restart(Stop::Immediate)).await??;
        }
        Damage::Terminate => {
            let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
            tokio::task::spawn_blocking(move || cluster.sql("postgres", all)).await??;
        }
        Damage::Freeze => {
            let frozen = cluster.freeze()?;
            tokio::time::sleep(span).await;
            drop(frozen);
        }
        Damage::CutAtCommit => {
            let cut = match random.u8(..3) {
                0 => Cut::Before,
                1 => Cut::After,
                _ => Cut::Late(span),
            };
            // One after the other, so that what is repeated is cut again.
            let first = random.u64(1..50);
            let last = first + random.u64(0..10);
            proxy.plan(move |commit| (first..=last).contains(&commit).then_some(cut));
        }
        Damage::CutAll => proxy.cut_all(),
        Damage::HalfClose => proxy.end_answers(span),
        Damage::Stall => {
            proxy.stall(span);
            tokio::time::sleep(span).await;
        }
        Damage::Lock | Damage::Read | Damage::Full => {}
    }
    Ok(())
}

impl Place {
    fn file(&self) -> PathBuf {
        self.folder.path().join("chaos.db")
    }

    async fn damage(&self, damage: Damage, span: Duration) -> Result<(), Box<dyn Error>> {
        match damage {
            Damage::Lock => self.hold("BEGIN IMMEDIATE", span).await,
            Damage::Read => self.hold("BEGIN; SELECT count(*) FROM tasks", span).await,
            Damage::Full => {
                let ballast = self.folder.path().join("ballast");
                fill(&ballast)?;
                tokio::time::sleep(span).await;
                Ok(fs::remove_file(ballast)?)
            }
            Damage::Restart
            | Damage::Terminate
            | Damage::Freeze
            | Damage::CutAtCommit
            | Damage::CutAll
            | Damage::HalfClose
            | Damage::Stall => Ok(()),
        }
    }

    /// Keeps a transaction of somebody else's open.
    async fn hold(&self, begin: &'static str, span: Duration) -> Result<(), Box<dyn Error>> {
        let file = self.file();
        let held = tokio::task::spawn_blocking(move || {
            let connection = Connection::open(file)?;
            connection.busy_timeout(PATIENCE)?;
            connection.execute_batch(begin)?;
            Ok::<_, rusqlite::Error>(connection)
        });
        let connection = held.await??;
        tokio::time::sleep(span).await;
        Ok(connection.execute_batch("ROLLBACK")?)
    }
}

/// Takes all the room that a file system has left.
fn fill(ballast: &Path) -> io::Result<()> {
    let file = File::create(ballast)?;
    let room = statvfs(ballast)?;
    let mut left = room.f_bavail.saturating_mul(room.f_frsize);
    let mut filled: u64 = 0;
    // Others write meanwhile: what is left comes in smaller and smaller pieces.
    while left > 0 {
        if fallocate(&file, FallocateFlags::empty(), filled, left).is_ok() {
            filled += left;
        } else {
            left /= 2;
        }
    }
    Ok(())
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_mounted {
            // Detached at once, whoever still uses it.
            run(Command::new("umount").arg("--lazy").arg(self.folder.path())).unwrap_or_default();
        }
    }
}

/// Runs a program and hides what it says.
fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ))
    }
}
