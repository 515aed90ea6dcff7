//! All machines of a world: workers and clients, and what happens to them.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use fastrand::Rng;
use stent::{
    Stent,
    prelude::*,
    store::{Store, WorkerName},
};

use crate::{
    check::end::CRASHES,
    client,
    functions::{Place, all, older},
    machine::Machine,
    network::Connection,
    random::{Random, chance, rng},
    scenario::Fault,
    time::MachineClock,
    world::World,
};

/// The machines, and when something happens to each.
pub(crate) struct Fleet {
    world: Arc<World>,
    machines: Vec<Machine>,
    rng: Rng,
    /// When a machine that is off is started again, and one that stands still goes on.
    back: Vec<Option<u64>>,
    starts: u64,
}

impl Fleet {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        let count = world.scenario.workers + 1;
        Self {
            machines: (0..count).map(Machine::new).collect(),
            rng: rng(world.scenario.seed, 4),
            back: vec![Some(0); count],
            starts: 0,
            world: Arc::clone(world),
        }
    }

    /// One turn: everyone runs for a moment, in an order that is drawn.
    pub(crate) fn turn(&mut self, span: Duration) {
        self.arrive();
        let now = self.world.now();
        for number in 0..self.machines.len() {
            if self.back[number].is_some_and(|at| at <= now) {
                self.back[number] = None;
                self.go_on(number);
            }
        }
        let mut order: Vec<usize> = (0..self.machines.len()).collect();
        self.rng.shuffle(&mut order);
        for number in order {
            if !self.stands_still(number) {
                self.machines[number].run(&self.world, span);
            }
            let doomed = self.world.state().doomed.remove(&number);
            if doomed {
                self.turn_off(number);
            }
        }
        self.world.time.advance(span);
    }

    fn stands_still(&self, number: usize) -> bool {
        self.world.state().standing_still.contains(&number)
    }

    /// Requests that were late arrive.
    fn arrive(&self) {
        let now = self.world.now();
        let mut due = Vec::new();
        {
            let mut state = self.world.state();
            let late = std::mem::take(&mut state.late);
            for (at, request) in late {
                if at <= now {
                    due.push(request);
                } else {
                    state.late.push((at, request));
                }
            }
        }
        for request in due {
            self.world.note("a late request arrives");
            request(&self.world);
        }
    }

    /// Draws what befalls the machines and the store before a turn of that length.
    pub(crate) fn befall(&mut self, span: Duration) {
        let world = Arc::clone(&self.world);
        let millis = u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
        // So many times in a hundred seconds, about.
        let often = |rng: &mut Rng, times: u32| rng.u32(0..100_000) < times.saturating_mul(millis);
        let workers = world.scenario.workers;
        for number in 0..self.machines.len() {
            let is_worker = number < workers;
            let at_rest = self.back[number].is_some();
            if at_rest {
                continue;
            }
            if is_worker && often(&mut self.rng, 12) && world.may(Fault::Kill) {
                self.turn_off(number);
            } else if is_worker && often(&mut self.rng, 12) && world.may(Fault::Pause) {
                self.pause(number);
            } else if is_worker && often(&mut self.rng, 8) && world.may(Fault::Drain) {
                self.machines[number].ask_to_end(&world);
            } else if !is_worker && often(&mut self.rng, 8) && world.may(Fault::Clients) {
                self.turn_off(number);
            }
        }
        if often(&mut self.rng, 10) && world.may(Fault::Outage) {
            let long = self.rng.u64(50..6_000) * 1_000;
            world.state().away_until = world.now() + long;
            world.note(("the store is away", long));
        }
        if often(&mut self.rng, 10) && world.may(Fault::Loss) {
            world.keep();
        }
        if often(&mut self.rng, 200) && world.may(Fault::Loss) {
            world.lose();
        }
        if often(&mut self.rng, 6) && world.may(Fault::StoreClock) {
            let by = self.rng.i64(-3_000_000..3_000_000);
            world.state().clock_was_set = true;
            world.store_clock.step(by);
            world.note(("the store's clock was set", by));
        }
    }

    fn turn_off(&mut self, number: usize) {
        let world = Arc::clone(&self.world);
        self.machines[number].kill(&world);
        let rest = self.rng.u64(10..4_000) * 1_000;
        self.back[number] = Some(world.now() + rest);
    }

    fn pause(&mut self, number: usize) {
        let long = self.rng.u64(100..8_000) * 1_000;
        self.back[number] = Some(self.world.now() + long);
        self.world.note((number, "stands still", long));
        self.world.state().standing_still.insert(number);
    }

    /// A machine that stood still goes on, one that was off is started.
    fn go_on(&mut self, number: usize) {
        let stood_still = {
            let mut state = self.world.state();
            let stood_still = state.standing_still.remove(&number);
            if stood_still {
                *state.pauses.entry(number).or_default() += 1;
            }
            stood_still
        };
        if stood_still {
            self.world.note((number, "goes on"));
        } else if !self.machines[number].is_on() {
            self.start(number);
        }
    }

    /// Faults have stopped: whoever is off comes back, whoever stands still goes on.
    pub(crate) fn calm(&mut self) {
        {
            let mut state = self.world.state();
            state.calm = true;
            state.away_until = 0;
        }
        self.world.note("calm");
        for back in &mut self.back {
            *back = back.map(|_| 0);
        }
        if self.world.scenario.has(Fault::Versions) {
            // The newer version is rolled out.
            for machine in &self.machines[..self.world.scenario.workers] {
                machine.ask_to_end(&self.world);
            }
        }
    }

    fn start(&mut self, number: usize) {
        self.starts += 1;
        let world = &self.world;
        world.note((number, "starts"));
        let seed = world.scenario.seed;
        let drifts = world.scenario.has(Fault::Drift);
        let hour = 3_600_000_000;
        let clock = Arc::new(MachineClock {
            world: Arc::clone(&world.time),
            drift: if drifts { self.rng.i64(-2..3) } else { 0 },
            wrong_by: if drifts { self.rng.i64(-hour..hour) } else { 0 },
            random: Random::new(seed, 100 + self.starts),
        });
        let store: Arc<dyn Store> = Arc::new(Connection {
            world: Arc::clone(world),
            machine: number,
        });
        let stent = Stent::builder(store).ids(Arc::clone(&clock) as _).build();
        let old = world.may(Fault::Versions) && chance(&mut self.rng, 400);
        if number < world.scenario.workers {
            let program = work(Arc::clone(world), stent, clock, number, old);
            self.machines[number].start(program);
        } else {
            self.machines[number].start(client::run(Arc::clone(world), stent));
        }
    }

    /// Machines that are on.
    pub(crate) fn on(&self) -> BTreeSet<usize> {
        let on = self.machines.iter().filter(|machine| machine.is_on());
        on.map(|machine| machine.number).collect()
    }
}

