//! What stores keep, and what processes say to each other. It is written as lines here, so that people can read what is kept of it.

use std::str;

use stent_core::{
    CallKey, CallPosition, EntryHead, Hint, Operation, Ordinal, Outcome, OutcomeKind, TaskId,
    Timestamp,
    encoding::{OperationKind, StoredOperation},
    history::{Kept, Resolved, keep_for_replay, keep_for_retry},
};
use stent_store_postgres::__private::{Heard, read_hint, write_hint};

/// A number of a line, or nothing.
fn number(text: Option<&str>) -> Option<i64> {
    text.and_then(|text| text.parse().ok())
}

/// `KIND NUMBER NAME`
fn operation(line: &str) -> Option<Operation> {
    let mut words = line.splitn(3, ' ');
    let kind = OperationKind::from_code(number(words.next())?).ok()?;
    let number = number(words.next());
    let name = words.next().map(str::to_owned);
    Operation::try_from(StoredOperation { kind, name, number }).ok()
}

/// An operation that was read is written so that it is read as the same.
pub fn operations(data: &[u8]) {
    let Some(operation) = str::from_utf8(data).ok().and_then(operation) else {
        return;
    };
    let stored = StoredOperation::from(&operation);
    assert_eq!(
        OperationKind::from_code(stored.kind.code()),
        Ok(stored.kind)
    );
    assert!(!operation.to_string().is_empty());
    assert_eq!(Operation::try_from(stored), Ok(operation));
}

/// An outcome that was read is written so that it is read as the same. First line: its kind; then its text, if it has one.
pub fn outcomes(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (code, text) = match text.split_once('\n') {
        Some((code, text)) => (code, Some(text.to_owned())),
        None => (text, None),
    };
    let Some(Ok(kind)) = number(Some(code)).map(OutcomeKind::from_code) else {
        return;
    };
    if let Ok(outcome) = Outcome::from_stored(kind, text) {
        assert_eq!(outcome.kind(), kind);
        if let Outcome::Failed(failure) | Outcome::TimedOut(failure) = &outcome {
            assert!(failure.to_string().len() >= failure.message().len());
        }
        assert_eq!(
            Outcome::from_stored(kind, outcome.stored_text()).as_ref(),
            Ok(&outcome)
        );
    }
}

/// `POSITION AFTER ORDINAL FLAGS KEY KIND NUMBER NAME`, where what is no number or name is left out. Flags: 1 for an outcome, 2 for one that
/// completed, 4 for a wait that was given up.
fn entry(line: &str) -> Option<EntryHead> {
    let mut words = line.splitn(6, ' ');
    let mut count = || u32::try_from(number(words.next()).unwrap_or_default()).unwrap_or(u32::MAX);
    let (position, after, ordinal, flags) = (count(), count(), count(), count());
    let key = words.next().and_then(|key| CallKey::new(key).ok());
    let operation = operation(words.next()?)?;
    let resolved = (flags & 1 != 0).then_some(Resolved {
        completed: flags & 2 != 0,
        ordinal: (ordinal > 0).then_some(Ordinal(ordinal)),
    });
    let at = Timestamp::from_micros(i64::from(position));
    let id = TaskId::from_parts(at, &[0; 10]);
    let is_child = matches!(operation, Operation::Child { .. });
    Some(EntryHead {
        position: CallPosition(position),
        key,
        operation,
        after: Ordinal(after),
        child: is_child.then_some(id),
        wake_at: None,
        abandoned: flags & 4 != 0,
        signal: None,
        resolved,
    })
}

/// A retry and a replay keep what completed, and remove nothing that was not there.
pub fn histories(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let entries: Vec<_> = text.lines().filter_map(entry).collect();
    let retried = keep_for_retry(&entries);
    let replayed = keep_for_replay(&entries);
    assert_eq!(retried.deliveries, replayed.deliveries);
    for removed in &retried.removed {
        assert!(replayed.removed.contains(removed), "a replay keeps no more");
    }
    for Kept {
        deliveries,
        removed,
    } in [retried, replayed]
    {
        assert!(removed.iter().all(|entry| entries.contains(entry)));
        let stays = |entry: &EntryHead| {
            let place = entry.resolved.and_then(|resolved| resolved.ordinal);
            place.is_some_and(|place| place <= deliveries)
        };
        let unasked = |entry: &EntryHead| entry.after > deliveries || entry.was_given_up();
        assert!(removed.iter().all(|entry| !stays(entry) || unasked(entry)));
    }
}

/// A hint that was understood is said so that it is understood as the same, and fits a notification.
pub fn hints(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (own, other) = (1, 2);
    if let Heard::Hint(hint) = read_hint(own, text) {
        let said = write_hint(other, &hint);
        // PostgreSQL takes less than 8,000 bytes.
        assert!(said.len() < 8_000, "{} bytes", said.len());
        assert_eq!(read_hint(own, &said), Heard::Hint(hint.clone()));
        let is_own = Heard::Own { is_test: false };
        assert_eq!(read_hint(own, &write_hint(own, &hint)), is_own);
        assert!(hint == Hint::Anything || text.contains(' '));
    }
}
