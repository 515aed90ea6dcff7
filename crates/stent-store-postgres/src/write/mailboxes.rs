//! Signals and the operations that wait for them, by execution and name, as a transaction has read and changed them.

use std::collections::{BTreeMap, HashMap, HashSet};

use stent_core::{CallPosition, ExecutionId, Payload, SignalId, SignalName, TaskId};
use uuid::Uuid;

use super::tasks::uuids;
use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    rows::Reading,
    session::Session,
    statements::Sql,
};

/// An execution, and a name of signals.
pub(crate) type Mailbox = (ExecutionId, SignalName);

/// Numbers from here on stand for what this transaction adds: it comes after all that is stored.
const FIRST_NEW: i64 = i64::MAX / 2;

/// What a transaction knows of signals and waits.
#[derive(Debug, Default)]
pub(crate) struct Mailboxes {
    known: HashMap<Mailbox, Contents>,
    signals: HashMap<SignalId, Kept>,
    /// Ids that no signal has.
    absent: HashSet<SignalId>,
    new_signals: Vec<SignalId>,
    changed_signals: Vec<SignalId>,
    /// Waits that this transaction began and that still last, by their numbers.
    new_waits: BTreeMap<i64, (Mailbox, (TaskId, CallPosition))>,
    /// Stored waits that this transaction ended.
    ended: HashSet<(TaskId, CallPosition)>,
    /// Tasks that wait for nothing any more.
    dropped: HashSet<TaskId>,
    added: i64,
}

/// What was stored, and what was added since.
#[derive(Debug, Default)]
struct Contents {
    unreceived: BTreeMap<i64, SignalId>,
    waits: BTreeMap<i64, (TaskId, CallPosition)>,
}

#[derive(Debug)]
struct Kept {
    mailbox: Mailbox,
    seq: i64,
    payload: Payload,
    received: bool,
    is_new: bool,
    is_changed: bool,
}

impl Mailboxes {
    fn next(&mut self) -> i64 {
        self.added = self.added.saturating_add(1);
        FIRST_NEW.saturating_add(self.added)
    }

    /// Whether a signal is known; `None` if that was not looked up.
    pub(crate) fn knows(&self, id: SignalId) -> Option<bool> {
        if self.signals.contains_key(&id) {
            Some(true)
        } else {
            self.absent.contains(&id).then_some(false)
        }
    }

    /// Keeps a signal that nobody has received.
    pub(crate) fn keep(&mut self, id: SignalId, mailbox: Mailbox, payload: Payload) {
        let seq = self.next();
        let contents = self.known.entry(mailbox.clone()).or_default();
        contents.unreceived.insert(seq, id);
        self.new_signals.push(id);
        self.signals.insert(
            id,
            Kept {
                mailbox,
                seq,
                payload,
                received: false,
                is_new: true,
                is_changed: false,
            },
        );
    }

    fn set_received(&mut self, id: SignalId, received: bool) -> Option<&Kept> {
        let kept = self.signals.get_mut(&id)?;
        kept.received = received;
        if !kept.is_new && !kept.is_changed {
            kept.is_changed = true;
            self.changed_signals.push(id);
        }
        if let Some(contents) = self.known.get_mut(&kept.mailbox) {
            if received {
                contents.unreceived.remove(&kept.seq);
            } else {
                contents.unreceived.insert(kept.seq, id);
            }
        }
        Some(kept)
    }

    /// Marks a signal as received; what it says.
    pub(crate) fn receive(&mut self, id: SignalId) -> Option<Payload> {
        self.set_received(id, true).map(|kept| kept.payload.clone())
    }

    /// Puts a signal back among those not received, at its old place; where that is.
    pub(crate) fn give_back(&mut self, id: SignalId) -> Option<Mailbox> {
        self.set_received(id, false)
            .map(|kept| kept.mailbox.clone())
    }

    /// The oldest signal of a mailbox that nobody has received, some left out; `None` if the mailbox is not known.
    pub(crate) fn unreceived(&self, mailbox: &Mailbox, skip: u32) -> Option<Option<SignalId>> {
        let contents = self.known.get(mailbox)?;
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        Some(contents.unreceived.values().nth(skip).copied())
    }

