//! How a runner waits: in memory for a while, with its permit given back; then suspended.

use std::{
    future::poll_fn,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::Duration,
};

use futures_util::FutureExt;
use stent_core::{Timestamp, limit::WhileWaiting};

use super::Runner;
use crate::replay::Waits;

/// How long a body may rest with an outcome that it never asked for, before its code counts as changed. Something that is not durable, and
/// that it waits for first, must have come by then: an hour is longer than anything that a body should await outside of a step.
const REST_MAX: Duration = Duration::from_secs(3_600);

/// How long a suspect waits in memory. No other suspect is claimed here meanwhile, and what it waits for may be one: its own children were lost
/// with the same workers.
const SUSPECT_SUSPENDS_AFTER: Duration = Duration::from_millis(100);

impl Runner {
    /// Whether the body has waited long enough to be suspended, or surely will.
    pub(super) fn is_idle(&self) -> bool {
        if !self.may_poll() || self.waker.is_woken() || !self.outbox.is_empty() {
            return false;
        }
        let replay = self.context.replay();
        let waits = replay.waits();
        if !waits.any
            || waits.steps
            || replay.newest() > replay.delivered()
            || !replay.may_suspend()
            || !replay.fits_one_commit()
        {
            return false;
        }
        drop(replay);
        self.shared.clock.now() >= self.idle_at(&waits)
    }

    /// When the body has waited long enough. A suspension that the store has just answered with "go on" is not asked for again at once.
    fn idle_at(&self, waits: &Waits) -> Duration {
        let span = self.suspend_after(waits);
        self.last_moved.saturating_add(span).max(self.suspend_from)
    }

    /// How long the body stays in memory while it waits for these things.
    fn suspend_after(&self, waits: &Waits) -> Duration {
        let settings = &self.shared.settings;
        let releases = self
            .definition
            .limit
            .is_some_and(|limit| limit.while_waiting == WhileWaiting::Release);
        let crowded = self.shared.parked.load(Ordering::Acquire)
            > usize::try_from(settings.parked).unwrap_or(usize::MAX);
        let surely_long = !waits.others
            && waits
                .until
                .is_some_and(|until| until.since(self.shared.store_now()) > settings.suspend_after);
        if releases || crowded || surely_long || self.shared.is_draining() {
            Duration::ZERO
        } else if self.task.crashes.is_suspect() {
            settings.suspend_after.min(SUSPECT_SUSPENDS_AFTER)
        } else {
            settings.suspend_after
        }
    }

    /// Waits until there is something to do: an event, the body's own wake-up, a permit, or a time.
    pub(super) async fn wait(&mut self) {
        let waits = self.context.replay().waits();
        let parks = self.may_poll() && waits.any && !waits.steps && !self.waker.is_woken();
        if parks {
            self.free_permit();
        }
        let takes_children =
            parks && self.in_flight.is_none() && self.context.replay().may_run_ahead();
        self.handle.set_takes_children(takes_children);
        self.handle.set_expects(waits.any);
        self.count_parked(parks);
        let timer = self.timer(&waits);
        let handle = Arc::clone(&self.handle);
        let waker = Arc::clone(&self.waker);
        let polls = self.may_poll() || self.winding_up.is_some();
        let wants_permit = self.may_poll() && self.wants_permit && self.waker.is_woken();
        let something = poll_fn(|cx| {
            waker.set_runner(cx.waker());
            let woken = polls && !wants_permit && waker.is_woken();
            if handle.has_event(cx.waker()) || woken {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let mut queue = self.permit_queue.take();
        if !wants_permit && queue.take().is_some() {
            // It may have been given one.
            self.shared.more_room();
        } else if wants_permit && queue.is_none() {
            let permits = Arc::clone(&self.shared.permits);
            queue = Some(async move { permits.acquire_owned().await.ok() }.boxed());
        }
        let place = poll_fn(|cx| match &mut queue {
            Some(queue) => queue.poll_unpin(cx),
            None => Poll::Pending,
        });
        let mut permit = None;
        tokio::select! {
            biased;
            () = something => {}
            got = place => permit = got,
            () = sleep(timer), if timer.is_some() => {}
        }
        if permit.is_some() {
            self.permit = permit;
            self.take_permit();
        } else {
            self.permit_queue = queue;
        }
        self.handle.set_takes_children(false);
        self.count_parked(false);
    }

    pub(super) fn count_parked(&self, parked: bool) {
        if self.handle.set_parked(parked) != parked {
            if parked {
                self.shared.parked.fetch_add(1, Ordering::AcqRel);
            } else {
                self.shared.parked.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// How long to wait at most.
    fn timer(&mut self, waits: &Waits) -> Option<Duration> {
        let now = self.shared.clock.now();
        let in_time = |at: Duration| at.saturating_sub(now);
        if self.winding_up.is_some() {
            return Some(in_time(self.handle.hold_until()));
        }
        self.body.as_ref()?;
        let store_now = self.shared.store_now();
        let by_store = |at: Timestamp| at.since(store_now);
        let mut next = in_time(self.handle.hold_until());
        if let Some(ends) = self.attempt_ends {
            next = next.min(in_time(ends));
        }
        if let Some(deadline) = self.task.deadline {
            next = next.min(by_store(deadline));
        }
        if !self.may_poll() {
            return Some(next);
        }
        if self.queued {
            return Some(next.min(in_time(self.queued_until())));
        }
        // One whose time has come already waits for the body, which asks for it when it has done something else; no time brings it on.
        if let Some(wake) = self.next_wake
            && !self.wants_permit
        {
            next = next.min(by_store(wake));
        }
        if waits.any && !waits.steps {
            let idle = self.idle_at(waits);
            let idle = in_time(idle);
            if idle > Duration::ZERO {
                next = next.min(idle);
            } else if in_time(self.last_moved.saturating_add(REST_MAX)) > Duration::ZERO {
                next = next.min(in_time(self.last_moved.saturating_add(REST_MAX)));
            } else {
                self.context.replay().rests();
                self.waker.set_woken();
            }
        }
        Some(next)
    }
}

async fn sleep(span: Option<Duration>) {
    if let Some(span) = span {
        tokio::time::sleep(span).await;
    }
}
