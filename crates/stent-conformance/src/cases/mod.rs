//! The cases, by what they are about. Each is a function whose name is the sentence that it proves.

pub(crate) mod claim;
pub(crate) mod commit;
pub(crate) mod dispatch;
pub(crate) mod history;
pub(crate) mod lease;
