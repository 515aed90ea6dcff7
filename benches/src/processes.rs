//! Other processes of this program, each with its part of a measurement.
//!
//! **Invariant:** a process ends with the value that stands for it.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
};

use crate::{
    Result,
    measure::now,
    parts::{Part, Said, Told},
    usage::Usage,
    workloads::PATIENCE,
};

/// A process that does its part.
pub(crate) struct Process {
    child: Child,
    orders: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts one, and waits until it is ready.
    pub(crate) async fn start(part: &Part) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--part")
            .arg(serde_json::to_string(part)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (orders, says) = pipes.ok_or("a process was started without pipes")?;
        let mut process = Self {
            child,
            orders,
            says: BufReader::new(says).lines(),
        };
        match process.next().await? {
            Said::Ready => Ok(process),
            other => Err(format!("a process said {other:?} before it was ready").into()),
        }
    }

    pub(crate) async fn tell(&mut self, told: Told) -> Result {
        let line = serde_json::to_string(&told)? + "\n";
        Ok(self.orders.write_all(line.as_bytes()).await?)
    }

    /// What it says next.
    pub(crate) async fn next(&mut self) -> Result<Said> {
        let line = tokio::time::timeout(PATIENCE, self.says.next_line())
            .await
            .map_err(|_| format!("a process said nothing for {PATIENCE:?}"))??;
        let line = line.ok_or("a process ended in the middle of a measurement")?;
        Ok(serde_json::from_str(&line)?)
    }

    /// When a body started, on the monotonic clock.
    pub(crate) async fn started(&mut self) -> Result<i64> {
        loop {
            if let Said::Started(at) = self.next().await? {
                return Ok(at);
            }
        }
    }

    /// What it has used so far.
    pub(crate) async fn usage(&mut self) -> Result<Usage> {
        self.tell(Told::Usage).await?;
        loop {
            if let Said::Used(usage) = self.next().await? {
                return Ok(usage);
            }
        }
    }

    /// Lets it end by itself, and waits for that.
    pub(crate) async fn end(self) -> Result {
        let Self {
            mut child,
            orders,
            says: _says,
        } = self;
        drop(orders);
        let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
        match ended.map_err(|_| format!("a process did not end within {PATIENCE:?}"))?? {
            status if status.success() => Ok(()),
            status => Err(format!("a process ended with {status}").into()),
        }
    }
}

/// Lets processes that are ready begin, and waits until so many tasks have ended; how long that took, and the most memory that one of them had.
pub(crate) async fn drain(mut processes: Vec<Process>, tasks: usize) -> Result<(Duration, u64)> {
    let began = now();
    for process in &mut processes {
        process.tell(Told::Begin).await?;
    }
    let (counted, mut counts) = mpsc::unbounded_channel::<(usize, u64)>();
    let mut readers = Vec::new();
    for (number, mut process) in processes.into_iter().enumerate() {
        let counted = counted.clone();
        let (enough, mut is_enough) = tokio::sync::oneshot::channel::<()>();
        let reader = tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    said = process.next() => match said {
                        // Whoever reads them has enough.
                        Ok(Said::Ended(ended)) => drop(counted.send((number, ended))),
                        Ok(_) => {}
                        Err(error) => return Err(error),
                    },
                    _ = &mut is_enough => return Ok(process),
                }
            }
        });
        readers.push((enough, reader));
    }
    let enough = all_ended(&mut counts, readers.len(), tasks).await;
    let took = began.elapsed();
    let mut peak = 0;
    for (enough, reader) in readers {
        drop(enough);
        let mut process = reader.await??;
        peak = peak.max(process.usage().await?.peak_memory_kb);
        process.end().await?;
    }
    enough?;
    Ok((took, peak))
}

/// Waits until the newest counts of so many processes make so many tasks.
async fn all_ended(
    counts: &mut mpsc::UnboundedReceiver<(usize, u64)>,
    processes: usize,
    tasks: usize,
) -> Result {
    let tasks = u64::try_from(tasks)?;
    let mut ended = vec![0; processes];
    while ended.iter().sum::<u64>() < tasks {
        let next = tokio::time::timeout(PATIENCE, counts.recv()).await;
        let next = next.map_err(|_| format!("of {tasks} tasks only {ended:?} ended"))?;
        let (number, count) = next.ok_or("the processes ended before their tasks did")?;
        ended[number] = count;
    }
    Ok(())
}
