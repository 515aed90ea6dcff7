//! Histories in which something is wrong, and some that only look like it.

use super::*;

const LEASE: Duration = Duration::from_secs(1);
const RULES: Rules = Rules {
    limit: 2,
    lease: LEASE,
    patience: Duration::from_secs(2),
};

const fn body(number: u64) -> Body {
    Body { process: 7, number }
}

/// A history under construction: times are in milliseconds.
#[derive(Default)]
struct History(Vec<Line>);

impl History {
    fn add(mut self, at: u64, event: Event) -> Self {
        let at = Duration::from_millis(at);
        self.0.push(Line { at, event });
        self
    }

    /// A call that is dispatched at once.
    fn called(self, at: u64, call: u64) -> Self {
        let call = Call(call);
        self.add(at, Event::Invoked(call))
            .add(at, Event::Acknowledged(call))
    }

    fn begins(self, at: u64, call: u64, number: u64) -> Self {
        self.add(at, Event::Begins(Call(call), body(number)))
    }

    /// A body that ticks each 50 ms.
    fn ticks(mut self, from: u64, until: u64, number: u64) -> Self {
        for at in (from..=until).step_by(50) {
            self = self.add(at, Event::Ticks(body(number)));
        }
        self
    }

    fn ends(self, at: u64, number: u64) -> Self {
        self.add(at, Event::Ends(body(number)))
    }

    fn shown(self, at: u64, call: u64, number: u64) -> Self {
        self.add(at, Event::Shown(Call(call), body(number)))
    }

    /// A call from its dispatch to its outcome, by the body of its number.
    fn whole(self, from: u64, until: u64, call: u64) -> Self {
        self.called(from, call)
            .begins(from, call, call)
            .ticks(from + 50, until - 50, call)
            .ends(until, call)
            .shown(until + 1, call, call)
    }

    fn judge(mut self) -> (Vec<Violation>, Figures) {
        self.0.sort_by_key(|line| line.at);
        judge(&self.0, &RULES)
    }

    #[track_caller]
    fn expect_fine(self) -> Figures {
        let (violations, figures) = self.judge();
        assert_eq!(violations, []);
        figures
    }

    #[track_caller]
    fn finds(self, expected: &[Violation]) {
        assert_eq!(self.judge().0, expected);
    }
}

#[test]
fn a_history_in_which_all_is_well_has_figures_and_nothing_else() {
    let figures = History::default()
        .whole(0, 100, 1)
        .whole(0, 100, 2)
        .whole(100, 200, 3)
        .expect_fine();
    assert_eq!((figures.calls, figures.bodies, figures.at_once), (3, 3, 2));
    assert!((figures.held - 1.5).abs() < 1e-9, "{figures:?}");
}

#[test]
fn one_body_too_many_is_found_at_the_instant_at_which_it_begins() {
    let history = History::default()
        .whole(0, 200, 1)
        .whole(0, 200, 2)
        .whole(150, 300, 3);
    let at = Duration::from_millis(150);
    history.finds(&[Violation::Exceeded {
        at,
        bodies: vec![body(1), body(2), body(3)],
    }]);
}

#[test]
fn a_killed_body_holds_its_slot_provably_until_its_last_line_and_no_longer() {
    let killed = || {
        History::default()
            .called(0, 1)
            .begins(0, 1, 10)
            .ticks(50, 200, 10)
            .whole(0, 400, 2)
    };
    killed()
        .add(210, Event::Kills(7))
        .whole(1_250, 1_400, 1)
        .expect_fine();
    let (found, _) = killed().whole(190, 400, 1).judge();
    assert!(
        matches!(
            found[..],
            [
                Violation::TwiceAtOnce { call: Call(1), .. },
                Violation::Exceeded { .. }
            ]
        ),
        "{found:?}"
    );
}

/// What was stolen from a paused process runs elsewhere; when the process goes on, its body runs on to its next `await`.
fn stolen_while_paused() -> History {
    History::default()
        .called(0, 1)
        .begins(0, 1, 10)
        .ticks(50, 200, 10)
        .add(210, Event::Pauses(7))
        .whole(0, 1_990, 2)
        .begins(1_300, 1, 1)
        .ticks(1_350, 1_950, 1)
        .add(1_500, Event::Resumes(7))
        .ticks(1_501, 1_501, 10)
        .ends(1_990, 1)
        .shown(1_995, 1, 1)
}

