//! Spans of time as people write them.

use std::time::Duration;

use crate::error::DurationError;

/// A [`Duration`], or a text such as `"1h 30m"`, `"5 minutes"` or `"500ms"`, as the crate `humantime` reads it.
///
/// ```
/// use stent_client::IntoDuration;
/// assert_eq!("1h 30m".into_duration()?.as_secs(), 5_400);
/// assert!("soon".into_duration().is_err());
/// # Ok::<(), stent_client::DurationError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no span of time",
    label = "expected a `Duration` or a text such as `\"1h 30m\"`"
)]
pub trait IntoDuration: sealed::Sealed {
    /// The span.
    ///
    /// # Errors
    /// When a text is no duration.
    fn into_duration(self) -> Result<Duration, DurationError>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for std::time::Duration {}
    impl Sealed for &str {}
    impl Sealed for String {}
    impl Sealed for &String {}
}

impl IntoDuration for Duration {
    fn into_duration(self) -> Result<Duration, DurationError> {
        Ok(self)
    }
}

impl IntoDuration for &str {
    fn into_duration(self) -> Result<Duration, DurationError> {
        humantime::parse_duration(self).map_err(|error| DurationError {
            text: self.chars().take(64).collect(),
            reason: error.to_string(),
        })
    }
}

impl IntoDuration for String {
    fn into_duration(self) -> Result<Duration, DurationError> {
        self.as_str().into_duration()
    }
}

impl IntoDuration for &String {
    fn into_duration(self) -> Result<Duration, DurationError> {
        self.as_str().into_duration()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_durations_are_refused_with_a_message() {
        for text in [
            "",
            "soon",
            "-5m",
            "1e30s",
            "99999999999999999y",
            "5 flights",
            "１h",
            "5",
        ] {
            let error = text.into_duration().unwrap_err();
            assert!(error.to_string().contains("is no duration"), "{error}");
        }
    }
}
