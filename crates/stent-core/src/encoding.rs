//! The stored form of states, operations and outcomes. A stored form never changes its meaning; new ones are added.

use crate::{
    Failure, FailureKind, FunctionName, NameError, Operation, Outcome, OutcomeKind, Payload,
    SignalName, StateKind, StepName, Timestamp,
    time::{from_micros, micros},
};

/// The version of the stored forms. A store refuses data of a newer one.
pub const VERSION: u32 = 1;

/// Why a stored form cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A code that this version does not know.
    #[error(
        "stored {what} has the code {code}, which this version does not know; is the data of a newer version, or damaged?"
    )]
    UnknownCode {
        /// Of what.
        what: &'static str,
        /// The code.
        code: i64,
    },
    /// A part is missing.
    #[error("stored {what} has no {part}")]
    Missing {
        /// Of what.
        what: &'static str,
        /// Which.
        part: &'static str,
    },
    /// A name that is none.
    #[error("stored {what} has an impossible name")]
    Name {
        /// Of what.
        what: &'static str,
        /// Why it is none.
        #[source]
        source: NameError,
    },
}

macro_rules! codes {
    ($type:ident, $what:literal, $($variant:ident = $code:literal),* $(,)?) => {
        impl $type {
            /// The number that is stored for it.
            #[must_use]
            pub const fn code(self) -> i64 {
                match self { $(Self::$variant => $code,)* }
            }

            /// What a stored number stands for.
            ///
            /// # Errors
            /// When this version does not know it.
            pub const fn from_code(code: i64) -> Result<Self, DecodeError> {
                match code {
                    $($code => Ok(Self::$variant),)*
                    code => Err(DecodeError::UnknownCode { what: $what, code }),
                }
            }
        }
    };
}

codes!(
    StateKind,
    "state",
    Pending = 1,
    Running = 2,
    Suspended = 3,
    Completed = 4,
    Failed = 5,
    TimedOut = 6,
    Cancelled = 7
);
codes!(
    OutcomeKind,
    "outcome",
    Completed = 4,
    Failed = 5,
    TimedOut = 6,
    Cancelled = 7
);
codes!(
    OperationKind,
    "operation",
    Child = 1,
    Step = 2,
    Sleep = 3,
    SleepUntil = 4,
    Signal = 5,
    Now = 6,
    Random = 7
);

/// An [`Operation`] without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// A call of another durable function.
    Child,
    /// A side effect, run in place.
    Step,
    /// A wait for a span of time.
    Sleep,
    /// A wait for an instant.
    SleepUntil,
    /// A wait for an outside event.
    Signal,
    /// The present instant.
    Now,
    /// A random value.
    Random,
}

/// An [`Operation`] in columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOperation {
    /// Its kind.
    pub kind: OperationKind,
    /// The function, step or signal.
    pub name: Option<String>,
    /// The input's digest, the span or timeout in microseconds, or the instant in microseconds since the epoch.
    pub number: Option<i64>,
}

impl From<&Operation> for StoredOperation {
    fn from(operation: &Operation) -> Self {
        let (kind, name, number) = match operation {
            Operation::Child { function, input } => {
                (OperationKind::Child, Some(function.as_str()), Some(*input))
            }
            Operation::Step { name } => (OperationKind::Step, Some(name.as_str()), None),
            Operation::Sleep { span } => (OperationKind::Sleep, None, Some(micros(*span))),
            Operation::SleepUntil { at } => (OperationKind::SleepUntil, None, Some(at.as_micros())),
            Operation::Signal { name, timeout } => (
                OperationKind::Signal,
                Some(name.as_str()),
                timeout.map(micros),
            ),
            Operation::Now => (OperationKind::Now, None, None),
            Operation::Random => (OperationKind::Random, None, None),
        };
        Self {
            kind,
            name: name.map(str::to_owned),
            number,
        }
    }
}

impl TryFrom<StoredOperation> for Operation {
    type Error = DecodeError;

