//! A throwaway PostgreSQL server that stays until it is stopped, and the one that a run of all tests shares.

use std::{env, path::PathBuf};

use clap::Subcommand;
use stent_test_postgres::{Cluster, Options, URL_VARIABLE};

use crate::run::{Done, Failed, show};

/// What to do with the server.
#[derive(Subcommand)]
#[command(
    after_help = "The server's data is in a temporary folder and gone when it is stopped; it waits for the disk, as a real one does.\n\
    \n\
    Example:\n    \
    export STENT_TEST_POSTGRES_URL=$(cargo xtask pg start)\n    \
    cargo test -p stent-store-postgres\n    \
    cargo xtask pg stop"
)]
pub(crate) enum Verb {
    /// Start it on a free port, if it does not run, and print its URL
    Start,
    /// Stop it and remove its data
    Stop,
    /// Print its URL
    Url,
    /// Open psql on it
    Psql {
        /// What psql is given beside the URL
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "ARGUMENTS"
        )]
        arguments: Vec<String>,
    },
}

/// The database that is there from the beginning.
const DATABASE: &str = "postgres";

pub(crate) fn run(verb: &Verb) -> Done {
    match verb {
        Verb::Start => {
            let cluster = match running()? {
                Some(cluster) => cluster,
                None => Cluster::keep(&folder(), &Options::new().durable(true))
                    .map_err(Failed::Postgres)?,
            };
            println!("{}", cluster.url(DATABASE));
        }
        Verb::Stop => match running()? {
            Some(cluster) => cluster.remove().map_err(Failed::Postgres)?,
            None => println!("it does not run"),
        },
        Verb::Url => println!("{}", needed()?.url(DATABASE)),
        Verb::Psql { arguments } => {
            let cluster = needed()?;
            let mut psql = std::process::Command::new(cluster.programs().path("psql"));
            psql.arg(cluster.url(DATABASE)).args(arguments);
            show(psql)?;
        }
    }
    Ok(())
}

/// The URL of a server for a run of tests: the one that the environment names, or one that ends with this process.
pub(crate) fn for_tests() -> Done<(String, Option<Cluster>)> {
    if let Ok(url) = env::var(URL_VARIABLE) {
        return Ok((url, None));
    }
    let cluster = Cluster::start(&Options::new()).map_err(Failed::Postgres)?;
    Ok((cluster.url(DATABASE), Some(cluster)))
}

fn folder() -> PathBuf {
    env::temp_dir().join("stent-pg")
}

fn running() -> Done<Option<Cluster>> {
    Cluster::running(&folder()).map_err(Failed::Postgres)
}

fn needed() -> Done<Cluster> {
    running()?.ok_or_else(|| {
        Failed::Found(vec![
            "it does not run; start it with `cargo xtask pg start`".to_owned(),
        ])
    })
}
