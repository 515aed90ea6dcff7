//! Dispatching in a transaction of the caller's: the one place that knows which store takes which transaction.

use stent_client::{Call, Durable, Handle, Prepared, Result, Stent};

/// Dispatches calls in the caller's own transactions; in the prelude.
pub trait DispatchIn: sealed::Client {
    /// Makes an execution of a call in a transaction of the caller's, on the database that the store is in: it is there when the caller commits, with
    /// the caller's own rows, and never if the transaction is rolled back. So a row and the work that it needs cannot come apart.
    ///
    /// | transaction | store | it gives |
    /// |---|---|---|
    /// | `tokio_postgres::Transaction` of `stent::tokio_postgres` | Postgres | a future of the handle |
    /// | `rusqlite::Transaction` of `stent::rusqlite` | SQLite | the handle |
    ///
    /// A transaction of `deadpool-postgres` is given as `&*transaction`. In all else it is as [`Stent::dispatch`]; but nothing is repeated, because a
    /// transaction that the database has refused cannot go on: after an error, roll it back.
    ///
    /// **The handle has nothing to wait for before the commit.** Until then, and for ever after a roll-back, what it asks the store is answered with
    /// [`NoSuchExecution`](stent_client::Error::NoSuchExecution).
    ///
    /// # Errors
    /// What is wrong with the call; [`OtherDatabase`](stent_client::Error::OtherDatabase) when the transaction is one of another database, or the store
    /// knows no such transactions; [`Error::Store`](stent_client::Error::Store) when the database failed.
    ///
    /// # Cancel safety
    /// Dropped, it has made the execution in the transaction, or not.
    #[cfg_attr(
        all(feature = "sqlite", feature = "macros"),
        doc = r#"
```
use stent::{prelude::*, rusqlite::{Connection, TransactionBehavior}};

#[durable]
async fn fulfil(order: i64) -> stent::Result<()> {
    println!("order {order}");
    Ok(())
}

# #[tokio::main]
# async fn main() -> Result<(), Box<dyn std::error::Error>> {
# let folder = tempfile::tempdir()?;
# let path = folder.path().join("orders.db");
let stent = Stent::open(format!("sqlite:{}", path.display())).await?;
let mut connection = Connection::open(&path)?;
connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)", ())?;

let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
transaction.execute("INSERT INTO orders VALUES (17)", ())?;
let execution = stent.dispatch_in(&transaction, fulfil(17))?;
transaction.commit()?;
println!("{}", execution.id());
# Ok(())
# }
```
"#
    )]
    fn dispatch_in<'t, T: Transaction, D: Durable>(
        &self,
        transaction: &'t T,
        call: Call<D>,
    ) -> T::Dispatched<'t, Handle<D>>;

    /// Makes an execution of each call, in their order, all or none; as [`dispatch_in`](DispatchIn::dispatch_in). Of more calls than
    /// [`Stent::dispatch_all`] makes in one transaction, an error may leave the first parts in the caller's: roll it back.
    ///
    /// # Errors
    /// As [`dispatch_in`](DispatchIn::dispatch_in).
    fn dispatch_all_in<'t, T: Transaction, D: Durable>(
        &self,
        transaction: &'t T,
        calls: impl IntoIterator<Item = Call<D>>,
    ) -> T::Dispatched<'t, Vec<Handle<D>>>;
}

impl DispatchIn for Stent {
    fn dispatch_in<'t, T: Transaction, D: Durable>(
        &self,
        transaction: &'t T,
        call: Call<D>,
    ) -> T::Dispatched<'t, Handle<D>> {
        transaction.dispatch(self, self.prepare([call]), |mut handles| {
            handles.pop().expect("one call has one handle")
        })
    }

    fn dispatch_all_in<'t, T: Transaction, D: Durable>(
        &self,
        transaction: &'t T,
        calls: impl IntoIterator<Item = Call<D>>,
    ) -> T::Dispatched<'t, Vec<Handle<D>>> {
        transaction.dispatch(self, self.prepare(calls), |handles| handles)
    }
}

