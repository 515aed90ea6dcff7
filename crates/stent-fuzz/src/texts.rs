//! What people and programs write.

use std::{error::Error, fmt::Debug, str};

use stent_client::IntoDuration;
use stent_core::{
    CallKey, ExecutionId, FunctionName, IdempotencyKey, NameError, Payload, QueueName, SignalId,
    SignalName, StepName, Tag, TaskId, Timestamp, WorkerName, defaults,
};
use stent_store_postgres::PostgresOptions;

/// What an error says may repeat a part of what was wrong, and no more.
const MESSAGE_MAX: usize = 4_096;

/// A text has the same span whoever reads it, and a span is written so that it is read as the same.
pub fn durations(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    match text.into_duration() {
        Ok(span) => {
            let written = humantime::format_duration(span).to_string();
            assert_eq!(written.as_str().into_duration().ok(), Some(span), "{text}");
            for at in [Timestamp::MIN, Timestamp::MAX] {
                assert!(at.saturating_add(span) >= at && at.saturating_sub(span) <= at);
            }
        }
        Err(error) => is_short(&error),
    }
}

fn is_short(error: &dyn Error) {
    let said = error.to_string();
    assert!(said.len() <= MESSAGE_MAX, "{} bytes", said.len());
    assert!(!said.chars().any(char::is_control), "{said:?}");
}

/// What is accepted has its bounds, and is the same in every form; ids are themselves in each of theirs.
pub fn names(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    name(text, FunctionName::new, |name| name.as_str().to_owned());
    name(text, QueueName::new, |name| name.as_str().to_owned());
    name(text, SignalName::new, |name| name.as_str().to_owned());
    name(text, StepName::new, |name| name.as_str().to_owned());
    name(text, Tag::new, |name| name.as_str().to_owned());
    name(text, IdempotencyKey::new, |name| name.as_str().to_owned());
    name(text, WorkerName::new, |name| name.as_str().to_owned());
    name(text, CallKey::new, |name| name.as_str().to_owned());
    if let Ok(id) = text.parse::<TaskId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(ExecutionId::from_uuid(*id.as_uuid()).root(), id);
        let json = serde_json::to_string(&id).expect("an id is JSON");
        assert_eq!(serde_json::from_str::<TaskId>(&json).ok(), Some(id));
        assert_eq!(SignalId::from_uuid(*id.as_uuid()).as_bytes(), id.as_bytes());
    }
}

fn name<N: PartialEq + Debug + serde::Serialize + serde::de::DeserializeOwned>(
    text: &str,
    new: impl Fn(String) -> Result<N, NameError>,
    shown: impl Fn(&N) -> String,
) {
    match new(text.to_owned()) {
        Ok(name) => {
            assert!((1..=defaults::NAME_MAX_BYTES).contains(&text.len()));
            assert!(!text.chars().any(char::is_control));
            assert_eq!(shown(&name), text);
            let json = serde_json::to_string(&name).expect("a name is JSON");
            assert_eq!(serde_json::from_str::<N>(&json).ok(), Some(name));
        }
        Err(error) => is_short(&error),
    }
}

/// What is accepted is what a decoder reads, it is kept to the byte, and a value that was read is written so that it is read as the same.
pub fn payloads(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let read = serde_json::from_str::<serde_json::Value>(text);
    let limit = text.len();
    match Payload::parse(text, limit) {
        Ok(payload) => {
            assert_eq!(payload.as_str(), text);
            let value: serde_json::Value = payload.decode().expect("what is accepted is read");
            assert_eq!(payload.digest(), Payload::from_stored(text).digest());
            let written = Payload::encode(&value, usize::MAX).expect("what was read is written");
            let again: serde_json::Value = written.decode().expect("what was written is read");
            assert_eq!(again, value);
            assert!(Payload::parse(text, limit - 1).is_err(), "a byte too many");
        }
        Err(_) => assert!(read.is_err(), "what a decoder reads is accepted"),
    }
}

/// Stands for a password where it must be read as one, or as a part of one.
const SECRET: &str = "Xq7!secret-Zw9";

/// No string of a connection shows its password, in what is read of it or in what is said of it.
pub fn postgres_url(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if text.contains(SECRET) {
        return;
    }
    shows_no_secret(text);
    shows_no_secret(&format!("postgres://it:{SECRET}@{text}"));
    // With an `@` before it, it would be something else than a password.
    if !text.contains('@') {
        shows_no_secret(&format!("postgres://it:{text}{SECRET}@host/db"));
    }
    shows_no_secret(&format!("postgres://it:{SECRET}{text}@host/db"));
    shows_no_secret(&format!("host=h password='{SECRET}' {text}"));
    shows_no_secret(&format!("password={SECRET}{text} host=h"));
}

fn shows_no_secret(text: &str) {
    let said = match PostgresOptions::from_url(text) {
        Ok(options) => format!("{options:?}"),
        Err(error) => {
            is_short(&error);
            format!("{error} {error:?}")
        }
    };
    assert!(!said.contains(SECRET), "{said}");
}
