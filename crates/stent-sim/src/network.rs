//! A machine's connection to the store, with all that may happen on the way.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use stent::store::{signal::SignalAnswer, *};
use tokio::time::sleep;

use crate::{
    random::chance,
    scenario::Fault,
    time::micros,
    world::{World, at_once},
};

/// After how long a call that nobody answers is given up, as a store of a real database does.
const GIVE_UP: Duration = Duration::from_secs(20);

/// One process's connection.
pub(crate) struct Connection {
    pub(crate) world: Arc<World>,
    pub(crate) machine: usize,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.machine)
    }
}

/// What becomes of a request.
enum Fate {
    Answered,
    LostOnTheWay,
    AnswerLost,
    Late(Duration),
    Twice,
    Silence { arrives: bool },
}

/// How a request is applied: to a store that answers at once.
type Apply<T> = dyn Fn(&World) -> Result<T, StoreError> + Send + Sync;

impl Connection {
    fn fate(&self, changes: bool) -> (Fate, Duration, Duration) {
        let world = &self.world;
        let may = |fault| world.may(fault);
        let rates = [
            (Fault::LostRequest, 40),
            (Fault::LostAnswer, if changes { 40 } else { 0 }),
            (Fault::Late, if changes { 20 } else { 0 }),
            (Fault::Twice, if changes { 40 } else { 0 }),
            (Fault::Silence, 10),
        ];
        world.network.with(|rng| {
            let mut slow = || match rng.u32(0..100) {
                _ if !may(Fault::Slow) => Duration::from_micros(rng.u64(100..1_000)),
                0 => Duration::from_millis(rng.u64(0..3_000)),
                1..20 => Duration::from_millis(rng.u64(0..100)),
                _ => Duration::from_millis(rng.u64(0..5)),
            };
            let (there, back) = (slow(), slow());
            let happens = rates
                .into_iter()
                .find(|(fault, rate)| may(*fault) && chance(rng, *rate));
            let fate = match happens {
                Some((Fault::LostRequest, _)) => Fate::LostOnTheWay,
                Some((Fault::LostAnswer, _)) => Fate::AnswerLost,
                Some((Fault::Late, _)) => Fate::Late(Duration::from_millis(rng.u64(0..4_000))),
                Some((Fault::Twice, _)) => Fate::Twice,
                Some((Fault::Silence, _)) => Fate::Silence {
                    arrives: rng.bool(),
                },
                _ => Fate::Answered,
            };
            (fate, there, back)
        })
    }

    async fn call<T: Send + 'static>(
        &self,
        verb: &'static str,
        changes: bool,
        apply: Box<Apply<T>>,
    ) -> Result<T, StoreError> {
        let (fate, there, back) = self.fate(changes);
        sleep(there).await;
        let world = &self.world;
        if world.now() < world.state().away_until {
            return Err(retryable(verb, "the store is away"));
        }
        let answer = match fate {
            Fate::Answered => apply(world),
            Fate::Twice => {
                let first = apply(world);
                world.note((self.machine, verb, "applied twice"));
                if first.is_ok() { apply(world) } else { first }
            }
            Fate::LostOnTheWay => Err(retryable(verb, "the connection was lost")),
            Fate::AnswerLost => {
                // What it was told is lost with the connection.
                let lost = apply(world).is_ok();
                world.note((self.machine, verb, "answer lost", lost));
                Err(unknown(verb))
            }
            Fate::Late(span) => {
                world.note((self.machine, verb, "arrives late"));
                let at = world.now() + micros(span);
                let arrive = Box::new(move |world: &World| drop(apply(world)));
                world.state().late.push((at, arrive));
                Err(unknown(verb))
            }
            Fate::Silence { arrives } => {
                world.note((self.machine, verb, "not answered"));
                if arrives {
                    drop(apply(world));
                }
                sleep(GIVE_UP).await;
                Err(unknown(verb))
            }
        };
        sleep(back).await;
        answer
    }

    /// A request that changes something, and what is seen of its answer.
    async fn write<R, T>(
        &self,
        verb: &'static str,
        request: R,
        ask: impl Fn(&MemoryStore, R) -> Result<T, StoreError> + Send + Sync + 'static,
        saw: impl Fn(&World, &R, &T) + Send + Sync + 'static,
    ) -> Result<T, StoreError>
    where
        R: Clone + Send + Sync + 'static,
        T: Send + 'static,
    {
        let apply = move |world: &World| {
            let answer = ask(&world.store(), request.clone());
            if let Ok(answer) = &answer {
                saw(world, &request, answer);
            }
            world.transaction_ended();
            answer
        };
        self.call(verb, true, Box::new(apply)).await
    }

    async fn read<R, T>(
        &self,
        verb: &'static str,
        request: R,
        ask: impl Fn(&MemoryStore, R) -> Result<T, StoreError> + Send + Sync + 'static,
    ) -> Result<T, StoreError>
    where
        R: Clone + Send + Sync + 'static,
        T: Send + 'static,
    {
        let apply = move |world: &World| ask(&world.store(), request.clone());
        self.call(verb, false, Box::new(apply)).await
    }
}

