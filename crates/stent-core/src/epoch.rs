//! Which past a store goes by, where a database can come back without its newest transactions.
//!
//! A standby that replicates asynchronously has not yet what its primary committed last: if it is promoted, that is lost. Who holds a lease goes on
//! by it all the same: by outcomes that its body has seen, by limits that it has declared. The store's *epoch* tells the past before from the one after:
//! who goes by another one gives its tasks back, declares its functions again, and claims anew.
//!
//! On PostgreSQL it is the number of the server's
//! [timeline](https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES), which a promotion, and a recovery of a backup
//! that asks for it, raises.

/// Which past a store goes by. It changes when the store has come back without its newest transactions, or may have; a plain restart changes nothing.
/// A store to which that cannot happen has the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);
