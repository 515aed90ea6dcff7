//! What programs that dispatch do: ask for executions, signal them, cancel them, wait for them, replay them; and give up now and then.

use std::{sync::Arc, time::Duration};

use futures_util::future::join4;
use stent::{
    ExecutionHandle, Stent,
    store::{
        CancelAnswer, Clock, EntryHead, ExecutionId, NewSignal, Operation, Outcome, Payload,
        SignalId, SignalName, SignalRequest, Store,
    },
};
use tokio::time::{sleep, timeout};

use crate::{
    functions::{hopeless, limited, persistent, plain},
    random::chance,
    scenario::Fault,
    time::micros,
    work::{Function, Item},
    world::{World, at_once},
};

/// Attends to every item that is not done.
pub(crate) async fn run(world: Arc<World>, stent: Stent) {
    for item in world.scenario.items.clone() {
        tokio::spawn(attend(Arc::clone(&world), stent.clone(), item));
    }
    if world.scenario.has(Fault::Limits) {
        tokio::spawn(change_limits(Arc::clone(&world), stent));
    }
}

async fn attend(world: Arc<World>, stent: Stent, item: Item) {
    until(&world, micros(item.at)).await;
    let Some(id) = make(&world, &stent, &item).await else {
        return;
    };
    let execution = stent.execution(id);
    join4(
        signal(&world, &execution, &item),
        cancel(&world, &execution, &item),
        hear(&world, &execution, &item),
        replay(&world, &stent, &execution, &item),
    )
    .await;
}

async fn until(world: &World, at: u64) {
    let left = at.saturating_sub(world.now());
    sleep(Duration::from_micros(left)).await;
}

/// Whoever gives up drops the call, at whatever point it is.
async fn patiently<T>(world: &World, call: impl Future<Output = T>) -> Option<T> {
    let gives_up = world.network.with(|rng| chance(rng, 200)) && world.may(Fault::Clients);
    if !gives_up {
        return Some(call.await);
    }
    let patience = Duration::from_millis(world.network.with(|rng| rng.u64(0..50)));
    timeout(patience, call).await.ok()
}

/// Makes an execution; `None` when nobody knows whether it was made.
async fn make(world: &Arc<World>, stent: &Stent, item: &Item) -> Option<ExecutionId> {
    let (began, known) = {
        let mut record = world.record();
        let dealt = &mut record.dealt[item.number];
        (
            std::mem::replace(&mut dealt.began, true),
            dealt.acknowledged,
        )
    };
    if known.is_some() {
        return known;
    }
    if began && !item.keyed {
        return None;
    }
    loop {
        let losses = world.state().losses;
        match patiently(world, dispatch(stent, item)).await {
            Some(Ok(id)) => {
                let is_lost = world.state().losses > losses && !world.has(id);
                let mut record = world.record();
                let before = record.dealt[item.number].acknowledged.replace(id);
                record.dealt[item.number].lost = is_lost;
                let now = world.now();
                record.note(now, ("acknowledged", item.number, id));
                let gone = before.is_some_and(|before| record.gone.contains_key(&before));
                if before.is_some_and(|before| before != id) && !gone {
                    record.broke(
                        now,
                        format!("S11: item {} was {before:?}, and is {id}", item.number),
                    );
                }
                return Some(id);
            }
            Some(Err(error)) => world.note(("dispatch failed", item.number, error.to_string())),
            None => world.note(("dispatch given up", item.number)),
        }
        if !item.keyed {
            return None;
        }
        sleep(Duration::from_millis(300)).await;
    }
}

async fn dispatch(stent: &Stent, item: &Item) -> stent::Result<ExecutionId> {
    let node = item.node.clone();
    macro_rules! dispatch {
        ($function:ident) => {{
            let mut call = $function(node)
                .priority(item.priority)
                .queue(item.node.queue());
            if item.keyed {
                call = call.idempotency_key(format!("item {}", item.number));
            }
            if let Some(delay) = item.delay {
                call = call.delay(delay);
            }
            if let Some(deadline) = item.deadline {
                call = call.deadline(deadline);
            }
            stent.dispatch(call).await.map(|handle| handle.id())
        }};
    }
    match item.function {
        Function::Limited => dispatch!(limited),
        Function::Persistent => dispatch!(persistent),
        Function::Hopeless => dispatch!(hopeless),
        Function::Plain
        | Function::Releasing
        | Function::Flaky
        | Function::Fatal
        | Function::Panics
        | Function::Poison
        | Function::Timed => dispatch!(plain),
    }
}

/// Sends each signal until it is acknowledged, in order.
async fn signal(world: &World, execution: &ExecutionHandle, item: &Item) {
    let began = world.now();
    for (number, (name, after)) in item.signals.iter().enumerate() {
        let sent = |world: &World| {
            let mut record = world.record();
            let sent = &mut record.dealt[item.number].sent;
            sent.resize(item.signals.len(), false);
            std::mem::replace(&mut sent[number], true)
        };
        until(world, began + micros(*after)).await;
        let mut times = 0;
        while !world.record().dealt[item.number]
            .sent
            .get(number)
            .copied()
            .unwrap_or(false)
        {
            times += 1;
            let says = format!("says {name} {} {times}", world.now());
            match patiently(world, execution.signal(name.as_str(), &says)).await {
                // Refused, because it has ended: nobody will ask.
                Some(Ok(()) | Err(_)) if world.state().calm => drop(sent(world)),
                Some(Ok(())) => drop(sent(world)),
                Some(Err(_)) | None => sleep(Duration::from_millis(400)).await,
            }
        }
    }
}

