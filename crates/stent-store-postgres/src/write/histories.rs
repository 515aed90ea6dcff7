//! Histories that a transaction has read or changed, and how they are saved.

use std::collections::{BTreeMap, HashMap, HashSet};

use stent_core::{
    CallPosition, EntryHead, HistoryEntry, Operation, Ordinal, Outcome, OutcomeKind, TaskId,
    Timestamp, encoding::StoredOperation, history::Resolved,
};
use uuid::Uuid;

use super::tasks::uuids;
use crate::{fault::Fault, pipeline::Call, rows, session::Session, statements::Sql};

/// What a transaction knows of histories.
#[derive(Debug, Default)]
pub(crate) struct Histories {
    entries: HashMap<TaskId, BTreeMap<CallPosition, Slot>>,
    /// Tasks of which every entry is known.
    whole: HashSet<TaskId>,
    /// What was touched, to be saved.
    touched: Vec<(TaskId, CallPosition)>,
}

/// A place of a history.
#[derive(Debug, Default)]
struct Slot {
    /// What is there now.
    entry: Option<Entry>,
    /// Whether the table has an entry there.
    is_stored: bool,
    /// Whether the entry was added by this transaction.
    is_new: bool,
    is_touched: bool,
}

#[derive(Debug)]
struct Entry {
    head: EntryHead,
    kind: Option<OutcomeKind>,
    /// The text of its outcome, if this transaction gave it one that has a text.
    text: Option<String>,
}

impl Histories {
    /// The entry at a place; `None` if it is not known whether there is one.
    pub(crate) fn get(&self, task: TaskId, position: CallPosition) -> Option<Option<&EntryHead>> {
        let slot = self.entries.get(&task).and_then(|of| of.get(&position));
        match slot {
            Some(slot) => Some(slot.entry.as_ref().map(|entry| &entry.head)),
            None => self.whole.contains(&task).then_some(None),
        }
    }

    /// All entries of a history, by position, if they are known.
    pub(crate) fn all(&self, task: TaskId) -> Option<Vec<EntryHead>> {
        self.whole.contains(&task).then(|| {
            let slots = self.entries.get(&task).into_iter().flatten();
            slots
                .filter_map(|(_, slot)| slot.entry.as_ref())
                .map(|entry| entry.head.clone())
                .collect()
        })
    }

    /// Knows that a history has no entry: its task was just made, or has made no operation.
    pub(crate) fn know_empty(&mut self, task: TaskId) {
        self.whole.insert(task);
    }

    fn read(&mut self, task: TaskId, head: EntryHead, kind: Option<OutcomeKind>) {
        let slots = self.entries.entry(task).or_default();
        slots.entry(head.position).or_insert_with(|| Slot {
            entry: Some(Entry {
                head,
                kind,
                text: None,
            }),
            is_stored: true,
            ..Slot::default()
        });
    }

    fn nothing_at(&mut self, task: TaskId, position: CallPosition) {
        let slots = self.entries.entry(task).or_default();
        slots.entry(position).or_default();
    }

    fn touch(&mut self, task: TaskId, position: CallPosition) -> &mut Slot {
        let slots = self.entries.entry(task).or_default();
        let slot = slots.entry(position).or_default();
        if !slot.is_touched {
            slot.is_touched = true;
            self.touched.push((task, position));
        }
        slot
    }

    /// Adds an entry.
    pub(crate) fn add(&mut self, task: TaskId, entry: HistoryEntry) {
        let HistoryEntry { head, outcome } = entry;
        let slot = self.touch(task, head.position);
        slot.is_new = true;
        slot.entry = Some(Entry {
            kind: outcome.as_ref().map(Outcome::kind),
            text: outcome.as_ref().and_then(Outcome::stored_text),
            head,
        });
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, task: TaskId, position: CallPosition) {
        let slot = self.touch(task, position);
        slot.entry = None;
        slot.is_new = false;
    }

