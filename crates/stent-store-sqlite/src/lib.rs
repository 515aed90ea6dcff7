//! Stent's embedded store, on SQLite.
