//! Hints from other processes, and to them, by `LISTEN` and `NOTIFY`.
//!
//! A process that listens does so on a connection of its own, which is replaced when it is lost; whoever writes says so after its commit, in a
//! transaction of its own, because `NOTIFY` takes a lock that all of a server's commits of notifying transactions share.
//!
//! **Invariant:** nothing depends on a hint. Whatever fails here is retried in peace and costs latency alone.

mod listener;
mod notifier;
pub(crate) mod payload;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use stent_core::{Hint, store::HintHub};
use tokio::task::JoinHandle;

use crate::{options::PostgresOptions, pool::Pool};
use notifier::Notifier;

/// What both directions need to know.
pub(super) struct Wire {
    pub(super) options: PostgresOptions,
    pub(super) pool: Pool,
    pub(super) hub: Arc<HintHub>,
    /// The channel: the schema's name with a word before it, so that installations hear nothing of each other.
    pub(super) channel: String,
    /// By which a process knows its own words.
    pub(super) own: u64,
    /// The server's process that serves this one's listener; 0 while there is none.
    pub(super) listener: AtomicI32,
}

/// Both directions of one store. They end when it is dropped.
pub(crate) struct Wires {
    wire: Arc<Wire>,
    listening: OnceLock<Running>,
    notifier: Notifier,
}

impl fmt::Debug for Wires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wires")
            .field("channel", &self.wire.channel)
            .finish_non_exhaustive()
    }
}

/// A task that is stopped when this is dropped.
struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Wires {
    /// Connects a store's own listeners with those of other processes. Nothing runs before it is used.
    pub(crate) fn new(options: &PostgresOptions, pool: &Pool, hub: &Arc<HintHub>) -> Self {
        let wire = Arc::new(Wire {
            options: options.clone(),
            pool: pool.clone(),
            hub: Arc::clone(hub),
            channel: channel(&options.schema),
            own: random(),
            listener: AtomicI32::new(0),
        });
        Self {
            notifier: Notifier::new(Arc::clone(&wire)),
            listening: OnceLock::new(),
            wire,
        }
    }

    /// Listens to other processes from now on, if that is wanted. Must be called within a runtime; else it does nothing.
    pub(crate) fn listen(&self) {
        if !self.wire.options.listen {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.listening.get_or_init(|| {
                let wire = Arc::clone(&self.wire);
                Running(runtime.spawn(async move { listener::run(&wire).await }))
            });
        }
    }

    /// Tells other processes what was committed. Waits for nothing.
    pub(crate) fn tell(&self, hints: &[Hint]) {
        self.notifier.tell(hints);
    }
}

/// The channel of a schema. PostgreSQL keeps 63 bytes of its name, so a long one is shortened by a digest.
fn channel(schema: &str) -> String {
    const LONGEST: usize = 63 - "stent:".len();
    if schema.len() <= LONGEST {
        return format!("stent:{schema}");
    }
    // 64-bit FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>): two schemas with one channel would only look once too often.
    let digest = schema
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("stent:{digest:016x}")
}

/// A random number. Where the machine has none to give, all get the same, which only makes them less apart.
fn random() -> u64 {
    getrandom::u64().unwrap_or(0x5374_6e74)
}

/// A span between half and the whole of `span`, so that many who lost their connections at once don't come back at once.
fn jittered(span: Duration) -> Duration {
    // The upper 32 bits as a fraction of one.
    let fraction =
        f64::from(u32::try_from(random() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    span.mul_f64(0.5 + fraction / 2.0)
}

impl Wire {
    fn is_listening(&self) -> bool {
        self.listener.load(Ordering::Relaxed) != 0
    }

    fn set_listener(&self, pid: i32) {
        self.listener.store(pid, Ordering::Relaxed);
    }
}
