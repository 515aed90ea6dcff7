//! Whether what is found after a loss of power is what had been promised before.
//!
//! Clients and bodies say what they were told and what they did, each in one line before anything follows from it. Later the database is opened on
//! what the disk held: what is there then is *found*, and once workers have done what was left, everything has *ended*.
//!
//! With `synchronous=FULL` there must be no violation. With `NORMAL`, only [losses](Violation::is_loss).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};
use stent::ExecutionId;

use crate::history::Call;

/// The number under which a call is paid. It is drawn at random and recorded; whoever begins anew draws another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub u64);

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// It returned what it was paid under, and which signal it received.
    Returned(Key, Signal),
    /// It was cancelled.
    Cancelled,
    /// It failed, which nothing here should.
    Failed,
}

/// A signal that a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// The one that was sent before the loss of power.
    Early,
    /// The one that was sent after it.
    Late,
}

/// One line of what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Saying {
    /// A client is about to dispatch a call.
    Asks(Call),
    /// Its dispatch was acknowledged.
    Dispatched(Call, ExecutionId),
    /// A signal to it was acknowledged.
    Signalled(Call),
    /// Its cancel was acknowledged.
    Cancelled(Call),
    /// A body pays for it: what cannot be undone.
    Pays(Call, Key),
    /// A client was shown how it ended.
    Shown(Call, Ending),
}

/// An execution in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its call.
    pub call: Call,
    /// Its id.
    pub execution: ExecutionId,
    /// How it ended, if it has.
    pub ending: Option<Ending>,
}

/// What became of the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aftermath {
    /// What was there when it was opened.
    pub found: Vec<Found>,
    /// What was there when workers had done what was left.
    pub ended: Vec<Found>,
    /// The payments that they made.
    pub paid: Vec<(Call, Key)>,
    /// What is wrong with the database itself.
    pub damage: Vec<String>,
}

/// What must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An acknowledged dispatch is gone (S1).
    LostDispatch(Call),
    /// An acknowledged signal is gone (S1, S21).
    LostSignal(Call),
    /// An acknowledged cancel is gone (S1, S22).
    LostCancel(Call),
    /// What someone was shown as final is not (S2).
    LostEnding(Call, Ending),
    /// A call was paid under a key that is not recorded (S20).
    LostKey(Call, Key),
    /// A call is there that nobody asked for, or twice, or under another id (S1, S11).
    Invented(Call),
    /// A call is there that was asked for after another had been acknowledged, which is gone: what was lost was not the newest.
    Gap {
        /// The one that is gone.
        gone: Call,
        /// The one that is there.
        there: Call,
    },
    /// A call did not end as it should, or changed after it had ended (S2, L2).
    Unfinished(Call),
    /// The database is damaged, or cannot be opened.
    Damaged(String),
}

impl Violation {
    /// Whether it is what `synchronous=NORMAL` may do: the newest commits are gone as if they had never been.
    #[must_use]
    pub const fn is_loss(&self) -> bool {
        match self {
            Self::LostDispatch(_)
            | Self::LostSignal(_)
            | Self::LostCancel(_)
            | Self::LostEnding(..)
            | Self::LostKey(..) => true,
            Self::Invented(_) | Self::Gap { .. } | Self::Unfinished(_) | Self::Damaged(_) => false,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LostDispatch(call) => {
                write!(f, "the acknowledged dispatch of call {} is gone", call.0)
            }
            Self::LostSignal(call) => {
                write!(f, "the acknowledged signal to call {} is gone", call.0)
            }
            Self::LostCancel(call) => {
                write!(f, "the acknowledged cancel of call {} is gone", call.0)
            }
            Self::LostEnding(call, ending) => write!(
                f,
                "call {} was shown to have ended as {ending:?}, and has not",
                call.0
            ),
            Self::LostKey(call, key) => write!(
                f,
                "call {} was paid under the key {}, which is not recorded",
                call.0, key.0
            ),
            Self::Invented(call) => write!(f, "nobody asked for this execution of call {}", call.0),
            Self::Gap { gone, there } => write!(
                f,
                "call {} is gone, and call {}, which came after its acknowledgement, is there",
                gone.0, there.0
            ),
            Self::Unfinished(call) => write!(f, "call {} did not end as it should", call.0),
            Self::Damaged(how) => write!(f, "the database is damaged: {how}"),
        }
    }
}

