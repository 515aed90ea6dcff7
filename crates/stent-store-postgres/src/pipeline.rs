//! Statements that are sent together, without waiting for each other's answers.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};

use tokio_postgres::{Row, error::SqlState, types::ToSql};

use crate::{fault::Fault, pool::Statement, session::Session, statements::Sql};

/// A parameter that a call owns.
type Owned = Box<dyn ToSql + Sync + Send>;

/// One statement with its parameters.
pub(crate) struct Call {
    sql: Sql,
    parameters: Vec<Owned>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sql.fmt(f)
    }
}

impl Call {
    pub(crate) const fn new(sql: Sql) -> Self {
        Self {
            sql,
            parameters: Vec::new(),
        }
    }

    /// Adds the next parameter.
    #[must_use]
    pub(crate) fn with(mut self, parameter: impl ToSql + Sync + Send + 'static) -> Self {
        self.parameters.push(Box::new(parameter));
        self
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>, Fault>> + Send + 'a>>;

/// Where a pipeline stands in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// It begins the transaction.
    Begin,
    /// It begins a transaction that sees one instant and changes nothing.
    BeginRead,
    /// Within the transaction.
    Middle,
    /// It commits the transaction. Where a statement before fails, the database rolls back instead.
    Commit,
    /// It is the whole transaction.
    Whole,
    /// Each statement is a transaction of its own, and nobody minds if it was done or not.
    Alone,
}

impl Session<'_> {
    /// Sends statements together, in order; the answers of each, or the first failure.
    pub(crate) async fn pipeline(
        &self,
        frame: Frame,
        calls: &[Call],
    ) -> Result<Vec<Vec<Row>>, Fault> {
        let mut statements = Vec::with_capacity(calls.len());
        let mut answers: Vec<Answer<'_>> = Vec::with_capacity(calls.len() + 2);
        match frame {
            Frame::Begin | Frame::Whole => answers.push(self.begin(Sql::Begin)),
            Frame::BeginRead => answers.push(self.begin(Sql::BeginRead)),
            Frame::Middle | Frame::Commit | Frame::Alone => {}
        }
        // To prepare a statement, the server looks at its tables, and waits for whoever has locked them: within the transaction's bounds.
        // Without prepared statements that is done once per store, under names that may be taken, which no transaction would survive.
        let mut begin = answers
            .first_mut()
            .filter(|_| self.connection.keeps_statements());
        for call in calls {
            let prepared = self.prepare(call.sql);
            statements.push(match &mut begin {
                Some(begin) => match after(begin, prepared).await {
                    Ok(statement) => statement,
                    // Why the transaction did not begin says more than that there is none.
                    Err(fault) => return Err(begin.await.err().unwrap_or(fault)),
                },
                None => prepared.await?,
            });
        }
        for (call, statement) in calls.iter().zip(&statements) {
            answers.push(Box::pin(self.answer(call, statement)));
        }
        if matches!(frame, Frame::Commit | Frame::Whole) {
            answers.push(self.commit());
        }
        let mut answers = settled(frame, in_order(answers).await)?;
        match frame {
            Frame::Begin | Frame::BeginRead => drop(answers.remove(0)),
            Frame::Commit => drop(answers.pop()),
            Frame::Whole => drop((answers.remove(0), answers.pop())),
            Frame::Middle | Frame::Alone => {}
        }
        Ok(answers)
    }

    fn begin(&self, sql: Sql) -> Answer<'_> {
        Box::pin(async move {
            let text = self.shared.statements.text(sql);
            match self.connection.begin(text).await {
                Ok(()) => Ok(Vec::new()),
                Err(error) if error.code() == Some(&SqlState::DIVISION_BY_ZERO) => {
                    Err(Fault::OtherServer(error))
                }
                // `READ WRITE` is what a standby does not support.
                Err(error) if error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) => {
                    Err(Fault::Standby(error))
                }
                Err(error) => Err(error.into()),
            }
        })
    }

    fn commit(&self) -> Answer<'_> {
        Box::pin(async move {
            self.connection.batch_execute("COMMIT").await?;
            Ok(Vec::new())
        })
    }

    async fn answer(&self, call: &Call, statement: &Statement) -> Result<Vec<Row>, Fault> {
        let parameters: Vec<&(dyn ToSql + Sync)> = call
            .parameters
            .iter()
            .map(|parameter| &**parameter as &(dyn ToSql + Sync))
            .collect();
        self.run(statement, &parameters).await
    }
}

/// Waits for what is sent after another request, and meanwhile takes what comes of that one's answer: a connection hands over nothing further
/// while nobody takes what came first.
/// proven by pieces::an_answer_that_comes_in_pieces_is_understood
async fn after<T>(first: &mut Answer<'_>, next: impl Future<Output = T>) -> T {
    let mut early = None;
    let mut next = pin!(next);
    let next = poll_fn(|context| {
        if early.is_none()
            && let Poll::Ready(ready) = first.as_mut().poll(context)
        {
            early = Some(ready);
        }
        next.as_mut().poll(context)
    })
    .await;
    if let Some(ready) = early {
        *first = Box::pin(std::future::ready(ready));
    }
    next
}

/// Waits for all, each polled for the first time after the one before: that is the order in which they are sent.
async fn in_order(mut waiting: Vec<Answer<'_>>) -> Vec<Result<Vec<Row>, Fault>> {
    let mut done: Vec<Option<Result<Vec<Row>, Fault>>> = waiting.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut is_ready = true;
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(answer) => *done = Some(answer),
                    Poll::Pending => is_ready = false,
                }
            }
        }
        if is_ready {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// The answers, or the first failure, with what it says about a commit that was sent with the rest.
fn settled(frame: Frame, answers: Vec<Result<Vec<Row>, Fault>>) -> Result<Vec<Vec<Row>>, Fault> {
    let commits_at = match frame {
        Frame::Commit | Frame::Whole => answers.len().checked_sub(1),
        Frame::Begin | Frame::BeginRead | Frame::Middle | Frame::Alone => None,
    };
    let mut settled = Vec::with_capacity(answers.len());
    for (at, answer) in answers.into_iter().enumerate() {
        settled.push(match (answer, commits_at) {
            (Err(Fault::Postgres(error)), Some(commits_at))
                // What the server refused before the commit made that roll back.
                if at >= commits_at || error.code().is_none() =>
            {
                return Err(Fault::Commit(error));
            }
            (answer, _) => answer?,
        });
    }
    Ok(settled)
}
