//! How a claim is divided among lanes.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use stent_core::{
    FunctionName, Lane, LaneClass, Priority, QueueName,
    claim::{Demand, LaneOffer, Picker},
};

/// A lane with the number of its due tasks.
#[derive(Clone, Debug)]
struct Stock {
    lane: Lane,
    due: u32,
}

/// How many tasks of each lane a claim takes.
fn pick(stocks: &[Stock], free: &BTreeMap<FunctionName, u32>, demand: Demand) -> Vec<u32> {
    let offers = stocks.iter().enumerate().map(|(key, stock)| LaneOffer {
        key,
        lane: stock.lane.clone(),
    });
    let mut picker = Picker::new(offers.collect(), free.clone(), demand);
    let mut taken = vec![0; stocks.len()];
    let mut left = demand.limit;
    while let Some(ask) = picker.ask() {
        assert!(
            ask.at_most > 0 && ask.at_most <= left,
            "it asks for more than is wanted"
        );
        let found = ask.at_most.min(stocks[ask.key].due - taken[ask.key]);
        taken[ask.key] += found;
        left -= found;
        picker.answer(found);
    }
    taken
}

fn stocks() -> impl Strategy<Value = Vec<Stock>> {
    let lane = (
        0..2u8,
        0..3u8,
        -1..2i32,
        any::<bool>(),
        prop::bool::weighted(0.2),
    );
    // What a lane offered may be gone when it is asked.
    vec((lane, 0..6u32), 0..8).prop_map(|lanes| {
        let mut distinct = BTreeMap::new();
        for ((queue, function, priority, holds_slot, suspect), due) in lanes {
            let lane = Lane {
                queue: QueueName::new(format!("q{queue}")).unwrap(),
                function: function_of(function),
                priority: Priority(priority),
                class: LaneClass {
                    holds_slot,
                    suspect,
                },
            };
            distinct.insert(lane, due);
        }
        let stocks = distinct.into_iter().map(|(lane, due)| Stock { lane, due });
        stocks.collect()
    })
}

fn function_of(which: u8) -> FunctionName {
    FunctionName::new(format!("f{which}")).unwrap()
}

fn limits() -> impl Strategy<Value = BTreeMap<FunctionName, u32>> {
    prop::collection::btree_map((0..3u8).prop_map(function_of), 0..4u32, 0..3)
}

fn demand() -> impl Strategy<Value = Demand> {
    (0..20u32, 0..10u32, prop::bool::weighted(0.8)).prop_map(|(limit, rotation, accept_suspect)| {
        Demand {
            limit,
            rotation,
            accept_suspect,
        }
    })
}

/// Whether a lane could still give a task after a claim took these.
fn could_give(
    which: usize,
    stocks: &[Stock],
    taken: &[u32],
    free: &BTreeMap<FunctionName, u32>,
    demand: Demand,
) -> bool {
    let stock = &stocks[which];
    let class = stock.lane.class;
    let all: u32 = taken.iter().sum();
    let used: u32 = used_slots(&stock.lane.function, stocks, taken);
    let has_slot = class.holds_slot
        || free
            .get(&stock.lane.function)
            .is_none_or(|free| *free > used);
    let may_be_suspect = !class.suspect || (demand.accept_suspect && all == 0);
    stock.due > taken[which] && has_slot && may_be_suspect
}

fn used_slots(function: &FunctionName, stocks: &[Stock], taken: &[u32]) -> u32 {
    let lanes = stocks.iter().zip(taken);
    let of_it =
        lanes.filter(|(stock, _)| stock.lane.function == *function && !stock.lane.class.holds_slot);
    of_it.map(|(_, taken)| taken).sum()
}

fn has_suspect(stocks: &[Stock], taken: &[u32]) -> bool {
    let mut lanes = stocks.iter().zip(taken);
    lanes.any(|(stock, taken)| stock.lane.class.suspect && *taken > 0)
}