/// Judges what is found by what had been said, in its order.
#[must_use]
pub fn judge(said: &[Saying], aftermath: &Aftermath) -> Vec<Violation> {
    let damage = aftermath.damage.iter().cloned().map(Violation::Damaged);
    let mut violations: Vec<Violation> = damage.collect();
    let found = by_call(&aftermath.found, &mut violations);
    let ended = by_call(&aftermath.ended, &mut violations);
    let mut asked = BTreeSet::new();
    let mut gone = None;
    for saying in said {
        match *saying {
            Saying::Asks(call) => {
                asked.insert(call);
                if let (Some(gone), true) = (gone, found.contains_key(&call)) {
                    violations.push(Violation::Gap { gone, there: call });
                }
            }
            Saying::Dispatched(call, execution) => match found.get(&call) {
                Some(found) if found.execution == execution => {}
                Some(_) => violations.push(Violation::Invented(call)),
                None => {
                    gone = gone.or(Some(call));
                    violations.push(Violation::LostDispatch(call));
                }
            },
            _ => violations.extend(broken(*saying, &found, &ended)),
        }
    }
    let payments = aftermath.paid.iter();
    let payments = payments.map(|(call, key)| Saying::Pays(*call, *key));
    violations.extend(payments.filter_map(|saying| broken(saying, &found, &ended)));
    let invented = found.keys().filter(|call| !asked.contains(call));
    violations.extend(invented.map(|call| Violation::Invented(*call)));
    violations.extend(unfinished(&found, &ended));
    violations
}

/// What a saying about a call that is there promised, and is not so. What was lost with its dispatch is no further loss.
fn broken(
    saying: Saying,
    found: &BTreeMap<Call, Found>,
    ended: &BTreeMap<Call, Found>,
) -> Option<Violation> {
    let ending = |call| ended.get(&call).and_then(|found: &Found| found.ending);
    match saying {
        Saying::Asks(_) | Saying::Dispatched(..) => None,
        Saying::Signalled(call) => match ending(call)? {
            Ending::Returned(_, Signal::Late) => Some(Violation::LostSignal(call)),
            _ => None,
        },
        Saying::Cancelled(call) => match ending(call)? {
            Ending::Cancelled => None,
            _ => Some(Violation::LostCancel(call)),
        },
        Saying::Pays(call, key) => match ending(call)? {
            Ending::Returned(recorded, _) if recorded != key => Some(Violation::LostKey(call, key)),
            _ => None,
        },
        Saying::Shown(call, shown) => {
            let found = found.get(&call)?;
            (found.ending != Some(shown)).then_some(Violation::LostEnding(call, shown))
        }
    }
}

fn by_call(all: &[Found], violations: &mut Vec<Violation>) -> BTreeMap<Call, Found> {
    let mut by_call = BTreeMap::new();
    for found in all {
        if by_call.insert(found.call, *found).is_some() {
            violations.push(Violation::Invented(found.call));
        }
    }
    by_call
}

/// What was there has ended by now, and what had ended is as it was.
fn unfinished<'f>(
    found: &'f BTreeMap<Call, Found>,
    ended: &'f BTreeMap<Call, Found>,
) -> impl Iterator<Item = Violation> {
    let is_wrong = |before: &&Found| match (before.ending, ended.get(&before.call)) {
        (_, None | Some(Found { ending: None, .. })) => true,
        (_, Some(after)) if after.ending == Some(Ending::Failed) => true,
        (None, Some(after)) => after.execution != before.execution,
        (Some(_), Some(after)) => after != *before,
    };
    let wrong = found.values().filter(is_wrong);
    wrong.map(|found| Violation::Unfinished(found.call))
}

#[cfg(test)]
mod tests;
