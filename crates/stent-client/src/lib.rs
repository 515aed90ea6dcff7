//! Define durable functions and request them.
