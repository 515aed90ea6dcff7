//! Listening to other processes, for as long as the store lives.
//!
//! A connection that is lost is replaced, after a pause that grows; one that is silent is asked now and then whether it lives. Whoever hears
//! nothing of what it says itself is behind a pooler in transaction mode: it says so once in its log, and looks for work by polling.

use std::{future::poll_fn, pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use stent_core::Hint;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Client, types::Type};

use super::{
    Wire, jittered,
    payload::{self, Heard},
};
use crate::{OpenError, error::opening, statements::quoted, tls};

const HOLD: &str = include_str!("../../sql/listen/hold.sql");

/// The first pause before a lost connection is replaced, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long it is until somebody who hears nothing listens again.
const DEAF_PAUSE: Duration = Duration::from_secs(60);
/// How often the connection is asked whether it lives, and how long it has to answer: together the time in which a loss is noticed that the
/// kernel does not tell of.
const ASK_EVERY: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);

/// How listening ended.
enum End {
    /// The connection was lost; whether it had heard before.
    Lost { had_heard: bool },
    /// Nothing was heard of what this process said itself.
    Deaf,
}

pub(super) async fn run(wire: &Arc<Wire>) {
    let mut pause = FIRST_PAUSE;
    let mut has_warned = false;
    loop {
        let ended = listen(wire).await;
        wire.set_listener(0);
        pause = match ended {
            Ok(End::Lost { had_heard: true }) => FIRST_PAUSE,
            Ok(End::Deaf) => {
                if !has_warned {
                    has_warned = true;
                    tracing::warn!(
                        "nothing is heard from other processes: a pooler in transaction mode does not pass notifications on; \
                         looking for work by polling (name a direct address with `listen_url` in the URL)"
                    );
                }
                DEAF_PAUSE
            }
            Ok(End::Lost { had_heard: false }) => (pause * 2).min(LONGEST_PAUSE),
            Err(error) => {
                tracing::debug!(error = %error, "cannot listen to other processes for now");
                (pause * 2).min(LONGEST_PAUSE)
            }
        };
        // Whatever was said meanwhile was missed.
        wire.hub.tell(vec![Hint::Anything]);
        sleep(jittered(pause)).await;
    }
}

/// Connects and listens until the connection is lost.
async fn listen(wire: &Arc<Wire>) -> Result<End, OpenError> {
    let options = wire.options.listen_at.as_deref().unwrap_or(&wire.options);
    let mut config = options.config.clone();
    let tls = tls::connector(options, &mut config)?;
    let connected = timeout(options.connect_wait(), config.connect(tls)).await;
    let (client, mut connection) = connected
        .map_err(|_| OpenError::TimedOut {
            at: options.server().0,
            waited: options.connect_wait(),
        })?
        .map_err(|error| opening(options, error))?;
    let has_heard = Notify::new();
    let reading = async {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(said) = message {
                match payload::read(wire.own, said.payload()) {
                    Heard::Own { is_test: true } => has_heard.notify_one(),
                    Heard::Own { is_test: false } => {}
                    Heard::Hint(hint) => wire.hub.tell(vec![hint]),
                }
            }
        }
    };
    let keeping = keep(wire, &client, &has_heard);
    // Statements of the one are answered by the reading of the other.
    Ok(match select(pin!(keeping), pin!(reading)).await {
        Either::Left((end, _)) => end,
        Either::Right(((), _)) => End::Lost {
            had_heard: wire.is_listening(),
        },
    })
}

/// Begins to listen, tests whether that works, and asks now and then whether the connection lives.
async fn keep(wire: &Wire, client: &Client, has_heard: &Notify) -> End {
    let lost = End::Lost { had_heard: false };
    let listen = format!("LISTEN {}", quoted(&wire.channel));
    if !matches!(
        timeout(PATIENCE, client.batch_execute(&listen)).await,
        Ok(Ok(()))
    ) {
        return lost;
    }
    // From another connection: what is said on this one would be heard even through a pooler.
    wire.notify(&[payload::test(wire.own)]).await;
    if timeout(PATIENCE, has_heard.notified()).await.is_err() {
        return End::Deaf;
    }
    let schema = &*wire.options.schema;
    let held = timeout(
        PATIENCE,
        client.query_typed_one(HOLD, &[(&schema, Type::TEXT)]),
    )
    .await;
    let Some(pid) = held
        .ok()
        .and_then(Result::ok)
        .and_then(|row| row.try_get(1).ok())
    else {
        return lost;
    };
    wire.set_listener(pid);
    wire.hub.tell(vec![Hint::Anything]);
    loop {
        sleep(ASK_EVERY).await;
        if !matches!(
            timeout(PATIENCE, client.batch_execute("")).await,
            Ok(Ok(()))
        ) {
            return End::Lost { had_heard: true };
        }
    }
}
