//! Workers in processes of their own, as a fleet has them: this program, started again.
//!
//! What a process says stands in lines: that it is ready, that a body began, how many tasks it has ended. It begins when it is told to, so that
//! its start is not measured, and ends with its standard input.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _, stdin, stdout},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use stent::prelude::*;

use crate::{
    Result,
    functions::{noop, tell},
    measure::now,
};

/// The first argument of a process that is a worker; its store's URL follows.
const AS_WORKER: &str = "as-worker";
/// How often a worker says how many tasks it has ended.
const SAYS_EVERY: Duration = Duration::from_millis(2);
/// How long a process may be silent before something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// The URL of the store that this process is to work on, if it was started as a worker.
pub(crate) fn as_worker() -> Option<String> {
    let mut arguments = env::args().skip(1);
    let first = arguments.next()?;
    (first == AS_WORKER).then(|| arguments.next())?
}

/// Works until the standard input ends.
pub(crate) fn work(url: &str) -> Result {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stent = Stent::open(url).await?;
        say("ready")?;
        let mut line = String::new();
        stdin().read_line(&mut line)?;
        let worker = stent
            .worker()
            .register(functions![noop, tell])
            .drain_grace(Duration::ZERO)
            .start()
            .await?;
        let waits = tokio::task::spawn_blocking(move || stdin().read_line(&mut line));
        tokio::pin!(waits);
        let mut said = 0;
        loop {
            // An idle worker is not woken only to say so.
            let idles = worker.leased() == 0 && worker.stats().ended == said;
            let pause = if idles { PATIENCE / 1_000 } else { SAYS_EVERY };
            tokio::select! {
                _ = &mut waits => break,
                () = tokio::time::sleep(pause) => {}
            }
            let ended = worker.stats().ended;
            if ended > said {
                say(&format!("ended {ended}"))?;
                said = ended;
            }
        }
        Ok(worker.drain().await?)
    })
}

/// Says something to the process that started this one.
pub(crate) fn say(line: &str) -> std::io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// What a worker said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Ready,
    Began,
    Ended(u64),
}

impl Said {
    fn parse(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            None if line == "ready" => Some(Self::Ready),
            None if line == "began" => Some(Self::Began),
            Some(("ended", number)) => number.parse().ok().map(Self::Ended),
            None | Some(_) => None,
        }
    }
}

/// A worker in a process of its own; dropped, it is killed.
pub(crate) struct WorkerProcess {
    child: Child,
    input: Option<ChildStdin>,
    said: Receiver<(Instant, Said)>,
}

impl WorkerProcess {
    /// Starts it, and waits until it has opened the store.
    pub(crate) fn start(url: &str) -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args([AS_WORKER, url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or("a process without an output")?;
        let (sender, said) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output)
                .lines()
                .map_while(std::io::Result::ok)
            {
                if let Some(said) = Said::parse(&line)
                    && sender.send((now(), said)).is_err()
                {
                    return;
                }
            }
        });
        let mut process = Self { child, input, said };
        match process.next()? {
            (_, Said::Ready) => Ok(process),
            (_, other) => Err(format!("a worker said {other:?} before it was ready").into()),
        }
    }

    /// Lets it begin.
    pub(crate) fn go(&mut self) -> Result {
        let input = self.input.as_mut().ok_or("a process without an input")?;
        Ok(writeln!(input, "go")?)
    }

    /// What it says next, and when it was heard.
    pub(crate) fn next(&mut self) -> Result<(Instant, Said)> {
        Ok(self.said.recv_timeout(PATIENCE)?)
    }

    /// What it says within a span of time; none if that is nothing.
    pub(crate) fn next_within(&mut self, span: Duration) -> Result<Option<Said>> {
        match self.said.recv_timeout(span) {
            Ok((_, said)) => Ok(Some(said)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(ended @ RecvTimeoutError::Disconnected) => Err(ended.into()),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Lets it drain and end.
    pub(crate) fn end(mut self) -> Result {
        drop(self.input.take());
        let status = self.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("a worker ended with {status}").into())
        }
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
