//! S4 under fire: many processes hammer one limited function, are killed and paused, and steal from each other.

use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use stent::{ExecutionId, prelude::*};
use stent_chaos::{
    history::{self, Call, Event, Journal, now},
    limit::{self, Figures, Rules, Violation},
};
use stent_test_postgres::Cluster;

use crate::{
    options::{minutes, new_history, say},
    storm::{Role, Storm},
    worker::{Orders, POLL, limited, open},
};

/// Clients that wait for one call each at a time, so that work is always waiting.
const CLIENTS: u64 = 32;
/// How long it may take after the storm until all that was dispatched has ended.
const AFTERMATH: Duration = Duration::from_secs(60);
/// What a busy machine may take beside leases and polls.
const SLACK: Duration = Duration::from_secs(3);

/// What to try, and for how long.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How long the storm lasts
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0, value_parser = minutes)]
    minutes: f64,
    /// Worker processes
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// How long leases run
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = humantime::parse_duration)]
    lease: Duration,
    /// What decides whom the storm strikes; the same number gives the same order
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// The database; by default one on a throwaway server
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Where the history is kept; by default it is gone at the end
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
}

/// Runs the trial; whether all held.
pub(crate) async fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let history = new_history(options.history.as_deref(), temporary.path())?;
    // Held until all is done: it ends with this value.
    let (url, _cluster) = database(options)?;
    let span = Duration::from_secs_f64(60.0 * options.minutes);
    let limit = limited::definition()
        .limit
        .ok_or("there is no limit to try")?;
    let rules = Rules {
        limit: usize::try_from(limit.max_concurrent.get())?,
        lease: options.lease,
        // A call may be claimed by a process that is killed, and then by one that is paused.
        patience: 2 * (options.lease + POLL) + SLACK,
    };
    say(&format!(
        "{} worker processes for {} on a function limited to {}, with leases of {}, seed {}",
        options.workers,
        humantime::format_duration(span),
        rules.limit,
        humantime::format_duration(options.lease),
        options.seed
    ));
    try_limits(options, url, &history, span).await?;
    let (violations, figures) = limit::judge(&history::read(&history)?, &rules);
    report(&violations, &figures, &rules);
    Ok(violations.is_empty())
}

fn database(options: &Options) -> Result<(String, Option<Cluster>), Box<dyn Error>> {
    if let Some(url) = &options.url {
        return Ok((url.clone(), None));
    }
    let cluster = Cluster::start(&stent_test_postgres::Options::new().durable(true))?;
    Ok((cluster.url("postgres"), Some(cluster)))
}

/// Lets clients call and the storm rage, until all that was called has ended.
async fn try_limits(
    options: &Options,
    url: String,
    history: &Path,
    span: Duration,
) -> Result<(), Box<dyn Error>> {
    let clients = Arc::new(Clients {
        stent: open(&url).await?,
        journal: Journal::open(history)?,
        calls: AtomicU64::new(0),
        until: now() + span,
    });
    let orders = Orders {
        process: 0,
        url,
        history: history.to_owned(),
        lease: options.lease,
    };
    let workers = std::iter::repeat_n(Role::Worker, options.workers.into());
    let mut storm = Storm::begin(orders, workers, options.seed)?;
    let calling = (0..CLIENTS).map(|_| clients.call());
    let calling = tokio::time::timeout(
        span + AFTERMATH,
        futures_util::future::try_join_all(calling),
    );
    let (called, ()) = tokio::try_join!(
        async { calling.await.map_err(Box::<dyn Error>::from)? },
        storm.rage(span)
    )?;
    clients.look_again(called.into_iter().flatten()).await?;
    storm.end(Role::Worker)
}

/// Those who call, and what they write down.
struct Clients {
    stent: Stent,
    journal: Journal,
    calls: AtomicU64,
    until: Duration,
}

type Called = (Call, ExecutionId);

impl Clients {
    /// Calls, waits for the outcome, and calls again until the time is over.
    async fn call(&self) -> Result<Vec<Called>, Box<dyn Error>> {
        let mut called = Vec::new();
        while now() < self.until {
            let call = Call(self.calls.fetch_add(1, Ordering::Relaxed));
            self.journal.write(Event::Invoked(call))?;
            let execution = self.stent.dispatch(limited(call)).await?;
            self.journal.write(Event::Acknowledged(call))?;
            called.push((call, execution.id()));
            let body = execution.result().await?;
            self.journal.write(Event::Shown(call, body))?;
        }
        Ok(called)
    }

    /// Looks at every outcome once more: it must be what was shown before.
    async fn look_again(&self, called: impl Iterator<Item = Called>) -> Result<(), Box<dyn Error>> {
        let looks = called.map(|(call, execution)| async move {
            let body = self.stent.handle::<limited>(execution).result().await?;
            self.journal.write(Event::Shown(call, body))?;
            Ok::<_, Box<dyn Error>>(())
        });
        stream::iter(looks).buffer_unordered(16).try_collect().await
    }
}

/// Says what happened and what was wrong.
fn report(violations: &[Violation], figures: &Figures, rules: &Rules) {
    let seconds = |span: Duration| format!("{:.2} s", span.as_secs_f64());
    for (what, figure) in [
        ("calls, each ended once", figures.calls.to_string()),
        ("bodies begun", figures.bodies.to_string()),
        ("calls begun more than once", figures.begun_anew.to_string()),
        ("processes killed", figures.kills.to_string()),
        ("processes paused", figures.pauses.to_string()),
        ("bodies that stood still", figures.stalled.to_string()),
        (
            "of them went on under their lease",
            figures.went_on.to_string(),
        ),
        (
            "most slots held at once",
            format!("{} of {}", figures.at_once, rules.limit),
        ),
        ("slots held on average", format!("{:.2}", figures.held)),
        (
            "longest wait for a first body",
            seconds(figures.longest_wait),
        ),
        (
            "longest passed over by younger calls",
            seconds(figures.longest_passed_over),
        ),
        ("longest without a beginning", seconds(figures.longest_idle)),
    ] {
        say(&format!("  {what:<38} {figure:>9}"));
    }
    for violation in violations.iter().take(20) {
        say(&format!("WRONG: {violation}"));
    }
    match violations.len() {
        0 => say("all held"),
        found => say(&format!("{found} violations")),
    }
}
