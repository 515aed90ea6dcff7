//! Opening: by many at once, and in surroundings that others made.

use std::{error::Error, sync::Arc};

use stent_core::{Store, store::Dispatched};

use crate::{
    ManualClock, Surroundings,
    requests::{claim, dispatch, executions},
    visible::Visible,
    world::World,
};

pub(crate) async fn many_that_open_an_empty_place_at_once_share_one_whole_store(world: World) {
    const OPENERS: usize = 8;
    let (place, clock) = (world.another_place(), Arc::new(ManualClock::new()));
    let Some(stores) = place.open_at_once(OPENERS, clock).await else {
        return;
    };
    assert_eq!(stores.len(), OPENERS, "all come up");
    for store in &stores {
        let made = dispatch(&**store, "1").await;
        made.expect("each of them takes work");
    }
    for store in &stores {
        assert_eq!(executions(&**store).await.len(), OPENERS);
    }
    let mut claimed = 0;
    for store in &stores {
        claimed += claim(&**store, 1).await.expect("each gives work out").len();
    }
    assert_eq!(claimed, OPENERS, "each is claimed once, by whomever");
}

pub(crate) async fn what_is_wrong_around_a_store_is_refused_or_comes_to_nothing(world: World) {
    for surroundings in world.surroundings() {
        let clock = Arc::new(ManualClock::new());
        let store = opened(&*surroundings, &clock).await;
        let made = dispatch(&*store, r#"{"before": "\\ 'it'"}"#).await;
        let made = made.expect("nothing is wrong yet");
        let before = Visible::of(&*store).await;
        drop(store);

        surroundings.spoil().await;
        let spoilt = surroundings.open(Arc::clone(&clock)).await;
        match (spoilt, surroundings.refused_naming()) {
            (Err(error), Some(word)) => {
                assert!(
                    whole(&*error).contains(word),
                    "`{}` is refused without a word of `{word}`: {error}",
                    surroundings.name()
                );
                surroundings.mend().await;
                let store = opened(&*surroundings, &clock).await;
                let after = Visible::of(&*store).await;
                assert!(after == before, "{}", after.difference(&before));
            }
            (Ok(store), None) => {
                works(&*store, made.root()).await;
                drop(store);
                let in_force = surroundings.in_force().await;
                assert_eq!(in_force, None, "`{}` weakens it", surroundings.name());
            }
            (Err(error), None) => panic!(
                "`{}` keeps it from opening: {}",
                surroundings.name(),
                whole(&*error)
            ),
            (Ok(_), Some(_)) => panic!("`{}` is not refused", surroundings.name()),
        }
    }
}

async fn opened(surroundings: &dyn Surroundings, clock: &Arc<ManualClock>) -> Arc<dyn Store> {
    match surroundings.open(Arc::clone(clock)).await {
        Ok(store) => store,
        Err(error) => panic!(
            "`{}` is not wrong now, and yet: {}",
            surroundings.name(),
            whole(&*error)
        ),
    }
}

/// What was there is there, and more is taken, kept as it was given, and given out.
async fn works(store: &dyn Store, before: stent_core::TaskId) {
    let input = r#"{"after": "\\ 'it'"}"#;
    let request = crate::requests::one(crate::requests::execution(input));
    let answer = store.dispatch(request).await.expect("it takes work");
    let [Dispatched::Created(made)] = answer.executions[..] else {
        panic!("nothing was made: {answer:?}");
    };
    let claimed = claim(store, 10).await.expect("it gives work out");
    let mut ids: Vec<_> = claimed.iter().map(|one| one.task.id).collect();
    ids.sort_unstable();
    let mut expected = [before, made.root()];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    let inputs: Vec<_> = claimed.iter().map(|one| one.input.as_str()).collect();
    assert!(inputs.contains(&input), "{inputs:?}");
}

/// An error's message with those of its causes.
fn whole(error: &(dyn Error + Send + Sync + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
