//! Worker processes: starting them, and doing to them what machines do.
//!
//! **Invariant:** a process ends with this value, however its owner ends: by [`Process`]'s drop, or because its standard input does.

use std::{
    io::{self, Write},
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde::Serialize;

/// A process that runs until its standard input ends. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: Pid,
}

impl Process {
    /// Starts one. Its orders are the first line of its standard input, as JSON: what stands there is not shown to everyone, as arguments are.
    ///
    /// # Errors
    /// When it cannot be started, or takes no orders.
    pub fn start(command: &mut Command, orders: &impl Serialize) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let orders = serde_json::to_string(orders)?;
        if let Some(stdin) = &mut child.stdin {
            writeln!(stdin, "{orders}")?;
        }
        let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { child, pid })
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it with SIGKILL, paused or not, and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Stops it with SIGSTOP, and waits until it stands still.
    ///
    /// # Errors
    /// When it is gone.
    pub fn pause(&self) -> io::Result<()> {
        kill_process(self.pid, Signal::STOP)?;
        waitid(WaitId::Pid(self.pid), WaitIdOptions::STOPPED)?;
        Ok(())
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it is gone.
    pub fn resume(&self) -> io::Result<()> {
        Ok(kill_process(self.pid, Signal::CONT)?)
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Ends its standard input, and waits until it has ended.
    ///
    /// # Errors
    /// When the system does not say how it ended.
    pub fn end(&mut self) -> io::Result<ExitStatus> {
        drop(self.child.stdin.take());
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        self.kill().unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};

    use super::*;

    /// Says what it reads.
    fn echo() -> (Process, BufReader<std::process::ChildStdout>) {
        let mut process =
            Process::start(Command::new("cat").stdout(Stdio::piped()), &"orders").unwrap();
        let mut says = BufReader::new(process.child.stdout.take().unwrap());
        let mut line = String::new();
        says.read_line(&mut line).unwrap();
        assert_eq!(line, "\"orders\"\n");
        (process, says)
    }

    #[test]
    fn a_process_ends_with_its_standard_input() {
        let (mut process, mut says) = echo();
        assert_eq!(process.ended().unwrap(), None);
        assert!(process.end().unwrap().success());
        assert_eq!(says.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_paused_process_stands_still_until_it_goes_on() {
        let (mut process, mut says) = echo();
        process.pause().unwrap();
        let state = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
        assert!(state.contains(" T "), "{state}");
        process.resume().unwrap();
        writeln!(process.child.stdin.as_mut().unwrap(), "awake").unwrap();
        let mut line = String::new();
        says.read_line(&mut line).unwrap();
        assert_eq!(line, "awake\n");
    }

    #[test]
    fn a_process_is_killed_also_while_it_is_paused_and_with_its_value() {
        let (process, mut says) = echo();
        process.pause().unwrap();
        drop(process);
        assert_eq!(says.read(&mut [0]).unwrap(), 0);
    }
}
