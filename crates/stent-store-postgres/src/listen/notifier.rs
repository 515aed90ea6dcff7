//! Telling other processes: at once when it is quiet, and seldom enough when it is not.
//!
//! One statement at a time tells everything that has gathered; the same words are said at most five times a second; where too much gathers,
//! "look at everything" is said instead; and nothing is said while nobody listens.

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
const IS_HEARD: &str = include_str!("../../sql/listen/is_heard.sql");

/// How long it is until the same words are said again.
const SAME_WORDS: Duration = Duration::from_millis(200);
/// How long it is until anything is said again: under load, what gathers meanwhile travels together.
const ANY_WORDS: Duration = Duration::from_millis(5);
/// Hints that are told one by one. With more, a listener is as well off when it looks at everything.
const GATHERED_MAX: usize = 100;
/// How long it is known whether somebody listens. A listener that begins meanwhile looks by itself, as it does when it begins.
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

    /// Takes what may be said now, given when what was said last; leaves the rest.
    fn take(&mut self, said: &HashMap<Subject, Instant>, now: Instant) -> Vec<(Subject, Hint)> {
        let may = |subject: &Subject| said.get(subject).is_none_or(|at| now >= *at + SAME_WORDS);
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
    let mut said: HashMap<Subject, Instant> = HashMap::new();
    let mut heard_until = Instant::now();
    let mut is_heard = false;
    loop {
        desk.arrived.notified().await;
        loop {
            let now = Instant::now();
            said.retain(|_, at| now < *at + SAME_WORDS);
            let ready = desk.gathered().take(&said, now);
            if ready.is_empty() {
                // What is left was said a moment ago, or there is nothing: then the next hint is waited for.
                let is_left = !desk.gathered().hints.is_empty();
                let Some(next) = said.values().min().filter(|_| is_left) else {
                    break;
                };
                sleep_until(*next + SAME_WORDS).await;
                continue;
            }
            if now >= heard_until {
                // Where that cannot be found out, telling would fail as well.
                is_heard = timeout(PATIENCE, wire.is_heard()).await.unwrap_or(false);
                heard_until = Instant::now() + HEARD_FOR;
            }
            if is_heard {
                let payloads: Vec<_> = ready
                    .iter()
                    .map(|(_, hint)| payload::write(wire.own, hint))
                    .collect();
                timeout(PATIENCE, wire.notify(&payloads))
                    .await
                    .unwrap_or_default();
                said.extend(ready.into_iter().map(|(subject, _)| (subject, now)));
            }
            sleep_until(now + ANY_WORDS).await;
        }
    }
}

impl Wire {
    /// Says words to all who listen. What fails is not said again: it was only a hint.
    pub(super) async fn notify(&self, payloads: &[String]) {
        let Ok(connection) = self.pool.get("notify").await else {
            return;
        };
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), _); 2] =
            [(&self.channel, Type::TEXT), (&payloads, Type::TEXT_ARRAY)];
        if let Err(error) = connection.query_typed(NOTIFY, &parameters).await {
            tracing::debug!(error = %error, "a hint to other processes was lost");
        }
    }

    async fn is_heard(&self) -> bool {
        let Ok(connection) = self.pool.get("notify").await else {
            return false;
        };
        let own = self.listener.load(Ordering::Relaxed);
        let schema = &*self.options.schema;
        let answer = connection
            .query_typed_one(IS_HEARD, &[(&schema, Type::TEXT), (&own, Type::INT4)])
            .await;
        answer.is_ok_and(|row| row.try_get(0).unwrap_or(false))
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
        let said = HashMap::from([(subject(&due("a", 1)), now)]);
        let ready = gathered.take(&said, now + Duration::from_millis(1));
        assert_eq!(ready.len(), 1);
        assert_eq!(ready[0].1, due("b", 1));
        assert_eq!(gathered.take(&said, now + SAME_WORDS).len(), 1);
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
