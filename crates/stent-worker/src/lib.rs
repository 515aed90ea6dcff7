//! Runs durable functions: claim, replay, renew, commit, clean up, drain.