    /// The operation that has waited longest.
    pub(crate) fn oldest_wait(&self, mailbox: &Mailbox) -> Option<(TaskId, CallPosition)> {
        let lasts = |wait: &&(TaskId, CallPosition)| !self.dropped.contains(&wait.0);
        let stored = self.known.get(mailbox)?.waits.values();
        let stored = stored.filter(|wait| !self.ended.contains(wait));
        let new = self.new_waits.values();
        let new = new.filter(|(of, _)| of == mailbox).map(|(_, wait)| wait);
        stored.chain(new).find(lasts).copied()
    }

    /// Begins a wait.
    pub(crate) fn begin_wait(&mut self, mailbox: Mailbox, wait: (TaskId, CallPosition)) {
        let seq = self.next();
        self.new_waits.insert(seq, (mailbox, wait));
    }

    /// Ends the wait of an operation, if it waits.
    pub(crate) fn end_wait(&mut self, task: TaskId, position: CallPosition) {
        let wait = (task, position);
        let new = self.new_waits.iter().find(|(_, (_, other))| *other == wait);
        match new.map(|(seq, _)| *seq) {
            Some(seq) => drop(self.new_waits.remove(&seq)),
            None => drop(self.ended.insert(wait)),
        }
    }

    /// Forgets everything that a task waits for.
    pub(crate) fn drop_waits(&mut self, task: TaskId) {
        self.dropped.insert(task);
        self.new_waits.retain(|_, (_, wait)| wait.0 != task);
    }

    /// The statements that save what was changed.
    pub(crate) fn save(&self, calls: &mut Vec<Call>) {
        if !self.dropped.is_empty() {
            let tasks = uuids(self.dropped.iter().copied());
            calls.push(Call::new(Sql::DeleteWaitsOfTasks).with(tasks));
        }
        if !self.ended.is_empty() {
            let (tasks, positions) = waits_in_columns(self.ended.iter());
            calls.push(Call::new(Sql::DeleteWaits).with(tasks).with(positions));
        }
        if !self.new_waits.is_empty() {
            let waits = self.new_waits.values();
            let (tasks, positions) = waits_in_columns(waits.clone().map(|(_, wait)| wait));
            let (executions, names) = mailboxes_in_columns(waits.map(|(mailbox, _)| mailbox));
            calls.push(
                Call::new(Sql::InsertWaits)
                    .with(tasks)
                    .with(positions)
                    .with(executions)
                    .with(names),
            );
        }
        if !self.new_signals.is_empty() {
            calls.push(self.insert_signals());
        }
        if !self.changed_signals.is_empty() {
            let changed = self.of(&self.changed_signals);
            let received: Vec<bool> = changed.map(|kept| kept.received).collect();
            let ids: Vec<Uuid> = self
                .changed_signals
                .iter()
                .map(|id| *id.as_uuid())
                .collect();
            calls.push(Call::new(Sql::SaveSignals).with(ids).with(received));
        }
    }

    fn of<'m>(&'m self, ids: &'m [SignalId]) -> impl Iterator<Item = &'m Kept> + Clone {
        ids.iter().filter_map(|id| self.signals.get(id))
    }

    fn insert_signals(&self) -> Call {
        let new = self.of(&self.new_signals);
        let ids: Vec<Uuid> = self.new_signals.iter().map(|id| *id.as_uuid()).collect();
        let (executions, names) = mailboxes_in_columns(new.clone().map(|kept| &kept.mailbox));
        let payloads: Vec<String> = new
            .clone()
            .map(|kept| kept.payload.as_str().to_owned())
            .collect();
        Call::new(Sql::InsertSignals)
            .with(ids)
            .with(executions)
            .with(names)
            .with(payloads)
            .with(new.map(|kept| kept.received).collect::<Vec<_>>())
    }
}

fn waits_in_columns<'w>(
    waits: impl Iterator<Item = &'w (TaskId, CallPosition)>,
) -> (Vec<Uuid>, Vec<i64>) {
    waits
        .map(|(task, position)| (*task.as_uuid(), i64::from(position.0)))
        .unzip()
}

