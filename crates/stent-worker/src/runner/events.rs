//! What a runner does with what it is told: answers to its commits, news, ends of children, requests to stop.

use std::time::Duration;

use stent_core::{
    Failure, FailureKind, HistoryEntry, Ordinal, Outcome,
    commit::{Applied, CommitRefused, Then},
    store::{ClaimedTask, CommitResult},
};

use super::{Flow, InFlight, Runner, spawn};
use crate::live::{ChildEnded, Event};

impl Runner {
    pub(super) async fn on_event(&mut self, event: Event) -> Flow {
        match event {
            Event::Answer { result, sent } => return self.on_answer(*result, sent).await,
            Event::News(entries) => self.on_news(entries),
            Event::ChildEnded(child) => self.on_child_ended(*child).await,
            Event::ChildRecorded {
                position,
                ordinal,
                outcome,
            } => {
                let mut replay = self.context.replay();
                match (ordinal, outcome) {
                    (Some(ordinal), _) if !replay.confirm(position, ordinal) => self.stale = true,
                    (Some(ordinal), Some(outcome)) => {
                        self.stale |= !replay.record(position, ordinal, Some(outcome));
                        if replay.known_without_gap() < replay.newest() {
                            self.shared.news.want(self.task.id);
                        }
                    }
                    (Some(_), None) => self.shared.news.want(self.task.id),
                    (None, _) if replay.is_assumed(position) => self.stale = true,
                    (None, _) => replay.child_is_local(position, false),
                }
            }
            Event::ChildLeft { position } => {
                self.context.replay().child_is_local(position, false);
            }
            Event::CancelRequested => {
                self.cancel_requested = true;
                if self.in_flight.as_ref().is_none_or(|commit| !commit.leaving) {
                    self.verdict = None;
                    self.decide(Then::End(Outcome::Cancelled));
                }
            }
            Event::OtherEpoch => self.give_back(),
            Event::LeaseLost => {
                self.shared.stats.lease_lost();
                return Flow::Exit;
            }
            Event::RenewalRefused => {
                if self.in_flight.is_none() {
                    self.shared.stats.lease_lost();
                    return Flow::Exit;
                }
            }
            Event::Stop if self.body.is_some() || self.stale => self.decide(Then::Release),
            Event::Stop => self.stop_requested = true,
            Event::Look if self.queued && self.shared.is_draining() => self.decide(Then::Release),
            // A body that asks whether it should stop has the grace period to do so.
            Event::Look if self.shared.is_draining() => self.context.stop(),
            Event::Look => {}
        }
        Flow::Go
    }

    /// A child that ran here ended: the body is given its outcome at once, if nothing can come between.
    async fn on_child_ended(&mut self, child: ChildEnded) {
        if self.permit.is_none() && self.body.is_some() {
            self.permit = child.permit;
        }
        let takes = self.may_poll() && self.in_flight.is_none() && {
            let replay = self.context.replay();
            replay.may_run_ahead() && replay.is_local_child(child.position)
        };
        if takes {
            let mut replay = self.context.replay();
            replay.assume(child.position, child.outcome, child.fence);
            drop(replay);
            self.outbox.add(child.parts);
        } else {
            self.shared.commits.submit(child.parts).await;
        }
    }

    fn on_news(&mut self, entries: Vec<HistoryEntry>) {
        let mut replay = self.context.replay();
        for entry in entries {
            let position = entry.head.position;
            let Some(ordinal) = entry.head.resolved.and_then(|resolved| resolved.ordinal) else {
                continue;
            };
            let agrees = replay.confirm(position, ordinal)
                && replay.record(position, ordinal, entry.outcome);
            self.stale |= !agrees;
        }
    }

