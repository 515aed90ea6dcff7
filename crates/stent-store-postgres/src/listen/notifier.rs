//! Telling other processes: at once when it is quiet, and seldom enough when it is not.
//!
//! One statement at a time tells everything that has gathered; the same words are said the less often the more listen, since each of them wakes
//! all; where too much gathers, "look at everything" is said instead; and nothing is said while nobody listens.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, atomic::Ordering},
    time::Duration,
};

use stent_core::{ExecutionId, FunctionName, Hint, QueueName, TaskId};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};
use tokio_postgres::types::Type;

use super::{Running, Wire, payload};

const NOTIFY: &str = include_str!("../../sql/listen/notify.sql");
const LISTENERS: &str = include_str!("../../sql/listen/listeners.sql");

/// How long it is until the same words are said again, for each who listens: one process wakes others no more than 200 times a second, so that
/// a single worker hears of each of a few calls, and a hundred of them do not all look for every one.
const SAME_WORDS: Duration = Duration::from_millis(5);
/// The longest that it is, however many listen.
const SAME_WORDS_MAX: Duration = Duration::from_millis(200);
/// How long it is until anything is said again: under load, what gathers meanwhile travels together.
const ANY_WORDS: Duration = Duration::from_millis(5);
/// Hints that are told one by one. With more, a listener is as well off when it looks at everything.
const GATHERED_MAX: usize = 100;
/// How long it is known how many listen. A listener that begins meanwhile looks by itself, as it does when it begins.
const HEARD_FOR: Duration = Duration::from_secs(1);
/// How long telling may take; it is given up then, and a connection of the pool is free again.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a hint is about: two of the same subject are one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Queue(QueueName),
    Delivery(TaskId),
    Cancel(TaskId),
    Slot(FunctionName),
    End(ExecutionId),
    Anything,
}

fn subject(hint: &Hint) -> Subject {
    match hint {
        Hint::Due { queue, .. } => Subject::Queue(queue.clone()),
        Hint::Delivered { task, .. } => Subject::Delivery(*task),
        Hint::CancelRequested { task } => Subject::Cancel(*task),
        Hint::SlotFreed { function } => Subject::Slot(function.clone()),
        Hint::Ended { execution } => Subject::End(*execution),
        Hint::Anything => Subject::Anything,
    }
}

/// What waits to be told.
#[derive(Debug, Default)]
struct Gathered {
    hints: HashMap<Subject, Hint>,
}

impl Gathered {
    fn add(&mut self, hint: &Hint) {
        if self.hints.len() >= GATHERED_MAX {
            self.hints.clear();
            self.hints.insert(Subject::Anything, Hint::Anything);
        }
        if self.hints.contains_key(&Subject::Anything) {
            return;
        }
        let subject = subject(hint);
        match (self.hints.get_mut(&subject), hint) {
            (Some(Hint::Due { at, .. }), Hint::Due { at: other, .. }) => *at = (*at).min(*other),
            (Some(Hint::Delivered { newest, .. }), Hint::Delivered { newest: other, .. }) => {
                *newest = (*newest).max(*other);
            }
            (Some(_), _) => {}
            (None, _) => {
                self.hints.insert(subject, hint.clone());
            }
        }
    }

    /// Takes what may be said now, given from when on what was said may be said again; leaves the rest.
    fn take(&mut self, again: &HashMap<Subject, Instant>, now: Instant) -> Vec<(Subject, Hint)> {
        let may = |subject: &Subject| again.get(subject).is_none_or(|at| now >= *at);
        let (ready, later) = mem::take(&mut self.hints)
            .into_iter()
            .partition(|(subject, _)| may(subject));
        self.hints = later;
        let ready: HashMap<_, _> = ready;
        ready.into_iter().collect()
    }
}

#[derive(Debug, Default)]
struct Desk {
    gathered: Mutex<Gathered>,
    arrived: Notify,
}

impl Desk {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        // What is kept under this lock is whole after each statement.
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells other processes, from a task of its own that begins with the first hint.
pub(super) struct Notifier {
    wire: Arc<Wire>,
    desk: Arc<Desk>,
    running: OnceLock<Running>,
}

impl Notifier {
    pub(super) fn new(wire: Arc<Wire>) -> Self {
        Self {
            wire,
            desk: Arc::default(),
            running: OnceLock::new(),
        }
    }

    /// Lays hints down to be told.
    pub(super) fn tell(&self, hints: &[Hint]) {
        if hints.is_empty() {
            return;
        }
        let mut gathered = self.desk.gathered();
        hints.iter().for_each(|hint| gathered.add(hint));
        drop(gathered);
        self.desk.arrived.notify_one();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.running.get_or_init(|| {
                let (wire, desk) = (Arc::clone(&self.wire), Arc::clone(&self.desk));
                Running(runtime.spawn(async move { run(&wire, &desk).await }))
            });
        }
    }
}

