//! Call positions: taken when an operation is made, whoever polls it first.

use std::{future::Future, pin::Pin, task::Poll};

use futures_util::{
    future::{self, Either},
    stream::{FuturesUnordered, StreamExt},
};
use proptest::prelude::*;
use stent_client::{Error, sleep, step};

use crate::{
    body::{FIRST_KEYED, Scripted},
    functions::double,
};

fn names(context: &Scripted) -> Vec<(u32, String)> {
    let mut begun = context.begun();
    begun.sort();
    begun
}

#[test]
fn positions_are_taken_in_the_order_of_making_not_of_polling() {
    let context = Scripted::new();
    context.complete(2, &20);
    context.complete(1, &10);
    let result = context.finish(async {
        let first = double(1);
        let second = double(2);
        // The second is polled first.
        future::join(second, first).await
    });
    assert_eq!(context.begun()[0], (2, "double(2)".to_owned()));
    assert_eq!(names(&context)[0], (1, "double(1)".to_owned()));
    assert_eq!((result.0.unwrap(), result.1.unwrap()), (20, 10));
}

#[test]
fn a_call_that_is_never_awaited_shifts_no_position() {
    let context = Scripted::new();
    context.complete(3, &6);
    let result = context.finish(async {
        let unused = double(1);
        drop(unused);
        let _also_unused = sleep("1s");
        double(3).await
    });
    assert_eq!(result.unwrap(), 6);
    assert_eq!(context.begun(), [(3, "double(3)".to_owned())]);
    assert!(context.abandoned().is_empty());
}

#[test]
fn the_loser_of_a_select_is_abandoned_and_shifts_no_position() {
    let context = Scripted::new();
    context.complete(2, &());
    context.complete(3, &8);
    let result = context.finish(async {
        let call = double(1);
        match future::select(call, sleep("1s")).await {
            Either::Left(_) => panic!("the sleep ends first"),
            Either::Right((slept, call)) => {
                slept.unwrap();
                drop(call);
            }
        }
        double(4).await
    });
    assert_eq!(result.unwrap(), 8);
    assert_eq!(context.abandoned(), [1]);
}

#[test]
fn a_body_that_is_dropped_as_a_whole_abandons_nothing() {
    let context = Scripted::new();
    let mut body = Box::pin(async { future::join(double(1), sleep("1s")).await });
    assert!(context.poll(body.as_mut()).is_pending());
    assert_eq!(context.begun().len(), 2);
    drop(body);
    assert!(context.abandoned().is_empty());
}

#[test]
fn a_key_counts_instead_of_the_position_and_gives_it_back() {
    let context = Scripted::new();
    context.complete(FIRST_KEYED, &1);
    context.complete(1, &2);
    let result = context.finish(async {
        let keyed = double(1).key("a");
        let counted = double(2);
        future::join(keyed, counted).await
    });
    assert_eq!(result.0.unwrap() + result.1.unwrap(), 3);
    assert_eq!(
        context.begun(),
        [
            (FIRST_KEYED, "double(1)".to_owned()),
            (1, "double(2)".to_owned())
        ]
    );
}

#[test]
fn a_second_key_does_not_give_back_what_another_has_taken_since() {
    let context = Scripted::new();
    let mut body = Box::pin(async {
        let keyed = double(1).key("a");
        let counted = double(2);
        let keyed = keyed.key("b");
        let counted_too = double(3);
        future::join3(keyed, counted, counted_too).await
    });
    assert!(context.poll(body.as_mut()).is_pending());
    let positions: Vec<_> = context.begun().iter().map(|begun| begun.0).collect();
    assert_eq!(positions, [FIRST_KEYED, 1, 2]);
}

