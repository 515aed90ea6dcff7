//! Dispatching in a transaction of the caller's, on a connection of the caller's.
//!
//! **Invariant:** it is one statement, which does all or nothing, whatever becomes of the future that waits for it; and it changes no setting of the
//! caller's transaction.

use std::{sync::Arc, time::Duration};

use stent_core::{
    ExecutionId, NewExecution, StoreError, Timestamp, When,
    store::{Checked, DispatchAnswer, DispatchRequest, Dispatched},
    time::micros,
};
use tokio_postgres::{
    Row, Transaction,
    error::SqlState,
    types::{ToSql, Type},
};

use crate::{
    error, fault::Fault, lanes::LaneNames, session::Session, shared::Shared, statements::Sql,
    store::PostgresStore, write::Verb,
};

/// How long the lanes of a request are waited for that another transaction makes. Without them the statement makes its own.
const LANES_WAIT: Duration = Duration::from_secs(1);

/// Why nothing was dispatched in a caller's transaction, which is then to be rolled back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DispatchInError {
    /// The transaction is one of another database, or of one that has another installation under the schema's name.
    #[error(
        "the transaction is not one of the database that holds the store's schema `{schema}`; begin it there"
    )]
    OtherDatabase {
        /// The store's schema.
        schema: String,
    },
    /// The request was refused, or the database failed. When that is retryable, the whole transaction may succeed when it is done again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PostgresStore {
    /// Makes executions in a transaction of the caller's, with all that [`dispatch`](stent_core::Store::dispatch) promises but one thing: they are there
    /// when the caller commits, and never if the transaction is rolled back.
    ///
    /// One of `deadpool-postgres` derefs to the transaction that this takes. Its role needs the rights of one that dispatches by SQL, which the guide on
    /// plain SQL lists. Workers hear of the work with the commit.
    ///
    /// # Errors
    /// As [`DispatchInError`] says.
    ///
    /// # Cancel safety
    /// Dropped, it has made all of them in the transaction, or none.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     store: stent_store_postgres::PostgresStore, client: &mut stent_store_postgres::tokio_postgres::Client,
    /// #     request: stent_core::store::DispatchRequest,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let transaction = client.transaction().await?;
    /// transaction.execute("insert into orders values (17)", &[]).await?;
    /// store.dispatch_in(&transaction, &request).await?;
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn dispatch_in(
        &self,
        transaction: &Transaction<'_>,
        request: &DispatchRequest,
    ) -> Result<DispatchAnswer, DispatchInError> {
        request.check().map_err(StoreError::from)?;
        let executions = &request.executions;
        if executions.is_empty() {
            return Ok(DispatchAnswer {
                executions: Vec::new(),
            });
        }
        let shared = self.shared();
        make_lanes(shared, request).await;
        let text = shared.statements.text(Sql::DispatchIn);
        let parameters = parameters(shared, executions);
        let parameters: Vec<_> = parameters
            .iter()
            .map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone()))
            .collect();
        let rows = transaction.query_typed(text, &parameters).await;
        let rows = rows.map_err(|error| refused(shared, error))?;
        if rows.len() != executions.len() {
            return Err(other_database(shared));
        }
        let answers = rows.iter().map(dispatched).collect::<Result<_, _>>();
        let answers = answers.map_err(|error| refused(shared, error))?;
        Ok(DispatchAnswer {
            executions: answers,
        })
    }
}

fn other_database(shared: &Shared) -> DispatchInError {
    DispatchInError::OtherDatabase {
        schema: shared.statements.schema().to_owned(),
    }
}

fn refused(shared: &Shared, error: tokio_postgres::Error) -> DispatchInError {
    match error.code() {
        // The store found them when it was opened.
        Some(
            &SqlState::INVALID_SCHEMA_NAME
            | &SqlState::UNDEFINED_TABLE
            | &SqlState::UNDEFINED_FUNCTION,
        ) => other_database(shared),
        _ => error::rolled_back("dispatch_in", error).into(),
    }
}

fn dispatched(row: &Row) -> Result<Dispatched, tokio_postgres::Error> {
    let execution = ExecutionId::from_uuid(row.try_get(0)?);
    Ok(if row.try_get(1)? {
        Dispatched::Created(execution)
    } else {
        Dispatched::Existing {
            execution,
            other_input: row.try_get(2)?,
        }
    })
}

