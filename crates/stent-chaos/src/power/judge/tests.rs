use super::*;

const ONE: Call = Call(1);
const TWO: Call = Call(2);
const KEY: Key = Key(17);
const RETURNED: Ending = Ending::Returned(KEY, Signal::Early);

fn execution(number: u8) -> ExecutionId {
    let text = format!("00000000-0000-7000-8000-0000000000{number:02}");
    text.parse().unwrap()
}

fn found(call: Call, ending: Option<Ending>) -> Found {
    Found {
        call,
        execution: execution(1),
        ending,
    }
}

/// Judges one call of which all was said, by what is there at first and in the end.
fn judged(said: &[Saying], before: Option<Ending>, after: Ending) -> Vec<Violation> {
    let dispatched = [Saying::Asks(ONE), Saying::Dispatched(ONE, execution(1))];
    let aftermath = Aftermath {
        found: vec![found(ONE, before)],
        ended: vec![found(ONE, Some(after))],
        ..Aftermath::default()
    };
    judge(&[&dispatched, said].concat(), &aftermath)
}

#[test]
fn what_was_promised_and_is_there_is_no_violation() {
    let said = [
        Saying::Signalled(ONE),
        Saying::Pays(ONE, KEY),
        Saying::Shown(ONE, RETURNED),
    ];
    assert_eq!(judged(&said, Some(RETURNED), RETURNED), []);
    assert_eq!(judged(&said[..2], None, RETURNED), []);
    let cancelled = [Saying::Cancelled(ONE)];
    assert_eq!(judged(&cancelled, None, Ending::Cancelled), []);
    assert_eq!(judge(&[Saying::Asks(ONE)], &Aftermath::default()), []);
}

#[test]
fn every_loss_is_found() {
    let late = Ending::Returned(KEY, Signal::Late);
    let other = Ending::Returned(Key(18), Signal::Early);
    let gone = judge(
        &[Saying::Asks(ONE), Saying::Dispatched(ONE, execution(1))],
        &Aftermath::default(),
    );
    for (found, expected) in [
        (gone, Violation::LostDispatch(ONE)),
        (
            judged(&[Saying::Signalled(ONE)], None, late),
            Violation::LostSignal(ONE),
        ),
        (
            judged(&[Saying::Cancelled(ONE)], None, RETURNED),
            Violation::LostCancel(ONE),
        ),
        (
            judged(&[Saying::Pays(ONE, KEY)], None, other),
            Violation::LostKey(ONE, KEY),
        ),
        (
            judged(&[Saying::Shown(ONE, RETURNED)], None, RETURNED),
            Violation::LostEnding(ONE, RETURNED),
        ),
    ] {
        assert!(expected.is_loss());
        assert_eq!(found, [expected]);
    }
}

#[test]
fn what_no_loss_explains_is_found() {
    let said = [
        Saying::Asks(ONE),
        Saying::Dispatched(ONE, execution(1)),
        Saying::Asks(TWO),
    ];
    let ended = Some(RETURNED);
    let only = |found: Vec<Found>| Aftermath {
        found: found.clone(),
        ended: found,
        ..Aftermath::default()
    };
    for (said, aftermath, expected) in [
        (
            &said[..],
            only(vec![found(TWO, ended)]),
            Violation::Gap {
                gone: ONE,
                there: TWO,
            },
        ),
        (
            &said[..0],
            only(vec![found(ONE, ended)]),
            Violation::Invented(ONE),
        ),
        (
            &said[..1],
            only(vec![found(ONE, ended), found(ONE, ended)]),
            Violation::Invented(ONE),
        ),
        (
            &said[..1],
            only(vec![found(ONE, None)]),
            Violation::Unfinished(ONE),
        ),
        (
            &said[..1],
            only(vec![found(ONE, Some(Ending::Failed))]),
            Violation::Unfinished(ONE),
        ),
        (
            &said[..1],
            Aftermath {
                damage: vec!["torn".to_owned()],
                ..Aftermath::default()
            },
            Violation::Damaged("torn".to_owned()),
        ),
    ] {
        let judged = judge(said, &aftermath);
        assert!(judged.contains(&expected), "{judged:?}");
        assert!(judged.iter().any(|violation| !violation.is_loss()));
    }
}