    async fn on_answer(&mut self, result: CommitResult, sent: Duration) -> Flow {
        let Some(commit) = self
            .in_flight
            .take_if(|commit| commit.number == result.number)
        else {
            return Flow::Go;
        };
        match result.result {
            Ok(applied) => {
                self.commits = commit.number;
                self.to_announce = false;
                self.on_applied(&commit, applied, result.delivered.map(|d| d.ordinal), sent)
            }
            // Commits that were answered are gone after a loss of the store's newest transactions: then this is another past.
            Err(CommitRefused::LeaseLost | CommitRefused::OutOfOrder { .. }) => {
                tracing::warn!(task = %self.task.id, function = %self.task.function, "a task's lease was lost; what it did since its last commit is done again elsewhere");
                self.shared.stats.lease_lost();
                self.tell_parent(None);
                Flow::Exit
            }
            Err(CommitRefused::CancelRequested) => {
                self.verdict = None;
                self.decide(Then::End(Outcome::Cancelled));
                Flow::Go
            }
            Err(CommitRefused::TooManyOperations) => {
                let failure =
                    Failure::from_error(FailureKind::Misuse, &CommitRefused::TooManyOperations);
                self.verdict = None;
                self.fail(failure);
                Flow::Go
            }
            Err(CommitRefused::OtherEpoch) => {
                self.verdict = None;
                self.give_back();
                Flow::Go
            }
            Err(refused) => {
                tracing::debug!(task = %self.task.id, %refused, "a body ran ahead of its history; it is replayed");
                self.stale = true;
                self.verdict = None;
                self.heed_what_came_meanwhile();
                Flow::Go
            }
        }
    }

    /// Leaves the task to whoever claims it anew: the store has lost some of what its body goes by, and may have lost the lease.
    fn give_back(&mut self) {
        if !self.is_of_other_epoch {
            tracing::warn!(task = %self.task.id, function = %self.task.function, "the store came back without its newest transactions; a task is given back, to go on by what is left of its history");
        }
        self.is_of_other_epoch = true;
        self.stale = false;
        self.outcome = None;
        if self.in_flight.is_none() {
            self.verdict = None;
        }
        self.decide(Then::Release);
    }

    /// What it was told while a commit that would have ended its lease was on its way counts now that the store has not taken it.
    fn heed_what_came_meanwhile(&mut self) {
        if self.cancel_requested {
            self.decide(Then::End(Outcome::Cancelled));
        } else if self.stop_requested {
            self.decide(Then::Release);
        }
    }

    fn on_applied(
        &mut self,
        commit: &InFlight,
        applied: Applied,
        delivered: Option<Ordinal>,
        sent: Duration,
    ) -> Flow {
        if !applied.still_held {
            if let Some(state) = applied.ended {
                self.shared.stats.ended();
                // A cancel that came first was recorded in its place.
                self.outcome
                    .take_if(|outcome| outcome.kind().state() != state);
                self.tell_parent(delivered);
            }
            return Flow::Exit;
        }
        if commit.leaving {
            // Something happened that the body has not seen: it is begun again, and not suspended again at once.
            let now = self.shared.clock.now();
            self.suspend_from = now.saturating_add(self.shared.settings.poll_interval);
            self.stale = true;
            self.heed_what_came_meanwhile();
        }
        {
            let mut replay = self.context.replay();
            for assumed in &commit.assumes {
                replay.confirm(assumed.position, assumed.ordinal);
            }
            for (position, ordinal) in &applied.recorded {
                self.stale |= !replay.record(*position, *ordinal, None);
            }
            for (position, at) in &applied.wakes {
                replay.wake_at(*position, *at);
            }
            replay.committed();
            if applied.deliveries > replay.known_without_gap() || applied.repeated {
                self.shared.news.want(self.task.id);
            }
        }
        for child in applied.started {
            if let Some((position, input)) = commit.starting.get(&child.task.id) {
                self.context.replay().child_is_local(*position, true);
                let claimed = ClaimedTask {
                    task: *child.task,
                    input: input.clone(),
                    history: Vec::new(),
                };
                spawn(&self.shared, claimed, self.handle.epoch, sent);
            }
        }
        Flow::Go
    }

    /// Tells the runner of the parent, if it is here, where the outcome was recorded.
    fn tell_parent(&mut self, ordinal: Option<Ordinal>) {
        let Some(link) = self.task.parent else { return };
        if let Some(parent) = self.shared.live.get(link.task) {
            parent.tell(Event::ChildRecorded {
                position: link.position,
                ordinal,
                outcome: self.outcome.take(),
            });
        }
    }
}
