//! A TCP proxy before a PostgreSQL server, which cuts connections by what they mean: at a COMMIT, before the server hears of it, or after. It can
//! also cut them wherever they are, close one half of them, or send nothing on for a while.
//!
//! It reads the frontend/backend protocol (<https://www.postgresql.org/docs/current/protocol-message-formats.html>) as far as it must: where
//! messages end, which one is a COMMIT, and which answers it. What is encrypted it cannot read, so connections through it are not.
//!
//! **Invariant:** unless all are cut, a connection is cut at a COMMIT or not at all; and what is sent on is sent on unchanged and in order.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fmt,
    io::{self, Error},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::Instant,
};

/// When a client's connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before its COMMIT is sent on: the server never hears of it, and rolls back.
    Before,
    /// When the server has answered its COMMIT: it is done, and the answer is lost.
    After,
    /// Before its COMMIT is sent on, which happens so much later: the client has long been told that its connection is gone, and its transaction is
    /// still open.
    Late(Duration),
}

/// How all connections end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndAll {
    /// Both halves at once.
    Whole,
    /// What the server answers first: what clients say is still sent on for so long.
    Answers(Duration),
}

/// Says of each COMMIT, which are counted from 1, whether its connection is cut.
type Plan = Box<dyn FnMut(u64) -> Option<Cut> + Send>;

/// A proxy on a port of its own. Dropped, it closes all its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    server: SocketAddr,
    plan: Mutex<(u64, Plan)>,
    cuts: AtomicU64,
    /// Nothing is sent on before this instant.
    stalled_until: watch::Sender<Option<Instant>>,
    /// How all present connections are to end, if they are.
    ends: watch::Sender<Option<EndAll>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("server", &self.server)
            .field("cuts", &self.cuts)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Starts one that cuts nothing yet.
    ///
    /// # Errors
    /// When there is no port for it.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            plan: Mutex::new((0, Box::new(|_| None))),
            cuts: AtomicU64::new(0),
            stalled_until: watch::Sender::new(None),
            ends: watch::Sender::new(None),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks of each COMMIT from now on, the first of which is 1, whether its connection is cut.
    pub fn plan(&self, plan: impl FnMut(u64) -> Option<Cut> + Send + 'static) {
        *self.shared.plan() = (0, Box::new(plan));
    }

    /// Cuts the connection of the next COMMIT, and of no other.
    pub fn cut_next(&self, cut: Cut) {
        self.plan(move |commit| (commit == 1).then_some(cut));
    }

    /// Cuts all present connections.
    pub fn cut_all(&self) {
        self.shared.ends.send_replace(Some(EndAll::Whole));
    }

    /// Ends what the server answers on all present connections; what clients say is still sent on for so long.
    pub fn end_answers(&self, span: Duration) {
        self.shared.ends.send_replace(Some(EndAll::Answers(span)));
    }

    /// Sends nothing on for so long, in neither direction.
    pub fn stall(&self, span: Duration) {
        let until = Instant::now() + span;
        self.shared.stalled_until.send_replace(Some(until));
    }

    /// How many connections it has cut at a COMMIT.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn plan(&self) -> MutexGuard<'_, (u64, Plan)> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until things are sent on.
    async fn calm(&self) {
        let mut stalled_until = self.stalled_until.subscribe();
        loop {
            let until = *stalled_until.borrow_and_update();
            let Some(until) = until.filter(|until| Instant::now() < *until) else {
                return;
            };
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                changed = stalled_until.changed() => changed.unwrap_or_default(),
            }
        }
    }

    /// What happens to the connection of this COMMIT.
    fn next(&self) -> Option<Cut> {
        let (commits, plan) = &mut *self.plan();
        *commits += 1;
        let cut = plan(*commits);
        if cut.is_some() {
            self.cuts.fetch_add(1, Ordering::SeqCst);
        }
        cut
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // However a connection ends, its ends are closed then.
        connections.spawn(async move { relay(client, &shared).await.unwrap_or_default() });
        while connections.try_join_next().is_some() {}
    }
}

/// How relaying ends.
enum End {
    /// All is closed.
    Closed,
    /// The client's side is closed, and this is sent on later.
    Late(Vec<u8>, Duration),
}

