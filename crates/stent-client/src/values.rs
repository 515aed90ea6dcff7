//! Values that are not the same twice, made so that a replay sees them again; and what a body may know of itself.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use stent_core::Timestamp;
use uuid::Uuid;

use crate::{
    context::{self, BodyContext, TaskInfo},
    error::{Error, Result},
};

fn entered(operation: &str) -> Result<Arc<dyn BodyContext>> {
    context::current().ok_or_else(|| Error::no_body(&operation))
}

/// The present instant by the store's clock: the same again when it is replayed, and never earlier than one that the task saw before.
///
/// # Errors
/// [`Error::OutsideDurableFunction`].
pub fn now() -> Result<Timestamp> {
    Ok(entered("`now`")?.now())
}

/// A random value, the same again when it is replayed: an integer, a float from 0 up to 1, a `bool` or an array of bytes. Fit for secrets, but
/// recorded in the store. It is recorded with what the body does next; a step begins only after that, while a body that shows the value to
/// others at once may have another one after a crash: for a key take [`uuid()`].
///
/// ```
/// # fn body() -> stent_client::Result<()> {
/// let dice = stent_client::random::<u32>()? % 6;
/// # drop(dice);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::OutsideDurableFunction`].
pub fn random<T: Random>() -> Result<T> {
    let context = entered("`random`")?;
    Ok(T::from_random(&mut || context.random()))
}

/// A UUID that no other call has, in this task or another: a key by which an outside system knows a request again. It is the same however
/// often the task is begun, also by a body whose worker was lost before anything was recorded, by a further attempt, and by a replay of a dead
/// letter. Made of the task's id and the call's position (version 5, [RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-5)):
/// who knows them can tell it, so it is no secret.
///
/// # Errors
/// [`Error::OutsideDurableFunction`].
pub fn uuid() -> Result<Uuid> {
    Ok(Uuid::from_bytes(entered("`uuid`")?.uuid()))
}

/// Which task the body runs as, and on which attempt.
///
/// # Errors
/// [`Error::OutsideDurableFunction`].
pub fn task_info() -> Result<TaskInfo> {
    match context::around() {
        Some(context) => Ok(context.info()),
        None => Err(Error::no_body(&"`task_info`")),
    }
}

/// Whether the body should stop: its lease ends, it was cancelled, its time is up, or the worker drains. False outside any durable function.
///
/// An async body is dropped at its next await then; a blocking one has to ask.
#[must_use]
pub fn is_cancelled() -> bool {
    context::around().is_some_and(|context| context.should_stop())
}

/// Ends when the body should stop, as [`is_cancelled`] says; never outside any durable function.
#[must_use = "it does nothing until it is awaited"]
pub fn cancelled() -> CancelledFuture {
    CancelledFuture { waiter: None }
}

/// Made by [`cancelled`].
#[derive(Debug)]
#[must_use = "it does nothing until it is awaited"]
pub struct CancelledFuture {
    waiter: Option<u64>,
}

impl Future for CancelledFuture {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match context::around() {
            Some(context) => context.poll_stop(&mut self.get_mut().waiter, cx),
            None => Poll::Pending,
        }
    }
}

impl Drop for CancelledFuture {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter
            && let Some(context) = context::around()
        {
            context.forget_stop(waiter);
        }
    }
}

/// What [`random`] can make.
#[diagnostic::on_unimplemented(
    message = "`random` cannot make a `{Self}`",
    label = "expected an integer, a float, a `bool` or an array of bytes"
)]
pub trait Random: sealed::Sealed + Sized {
    /// Makes one from as many random bytes as it needs.
    #[doc(hidden)]
    fn from_random(draw: &mut dyn FnMut() -> [u8; 16]) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl sealed::Sealed for $type {}
        impl Random for $type {
            fn from_random(draw: &mut dyn FnMut() -> [u8; 16]) -> Self {
                let mut bytes = [0; size_of::<Self>()];
                let drawn = draw();
                bytes.iter_mut().zip(drawn).for_each(|(to, from)| *to = from);
                Self::from_le_bytes(bytes)
            }
        }
    )*};
}
integers!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);

impl sealed::Sealed for bool {}
impl Random for bool {
    fn from_random(draw: &mut dyn FnMut() -> [u8; 16]) -> Self {
        u8::from_random(draw) & 1 == 1
    }
}

impl sealed::Sealed for f64 {}
impl Random for f64 {
    fn from_random(draw: &mut dyn FnMut() -> [u8; 16]) -> Self {
        // The 53 bits of a float's fraction: every multiple of 2^-53 is as likely.
        (u64::from_random(draw) >> 11) as Self / (1_u64 << 53) as Self
    }
}

impl sealed::Sealed for f32 {}
impl Random for f32 {
    fn from_random(draw: &mut dyn FnMut() -> [u8; 16]) -> Self {
        (u32::from_random(draw) >> 8) as Self / (1_u32 << 24) as Self
    }
}

impl<const N: usize> sealed::Sealed for [u8; N] {}
impl<const N: usize> Random for [u8; N] {
    fn from_random(draw: &mut dyn FnMut() -> [u8; 16]) -> Self {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(16) {
            let drawn = draw();
            chunk
                .iter_mut()
                .zip(drawn)
                .for_each(|(to, from)| *to = from);
        }
        bytes
    }
}