/// A transaction of a database driver that calls can be dispatched in: those that [`DispatchIn::dispatch_in`] lists.
#[diagnostic::on_unimplemented(
    message = "a call cannot be dispatched in `{Self}`",
    label = "expected a transaction of `stent::tokio_postgres` or `stent::rusqlite`, in their versions, with the feature of its store"
)]
pub trait Transaction: sealed::Transaction {
    /// What dispatching in it gives: a result of `T`, or a future of one.
    type Dispatched<'t, T: 't>
    where
        Self: 't;

    /// Makes the executions, and gives what becomes of their handles.
    #[doc(hidden)]
    fn dispatch<'t, D: Durable, T: 't>(
        &'t self,
        stent: &Stent,
        prepared: Result<Prepared<D>>,
        finish: fn(Vec<Handle<D>>) -> T,
    ) -> Self::Dispatched<'t, T>;
}

mod sealed {
    pub trait Client {}
    impl Client for stent_client::Stent {}

    pub trait Transaction {}
    #[cfg(feature = "postgres")]
    impl Transaction for stent_store_postgres::tokio_postgres::Transaction<'_> {}
    #[cfg(feature = "sqlite")]
    impl Transaction for stent_store_sqlite::rusqlite::Transaction<'_> {}
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod asked {
    use std::{any::Any, sync::Arc};

    use stent_client::{Error, Store, StoreError};

    /// The store as what it is.
    pub(super) fn store<'s, S: Store>(
        store: &'s dyn Store,
        transaction: &'static str,
    ) -> Result<&'s S, Error> {
        let found: &dyn Any = store;
        found.downcast_ref().ok_or_else(|| Error::OtherDatabase {
            source: format!("the transaction is {transaction}'s, and the store is {store:?}")
                .into(),
        })
    }

    /// A failure of the store's.
    pub(super) fn failed(source: StoreError) -> Error {
        Error::Store {
            what: "dispatch in a transaction",
            source: Arc::new(source),
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use stent_client::{Durable, Error, Handle, Prepared, Result, Stent};
    use stent_store_sqlite::{DispatchInError, SqliteStore, rusqlite::Transaction};

    use super::asked;

    impl super::Transaction for Transaction<'_> {
        type Dispatched<'t, T: 't>
            = Result<T>
        where
            Self: 't;

        fn dispatch<'t, D: Durable, T: 't>(
            &'t self,
            stent: &Stent,
            prepared: Result<Prepared<D>>,
            finish: fn(Vec<Handle<D>>) -> T,
        ) -> Result<T> {
            let prepared = prepared?;
            let store: &SqliteStore = asked::store(&**stent.store(), "SQLite")?;
            let mut answers = Vec::with_capacity(prepared.requests().len());
            for request in prepared.requests() {
                answers.push(store.dispatch_in(self, request).map_err(refused)?);
            }
            prepared.into_handles(answers).map(finish)
        }
    }

    fn refused(error: DispatchInError) -> Error {
        match error {
            DispatchInError::Store(error) => asked::failed(error),
            error => Error::OtherDatabase {
                source: error.into(),
            },
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::{future::Future, pin::Pin};

    use stent_client::{Durable, Error, Handle, Prepared, Result, Stent};
    use stent_store_postgres::{DispatchInError, PostgresStore, tokio_postgres::Transaction};

    use super::asked;

    impl super::Transaction for Transaction<'_> {
        type Dispatched<'t, T: 't>
            = Pin<Box<dyn Future<Output = Result<T>> + Send + 't>>
        where
            Self: 't;

        fn dispatch<'t, D: Durable, T: 't>(
            &'t self,
            stent: &Stent,
            prepared: Result<Prepared<D>>,
            finish: fn(Vec<Handle<D>>) -> T,
        ) -> Self::Dispatched<'t, T> {
            let store = asked::store::<PostgresStore>(&**stent.store(), "PostgreSQL").cloned();
            Box::pin(async move {
                let (prepared, store) = (prepared?, store?);
                let mut answers = Vec::with_capacity(prepared.requests().len());
                for request in prepared.requests() {
                    let answer = store.dispatch_in(self, request).await;
                    answers.push(answer.map_err(refused)?);
                }
                prepared.into_handles(answers).map(finish)
            })
        }
    }

    fn refused(error: DispatchInError) -> Error {
        match error {
            DispatchInError::Store(error) => asked::failed(error),
            error => Error::OtherDatabase {
                source: error.into(),
            },
        }
    }
}
