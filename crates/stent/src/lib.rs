//! Durable functions for Rust, without a server.

#[doc(hidden)]
pub use stent_client::__private;
pub use stent_client::*;
#[cfg(feature = "macros")]
pub use stent_macros::{durable, functions};
