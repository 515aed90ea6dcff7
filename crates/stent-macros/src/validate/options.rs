//! The options of `#[durable(..)]`.

use std::{collections::HashSet, time::Duration};

use proc_macro2::Span;
use syn::{
    Expr, ExprLit, ExprPath, ExprUnary, Ident, Lit, Path, Signature, UnOp, spanned::Spanned,
};

use super::{Errors, near};
use crate::{
    model::{Limit, Options, Retry},
    parse::{self, Item},
};

const OPTIONS: &[&str] = &[
    "queue",
    "priority",
    "max_concurrent",
    "retry",
    "timeout",
    "version",
    "name",
    "blocking",
];
const RETRY_OPTIONS: &[&str] = &[
    "max_attempts",
    "initial_delay",
    "max_delay",
    "backoff",
    "jitter",
    "when",
];
const LIMIT_FORM: &str =
    "write `max_concurrent = 4`, or `max_concurrent(4, while_waiting = \"release\")`";

/// The longest name, in bytes: `stent_core::defaults::NAME_MAX_BYTES`, which this crate does not link.
const NAME_MAX_BYTES: usize = 255;

/// Checks the options of a function.
pub(crate) fn check(written: parse::Options, function: &Signature, errors: &mut Errors) -> Options {
    let mut options = Options::default();
    let mut name = Name::of(&function.ident);
    let mut blocking = None;
    for item in once_each(written.items, errors) {
        match item {
            Item::Value(option, value) => match option.to_string().as_str() {
                "queue" => options.queue = text(&value, "queue", errors),
                "priority" => options.priority = number(&value, "priority", errors).unwrap_or(0),
                "max_concurrent" => {
                    options.limit = limit(vec![Item::Bare(value)], option.span(), errors)
                }
                "timeout" => options.timeout = timeout(&value, errors),
                "version" => name.version = at_least_one(&value, "version", errors).unwrap_or(1),
                "name" => name.set(&value, errors),
                "retry" => errors.at(
                    option.span(),
                    "`retry` takes a list: write `retry(max_attempts = 5)`",
                ),
                "blocking" => {
                    errors.at(option.span(), "`blocking` takes no value: write `blocking`")
                }
                other => unknown(&option, other, OPTIONS, errors),
            },
            Item::List(option, items) => match option.to_string().as_str() {
                "max_concurrent" => options.limit = limit(items, option.span(), errors),
                "retry" => options.retry = Some(retry(items, errors)),
                known @ ("queue" | "priority" | "timeout" | "version" | "name" | "blocking") => {
                    errors.at(
                        option.span(),
                        format!("`{known}` takes no list; {}", form(known)),
                    );
                }
                other => unknown(&option, other, OPTIONS, errors),
            },
            Item::Flag(option) => match option.to_string().as_str() {
                "blocking" => blocking = Some(option.span()),
                // Its defaults, for every failure of the function.
                "retry" => options.retry = Some(Retry::default()),
                known @ ("queue" | "priority" | "max_concurrent" | "timeout" | "version"
                | "name") => {
                    errors.at(
                        option.span(),
                        format!("`{known}` needs a value; {}", form(known)),
                    );
                }
                other => unknown(&option, other, OPTIONS, errors),
            },
            Item::Bare(value) => {
                errors.on(
                    value,
                    format!("expected an option; known are {}", listed(OPTIONS)),
                );
            }
        }
    }
    options.blocking = blocking.is_some();
    if let (Some(span), Some(_)) = (blocking, &function.asyncness) {
        errors.at(
            span,
            "`blocking` is for a `fn` that blocks; leave it out, or leave `async` out",
        );
    }
    options.name = name.stored(errors);
    options
}

fn form(option: &str) -> &'static str {
    match option {
        "queue" => "write `queue = \"mail\"`",
        "priority" => "write `priority = 10`",
        "max_concurrent" => LIMIT_FORM,
        "timeout" => "write `timeout = \"30s\"`",
        "version" => "write `version = 2`",
        "name" => "write `name = \"charge\"`",
        _ => "write `blocking`",
    }
}

fn unknown(option: &Ident, name: &str, known: &[&str], errors: &mut Errors) {
    let listed = listed(known);
    let message = match near::nearest(name, known) {
        Some(meant) => {
            format!("unknown option `{name}`; did you mean `{meant}`? Known are {listed}")
        }
        None => format!("unknown option `{name}`; known are {listed}"),
    };
    errors.at(option.span(), message);
}

/// Names in a sentence.
fn listed(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => quoted.concat(),
    }
}