fn retryable(verb: &str, why: &str) -> StoreError {
    StoreError::Retryable {
        what: format!("cannot {verb}: {why}"),
        source: None,
    }
}

fn unknown(verb: &str) -> StoreError {
    StoreError::OutcomeUnknown {
        what: format!("`{verb}` was not answered"),
        source: None,
    }
}

#[async_trait]
impl Store for Connection {
    async fn dispatch(&self, request: DispatchRequest) -> Result<DispatchAnswer, StoreError> {
        let ask = |store: &MemoryStore, it| at_once(store.dispatch(it));
        let saw = |world: &World, _: &DispatchRequest, answer: &DispatchAnswer| {
            world.note(("dispatched", &answer.executions));
            for dispatched in &answer.executions {
                if let Dispatched::Created(id) = dispatched {
                    world.record().begins_anew(*id);
                }
            }
        };
        self.write("dispatch", request, ask, saw).await
    }

    async fn declare(&self, request: DeclareRequest) -> Result<DeclareAnswer, StoreError> {
        let ask = |store: &MemoryStore, it| at_once(store.declare(it));
        self.write("declare", request, ask, |_, _, _| {}).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        let machine = self.machine;
        let ask = |store: &MemoryStore, it| at_once(store.claim(it));
        let saw = move |world: &World, request: &ClaimRequest, answer: &ClaimAnswer| {
            if answer.tasks.len() > usize::try_from(request.demand.limit).unwrap_or(usize::MAX) {
                world.broke("S12: a claim took more than it asked for".to_owned());
            }
            for claimed in &answer.tasks {
                world.leased(machine, &claimed.task);
            }
            for stolen in &answer.stolen {
                world.note(("stolen", stolen.task, stolen.from.as_str(), stolen.crashes));
            }
        };
        self.write("claim", request, ask, saw).await
    }

    async fn commit(&self, request: CommitRequest) -> Result<CommitAnswer, StoreError> {
        let machine = self.machine;
        let apply = move |world: &World| {
            let answer = at_once(world.store().commit(request.clone()))?;
            world.committed(machine, &answer);
            for result in &answer.results {
                let Ok(applied) = &result.result else {
                    continue;
                };
                if applied.repeated {
                    continue;
                }
                for child in &applied.started {
                    world.leased(machine, &child.task);
                }
            }
            world.transaction_ended();
            Ok(answer)
        };
        self.call("commit", true, Box::new(apply)).await
    }

    async fn renew(&self, request: RenewRequest) -> Result<RenewAnswer, StoreError> {
        let ask = |store: &MemoryStore, it| at_once(store.renew(it));
        let saw = |world: &World, request: &RenewRequest, answer: &RenewAnswer| {
            for ((task, fence), result) in request.leases.iter().zip(&answer.leases) {
                if let RenewResult::Renewed { expires_at, .. } = result {
                    world.renewed(*task, *fence, *expires_at);
                }
            }
        };
        self.write("renew", request, ask, saw).await
    }

