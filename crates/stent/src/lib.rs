//! Durable functions for Rust, without a server.
