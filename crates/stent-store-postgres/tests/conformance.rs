//! The store answers as the memory store does, in every mode that users run.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use stent_conformance::{Alternating, Harness, ManualClock};
use stent_core::Store;
use stent_store_postgres::{PostgresOptions, PostgresStore};
use stent_test_postgres::Database;

/// How a schema is used.
#[derive(Clone, Copy)]
enum Mode {
    /// As by default.
    Default,
    /// As behind a pooler that keeps track of no prepared statements.
    Unprepared,
    /// By two stores in turn, as by two processes.
    TwoStores,
}

/// One schema of a database that tests share while any of them runs.
struct Schema {
    name: String,
    database: Arc<Database>,
    mode: Mode,
}

fn database() -> Arc<Database> {
    static SHARED: Mutex<Weak<Database>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(database) = shared.upgrade() {
        return database;
    }
    let database = Arc::new(stent_test_postgres::database().expect("a database for tests"));
    *shared = Arc::downgrade(&database);
    database
}

impl Schema {
    fn new(mode: Mode) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        Self {
            name: format!("stent_{}", NUMBER.fetch_add(1, Ordering::Relaxed)),
            database: database(),
            mode,
        }
    }

    async fn store(&self, clock: Arc<ManualClock>) -> PostgresStore {
        let options = PostgresOptions::from_url(self.database.url())
            .and_then(|options| options.schema(&self.name))
            .expect("a URL that the test made");
        options
            .pool_size(NonZeroUsize::new(4).expect("not zero"))
            .prepared(!matches!(self.mode, Mode::Unprepared))
            .listen(false)
            .unsafe_durability(true)
            .clock(clock)
            .open()
            .await
            .expect("an empty schema, or its own")
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let drop = format!(
            "SET client_min_messages = warning; DROP SCHEMA {} CASCADE",
            self.name
        );
        // A schema that stays goes with its database.
        self.database.sql(&drop).unwrap_or_default();
    }
}

#[async_trait::async_trait]
impl Harness for Schema {
    async fn open(&self, clock: Arc<ManualClock>) -> Arc<dyn Store> {
        let store = self.store(Arc::clone(&clock)).await;
        if matches!(self.mode, Mode::TwoStores) {
            let other = self.store(clock).await;
            return Arc::new(Alternating::new(store, other));
        }
        Arc::new(store)
    }

    async fn reopen(&self, clock: Arc<ManualClock>) -> Option<Arc<dyn Store>> {
        Some(Arc::new(self.store(clock).await))
    }
}

/// Statements are prepared once per connection.
mod prepared {
    use super::{Mode, Schema};
    stent_conformance::suite!(Schema::new(Mode::Default));
}

/// Statements are sent as a whole each time.
mod unprepared {
    use super::{Mode, Schema};
    stent_conformance::suite!(Schema::new(Mode::Unprepared));
}

/// Every other request comes from another store on the same schema, as from another process.
mod two_stores_on_one_schema {
    use super::{Mode, Schema};
    stent_conformance::suite!(Schema::new(Mode::TwoStores));
}
