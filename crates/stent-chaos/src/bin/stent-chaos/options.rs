//! What the trials' options have in common, and how they talk to people.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Reads how long a storm lasts.
pub(crate) fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if minutes > 0.0 && minutes <= 1_440.0 {
        Ok(minutes)
    } else {
        Err("more than 0 and at most a day".to_owned())
    }
}

/// An empty file for a history: the one that was asked for, or one that goes with a folder.
pub(crate) fn new_history(asked_for: Option<&Path>, temporary: &Path) -> io::Result<PathBuf> {
    let history = match asked_for {
        Some(file) => std::path::absolute(file)?,
        None => temporary.join("history.jsonl"),
    };
    fs::write(&history, "")?;
    Ok(history)
}

/// Says something to whoever started the trial.
#[expect(clippy::print_stdout, reason = "a program talks to people")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
