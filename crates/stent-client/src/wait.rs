//! Waiting for a time, or for an outside event, at no cost while it lasts.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use serde::de::DeserializeOwned;
use stent_core::{CallKey, FailureKind, Outcome, SignalName, Timestamp};

use crate::{
    call::decode,
    context::Request,
    duration::IntoDuration,
    error::{Error, Result},
    ticket::Ticket,
};

/// Waits for a span of time, by the store's clock: seconds or months, holding no thread, no lease and, after a while, no memory.
///
/// It takes its call position when it is made.
///
/// # Errors
/// When awaited: [`Error::Duration`], and [`Error::OutsideDurableFunction`].
///
/// ```
/// # async fn body() -> stent_client::Result<()> {
/// stent_client::sleep("1h 30m").await?;
/// # Ok(())
/// # }
/// ```
pub fn sleep(span: impl IntoDuration) -> Sleep {
    Sleep::new(
        span.into_duration()
            .map(Request::Sleep)
            .map_err(Error::from),
    )
}

/// Waits until an instant, by the store's clock; one that has passed ends at once. As [`sleep`].
pub fn sleep_until(at: impl Into<Timestamp>) -> Sleep {
    Sleep::new(Ok(Request::SleepUntil(at.into())))
}

/// A durable wait for a time; made by [`sleep`] and [`sleep_until`].
#[derive(Debug)]
#[must_use = "a sleep does nothing until it is awaited"]
pub struct Sleep {
    ticket: Ticket,
    request: Option<Result<Request>>,
}

impl Sleep {
    fn new(request: Result<Request>) -> Self {
        Self {
            ticket: Ticket::take(),
            request: Some(request),
        }
    }

    /// Identifies it by a key instead of by its call position; see [`Call::key`](crate::Call::key).
    pub fn key(mut self, key: impl AsRef<str>) -> Self {
        if let Err(error) = set_key(&mut self.ticket, key) {
            self.request = Some(Err(error));
        }
        self
    }
}

impl Future for Sleep {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        const NAME: &str = "the sleep";
        let this = &mut *self;
        if !this.ticket.is_begun()
            && let Err(error) = begin(&mut this.ticket, this.request.take(), &NAME)
        {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(match ready!(this.ticket.poll_outcome(&NAME, cx)) {
            Ok(Outcome::Completed(_)) => Ok(()),
            Ok(outcome) => Err(impossible(&NAME, outcome)),
            Err(error) => Err(error),
        })
    }
}

/// Waits for an outside event, which [`Stent::signal`](crate::Stent::signal) sends to the execution. One that came before is received at once;
/// those of one name are received in the order in which they came, each once.
///
/// It takes its call position when it is made. If it is dropped before its signal was received, the signal stays for the next wait.
///
/// # Errors
/// When awaited: [`Error::SignalTimedOut`], [`Error::Undecodable`] when the signal is no `T`, [`Error::Name`], [`Error::Duration`] and
/// [`Error::OutsideDurableFunction`].
///
/// ```
/// # async fn body() -> stent_client::Result<()> {
/// let approved: bool = stent_client::signal("approval").timeout("3 days").await?;
/// # drop(approved);
/// # Ok(())
/// # }
/// ```
pub fn signal<T: DeserializeOwned>(name: impl AsRef<str>) -> Signal<T> {
    Signal {
        ticket: Ticket::take(),
        request: Some(
            SignalName::new(name)
                .map(|name| (name, None))
                .map_err(Error::from),
        ),
        name: None,
        value: PhantomData,
    }
}

/// A durable wait for a signal; made by [`signal`].
#[must_use = "a wait does nothing until it is awaited"]
pub struct Signal<T> {
    ticket: Ticket,
    request: Option<Result<(SignalName, Option<Duration>)>>,
    /// Known once it was begun.
    name: Option<SignalName>,
    value: PhantomData<fn() -> T>,
}

impl<T> Signal<T> {
    /// Waits no longer than a span of time, from when it is first awaited. Default: for ever.
    pub fn timeout(mut self, span: impl IntoDuration) -> Self {
        if let Some(Ok((_, timeout))) = &mut self.request {
            match span.into_duration() {
                Ok(span) => *timeout = Some(span),
                Err(error) => self.request = Some(Err(error.into())),
            }
        }
        self
    }

    /// Identifies it by a key instead of by its call position; see [`Call::key`](crate::Call::key).
    pub fn key(mut self, key: impl AsRef<str>) -> Self {
        if let Err(error) = set_key(&mut self.ticket, key) {
            self.request = Some(Err(error));
        }
        self
    }

    fn begin(&mut self) -> Result<()> {
        let request = self.request.take();
        if let Some(Ok((name, _))) = &request {
            self.name = Some(name.clone());
        }
        let request =
            request.map(|request| request.map(|(name, timeout)| Request::Signal { name, timeout }));
        begin(&mut self.ticket, request, &Waiting(&self.name))
    }
}

impl<T: DeserializeOwned> Future for Signal<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        if !this.ticket.is_begun()
            && let Err(error) = this.begin()
        {
            return Poll::Ready(Err(error));
        }
        let name = Waiting(&this.name);
        let outcome = ready!(this.ticket.poll_outcome(&name, cx));
        Poll::Ready(match (outcome, &this.name) {
            (Ok(Outcome::Completed(payload)), _) => decode(&name, &payload),
            (Ok(Outcome::TimedOut(failure)), Some(signal))
                if failure.kind() == FailureKind::Timeout =>
            {
                Err(Error::SignalTimedOut {
                    signal: signal.clone(),
                })
            }
            (Ok(outcome), _) => Err(impossible(&name, outcome)),
            (Err(error), _) => Err(error),
        })
    }
}

impl<T> fmt::Debug for Signal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("request", &self.request)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How a wait for a signal is spoken of in messages.
struct Waiting<'a>(&'a Option<SignalName>);

impl fmt::Display for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "the wait for signal `{name}`"),
            None => f.write_str("the wait for a signal"),
        }
    }
}

/// Makes an operation known by a key.
pub(crate) fn set_key(ticket: &mut Ticket, key: impl AsRef<str>) -> Result<()> {
    ticket.set_key(CallKey::new(key)?);
    Ok(())
}

/// Begins an operation with what it was made with; that is gone once it was awaited.
fn begin(
    ticket: &mut Ticket,
    request: Option<Result<Request>>,
    name: &dyn fmt::Display,
) -> Result<()> {
    match request {
        Some(request) => ticket.begin(name, request?),
        None => Err(Error::AwaitedAgain {
            operation: name.to_string(),
        }),
    }
}

/// An outcome that no operation of this kind has.
pub(crate) fn impossible(name: &dyn fmt::Display, outcome: Outcome) -> Error {
    Error::ImpossibleOutcome {
        operation: name.to_string(),
        outcome,
    }
}
