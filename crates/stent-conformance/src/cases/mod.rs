//! The cases, by what they are about. Each is a function whose name is the sentence that it proves.

pub(crate) mod calls;
pub(crate) mod cancel;
pub(crate) mod claim;
pub(crate) mod cleanup;
pub(crate) mod commit;
pub(crate) mod dead_letter;
pub(crate) mod deadline;
pub(crate) mod dispatch;
pub(crate) mod epoch;
pub(crate) mod hints;
pub(crate) mod history;
pub(crate) mod input;
pub(crate) mod inspect;
pub(crate) mod lease;
pub(crate) mod limit;
pub(crate) mod opening;
pub(crate) mod race;
pub(crate) mod retry;
pub(crate) mod signal;
pub(crate) mod wait;
