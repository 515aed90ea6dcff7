//! Every statement, once: each stands in a file of its own under `sql/`. The schema's name is put into their texts when a database is opened;
//! it is the only text that is ever put into SQL.

use std::sync::Arc;

macro_rules! statements {
    ($($name:ident => $file:literal,)*) => {
        /// A statement.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Sql {
            $($name,)*
        }

        impl Sql {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its text, for the schema `stent`.
            const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!("../sql/", $file, ".sql")),)*
                }
            }
        }
    };
}

statements! {
    Begin => "begin",
    BeginRead => "begin_read",
    ClaimDue => "claim_due",
    CountSlots => "count_slots",
    CountTasks => "count_tasks",
    DeclareFunctions => "declare_functions",
    DeleteEntries => "delete_entries",
    DeleteHistoryOf => "delete_history_of",
    DeleteIdempotencyKeysOf => "delete_idempotency_keys_of",
    DeleteSignalWaitsOf => "delete_signal_waits_of",
    DeleteSignalsOf => "delete_signals_of",
    DeleteTagsOf => "delete_tags_of",
    DeleteTasksOf => "delete_tasks_of",
    DeleteWaits => "delete_waits",
    DeleteWaitsOfTasks => "delete_waits_of_tasks",
    DeleteWorkers => "delete_workers",
    DispatchIn => "dispatch_in",
    DueLanes => "due_lanes",
    FindEntries => "find_entries",
    FindKeys => "find_keys",
    FindLanes => "find_lanes",
    FindPlaces => "find_places",
    FindSignals => "find_signals",
    FindTasks => "find_tasks",
    Glance => "glance",
    InsertChildren => "insert_children",
    InsertEntries => "insert_entries",
    InsertKeys => "insert_keys",
    InsertLanes => "insert_lanes",
    InsertRoots => "insert_roots",
    InsertSignals => "insert_signals",
    InsertTags => "insert_tags",
    InsertWaits => "insert_waits",
    ListDeadLetters => "list_dead_letters",
    ListEntries => "list_entries",
    ListExecutions => "list_executions",
    ListExecutionsById => "list_executions_by_id",
    ListExecutionsByKey => "list_executions_by_key",
    ListExecutionsByTag => "list_executions_by_tag",
    ListExpired => "list_expired",
    ListLanes => "list_lanes",
    ListLimits => "list_limits",
    ListLiveChildren => "list_live_children",
    ListMembers => "list_members",
    ListPassedDeadlines => "list_passed_deadlines",
    ListPassedLeases => "list_passed_leases",
    ListSlotHolders => "list_slot_holders",
    ListTasks => "list_tasks",
    ListTasksById => "list_tasks_by_id",
    ListTasksOfExecution => "list_tasks_of_execution",
    ListUnreceived => "list_unreceived",
    ListUnslotted => "list_unslotted",
    ListWaits => "list_waits",
    ListWorkers => "list_workers",
    LockFreeRoots => "lock_free_roots",
    LockFunctions => "lock_functions",
    LockTasks => "lock_tasks",
    ReadDeliveries => "read_deliveries",
    ReadHistories => "read_histories",
    ReadInputs => "read_inputs",
    ReadLimits => "read_limits",
    ReadNow => "read_now",
    ReadSchedule => "read_schedule",
    SaveClaims => "save_claims",
    SaveEnds => "save_ends",
    SaveEntries => "save_entries",
    SaveSchedule => "save_schedule",
    SaveSignals => "save_signals",
    SaveTasks => "save_tasks",
    SaveWorker => "save_worker",
    SetLimit => "set_limit",
}

/// The texts of all statements for one schema.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    texts: Arc<[String]>,
    schema: Arc<str>,
}

impl Statements {
    /// The statements for a schema, by its name as it was given.
    pub(crate) fn new(schema: &str) -> Self {
        Self {
            texts: Sql::ALL
                .iter()
                .map(|sql| in_schema(sql.text(), schema))
                .collect(),
            schema: schema.into(),
        }
    }

    /// The text of a statement.
    pub(crate) fn text(&self, sql: Sql) -> &str {
        // A variant's number is its place in the list that both were made from.
        &self.texts[sql as usize]
    }

    /// The schema.
    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }
}

/// Puts a schema's name, quoted, in place of `stent` in an SQL text.
pub(crate) fn in_schema(sql: &str, schema: &str) -> String {
    sql.replace("stent.", &format!("{}.", quoted(schema)))
}

/// A name as SQL takes it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests;
