//! What follows from a change of a task, in its transaction. Everything that changes a task comes through here.

use std::collections::BTreeSet;

use stent_core::{
    CallPosition, Effect, ExecutionId, Operation, Ordinal, Outcome, SignalId, SignalName, TaskId,
    Transition, cancel, history, history::Resolved, store::DeliveredOutcome,
};

use crate::tables::Tables;

impl Tables {
    /// Saves what a rule made of a task, then what follows, each with all that follows from it before the next.
    /// Answers where the task's outcome was recorded in its parent's history, if it was.
    pub(crate) fn apply(&mut self, transition: Transition) -> Option<DeliveredOutcome> {
        let Transition { task, effects } = transition;
        let id = task.id;
        if let Some(row) = self.rows.get_mut(&id) {
            row.task = task;
        }
        let mut delivered = None;
        for effect in effects {
            match effect {
                Effect::KeepOutcome(outcome) => {
                    if let Some(row) = self.rows.get_mut(&id) {
                        row.outcome = Some(outcome);
                    }
                }
                Effect::RecordInParent { parent, position } => {
                    delivered = self.record_in_parent(id, parent, position);
                }
                Effect::CancelDescendants => {
                    for child in self.live_children(id) {
                        self.request_cancel(child);
                    }
                }
                // Whether an operation waits is seen from its task and its entry.
                Effect::DropSignalWaits => {}
                // Hints may be lost; this store gives none. Its workers poll.
                Effect::Hint(_) => {}
            }
        }
        delivered
    }

    pub(crate) fn request_cancel(&mut self, id: TaskId) {
        if let Some(Ok(transition)) = self.task(id).map(|task| cancel::request(task, self.now)) {
            self.apply(transition);
        }
    }

    fn live_children(&self, parent: TaskId) -> Vec<TaskId> {
        let rows = self.rows.values().filter(|row| {
            let of_it = row.task.parent.is_some_and(|link| link.task == parent);
            of_it && !row.task.state.kind().is_terminal()
        });
        let children: BTreeSet<_> = rows.map(|row| (row.seq, row.task.id)).collect();
        children.into_iter().map(|(_, id)| id).collect()
    }

    /// Gives a parent the outcome of its child, unless the parent has ended, or the call is resolved or another child's by now.
    fn record_in_parent(
        &mut self,
        child: TaskId,
        parent: TaskId,
        position: CallPosition,
    ) -> Option<DeliveredOutcome> {
        let completed = self.rows.get(&child)?.outcome.as_ref()?.is_completed();
        let transition = history::deliver(self.task(parent)?, self.now).ok()?;
        let ordinal = transition.task.deliveries;
        let head = &mut self.entry(parent, position)?.head;
        if head.child != Some(child) || head.resolved.is_some() {
            return None;
        }
        head.resolved = resolved(completed, ordinal);
        self.apply(transition);
        Some(DeliveredOutcome {
            parent,
            position,
            ordinal,
        })
    }

    /// Gives signals that nobody has received to those who wait for their name, the oldest to the oldest.
    pub(crate) fn hand_over_signals(&mut self, execution: ExecutionId, name: &SignalName) {
        while let Some(signal) = self.unreceived(execution, name, 0)
            && let Some((task, position)) = self.oldest_wait(execution, name)
            && let Some(Ok(transition)) = self.task(task).map(|it| history::deliver(it, self.now))
        {
            self.receive(task, position, signal, transition.task.deliveries);
            self.apply(transition);
        }
    }

    /// Gives a signal to an operation: what it says is the outcome.
    pub(crate) fn receive(
        &mut self,
        task: TaskId,
        position: CallPosition,
        id: SignalId,
        ordinal: Ordinal,
    ) {
        let mut signals = self.signals.iter_mut();
        let Some((signal, received)) = signals.find(|(signal, _)| signal.id == id) else {
            return;
        };
        *received = true;
        let says = signal.payload.clone();
        if let Some(entry) = self.entry(task, position) {
            entry.head.signal = Some(id);
            entry.head.resolved = resolved(true, ordinal);
            entry.outcome = Some(Outcome::Completed(says));
        }
    }

    pub(crate) fn unreceived(
        &self,
        execution: ExecutionId,
        name: &SignalName,
        skip: usize,
    ) -> Option<SignalId> {
        let signals = self.signals.iter();
        let mut of_name = signals.filter(|(signal, received)| {
            !received && signal.execution == execution && signal.name == *name
        });
        of_name.nth(skip).map(|(signal, _)| signal.id)
    }

    fn oldest_wait(
        &self,
        execution: ExecutionId,
        wanted: &SignalName,
    ) -> Option<(TaskId, CallPosition)> {
        let waits = |(task, position): &&(TaskId, CallPosition)| {
            let row = self.rows.get(task).filter(|row| {
                row.task.execution == execution && !row.task.state.kind().is_terminal()
            });
            let head = row.and_then(|row| row.entries.get(position));
            let head = head
                .map(|entry| &entry.head)
                .filter(|head| head.is_waiting());
            head.is_some_and(
                |head| matches!(&head.operation, Operation::Signal { name, .. } if name == wanted),
            )
        };
        self.waits.iter().find(waits).copied()
    }
}

pub(crate) const fn resolved(completed: bool, ordinal: Ordinal) -> Option<Resolved> {
    Some(Resolved {
        completed,
        ordinal: Some(ordinal),
    })
}
