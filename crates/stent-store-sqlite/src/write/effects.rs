//! What follows from a change of a task, in its transaction.

use rusqlite::params;
use stent_core::{
    Effect, Outcome, OutcomeKind, Task, TaskId, Timestamp, Transition, cancel, history,
    store::DeliveredOutcome,
};

use crate::{error::Fault, rows::Stored, session::Session, statements::Sql};

/// An effect, with the task that it follows from.
struct Pending {
    seq: i64,
    task: TaskId,
    /// How that task ended, if it did.
    ended: Option<OutcomeKind>,
    effect: Effect,
}

impl Session<'_> {
    /// Saves what a rule made of a task, then everything that follows, each with all that follows from it before the next.
    /// Answers where the task's outcome was recorded in its parent's history, if it was.
    ///
    /// What follows may follow far down a tree, so it is kept in a list and not on the stack.
    pub(super) fn apply(
        &mut self,
        seq: i64,
        before: &Task,
        transition: Transition,
        now: Timestamp,
    ) -> Result<Option<DeliveredOutcome>, Fault> {
        let mut pending = Vec::new();
        let id = before.id;
        self.save_transition(seq, before, transition, &mut pending)?;
        let mut delivered = None;
        while let Some(next) = pending.pop() {
            let Pending {
                seq,
                task,
                ended,
                effect,
            } = next;
            match effect {
                Effect::KeepOutcome(_) => {}
                Effect::Hint(hint) => self.hint(|| hint),
                Effect::DropSignalWaits => {
                    self.execute(Sql::DeleteSignalWaits, [seq])?;
                }
                Effect::CancelDescendants => self.cancel_children(task, now, &mut pending)?,
                Effect::RecordInParent { parent, position } => {
                    let Some(ended) = ended else { continue };
                    let place = DeliveredOutcome {
                        parent,
                        position,
                        ordinal: stent_core::Ordinal::NONE,
                    };
                    let recorded = self.record_in_parent(task, ended, place, now, &mut pending)?;
                    if task == id {
                        delivered = recorded;
                    }
                }
            }
        }
        Ok(delivered)
    }

    /// Saves a task, and puts what follows on top of the list, the first uppermost.
    fn save_transition(
        &mut self,
        seq: i64,
        before: &Task,
        transition: Transition,
        pending: &mut Vec<Pending>,
    ) -> Result<(), Fault> {
        let outcome = transition.effects.iter().find_map(|effect| match effect {
            Effect::KeepOutcome(outcome) => Some(outcome),
            Effect::RecordInParent { .. }
            | Effect::CancelDescendants
            | Effect::DropSignalWaits
            | Effect::Hint(_) => None,
        });
        let ended = outcome.map(Outcome::kind);
        self.save(seq, before, transition.task, outcome)?;
        for effect in transition.effects.into_iter().rev() {
            pending.push(Pending {
                seq,
                task: before.id,
                ended,
                effect,
            });
        }
        Ok(())
    }

    fn cancel_children(
        &mut self,
        parent: TaskId,
        now: Timestamp,
        pending: &mut Vec<Pending>,
    ) -> Result<(), Fault> {
        let mut children = Vec::new();
        let mut rows = self
            .sql
            .get(Sql::ListLiveChildren)?
            .query([&parent.as_bytes()[..]])?;
        while let Some(row) = rows.next()? {
            let id: [u8; 16] = row.get(0)?;
            children.push(TaskId::from_uuid(uuid::Uuid::from_bytes(id)));
        }
        drop(rows);
        // The list is taken from its end: what follows from the first child goes on top.
        let mut following = Vec::new();
        for child in children {
            let mut of_child = Vec::new();
            if let Some(child) = self.find(child)? {
                self.request_cancel(&child, now, &mut of_child)?;
            }
            following.push(of_child);
        }
        pending.extend(following.into_iter().rev().flatten());
        Ok(())
    }

    /// Asks a task to stop; nothing happens to one that has ended.
    fn request_cancel(
        &mut self,
        stored: &Stored,
        now: Timestamp,
        pending: &mut Vec<Pending>,
    ) -> Result<(), Fault> {
        match cancel::request(stored.task.clone(), now) {
            Ok(transition) => self.save_transition(stored.seq, &stored.task, transition, pending),
            Err(_ended) => Ok(()),
        }
    }

    /// Gives a parent the outcome of its child, unless the parent has ended, or the call is resolved or another child's by now.
    fn record_in_parent(
        &mut self,
        child: TaskId,
        ended: OutcomeKind,
        place: DeliveredOutcome,
        now: Timestamp,
        pending: &mut Vec<Pending>,
    ) -> Result<Option<DeliveredOutcome>, Fault> {
        let Some(parent) = self.find(place.parent)? else {
            return Ok(None);
        };
        let Ok(transition) = history::deliver(parent.task.clone(), now) else {
            return Ok(None);
        };
        let ordinal = transition.task.deliveries;
        let recorded = self.execute(
            Sql::RecordInParent,
            params![
                parent.seq,
                place.position.0,
                &child.as_bytes()[..],
                ordinal.0,
                ended.code()
            ],
        )?;
        if recorded == 0 {
            return Ok(None);
        }
        self.save_transition(parent.seq, &parent.task, transition, pending)?;
        Ok(Some(DeliveredOutcome { ordinal, ..place }))
    }
}
