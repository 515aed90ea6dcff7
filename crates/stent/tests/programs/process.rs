//! Runs the examples that `cargo test` has built.

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

/// How long an example may stay silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// A built example; `cargo test` builds all of them, beside the folder of this test.
pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(|folder| folder.parent()).unwrap();
    let program: PathBuf = folder
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "`{}` is missing; run `cargo test -p stent`, or first `cargo build -p stent --examples`",
        program.display()
    );
    Command::new(program)
}

/// A process that runs, and what it says.
pub(crate) struct Running {
    process: Child,
    lines: mpsc::Receiver<String>,
    errors: thread::JoinHandle<String>,
}

/// How a process ended, and what it said since it was last listened to.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut stderr = process.stderr.take().unwrap();
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let errors = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self {
            process,
            lines,
            errors,
        }
    }

    /// The next line that it says; `None` when it has ended.
    pub(crate) fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                self.process.kill().unwrap();
                panic!("it said nothing for {PATIENCE:?}");
            }
        }
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to end: SIGINT is Ctrl-C.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let process = i32::try_from(self.process.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .unwrap();
        rustix::process::kill_process(process, signal).unwrap();
    }

    /// Waits until it has ended.
    pub(crate) fn wait(mut self) -> Ended {
        let mut output = String::new();
        while let Some(line) = self.line() {
            output.push_str(&line);
            output.push('\n');
        }
        Ended {
            status: self.process.wait().unwrap(),
            output,
            errors: self.errors.join().unwrap(),
        }
    }
}

impl Ended {
    /// Its output, if all went well.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        let Self {
            status,
            output,
            errors,
        } = self;
        assert!(status.success(), "{status}\n{output}\n{errors}");
        output
    }
}
