//! What the reading threads answer, each from one state of the database.
//!
//! A row that cannot be read is left out of a list, with a warning; asked for by its id, it is an error.

mod functions;
mod history;
mod listing;