    /// Marks an entry as abandoned.
    pub(crate) fn abandon(&mut self, task: TaskId, position: CallPosition) {
        if let Some(entry) = &mut self.touch(task, position).entry {
            entry.head.abandoned = true;
        }
    }

    /// Records how an operation ended. `text` is that of the outcome; a child's stands with the child.
    pub(crate) fn resolve(
        &mut self,
        task: TaskId,
        position: CallPosition,
        ordinal: Ordinal,
        kind: OutcomeKind,
        text: Option<String>,
    ) {
        if let Some(entry) = &mut self.touch(task, position).entry {
            entry.kind = Some(kind);
            entry.text = text;
            entry.head.resolved = Some(Resolved {
                completed: kind == OutcomeKind::Completed,
                ordinal: Some(ordinal),
            });
        }
    }

    /// Records which signal an operation received.
    pub(crate) fn receive(
        &mut self,
        task: TaskId,
        position: CallPosition,
        signal: stent_core::SignalId,
    ) {
        if let Some(entry) = &mut self.touch(task, position).entry {
            entry.head.signal = Some(signal);
        }
    }

    /// The statements that save what was touched: what goes first, then what is new, then what changed.
    pub(crate) fn save(&self, calls: &mut Vec<Call>) {
        let mut gone: (Vec<Uuid>, Vec<i64>) = Default::default();
        let mut new = Vec::new();
        let mut changed = Vec::new();
        for (task, position) in &self.touched {
            let Some(slot) = self.entries.get(task).and_then(|of| of.get(position)) else {
                continue;
            };
            if slot.is_stored && (slot.is_new || slot.entry.is_none()) {
                gone.0.push(*task.as_uuid());
                gone.1.push(position.0.into());
            }
            match &slot.entry {
                Some(entry) if slot.is_new => new.push((*task, entry)),
                Some(entry) if slot.is_stored => changed.push((*task, entry)),
                Some(_) | None => {}
            }
        }
        if !gone.0.is_empty() {
            calls.push(Call::new(Sql::DeleteEntries).with(gone.0).with(gone.1));
        }
        if !new.is_empty() {
            calls.push(insert(&new));
        }
        if !changed.is_empty() {
            calls.push(update(&changed));
        }
    }
}

fn position(entry: &Entry) -> i64 {
    entry.head.position.0.into()
}

fn signal(entry: &Entry) -> Option<Uuid> {
    entry.head.signal.map(|signal| *signal.as_uuid())
}

fn ordinal(entry: &Entry) -> Option<i64> {
    let ordinal = entry.head.resolved.and_then(|resolved| resolved.ordinal);
    ordinal.map(|ordinal| ordinal.0.into())
}

fn kind(entry: &Entry) -> Option<i16> {
    entry.kind.map(|kind| rows::code(kind.code()))
}

/// A column of entries.
fn column<T>(of: &[(TaskId, &Entry)], value: impl Fn(&Entry) -> T) -> Vec<T> {
    of.iter().map(|(_, entry)| value(entry)).collect()
}

fn insert(new: &[(TaskId, &Entry)]) -> Call {
    let operations: Vec<StoredOperation> = new
        .iter()
        .map(|(_, entry)| StoredOperation::from(&entry.head.operation))
        .collect();
    let of = |operation: &StoredOperation| rows::code(operation.kind.code());
    let keys = column(new, |entry| {
        let key = entry.head.key.as_ref();
        key.map(|key| key.as_str().to_owned())
    });
    Call::new(Sql::InsertEntries)
        .with(uuids(new.iter().map(|(task, _)| *task)))
        .with(column(new, position))
        .with(keys)
        .with(operations.iter().map(of).collect::<Vec<_>>())
        .with(
            operations
                .iter()
                .map(|one| one.name.clone())
                .collect::<Vec<_>>(),
        )
        .with(operations.iter().map(|one| one.number).collect::<Vec<_>>())
        .with(column(new, |entry| i64::from(entry.head.after.0)))
        .with(column(new, |entry| {
            entry.head.child.map(|child| *child.as_uuid())
        }))
        .with(column(new, |entry| {
            entry.head.wake_at.map(Timestamp::as_micros)
        }))
        .with(column(new, |entry| entry.head.abandoned))
        .with(column(new, signal))
        .with(column(new, ordinal))
        .with(column(new, kind))
        .with(column(new, |entry| entry.text.clone()))
}

