//! A call of a durable function, as a typed value: made anywhere, awaited in a body, or dispatched outside.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use serde::Serialize;
use stent_core::{
    CallKey, FunctionName, IdempotencyKey, NewExecution, NewTask, Payload, PayloadError, Priority,
    QueueName, Tag, TaskId, Timestamp, When, defaults,
};
use uuid::Uuid;

use crate::{
    DurationError,
    context::Request,
    durable::Durable,
    duration::IntoDuration,
    error::{Error, Result},
    ticket::Ticket,
};

/// A call of the durable function `D` on its arguments: inert until it is awaited or dispatched.
///
/// Inside a durable function, awaiting it runs it as a child task and gives its result. Outside, [`Stent::dispatch`](crate::Stent::dispatch)
/// and [`Stent::run`](crate::Stent::run) take it; awaiting it there is [`Error::OutsideDurableFunction`].
///
/// Made inside a durable function, it takes its call position when it is made, not when it is first awaited. So calls that are made in
/// program order keep their positions in `join!`, `select!` and `FuturesUnordered`, whichever is polled first, and one that is made and
/// never awaited changes nothing for those after it. A call that is made inside an `async {}` branch of a combinator is made when
/// that branch is polled: give it a [key](Call::key).
///
/// A wrong option (a bad duration, a name that is too long, arguments that cannot be written as JSON) is reported when the call is awaited or
/// dispatched; the first one counts.
///
/// # Cancel safety
/// A call that was awaited and is dropped before it ended goes on as a task, and its result is not waited for any more.
#[must_use = "a call does nothing until it is awaited in a durable function, or dispatched"]
pub struct Call<D: Durable> {
    ticket: Ticket,
    request: Option<Result<Box<CallRequest>>>,
    function: PhantomData<fn() -> D>,
}

/// What a call asks for.
#[derive(Debug)]
struct CallRequest {
    input: Payload,
    queue: Option<QueueName>,
    priority: Option<Priority>,
    due: When,
    timeout: Option<Duration>,
    deadline: Option<When>,
    tags: Vec<Tag>,
    idempotency_key: Option<IdempotencyKey>,
}

impl<D: Durable> Call<D> {
    /// A call on one document: `null` for no argument, the argument's own for one, an array for several.
    ///
    /// Code that `#[durable]` generates calls it; a [`Durable`] written by hand may, too.
    pub fn new<T: Serialize + ?Sized>(arguments: &T) -> Self {
        let ticket = Ticket::take();
        let limit = ticket.payload_limit().unwrap_or(usize::MAX);
        let request = Payload::encode(arguments, limit)
            .map(|input| {
                Box::new(CallRequest {
                    input,
                    queue: None,
                    priority: None,
                    due: When::Now,
                    timeout: None,
                    deadline: None,
                    tags: Vec::new(),
                    idempotency_key: None,
                })
            })
            .map_err(Error::Payload);
        Self {
            ticket,
            request: Some(request),
            function: PhantomData,
        }
    }

    fn set<T, E: Into<Error>>(
        mut self,
        value: std::result::Result<T, E>,
        apply: impl FnOnce(&mut CallRequest, T),
    ) -> Self {
        if let Some(Ok(request)) = &mut self.request {
            match value {
                Ok(value) => apply(request, value),
                Err(error) => self.request = Some(Err(error.into())),
            }
        }
        self
    }

    /// The queue in which it waits. Default: its function's.
    pub fn queue(self, queue: impl AsRef<str>) -> Self {
        self.set(QueueName::new(queue), |request, queue| {
            request.queue = Some(queue);
        })
    }

    /// How urgent it is: higher first. Default: its function's.
    pub fn priority(self, priority: i32) -> Self {
        self.set(Ok::<_, Error>(Priority(priority)), |request, priority| {
            request.priority = Some(priority);
        })
    }

    /// Starts it no earlier than a span from now, by the store's clock. Default: at once.
    pub fn delay(self, span: impl IntoDuration) -> Self {
        self.set(span.into_duration(), |request, span| {
            request.due = When::After(span);
        })
    }

    /// Starts it no earlier than at an instant, by the store's clock. Default: at once.
    pub fn at(self, at: impl Into<Timestamp>) -> Self {
        self.set(Ok::<_, Error>(at.into()), |request, at| {
            request.due = When::At(at);
        })
    }

    /// How long one attempt may take, with all that it waits for: longer than nothing. Default: its function's timeout.
    pub fn timeout(self, span: impl IntoDuration) -> Self {
        let span = span.into_duration().and_then(DurationError::unless_zero);
        self.set(span, |request, span| {
            request.timeout = Some(span);
        })
    }

    /// When it must have ended, with all its attempts and all that it calls: an instant, or a span from now. Default: never.
    pub fn deadline(self, deadline: impl IntoWhen) -> Self {
        self.set(deadline.into_when(), |request, deadline| {
            request.deadline = Some(deadline);
        })
    }

    /// Labels the execution, to find it by; at most 32 labels. Only for calls that are dispatched.
    pub fn tag(self, tag: impl AsRef<str>) -> Self {
        self.set(Tag::new(tag), |request, tag| {
            if !request.tags.contains(&tag) {
                request.tags.push(tag);
            }
        })
    }

    /// Makes at most one execution of the function under this key, for as long as that one exists; dispatching again gives the existing one.
    /// Only for calls that are dispatched.
    pub fn idempotency_key(self, key: impl AsRef<str>) -> Self {
        self.set(IdempotencyKey::new(key), |request, key| {
            request.idempotency_key = Some(key);
        })
    }

