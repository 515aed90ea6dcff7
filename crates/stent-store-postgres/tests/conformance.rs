//! The store answers as the memory store does, in every mode that users run.

use std::{
    error::Error,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use stent_conformance::{Alternating, Harness, ManualClock, Surroundings};
use stent_core::Store;
use stent_store_postgres::{OpenError, PostgresOptions, PostgresStore};
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

/// Opens a schema, by four connections.
async fn open(
    database: &Database,
    schema: &str,
    mode: Mode,
    clock: Arc<ManualClock>,
) -> Result<PostgresStore, OpenError> {
    let options = PostgresOptions::from_url(database.url())
        .and_then(|options| options.schema(schema))
        .expect("a URL that the test made");
    options
        .pool_size(NonZeroUsize::new(4).expect("not zero"))
        .prepared(!matches!(mode, Mode::Unprepared))
        .listen(false)
        .unsafe_durability(true)
        .clock(clock)
        .open()
        .await
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
        let opened = open(&self.database, &self.name, self.mode, clock).await;
        opened.expect("an empty schema, or its own")
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

    async fn open_at_once(
        &self,
        count: usize,
        clock: Arc<ManualClock>,
    ) -> Option<Vec<Arc<dyn Store>>> {
        let opening = (0..count).map(|_| self.store(Arc::clone(&clock)));
        let opened = futures_util::future::join_all(opening).await;
        let opened = opened.into_iter().map(|store| Arc::new(store) as _);
        Some(opened.collect())
    }

    fn surroundings(&self) -> Vec<Box<dyn Surroundings>> {
        let database = || stent_test_postgres::database().expect("a database for tests");
        vec![
            Box::new(Spoilt(Wrong::NewerVersion, database(), self.mode)),
            Box::new(Spoilt(Wrong::WeakSettings, database(), self.mode)),
        ]
    }
}

/// A database to which others have done something.
struct Spoilt(Wrong, Database, Mode);

/// What they did.
#[derive(Clone, Copy)]
enum Wrong {
    /// A newer version has migrated the schema.
    NewerVersion,
    /// Settings of the database would weaken what the store promises.
    WeakSettings,
}

/// Each of them would break something: durability, isolation, the meaning of names and texts, time, or all work that takes longer.
const WEAK: &[&str] = &[
    "synchronous_commit = off",
    "default_transaction_isolation = 'serializable'",
    "search_path = 'nowhere'",
    "standard_conforming_strings = off",
    "statement_timeout = '100ms'",
    "lock_timeout = '100ms'",
    "idle_in_transaction_session_timeout = '100ms'",
    "TimeZone = 'Pacific/Apia'",
    "IntervalStyle = 'iso_8601'",
    "bytea_output = 'escape'",
    "client_min_messages = 'debug5'",
    "extra_float_digits = -10",
    // The last, for nothing more could be set after it.
    "default_transaction_read_only = on",
];

/// Writes down under which settings a task is written, and takes longer than the database allows.
const WITNESS: &str = "\
CREATE TABLE public.seen (name text, setting text);
GRANT ALL ON public.seen TO PUBLIC;
CREATE FUNCTION public.witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen SELECT name, current_setting(name) FROM unnest(
        '{synchronous_commit,transaction_isolation,search_path,standard_conforming_strings}'::text[]) AS name;
    PERFORM pg_sleep(0.2);
    RETURN NEW;
END $$;
CREATE TRIGGER witness BEFORE INSERT ON stent.task_rows FOR EACH ROW EXECUTE FUNCTION public.witness()";

#[async_trait::async_trait]
impl Surroundings for Spoilt {
    fn name(&self) -> &str {
        match self.0 {
            Wrong::NewerVersion => "a newer version",
            Wrong::WeakSettings => "settings of the database",
        }
    }

    async fn open(
        &self,
        clock: Arc<ManualClock>,
    ) -> Result<Arc<dyn Store>, Box<dyn Error + Send + Sync>> {
        Ok(Arc::new(open(&self.1, "stent", self.2, clock).await?))
    }

    async fn spoil(&self) {
        match self.0 {
            Wrong::NewerVersion => {
                let newer = "INSERT INTO stent.migrations (number, digest) SELECT 99, digest FROM stent.migrations LIMIT 1";
                self.1.sql(newer).expect("a migration");
            }
            Wrong::WeakSettings => {
                self.1.sql(WITNESS).expect("a trigger");
                for setting in WEAK {
                    let set = format!("ALTER DATABASE {} SET {setting}", self.1.name());
                    self.1.sql(&set).expect("a setting");
                }
            }
        }
    }

    async fn mend(&self) {
        let as_before = match self.0 {
            Wrong::NewerVersion => "DELETE FROM stent.migrations WHERE number = 99".to_owned(),
            Wrong::WeakSettings => format!(
                "SET TRANSACTION READ WRITE; ALTER DATABASE {} RESET ALL",
                self.1.name()
            ),
        };
        self.1.sql(&as_before).expect("as it was before");
    }

    fn refused_naming(&self) -> Option<&str> {
        match self.0 {
            Wrong::NewerVersion => Some("99"),
            Wrong::WeakSettings => None,
        }
    }

    async fn in_force(&self) -> Option<String> {
        let seen = self
            .1
            .sql("SELECT DISTINCT name || ' = ' || setting FROM public.seen ORDER BY 1");
        let seen = seen.expect("what was written down");
        let wanted = "search_path = pg_catalog\nstandard_conforming_strings = on\nsynchronous_commit = on\ntransaction_isolation = read committed";
        (seen != wanted).then_some(seen)
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