/// The items whose option was not given before.
fn once_each(items: Vec<Item>, errors: &mut Errors) -> Vec<Item> {
    let mut seen = HashSet::new();
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        let name = match &item {
            Item::Flag(name) | Item::Value(name, _) | Item::List(name, _) => name.to_string(),
            Item::Bare(_) => String::new(),
        };
        if name.is_empty() || seen.insert(name.clone()) {
            kept.push(item);
        } else {
            errors.at(item.span(), format!("`{name}` is given twice"));
        }
    }
    kept
}

fn limit(items: Vec<Item>, span: Span, errors: &mut Errors) -> Option<Limit> {
    let mut max_concurrent = None;
    let mut release = false;
    for item in once_each(items, errors) {
        match item {
            Item::Bare(value) if max_concurrent.is_none() => {
                max_concurrent = Some(slots(&value, errors));
            }
            Item::Value(option, value) if option == "while_waiting" => {
                match text(&value, "while_waiting", errors).as_deref() {
                    Some("release") => release = true,
                    Some("hold") | None => {}
                    Some(other) => errors.on(
                        value,
                        format!(
                            "`while_waiting` is `{other}`; it must be `\"hold\"` or `\"release\"`"
                        ),
                    ),
                }
            }
            item => errors.at(item.span(), format!("unexpected; {LIMIT_FORM}")),
        }
    }
    if max_concurrent.is_none() {
        errors.at(
            span,
            format!("`max_concurrent` has no number; {LIMIT_FORM}"),
        );
    }
    Some(Limit {
        max_concurrent: max_concurrent??,
        release,
    })
}

fn slots(value: &Expr, errors: &mut Errors) -> Option<i64> {
    let number = integer(value, "max_concurrent", errors)?;
    if (1..=i128::from(i32::MAX)).contains(&number) {
        return i64::try_from(number).ok();
    }
    errors.on(
        value,
        format!(
            "`max_concurrent` is {number}; it must be from 1 to {}: to stop a function, stop its workers or cancel its executions",
            i32::MAX
        ),
    );
    None
}

fn retry(items: Vec<Item>, errors: &mut Errors) -> Retry {
    let mut retry = Retry::default();
    let mut longest = None;
    for item in once_each(items, errors) {
        let span = item.span();
        let Item::Value(option, value) = item else {
            errors.at(
                span,
                format!(
                    "expected an option with a value, such as `max_attempts = 5`; known are {}",
                    listed(RETRY_OPTIONS)
                ),
            );
            continue;
        };
        match option.to_string().as_str() {
            "max_attempts" => {
                retry.max_attempts = at_least_one(&value, "max_attempts", errors);
            }
            "initial_delay" => retry.initial_delay = duration(&value, "initial_delay", errors),
            "max_delay" => {
                retry.max_delay = duration(&value, "max_delay", errors);
                longest = Some(value);
            }
            "backoff" => {
                let factor = |factor: f64| factor.is_finite() && factor >= 1.0;
                retry.backoff = float(
                    &value,
                    "backoff",
                    "a finite factor of at least 1, such as `2.0`",
                    factor,
                    errors,
                );
            }
            "jitter" => {
                let fraction = |fraction: f64| (0.0..=1.0).contains(&fraction);
                retry.jitter = float(
                    &value,
                    "jitter",
                    "a fraction from 0 to 1, such as `0.1`",
                    fraction,
                    errors,
                );
            }
            "when" => retry.when = path(&value, errors),
            other => unknown(&option, other, RETRY_OPTIONS, errors),
        }
    }
    if let (Some(first), Some(max), Some(value)) = (retry.initial_delay, retry.max_delay, longest)
        && max < first
    {
        errors.on(value, "`max_delay` is shorter than `initial_delay`");
    }
    retry
}

/// The stored name of a function.
struct Name {
    text: String,
    span: Span,
    version: u32,
}

impl Name {
    /// The name of a function that is given no other.
    fn of(function: &Ident) -> Self {
        Self {
            text: function.to_string().trim_start_matches("r#").to_owned(),
            span: function.span(),
            version: 1,
        }
    }

    fn set(&mut self, value: &Expr, errors: &mut Errors) {
        self.span = value.span();
        if let Some(text) = text(value, "name", errors) {
            if text.contains('@') {
                errors.on(
                    value,
                    "`name` holds `@`, which stands before a version; use `version = 2` for that",
                );
            }
            self.text = text;
        }
    }

    fn stored(self, errors: &mut Errors) -> String {
        let stored = if self.version > 1 {
            format!("{}@{}", self.text, self.version)
        } else {
            self.text
        };
        if stored.len() > NAME_MAX_BYTES {
            errors.at(
                self.span,
                format!(
                    "the stored name has {} bytes; at most {NAME_MAX_BYTES} are allowed",
                    stored.len()
                ),
            );
        }
        stored
    }
}