/// Makes the lanes that are needed, on a connection of the store's, so that others who need them need not wait for the caller's commit.
async fn make_lanes(shared: &Arc<Shared>, request: &DispatchRequest) {
    let lanes = Verb::lanes(request);
    if shared.lanes.unknown(lanes.iter().cloned()).is_empty() {
        return;
    }
    match tokio::time::timeout(LANES_WAIT, shared.write(MakeLanes(lanes))).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "lanes are made in the caller's transaction"),
        // The caller's own transaction may be the one that makes them.
        Err(_) => tracing::debug!("lanes are being made by another transaction"),
    }
}

/// Nothing but the lanes that a request needs.
struct MakeLanes(Vec<LaneNames>);

#[async_trait::async_trait]
impl Verb for MakeLanes {
    type Answer = ();
    const NAME: &'static str = "make_lanes";

    fn lanes(&self) -> Vec<LaneNames> {
        self.0.clone()
    }

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Fault> {
        session.is_finished = true;
        Ok(())
    }
}

/// A parameter with its type.
type Parameter = (Box<dyn ToSql + Sync + Send>, Type);

fn column<T>(
    kind: Type,
    executions: &[NewExecution],
    value: impl FnMut(&NewExecution) -> T,
) -> Parameter
where
    Vec<T>: ToSql + Sync + Send + 'static,
{
    let values: Vec<T> = executions.iter().map(value).collect();
    (Box::new(values), kind)
}

/// The executions by columns, as the statement takes them.
fn parameters(shared: &Shared, executions: &[NewExecution]) -> Vec<Parameter> {
    let at = |when| match when {
        When::At(at) => Some(at.as_micros()),
        When::Now | When::After(_) => None,
    };
    // Within what a sum with the present can hold.
    let after = |when| match when {
        When::After(span) => Some(micros(span).min(Timestamp::MAX.as_micros())),
        When::Now => Some(0),
        When::At(_) => None,
    };
    let mut all_tags: Vec<String> = Vec::new();
    let mut tag_ends: Vec<i32> = Vec::new();
    for execution in executions {
        all_tags.extend(execution.tags.iter().map(|tag| tag.as_str().to_owned()));
        // A request has at most 320,000 of them.
        tag_ends.push(i32::try_from(all_tags.len()).unwrap_or(i32::MAX));
    }
    let tag_starts = std::iter::once(&0)
        .chain(&tag_ends)
        .map(|end| end.saturating_add(1));
    let tag_starts: Vec<i32> = tag_starts.take(tag_ends.len()).collect();
    vec![
        (Box::new(shared.installation), Type::UUID),
        (Box::new(shared.injected_now()), Type::INT8),
        column(Type::UUID_ARRAY, executions, |one| *one.root.id.as_uuid()),
        column(Type::TEXT_ARRAY, executions, |one| {
            one.root.function.as_str().to_owned()
        }),
        column(Type::TEXT_ARRAY, executions, |one| {
            one.root.queue.as_str().to_owned()
        }),
        column(Type::INT4_ARRAY, executions, |one| one.root.priority.0),
        column(Type::INT8_ARRAY, executions, |one| at(one.root.due)),
        column(Type::INT8_ARRAY, executions, |one| after(one.root.due)),
        column(Type::INT8_ARRAY, executions, |one| {
            one.root.timeout.map(micros)
        }),
        column(Type::INT8_ARRAY, executions, |one| {
            one.root.deadline.and_then(at)
        }),
        column(Type::INT8_ARRAY, executions, |one| {
            one.root.deadline.and_then(after)
        }),
        column(Type::TEXT_ARRAY, executions, |one| {
            let key = one.idempotency_key.as_ref();
            key.map(|key| key.as_str().to_owned())
        }),
        (Box::new(tag_starts), Type::INT4_ARRAY),
        (Box::new(tag_ends), Type::INT4_ARRAY),
        column(Type::TEXT_ARRAY, executions, |one| {
            one.root.input.as_str().to_owned()
        }),
        (Box::new(all_tags), Type::TEXT_ARRAY),
    ]
}
