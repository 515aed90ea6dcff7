//! Sleeps, signals, steps and values, each as its body sees it; and calls that are used wrongly.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::{FutureExt, future};
use stent_client::{
    BoxError, Error, FailureKind, Outcome, cancelled, context, fatal, is_cancelled, now, random,
    signal, sleep, sleep_until, step, task_info, uuid,
};
use stent_core::Failure;

use crate::{
    body::{Scripted, payload},
    functions::{double, join_words, note},
};

fn failed(kind: FailureKind, message: &str) -> Outcome {
    Outcome::Failed(Failure::new(kind, message))
}

#[test]
fn arguments_are_null_one_document_or_an_array() {
    let context = Scripted::new();
    let mut body = Box::pin(async {
        future::join3(
            stent_client::Call::<double>::new(&()),
            double(7),
            join_words("a".to_owned(), "b".to_owned()),
        )
        .await
    });
    assert!(context.poll(body.as_mut()).is_pending());
    let begun: Vec<_> = context.begun().into_iter().map(|begun| begun.1).collect();
    assert_eq!(
        begun,
        ["double(null)", "double(7)", r#"join_words(["a","b"])"#]
    );
}

#[test]
fn how_a_child_ended_is_an_error_of_its_own_kind() {
    let context = Scripted::new();
    context.deliver(1, failed(FailureKind::Error, "no funds"));
    context.deliver(
        2,
        Outcome::TimedOut(Failure::new(FailureKind::Timeout, "30s are over")),
    );
    context.deliver(3, Outcome::Cancelled);
    context.deliver(4, failed(FailureKind::Fatal, "stolen"));
    context.complete(5, &"seven");
    let errors = context.finish(async {
        let mut errors = Vec::new();
        for number in 0..5 {
            errors.push(double(number).await.unwrap_err());
        }
        errors
    });
    let messages: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "`double` failed",
            "`double` timed out",
            "`double` was cancelled",
            "`double` failed",
            "what was recorded of the call of `double` cannot be read; it stays as it is",
        ]
    );
    assert_eq!(errors[0].failure().unwrap().message(), "no funds");
    assert!(!errors[0].is_fatal() && errors[3].is_fatal());
    assert!(errors[1].is_timeout() && errors[2].is_cancelled());
}

#[test]
fn an_operation_outside_any_durable_function_says_what_to_do() {
    let outside = |error: Error| {
        assert!(
            matches!(error, Error::OutsideDurableFunction { .. }),
            "{error}"
        );
        error.to_string()
    };
    let call = outside(ready(double(1)).unwrap_err());
    assert_eq!(
        call,
        "the call of `double` was awaited outside any durable function, where nothing records it; \
         a call can be given to `Stent::run` or `Stent::dispatch` instead"
    );
    outside(ready(sleep("1s")).unwrap_err());
    outside(ready(signal::<u32>("go")).unwrap_err());
    outside(ready(step("effect", || async { Ok::<_, Error>(1) })).unwrap_err());
    outside(now().unwrap_err());
    outside(random::<u8>().unwrap_err());
    outside(uuid().unwrap_err());
    outside(task_info().unwrap_err());
    assert!(!is_cancelled());
}

fn ready<F: Future + Unpin>(future: F) -> F::Output {
    future.now_or_never().unwrap()
}

#[test]
fn an_operation_belongs_to_the_body_that_made_it() {
    let (one, other) = (Scripted::new(), Scripted::new());
    let made = one.finish(async { (double(1), sleep("1s")) });
    let (call, slept) = other.finish(async { (made.0.await, made.1.await) });
    assert!(matches!(call.unwrap_err(), Error::MadeElsewhere { .. }));
    assert!(matches!(slept.unwrap_err(), Error::MadeElsewhere { .. }));

    let made_outside = double(1);
    let error = other.finish(made_outside).unwrap_err();
    assert!(matches!(error, Error::MadeElsewhere { .. }));
    assert!(other.begun().is_empty());
}

#[test]
fn a_begun_operation_that_is_awaited_elsewhere_is_an_error() {
    let context = Scripted::new();
    let [kept] = context.finish(async {
        let mut call = double(1);
        assert!((&mut call).now_or_never().is_none());
        [call]
    });
    let error = ready(kept).unwrap_err();
    assert!(matches!(error, Error::MadeElsewhere { .. }), "{error}");
}