#[test]
fn every_kind_of_operation_takes_its_position_when_it_is_made() {
    let context = Scripted::new();
    let mut body = Box::pin(async {
        let a = double(1);
        let b = sleep("1s");
        let c = stent_client::sleep_until(stent_client::Timestamp::from_micros(9));
        let d = stent_client::signal::<u32>("go").timeout("1h");
        let e = step("effect", || async { Ok::<_, Error>(1) });
        stent_client::now().unwrap();
        stent_client::random::<u8>().unwrap();
        let f = double(2);
        future::join(
            future::join(f, future::join(e, d)),
            future::join(c, future::join(b, a)),
        )
        .await
    });
    context.hold_steps(true);
    assert!(context.poll(body.as_mut()).is_pending());
    assert_eq!(
        names(&context),
        [
            (1, "double(1)".to_owned()),
            (2, "sleep 1s".to_owned()),
            (3, "sleep until 9".to_owned()),
            (4, "signal go Some(3600s)".to_owned()),
            (5, "step effect".to_owned()),
            (8, "double(2)".to_owned()),
        ]
    );
}

/// Polls futures in an order of its own at every poll, as `tokio::select!` does.
struct Shuffled<F> {
    branches: Vec<Option<Pin<Box<F>>>>,
    outputs: Vec<(usize, u32)>,
    orders: Vec<Vec<usize>>,
    polls: usize,
}

impl<F: Future<Output = stent_client::Result<u32>>> Future for Shuffled<F> {
    type Output = Vec<(usize, u32)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let order = this.orders[this.polls % this.orders.len()].clone();
        this.polls += 1;
        for at in order {
            let Some(branch) = &mut this.branches[at] else {
                continue;
            };
            if let Poll::Ready(output) = branch.as_mut().poll(cx) {
                this.outputs.push((at, output.unwrap()));
                this.branches[at] = None;
            }
        }
        if this.branches.iter().all(Option::is_none) {
            Poll::Ready(std::mem::take(&mut this.outputs))
        } else {
            Poll::Pending
        }
    }
}

fn orders(branches: usize) -> impl Strategy<Value = Vec<Vec<usize>>> {
    let one = Just((0..branches).collect::<Vec<_>>()).prop_shuffle();
    proptest::collection::vec(one, 1..8)
}

proptest! {
    /// Each call gets its own outcome, and outcomes come in the recorded order, in whatever order a combinator polls its branches.
    #[test]
    fn the_order_of_polling_changes_nothing(
        orders in orders(6),
        ended in Just((0..6_u32).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let context = Scripted::new();
        for at in &ended {
            context.complete(at + 1, &(at * 100));
        }
        let outputs = context.finish(async {
            let branches = (0..6).map(|number| Some(Box::pin(double(number)))).collect();
            Shuffled { branches, outputs: Vec::new(), orders, polls: 0 }.await
        });
        let expected: Vec<_> = ended.iter().map(|at| (*at as usize, at * 100)).collect();
        prop_assert_eq!(outputs, expected);
    }

    /// Chains of calls in `async {}` branches keep their outcomes by key, although the branches are polled in a random order.
    #[test]
    fn keyed_chains_keep_their_outcomes_in_any_order_of_polling(
        orders in orders(3),
        ended in Just(vec![0_u32, 0, 1, 1, 2, 2]).prop_shuffle(),
    ) {
        let context = Scripted::new();
        let mut firsts = [false; 3];
        for branch in ended {
            let second = std::mem::replace(&mut firsts[branch as usize], true);
            let link = if second { "second" } else { "first" };
            context.complete_key(&format!("{branch}-{link}"), &(branch * 10 + u32::from(second)));
        }
        let mut outputs = context.finish(async {
            let branches = (0..3_u32).map(|branch| {
                Some(Box::pin(async move {
                    let first = double(branch).key(format!("{branch}-first")).await?;
                    let second = double(first).key(format!("{branch}-second")).await?;
                    Ok(first * 100 + second)
                }))
            }).collect();
            Shuffled { branches, outputs: Vec::new(), orders, polls: 0 }.await
        });
        outputs.sort();
        prop_assert_eq!(outputs, [(0, 1), (1, 1_011), (2, 2_021)]);
    }
}

#[test]
fn an_unordered_set_gives_outcomes_in_the_recorded_order() {
    let context = Scripted::new();
    for position in [3, 1, 2] {
        context.complete(position, &(position * 10));
    }
    let seen = context.finish(async {
        let calls: FuturesUnordered<_> = (1..=3).map(double).collect();
        calls.map(Result::unwrap).collect::<Vec<_>>().await
    });
    assert_eq!(seen, [30, 10, 20]);
}
