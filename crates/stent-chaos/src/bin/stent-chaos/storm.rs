//! The processes of a trial, and what is done to them.

use std::{error::Error, io, process::Command, time::Duration};

use fastrand::Rng;
use stent_chaos::{
    history::{Event, Journal, now},
    process::Process,
};

use crate::worker::Orders;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs tasks.
    Worker,
    /// Calls, and waits for results.
    Dispatcher,
    /// Runs the tasks of a long trial.
    Load,
}

/// Processes in a storm.
#[derive(Debug)]
pub(crate) struct Storm {
    orders: Orders,
    journal: Journal,
    random: Rng,
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    role: Role,
    process: Process,
    /// When it goes on, if it is paused.
    resumes_at: Option<Duration>,
}

impl Storm {
    /// Starts the processes.
    pub(crate) fn begin(
        orders: Orders,
        roles: impl IntoIterator<Item = Role>,
        seed: u64,
    ) -> io::Result<Self> {
        let mut storm = Self {
            journal: Journal::open(&orders.history)?,
            orders,
            random: Rng::with_seed(seed),
            places: Vec::new(),
        };
        for role in roles {
            let place = storm.place(role)?;
            storm.places.push(place);
        }
        Ok(storm)
    }

    fn place(&mut self, role: Role) -> io::Result<Place> {
        self.orders.process += 1;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(match role {
            Role::Worker => "worker",
            Role::Dispatcher => "dispatcher",
            Role::Load => "load",
        });
        Ok(Place {
            role,
            process: Process::start(&mut command, &self.orders)?,
            resumes_at: None,
        })
    }

    /// The numbers of the processes, as the system knows them.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        self.places.iter().map(|place| place.process.id())
    }

    /// Strikes from time to time, some three times per lease, until the time is over; then lets all go on that are paused.
    pub(crate) async fn rage(&mut self, span: Duration) -> Result<(), Box<dyn Error>> {
        let end = now() + span;
        while now() < end {
            let pause = self.orders.lease.mul_f64(0.1 + 0.4 * self.random.f64());
            self.calm_until(end.min(now() + pause)).await?;
            if now() < end {
                self.strike()?;
            }
        }
        self.calm_until(Duration::MAX).await
    }

    /// Waits, and lets processes go on in time. Given the end of time, until none is paused.
    async fn calm_until(&mut self, end: Duration) -> Result<(), Box<dyn Error>> {
        loop {
            self.check()?;
            let next = self
                .places
                .iter()
                .filter_map(|place| place.resumes_at)
                .min();
            let until = match next {
                Some(next) => next.min(end),
                None if end == Duration::MAX => return Ok(()),
                None => end,
            };
            tokio::time::sleep(until.saturating_sub(now())).await;
            for place in &mut self.places {
                if let Some(at) = place.resumes_at
                    && at <= now()
                {
                    self.journal.write(Event::Resumes(place.process.id()))?;
                    place.process.resume()?;
                    place.resumes_at = None;
                }
            }
            if until == end {
                return Ok(());
            }
        }
    }

    /// Kills a process, which a new one takes the place of, or pauses one: as often for less than a lease as for more.
    fn strike(&mut self) -> io::Result<()> {
        let number = self.random.usize(..self.places.len());
        let is_paused = self.places[number].resumes_at.is_some();
        if is_paused || self.random.bool() {
            let process = &mut self.places[number].process;
            self.journal.write(Event::Kills(process.id()))?;
            process.kill()?;
            self.places[number] = self.place(self.places[number].role)?;
        } else {
            let place = &mut self.places[number];
            place.process.pause()?;
            self.journal.write(Event::Pauses(place.process.id()))?;
            let span = self.orders.lease.mul_f64(0.1 + 1.9 * self.random.f64());
            place.resumes_at = Some(now() + span);
        }
        Ok(())
    }

    /// Makes sure that none has ended by itself.
    fn check(&mut self) -> Result<(), Box<dyn Error>> {
        for place in &mut self.places {
            if let Some(status) = place.process.ended()? {
                let id = place.process.id();
                return Err(format!("process {id} ended by itself: {status}").into());
            }
        }
        Ok(())
    }

    /// Lets the processes of a role finish and end.
    pub(crate) fn end(&mut self, role: Role) -> Result<(), Box<dyn Error>> {
        for mut place in self.places.extract_if(.., |place| place.role == role) {
            let status = place.process.end()?;
            if !status.success() {
                let id = place.process.id();
                return Err(format!("process {id} did not finish: {status}").into());
            }
        }
        Ok(())
    }
}