proptest! {
    #[test]
    fn a_claim_takes_no_more_than_is_asked_for_or_free(
        stocks in stocks(), free in limits(), demand in demand(),
    ) {
        let taken = pick(&stocks, &free, demand);
        prop_assert!(taken.iter().sum::<u32>() <= demand.limit);
        for (function, free) in &free {
            prop_assert!(used_slots(function, &stocks, &taken) <= *free);
        }
    }

    #[test]
    fn a_suspect_is_taken_alone_and_only_where_it_is_accepted(
        stocks in stocks(), free in limits(), demand in demand(),
    ) {
        let taken = pick(&stocks, &free, demand);
        if has_suspect(&stocks, &taken) {
            prop_assert_eq!(taken.iter().sum::<u32>(), 1);
            prop_assert!(demand.accept_suspect);
        }
    }

    #[test]
    fn nothing_that_could_be_taken_is_left_while_more_is_wanted(
        stocks in stocks(), free in limits(), demand in demand(),
    ) {
        let taken = pick(&stocks, &free, demand);
        let wants_more = taken.iter().sum::<u32>() < demand.limit;
        if wants_more && !has_suspect(&stocks, &taken) {
            for which in 0..stocks.len() {
                prop_assert!(
                    !could_give(which, &stocks, &taken, &free, demand),
                    "{:?} could have given one", stocks[which]
                );
            }
        }
    }

    #[test]
    fn a_lower_priority_waits_for_all_higher_ones(
        stocks in stocks(), free in limits(), demand in demand(),
    ) {
        let taken = pick(&stocks, &free, demand);
        for lower in (0..stocks.len()).filter(|which| taken[*which] > 0) {
            for higher in 0..stocks.len() {
                let is_higher = stocks[higher].lane.priority > stocks[lower].lane.priority;
                let is_suspect = stocks[higher].lane.class.suspect;
                let is_left = could_give(higher, &stocks, &taken, &free, demand);
                prop_assert!(!(is_higher && !is_suspect && is_left), "{:?}", stocks[higher]);
            }
        }
    }

    #[test]
    fn no_lane_gets_more_than_its_share_beyond_one_that_has_work_left(
        stocks in stocks(), limit in 0..20u32, rotation in 0..10u32,
    ) {
        let demand = Demand { limit, rotation, accept_suspect: false };
        let taken = pick(&stocks, &BTreeMap::new(), demand);
        for which in 0..stocks.len() {
            let poor = &stocks[which];
            if poor.lane.class.suspect || poor.due == taken[which] {
                continue;
            }
            let equals = (0..stocks.len()).filter(|other| {
                let other = &stocks[*other].lane;
                other.priority == poor.lane.priority && !other.class.suspect
            });
            let equals: Vec<_> = equals.collect();
            let share = limit.div_ceil(u32::try_from(equals.len()).unwrap());
            for rich in equals {
                prop_assert!(taken[rich] <= taken[which] + share, "{:?} {:?}", stocks, taken);
            }
        }
    }

    #[test]
    fn claims_of_one_task_take_each_lane_in_turn(count in 1..8u32, begin in 0..100u32) {
        let stocks: Vec<_> = (0..count).map(|which| Stock {
            lane: Lane {
                queue: QueueName::default(),
                function: FunctionName::new(format!("f{which}")).unwrap(),
                priority: Priority(0),
                class: LaneClass::default(),
            },
            due: 1,
        }).collect();
        let mut all = vec![0; stocks.len()];
        for turn in 0..count {
            let demand = Demand { limit: 1, rotation: begin + turn, accept_suspect: true };
            let taken = pick(&stocks, &BTreeMap::new(), demand);
            all.iter_mut().zip(taken).for_each(|(all, taken)| *all += taken);
        }
        prop_assert!(all.iter().all(|taken| *taken == 1), "{:?}", all);
    }
}
