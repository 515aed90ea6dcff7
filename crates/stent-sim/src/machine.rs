//! A machine: one process with a runtime of its own, which can be stopped at any await, stand still, and begin again.

use std::{sync::Arc, time::Duration};

use tokio::runtime::{Builder, Runtime};

use crate::world::World;

/// A machine that runs one process, or none.
pub(crate) struct Machine {
    pub(crate) number: usize,
    runtime: Option<Runtime>,
}

impl Machine {
    pub(crate) const fn new(number: usize) -> Self {
        Self {
            number,
            runtime: None,
        }
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.runtime.is_some()
    }

    /// Starts a process, which does this.
    pub(crate) fn start(&mut self, program: impl Future<Output = ()> + Send + 'static) {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime that needs nothing of the machine");
        runtime.spawn(program);
        self.runtime = Some(runtime);
    }

    /// Lets the process run for a moment.
    pub(crate) fn run(&self, world: &World, span: Duration) {
        if let Some(runtime) = &self.runtime {
            runtime.block_on(async {
                let _running = world.time.enter();
                tokio::time::sleep(span).await;
            });
        }
    }

    /// Asks the process to end, as SIGTERM does.
    pub(crate) fn ask_to_end(&self, world: &World) {
        world.state().asked_to_end.insert(self.number);
    }

    /// Ends the process: whatever it was at is dropped where it is.
    pub(crate) fn kill(&mut self, world: &Arc<World>) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        // What runs is dropped in an order that is tokio's own; what is seen of it has an order that a seed repeats.
        world.state().dying = Some(self.number);
        drop(runtime);
        world.state().dying = None;
        let now = world.now();
        let mut record = world.record();
        record.note(now, (self.number, "killed"));
        record.killed(self.number, now);
    }
}

/// Waits until the process is asked to end.
pub(crate) async fn asked_to_end(world: &World, machine: usize) {
    while !world.state().asked_to_end.remove(&machine) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
