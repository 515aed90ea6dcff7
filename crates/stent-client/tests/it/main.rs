//! What bodies ask of a context, and what a client asks of a store.

mod body;

mod functions;
mod map;
mod operations;
mod positions;
