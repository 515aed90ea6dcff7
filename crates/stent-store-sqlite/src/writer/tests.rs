use super::*;
use crate::{SqliteOptions, open};

fn writer() -> (tempfile::TempDir, Writer) {
    let folder = tempfile::tempdir().unwrap();
    let opened = open::open(&SqliteOptions::new(folder.path().join("stent.db"))).unwrap();
    let clock = StoreClock::of_this_machine();
    let writer =
        Writer::start(opened.writer, Arc::new(opened.place), clock, Arc::default()).unwrap();
    (folder, writer)
}

#[tokio::test]
async fn a_panic_of_the_thread_is_told_to_whoever_waits_and_whoever_comes_later() {
    let (_folder, writer) = writer();
    let error = writer
        .write::<(), _>("first", 1, |_| panic!("a bug"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::OutcomeUnknown { .. }),
        "{error}"
    );
    let error = writer.write("second", 1, |_| Ok(())).await.unwrap_err();
    assert!(matches!(error, StoreError::Final { .. }), "{error}");
}

#[tokio::test]
async fn a_request_that_fails_is_undone_alone_in_its_transaction() {
    let (_folder, writer) = writer();
    let limit = |session: &mut Session<'_>, name: &str, number: i64| {
        session.execute(Sql::SetLimit, rusqlite::params![name, number])?;
        Ok::<_, Fault>(())
    };
    // The first holds the thread until all of them are in the queue.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let first = writer.write("first", 1, move |_| {
        wait.recv().map_err(|_| rusqlite::Error::InvalidQuery)?;
        Ok(())
    });
    let second = writer.write("second", 1, move |session| limit(session, "second", 2));
    let third = writer.write("third", 1, move |session| {
        limit(session, "third", 3)?;
        limit(session, "third", 0)
    });
    let fourth = writer.write("fourth", 1, move |session| limit(session, "fourth", 4));
    let release = async { go.send(()) };
    let (first, second, third, fourth, released) =
        tokio::join!(first, second, third, fourth, release);
    released.unwrap();
    assert!(first.is_ok() && second.is_ok() && fourth.is_ok());
    let error = third.unwrap_err();
    assert!(matches!(error, StoreError::Final { .. }), "{error}");
    let kept = writer
        .write("look", 1, |session| {
            crate::session::load_limits(&mut session.sql)
        })
        .await
        .unwrap();
    let mut names: Vec<_> = kept.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["fourth", "second"]);
    assert!(writer.counts().commits.load(Ordering::Relaxed) <= 3);
}

#[tokio::test]
async fn what_was_committed_into_a_file_that_was_taken_away_is_not_acknowledged() {
    let (folder, writer) = writer();
    let database = folder.path().join("stent.db");
    let taken_away = writer.write("take away", 1, move |_| {
        std::fs::remove_file(database).unwrap();
        Ok(())
    });
    let error = taken_away.await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error}");
    let error = writer.write("next", 1, |_| Ok(())).await.unwrap_err();
    assert!(matches!(error, StoreError::Final { .. }), "{error}");
}
