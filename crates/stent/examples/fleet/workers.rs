//! The worker processes: starting them, killing one, and ending them.
//!
//! **Invariant:** no process is left behind, however this one ends: a worker ends with its standard input.

use std::{
    io::{self, Write},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use stent::worker::{HolderClock, MachineClock};

use crate::worker::Orders;

/// A worker process, and the place that it has in the table.
#[derive(Debug)]
pub(crate) struct Place {
    process: Child,
    /// How many had this place before it.
    pub(crate) replaced: u32,
    started: Duration,
}

impl Place {
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn runs_for(&self) -> Duration {
        MachineClock.now().saturating_sub(self.started)
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Workers {
    orders: Orders,
    places: Vec<Place>,
}

impl Workers {
    /// Starts so many.
    pub(crate) fn start(count: usize, orders: Orders) -> io::Result<Self> {
        let mut workers = Self {
            orders,
            places: Vec::with_capacity(count),
        };
        for _ in 0..count {
            let place = workers.place(0)?;
            workers.places.push(place);
        }
        Ok(workers)
    }

    fn place(&self, replaced: u32) -> io::Result<Place> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("worker")
            .stdin(Stdio::piped())
            .spawn()?;
        let orders = serde_json::to_string(&self.orders)?;
        if let Some(stdin) = &mut process.stdin {
            writeln!(stdin, "{orders}")?;
        }
        Ok(Place {
            process,
            replaced,
            started: MachineClock.now(),
        })
    }

    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Kills one with SIGKILL, and starts another in its place.
    pub(crate) fn replace(&mut self, number: usize) -> io::Result<()> {
        let place = &mut self.places[number];
        place.process.kill()?;
        place.process.wait()?;
        let replaced = place.replaced + 1;
        self.places[number] = self.place(replaced)?;
        Ok(())
    }

    /// One that has ended by itself, which none should.
    pub(crate) fn ended(&mut self) -> io::Result<Option<(u32, ExitStatus)>> {
        for place in &mut self.places {
            if let Some(status) = place.process.try_wait()? {
                return Ok(Some((place.process.id(), status)));
            }
        }
        Ok(None)
    }

    /// Lets all of them finish what they do, and end.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        for place in &mut self.places {
            drop(place.process.stdin.take());
        }
        for place in &mut self.places {
            place.process.wait()?;
        }
        Ok(())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for place in &mut self.places {
            // It may have ended already.
            place.process.kill().unwrap_or_default();
            place.process.wait().map(drop).unwrap_or_default();
        }
    }
}
