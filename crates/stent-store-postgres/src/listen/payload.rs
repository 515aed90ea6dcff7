//! Hints as the text of a notification: who says it, what kind, and of what.
//!
//! Whoever may use the database may say anything here; what cannot be read counts as "look at everything".

use stent_core::{ExecutionId, FunctionName, Hint, Ordinal, QueueName, TaskId, Timestamp};
use uuid::Uuid;

/// The word by which a process tests whether it hears.
pub(super) const TEST: &str = "test";

/// What a notification holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Something that this process said itself.
    Own {
        /// Whether it said so to test whether it hears.
        is_test: bool,
    },
    /// A hint of another process.
    Hint(Hint),
}

/// The text of a hint.
pub fn write(own: u64, hint: &Hint) -> String {
    let what = match hint {
        Hint::Due { queue, at } => format!("due {} {queue}", at.as_micros()),
        Hint::Delivered { task, newest } => format!("delivered {} {}", newest.0, task.as_uuid()),
        Hint::CancelRequested { task } => format!("cancel {}", task.as_uuid()),
        Hint::SlotFreed { function } => format!("slot {function}"),
        Hint::Ended { execution } => format!("ended {}", execution.as_uuid()),
        Hint::Anything => "anything".to_owned(),
    };
    format!("{own:016x} {what}")
}

/// The text of the test.
pub(super) fn test(own: u64) -> String {
    format!("{own:016x} {TEST}")
}

/// Reads a text.
pub fn read(own: u64, text: &str) -> Heard {
    let (sender, what) = text.split_once(' ').unwrap_or(("", text));
    if u64::from_str_radix(sender, 16) == Ok(own) {
        return Heard::Own {
            is_test: what == TEST,
        };
    }
    Heard::Hint(hint(what).unwrap_or(Hint::Anything))
}

fn hint(what: &str) -> Option<Hint> {
    let (kind, rest) = what.split_once(' ').unwrap_or((what, ""));
    Some(match kind {
        "due" => {
            let (at, queue) = rest.split_once(' ')?;
            Hint::Due {
                queue: QueueName::new(queue).ok()?,
                at: Timestamp::from_micros(at.parse().ok()?),
            }
        }
        "delivered" => {
            let (newest, task) = rest.split_once(' ')?;
            Hint::Delivered {
                task: TaskId::from_uuid(Uuid::parse_str(task).ok()?),
                newest: Ordinal(newest.parse().ok()?),
            }
        }
        "cancel" => Hint::CancelRequested {
            task: TaskId::from_uuid(Uuid::parse_str(rest).ok()?),
        },
        "slot" => Hint::SlotFreed {
            function: FunctionName::new(rest).ok()?,
        },
        "ended" => Hint::Ended {
            execution: ExecutionId::from_uuid(Uuid::parse_str(rest).ok()?),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_heard_as_it_was_said() {
        let task = TaskId::from_uuid(Uuid::from_u128(7));
        for hint in [
            Hint::Due {
                queue: QueueName::new("with space").unwrap(),
                at: Timestamp::from_micros(-5),
            },
            Hint::Delivered {
                task,
                newest: Ordinal(3),
            },
            Hint::CancelRequested { task },
            Hint::SlotFreed {
                function: FunctionName::new("charge").unwrap(),
            },
            Hint::Ended {
                execution: task.as_root(),
            },
            Hint::Anything,
        ] {
            assert_eq!(read(2, &write(1, &hint)), Heard::Hint(hint));
        }
    }

    #[test]
    fn own_words_are_known() {
        assert_eq!(
            read(1, &write(1, &Hint::Anything)),
            Heard::Own { is_test: false }
        );
        assert_eq!(read(1, &test(1)), Heard::Own { is_test: true });
    }

    #[test]
    fn what_cannot_be_read_means_to_look_at_everything() {
        for text in [
            "",
            " ",
            "x",
            "1 due",
            "1 due x y",
            "1 ended 5",
            "due 1 default",
            "1 test",
        ] {
            assert_eq!(read(2, text), Heard::Hint(Hint::Anything), "{text}");
        }
    }
}
