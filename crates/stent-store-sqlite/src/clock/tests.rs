use std::{path::Path, sync::Mutex, time::Duration};

use stent_conformance::requests::{claim, dispatch, execution, one};
use stent_core::{When, defaults};

use super::*;
use crate::{SqliteOptions, SqliteStore};

const HOUR: Duration = Duration::from_secs(3_600);

/// A machine whose clocks a test sets. Clones are the same machine.
#[derive(Clone, Debug)]
struct TestMachine(Arc<Mutex<Clocks>>);

#[derive(Debug)]
struct Clocks {
    boot_id: &'static str,
    wall: Timestamp,
    since_start: Duration,
}

impl TestMachine {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Clocks {
            boot_id: "first",
            wall: Timestamp::from_micros(1_800_000_000_000_000),
            since_start: HOUR,
        })))
    }

    fn set_wall(&self, change: impl FnOnce(Timestamp) -> Timestamp) {
        let mut clocks = self.0.lock().unwrap();
        clocks.wall = change(clocks.wall);
    }

    fn pass(&self, span: Duration) {
        let mut clocks = self.0.lock().unwrap();
        clocks.wall = clocks.wall.saturating_add(span);
        clocks.since_start += span;
    }

    /// Starts anew, which takes a minute.
    fn start_anew(&self) {
        let mut clocks = self.0.lock().unwrap();
        clocks.boot_id = "second";
        clocks.wall = clocks.wall.saturating_add(Duration::from_secs(60));
        clocks.since_start = Duration::from_secs(20);
    }

    fn open(&self, folder: &Path) -> SqliteStore {
        let mut options = SqliteOptions::new(folder.join("stent.db"));
        options.clock = StoreClock::Machine(Arc::new(self.clone()));
        options.open().unwrap()
    }
}

impl Machine for TestMachine {
    fn wall(&self) -> Timestamp {
        self.0.lock().unwrap().wall
    }

    fn boot(&self) -> Option<Boot> {
        let clocks = self.0.lock().unwrap();
        Some(Boot {
            id: clocks.boot_id.into(),
            at: clocks.wall.saturating_sub(clocks.since_start),
        })
    }

    fn since(&self, boot: &Boot) -> Timestamp {
        boot.at.saturating_add(self.0.lock().unwrap().since_start)
    }
}

/// A machine, and a store on it with one leased task.
async fn one_leased() -> (tempfile::TempDir, TestMachine, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let machine = TestMachine::new();
    let store = machine.open(folder.path());
    dispatch(&store, "1").await.unwrap();
    assert_eq!(claimed(&store).await, 1);
    (folder, machine, store)
}

async fn claimed(store: &SqliteStore) -> usize {
    claim(store, 10).await.unwrap().len()
}

/// That the lease ends after its duration, `left` of which are left.
async fn assert_lease_left(machine: &TestMachine, store: &SqliteStore, left: Duration) {
    machine.pass(left - Duration::from_millis(1));
    assert_eq!(claimed(store).await, 0, "it ended early");
    machine.pass(Duration::from_millis(1));
    assert_eq!(claimed(store).await, 1, "it was prolonged");
}

#[tokio::test]
async fn a_clock_that_is_set_forward_ends_no_lease() {
    let (_folder, machine, store) = one_leased().await;
    machine.set_wall(|wall| wall.saturating_add(HOUR));
    assert_lease_left(&machine, &store, defaults::LEASE_DURATION).await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_prolongs_no_lease() {
    let (_folder, machine, store) = one_leased().await;
    machine.set_wall(|wall| wall.saturating_sub(HOUR));
    assert_lease_left(&machine, &store, defaults::LEASE_DURATION).await;
}

#[tokio::test]
async fn what_was_due_stays_due_when_the_clock_is_set_back_and_what_was_not_keeps_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let machine = TestMachine::new();
    let store = machine.open(folder.path());
    dispatch(&store, "1").await.unwrap();
    let mut later = execution("2");
    later.root.due = When::After(HOUR / 2);
    stent_core::Store::dispatch(&store, one(later))
        .await
        .unwrap();
    machine.set_wall(|wall| wall.saturating_sub(HOUR));
    assert_eq!(claimed(&store).await, 1);
    machine.pass(HOUR);
    assert_eq!(claimed(&store).await, 1, "the lease that ended");
    machine.pass(HOUR / 2);
    // What was lost twice is claimed alone.
    let both = claimed(&store).await + claimed(&store).await;
    assert_eq!(both, 2, "it and what is due by the wall clock");
}

