//! What follows from a change of a task, in its transaction.

use stent_core::{
    CallPosition, Effect, Ordinal, Outcome, OutcomeKind, SignalId, TaskId, Transition, cancel,
    history, store::DeliveredOutcome,
};

use super::mailboxes::Mailbox;
use crate::{fault::Fault, session::Session};

/// What is still to be done.
enum Next {
    /// An effect of a task's change, and how that task ended, if it did.
    Follow(TaskId, Option<OutcomeKind>, Effect),
    /// A task is to be cancelled, if it has not ended.
    Cancel(TaskId),
}

impl Session<'_> {
    /// Keeps what a rule made of a task, then everything that follows, each with all that follows from it before the next.
    /// Answers where the task's outcome was recorded in its parent's history, if it was.
    ///
    /// What follows may follow far down a tree, so it is kept in a list and not on the stack.
    pub(crate) async fn apply(
        &mut self,
        transition: Transition,
    ) -> Result<Option<DeliveredOutcome>, Fault> {
        let changed = transition.task.id;
        let mut list = Vec::new();
        self.keep(transition, &mut list);
        let mut delivered = None;
        while let Some(next) = list.pop() {
            match next {
                Next::Cancel(task) => self.request_cancel(task, &mut list).await?,
                Next::Follow(_, _, Effect::KeepOutcome(_)) => {}
                Next::Follow(task, ended, Effect::RecordInParent { parent, position }) => {
                    let Some(ended) = ended else { continue };
                    let place = DeliveredOutcome {
                        parent,
                        position,
                        ordinal: Ordinal::NONE,
                    };
                    let recorded = self.record_in_parent(task, ended, place, &mut list).await?;
                    if task == changed {
                        delivered = recorded;
                    }
                }
                Next::Follow(task, _, Effect::CancelDescendants) => {
                    let children = self.live_children(task).await?;
                    list.extend(children.into_iter().rev().map(Next::Cancel));
                }
                Next::Follow(task, _, Effect::DropSignalWaits) => self.mailboxes.drop_waits(task),
                Next::Follow(_, _, Effect::Hint(hint)) => self.hint(hint),
            }
        }
        Ok(delivered)
    }

    /// Keeps a task, and puts what follows on top of the list, the first uppermost.
    fn keep(&mut self, transition: Transition, list: &mut Vec<Next>) {
        let Transition { task, effects } = transition;
        let id = task.id;
        let outcome = effects.iter().find_map(|effect| match effect {
            Effect::KeepOutcome(outcome) => Some(outcome),
            Effect::RecordInParent { .. }
            | Effect::CancelDescendants
            | Effect::DropSignalWaits
            | Effect::Hint(_) => None,
        });
        let ended = outcome.map(Outcome::kind);
        self.save(task, outcome);
        let follow = |effect| Next::Follow(id, ended, effect);
        list.extend(effects.into_iter().rev().map(follow));
    }

    async fn request_cancel(&mut self, task: TaskId, list: &mut Vec<Next>) -> Result<(), Fault> {
        if let Some(task) = self.find(task).await?
            && let Ok(transition) = cancel::request(task, self.now)
        {
            self.keep(transition, list);
        }
        Ok(())
    }

    /// Gives a parent the outcome of its child, unless the parent has ended, or the call is resolved or another child's by now.
    async fn record_in_parent(
        &mut self,
        child: TaskId,
        ended: OutcomeKind,
        place: DeliveredOutcome,
        list: &mut Vec<Next>,
    ) -> Result<Option<DeliveredOutcome>, Fault> {
        let Some(parent) = self.find(place.parent).await? else {
            return Ok(None);
        };
        // Nothing is recorded there any more, whether or not its history can be read.
        if parent.state.kind().is_terminal() {
            return Ok(None);
        }
        let Some(head) = self.entry(place.parent, place.position).await? else {
            return Ok(None);
        };
        if head.child != Some(child) || head.resolved.is_some() {
            return Ok(None);
        }
        let Ok(transition) = history::deliver(parent, self.now) else {
            return Ok(None);
        };
        let ordinal = transition.task.deliveries;
        // How it ended stands with the child.
        self.histories
            .resolve(place.parent, place.position, ordinal, ended, None);
        self.keep(transition, list);
        Ok(Some(DeliveredOutcome { ordinal, ..place }))
    }

    /// Gives signals that nobody has received to those who wait for their name, the oldest to the oldest.
    pub(crate) async fn hand_over(&mut self, mailbox: Mailbox) -> Result<(), Fault> {
        self.open_mailboxes([mailbox.clone()]).await?;
        while let Some(Some(signal)) = self.mailboxes.unreceived(&mailbox, 0)
            && let Some((task, position)) = self.mailboxes.oldest_wait(&mailbox)
        {
            let waiting = self.find(task).await?;
            let delivered = waiting.map(|waiting| history::deliver(waiting, self.now));
            let Some(Ok(transition)) = delivered else {
                // A task that has ended waits for nothing: its waits left with its end.
                self.mailboxes.drop_waits(task);
                continue;
            };
            let ordinal = transition.task.deliveries;
            self.receive(task, position, signal, ordinal).await?;
            self.apply(transition).await?;
        }
        Ok(())
    }

    /// Gives a signal to an operation: its payload is the outcome.
    pub(crate) async fn receive(
        &mut self,
        task: TaskId,
        position: CallPosition,
        signal: SignalId,
        ordinal: Ordinal,
    ) -> Result<(), Fault> {
        // The entry is known from here on.
        self.entry(task, position).await?;
        self.mailboxes.end_wait(task, position);
        let payload = self.mailboxes.receive(signal);
        let text = payload.map(|payload| payload.as_str().to_owned());
        self.histories
            .resolve(task, position, ordinal, OutcomeKind::Completed, text);
        self.histories.receive(task, position, signal);
        Ok(())
    }
}
