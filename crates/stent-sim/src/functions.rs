//! The durable functions of the simulated programs: they do what their node says, and write down what they see.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    StreamExt,
    future::{BoxFuture, FutureExt, select_all, try_join_all},
    stream::FuturesUnordered,
};
use stent::{TaskInfo, prelude::*};

use crate::{
    record::{Body, Seen},
    work::{Does, Function, Node},
    world::World,
};

/// The process that a body runs in.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) world: Arc<World>,
    pub(crate) machine: usize,
}

/// A body that runs; it has ended when this is dropped.
struct Running {
    world: Arc<World>,
    body: usize,
}

impl Drop for Running {
    fn drop(&mut self) {
        let now = self.world.now();
        let dying = self.world.state().dying;
        let mut record = self.world.record();
        let body = &mut record.bodies[self.body];
        if dying == Some(body.machine) {
            return;
        }
        body.ended = Some(now);
        let ended = (body.machine, "body ended", body.task);
        record.note(now, ended);
    }
}

impl Place {
    fn begin(&self, function: Function) -> stent::Result<(Running, TaskInfo)> {
        let info = stent::task_info()?;
        let now = self.world.now();
        let pauses = self.pauses();
        let mut record = self.world.record();
        record.bodies.push(Body {
            task: info.task,
            execution: info.execution,
            function,
            machine: self.machine,
            attempt: info.attempt,
            ended: None,
            pauses,
            saw: Vec::new(),
            is_lost: false,
        });
        record.note(now, (self.machine, "body began", info.task, function));
        let body = record.bodies.len() - 1;
        drop(record);
        crate::check::begun(&self.world, body);
        let world = Arc::clone(&self.world);
        Ok((Running { world, body }, info))
    }

    fn pauses(&self) -> u32 {
        let state = self.world.state();
        state.pauses.get(&self.machine).copied().unwrap_or(0)
    }
}

/// A body whose every poll is looked at (S5).
struct Watched<'a, T> {
    body: BoxFuture<'a, T>,
    running: &'a Running,
    place: &'a Place,
}

impl<T> Future for Watched<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let pauses = self.place.pauses();
        crate::check::polled(&self.place.world, self.running.body, pauses);
        self.body.poll_unpin(cx)
    }
}

/// Runs a body under watch.
async fn watched<T>(
    place: &Place,
    function: Function,
    body: impl AsyncFnOnceBody<T>,
) -> stent::Result<T> {
    let (running, info) = place.begin(function)?;
    let seat = Seat {
        place,
        body: running.body,
        info,
    };
    let body = body.run(&seat);
    Watched {
        body,
        running: &running,
        place,
    }
    .await
}

/// A body that borrows its seat: what a closure's type cannot say.
trait AsyncFnOnceBody<T> {
    fn run<'a>(self, seat: &'a Seat<'a>) -> BoxFuture<'a, stent::Result<T>>
    where
        Self: 'a;
}

/// Does a node, and then so many things that may fail.
struct Do<F> {
    node: Node,
    then: F,
}

impl<F> AsyncFnOnceBody<String> for Do<F>
where
    F: Fn(&Seat<'_>) -> stent::Result<()> + Send + Sync,
{
    fn run<'a>(self, seat: &'a Seat<'a>) -> BoxFuture<'a, stent::Result<String>>
    where
        Self: 'a,
    {
        Box::pin(async move {
            let done = seat.run(&self.node).await?;
            (self.then)(seat)?;
            Ok(done)
        })
    }
}

fn well(_: &Seat<'_>) -> stent::Result<()> {
    Ok(())
}

fn fails(seat: &Seat<'_>) -> stent::Result<()> {
    let attempt = seat.info.attempt;
    let error = std::io::Error::other(format!("attempt {attempt}"));
    Err(stent::Error::other(error))
}

fn fails_before_the_third(seat: &Seat<'_>) -> stent::Result<()> {
    if seat.info.attempt < 3 {
        fails(seat)
    } else {
        Ok(())
    }
}

/// What a body knows of itself.
struct Seat<'a> {
    place: &'a Place,
    body: usize,
    info: TaskInfo,
}

