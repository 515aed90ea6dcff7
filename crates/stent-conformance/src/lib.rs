//! What every store for Stent must pass.
