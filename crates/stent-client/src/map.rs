//! Many calls of one function as one value.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{StreamExt, stream::FuturesUnordered};

use crate::{
    call::Call,
    durable::Durable,
    error::{Error, Result},
};

/// Gives `.map(..)` to durable functions of one argument.
pub trait MapExt<A>: sealed::One<A> {
    /// The durable function.
    type Function: Durable;

    /// Calls the function on each input: awaited in a durable function, all are child tasks that run at once, and give their results in the
    /// order of the inputs.
    ///
    /// ```
    /// # use stent_client::{Call, Durable, MapExt};
    /// # fn example<D: Durable>(print_label: fn(String) -> Call<D>, parcels: Vec<String>) {
    /// let labels = print_label.map(parcels).each(|call| call.queue("printers"));
    /// # drop(labels);
    /// # }
    /// ```
    fn map<I: IntoIterator<Item = A>>(self, inputs: I) -> Map<Self::Function>;
}

impl<F: Fn(A) -> Call<D>, A, D: Durable> MapExt<A> for F {
    type Function = D;

    fn map<I: IntoIterator<Item = A>>(self, inputs: I) -> Map<D> {
        Map::new(inputs.into_iter().map(self).collect())
    }
}

/// Gives `.starmap(..)` to durable functions of two to six arguments.
pub trait StarmapExt<A>: sealed::Many<A> {
    /// The durable function.
    type Function: Durable;

    /// Calls the function on each tuple of arguments; as [`MapExt::map`].
    fn starmap<I: IntoIterator<Item = A>>(self, inputs: I) -> Map<Self::Function>;
}

mod sealed {
    use super::{Call, Durable};

    pub trait One<A> {}
    impl<F: Fn(A) -> Call<D>, A, D: Durable> One<A> for F {}

    pub trait Many<A> {}
}

macro_rules! starmap {
    ($($argument:ident),*) => {
        impl<F: Fn($($argument),*) -> Call<D>, $($argument,)* D: Durable> sealed::Many<($($argument,)*)> for F {}

        impl<F: Fn($($argument),*) -> Call<D>, $($argument,)* D: Durable> StarmapExt<($($argument,)*)> for F {
            type Function = D;

            #[allow(non_snake_case, reason = "the names of the types serve as those of the values")]
            fn starmap<I: IntoIterator<Item = ($($argument,)*)>>(self, inputs: I) -> Map<D> {
                Map::new(inputs.into_iter().map(|($($argument,)*)| self($($argument),*)).collect())
            }
        }
    };
}
starmap!(A, B);
starmap!(A, B, C);
starmap!(A, B, C, E);
starmap!(A, B, C, E, G);
starmap!(A, B, C, E, G, H);

/// Calls of one function. Awaited in a durable function, they are child tasks that run at once.
///
/// It gives the results in the order of the inputs. The first failure, in the order in which outcomes are recorded, is given at once, and
/// the other calls go on without being waited for; [`Map::all`] waits for every one. The calls take consecutive call positions when it is made.
///
/// To make an execution of each, give it to [`Stent::dispatch_all`](crate::Stent::dispatch_all).
#[must_use = "calls do nothing until they are awaited in a durable function, or dispatched"]
pub struct Map<D: Durable> {
    calls: Gather<D>,
    results: Vec<Option<D::Output>>,
}

/// As [`Map`], but it waits for every call, and gives each one's result or failure.
#[must_use = "calls do nothing until they are awaited in a durable function, or dispatched"]
pub struct MapAll<D: Durable> {
    calls: Gather<D>,
    results: Vec<Option<Result<D::Output>>>,
}

impl<D: Durable> Map<D> {
    pub(crate) fn new(calls: Vec<Call<D>>) -> Self {
        Self {
            results: std::iter::repeat_with(|| None).take(calls.len()).collect(),
            calls: Gather::Made(calls),
        }
    }

    /// Sets options of each call.
    pub fn each(self, set: impl FnMut(Call<D>) -> Call<D>) -> Self {
        Self::new(self.into_calls().into_iter().map(set).collect())
    }

