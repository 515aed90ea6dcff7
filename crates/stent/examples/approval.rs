//! Waiting for people: an expense is paid when somebody approves it, and dropped when nobody does in time.
//!
//! ```text
//! cargo run --example approval [DATABASE]
//! ```
//!
//! A signal is an event from outside. A wait for one may last months; it holds no thread, no lease and, after some seconds, no memory: it is a
//! row. A signal that comes before anyone waits for it is kept, so there is no race between asking and answering.
//!
//! Name a database, kill it at any moment, and start it again: it goes on with the same expenses, and pays none twice.

use std::{error::Error, time::Duration};

use clap::Parser;
use serde::{Deserialize, Serialize};
use stent::prelude::*;

/// What somebody said about an expense.
#[derive(Debug, Serialize, Deserialize)]
struct Decision {
    by: String,
    granted: bool,
}

/// Pays an expense once it was approved.
#[durable]
async fn reimburse(what: String, cents: u64) -> stent::Result<String> {
    let decision = stent::signal::<Decision>("decision").timeout("500ms").await;
    match decision {
        Ok(Decision { by, granted: true }) => {
            let payment = pay(what, cents).await?;
            Ok(format!("{by} approved it; payment {payment}"))
        }
        Ok(Decision { by, .. }) => Ok(format!("{by} refused it")),
        Err(error) if error.is_timeout() => Ok("nobody answered in time".to_owned()),
        Err(error) => Err(error),
    }
}

/// Pays. The key makes the bank see one payment, however often this body is begun.
#[durable]
async fn pay(what: String, cents: u64) -> stent::Result<String> {
    let key = stent::uuid()?;
    Ok(format!(
        "of {cents} cents for {what} under key {}",
        &key.simple().to_string()[..8]
    ))
}

/// Expenses that wait for somebody to approve them
#[derive(Parser)]
struct Options {
    /// The database; by default one that is gone when it ends
    database: Option<String>,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example talks to people")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let database = Options::parse()
        .database
        .unwrap_or_else(|| folder.path().join("expenses.db").display().to_string());
    let stent = Stent::open(&format!("sqlite:{database}")).await?;
    let worker = stent
        .worker()
        .register(functions![reimburse, pay])
        // What a killed process was at goes on after two seconds.
        .lease_duration(Duration::from_secs(2))
        .start()
        .await?;

    let answers = [
        ("a train ticket", Some(true)),
        ("a yacht", Some(false)),
        ("a forgotten lunch", None),
    ];
    for (what, answer) in answers {
        // The key makes a second start of this program ask for the same expense.
        let call = reimburse(what.to_owned(), 4_200).idempotency_key(what);
        let execution = stent.dispatch(call).await?;
        if let Some(granted) = answer
            && !execution.state().await?.is_terminal()
        {
            let decision = Decision {
                by: "Ada".to_owned(),
                granted,
            };
            execution.signal("decision", &decision).await?;
        }
        println!("{what}: {}", execution.result().await?);
    }
    worker.drain().await?;
    Ok(())
}
