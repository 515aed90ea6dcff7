//! Notices at once that something wrote to the file, so that the thread that writes looks whether it was another process.
//!
//! On Linux the kernel tells (`inotify(7)`), which costs nothing while nothing is written. Elsewhere, or when the kernel has no room for another
//! watch, the thread that writes looks every few milliseconds instead.

use std::{path::Path, sync::Arc, time::Duration};

use stent_core::store::HintHub;

/// How often the thread that writes looks by itself when the kernel tells of writes: for file systems whose kernel does not tell all.
pub(crate) const TOLD_INTERVAL: Duration = Duration::from_millis(250);
/// How often it looks when nobody tells: one look costs some 30 µs, waking up included.
pub(crate) const UNTOLD_INTERVAL: Duration = Duration::from_millis(5);

#[cfg(target_os = "linux")]
mod inotify {
    use std::{
        io::{self, PipeReader, PipeWriter},
        os::fd::OwnedFd,
        thread::JoinHandle,
    };

    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        fs::inotify::{CreateFlags, WatchFlags, add_watch, init},
    };

    use super::{Arc, Duration, HintHub, Path};

    /// From one telling to the next at least, so that a busy store is not told of each of its own writes.
    const FIRST_PAUSE: Duration = Duration::from_millis(1);
    /// After a pause of this length a commit is seen, or the next look by the clock sees it.
    const LAST_PAUSE: Duration = Duration::from_millis(64);

    /// A thread that waits for writes.
    #[derive(Debug)]
    pub(crate) struct Watch {
        /// Its loss stops the thread.
        stop: Option<PipeWriter>,
        thread: Option<JoinHandle<()>>,
    }

    impl Watch {
        /// Watches the write-ahead log of a database that is open.
        pub(crate) fn start(
            log: &Path,
            hub: &Arc<HintHub>,
            tell: impl Fn() + Send + 'static,
        ) -> io::Result<Self> {
            let writes = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            add_watch(&writes, log, WatchFlags::MODIFY)?;
            let (stopped, stop) = io::pipe()?;
            let hub = Arc::clone(hub);
            let thread = std::thread::Builder::new()
                .name("stent-sqlite-watch".into())
                .spawn(move || {
                    if let Err(error) = wait(&writes, &stopped, &hub, tell) {
                        tracing::warn!(%error, "other processes' writes are noticed later: the kernel no longer tells");
                    }
                })?;
            Ok(Self {
                stop: Some(stop),
                thread: Some(thread),
            })
        }
    }

    impl Drop for Watch {
        fn drop(&mut self) {
            drop(self.stop.take());
            if let Some(thread) = self.thread.take()
                && thread.join().is_err()
            {
                tracing::error!("the thread that watches had panicked");
            }
        }
    }

    /// Tells of writes until it is stopped.
    ///
    /// The kernel tells of a write when it reaches the log; others see the commit only once the disk has it and the log's index says so.
    /// So one write is told several times, at growing distances.
    fn wait(
        writes: &OwnedFd,
        stopped: &PipeReader,
        hub: &HintHub,
        tell: impl Fn(),
    ) -> io::Result<()> {
        let mut patience = None;
        loop {
            let mut both = [
                PollFd::new(stopped, PollFlags::IN),
                PollFd::new(writes, PollFlags::IN),
            ];
            if is_stopped(&mut both, patience)? {
                return Ok(());
            }
            patience = match (drain(writes)?, patience) {
                (true, _) => Some(FIRST_PAUSE),
                (false, Some(pause)) if pause < LAST_PAUSE => Some(pause * 2),
                (false, _) => None,
            };
            if hub.is_heard() {
                tell();
            }
            // Writes that come meanwhile are told together.
            if is_stopped(&mut both[..1], Some(FIRST_PAUSE))? {
                return Ok(());
            }
        }
    }

    /// Waits for any of these, the first of which is the end; whether that has come.
    fn is_stopped(these: &mut [PollFd<'_>], patience: Option<Duration>) -> io::Result<bool> {
        let timeout = patience.and_then(|span| Timespec::try_from(span).ok());
        loop {
            match poll(these, timeout.as_ref()) {
                Ok(_) => {
                    let stopped = these.first().map(PollFd::revents);
                    return Ok(stopped.is_some_and(|events| !events.is_empty()));
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether there were writes; they are told no more.
    fn drain(writes: &OwnedFd) -> io::Result<bool> {
        let mut events = [0_u8; 4_096];
        let mut any = false;
        loop {
            match rustix::io::read(writes, &mut events) {
                Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(any),
                Ok(_) => any = true,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod inotify {
    use std::io;

    use super::{Arc, HintHub, Path};

    /// Nobody tells here.
    #[derive(Debug)]
    pub(crate) struct Watch(());

    impl Watch {
        pub(crate) fn start(
            _log: &Path,
            _hub: &Arc<HintHub>,
            _tell: impl Fn() + Send + 'static,
        ) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}

pub(crate) use inotify::Watch;