fn update(changed: &[(TaskId, &Entry)]) -> Call {
    Call::new(Sql::SaveEntries)
        .with(uuids(changed.iter().map(|(task, _)| *task)))
        .with(column(changed, position))
        .with(column(changed, |entry| entry.head.abandoned))
        .with(column(changed, signal))
        .with(column(changed, ordinal))
        .with(column(changed, kind))
        .with(column(changed, |entry| entry.text.clone()))
}

/// What to read of histories before a request is done.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// Single entries.
    pub(crate) entries: Vec<(TaskId, CallPosition)>,
    /// Whole histories.
    pub(crate) whole: Vec<TaskId>,
}

impl Wanted {
    /// The statements that read it.
    pub(crate) fn calls(&self, calls: &mut Vec<Call>) {
        if !self.entries.is_empty() {
            let tasks = uuids(self.entries.iter().map(|(task, _)| *task));
            let positions: Vec<i64> = self.entries.iter().map(|(_, at)| at.0.into()).collect();
            calls.push(Call::new(Sql::FindEntries).with(tasks).with(positions));
        }
        if !self.whole.is_empty() {
            let tasks = uuids(self.whole.iter().copied());
            calls.push(Call::new(Sql::ListEntries).with(tasks));
        }
    }

    /// Knows what the statements answered, and that there is nothing else.
    pub(crate) fn know(
        self,
        histories: &mut Histories,
        answers: impl Iterator<Item = Vec<tokio_postgres::Row>>,
    ) -> Result<(), Fault> {
        for row in answers.flatten() {
            let (task, head) = rows::entry(&row)?;
            let kind = rows::entry_kind(&row)?;
            histories.read(task, head, kind);
        }
        for (task, position) in self.entries {
            histories.nothing_at(task, position);
        }
        histories.whole.extend(self.whole);
        Ok(())
    }
}

impl Session<'_> {
    /// The entry at a place of a history.
    pub(crate) async fn entry(
        &mut self,
        task: TaskId,
        position: CallPosition,
    ) -> Result<Option<EntryHead>, Fault> {
        if self.histories.get(task, position).is_none() {
            self.read_histories(Wanted {
                entries: vec![(task, position)],
                whole: Vec::new(),
            })
            .await?;
        }
        Ok(self.histories.get(task, position).flatten().cloned())
    }

    /// All entries of a history, by position.
    pub(crate) async fn entries(&mut self, task: TaskId) -> Result<Vec<EntryHead>, Fault> {
        if self.histories.all(task).is_none() {
            self.read_histories(Wanted {
                entries: Vec::new(),
                whole: vec![task],
            })
            .await?;
        }
        Ok(self.histories.all(task).unwrap_or_default())
    }

    /// Reads parts of histories.
    pub(crate) async fn read_histories(&mut self, wanted: Wanted) -> Result<(), Fault> {
        let mut calls = Vec::new();
        wanted.calls(&mut calls);
        let answers = self
            .pipeline(crate::pipeline::Frame::Middle, &calls)
            .await?;
        wanted.know(&mut self.histories, answers.into_iter())
    }

    /// Ends the wait of an entry, if it is one for a signal.
    pub(crate) fn end_wait(&mut self, task: TaskId, position: CallPosition) {
        let head = self.histories.get(task, position).flatten();
        if head.is_some_and(|head| matches!(head.operation, Operation::Signal { .. })) {
            self.mailboxes.end_wait(task, position);
        }
    }
}