impl Seat<'_> {
    /// Writes down an outcome that the body was given, and compares it with what was given before (S6).
    fn saw(&self, node: u32, value: impl Into<String>) {
        let value = value.into();
        crate::check::saw(&self.place.world, self.body, Seen { node, value });
    }

    fn run<'b>(&'b self, node: &'b Node) -> BoxFuture<'b, stent::Result<String>> {
        Box::pin(async move {
            let number = node.number;
            let all = |nodes: &'b [Node]| nodes.iter().map(|node| self.run(node));
            Ok(match &node.does {
                Does::Step { millis } => {
                    let value = self.step(number, *millis, None).await?;
                    self.saw(number, value.to_string());
                    format!("s{number}")
                }
                Does::Random => {
                    let drawn = stent::random::<u64>()?;
                    let value = self.step(number, 0, Some(drawn)).await?;
                    self.saw(number, value.to_string());
                    format!("r{number}")
                }
                Does::Now => {
                    let first = stent::now()?;
                    let then = stent::now()?;
                    if first > then {
                        self.place
                            .world
                            .broke(format!("S18: `now` went back: {first:?}, {then:?}"));
                    }
                    "n".to_owned()
                }
                Does::Sleep { millis } => {
                    let key = (self.info.task, number);
                    let world = &self.place.world;
                    let began = *world.record().slept.entry(key).or_insert(world.now());
                    stent::sleep(Duration::from_millis(*millis)).await?;
                    crate::check::slept(world, began, *millis, &self.info);
                    self.saw(number, "slept");
                    "z".to_owned()
                }
                Does::Work { millis } => {
                    tokio::time::sleep(Duration::from_millis(*millis)).await;
                    "w".to_owned()
                }
                Does::Signal { name, timeout } => self.signal(number, name, *timeout).await?,
                Does::Call { function, with } => {
                    let called = call(*function, with).await;
                    self.called(number, *function, called)?
                }
                Does::Sequence(nodes) => {
                    let mut done = Vec::new();
                    for node in nodes {
                        done.push(self.run(node).await?);
                    }
                    format!("[{}]", done.join(" "))
                }
                Does::Join(nodes) => format!("({})", try_join_all(all(nodes)).await?.join("&")),
                Does::Unordered(nodes) => {
                    let mut running: FuturesUnordered<_> = all(nodes).collect();
                    let mut done = Vec::new();
                    while let Some(one) = running.next().await {
                        done.push(one?);
                    }
                    done.sort();
                    format!("{{{}}}", done.join("|"))
                }
                Does::Select(nodes) => {
                    select_all(all(nodes)).await.0?;
                    "?".to_owned()
                }
                Does::Backwards(nodes) => {
                    select_all(all(nodes).rev()).await.0?;
                    "?".to_owned()
                }
            })
        })
    }

    /// A step whose value is another whenever it runs.
    async fn step(&self, number: u32, millis: u64, uses: Option<u64>) -> stent::Result<u64> {
        let world = &self.place.world;
        let (body, info) = (self.body, &self.info);
        let before = world.record().bodies[body].saw.len();
        stent::step("step", move || async move {
            crate::check::step_began(world, body, number, before, uses, info);
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok::<_, std::io::Error>(world.values.with(|rng| rng.u64(..)))
        })
        .await
    }

    async fn signal(&self, number: u32, name: &str, timeout: Option<u64>) -> stent::Result<String> {
        let signal = stent::signal::<String>(name);
        Ok(match timeout {
            None => {
                let says = signal.await?;
                self.saw(number, says);
                format!("g{number}")
            }
            Some(millis) => {
                let says = signal.timeout(Duration::from_millis(millis)).await;
                self.saw(number, says.unwrap_or_else(|_| "nothing".to_owned()));
                "?".to_owned()
            }
        })
    }

    /// Takes a child's outcome; those that are to fail are expected to.
    fn called(
        &self,
        number: u32,
        function: Function,
        called: stent::Result<String>,
    ) -> stent::Result<String> {
        let seen = match &called {
            Ok(done) => done.clone(),
            Err(error) => error.to_string(),
        };
        self.saw(number, seen);
        match function {
            Function::Plain
            | Function::Limited
            | Function::Releasing
            | Function::Flaky
            | Function::Persistent => Ok(format!("c({})", called?)),
            Function::Timed => Ok("?".to_owned()),
            Function::Hopeless | Function::Fatal | Function::Panics | Function::Poison => {
                if let Ok(done) = called {
                    self.place
                        .world
                        .broke(format!("S2: {function:?} returned {done}"));
                }
                Ok("f".to_owned())
            }
        }
    }
}