async fn run(wire: &Wire, desk: &Desk) {
    let mut again: HashMap<Subject, Instant> = HashMap::new();
    let mut known_until = Instant::now();
    let mut listeners = 0;
    loop {
        desk.arrived.notified().await;
        loop {
            let now = Instant::now();
            again.retain(|_, at| now < *at);
            let ready = desk.gathered().take(&again, now);
            if ready.is_empty() {
                // What is left was said a moment ago, or there is nothing: then the next hint is waited for.
                let is_left = !desk.gathered().hints.is_empty();
                let Some(next) = again.values().min().filter(|_| is_left) else {
                    break;
                };
                sleep_until(*next).await;
                continue;
            }
            if now >= known_until {
                // Where that cannot be found out, telling would fail as well.
                listeners = timeout(PATIENCE, wire.listeners()).await.unwrap_or(0);
                known_until = Instant::now() + HEARD_FOR;
            }
            if listeners > 0 {
                let payloads: Vec<_> = ready
                    .iter()
                    .map(|(_, hint)| payload::write(wire.own, hint))
                    .collect();
                timeout(PATIENCE, wire.notify(&payloads))
                    .await
                    .unwrap_or_default();
                let next = now + spacing(listeners);
                again.extend(ready.into_iter().map(|(subject, _)| (subject, next)));
            }
            sleep_until(now + ANY_WORDS).await;
        }
    }
}

/// How long it is until the same words are said again to so many.
fn spacing(listeners: u32) -> Duration {
    SAME_WORDS.saturating_mul(listeners).min(SAME_WORDS_MAX)
}

impl Wire {
    /// Says words to all who listen. What fails is not said again: it was only a hint.
    pub(super) async fn notify(&self, payloads: &[String]) {
        let Ok(mut connection) = self.pool.get("notify").await else {
            return;
        };
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), _); 2] =
            [(&self.channel, Type::TEXT), (&payloads, Type::TEXT_ARRAY)];
        match connection.query_typed(NOTIFY, &parameters).await {
            Ok(_) => connection.keep(),
            Err(error) => tracing::debug!(error = %error, "a hint to other processes was lost"),
        }
    }

    /// How many others listen.
    async fn listeners(&self) -> u32 {
        let Ok(mut connection) = self.pool.get("notify").await else {
            return 0;
        };
        let own = self.listener.load(Ordering::Relaxed);
        let schema = &*self.options.schema;
        let answer = connection
            .query_typed_one(LISTENERS, &[(&schema, Type::TEXT), (&own, Type::INT4)])
            .await;
        if answer.is_ok() {
            connection.keep();
        }
        let count = answer.and_then(|row| row.try_get::<_, i64>(0));
        count.map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use stent_core::Timestamp;

    use super::*;

    fn due(queue: &str, at: i64) -> Hint {
        Hint::Due {
            queue: QueueName::new(queue).unwrap(),
            at: Timestamp::from_micros(at),
        }
    }

    #[test]
    fn of_a_queue_the_earliest_work_is_told_once() {
        let mut gathered = Gathered::default();
        for hint in [due("a", 5), due("a", 3), due("a", 9), due("b", 1)] {
            gathered.add(&hint);
        }
        let mut ready: Vec<_> = gathered
            .take(&HashMap::new(), Instant::now())
            .into_iter()
            .map(|(_, hint)| hint)
            .collect();
        ready.sort_by_key(|hint| format!("{hint:?}"));
        assert_eq!(ready, [due("a", 3), due("b", 1)]);
    }

    #[test]
    fn the_same_words_wait_their_time() {
        let now = Instant::now();
        let mut gathered = Gathered::default();
        gathered.add(&due("a", 1));
        gathered.add(&due("b", 1));
        let again = HashMap::from([(subject(&due("a", 1)), now + spacing(1))]);
        let ready = gathered.take(&again, now + Duration::from_millis(1));
        assert_eq!(ready.len(), 1);
        assert_eq!(ready[0].1, due("b", 1));
        assert_eq!(gathered.take(&again, now + spacing(1)).len(), 1);
    }

    #[test]
    fn the_more_listen_the_less_often_is_said_the_same() {
        assert_eq!(spacing(1), SAME_WORDS);
        assert_eq!(spacing(10), 10 * SAME_WORDS);
        assert_eq!(spacing(1_000), SAME_WORDS_MAX);
    }

    #[test]
    fn too_much_becomes_a_look_at_everything() {
        let mut gathered = Gathered::default();
        for number in 0..1_000 {
            gathered.add(&due(&number.to_string(), 1));
        }
        let ready = gathered.take(&HashMap::new(), Instant::now());
        assert_eq!(ready.len(), 1);
        assert_eq!(ready[0].1, Hint::Anything);
    }
}