#[test]
fn one_late_line_of_a_paused_body_is_allowed() {
    let figures = stolen_while_paused().expect_fine();
    assert_eq!(
        (
            figures.stalled,
            figures.went_on,
            figures.begun_anew,
            figures.pauses
        ),
        (1, 0, 1, 1)
    );
}

#[test]
fn a_paused_body_that_goes_on_after_it_was_stolen_from_is_found() {
    let (found, _) = stolen_while_paused().ticks(1_551, 1_551, 10).judge();
    assert!(
        matches!(
            found[..],
            [
                Violation::TwiceAtOnce { call: Call(1), .. },
                Violation::Exceeded { .. }
            ]
        ),
        "{found:?}"
    );
}

#[test]
fn a_paused_body_whose_lease_was_renewed_in_time_held_its_slot_all_the_while() {
    let paused = || {
        History::default()
            .called(0, 1)
            .begins(0, 1, 1)
            .ticks(50, 100, 1)
            .ticks(900, 950, 1)
            .ends(1_000, 1)
            .shown(1_001, 1, 1)
    };
    let figures = paused().expect_fine();
    assert_eq!((figures.stalled, figures.went_on), (1, 1));
    let (found, _) = paused().whole(300, 700, 2).whole(400, 600, 3).judge();
    assert!(
        matches!(found[..], [Violation::Exceeded { .. }]),
        "{found:?}"
    );
}

#[test]
fn a_call_that_never_ends_is_found_if_it_was_acknowledged() {
    let begun = |history: History| history.begins(1, 1, 1).ticks(50, 100, 1);
    begun(History::default().called(0, 1)).finds(&[Violation::Lost(Call(1))]);
    begun(History::default().add(0, Event::Invoked(Call(1)))).expect_fine();
}

#[test]
fn an_outcome_that_no_body_of_the_call_announced_is_found() {
    let found = [Violation::Invented(Call(1), body(1))];
    let begun = || {
        History::default()
            .called(0, 1)
            .begins(0, 1, 1)
            .ticks(50, 100, 1)
    };
    begun().shown(200, 1, 1).finds(&found);
    begun().shown(120, 1, 1).ends(130, 1).finds(&found);
    History::default()
        .called(0, 1)
        .begins(0, 2, 1)
        .ends(50, 1)
        .shown(60, 1, 1)
        .finds(&found);
}

#[test]
fn an_outcome_that_changes_is_found() {
    let history = History::default()
        .whole(0, 100, 1)
        .begins(0, 1, 11)
        .ends(50, 11);
    let (found, _) = history.shown(200, 1, 11).judge();
    assert!(found.contains(&Violation::Changed(Call(1))), "{found:?}");
}

#[test]
fn a_body_that_begins_after_its_calls_end_was_shown_is_found() {
    let history = History::default().whole(0, 100, 1).begins(150, 1, 11);
    history.finds(&[Violation::BegunAfterItsEnd(Call(1), body(11))]);
}

#[test]
fn a_call_that_younger_ones_pass_over_is_found_and_one_that_all_wait_with_is_not() {
    let mut history = History::default().called(0, 1);
    let mut at = 10;
    for call in 2..32 {
        history = history.whole(at, at + 90, call);
        at += 100;
    }
    let history = history
        .begins(at, 1, 1)
        .ticks(at + 50, at + 50, 1)
        .ends(at + 60, 1)
        .shown(at + 61, 1, 1);
    let span = Duration::from_millis(3_000);
    history.finds(&[Violation::PassedOver {
        call: Call(1),
        span,
    }]);
}

#[test]
fn a_time_in_which_nothing_begins_although_calls_wait_is_found() {
    let history = History::default()
        .whole(0, 100, 1)
        .called(50, 2)
        .called(60, 3);
    let late = |call, history: History| {
        history
            .begins(3_100, call, call)
            .ends(3_150, call)
            .shown(3_160, call, call)
    };
    let from = Duration::from_millis(50);
    let span = Duration::from_millis(3_050);
    late(3, late(2, history)).finds(&[Violation::Idle { from, span }]);
    // Nobody waits.
    History::default()
        .whole(0, 100, 1)
        .whole(9_000, 9_100, 2)
        .expect_fine();
}
