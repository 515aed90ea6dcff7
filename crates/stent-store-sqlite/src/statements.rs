//! Every statement, once: each stands in a file of its own under `sql/`, and is prepared once per connection.

use rusqlite::{Connection, Statement};

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

            /// Its text.
            pub(crate) const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!("../sql/", $file, ".sql")),)*
                }
            }
        }
    };
}

statements! {
    AbandonEntry => "abandon_entry",
    Begin => "begin",
    BeginRead => "begin_read",
    Claim => "claim",
    Commit => "commit",
    CountLeased => "count_leased",
    CountSlots => "count_slots",
    CountSuspended => "count_suspended",
    CountWaiting => "count_waiting",
    DeclareFunction => "declare_function",
    DeleteEntry => "delete_entry",
    DeleteHistory => "delete_history",
    DeleteIdempotencyKey => "delete_idempotency_key",
    DeleteInput => "delete_input",
    DeleteSignalWait => "delete_signal_wait",
    DeleteSignalWaits => "delete_signal_waits",
    DeleteSignals => "delete_signals",
    DeleteTags => "delete_tags",
    DeleteTask => "delete_task",
    DeleteWorkers => "delete_workers",
    End => "end",
    EndLeases => "end_leases",
    FindByIdempotencyKey => "find_by_idempotency_key",
    FindChild => "find_child",
    FindEntry => "find_entry",
    FindIdempotencyKey => "find_idempotency_key",
    FindMailbox => "find_mailbox",
    FindRoot => "find_root",
    FindSignal => "find_signal",
    FindSignalWait => "find_signal_wait",
    FindUnreceivedSignal => "find_unreceived_signal",
    GiveSignalBack => "give_signal_back",
    GoOn => "go_on",
    InsertChild => "insert_child",
    InsertEntry => "insert_entry",
    InsertIdempotencyKey => "insert_idempotency_key",
    InsertInput => "insert_input",
    InsertLane => "insert_lane",
    InsertRoot => "insert_root",
    InsertRoots => "insert_roots",
    InsertSignal => "insert_signal",
    InsertSignalWait => "insert_signal_wait",
    InsertTag => "insert_tag",
    IsChild => "is_child",
    IsRoot => "is_root",
    KeepDue => "keep_due",
    ListChildren => "list_children",
    ListChildrenOfExecution => "list_children_of_execution",
    ListDeadLetters => "list_dead_letters",
    ListDeadlinesThatPassed => "list_deadlines_that_passed",
    ListDue => "list_due",
    ListEntries => "list_entries",
    ListExecutions => "list_executions",
    ListExecutionsById => "list_executions_by_id",
    ListExecutionsByIdempotencyKey => "list_executions_by_idempotency_key",
    ListExecutionsByTag => "list_executions_by_tag",
    ListExpired => "list_expired",
    ListLanes => "list_lanes",
    ListLeased => "list_leased",
    ListLeasesThatRanOut => "list_leases_that_ran_out",
    ListLimits => "list_limits",
    ListLiveChildren => "list_live_children",
    ListRoots => "list_roots",
    ListRowsOfExecution => "list_rows_of_execution",
    ListSlotHolders => "list_slot_holders",
    ListSuspended => "list_suspended",
    ListTags => "list_tags",
    ListWorkers => "list_workers",
    MoveLeases => "move_leases",
    NewestChild => "newest_child",
    NextDeadline => "next_deadline",
    NextDueAfter => "next_due_after",
    NextDueLane => "next_due_lane",
    NextLeaseEnd => "next_lease_end",
    OpenSavepoint => "open_savepoint",
    ReadBoot => "read_boot",
    ReadDataVersion => "read_data_version",
    ReadDeliveries => "read_deliveries",
    ReadHistory => "read_history",
    ReadInput => "read_input",
    ReadLargeInput => "read_large_input",
    ReadOutcome => "read_outcome",
    ReadSchedule => "read_schedule",
    ReceiveInEntry => "receive_in_entry",
    ReceiveSignal => "receive_signal",
    RecordInParent => "record_in_parent",
    ReleaseSavepoint => "release_savepoint",
    Renew => "renew",
    ResolveEntry => "resolve_entry",
    RollBack => "roll_back",
    RollBackToSavepoint => "roll_back_to_savepoint",
    Save => "save",
    SaveBoot => "save_boot",
    SaveSchedule => "save_schedule",
    SaveWorker => "save_worker",
    SetLimit => "set_limit",
}

/// The statements of one connection, prepared when they are first used.
pub(crate) struct Statements<'c> {
    connection: &'c Connection,
    prepared: Vec<Option<Statement<'c>>>,
}

impl<'c> Statements<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            prepared: Sql::ALL.iter().map(|_| None).collect(),
        }
    }

    /// A statement, ready to be run.
    pub(crate) fn get(&mut self, sql: Sql) -> rusqlite::Result<&mut Statement<'c>> {
        // A variant's number is its place in the list that both were made from.
        let slot = &mut self.prepared[sql as usize];
        match slot {
            Some(statement) => Ok(statement),
            None => Ok(slot.insert(self.connection.prepare(sql.text())?)),
        }
    }

    /// Runs a statement that takes and gives nothing.
    pub(crate) fn run(&mut self, sql: Sql) -> rusqlite::Result<()> {
        self.get(sql)?.raw_execute().map(drop)
    }
}

#[cfg(test)]
mod tests;
