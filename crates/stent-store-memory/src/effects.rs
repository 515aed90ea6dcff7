//! What follows from a change of a task, in its transaction.

use stent_core::{
    CallPosition, Effect, ExecutionId, Ordinal, Outcome, SignalId, SignalName, TaskId, Transition,
    cancel,
    history::{self, Resolved},
    store::DeliveredOutcome,
};

use crate::store::Transaction;

/// What is still to be done.
enum Next {
    /// An effect of a task's change.
    Follow(TaskId, Effect),
    /// A task is to be cancelled, if it has not ended.
    Cancel(TaskId),
}

impl Transaction<'_> {
    /// Saves what a rule made of a task, then everything that follows, each with all that follows from it before the next.
    /// Answers where the task's outcome was recorded in its parent's history, if it was.
    ///
    /// What follows may follow far down a tree, so it is kept in a list and not on the stack.
    pub(crate) fn apply(&mut self, transition: Transition) -> Option<DeliveredOutcome> {
        let changed = transition.task.id;
        let mut list = Vec::new();
        self.save(transition, &mut list);
        let mut delivered = None;
        while let Some(next) = list.pop() {
            match next {
                Next::Cancel(task) => self.request_cancel(task, &mut list),
                Next::Follow(task, Effect::KeepOutcome(outcome)) => {
                    self.keep_outcome(task, outcome);
                }
                Next::Follow(task, Effect::RecordInParent { parent, position }) => {
                    let place = DeliveredOutcome {
                        parent,
                        position,
                        ordinal: Ordinal::NONE,
                    };
                    let recorded = self.record_in_parent(task, place, &mut list);
                    if task == changed {
                        delivered = recorded;
                    }
                }
                Next::Follow(task, Effect::CancelDescendants) => {
                    let children = self.tables.index.live_children.get(&task);
                    let children = children.into_iter().flatten().rev();
                    list.extend(children.map(|(_, child)| Next::Cancel(*child)));
                }
                Next::Follow(task, Effect::DropSignalWaits) => {
                    self.tables.signals.drop_waits(task);
                }
                Next::Follow(_, Effect::Hint(hint)) => self.hints.push(hint),
            }
        }
        delivered
    }

    /// Saves a task, and puts what follows on top of the list, the first uppermost.
    fn save(&mut self, transition: Transition, list: &mut Vec<Next>) {
        let Transition { task, effects } = transition;
        let id = task.id;
        self.tables.save(task);
        let effects = effects.into_iter().rev();
        list.extend(effects.map(|effect| Next::Follow(id, effect)));
    }

    fn request_cancel(&mut self, task: TaskId, list: &mut Vec<Next>) {
        let task = self.tables.row(task).map(|row| row.task.clone());
        if let Some(Ok(transition)) = task.map(|task| cancel::request(task, self.now)) {
            self.save(transition, list);
        }
    }

    fn keep_outcome(&mut self, task: TaskId, outcome: Outcome) {
        if let Some(row) = self.tables.row_mut(task) {
            row.outcome = Some(outcome);
        }
    }

    /// Gives a parent the outcome of its child, unless the parent has ended, or the call is resolved or another child's by now.
    fn record_in_parent(
        &mut self,
        child: TaskId,
        place: DeliveredOutcome,
        list: &mut Vec<Next>,
    ) -> Option<DeliveredOutcome> {
        let completed = self.tables.row(child)?.outcome.as_ref()?.is_completed();
        let parent = self.tables.row_mut(place.parent)?;
        let head = &mut parent.entries.get_mut(&place.position)?.head;
        if head.child != Some(child) || head.resolved.is_some() {
            return None;
        }
        let transition = history::deliver(parent.task.clone(), self.now).ok()?;
        let ordinal = transition.task.deliveries;
        head.resolved = Some(Resolved {
            completed,
            ordinal: Some(ordinal),
        });
        self.save(transition, list);
        Some(DeliveredOutcome { ordinal, ..place })
    }

    /// Gives signals that nobody has received to those who wait for their name, the oldest to the oldest.
    pub(crate) fn hand_over_signals(&mut self, execution: ExecutionId, name: &SignalName) {
        while let Some(signal) = self.tables.signals.unreceived(execution, name, 0)
            && let Some((task, position)) = self.tables.signals.oldest_wait(execution, name)
        {
            let row = self.tables.row(task);
            let delivered = row.map(|row| history::deliver(row.task.clone(), self.now));
            let Some(Ok(transition)) = delivered else {
                // A task that has ended waits for nothing: its waits left with its end.
                self.tables.signals.drop_waits(task);
                continue;
            };
            let ordinal = transition.task.deliveries;
            self.receive(task, position, signal, ordinal);
            self.apply(transition);
        }
    }

    /// Gives a signal to an operation: its payload is the outcome.
    pub(crate) fn receive(
        &mut self,
        task: TaskId,
        position: CallPosition,
        signal: SignalId,
        ordinal: Ordinal,
    ) {
        self.tables.signals.end_wait((task, position));
        let payload = self.tables.signals.receive(signal);
        let row = self.tables.row_mut(task);
        if let Some(entry) = row.and_then(|row| row.entries.get_mut(&position)) {
            entry.head.signal = Some(signal);
            entry.head.resolved = Some(Resolved {
                completed: true,
                ordinal: Some(ordinal),
            });
            entry.outcome = payload.map(Outcome::Completed);
        }
    }
}