    /// Waits for every call, and gives each one's result or failure, in the order of the inputs.
    pub fn all(self) -> MapAll<D> {
        let calls = self.into_calls();
        MapAll {
            results: std::iter::repeat_with(|| None).take(calls.len()).collect(),
            calls: Gather::Made(calls),
        }
    }

    /// The calls, in the order of the inputs; none once it was awaited.
    #[must_use]
    pub fn into_calls(self) -> Vec<Call<D>> {
        match self.calls {
            Gather::Made(calls) => calls,
            Gather::Begun(_) | Gather::Ended => Vec::new(),
        }
    }
}

impl<D: Durable> IntoIterator for Map<D> {
    type Item = Call<D>;
    type IntoIter = std::vec::IntoIter<Call<D>>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_calls().into_iter()
    }
}

/// Nothing of it is pinned: what a result is pinned to is no business of ours.
impl<D: Durable> Unpin for Map<D> {}
impl<D: Durable> Unpin for MapAll<D> {}

impl<D: Durable> Future for Map<D> {
    type Output = Result<Vec<D::Output>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        while let Some((at, result)) = ready!(this.calls.poll_next(cx)) {
            match result {
                Ok(value) => put(&mut this.results, at, value),
                Err(error) => {
                    this.calls = Gather::Ended;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(take(&mut this.results)))
    }
}

impl<D: Durable> Future for MapAll<D> {
    type Output = Vec<Result<D::Output>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        while let Some((at, result)) = ready!(this.calls.poll_next(cx)) {
            if matches!(this.calls, Gather::Ended) {
                return Poll::Ready(vec![result]);
            }
            put(&mut this.results, at, result);
        }
        Poll::Ready(take(&mut this.results))
    }
}

fn put<T>(results: &mut [Option<T>], at: usize, value: T) {
    if let Some(place) = results.get_mut(at) {
        *place = Some(value);
    }
}

fn take<T>(results: &mut Vec<Option<T>>) -> Vec<T> {
    std::mem::take(results).into_iter().flatten().collect()
}

/// Calls that give their results as they come, each with its place.
enum Gather<D: Durable> {
    Made(Vec<Call<D>>),
    Begun(FuturesUnordered<Numbered<D>>),
    Ended,
}

impl<D: Durable> Gather<D> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, Result<D::Output>)>> {
        if let Self::Made(calls) = self {
            // All are begun before any is waited for, in their order: whatever polls them, the first poll asks for all.
            let begun = std::mem::take(calls).into_iter().enumerate();
            *self = Self::Begun(
                begun
                    .map(|(at, mut call)| {
                        call.begin_early();
                        Numbered { at, call }
                    })
                    .collect(),
            );
        }
        match self {
            Self::Begun(calls) => {
                let next = ready!(calls.poll_next_unpin(cx));
                if next.is_none() {
                    *self = Self::Ended;
                }
                Poll::Ready(next)
            }
            Self::Made(_) | Self::Ended => Poll::Ready(Some((
                0,
                Err(Error::AwaitedAgain {
                    operation: format!("the calls of `{}`", D::NAME),
                }),
            ))),
        }
    }
}

/// A call and its place among its siblings.
struct Numbered<D: Durable> {
    at: usize,
    call: Call<D>,
}

impl<D: Durable> Future for Numbered<D> {
    type Output = (usize, Result<D::Output>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let at = self.at;
        Pin::new(&mut self.call).poll(cx).map(|result| (at, result))
    }
}

impl<D: Durable> fmt::Debug for Map<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug("Map", self.results.len(), D::NAME, f)
    }
}

impl<D: Durable> fmt::Debug for MapAll<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug("MapAll", self.results.len(), D::NAME, f)
    }
}

fn debug(name: &str, calls: usize, function: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_struct(name)
        .field("function", &function)
        .field("calls", &calls)
        .finish_non_exhaustive()
}