#[tokio::test]
async fn many_small_changes_of_the_clock_add_up_to_none() {
    let (_folder, machine, store) = one_leased().await;
    for _ in 0..1_000 {
        machine.set_wall(|wall| wall.saturating_add(Duration::from_millis(700)));
        assert_eq!(claimed(&store).await, 0);
    }
    // What is left of the lease is off by what counts as the same time.
    let left = defaults::LEASE_DURATION - stent_core::boot::TOLERANCE;
    machine.pass(left - Duration::from_millis(1));
    assert_eq!(claimed(&store).await, 0);
    machine.pass(stent_core::boot::TOLERANCE * 2);
    assert_eq!(claimed(&store).await, 1);
}

#[tokio::test]
async fn of_two_processes_one_moves_the_leases() {
    let (folder, machine, store) = one_leased().await;
    let other = machine.open(folder.path());
    assert_eq!(claimed(&other).await, 0);
    machine.set_wall(|wall| wall.saturating_add(HOUR));
    assert_eq!(claimed(&other).await, 0);
    assert_eq!(claimed(&store).await, 0);
    machine.set_wall(|wall| wall.saturating_sub(HOUR));
    assert_eq!(claimed(&store).await, 0);
    assert_eq!(claimed(&other).await, 0);
    assert_lease_left(&machine, &other, defaults::LEASE_DURATION).await;
}

#[tokio::test]
async fn a_clock_that_is_set_while_nobody_looks_ends_no_lease() {
    let (folder, machine, store) = one_leased().await;
    drop(store);
    machine.set_wall(|wall| wall.saturating_add(HOUR));
    let store = machine.open(folder.path());
    assert_lease_left(&machine, &store, defaults::LEASE_DURATION).await;
}

#[tokio::test]
async fn a_lease_of_the_first_schema_runs_on() {
    let (folder, machine, store) = one_leased().await;
    drop(store);
    let connection = rusqlite::Connection::open(folder.path().join("stent.db")).unwrap();
    connection
        .execute_batch("DROP TABLE boot; ALTER TABLE tasks DROP COLUMN attempt_ends_at; PRAGMA user_version = 1")
        .unwrap();
    drop(connection);
    let store = machine.open(folder.path());
    assert_lease_left(&machine, &store, defaults::LEASE_DURATION).await;
}

#[tokio::test]
async fn what_ran_when_the_machine_stopped_is_taken_over_at_once() {
    let (folder, machine, store) = one_leased().await;
    drop(store);
    machine.start_anew();
    let store = machine.open(folder.path());
    let other = machine.open(folder.path());
    assert_eq!(claimed(&store).await, 1);
    // The leases of this start are left alone.
    assert_eq!(claimed(&other).await, 0);
    assert_lease_left(&machine, &other, defaults::LEASE_DURATION).await;
}

#[tokio::test]
async fn what_is_undone_moves_no_lease_and_the_next_transaction_moves_it_once() {
    let (folder, machine, store) = one_leased().await;
    let connection = rusqlite::Connection::open(folder.path().join("stent.db")).unwrap();
    for undo in ["ROLLBACK", "ABORT"] {
        connection
            .execute_batch(&format!(
                "CREATE TRIGGER refuse BEFORE UPDATE ON boot BEGIN SELECT RAISE({undo}, 'no'); END"
            ))
            .unwrap();
        machine.set_wall(|wall| wall.saturating_add(HOUR));
        claim(&store, 10).await.unwrap_err();
        connection.execute_batch("DROP TRIGGER refuse").unwrap();
        assert_eq!(claimed(&store).await, 0);
    }
    assert_lease_left(&machine, &store, defaults::LEASE_DURATION).await;
}

#[tokio::test]
async fn the_time_of_the_store_follows_the_wall_clock() {
    let (_folder, machine, store) = one_leased().await;
    for change in [HOUR, HOUR * 24 * 365] {
        machine.set_wall(|wall| wall.saturating_add(change));
        let health = stent_core::Store::health(&store).await.unwrap();
        assert_eq!(health.now, machine.wall());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn this_machine_tells_its_start_and_counts_from_it() {
    let StoreClock::Machine(machine) = StoreClock::of_this_machine() else {
        return;
    };
    let starts: Vec<Boot> = (0..100).filter_map(|_| machine.boot()).collect();
    let first = starts
        .first()
        .expect("the clocks can be read at one moment");
    for start in &starts {
        let seen = stent_core::boot::align(Some(first), start, None);
        assert_eq!(seen, stent_core::boot::Alignment::Same);
    }
    let now = machine.since(first);
    let apart = now.since(machine.wall()).max(machine.wall().since(now));
    assert!(apart < Duration::from_secs(1), "{apart:?}");
}
