//! `#[durable]` and `functions!`: a function's options are read, checked as a whole, and turned into code.
//!
//! | module | what it does |
//! |---|---|
//! | `parse` | tokens to what was written, with every token's place |
//! | `model` | what a durable function is, once it is checked |
//! | `validate` | what was written to the model, or every error at once |
//! | `expand` | the model to code |
//! | `tokens` | all of these, one after the other |
//!
//! **Invariant:** generated code names nothing but `::stent::__private`, the standard library, and what the user wrote.

mod expand;
mod model;
mod parse;
mod tokens;
mod validate;

use proc_macro::TokenStream;

/// Makes an async function durable: its calls are kept in a store, and its work survives crashes, restarts and deploys.
///
/// `#[durable] async fn charge(order: Order) -> Result<Receipt, PaymentError>` yields the function `charge(order) -> Call<charge>` and an empty
/// struct `charge {}` that stands for it where a type is needed, as in `functions![charge]` and `Handle<charge>`.
///
/// Arguments and result are written as JSON: they implement `Serialize` and `DeserializeOwned`. The function returns a `Result`; its error is any
/// `std::error::Error + Send + Sync + 'static`. An argument `#[state] gateway: Arc<Gateway>` comes from the worker and is no part of the call.
///
/// | option | meaning | default |
/// |---|---|---|
/// | `queue = "…"` | the queue of its calls | `default` |
/// | `priority = n` | higher first, from `i32::MIN` to `i32::MAX` | 0 |
/// | `max_concurrent = n` | tasks that hold a slot at once, over all workers | any number |
/// | `max_concurrent(n, while_waiting = "release")` | as above; a suspended task gives its slot up (`"hold"`: it keeps it) | `"hold"` |
/// | `retry(max_attempts = n)` | attempts in all, the first one included | 3 |
/// | `retry(initial_delay = "…")` | the delay before the second attempt | 1 s |
/// | `retry(max_delay = "…")` | the longest delay | 60 s |
/// | `retry(backoff = x)` | by how much each further delay is longer | 2 |
/// | `retry(jitter = x)` | the fraction by which delays are spread | 0.1 |
/// | `retry(when = path)` | asked with `&E` whether an error is retried | all are |
/// | `timeout = "…"` | how long one attempt may take | any time |
/// | `version = n` | from 2 on, another function than the versions before, with the stored name `name@n` | 1 |
/// | `name = "…"` | the stored name | the function's |
/// | `blocking` | a `fn` that blocks or computes: it runs on a thread of its own | |
///
/// Durations are texts such as `"500ms"`, `"30s"` or `"1h 30m"`. A function without `retry(..)` is retried only if it made no durable call; `now`,
/// `random` and `uuid` are none.
///
/// ```
/// use stent::{Call, durable};
///
/// /// At most 4 at once; each attempt bounded.
/// #[durable(max_concurrent = 4, retry(max_attempts = 5, initial_delay = "500ms"), timeout = "30s")]
/// async fn charge(cents: u64) -> Result<String, std::io::Error> {
///     Ok(format!("charged {cents}"))
/// }
///
/// let call: Call<charge> = charge(100).queue("payments");
/// # drop(call);
/// ```
#[proc_macro_attribute]
pub fn durable(attribute: TokenStream, item: TokenStream) -> TokenStream {
    tokens::durable(attribute.into(), item.into()).into()
}

/// The definitions of durable functions, for a worker to register: an array of `&'static FunctionDefinition`.
///
/// ```
/// use stent::{durable, functions};
///
/// #[durable]
/// async fn ping() -> stent::Result<u8> {
///     Ok(1)
/// }
///
/// mod mail {
///     #[stent::durable]
///     pub async fn send(to: String) -> stent::Result<()> {
///         drop(to);
///         Ok(())
///     }
/// }
///
/// let functions = functions![ping, mail::send];
/// assert_eq!(functions[1].name.as_str(), "send");
/// ```
#[proc_macro]
pub fn functions(list: TokenStream) -> TokenStream {
    tokens::functions(list.into()).into()
}
