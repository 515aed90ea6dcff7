//! Every default and bound, once, with its reason. Options, help texts and documentation read them from here.

use std::time::Duration;

/// How long a lease runs: 5 minutes, as the requirement says. Renewal makes it independent of how long the work takes.
pub const LEASE_DURATION: Duration = Duration::from_secs(300);

/// The shortest lease: below it, renewing and a database's answer time are of one size.
pub const LEASE_MIN: Duration = Duration::from_millis(10);

/// The longest lease: a year. A task whose worker died waits that long.
pub const LEASE_MAX: Duration = Duration::from_secs(365 * 86_400);

/// A lease is renewed when this fraction of it has passed: two renewals may fail before it runs out.
pub const RENEW_FRACTION: u32 = 3;

/// How often old executions are deleted: every hour, as the requirement says.
pub const CLEANUP_INTERVAL: Duration = Duration::from_secs(3_600);

/// The shortest interval of cleanups.
pub const CLEANUP_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// How long terminal executions are kept: 7 days, as the requirement says.
pub const RETENTION_PERIOD: Duration = Duration::from_secs(7 * 86_400);

/// Executions deleted in one transaction at most: some ten milliseconds of work where each is one task, so that claims hardly wait.
pub const CLEANUP_BATCH: u32 = 500;
/// Rows of tasks and histories that one transaction of a cleanup deletes at most, some tenths of a second of work. An execution goes as a whole:
/// one with more goes alone.
pub const CLEANUP_ROWS: usize = 20_000;

/// Attempts in all, the first one included.
pub const RETRY_MAX_ATTEMPTS: u32 = 3;
/// The delay before the second attempt.
pub const RETRY_INITIAL_DELAY: Duration = Duration::from_secs(1);
/// By how much each further delay is longer.
pub const RETRY_BACKOFF: f64 = 2.0;
/// No delay is longer.
pub const RETRY_MAX_DELAY: Duration = Duration::from_secs(60);
/// Delays are spread by this fraction either way, so that what failed together does not come back together.
pub const RETRY_JITTER: f64 = 0.1;

/// A task that was lost with its worker this often is a suspect: it is claimed alone from then on.
pub const SUSPECT_AFTER_CRASHES: u32 = 2;
/// Crashes as a suspect after which a task becomes a dead letter.
pub const CRASH_LIMIT: u32 = 5;

/// The queue of a call that names none.
pub const QUEUE: &str = "default";

/// Names, queues, tags and keys: 255 bytes fit every database's index.
pub const NAME_MAX_BYTES: usize = 255;
/// Tags of one execution.
pub const TAGS_MAX: usize = 32;
/// The size of one payload: 4 MiB. Larger data belongs in files or object storage.
pub const PAYLOAD_MAX_BYTES: usize = 4 * 1024 * 1024;
/// The length of a recorded error's message; the rest is cut off, and the text says so.
pub const ERROR_MAX_BYTES: usize = 16 * 1024;
/// Durable operations of one task: its history is read as a whole when it is resumed.
pub const OPERATIONS_MAX: u32 = 100_000;
/// Elements of one request to a store: what fits one short transaction.
pub const BATCH_MAX: usize = 10_000;
/// Inputs of one request to make executions: what a store can hold in memory several times over.
pub const BATCH_MAX_BYTES: usize = 64 * 1024 * 1024;

/// How long a client repeats a request that the store does not answer: longer than a database takes to restart.
pub const CLIENT_PATIENCE: Duration = Duration::from_secs(30);

/// Writes that a worker sends in one commit: from there on a larger batch gains little (`cargo xtask bench`).
pub const COMMIT_BATCH: usize = 1_000;
/// Bytes of payloads from which on one commit of a worker takes no more: what is left goes with the next, so that a transaction stays short
/// whatever bodies call, record and return. A few payloads of the largest size fit; for small ones [`COMMIT_BATCH`] is reached first.
pub const COMMIT_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Tasks that a worker takes with one claim: as with commits, and others wait no longer than for a transaction of some milliseconds.
pub const CLAIM_BATCH: u32 = 1_000;

/// Bodies that one worker runs at once.
pub const CONCURRENCY: u32 = 256;
/// Tasks that wait in one worker at once with their bodies in memory; more are suspended at once.
pub const PARKED_MAX: u32 = 10_000;
/// Tasks that one worker claims ahead at most. How many it does follows how fast it starts them.
pub const PREFETCH_MAX: u32 = 4_096;

/// A task that waits this long without anything happening is suspended: its memory goes, its row stays.
pub const SUSPEND_AFTER: Duration = Duration::from_secs(5);

/// How often a worker looks for work when no hint came.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest interval of polling: below it, a worker would do nothing else.
pub const POLL_MIN: Duration = Duration::from_millis(1);
/// The longest interval of polling: a day. Whoever lost a hint waits that long.
pub const POLL_MAX: Duration = Duration::from_secs(86_400);

/// How long a worker that drains lets bodies finish.
pub const DRAIN_GRACE: Duration = Duration::from_secs(30);

/// Tasks whose lease or deadline passed that one claim looks after, so that a mass of them delays no claim for long.
pub const SWEEP_BATCH: u32 = 256;

/// How often tasks that could only wait for each other's slots are looked for.
pub const DEADLOCK_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// A row of a page that lists something.
pub const PAGE_SIZE: u32 = 50;
/// The largest page.
pub const PAGE_SIZE_MAX: u32 = 1_000;
/// How long a worker is listed after its last report: those that died a day ago no longer matter to who looks.
pub const WORKER_LISTED: Duration = Duration::from_secs(86_400);