fn call(function: Function, with: &Node) -> BoxFuture<'static, stent::Result<String>> {
    let (with, queue) = (with.clone(), with.queue());
    match function {
        Function::Plain => plain(with).queue(queue).boxed(),
        Function::Limited => limited(with).queue(queue).boxed(),
        Function::Releasing => releasing(with).queue(queue).boxed(),
        Function::Flaky => flaky(with).queue(queue).boxed(),
        Function::Persistent => persistent(with).queue(queue).boxed(),
        Function::Hopeless => hopeless(with).queue(queue).boxed(),
        Function::Fatal => fatal(with).queue(queue).boxed(),
        Function::Panics => panics(with).queue(queue).boxed(),
        Function::Poison => poison(with).queue(queue).boxed(),
        Function::Timed => timed(with).queue(queue).boxed(),
    }
}

#[durable]
pub(crate) async fn plain(node: Node, #[state] place: Arc<Place>) -> stent::Result<String> {
    watched(&place, Function::Plain, Do { node, then: well }).await
}

#[durable(max_concurrent = 2)]
pub(crate) async fn limited(node: Node, #[state] place: Arc<Place>) -> stent::Result<String> {
    watched(&place, Function::Limited, Do { node, then: well }).await
}

#[durable(max_concurrent(1, while_waiting = "release"))]
pub(crate) async fn releasing(node: Node, #[state] place: Arc<Place>) -> stent::Result<String> {
    watched(&place, Function::Releasing, Do { node, then: well }).await
}

#[durable(retry(max_attempts = 3, initial_delay = "200ms"))]
pub(crate) async fn flaky(node: Node, #[state] place: Arc<Place>) -> stent::Result<String> {
    let then = fails_before_the_third;
    watched(&place, Function::Flaky, Do { node, then }).await
}

#[durable(retry(max_attempts = 3, initial_delay = "100ms"))]
pub(crate) async fn persistent(node: Node, #[state] place: Arc<Place>) -> stent::Result<String> {
    let then = fails_before_the_third;
    watched(&place, Function::Persistent, Do { node, then }).await
}

#[durable(retry(max_attempts = 2, initial_delay = "100ms"))]
pub(crate) async fn hopeless(node: Node, #[state] place: Arc<Place>) -> stent::Result<String> {
    watched(&place, Function::Hopeless, Do { node, then: fails }).await
}

#[durable]
pub(crate) async fn fatal(node: Node, #[state] place: Arc<Place>) -> stent::Result<String> {
    let then = |_: &Seat<'_>| Err(stent::fatal(std::io::Error::other("for good")));
    watched(&place, Function::Fatal, Do { node, then }).await
}

#[durable(retry(max_attempts = 2, initial_delay = "100ms"))]
pub(crate) async fn panics(node: Node, #[state] place: Arc<Place>) -> stent::Result<String> {
    let then = |_: &Seat<'_>| std::panic::resume_unwind(Box::new("a panic of the workload"));
    watched(&place, Function::Panics, Do { node, then }).await
}

#[durable(retry(max_attempts = 2, initial_delay = "100ms"))]
pub(crate) async fn poison(node: Node, #[state] place: Arc<Place>) -> stent::Result<String> {
    let world = &place.world;
    world.state().doomed.insert(place.machine);
    // Its process ends before it gets any further.
    let (_running, _) = place.begin(Function::Poison)?;
    drop(node);
    std::future::pending().await
}

#[durable(timeout = "1s", retry(max_attempts = 2, initial_delay = "100ms"))]
pub(crate) async fn timed(node: Node, #[state] place: Arc<Place>) -> stent::Result<String> {
    watched(&place, Function::Timed, Do { node, then: well }).await
}

/// What every version of the program has, and what only newer ones have.
pub(crate) fn all() -> Vec<&'static stent::FunctionDefinition> {
    functions![
        plain, limited, releasing, flaky, persistent, hopeless, fatal, panics, poison, timed
    ]
    .into()
}

/// What an older version has.
pub(crate) fn older() -> Vec<&'static stent::FunctionDefinition> {
    functions![plain, flaky, hopeless].into()
}
