//! What a runner sends to the store: what the body asked for, how the task ended, that it waits.

use std::{sync::Arc, time::Duration};

use stent_core::{
    Epoch, NewTask, Outcome,
    commit::{TaskCommit, Then},
    lease::LeaseTerms,
};

use super::{InFlight, Runner};
use crate::{
    committer::Part,
    live::ChildEnded,
    replay::Writes,
    shared::{Promise, Shared},
};

impl Runner {
    /// Sends what there is to write, if nothing is on its way.
    pub(super) async fn flush(&mut self) {
        if self.in_flight.is_some() || self.stale || self.winding_up.is_some() {
            return self.send_outbox().await;
        }
        if let Some(then) = self.verdict.take() {
            return self.send_verdict(then).await;
        }
        if self.to_announce {
            return self.send(Writes::default(), None, Then::Continue).await;
        }
        if self.is_idle() {
            let seen = self.context.replay().delivered();
            // Nothing is begun here any more: its runner would be gone when the answer comes.
            let writes = self.context.replay().take_writes(|_| None);
            let now = self.shared.clock.now();
            let at = |ends: Duration| {
                let left = ends.saturating_sub(now);
                self.shared.store_now().saturating_add(left)
            };
            let then = Then::Suspend {
                seen,
                attempt_ends: self.attempt_ends.map(at),
            };
            // Before the store hears of it: from then on the task may run elsewhere.
            self.drop_body();
            return self.send(writes, None, then).await;
        }
        let wanted = {
            let replay = self.context.replay();
            replay.has_urgent_writes() || replay.wants_to_settle()
        };
        if wanted {
            let (writes, promise) = self.take_writes();
            self.send(writes, Some(promise), Then::Continue).await;
        } else {
            self.send_outbox().await;
        }
    }

    pub(super) async fn send_outbox(&mut self) {
        if !self.outbox.is_empty() {
            let outbox = std::mem::take(&mut self.outbox).into_unit();
            self.shared.commits.submit(outbox).await;
        }
    }

    /// Ends the task, or gives it back. What completes goes by way of the parent, if that waits here for it.
    async fn send_verdict(&mut self, then: Then) {
        // What was asked for and never waited for is not begun any more.
        self.context.replay().begin_no_more();
        let forgets = self.is_of_other_epoch
            || matches!(then, Then::End(Outcome::Cancelled | Outcome::TimedOut(_)));
        let in_parts = !forgets && !self.context.replay().fits_one_commit();
        let mut writes = self.context.replay().take_writes(|_| None);
        if in_parts {
            self.verdict = Some(then);
            return self.send(writes, None, Then::Continue).await;
        }
        if forgets {
            writes.writes.clear();
            writes.assumes.clear();
        }
        if let Then::End(outcome) = &then {
            self.outcome = Some(outcome.clone());
        }
        let completed = matches!(then, Then::End(Outcome::Completed(_)));
        let part = self.part(writes, None, then);
        let mut parts = std::mem::take(&mut self.outbox).into_unit();
        parts.push(part);
        let permit = self.permit.take();
        let parent = self.task.parent.filter(|_| completed).and_then(|link| {
            let parent = self.shared.live.get(link.task)?;
            Some((parent, link.position, self.outcome.clone()?))
        });
        let (unit, permit) = match parent {
            Some((parent, position, outcome)) => {
                let child = Box::new(ChildEnded {
                    position,
                    fence: self.handle.fence,
                    outcome,
                    parts,
                    permit,
                });
                match parent.hand_over(child) {
                    Ok(()) => return,
                    Err(child) => (child.parts, child.permit),
                }
            }
            None => (parts, permit),
        };
        // The permit is free once the unit has its place: a store that is slow lets no further bodies start.
        self.shared.commits.submit(unit).await;
        drop(permit);
        self.shared.more_room();
    }

    async fn send(&mut self, writes: Writes, promise: Option<Promise>, then: Then) {
        let part = self.part(writes, promise, then);
        let mut unit = std::mem::take(&mut self.outbox).into_unit();
        unit.push(part);
        self.shared.commits.submit(unit).await;
    }

    fn part(&mut self, writes: Writes, promise: Option<Promise>, then: Then) -> Part {
        let Writes {
            writes,
            assumes,
            starting,
        } = writes;
        let number = self.commits.saturating_add(1);
        self.in_flight = Some(InFlight {
            number,
            assumes: assumes.clone(),
            starting,
            _promise: promise,
            leaving: !matches!(then, Then::Continue),
        });
        Part {
            commit: TaskCommit {
                task: self.task.id,
                fence: self.handle.fence,
                number,
                epoch: self.handle.epoch,
                assumes,
                writes,
                then,
            },
            handle: Arc::clone(&self.handle),
        }
    }

    /// What is to be committed. Children are started here as far as there is room; none of a limited function ahead of its turn.
    fn take_writes(&mut self) -> (Writes, Promise) {
        let shared = Arc::clone(&self.shared);
        let mut replay = self.context.replay();
        // The caller's own permit is free as soon as it waits for others alone.
        let epoch = self.handle.epoch;
        let own = u32::from(self.permit.is_some() && !replay.waits().steps);
        shared.promise(|room| {
            let now = room.now.saturating_add(own);
            let writes = replay.take_writes(leases(&shared, epoch, now, room.ahead));
            let count = u32::try_from(writes.starting.len());
            (writes, count.unwrap_or(u32::MAX))
        })
    }
}

/// Leases for children that are started here, as long as there is room.
fn leases(
    shared: &Shared,
    epoch: Epoch,
    mut now: u32,
    mut ahead: u32,
) -> impl FnMut(&NewTask) -> Option<LeaseTerms> {
    // Where the store may not know their limits they are left to claims.
    let takes_none = shared.is_draining() || epoch != shared.epoch();
    move |task| {
        let definition = shared.registry.get(&task.function)?;
        let queues = &shared.settings.queues;
        let serves = queues
            .as_ref()
            .is_none_or(|queues| queues.contains(&task.queue));
        if takes_none || !serves {
            return None;
        }
        if now > 0 {
            now = now.saturating_sub(1);
        } else if ahead > 0 && definition.limit.is_none() {
            ahead = ahead.saturating_sub(1);
        } else {
            return None;
        }
        Some(LeaseTerms {
            holder: shared.settings.name.clone(),
            mark: shared.new_mark(),
            duration: shared.settings.lease,
        })
    }
}