/// Sends on what both sides say until one of them closes, or it is cut.
async fn relay(client: TcpStream, shared: &Shared) -> io::Result<()> {
    let server = TcpStream::connect(shared.server).await?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let (from_client, mut to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let mut requests = Messages::new(from_client, VecDeque::from([Form::Untyped]));
    let mut answers = Messages::new(from_server, VecDeque::new());
    let awaits_commit = AtomicBool::new(false);
    let mut ends = shared.ends.subscribe();
    let mut end_all = None;
    let end = {
        let asking = ask(&mut requests, &mut to_server, &awaits_commit, shared);
        tokio::pin!(asking);
        let end = tokio::select! {
            biased;
            end = &mut asking => end?,
            end = answer(&mut answers, &mut to_client, &awaits_commit, shared) => end?,
            changed = ends.changed() => {
                changed.unwrap_or_default();
                end_all = *ends.borrow_and_update();
                End::Closed
            }
        };
        if let Some(EndAll::Answers(span)) = end_all {
            to_client.shutdown().await?;
            // However the client takes it, its connection ends then.
            drop(tokio::time::timeout(span, asking).await);
        }
        end
    };
    drop((requests, to_client));
    if let End::Late(commit, span) = end {
        tokio::time::sleep(span).await;
        to_server.write_all(&commit).await?;
        while !answers_commit(&answers.next().await?) {}
    }
    Ok(())
}

/// Sends on what the client says.
async fn ask(
    client: &mut Messages,
    server: &mut OwnedWriteHalf,
    awaits_commit: &AtomicBool,
    shared: &Shared,
) -> io::Result<End> {
    loop {
        let message = client.next().await?;
        let cut = if is_commit(&message) {
            shared.next()
        } else {
            None
        };
        match cut {
            None => {
                shared.calm().await;
                server.write_all(&message).await?;
            }
            Some(Cut::Before) => return Ok(End::Closed),
            Some(Cut::After) => {
                awaits_commit.store(true, Ordering::SeqCst);
                server.write_all(&message).await?;
                // The answer ends it.
                std::future::pending::<()>().await;
            }
            Some(Cut::Late(span)) => return Ok(End::Late(message, span)),
        }
    }
}

/// Sends on what the server answers.
async fn answer(
    server: &mut Messages,
    client: &mut OwnedWriteHalf,
    awaits_commit: &AtomicBool,
    shared: &Shared,
) -> io::Result<End> {
    loop {
        let message = server.next().await?;
        shared.calm().await;
        if answers_commit(&message) && awaits_commit.load(Ordering::SeqCst) {
            return Ok(End::Closed);
        }
        client.write_all(&message).await?;
    }
}

/// How a message begins: the first one of a client has no byte that says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Untyped,
    Typed,
}

/// One side's messages.
struct Messages {
    from: OwnedReadHalf,
    read: Vec<u8>,
    /// The forms of the next ones; then they are typed.
    forms: VecDeque<Form>,
}

impl Messages {
    const fn new(from: OwnedReadHalf, forms: VecDeque<Form>) -> Self {
        Self {
            from,
            read: Vec::new(),
            forms,
        }
    }

    /// The next one, whole.
    async fn next(&mut self) -> io::Result<Vec<u8>> {
        let form = self.forms.front().copied().unwrap_or(Form::Typed);
        loop {
            if let Some(length) = length(&self.read, form)
                && length <= self.read.len()
            {
                self.forms.pop_front();
                return Ok(self.read.drain(..length).collect());
            }
            if self.from.read_buf(&mut self.read).await? == 0 {
                return Err(Error::from(io::ErrorKind::UnexpectedEof));
            }
        }
    }
}

/// How long the message at the beginning is, once that is known: its length counts itself, but not the byte before it.
fn length(read: &[u8], form: Form) -> Option<usize> {
    let before = match form {
        Form::Untyped => 0,
        Form::Typed => 1,
    };
    let length = read.get(before..before + 4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(length))
        .ok()?
        .checked_add(before)
}

/// Whether a client's message is a simple query `COMMIT`.
fn is_commit(message: &[u8]) -> bool {
    text(message, b'Q').is_some_and(|query| query.trim_ascii().eq_ignore_ascii_case(b"commit"))
}

/// Whether a server's message says that a COMMIT was done, or that it rolled back.
fn answers_commit(message: &[u8]) -> bool {
    text(message, b'C').is_some_and(|tag| tag == b"COMMIT" || tag == b"ROLLBACK")
}

/// What a message of one kind says, which is all that it holds.
fn text(message: &[u8], kind: u8) -> Option<&[u8]> {
    message.strip_prefix(&[kind])?.get(4..)?.strip_suffix(&[0])
}
