//! What is found in histories that are too short to be real.

use std::time::Duration;

use super::*;

const CALL: Call = Call(7);
const PARTS: [Part; 2] = [Part(1), Part(2)];

fn found(events: &[Event]) -> Vec<Violation> {
    let lines: Vec<Line> = events
        .iter()
        .enumerate()
        .map(|(place, event)| Line {
            at: Duration::from_millis(u64::try_from(place).unwrap()),
            event: *event,
        })
        .collect();
    judge(&lines, &PARTS).0
}

/// A call that is done and shown as it should be.
fn whole() -> Vec<Event> {
    vec![
        Event::Invoked(CALL),
        Event::Accepted(CALL),
        Event::Did(CALL, Part(1), 10),
        Event::Did(CALL, Part(2), 20),
        Event::Got(CALL, Part(1), 10),
        Event::Got(CALL, Part(2), 20),
        Event::Over(CALL, Fate::Completed),
    ]
}

fn without(event: Event) -> Vec<Event> {
    let events = whole();
    assert!(events.contains(&event));
    events.into_iter().filter(|it| *it != event).collect()
}

fn with(event: Event) -> Vec<Event> {
    [whole(), vec![event]].concat()
}

#[test]
fn a_call_that_was_done_and_shown_is_well() {
    assert_eq!(found(&whole()), []);
    // A part may be done twice, if one of them is what counts from then on.
    assert_eq!(found(&with(Event::Did(CALL, Part(1), 11))), []);
    // Of a client that was killed nobody knows whether its call was kept.
    assert_eq!(found(&[Event::Invoked(CALL)]), []);
}

#[test]
fn a_call_that_is_gone_at_the_end_is_found() {
    let events = [Event::Invoked(CALL), Event::Accepted(CALL)];
    assert_eq!(found(&events), [Violation::Lost(CALL)]);
}

#[test]
fn an_end_that_nobody_asked_for_is_found() {
    for fate in [Fate::Cancelled, Fate::Failed] {
        let events = [Event::Accepted(CALL), Event::Over(CALL, fate)];
        assert_eq!(found(&events), [Violation::Ended(CALL, fate)]);
    }
    let events = [Event::Cancels(CALL), Event::Over(CALL, Fate::Cancelled)];
    assert_eq!(found(&events), []);
    let events = [Event::Over(CALL, Fate::Unfinished)];
    assert_eq!(found(&events), [Violation::Unfinished(CALL)]);
}

#[test]
fn a_result_that_changes_or_lacks_something_is_found() {
    let events = with(Event::Did(CALL, Part(2), 21));
    let events = [events, vec![Event::Got(CALL, Part(2), 21)]].concat();
    assert_eq!(found(&events), [Violation::Changed(CALL, Part(2))]);
    let events = without(Event::Got(CALL, Part(1), 10));
    assert_eq!(found(&events), [Violation::Changed(CALL, Part(1))]);
}

#[test]
fn a_result_that_nobody_wrote_down_is_found() {
    let events = without(Event::Did(CALL, Part(2), 20));
    assert_eq!(found(&events), [Violation::Invented(CALL, Part(2), 20)]);
}

#[test]
fn what_happened_is_counted() {
    let events = [
        Event::Invoked(Call(1)),
        Event::Invoked(Call(2)),
        Event::Over(Call(2), Fate::Cancelled),
        Event::Kills(1),
        Event::Pauses(2),
        Event::Damages(Damage::Restart),
        Event::Damages(Damage::Restart),
    ];
    let events = [whole(), events.to_vec()].concat();
    let lines = events.into_iter().map(|event| Line {
        at: Duration::ZERO,
        event,
    });
    let (_, figures) = judge(&lines.collect::<Vec<_>>(), &PARTS);
    let expected = Figures {
        accepted: 1,
        unsure: 2,
        kept: 1,
        completed: 1,
        cancelled: 1,
        done_again: 0,
        kills: 1,
        pauses: 1,
        damages: BTreeMap::from([(Damage::Restart, 2)]),
    };
    assert_eq!(figures, expected);
}
