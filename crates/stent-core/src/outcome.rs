//! How an operation ended, and what is recorded of a failure.

use std::{error::Error, fmt};

use serde::{Deserialize, Serialize};

use crate::{Payload, StateKind, defaults};

/// How a task or an operation of its history ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returned a value.
    Completed(Payload),
    /// It failed, and no retry is left for it.
    Failed(Failure),
    /// Its time was up, and no retry is left for it.
    TimedOut(Failure),
    /// It, or what it belongs to, was cancelled.
    Cancelled,
}

impl Outcome {
    /// Whether it returned a value.
    #[must_use]
    pub const fn is_completed(&self) -> bool {
        matches!(self, Self::Completed(_))
    }

    /// Which outcome it is.
    #[must_use]
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Completed(_) => OutcomeKind::Completed,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::TimedOut(_) => OutcomeKind::TimedOut,
            Self::Cancelled => OutcomeKind::Cancelled,
        }
    }
}

/// An [`Outcome`] without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// It returned a value.
    Completed,
    /// It failed.
    Failed,
    /// Its time was up.
    TimedOut,
    /// It was cancelled.
    Cancelled,
}

impl OutcomeKind {
    /// The state of a task that ended so.
    #[must_use]
    pub const fn state(self) -> StateKind {
        match self {
            Self::Completed => StateKind::Completed,
            Self::Failed => StateKind::Failed,
            Self::TimedOut => StateKind::TimedOut,
            Self::Cancelled => StateKind::Cancelled,
        }
    }
}

/// Why something failed. It decides whether a retry can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The function returned an error.
    Error,
    /// The function returned an error that it calls fatal.
    Fatal,
    /// The function panicked.
    Panic,
    /// An attempt took longer than its timeout.
    Timeout,
    /// The deadline of the task passed.
    Deadline,
    /// The input is not what the function takes.
    UndecodableInput,
    /// The result cannot be stored: it is not JSON, or too large.
    UnstorableResult,
    /// The code asks for something else than the history holds.
    HistoryMismatch,
    /// Its worker died too often while it ran.
    Crashes,
    /// It could only have waited for slots that are held by those who wait for it.
    SlotDeadlock,
    /// It did something that no durable function may do, such as more operations than are allowed.
    Misuse,
    /// A kind that a newer version of this library recorded.
    #[serde(other)]
    Unknown,
}

impl FailureKind {
    /// Whether another attempt could end otherwise.
    #[must_use]
    pub const fn may_be_retried(self) -> bool {
        match self {
            Self::Error | Self::Panic | Self::Timeout => true,
            Self::Fatal
            | Self::Deadline
            | Self::UndecodableInput
            | Self::UnstorableResult
            | Self::HistoryMismatch
            | Self::Crashes
            | Self::SlotDeadlock
            | Self::Misuse
            | Self::Unknown => false,
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Fatal => "fatal error",
            Self::Panic => "panic",
            Self::Timeout => "timeout",
            Self::Deadline => "deadline",
            Self::UndecodableInput => "undecodable input",
            Self::UnstorableResult => "unstorable result",
            Self::HistoryMismatch => "history mismatch",
            Self::Crashes => "crashes",
            Self::SlotDeadlock => "slot deadlock",
            Self::Misuse => "misuse",
            Self::Unknown => "unknown failure",
        })
    }
}

/// What is recorded of a failure: its kind, its message and the messages of its sources.
///
/// Its texts can be stored by every database: NUL is replaced and what is too long is cut, which the text says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    kind: FailureKind,
    message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sources: Vec<String>,
}

/// Sources of an error that are recorded; a chain may be endless.
const SOURCES_MAX: usize = 16;