/// A text that an option may be.
fn example(option: &str) -> &'static str {
    match option {
        "queue" => "mail",
        "while_waiting" => "release",
        _ => "charge",
    }
}

fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    }
}

/// A name: 1 to 255 bytes without control characters.
fn text(value: &Expr, option: &str, errors: &mut Errors) -> Option<String> {
    let Some(Lit::Str(literal)) = literal(value) else {
        errors.on(
            value,
            format!(
                "`{option}` must be a text in quotes, such as `\"{}\"`",
                example(option)
            ),
        );
        return None;
    };
    let text = literal.value();
    let wrong = if text.is_empty() {
        "is empty; give it at least one character".to_owned()
    } else if text.len() > NAME_MAX_BYTES {
        format!(
            "has {} bytes; at most {NAME_MAX_BYTES} are allowed",
            text.len()
        )
    } else if text.chars().any(char::is_control) {
        "holds a control character; remove it".to_owned()
    } else {
        return Some(text);
    };
    errors.on(value, format!("`{option}` {wrong}"));
    None
}

fn duration(value: &Expr, option: &str, errors: &mut Errors) -> Option<Duration> {
    let Some(Lit::Str(literal)) = literal(value) else {
        errors.on(
            value,
            format!("`{option}` must be a duration in quotes, such as `\"1h 30m\"` or `\"500ms\"`"),
        );
        return None;
    };
    let text = literal.value();
    match humantime::parse_duration(&text) {
        Ok(span) => Some(span),
        Err(error) => {
            errors.on(
                value,
                format!(
                    "`{}` is no duration: {error}; write it like `1h 30m` or `500ms`",
                    text.escape_debug()
                ),
            );
            None
        }
    }
}

fn timeout(value: &Expr, errors: &mut Errors) -> Option<Duration> {
    let span = duration(value, "timeout", errors)?;
    if span.is_zero() {
        errors.on(value, "`timeout` is 0; no attempt could begin");
        return None;
    }
    Some(span)
}

/// A number as it was written, with its sign.
fn integer(value: &Expr, option: &str, errors: &mut Errors) -> Option<i128> {
    let (negative, inner) = signed(value);
    if let Some(Lit::Int(literal)) = literal(inner)
        && let Ok(number) = literal.base10_parse::<i128>()
    {
        return Some(if negative {
            number.saturating_neg()
        } else {
            number
        });
    }
    errors.on(
        value,
        format!("`{option}` must be a whole number, such as `5`"),
    );
    None
}

fn signed(value: &Expr) -> (bool, &Expr) {
    match value {
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) => (true, expr),
        other => (false, other),
    }
}

fn number(value: &Expr, option: &str, errors: &mut Errors) -> Option<i32> {
    let number = integer(value, option, errors)?;
    if let Ok(number) = i32::try_from(number) {
        return Some(number);
    }
    errors.on(
        value,
        format!(
            "`{option}` is {number}; it must be from {} to {}",
            i32::MIN,
            i32::MAX
        ),
    );
    None
}

fn at_least_one(value: &Expr, option: &str, errors: &mut Errors) -> Option<u32> {
    let number = integer(value, option, errors)?;
    match u32::try_from(number) {
        Ok(number) if number > 0 => Some(number),
        Ok(_) | Err(_) => {
            let reason = match option {
                "max_attempts" => "; it counts the first attempt too, so 1 means no retry",
                _ => "",
            };
            errors.on(
                value,
                format!(
                    "`{option}` is {number}; it must be from 1 to {}{reason}",
                    u32::MAX
                ),
            );
            None
        }
    }
}

fn float(
    value: &Expr,
    option: &str,
    allowed: &str,
    is_allowed: impl Fn(f64) -> bool,
    errors: &mut Errors,
) -> Option<f64> {
    let (negative, inner) = signed(value);
    let number = match literal(inner) {
        Some(Lit::Float(literal)) => literal.base10_parse::<f64>().ok(),
        Some(Lit::Int(literal)) => literal.base10_parse::<f64>().ok(),
        _ => None,
    };
    let number = number.map(|number| if negative { -number } else { number });
    match number {
        Some(number) if is_allowed(number) => Some(number),
        Some(number) => {
            errors.on(
                value,
                format!("`{option}` is {number}; it must be {allowed}"),
            );
            None
        }
        None => {
            errors.on(value, format!("`{option}` must be {allowed}"));
            None
        }
    }
}

fn path(value: &Expr, errors: &mut Errors) -> Option<Path> {
    if let Expr::Path(ExprPath {
        qself: None, path, ..
    }) = value
    {
        return Some(path.clone());
    }
    errors.on(
        value,
        "`when` must be the path of a function that takes `&E` and returns a `bool`, such as `is_transient`",
    );
    None
}
