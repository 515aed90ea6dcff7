//! Everything at once: processes that call and work are killed and paused, and the database and the way to it are damaged, in every way that the
//! store must survive.

use std::{collections::BTreeSet, error::Error, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use fastrand::Rng;
use stent::{
    Outcome, StateKind,
    prelude::*,
    store::{ExecutionQuery, ExecutionRecord},
};
use stent_chaos::{
    accounts,
    history::{self, Call, Event, Fate, Journal, now},
    limit,
};

use crate::{
    dispatcher::{KEY, show},
    options::{minutes, new_history, say},
    storm::{Role, Storm},
    trouble::Trouble,
    worker::{GO, Orders, PARTS, Receipt, limited, open, order},
};

/// How long it may take after the storm until all that was called has ended.
const AFTERMATH: Duration = Duration::from_secs(120);
/// How often it is looked whether all has ended.
const LOOK: Duration = Duration::from_millis(200);
/// Executions that are looked at in one go.
const PAGE: u32 = 1_000;
/// How often the progress of a long trial is told.
const PROGRESS: Duration = Duration::from_secs(60);

/// What to damage, and for how long.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The store
    #[arg(long)]
    store: Kind,
    /// How long the storm lasts
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0, value_parser = minutes)]
    minutes: f64,
    /// Worker processes
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Processes that call
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    dispatchers: u16,
    /// How long leases run
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = humantime::parse_duration)]
    lease: Duration,
    /// What decides what is struck when; by default another one each time
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Where the history is kept; by default it is gone at the end
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
}

/// A store that can be tried.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// Runs the trial; whether all held.
pub(crate) async fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let history = new_history(options.history.as_deref(), temporary.path())?;
    let trouble = match options.store {
        Kind::Sqlite => Trouble::sqlite()?,
        Kind::Postgres => Trouble::postgres().await?,
    };
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    say(&format!(
        "{} workers and {} that call for {}, with leases of {}, seed {seed}",
        options.workers,
        options.dispatchers,
        humantime::format_duration(Duration::from_secs_f64(60.0 * options.minutes)),
        humantime::format_duration(options.lease),
    ));
    let orders = Orders {
        process: 0,
        url: trouble.url(),
        history: history.clone(),
        lease: options.lease,
    };
    storm(options, &trouble, orders, seed).await?;
    let mut wrong = trouble.audit()?;
    let limit = limited::definition()
        .limit
        .ok_or("there is no limit to try")?;
    let rules = limit::Rules {
        limit: usize::try_from(limit.max_concurrent.get())?,
        lease: options.lease,
        // While the database is away nothing begins, and what was called first need not come to its limited part first.
        patience: Duration::MAX,
    };
    let lines = history::read(&history)?;
    let (exceeded, limits) = limit::judge(&lines, &rules);
    wrong.extend(exceeded.iter().map(ToString::to_string));
    let (unaccounted, accounts) = accounts::judge(&lines, &PARTS);
    wrong.extend(unaccounted.iter().map(ToString::to_string));
    report(&wrong, &accounts, &limits, rules.limit);
    Ok(wrong.is_empty())
}

/// Lets the storm rage, and waits until all has ended.
async fn storm(
    options: &Options,
    trouble: &Trouble,
    orders: Orders,
    seed: u64,
) -> Result<(), Box<dyn Error>> {
    let span = Duration::from_secs_f64(60.0 * options.minutes);
    let journal = Journal::open(&orders.history)?;
    let mut random = Rng::with_seed(seed);
    // It makes the tables, before anyone is killed.
    let stent = open(&orders.url).await?;
    let workers = std::iter::repeat_n(Role::Worker, options.workers.into());
    let dispatchers = std::iter::repeat_n(Role::Dispatcher, options.dispatchers.into());
    let roles = workers.chain(dispatchers);
    let mut storm = Storm::begin(orders, roles, random.u64(..))?;
    tokio::select! {
        raged = async {
            tokio::try_join!(
                storm.rage(span),
                trouble.rage(span, options.lease, &journal, &mut random)
            )
        } => raged.map(drop)?,
        told = tell_progress(&stent) => told?,
    }
    storm.end(Role::Dispatcher)?;
    let ended = tokio::time::timeout(AFTERMATH, all_end(&stent)).await;
    // What has not ended then is found by the last look.
    if let Ok(ended) = ended {
        ended?;
    }
    look_at_all(&stent, &journal).await?;
    storm.end(Role::Worker)
}

