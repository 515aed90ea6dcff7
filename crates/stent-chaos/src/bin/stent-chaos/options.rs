//! What the trials' options have in common, and how they talk to people.

/// Reads how long a storm lasts.
pub(crate) fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if minutes > 0.0 && minutes <= 1_440.0 {
        Ok(minutes)
    } else {
        Err("more than 0 and at most a day".to_owned())
    }
}

/// Says something to whoever started the trial.
#[expect(clippy::print_stdout, reason = "a program talks to people")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