impl Failure {
    /// A failure without sources.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: storable(message.into()),
            sources: Vec::new(),
        }
    }

    /// The failure that an error describes, with its chain of sources.
    #[must_use]
    pub fn from_error(kind: FailureKind, error: &(dyn Error + 'static)) -> Self {
        let mut sources = Vec::new();
        let mut source = error.source();
        while let Some(error) = source
            && sources.len() < SOURCES_MAX
        {
            sources.push(storable(error.to_string()));
            source = error.source();
        }
        Self {
            kind,
            message: storable(error.to_string()),
            sources,
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The message, without those of its sources.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The messages of its sources, nearest first.
    #[must_use]
    pub fn sources(&self) -> &[String] {
        &self.sources
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.sources
            .iter()
            .try_for_each(|source| write!(f, ": {source}"))
    }
}

fn storable(mut text: String) -> String {
    if text.contains('\0') {
        text = text.replace('\0', "\u{fffd}");
    }
    if text.len() > defaults::ERROR_MAX_BYTES {
        let whole = text.len();
        let mut end = defaults::ERROR_MAX_BYTES;
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        text.truncate(end);
        text.push_str(&format!("… (cut off; it had {whole} bytes)"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotten_error_is_cleaned_and_says_so() {
        let failure = Failure::new(FailureKind::Error, "a\0b".repeat(20_000));
        assert!(!failure.message().contains('\0'));
        assert!(
            failure
                .message()
                .ends_with("… (cut off; it had 100000 bytes)")
        );
        assert!(failure.message().len() < defaults::ERROR_MAX_BYTES + 100);
    }

    #[test]
    fn the_chain_of_sources_is_kept() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot charge")]
        struct Outer(#[source] std::num::ParseIntError);
        let error = Outer("x".parse::<u8>().unwrap_err());
        let failure = Failure::from_error(FailureKind::Error, &error);
        assert_eq!(
            failure.to_string(),
            "cannot charge: invalid digit found in string"
        );
        let text = serde_json::to_string(&failure).unwrap();
        assert_eq!(serde_json::from_str::<Failure>(&text).unwrap(), failure);
    }

    /// An error whose chain of sources is so long.
    #[derive(Debug)]
    struct Chain(usize, Option<Box<Self>>);

    impl Chain {
        fn of(length: usize) -> Self {
            let next = length.checked_sub(1).map(|left| Box::new(Self::of(left)));
            Self(length, next)
        }
    }

    impl fmt::Display for Chain {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "link {}", self.0)
        }
    }

    impl Error for Chain {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|next| next as _)
        }
    }

    #[test]
    fn the_nearest_sources_are_kept_of_a_chain_that_is_too_long() {
        for (length, kept) in [(0, 0), (1, 1), (16, 16), (17, 16), (40, 16)] {
            let failure = Failure::from_error(FailureKind::Error, &Chain::of(length));
            let expected = (0..kept).map(|link| format!("link {}", length - link - 1));
            assert_eq!(failure.sources(), expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_text_of_the_greatest_length_is_kept_whole() {
        let kept = |bytes| Failure::new(FailureKind::Error, "x".repeat(bytes)).message;
        let most = defaults::ERROR_MAX_BYTES;
        assert_eq!(kept(most).len(), most);
        assert!(kept(most + 1).ends_with("bytes)"));
    }

    #[test]
    fn outcomes_say_what_they_are() {
        let failure = || Failure::new(FailureKind::Error, "why");
        let all = [
            (Outcome::Completed(Payload::null()), StateKind::Completed),
            (Outcome::Failed(failure()), StateKind::Failed),
            (Outcome::TimedOut(failure()), StateKind::TimedOut),
            (Outcome::Cancelled, StateKind::Cancelled),
        ];
        for (outcome, state) in all {
            assert_eq!(outcome.kind().state(), state);
            assert_eq!(outcome.is_completed(), state == StateKind::Completed);
        }
    }

    #[test]
    fn another_attempt_helps_where_the_cause_may_pass() {
        use FailureKind as Kind;
        let may = [Kind::Error, Kind::Panic, Kind::Timeout];
        let may_not = [
            Kind::Fatal,
            Kind::Deadline,
            Kind::UndecodableInput,
            Kind::UnstorableResult,
            Kind::HistoryMismatch,
            Kind::Crashes,
            Kind::SlotDeadlock,
            Kind::Misuse,
            Kind::Unknown,
        ];
        let names = may.iter().chain(&may_not).map(ToString::to_string);
        let distinct: std::collections::BTreeSet<String> = names.collect();
        assert_eq!(
            distinct.len(),
            12,
            "each has a name of its own: {distinct:?}"
        );
        assert!(may.iter().all(|kind| kind.may_be_retried()));
        assert!(!may_not.iter().any(|kind| kind.may_be_retried()));
    }
}