/// What a worker's process does, until it is asked to end; then it drains, and begins again.
async fn work(
    world: Arc<World>,
    stent: Stent,
    clock: Arc<MachineClock>,
    machine: usize,
    old: bool,
) {
    let scenario = &world.scenario;
    let place = Arc::new(Place {
        world: Arc::clone(&world),
        machine,
    });
    let name = WorkerName::new(format!("worker {machine}")).expect("a name");
    loop {
        let functions = if old && !world.state().calm {
            older()
        } else {
            all()
        };
        let worker = stent
            .worker()
            .name(name.as_str())
            .clock(Arc::clone(&clock) as _)
            .entropy(Arc::clone(&clock) as _)
            .renew_on_own_thread(false)
            .lease_duration(scenario.lease)
            .renew(scenario.renew)
            .suspend_after(scenario.suspend_after)
            .poll_interval(scenario.poll_interval)
            .concurrency(scenario.concurrency)
            .drain_grace(Duration::from_secs(2))
            .cleanup_interval(scenario.retention.map(|_| Duration::from_secs(1)))
            .retention_period(scenario.retention.unwrap_or(Duration::from_secs(86_400)))
            .crash_limit(u32::try_from(CRASHES).unwrap_or(u32::MAX))
            .register(functions)
            .state(Arc::clone(&place));
        let worker = match scenario.serve_one.get(&machine) {
            Some(queue) => worker.queues([*queue]),
            None => worker,
        };
        let worker = match worker.start().await {
            Ok(worker) => worker,
            Err(error) => {
                world.note((machine, "does not start", error.to_string()));
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        crate::machine::asked_to_end(&world, machine).await;
        let began = world.now();
        world.note((machine, "drains"));
        let drained = worker.drain().await;
        let took = world.now() - began;
        world.note((machine, "drained", drained.is_ok(), took));
        if took > 7_500_000 && !world.state().pauses.contains_key(&machine) {
            world.broke(format!("L8: a drain took {took} µs: {drained:?}"));
        }
    }
}