    /// Identifies the call by a key, unique within its durable function, instead of by its call position. For calls that are made inside
    /// `async {}` branches of a combinator, where the order of making depends on the order of polling. Set it where the call is made, before
    /// any other operation is. Only for calls that are awaited.
    pub fn key(mut self, key: impl AsRef<str>) -> Self {
        match CallKey::new(key) {
            Ok(key) => {
                self.ticket.set_key(key);
                self
            }
            Err(error) => self.set(Err::<(), _>(error), |_, ()| {}),
        }
    }

    fn name() -> &'static FunctionName {
        &D::definition().name
    }

    fn misplaced(option: &'static str, place: &'static str) -> Error {
        Error::MisplacedOption {
            function: Self::name().clone(),
            option,
            place,
        }
    }

    /// Begins the call in the body that awaits it.
    pub(crate) fn begin(&mut self) -> Result<()> {
        let request = match self.request.take() {
            Some(request) => *request?,
            None => {
                return Err(Error::AwaitedAgain {
                    operation: Calling::<D>::NAME.to_string(),
                });
            }
        };
        const PLACE: &str = "inside a durable function";
        if !request.tags.is_empty() {
            return Err(Self::misplaced("tag", PLACE));
        }
        if request.idempotency_key.is_some() {
            return Err(Self::misplaced("idempotency_key", PLACE));
        }
        // The body's context gives the child its id.
        let (task, ..) = request.into_task::<D>(TaskId::from_uuid(Uuid::nil()));
        self.ticket
            .begin(&Calling::<D>::NAME, Request::Child(Box::new(task)))
    }

    /// Begins the call; what is wrong with it is given when it is polled.
    pub(crate) fn begin_early(&mut self) {
        if let Err(error) = self.begin() {
            self.request = Some(Err(error));
        }
    }

    /// The execution that the call makes when it is dispatched.
    pub(crate) fn into_execution(
        mut self,
        id: TaskId,
        payload_limit: usize,
    ) -> Result<NewExecution> {
        if self.ticket.key().is_some() {
            return Err(Self::misplaced("key", "when it is dispatched"));
        }
        let request = match self.request.take() {
            Some(request) => *request?,
            None => {
                return Err(Error::AwaitedAgain {
                    operation: Calling::<D>::NAME.to_string(),
                });
            }
        };
        let bytes = request.input.as_str().len();
        if bytes > payload_limit {
            return Err(Error::Payload(PayloadError::TooLarge {
                bytes,
                limit: payload_limit,
            }));
        }
        if request.tags.len() > defaults::TAGS_MAX {
            return Err(Error::TooManyTags {
                tags: request.tags.len(),
                max: defaults::TAGS_MAX,
            });
        }
        let (root, tags, idempotency_key) = request.into_task::<D>(id);
        Ok(NewExecution {
            root,
            idempotency_key,
            tags,
        })
    }
}

impl CallRequest {
    fn into_task<D: Durable>(self, id: TaskId) -> (NewTask, Vec<Tag>, Option<IdempotencyKey>) {
        let definition = D::definition();
        let task = NewTask {
            id,
            function: definition.name.clone(),
            queue: self.queue.unwrap_or_else(|| definition.queue.clone()),
            priority: self.priority.unwrap_or(definition.priority),
            due: self.due,
            input: self.input,
            timeout: self.timeout,
            deadline: self.deadline,
        };
        (task, self.tags, self.idempotency_key)
    }
}

impl<D: Durable> Future for Call<D> {
    type Output = Result<D::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.ticket.is_begun()
            && let Err(error) = self.begin()
        {
            return Poll::Ready(Err(error));
        }
        let outcome = ready!(self.ticket.poll_outcome(&Calling::<D>::NAME, cx));
        Poll::Ready(
            outcome
                .and_then(|outcome| Error::of_outcome(Self::name(), outcome))
                .and_then(|payload| decode(&Calling::<D>::NAME, &payload)),
        )
    }
}

impl<D: Durable> fmt::Debug for Call<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("function", Self::name())
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

/// How a call is spoken of in messages.
struct Calling<D>(PhantomData<fn() -> D>);

impl<D: Durable> Calling<D> {
    const NAME: Self = Self(PhantomData);
}

impl<D: Durable> fmt::Display for Calling<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the call of `{}`", D::NAME)
    }
}

/// Reads a recorded value.
pub(crate) fn decode<T: serde::de::DeserializeOwned>(
    operation: &dyn fmt::Display,
    payload: &Payload,
) -> Result<T> {
    payload.decode().map_err(|source| Error::Undecodable {
        operation: operation.to_string(),
        source,
    })
}

/// An instant, or a span from now: a [`SystemTime`], a [`Timestamp`], a [`Duration`] or a text such as `"1h 30m"`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither an instant nor a span of time",
    label = "expected a `SystemTime`, a `Timestamp`, a `Duration` or a text such as `\"1h 30m\"`"
)]
pub trait IntoWhen: sealed::Sealed {
    /// The moment, which the store's clock turns into an instant.
    ///
    /// # Errors
    /// When a text is no duration.
    fn into_when(self) -> Result<When>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for std::time::Duration {}
    impl Sealed for &str {}
    impl Sealed for String {}
    impl Sealed for std::time::SystemTime {}
    impl Sealed for stent_core::Timestamp {}
}

impl IntoWhen for Duration {
    fn into_when(self) -> Result<When> {
        Ok(When::After(self))
    }
}

impl IntoWhen for &str {
    fn into_when(self) -> Result<When> {
        Ok(When::After(self.into_duration()?))
    }
}

impl IntoWhen for String {
    fn into_when(self) -> Result<When> {
        self.as_str().into_when()
    }
}

impl IntoWhen for SystemTime {
    fn into_when(self) -> Result<When> {
        Ok(When::At(self.into()))
    }
}

impl IntoWhen for Timestamp {
    fn into_when(self) -> Result<When> {
        Ok(When::At(self))
    }
}