#[test]
fn an_operation_that_is_awaited_again_is_an_error() {
    let context = Scripted::new();
    context.complete(1, &2);
    context.complete(2, &());
    let errors = context.finish(async {
        let mut call = double(1);
        (&mut call).await.unwrap();
        let mut nap = sleep("1s");
        (&mut nap).await.unwrap();
        [call.await.unwrap_err(), nap.await.unwrap_err()]
    });
    for error in errors {
        assert!(matches!(error, Error::AwaitedAgain { .. }), "{error}");
    }
}

#[test]
fn what_is_wrong_with_a_call_is_said_when_it_is_awaited() {
    let context = Scripted::new();
    let errors = context.finish(async {
        vec![
            double(1).queue("").await.unwrap_err(),
            double(1).delay("soon").priority(1).await.unwrap_err(),
            double(1).key("a\0b").await.unwrap_err(),
            note("x".repeat(200)).await.unwrap_err(),
            double(1).tag("vip").await.unwrap_err(),
            double(1).idempotency_key("17").await.unwrap_err(),
            sleep("soon").await.unwrap_err(),
            signal::<u32>("").await.unwrap_err(),
            signal::<u32>("go").timeout("-1s").await.unwrap_err(),
            step("", || async { Ok::<_, Error>(1) }).await.unwrap_err(),
        ]
    });
    let parts = [
        "queue name is empty",
        "`soon` is no duration",
        "call key `a\\0b` holds the control character",
        "the payload has 202 bytes; at most 100 are allowed",
        "`.tag(..)` on a call of `double` means nothing inside a durable function",
        "`.idempotency_key(..)` on a call of `double` means nothing inside a durable function",
        "`soon` is no duration",
        "signal name is empty",
        "`-1s` is no duration",
        "step name is empty",
    ];
    for (error, part) in errors.iter().zip(parts) {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(context.begun().is_empty());
}

#[test]
fn a_sleep_ends_when_its_time_has_come() {
    let context = Scripted::new();
    context.complete(1, &());
    context.complete(2, &());
    context.finish(async {
        sleep("90s").await.unwrap();
        sleep_until(std::time::SystemTime::UNIX_EPOCH)
            .await
            .unwrap();
    });
    let begun: Vec<_> = context.begun().into_iter().map(|begun| begun.1).collect();
    assert_eq!(begun, ["sleep 90s", "sleep until 0"]);
}

#[test]
fn a_signal_brings_its_value_or_a_timeout() {
    let context = Scripted::new();
    context.complete(1, &true);
    context.deliver(
        2,
        Outcome::TimedOut(Failure::new(FailureKind::Timeout, "late")),
    );
    context.complete(3, &"no number");
    let (granted, late, other) = context.finish(async {
        (
            signal::<bool>("approval").await,
            signal::<bool>("approval").timeout("1h").await,
            signal::<u32>("approval").await,
        )
    });
    assert!(granted.unwrap());
    let late = late.unwrap_err();
    assert!(late.is_timeout());
    assert_eq!(late.to_string(), "no signal `approval` came in time");
    assert!(matches!(other.unwrap_err(), Error::Undecodable { .. }));
}

#[test]
fn a_step_runs_its_effect_once_and_hands_its_outcome_in() {
    let context = Scripted::new();
    let runs = AtomicU32::new(0);
    let value: u32 = context
        .finish(async {
            step("effect", || async {
                runs.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Error>(41)
            })
            .await
        })
        .unwrap();
    assert_eq!((value, runs.load(Ordering::SeqCst)), (41, 1));
    assert_eq!(context.handed_in(1), Some(Outcome::Completed(payload(&41))));
}

#[test]
fn a_recorded_step_is_not_run_again() {
    let context = Scripted::new();
    context.record_step(1, Outcome::Completed(payload(&7)));
    context.record_step(2, failed(FailureKind::Error, "no answer"));
    let (value, error) = context.finish(async {
        let first = step("first", || async {
            panic!("it is recorded") as Result<u32, Error>
        });
        let second = step("second", || async {
            panic!("it is recorded") as Result<u32, Error>
        });
        (first.await, second.await)
    });
    assert_eq!(value.unwrap(), 7);
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "step `second` failed");
    assert_eq!(error.failure().unwrap().message(), "no answer");
}

