//! Identities: checked names, and ids that nobody can swap for one another.
//!
//! A value of one of these types has been checked once, at the edge; code below the edge never checks it again.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Timestamp, defaults};

/// What a name names; it makes the messages of [`NameError`] specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// A durable function.
    Function,
    /// A queue.
    Queue,
    /// A signal.
    Signal,
    /// A step.
    Step,
    /// A tag of an execution.
    Tag,
    /// An idempotency key of a dispatch.
    IdempotencyKey,
    /// A worker.
    Worker,
    /// A key that identifies one call among its siblings.
    CallKey,
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function => "function name",
            Self::Queue => "queue name",
            Self::Signal => "signal name",
            Self::Step => "step name",
            Self::Tag => "tag",
            Self::IdempotencyKey => "idempotency key",
            Self::Worker => "worker name",
            Self::CallKey => "call key",
        })
    }
}

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It has no characters.
    #[error("{kind} is empty; give it at least one character")]
    Empty {
        /// What it should have named.
        kind: NameKind,
    },
    /// It is longer than [`defaults::NAME_MAX_BYTES`].
    #[error(
        "{kind} `{start}…` has {bytes} bytes; at most {} are allowed",
        defaults::NAME_MAX_BYTES
    )]
    TooLong {
        /// What it should have named.
        kind: NameKind,
        /// Its first characters.
        start: String,
        /// Its length in bytes.
        bytes: usize,
    },
    /// It holds a control character, such as NUL or a line break.
    #[error(
        "{kind} `{}` holds the control character U+{:04X} at byte {at}; remove it",
        .text.escape_debug(), u32::from(*.character)
    )]
    ControlCharacter {
        /// What it should have named.
        kind: NameKind,
        /// The text.
        text: String,
        /// The character.
        character: char,
        /// Its byte offset.
        at: usize,
    },
}

fn check_name(kind: NameKind, text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { kind });
    }
    if text.len() > defaults::NAME_MAX_BYTES {
        return Err(NameError::TooLong {
            kind,
            start: text.chars().take(24).flat_map(char::escape_debug).collect(),
            bytes: text.len(),
        });
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, character)) => Err(NameError::ControlCharacter {
            kind,
            text: text.to_owned(),
            character,
            at,
        }),
        None => Ok(()),
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// 1 to 255 bytes of UTF-8 without control characters. Cheap to clone.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a text.
            ///
            /// # Errors
            /// When it is empty, longer than 255 bytes or holds a control character.
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                let text = text.as_ref();
                check_name(NameKind::$kind, text)?;
                Ok(Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    )*};
}

names! {
    /// The name of a durable function, as the store keeps it.
    FunctionName => Function;
    /// The name of a queue.
    QueueName => Queue;
    /// The name of a signal.
    SignalName => Signal;
    /// The name of a step.
    StepName => Step;
    /// A label of an execution, to find it by.
    Tag => Tag;
    /// A key under which an execution is made at most once, for as long as it exists.
    IdempotencyKey => IdempotencyKey;
    /// The name of a worker. For people: rights come from a [`Fence`], never from a name.
    WorkerName => Worker;
    /// A key that identifies a call where its position would depend on polling order.
    CallKey => CallKey;
}

impl QueueName {
    /// The queue [`defaults::QUEUE`].
    #[must_use]
    pub fn default_queue() -> Self {
        Self(defaults::QUEUE.into())
    }
}

impl Default for QueueName {
    fn default() -> Self {
        Self::default_queue()
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps an id that was made or stored before.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// A `UUIDv7` of a time and ten random bytes (RFC 9562, section 5.7).
            #[must_use]
            pub fn from_parts(now: Timestamp, random: &[u8; 10]) -> Self {
                Self(
                    uuid::Builder::from_unix_timestamp_millis(now.as_unix_millis(), random)
                        .into_uuid(),
                )
            }

            /// The UUID.
            #[must_use]
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }

            /// The sixteen bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// One task.
    TaskId;
    /// One execution: the id of its root task.
    ExecutionId;
    /// One signal, chosen by its sender, so that sending it again sends nothing twice.
    SignalId;
}

impl ExecutionId {
    /// The task that the execution consists of, with all below it.
    #[must_use]
    pub const fn root(self) -> TaskId {
        TaskId(self.0)
    }
}

impl TaskId {
    /// The execution whose root this task is.
    #[must_use]
    pub const fn as_root(self) -> ExecutionId {
        ExecutionId(self.0)
    }
}

/// How urgent a task is among those that a worker could start: higher first. Default 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Priority(pub i32);

/// The running number of a durable operation within its task, from 1, in program order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallPosition(pub u32);

impl CallPosition {
    /// The position of the first operation.
    pub const FIRST: Self = Self(1);

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// A UUID that no other call has, in this task or another: version 5, the position's name in the task's namespace
    /// ([RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-5)). It needs no record to be the same again.
    ///
    /// ```
    /// use stent_core::{CallPosition, TaskId, Timestamp};
    ///
    /// let task = TaskId::from_parts(Timestamp::from_micros(0), &[7; 10]);
    /// let key = CallPosition::FIRST.uuid(task);
    /// assert_eq!(key, CallPosition::FIRST.uuid(task));
    /// assert_ne!(key, CallPosition::FIRST.next().uuid(task));
    /// ```
    #[must_use]
    pub fn uuid(self, task: TaskId) -> Uuid {
        Uuid::new_v5(task.as_uuid(), &self.0.to_be_bytes())
    }
}

impl fmt::Display for CallPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of an outcome in the order in which a task's outcomes are delivered to it, from 1. Zero stands for "none yet".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Ordinal(pub u32);

impl Ordinal {
    /// No outcome was delivered yet.
    pub const NONE: Self = Self(0);

    /// The ordinal after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A number that grows with every claim of a task.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct FencingToken(pub i64);

impl FencingToken {
    /// The token of the next claim.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A random number that belongs to one claim alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaimMark(pub i64);

/// What a claim hands out, and what every write of its holder carries.
///
/// Both parts are compared: a promoted standby or a restored backup may hand out a token twice, but not with the same mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// Grows with every claim of the task.
    pub token: FencingToken,
    /// Random, of that claim alone.
    pub mark: ClaimMark,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_255_bytes_and_no_control_character() {
        assert!(FunctionName::new("charge").is_ok());
        assert!(QueueName::new("x".repeat(255)).is_ok());
        assert_eq!(
            Tag::new("").unwrap_err().to_string(),
            "tag is empty; give it at least one character"
        );
        assert_eq!(
            QueueName::new("é".repeat(150)).unwrap_err().to_string(),
            format!(
                "queue name `{}…` has 300 bytes; at most 255 are allowed",
                "é".repeat(24)
            )
        );
        assert_eq!(
            FunctionName::new("a\0b").unwrap_err().to_string(),
            "function name `a\\0b` holds the control character U+0000 at byte 1; remove it"
        );
        assert!(serde_json::from_str::<Tag>("\"a\\nb\"").is_err());
    }

    #[test]
    fn an_id_is_a_version_7_uuid_of_its_time() {
        let id = TaskId::from_parts(Timestamp::from_micros(1_700_000_000_000_000), &[7; 10]);
        assert_eq!(id.as_uuid().get_version_num(), 7);
        assert!(id < TaskId::from_parts(Timestamp::from_micros(1_700_000_000_001_000), &[0; 10]));
        assert_eq!(id.as_root().root(), id);
        assert_eq!(id.to_string().parse::<TaskId>().unwrap(), id);
    }
}
