//! The checker: what must hold, judged from what was seen. It knows nothing of how the engine works.
//!
//! What can be told on the spot is told here; what needs the end of the story is in [`end`].

pub(crate) mod end;

use std::sync::Arc;

use stent::{TaskInfo, store::Clock};

use crate::{
    record::{Record, Seen},
    scenario::Fault,
    work::Function,
    world::World,
};

/// By how much machines' times may differ from the store's: one turn of theirs, in microseconds.
pub(crate) const TURN: u64 = 60_000;

/// A body began (S4, S22).
pub(crate) fn begun(world: &World, body: usize) {
    let now = world.now();
    let mut record = world.record();
    let begun = &record.bodies[body];
    let (execution, function) = (begun.execution, begun.function);
    let is_unleased = !record.leases.contains_key(&begun.task);
    if is_unleased && world.state().losses > 0 {
        // The store has lost its task with the lease, and a cleanup forgot both.
        record.bodies[body].is_lost = true;
    } else if is_unleased {
        let what = format!("S5: a body began without a lease: {begun:?}");
        record.broke(now, what);
    }
    let cancelled = record.dealt.iter().find_map(|dealt| {
        (dealt.acknowledged == Some(execution) && dealt.lives == 0).then_some(dealt.cancelled?)
    });
    // One renewal tells a holder; what was never told stops with its lease.
    let lease = crate::time::micros(world.scenario.lease);
    if cancelled.is_some_and(|at| now > at + lease + TURN) {
        let what = format!(
            "S22: a body began after its cancel: {:?}",
            record.bodies[body]
        );
        record.broke(now, what);
    }
    if function == Function::Limited && !world.scenario.has(Fault::Limits) {
        let state = world.state();
        let runs = |(number, other): &(usize, &crate::record::Body)| {
            !record.is_lost(*number)
                && other.function == Function::Limited
                && other.ended.is_none()
                && !state.standing_still.contains(&other.machine)
                && state.pauses.get(&other.machine).copied().unwrap_or(0) == other.pauses
        };
        let running: Vec<_> = record.bodies.iter().enumerate().filter(runs).collect();
        if running.len() > 2 && !state.clock_was_set {
            let what = format!("S4: more than two bodies run: {running:?}");
            drop(state);
            record.broke(now, what);
        }
    }
}

/// A body is polled (S5).
pub(crate) fn polled(world: &World, body: usize, pauses: u32) {
    let (now, store_now) = (world.now(), world.store_clock.now());
    let mut record = world.record();
    let polled = &record.bodies[body];
    let first_after_a_pause = polled.pauses != pauses;
    let lease = record.lease_of(body);
    let is_over = lease.is_none_or(|lease| lease.until <= store_now);
    let is_excused = first_after_a_pause || record.is_lost(body) || world.state().clock_was_set;
    if is_over && !is_excused {
        let what = format!(
            "S5: a body runs on although its lease is over at {store_now:?}: {lease:?}, {polled:?}"
        );
        record.broke(now, what);
    }
    record.bodies[body].pauses = pauses;
}

/// Whether a body goes on although its task is another machine's, or by what the store has lost. Setting the store's clock forward ends leases before
/// their holders can know; then such a body knows an older history, and nothing that it does is recorded. Otherwise S5 allows none, and it is judged
/// like any other.
fn is_left_behind(world: &World, record: &Record, body: usize) -> bool {
    world.state().clock_was_set && record.is_overtaken(body) || record.is_lost(body)
}

/// A body was given an outcome (S6): what an effect was computed from is the same for ever.
pub(crate) fn saw(world: &World, body: usize, seen: Seen) {
    let now = world.now();
    let mut record = world.record();
    let is_left_behind = is_left_behind(world, &record, body);
    let given = &mut record.bodies[body];
    let place = given.saw.len();
    given.saw.push(seen.clone());
    let key = (given.task, given.attempt);
    let noted = (
        given.machine,
        "saw",
        given.task,
        seen.node,
        seen.value.clone(),
    );
    let before = record
        .firm
        .get(&key)
        .and_then(|firm| firm.get(place))
        .cloned();
    record.note(now, noted);
    if let Some(before) = before
        && before != seen
        && !is_left_behind
    {
        record.broke(
            now,
            format!(
                "S6: task {} was given {seen:?} in the place of {before:?}",
                key.0
            ),
        );
    }
}

/// A step began: all that the body had seen when it asked for it is committed (S20).
pub(crate) fn step_began(
    world: &Arc<World>,
    body: usize,
    node: u32,
    before: usize,
    uses: Option<u64>,
    info: &TaskInfo,
) {
    let now = world.now();
    let mut record = world.record();
    let machine = record.bodies[body].machine;
    record.note(now, (machine, "step", info.task, node));
    if is_left_behind(world, &record, body) {
        return;
    }
    let given = record.bodies[body].saw[..before].to_vec();
    let firm = record.firm.entry((info.task, info.attempt)).or_default();
    let common = firm.len().min(given.len());
    let differs = firm[..common] != given[..common];
    if given.len() > firm.len() && !differs {
        *firm = given.clone();
    }
    if differs {
        let what = format!(
            "S20: a step of {} began after other outcomes than before: {given:?}",
            info.task
        );
        record.broke(now, what);
    }
    if let Some(uses) = uses {
        let first = *record.used.entry((info.task, node)).or_insert(uses);
        if first != uses {
            let what = format!(
                "S20: two attempts of a step of {} used {first} and {uses}",
                info.task
            );
            record.broke(now, what);
        }
    }
}

/// A sleep is over (S18).
pub(crate) fn slept(world: &World, began: u64, millis: u64, info: &TaskInfo) {
    let now = world.now();
    if now + TURN < began + millis * 1_000 && !world.state().clock_was_set {
        world.broke(format!(
            "S18: a sleep of {millis} ms of {} was over after {} µs",
            info.task,
            now - began
        ));
    }
}
