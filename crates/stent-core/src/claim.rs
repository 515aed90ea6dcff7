//! Which tasks a claim takes: higher priorities first; among lanes of one priority each in turn, so that none starves; in a lane the oldest first.
//!
//! A full lane and a lane that the worker does not serve are never read. A suspect is claimed alone.

use std::collections::BTreeMap;

use crate::{FunctionName, Lane, LaneClass, Priority};

/// A lane that the worker serves and that has due work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneOffer<K> {
    /// What the store knows the lane by.
    pub key: K,
    /// The lane.
    pub lane: Lane,
}

/// What a claim is allowed to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Tasks at most.
    pub limit: u32,
    /// Where to begin among lanes of one priority. A worker counts it up with each claim, so that each lane comes first in turn.
    pub rotation: u32,
    /// Whether a suspect may be taken.
    pub accept_suspect: bool,
}

/// The next question of a [`Picker`]: take up to so many of the oldest due tasks of that lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask<K> {
    /// The lane.
    pub key: K,
    /// Tasks at most.
    pub at_most: u32,
}

/// Divides a claim among lanes: it asks, the store fetches and answers how many there were.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use stent_core::{*, claim::*};
/// let lane = |function: &str| Lane {
///     queue: QueueName::default(),
///     function: FunctionName::new(function).unwrap(),
///     priority: Priority(0),
///     class: LaneClass::default(),
/// };
/// let offers = vec![LaneOffer { key: 'a', lane: lane("a") }, LaneOffer { key: 'b', lane: lane("b") }];
/// let demand = Demand { limit: 4, rotation: 0, accept_suspect: true };
/// let mut picker = Picker::new(offers, BTreeMap::new(), demand);
/// assert_eq!(picker.ask(), Some(Ask { key: 'a', at_most: 2 }));
/// picker.answer(2);
/// assert_eq!(picker.ask(), Some(Ask { key: 'b', at_most: 2 }));
/// picker.answer(1); // `b` had only one, so `a` is asked again
/// assert_eq!(picker.ask(), Some(Ask { key: 'a', at_most: 1 }));
/// picker.answer(1);
/// assert_eq!(picker.ask(), None);
/// ```
#[derive(Debug)]
pub struct Picker<K> {
    /// Lanes that may still have work, by priority, the highest last; each group in the order of asking.
    groups: Vec<Vec<LaneOffer<K>>>,
    /// Lanes of the present group that this round has asked and that may have more.
    asked: Vec<LaneOffer<K>>,
    /// How much each lane of this round is asked for.
    share: u32,
    remaining: u32,
    taken: u32,
    free: BTreeMap<FunctionName, u32>,
    pending: Option<(LaneOffer<K>, u32)>,
}

impl<K: Copy> Picker<K> {
    /// Prepares a claim over lanes, given the free slots of each limited function among them. Lanes that are full take no turn.
    #[must_use]
    pub fn new(
        offers: Vec<LaneOffer<K>>,
        free: BTreeMap<FunctionName, u32>,
        demand: Demand,
    ) -> Self {
        let mut by_priority: BTreeMap<Priority, Vec<LaneOffer<K>>> = BTreeMap::new();
        for offer in offers {
            let class = offer.lane.class;
            let is_full = !class.holds_slot && free.get(&offer.lane.function) == Some(&0);
            if !is_full && (demand.accept_suspect || !class.suspect) {
                by_priority
                    .entry(offer.lane.priority)
                    .or_default()
                    .push(offer);
            }
        }
        let groups = by_priority
            .into_values()
            .map(|group| in_turn(group, demand.rotation))
            .collect();
        Self {
            groups,
            asked: Vec::new(),
            share: 0,
            remaining: demand.limit,
            taken: 0,
            free,
            pending: None,
        }
    }

    /// The next lane to fetch from, or `None` when the claim is complete. Each question must be answered before the next.
    pub fn ask(&mut self) -> Option<Ask<K>> {
        while self.remaining > 0 {
            let group = self.groups.last_mut()?;
            if self.share == 0 {
                let lanes = u32::try_from(group.len()).unwrap_or(u32::MAX).max(1);
                self.share = self.remaining.div_ceil(lanes);
            }
            let Some(offer) = group.pop() else {
                self.next_round();
                continue;
            };
            let at_most = self
                .share
                .min(self.remaining)
                .min(self.allowed(&offer.lane));
            if at_most == 0 {
                continue;
            }
            let key = offer.key;
            self.pending = Some((offer, at_most));
            return Some(Ask { key, at_most });
        }
        None
    }

    /// How many tasks the last question found; they are taken.
    pub fn answer(&mut self, found: u32) {
        let Some((offer, asked)) = self.pending.take() else {
            return;
        };
        let found = found.min(asked);
        self.remaining = self.remaining.saturating_sub(found);
        self.taken = self.taken.saturating_add(found);
        if !offer.lane.class.holds_slot
            && let Some(free) = self.free.get_mut(&offer.lane.function)
        {
            *free = free.saturating_sub(found);
        }
        if offer.lane.class.suspect && found > 0 {
            self.remaining = 0;
        } else if found == asked {
            self.asked.push(offer);
        }
    }

    fn allowed(&self, lane: &Lane) -> u32 {
        match lane.class {
            LaneClass { suspect: true, .. } if self.taken > 0 => 0,
            LaneClass {
                suspect: true,
                holds_slot: true,
            } => 1,
            LaneClass {
                holds_slot: true, ..
            } => u32::MAX,
            LaneClass { suspect, .. } => {
                let free = self.free.get(&lane.function).copied().unwrap_or(u32::MAX);
                if suspect { free.min(1) } else { free }
            }
        }
    }

    /// Goes on with those lanes of the group that gave all they were asked for, or with the next priority.
    fn next_round(&mut self) {
        self.share = 0;
        let mut again = std::mem::take(&mut self.asked);
        again.reverse();
        match self.groups.last_mut() {
            Some(group) if !again.is_empty() => *group = again,
            Some(_) | None => {
                self.groups.pop();
            }
        }
    }
}

/// The order in which lanes of one priority are asked, last first: suspects, then the others from a place that moves with each claim.
fn in_turn<K>(mut group: Vec<LaneOffer<K>>, rotation: u32) -> Vec<LaneOffer<K>> {
    group.sort_by(|a, b| a.lane.cmp(&b.lane));
    let (suspects, mut others): (Vec<_>, Vec<_>) = group
        .into_iter()
        .partition(|offer| offer.lane.class.suspect);
    if let Some(begin) = usize::try_from(rotation)
        .ok()
        .and_then(|rotation| rotation.checked_rem(others.len()))
    {
        others.rotate_left(begin);
    }
    let mut order: Vec<_> = suspects.into_iter().chain(others).collect();
    order.reverse();
    order
}
