//! Many at once: calls of one function with `.map(..)` and `.starmap(..)`, of several functions with `join!`, and what to do when some fail.
//!
//! ```text
//! cargo run --example fan_out [DATABASE]
//! ```
//!
//! Name a database, kill it at any moment, and start it again: what was counted is not counted again.

use std::{error::Error, time::Duration};

use clap::Parser;
use futures_util::future::{join, try_join};
use stent::prelude::*;

/// Counts the words of one text. The default: 3 attempts.
#[durable]
async fn count_words(text: String) -> stent::Result<usize> {
    match text.split_whitespace().count() {
        0 => Err(stent::fatal("there is nothing to count")),
        words => Ok(words),
    }
}

/// Repeats a text.
#[durable]
async fn repeat(text: String, times: usize) -> stent::Result<String> {
    Ok(vec![text; times].join(" "))
}

/// All texts at once; the results are in the order of the inputs. The first failure ends it.
#[durable]
async fn count_all(texts: Vec<String>) -> stent::Result<usize> {
    Ok(count_words.map(texts).await?.into_iter().sum())
}

/// All texts at once; failures are results like others.
#[durable]
async fn count_what_can_be_counted(texts: Vec<String>) -> stent::Result<(usize, usize)> {
    let results = count_words.map(texts).all().await;
    let failed = results.iter().filter(|result| result.is_err()).count();
    Ok((results.into_iter().flatten().sum(), failed))
}

/// Two branches at once. A call takes its place in the history when it is made, which is here, so branches may be polled in any order.
#[durable]
async fn both(text: String) -> stent::Result<(usize, String)> {
    try_join(count_words(text.clone()), repeat(text, 2)).await
}

/// Many durable calls at once
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
        .unwrap_or_else(|| folder.path().join("texts.db").display().to_string());
    let stent = Stent::open(&format!("sqlite:{database}")).await?;
    let functions = functions![
        count_words,
        repeat,
        count_all,
        count_what_can_be_counted,
        both
    ];
    // What a killed process was at goes on after two seconds.
    let lease = Duration::from_secs(2);
    let worker = stent.worker().register(functions).lease_duration(lease);
    let worker = worker.start().await?;

    let texts = |count: usize| (0..count).map(|n| "word ".repeat(n)).collect::<Vec<_>>();
    // The keys make a second start of this program ask for the same results.
    let all = count_all(texts(100).split_off(1)).idempotency_key("all");
    let words = stent.run(all).await?;
    println!("99 texts have {words} words");

    let some = count_what_can_be_counted(texts(10)).idempotency_key("some");
    let (words, failed) = stent.run(some).await?;
    println!("9 of 10 texts have {words} words, and {failed} has none");

    let both = both("to be".to_owned()).idempotency_key("both");
    let (words, repeated) = stent.run(both).await?;
    println!("`{repeated}` is {words} words, twice");

    // Outside a durable function, many calls are dispatched in one transaction, and each is an execution of its own.
    let calls = repeat.starmap([("ho".to_owned(), 3), ("hey".to_owned(), 2)]);
    let calls = calls.into_iter().zip(["ho", "hey"]);
    let calls = calls.map(|(call, key)| call.idempotency_key(key));
    let handles = stent.dispatch_all(calls).await?;
    let [first, second] = &handles[..] else {
        return Err("two were dispatched".into());
    };
    let (first, second) = join(first.result(), second.result()).await;
    println!("{} and {}", first?, second?);
    worker.drain().await?;
    Ok(())
}