/// Tells from time to time that the storm goes on.
async fn tell_progress(stent: &Stent) -> Result<(), Box<dyn Error>> {
    let began = now();
    loop {
        tokio::time::sleep(PROGRESS).await;
        let minutes = (now() - began).as_secs() / 60;
        match stent.functions().await {
            Ok(functions) => {
                let orders = functions
                    .iter()
                    .find(|one| one.name == order::definition().name);
                let waiting = orders.map_or(0, |one| one.counts.pending + one.counts.suspended);
                let running = orders.map_or(0, |one| one.counts.running);
                say(&format!(
                    "  {minutes} min: {running} orders run, {waiting} wait"
                ));
            }
            Err(error) => say(&format!("  {minutes} min: {error}")),
        }
    }
}

/// Sends whoever still waits what it waits for, until all have ended: some callers were killed before they did.
async fn all_end(stent: &Stent) -> Result<(), Box<dyn Error>> {
    let mut told = BTreeSet::new();
    loop {
        let query = ExecutionQuery {
            states: vec![StateKind::Pending, StateKind::Running, StateKind::Suspended],
            limit: PAGE,
            ..ExecutionQuery::default()
        };
        let page = stent.executions(query).await?;
        if page.executions.is_empty() {
            return Ok(());
        }
        for record in &page.executions {
            let id = record.root.task.execution;
            if told.insert(id) {
                match stent.signal(id, GO, &call_of(record)?.0).await {
                    Ok(()) | Err(stent::Error::Ended { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Writes down what became of every call, and what its caller would be shown now.
async fn look_at_all(stent: &Stent, journal: &Journal) -> Result<(), Box<dyn Error>> {
    let mut before = None;
    loop {
        let query = ExecutionQuery {
            before,
            limit: PAGE,
            payloads: true,
            ..ExecutionQuery::default()
        };
        let page = stent.executions(query).await?;
        for record in &page.executions {
            let call = call_of(record)?;
            let fate = match &record.root.outcome {
                Some(Outcome::Completed(receipt)) => {
                    show(journal, call, &receipt.decode::<Receipt>()?)?;
                    Fate::Completed
                }
                Some(Outcome::Cancelled) => Fate::Cancelled,
                Some(Outcome::Failed(_) | Outcome::TimedOut(_)) => Fate::Failed,
                None => Fate::Unfinished,
            };
            journal.write(Event::Over(call, fate))?;
        }
        before = page
            .executions
            .last()
            .map(|record| record.root.task.execution);
        if !page.more {
            return Ok(());
        }
    }
}

/// The call that an execution was made for.
fn call_of(record: &ExecutionRecord) -> Result<Call, Box<dyn Error>> {
    let key = record.idempotency_key.as_ref().map(|key| key.as_str());
    let call = key.and_then(|key| Some(Call(key.strip_prefix(KEY)?.parse().ok()?)));
    call.ok_or_else(|| format!("an execution has the key {key:?}, which no call has").into())
}

/// Says what happened and what was wrong.
fn report(wrong: &[String], accounts: &accounts::Figures, limits: &limit::Figures, limit: usize) {
    for (what, figure) in [
        ("calls accepted", accounts.accepted.to_string()),
        (
            "calls of which nobody was told",
            format!("{}, of which {} were kept", accounts.unsure, accounts.kept),
        ),
        ("calls completed", accounts.completed.to_string()),
        ("calls cancelled", accounts.cancelled.to_string()),
        ("parts done more than once", accounts.done_again.to_string()),
        ("processes killed", accounts.kills.to_string()),
        ("processes paused", accounts.pauses.to_string()),
        (
            "most slots held at once",
            format!("{} of {limit}", limits.at_once),
        ),
    ] {
        say(&format!("  {what:<32} {figure}"));
    }
    for (damage, times) in &accounts.damages {
        say(&format!("  {:<32} {times}", format!("{damage:?}")));
    }
    for wrong in wrong.iter().take(20) {
        say(&format!("WRONG: {wrong}"));
    }
    match wrong.len() {
        0 => say("all held"),
        found => say(&format!("{found} violations")),
    }
}