fn mailboxes_in_columns<'m>(
    mailboxes: impl Iterator<Item = &'m Mailbox>,
) -> (Vec<Uuid>, Vec<String>) {
    mailboxes
        .map(|(execution, name)| (*execution.as_uuid(), name.as_str().to_owned()))
        .unzip()
}

impl Session<'_> {
    /// Reads mailboxes that are not known yet. Their executions are locked.
    pub(crate) async fn open_mailboxes(
        &mut self,
        mailboxes: impl IntoIterator<Item = Mailbox>,
    ) -> Result<(), Fault> {
        let unknown: HashSet<Mailbox> = mailboxes
            .into_iter()
            .filter(|mailbox| !self.mailboxes.known.contains_key(mailbox))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let (executions, names) = mailboxes_in_columns(unknown.iter());
        let calls = [
            Call::new(Sql::ListUnreceived)
                .with(executions.clone())
                .with(names.clone()),
            Call::new(Sql::ListWaits).with(executions).with(names),
        ];
        let mut answers = self.pipeline(Frame::Middle, &calls).await?.into_iter();
        for mailbox in unknown {
            self.mailboxes.known.insert(mailbox, Contents::default());
        }
        for row in answers.next().into_iter().flatten() {
            let row = Reading::new(&row, "signals");
            let id = SignalId::from_uuid(row.get(3)?);
            self.know_signal(id, mailbox_of(&row, 0)?, row.get(2)?, row.get(4)?);
        }
        for row in answers.next().into_iter().flatten() {
            let row = Reading::new(&row, "signal_waits");
            let wait = (row.task_id(3)?, CallPosition(row.large_count(4)?));
            let contents = self.mailboxes.known.entry(mailbox_of(&row, 0)?);
            contents.or_default().waits.insert(row.get(2)?, wait);
        }
        // With what this transaction made of signals before their mailbox was read.
        let known = &mut self.mailboxes.known;
        for (id, kept) in &self.mailboxes.signals {
            if let Some(contents) = known.get_mut(&kept.mailbox) {
                if kept.received {
                    contents.unreceived.remove(&kept.seq);
                } else {
                    contents.unreceived.insert(kept.seq, *id);
                }
            }
        }
        Ok(())
    }

    fn know_signal(&mut self, id: SignalId, mailbox: Mailbox, seq: i64, payload: String) {
        self.mailboxes.signals.entry(id).or_insert_with(|| Kept {
            mailbox,
            seq,
            payload: Payload::from_stored(payload),
            received: false,
            is_new: false,
            is_changed: false,
        });
    }

    /// Looks up signals by their ids.
    pub(crate) async fn find_signals(
        &mut self,
        ids: impl IntoIterator<Item = SignalId>,
    ) -> Result<(), Fault> {
        let unknown: Vec<SignalId> = ids
            .into_iter()
            .filter(|id| self.mailboxes.knows(*id).is_none())
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let wanted: Vec<Uuid> = unknown.iter().map(|id| *id.as_uuid()).collect();
        for row in self.query(Sql::FindSignals, &[&wanted]).await? {
            let row = Reading::new(&row, "signals");
            let id = SignalId::from_uuid(row.get(0)?);
            self.know_signal(id, mailbox_of(&row, 1)?, row.get(3)?, row.get(4)?);
            let received = row.get(5)?;
            if let Some(kept) = self.mailboxes.signals.get_mut(&id)
                && !kept.is_changed
            {
                kept.received = received;
            }
        }
        for id in unknown {
            if !self.mailboxes.signals.contains_key(&id) {
                self.mailboxes.absent.insert(id);
            }
        }
        Ok(())
    }
}

fn mailbox_of(row: &Reading<'_>, column: usize) -> Result<Mailbox, Fault> {
    let name: &str = row.get(column.saturating_add(1))?;
    let name = SignalName::new(name).map_err(|error| row.bad(error))?;
    Ok((ExecutionId::from_uuid(row.get(column)?), name))
}
