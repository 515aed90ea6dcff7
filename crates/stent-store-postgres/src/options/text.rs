//! Connection strings as libpq writes them, read into pairs: <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>.
//!
//! **Invariant:** no error repeats a value, nor anything that stands where a password can stand.

use std::{str::FromStr, time::Duration};

use crate::OpenError;

/// Keys and values.
pub(super) struct Pairs {
    /// In the order in which they stood; of equal keys the last one counts.
    pairs: Vec<(String, String)>,
    /// Whether they may be the rest of a password with a `?` and an `@` that is not encoded: then no key is shown.
    may_be_secret: bool,
}

impl Pairs {
    /// Reads a URL or a string of pairs.
    pub(super) fn read(text: &str) -> Result<Self, OpenError> {
        let pairs = match text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
        {
            Some(rest) => url(rest)?,
            None if text.contains("://") => {
                return Err(bad(
                    "it begins with neither `postgres://` nor `postgresql://`",
                ));
            }
            None => key_value(text)?,
        };
        let may_be_secret = text
            .split_once('?')
            .is_some_and(|(_, rest)| rest.contains('@'));
        Ok(Self {
            pairs,
            may_be_secret,
        })
    }

    /// Takes a pair away.
    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        let mut found = None;
        self.pairs.retain_mut(|(known, value)| {
            let is_it = known == key;
            if is_it {
                found = Some(std::mem::take(value));
            }
            !is_it
        });
        found
    }

    pub(super) fn take_parsed<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        key: &'static str,
    ) -> Result<Option<T>, OpenError> {
        let parsed = self.take(key).map(|value| value.parse()).transpose();
        parsed.map_err(|error: T::Err| {
            bad(format!("`{key}` has a value that it cannot have: {error}"))
        })
    }

    /// Takes a span away: a number of milliseconds, or one with the unit `us`, `ms`, `s`, `min` or `h`, as PostgreSQL's settings.
    pub(super) fn take_duration(
        &mut self,
        key: &'static str,
    ) -> Result<Option<Duration>, OpenError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let digits = value
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(value.len());
        let (number, unit) = value.split_at(digits);
        let unit_us: u64 = match unit.trim() {
            "us" => 1,
            "" | "ms" => 1_000,
            "s" => 1_000_000,
            "min" => 60_000_000,
            "h" => 3_600_000_000,
            _ => 0,
        };
        let micros = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(unit_us));
        match micros.map(Duration::from_micros) {
            Some(span) if span >= Duration::from_millis(1) => Ok(Some(span)),
            _ => Err(bad(format!(
                "`{key}` is no span of time of at least 1 ms, such as `500ms` or `30s`"
            ))),
        }
    }

    /// Hands the rest to the driver.
    pub(super) fn into_config(self) -> Result<tokio_postgres::Config, OpenError> {
        let mut text = String::new();
        for (key, value) in self.pairs {
            let key = match key.as_str() {
                "keepalives_count" => "keepalives_retries",
                ignored if IGNORED.contains(&ignored) => continue,
                known if KEYS.contains(&known) => known,
                _ if self.may_be_secret => return Err(unknown("")),
                _ => return Err(unknown(&key)),
            };
            let value = value.replace('\\', r"\\").replace('\'', r"\'");
            text.push_str(&format!("{key}='{value}' "));
        }
        // The driver's own words may quote what stands in the string.
        text.parse()
            .map_err(|_| bad("a host, port or other parameter has a value that it cannot have"))
    }
}

/// What the driver does not have, and what changes nothing that Stent relies on.
const IGNORED: &[&str] = &[
    "fallback_application_name",
    "client_encoding",
    "gssencmode",
    "sslcompression",
    "sslsni",
];

/// What the driver knows.
const KEYS: &[&str] = &[
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

fn bad(what: impl Into<String>) -> OpenError {
    OpenError::Url { what: what.into() }
}

fn unknown(key: &str) -> OpenError {
    // A key that looks like none may be a piece of a password.
    if !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    {
        bad(format!("it has the unknown parameter `{key}`"))
    } else {
        bad(
            "it has a parameter that is none; are `?`, `&`, `@` and `%` of the password percent-encoded?",
        )
    }
}

/// `user:password@host:port,host:port/database?key=value&key=value`, each part percent-encoded, each optional.
fn url(rest: &str) -> Result<Vec<(String, String)>, OpenError> {
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    if query.contains('@') && !before.contains('@') {
        return Err(bad(
            "an `@` follows its `?`; percent-encode the password: `?` is %3F, `@` is %40",
        ));
    }
    let (authority, database) = before.split_once('/').unwrap_or((before, ""));
    if database.contains('@') {
        return Err(bad(
            "an `@` follows its `/`; percent-encode the password and the name of the database: `/` is %2F, `@` is %40",
        ));
    }
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    let mut pairs = Vec::new();
    let mut add = |key: &str, value: &str| {
        pairs.push((key.to_owned(), decode(value)?));
        Ok::<(), OpenError>(())
    };
    if !user.is_empty() {
        add("user", user)?;
    }
    if let Some(password) = password {
        add("password", password)?;
    }
    if !hosts.is_empty() {
        let hosts: Vec<_> = hosts.split(',').map(host_and_port).collect();
        let names: Vec<_> = hosts.iter().map(|(name, _)| *name).collect();
        let ports: Vec<_> = hosts
            .iter()
            .map(|(_, port)| port.unwrap_or("5432"))
            .collect();
        add("host", &names.join(","))?;
        add("port", &ports.join(","))?;
    }
    if !database.is_empty() {
        add("dbname", database)?;
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or_else(|| unknown(""))?;
        add(&decode(key)?, value)?;
    }
    Ok(pairs)
}

/// Splits off a port, which never stands within the brackets of an IPv6 address.
fn host_and_port(text: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return (
            address,
            rest.strip_prefix(':').filter(|port| !port.is_empty()),
        );
    }
    match text.split_once(':') {
        Some((host, port)) => (host, Some(port).filter(|port| !port.is_empty())),
        None => (text, None),
    }
}

fn decode(text: &str) -> Result<String, OpenError> {
    let wrong = || {
        bad(
            "a `%` in it is not followed by two hexadecimal digits of a UTF-8 character; a `%` itself is %25",
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
            let (Some(high), Some(low)) = (digit(), digit()) else {
                return Err(wrong());
            };
            bytes.push(u8::try_from(high * 16 + low).map_err(|_| wrong())?);
        } else {
            bytes.push(byte);
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    if text.contains('\0') {
        return Err(bad("it holds a NUL, which PostgreSQL does not take"));
    }
    Ok(text)
}

/// `key = value key='quoted value'`, where a backslash takes the next character as it is.
fn key_value(text: &str) -> Result<Vec<(String, String)>, OpenError> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest
            .split_once('=')
            .ok_or_else(|| bad("it is neither a URL nor made of `key=value` pairs"))?;
        let (value, after) = value(after.trim_start())?;
        if value.contains('\0') {
            return Err(bad("it holds a NUL, which PostgreSQL does not take"));
        }
        pairs.push((key.trim_end().to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// Reads one value; answers it and what follows.
fn value(text: &str) -> Result<(String, &str), OpenError> {
    let quoted = text.strip_prefix('\'');
    let body = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut characters = body.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted.is_some() => return Ok((value, &body[at + 1..])),
            space if quoted.is_none() && space.is_whitespace() => return Ok((value, &body[at..])),
            other => value.push(other),
        }
    }
    if quoted.is_some() {
        return Err(bad("a quote in it is not closed"));
    }
    Ok((value, ""))
}