    fn try_from(stored: StoredOperation) -> Result<Self, DecodeError> {
        let what = "operation";
        let missing = |part| DecodeError::Missing { what, part };
        let bad_name = |source| DecodeError::Name { what, source };
        let name = stored.name.ok_or(missing("name"));
        let number = stored.number.ok_or(missing("number"));
        Ok(match stored.kind {
            OperationKind::Child => Self::Child {
                function: FunctionName::new(name?).map_err(bad_name)?,
                input: number?,
            },
            OperationKind::Step => Self::Step {
                name: StepName::new(name?).map_err(bad_name)?,
            },
            OperationKind::Sleep => Self::Sleep {
                span: from_micros(number?),
            },
            OperationKind::SleepUntil => Self::SleepUntil {
                at: Timestamp::from_micros(number?),
            },
            OperationKind::Signal => Self::Signal {
                name: SignalName::new(name?).map_err(bad_name)?,
                timeout: stored.number.map(from_micros),
            },
            OperationKind::Now => Self::Now,
            OperationKind::Random => Self::Random,
        })
    }
}

impl Outcome {
    /// The text that is stored beside the kind: the result, or the failure as JSON.
    #[must_use]
    pub fn stored_text(&self) -> Option<String> {
        match self {
            Self::Completed(payload) => Some(payload.as_str().to_owned()),
            Self::Failed(failure) | Self::TimedOut(failure) => {
                // A struct of strings and a unit variant is always JSON.
                Some(serde_json::to_string(failure).unwrap_or_default())
            }
            Self::Cancelled => None,
        }
    }

    /// The outcome of a stored kind and text. A failure whose text cannot be read is a failure that says so.
    ///
    /// # Errors
    /// When the text is missing where there must be one.
    pub fn from_stored(kind: OutcomeKind, text: Option<String>) -> Result<Self, DecodeError> {
        let text = text.ok_or(DecodeError::Missing {
            what: "outcome",
            part: "text",
        });
        let failure = |text: String| {
            serde_json::from_str(&text).unwrap_or_else(|error| {
                let message = format!("the recorded failure cannot be read ({error}): {text}");
                Failure::new(FailureKind::Unknown, message)
            })
        };
        Ok(match kind {
            OutcomeKind::Completed => Self::Completed(Payload::from_stored(text?)),
            OutcomeKind::Failed => Self::Failed(failure(text?)),
            OutcomeKind::TimedOut => Self::TimedOut(failure(text?)),
            OutcomeKind::Cancelled => Self::Cancelled,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_stored_operation_reads_back_as_it_was() {
        let function = FunctionName::new("f").unwrap();
        let name = SignalName::new("s").unwrap();
        for operation in [
            Operation::Child {
                function,
                input: -7,
            },
            Operation::Step {
                name: StepName::new("x").unwrap(),
            },
            Operation::Sleep {
                span: Duration::from_millis(3),
            },
            Operation::SleepUntil {
                at: Timestamp::from_micros(9),
            },
            Operation::Signal {
                name: name.clone(),
                timeout: None,
            },
            Operation::Signal {
                name,
                timeout: Some(Duration::from_secs(1)),
            },
            Operation::Now,
            Operation::Random,
        ] {
            let stored = StoredOperation::from(&operation);
            assert_eq!(
                OperationKind::from_code(stored.kind.code()),
                Ok(stored.kind)
            );
            assert_eq!(Operation::try_from(stored), Ok(operation));
        }
    }

    #[test]
    fn every_stored_outcome_reads_back_as_it_was() {
        for outcome in [
            Outcome::Completed(Payload::null()),
            Outcome::Failed(Failure::new(FailureKind::Panic, "boom")),
            Outcome::TimedOut(Failure::new(FailureKind::Timeout, "late")),
            Outcome::Cancelled,
        ] {
            let kind = OutcomeKind::from_code(outcome.kind().code()).unwrap();
            assert_eq!(
                Outcome::from_stored(kind, outcome.stored_text()),
                Ok(outcome)
            );
        }
        assert!(StateKind::from_code(0).is_err() && OutcomeKind::from_code(1).is_err());
    }
}