async fn cancel(world: &World, execution: &ExecutionHandle, item: &Item) {
    let Some(after) = item.cancel else { return };
    sleep(after).await;
    world.record().dealt[item.number].asked_to_cancel = true;
    while world.record().dealt[item.number].cancelled.is_none() {
        match patiently(world, execution.cancel()).await {
            Some(Ok(CancelAnswer::Requested)) => {
                let now = world.now();
                let mut record = world.record();
                record.dealt[item.number].cancelled = Some(now);
                record.note(now, ("cancelled", item.number));
            }
            Some(Ok(CancelAnswer::Ended(_) | CancelAnswer::NoSuchExecution)) => return,
            Some(Err(_)) | None => sleep(Duration::from_millis(300)).await,
        }
    }
}

/// Waits for the outcome.
async fn hear(world: &World, execution: &ExecutionHandle, item: &Item) {
    loop {
        match patiently(world, execution.outcome()).await {
            Some(Ok((_, outcome))) => {
                let now = world.now();
                let mut record = world.record();
                record.note(now, ("told", item.number, outcome.kind()));
                record.dealt[item.number].told.push(outcome);
                return;
            }
            // A cleanup may have been faster than whoever waits.
            Some(Err(_)) if world.record().gone.contains_key(&execution.id()) => {
                let gone = world
                    .record()
                    .gone
                    .get(&execution.id())
                    .and_then(|gone| gone.root.outcome.clone());
                world.record().dealt[item.number].told.extend(gone);
                return;
            }
            // Lost with the store's newest transactions.
            Some(Err(stent::Error::NoSuchExecution { .. }))
                if world.record().dealt[item.number].lost =>
            {
                return;
            }
            Some(Err(_)) | None => sleep(Duration::from_millis(200)).await,
        }
    }
}

/// Replays what has become a dead letter, once.
async fn replay(world: &World, stent: &Stent, execution: &ExecutionHandle, item: &Item) {
    if !item.replayed {
        return;
    }
    while world.record().dealt[item.number].told.is_empty() {
        if world.record().dealt[item.number].lost {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    let failed = matches!(
        world.record().dealt[item.number].told.last(),
        Some(Outcome::Failed(_))
    );
    if !failed || world.record().dealt[item.number].lives > 0 || world.state().calm {
        return;
    }
    world.record().dealt[item.number].lives += 1;
    if let Some(Ok(())) = patiently(world, stent.replay_dead_letter(execution.id())).await {
        world.note(("replayed", item.number));
    }
}

async fn change_limits(world: Arc<World>, stent: Stent) {
    while !world.state().calm {
        sleep(Duration::from_millis(
            world.network.with(|rng| rng.u64(100..2_000)),
        ))
        .await;
        let limit = world.network.with(|rng| rng.u32(0..4));
        let set = async {
            match limit {
                0 => stent.unset_limit("limited").await,
                limit => stent.set_limit("limited", limit).await,
            }
        };
        drop(patiently(&world, set).await);
    }
}

/// When all is calm, somebody sends signals to those who wait for them in vain: to executions whose makers do not know of them, and to tasks that were
/// made anew after an earlier one had received the signal and failed.
pub(crate) fn help(world: &World) {
    let tasks = world.tasks();
    for execution in world.executions() {
        let root = &execution.root.task;
        let item = crate::check::end::node_of(&execution.root).and_then(|node| {
            let mut items = world.scenario.items.iter();
            items.find(|item| item.node.number == node.number)
        });
        let Some(item) = item.filter(|_| root.state.ended_at().is_none()) else {
            continue;
        };
        let is_orphan = {
            let dealt = &world.record().dealt[item.number];
            dealt.acknowledged != Some(root.execution) || dealt.lives > 0 || dealt.lost
        };
        let of_it = tasks
            .iter()
            .filter(|task| task.task.execution == root.execution);
        let heads: Vec<_> = of_it
            .flat_map(|task| world.history(task.task.id))
            .map(|entry| entry.head)
            .collect();
        for (name, _) in &item.signals {
            let mut waits = heads.iter().filter(|head| {
                matches!(&head.operation, Operation::Signal { name: asked, .. } if asked.as_str() == name)
            });
            let was_received = waits.clone().any(|head| head.signal.is_some());
            if (is_orphan || was_received) && waits.any(EntryHead::is_waiting) {
                send(world, root.execution, name);
            }
        }
    }
}

fn send(world: &World, execution: ExecutionId, name: &str) {
    let text = format!("says {name} to {execution} at {}", world.now());
    let signal = NewSignal {
        id: SignalId::from_parts(
            world.store_clock.now(),
            &world.network.with(|rng| rng.u128(..)).to_le_bytes()[..10]
                .try_into()
                .expect("ten bytes"),
        ),
        execution,
        name: SignalName::new(name).expect("a name of the workload"),
        payload: Payload::encode(&text, 1_000).expect("a text"),
    };
    let signals = vec![signal];
    let sent = at_once(world.store().signal(SignalRequest { signals }));
    world.note(("helped", execution, name, sent.is_ok()));
}