#[test]
fn a_step_does_not_begin_before_its_context_lets_it() {
    let context = Scripted::new();
    context.hold_steps(true);
    let runs = AtomicU32::new(0);
    let mut body = Box::pin(async {
        step("effect", || async {
            Ok::<_, Error>(runs.fetch_add(1, Ordering::SeqCst))
        })
        .await
    });
    assert!(context.poll(body.as_mut()).is_pending());
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    context.hold_steps(false);
    assert!(context.poll(body.as_mut()).is_ready());
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[test]
fn what_a_failed_step_says_is_recorded() {
    let context = Scripted::new();
    let (plain, stolen, large) = context.finish(async {
        (
            step("plain", || async {
                Err::<u32, BoxError>("no answer".into())
            })
            .await,
            step("fatal", || async { Err::<u32, _>(fatal("stolen")) }).await,
            step("large", || async { Ok::<_, Error>("x".repeat(200)) }).await,
        )
    });
    assert_eq!(
        plain.unwrap_err().failure().unwrap().kind(),
        FailureKind::Error
    );
    assert!(stolen.unwrap_err().is_fatal());
    let large = large.unwrap_err();
    assert_eq!(
        large.failure().unwrap().kind(),
        FailureKind::UnstorableResult
    );
    assert_eq!(
        context.handed_in(2),
        Some(failed(FailureKind::Fatal, "stolen"))
    );
}

#[test]
fn durable_operations_inside_a_step_are_an_error_and_take_no_position() {
    let context = Scripted::new();
    let (inside, after) = context.finish(async {
        let inside = step("effect", || async {
            let call = double(1).await;
            let value = random::<u8>();
            assert!(matches!(value.unwrap_err(), Error::InsideStep { .. }));
            assert!(context::current().is_none() && task_info().is_ok());
            call
        })
        .await;
        (inside, sleep("1s"))
    });
    let message = inside.unwrap_err().failure().unwrap().message().to_owned();
    assert!(
        message.contains("the call of `double` was used inside a step"),
        "{message}"
    );
    drop(after);
    assert_eq!(context.begun(), [(1, "step effect".to_owned())]);
}

#[test]
fn a_step_that_is_dropped_while_it_runs_drops_its_effect_and_is_abandoned() {
    struct Dropped<'a>(&'a AtomicU32);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    let context = Scripted::new();
    let drops = AtomicU32::new(0);
    context.complete(2, &());
    context.finish(async {
        let endless = step("endless", || async {
            let _dropped = Dropped(&drops);
            future::pending::<Result<u32, Error>>().await
        });
        future::select(endless, sleep("1s")).await;
    });
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    assert_eq!((context.abandoned(), context.handed_in(1)), (vec![1], None));
}

#[test]
fn random_values_come_from_the_context() {
    let context = Scripted::new();
    context.finish(async {
        assert_eq!(random::<u16>().unwrap(), 0x0101);
        assert_eq!(random::<[u8; 20]>().unwrap()[15..18], [2, 3, 3]);
        assert!((0.0..1.0).contains(&random::<f64>().unwrap()));
        assert!((0.0..1.0).contains(&random::<f32>().unwrap()));
        assert!(!random::<bool>().unwrap());
        assert_eq!(random::<i128>().unwrap(), i128::from_le_bytes([7; 16]));
        assert_eq!(uuid().unwrap().as_bytes(), &[5; 16]);
        assert_eq!(now().unwrap().as_micros(), 5);
        assert_eq!(task_info().unwrap().attempt, 1);
    });
}

#[test]
fn a_body_can_ask_whether_it_should_stop_also_in_a_step() {
    let context = Scripted::new();
    context.finish(async {
        assert!(!is_cancelled());
        assert!(cancelled().now_or_never().is_none());
        context.stop();
        assert!(is_cancelled());
        cancelled().await;
        let inside = step("effect", || async { Ok::<_, Error>(is_cancelled()) }).await;
        assert!(inside.unwrap());
    });
}

#[test]
fn who_waits_to_be_stopped_and_gives_up_is_forgotten() {
    let context = Scripted::new();
    context.finish(async {
        for _ in 0..3 {
            let mut waits = Box::pin(cancelled());
            assert!(waits.as_mut().now_or_never().is_none());
            assert!(waits.as_mut().now_or_never().is_none());
            assert_eq!(context.stop_waiters(), 1);
        }
        assert_eq!(context.stop_waiters(), 0);
    });
}