    async fn signal(&self, request: SignalRequest) -> Result<Vec<SignalAnswer>, StoreError> {
        let ask = |store: &MemoryStore, it| at_once(store.signal(it));
        self.write("signal", request, ask, |_, _, _| {}).await
    }

    async fn cancel(&self, executions: Vec<ExecutionId>) -> Result<Vec<CancelAnswer>, StoreError> {
        let ask = |store: &MemoryStore, it| at_once(store.cancel(it));
        self.write("cancel", executions, ask, |_, _, _| {}).await
    }

    async fn replay_dead_letters(
        &self,
        executions: Vec<ExecutionId>,
    ) -> Result<Vec<ReplayAnswer>, StoreError> {
        let ask = |store: &MemoryStore, it| at_once(store.replay_dead_letters(it));
        let saw = |world: &World, executions: &Vec<ExecutionId>, answers: &Vec<ReplayAnswer>| {
            world.note(("replayed", executions, answers));
            for (execution, answer) in executions.iter().zip(answers) {
                if *answer == ReplayAnswer::Replayed {
                    world.record().attempts_begin_anew(*execution);
                }
            }
        };
        self.write("replay", executions, ask, saw).await
    }

    async fn set_limit(&self, request: SetLimitRequest) -> Result<(), StoreError> {
        let ask = |store: &MemoryStore, it| at_once(store.set_limit(it));
        self.write("set a limit", request, ask, |_, _, ()| {}).await
    }

    async fn clean_up(&self, request: CleanupRequest) -> Result<CleanupAnswer, StoreError> {
        let apply = move |world: &World| {
            let before = world.executions();
            let answer = at_once(world.store().clean_up(request));
            if let Ok(CleanupAnswer::Deleted {
                executions: 1.., ..
            }) = answer
            {
                world.cleaned_up(request.retention, &before);
            }
            answer
        };
        self.call("clean up", true, Box::new(apply)).await
    }

    async fn history(&self, requests: Vec<HistoryRequest>) -> Result<Vec<TaskHistory>, StoreError> {
        let ask = |store: &MemoryStore, it| at_once(store.history(it));
        self.read("read histories", requests, ask).await
    }

    async fn executions(&self, query: ExecutionQuery) -> Result<ExecutionPage, StoreError> {
        let ask = |store: &MemoryStore, it| at_once(store.executions(it));
        self.read("list executions", query, ask).await
    }

    async fn tasks(&self, query: TaskQuery) -> Result<TaskPage, StoreError> {
        let ask = |store: &MemoryStore, it| at_once(store.tasks(it));
        self.read("list tasks", query, ask).await
    }

    async fn functions(&self) -> Result<Vec<FunctionRecord>, StoreError> {
        let ask = |store: &MemoryStore, ()| at_once(store.functions());
        self.read("list functions", (), ask).await
    }

    async fn queues(&self) -> Result<Vec<QueueRecord>, StoreError> {
        let ask = |store: &MemoryStore, ()| at_once(store.queues());
        self.read("list queues", (), ask).await
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, StoreError> {
        let ask = |store: &MemoryStore, ()| at_once(store.workers());
        self.read("list workers", (), ask).await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        let ask = |store: &MemoryStore, ()| at_once(store.health());
        self.read("tell its health", (), ask).await
    }

    fn hints(&self) -> HintStream {
        let world = Arc::clone(&self.world);
        let deaf = world.may(Fault::Hints) && world.network.with(fastrand::Rng::bool);
        let hints = self.world.store().hints().flat_map(move |hint| {
            let times = match () {
                () if !world.may(Fault::Hints) => 1,
                () if deaf => 0,
                () => world.network.with(|rng| rng.usize(0..3)),
            };
            stream::iter(std::iter::repeat_n(hint, times))
        });
        Box::pin(hints)
    }
}
