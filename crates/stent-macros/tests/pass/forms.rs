#![deny(warnings, missing_docs, missing_debug_implementations)]
//! Everything that may be written.

use std::sync::Arc;

use stent::{Call, Durable, MapExt, StarmapExt, durable, functions};

/// Shared by all bodies.
#[derive(Debug)]
pub struct Gateway;

#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

fn passes(_: &Refused) -> bool {
    true
}

/// Every option.
#[durable(
    queue = "payments",
    priority = -5,
    max_concurrent(4, while_waiting = "release"),
    retry(max_attempts = 5, initial_delay = "500ms", max_delay = "1m 30s", backoff = 1, jitter = 0.25, when = passes),
    timeout = "30s",
    version = 2,
    name = "pay",
)]
#[allow(unused_variables)]
async fn charge(mut cents: u64, #[state] gateway: Arc<Gateway>, note: Option<String>) -> Result<u64, Refused> {
    cents += 1;
    Ok(cents)
}

/// None.
#[durable]
pub async fn nothing() -> stent::Result<()> {
    Ok(())
}

/// Off the async threads.
#[durable(blocking, max_concurrent = 1, retry)]
pub fn hash(#[allow(unused)] path: String) -> std::io::Result<u64> {
    Ok(7)
}

/// Calls itself, and names that the generated code might use.
#[durable]
pub async fn recurse(input: u32, run: String, error: u8) -> stent::Result<u32> {
    match input {
        0 => Ok(u32::from(error)),
        _ => recurse(input - 1, run, error).await,
    }
}

/// A raw name.
#[durable]
pub async fn r#match(r#type: String) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    Ok(r#type)
}

/// Errors need no type of their own.
#[durable]
pub async fn texts(input: Vec<(u8, String)>) -> Result<usize, String> {
    Ok(input.len())
}

#[cfg(any())]
#[durable]
async fn absent(order: Missing) -> stent::Result<()> {
    Ok(())
}

mod inner {
    /// Elsewhere.
    #[stent::durable]
    pub(crate) async fn elsewhere() -> stent::Result<u8> {
        Ok(1)
    }
}

fn main() {
    let call: Call<charge> = charge(1, None).queue("x").priority(3).delay("5m").tag("vip");
    drop(call);
    drop(hash.map(["a".to_owned(), "b".to_owned()]).each(|call| call.priority(1)));
    drop(charge.starmap([(1, None), (2, Some("note".to_owned()))]));
    drop(recurse.starmap([(1, String::new(), 2)]));

    let all = functions![charge, nothing, hash, recurse, r#match, texts, inner::elsewhere];
    assert_eq!(all.map(|function| function.name.as_str()).join(" "), "pay@2 nothing hash recurse match texts elsewhere");
    assert_eq!(functions![].len(), 0);

    let pay = charge::definition();
    assert_eq!((pay.queue.as_str(), pay.priority.0), ("payments", -5));
    assert_eq!(pay.timeout, Some(std::time::Duration::from_secs(30)));
    assert_eq!(pay.states[0].type_name, std::any::type_name::<Gateway>());
    let limit = pay.limit.unwrap();
    assert_eq!(limit.max_concurrent.get(), 4);

    #[durable]
    async fn local() -> stent::Result<()> {
        Ok(())
    }
    assert_eq!(local::NAME, "local");
    drop(local());
}
