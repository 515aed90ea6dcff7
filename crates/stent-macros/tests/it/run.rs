//! Generated code, run as a worker runs it.

use std::{
    any::{Any, TypeId},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use stent::{
    Body, Durable, ExecutionId, FailureKind, FunctionDefinition, FunctionName, Payload,
    SharedState, TaskId, TaskInfo, Timestamp, Uuid,
    context::{self, BodyContext, Request, StepStart},
    durable,
    store::{CallKey, CallPosition, Failure, Outcome},
};

/// A worker that has one number as its state, and for which no durable operation ever ends.
#[derive(Debug)]
struct Worker {
    state: SharedState,
}

impl BodyContext for Worker {
    fn info(&self) -> TaskInfo {
        let id = Uuid::nil();
        let function = FunctionName::new("f").unwrap();
        TaskInfo::new(
            TaskId::from_uuid(id),
            ExecutionId::from_uuid(id),
            function,
            1,
        )
    }
    fn reserve(&self) -> CallPosition {
        CallPosition::FIRST
    }
    fn release(&self, _position: CallPosition) {}
    fn begin(&self, at: CallPosition, _key: Option<CallKey>, _request: Request) -> CallPosition {
        at
    }
    fn poll_outcome(&self, _at: CallPosition, _cx: &mut Context<'_>) -> Poll<Outcome> {
        Poll::Pending
    }
    fn poll_step(&self, _at: CallPosition, _cx: &mut Context<'_>) -> Poll<StepStart> {
        Poll::Pending
    }
    fn finish_step(&self, _at: CallPosition, _outcome: Outcome) {}
    fn abandon(&self, _at: CallPosition) {}
    fn now(&self) -> Timestamp {
        Timestamp::MIN
    }
    fn random(&self) -> [u8; 16] {
        [0; 16]
    }
    fn uuid(&self) -> [u8; 16] {
        [0; 16]
    }
    fn should_stop(&self) -> bool {
        false
    }
    fn poll_stop(&self, _waiter: &mut Option<u64>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn forget_stop(&self, _waiter: u64) {}
    fn payload_limit(&self) -> usize {
        100
    }
    fn state(&self, type_id: TypeId) -> Option<SharedState> {
        ((*self.state).type_id() == type_id).then(|| Arc::clone(&self.state))
    }
}

fn run_with(
    state: impl Any + Send + Sync,
    definition: &FunctionDefinition,
    input: &str,
) -> Result<String, Failure> {
    let _entered = context::enter(Arc::new(Worker {
        state: Arc::new(state),
    }));
    let input = Payload::parse(input, 1_000).unwrap();
    let output = match definition.body {
        Body::Blocking(run) => run(input),
        Body::Async(run) => match run(input)
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("the body waits"),
        },
    };
    output.map(|output| output.as_str().to_owned())
}

fn run<D: Durable>(input: &str) -> Result<String, Failure> {
    run_with((), D::definition(), input)
}

#[derive(Debug, thiserror::Error)]
#[error("refused with code {0}")]
struct Refused(u8);

fn is_odd(refused: &Refused) -> bool {
    refused.0 % 2 == 1
}

#[durable]
async fn nothing() -> stent::Result<()> {
    Ok(())
}

#[durable]
async fn one(text: String) -> stent::Result<usize> {
    Ok(text.len())
}

#[durable]
async fn three(
    number: u32,
    #[state] factor: Arc<u32>,
    texts: Vec<String>,
) -> stent::Result<Vec<String>> {
    Ok(texts
        .into_iter()
        .map(|text| text.repeat((number * *factor) as usize))
        .collect())
}

#[durable(blocking)]
fn blocks(left: u64, right: u64) -> Result<u64, String> {
    left.checked_sub(right)
        .ok_or_else(|| "too small".to_owned())
}

#[durable(retry(max_attempts = 9, when = is_odd))]
async fn refuses(code: u8) -> Result<(), Refused> {
    Err(Refused(code))
}

#[durable]
async fn fatal(message: String) -> stent::Result<()> {
    Err(stent::fatal(message))
}

#[durable]
async fn unstorable(large: bool) -> stent::Result<(f64, String)> {
    Ok(if large {
        (0.0, "x".repeat(200))
    } else {
        (f64::NAN, String::new())
    })
}

#[durable]
async fn misuses() -> stent::Result<u8> {
    // Made and awaited in no body of its own.
    std::thread::spawn(|| {
        let call = std::pin::pin!(nothing());
        match call.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result.map(|()| 1),
            Poll::Pending => Ok(2),
        }
    })
    .join()
    .unwrap()
}

#[test]
fn a_body_gets_its_arguments_and_its_state() {
    assert_eq!(run::<nothing>("null").unwrap(), "null");
    assert_eq!(run::<one>(r#""four""#).unwrap(), "4");
    assert_eq!(run::<blocks>("[5,3]").unwrap(), "2");
    let texts = run_with(2_u32, three::definition(), r#"[1,["a","b"]]"#);
    assert_eq!(texts.unwrap(), r#"["aa","bb"]"#);
}

#[test]
fn a_state_that_is_missing_is_a_failure_that_says_so() {
    let failure = run::<three>(r#"[1,[]]"#).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Misuse);
    assert!(failure.message().contains("given no `u32`"), "{failure}");
    assert_eq!(three::definition().states[0].type_name, "u32");
}

#[test]
fn undecodable_input_is_a_failure_that_names_the_type() {
    for (definition, input, expected) in [
        (one::definition(), "4", "alloc::string::String"),
        (nothing::definition(), "[]", "()"),
        (blocks::definition(), "[1]", "(u64, u64)"),
        (blocks::definition(), "[1,2,3]", "(u64, u64)"),
        (blocks::definition(), "[1,-2]", "(u64, u64)"),
    ] {
        let failure = run_with((), definition, input).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::UndecodableInput, "{input}");
        assert_eq!(
            failure.message(),
            format!("the payload is not a `{expected}`")
        );
        assert_eq!(failure.sources().len(), 1);
    }
}

#[test]
fn an_error_is_recorded_with_its_kind() {
    let kind = |result: Result<String, Failure>| {
        let failure = result.unwrap_err();
        (failure.kind(), failure.message().to_owned())
    };
    assert_eq!(
        kind(run::<blocks>("[3,5]")),
        (FailureKind::Error, "too small".to_owned())
    );
    let refused = |code: u8| format!("refused with code {code}");
    assert_eq!(kind(run::<refuses>("1")), (FailureKind::Error, refused(1)));
    assert_eq!(kind(run::<refuses>("2")), (FailureKind::Fatal, refused(2)));
    assert_eq!(
        kind(run::<fatal>(r#""stolen""#)),
        (FailureKind::Fatal, "stolen".to_owned())
    );
    assert_eq!(kind(run::<misuses>("null")).0, FailureKind::Misuse);
}

#[test]
fn a_result_that_cannot_be_stored_is_a_failure() {
    for large in ["true", "false"] {
        let failure = run::<unstorable>(large).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::UnstorableResult, "{failure}");
    }
}
