//! JSON documents within the size limit.
//!
//! What is accepted can be read back: well-formed, not nested deeper than the decoder goes, no number lost.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::readable::Readable;

/// A JSON document: an input, a result, a signal. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Payload(Arc<str>);

/// Why a value is not a payload, or a payload not the value that was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The value's own `Serialize` refused, or it cannot be written as JSON.
    #[error("the value cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    /// A float is NaN or infinite; JSON has no such numbers and would silently turn it into `null`.
    #[error(
        "the value holds a float that is not finite, which JSON cannot hold; use `Option` or a string for it"
    )]
    NotFinite,
    /// The text is not JSON, or no decoder reads it back: it is nested deeper than 127 levels, or holds half of a surrogate pair or a number that no
    /// float holds.
    #[error("the text is not JSON that can be read back")]
    Malformed(#[source] serde_json::Error),
    /// The document is longer than the limit.
    #[error(
        "the payload has {bytes} {}; at most {limit} are allowed: store the data elsewhere and pass a reference",
        if *.bytes == 1 { "byte" } else { "bytes" }
    )]
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// It holds something else than what was asked for.
    #[error("the payload is not a `{expected}`")]
    Decode {
        /// The Rust type that was asked for.
        expected: &'static str,
        /// What the decoder found.
        #[source]
        source: serde_json::Error,
    },
}

impl Payload {
    /// The document `null`.
    #[must_use]
    pub fn null() -> Self {
        Self("null".into())
    }

    /// Writes a value as JSON of at most `limit` bytes.
    ///
    /// # Errors
    /// When it cannot be written, could not be read back, holds a float that is not finite, or is too large.
    ///
    /// ```
    /// use stent_core::Payload;
    /// assert_eq!(Payload::encode(&(1, "a"), 100)?.as_str(), r#"[1,"a"]"#);
    /// assert!(Payload::encode(&f64::NAN, 100).is_err());
    /// assert!(Payload::encode(&"abc", 4).is_err());
    /// # Ok::<(), stent_core::PayloadError>(())
    /// ```
    pub fn encode<T: Serialize + ?Sized>(value: &T, limit: usize) -> Result<Self, PayloadError> {
        crate::finite::check(value)?;
        let text = serde_json::to_string(value).map_err(PayloadError::Encode)?;
        Self::parse(text, limit)
    }

    /// Checks a text that should be a JSON document of at most `limit` bytes; it is kept as written.
    ///
    /// # Errors
    /// When it is no JSON, nested too deeply to be read back, or too large.
    pub fn parse(text: impl Into<Arc<str>>, limit: usize) -> Result<Self, PayloadError> {
        let text: Arc<str> = text.into();
        if text.len() > limit {
            return Err(PayloadError::TooLarge {
                bytes: text.len(),
                limit,
            });
        }
        serde_json::from_str::<Readable>(&text).map_err(PayloadError::Malformed)?;
        Ok(Self(text))
    }

    /// Wraps a document that a store kept; it was checked when it came in.
    #[must_use]
    pub fn from_stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Reads the document as a value.
    ///
    /// # Errors
    /// When it holds something else.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        serde_json::from_str(&self.0).map_err(|source| PayloadError::Decode {
            expected: std::any::type_name::<T>(),
            source,
        })
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A digest of the text, to compare the input of a call with the one recorded for it: 64-bit FNV-1a
    /// (<http://www.isthe.com/chongo/tech/comp/fnv/>). It finds differences by accident, not by intent.
    #[must_use]
    pub fn digest(&self) -> i64 {
        let hash = self
            .0
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        i64::from_ne_bytes(hash.to_ne_bytes())
    }
}

/// Shows the length only: payloads may hold secrets and end up in logs.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Payload;

    /// Found by fuzzing: a decoder that is not exact to the last bit gives a body another number than its caller gave it.
    #[test]
    fn a_float_is_read_back_as_it_was() {
        let number = -9.514_279_226_256_281e243_f64;
        let payload = Payload::encode(&number, 100).unwrap();
        assert_eq!(payload.decode::<f64>().unwrap().to_bits(), number.to_bits());
    }

    proptest! {
        #[test]
        fn every_float_is_read_back_as_it_was(double in any::<f64>(), single in any::<f32>()) {
            if double.is_finite() && single.is_finite() {
                let payload = Payload::encode(&(double, single), 100).unwrap();
                let (a, b): (f64, f32) = payload.decode().unwrap();
                prop_assert_eq!(a.to_bits(), double.to_bits());
                prop_assert_eq!(b.to_bits(), single.to_bits());
            }
        }
    }

    #[test]
    fn what_is_accepted_can_be_read_back() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let (deepest, deeper) = (nested(127), nested(128));
        let limit = 10_000;
        for text in [
            &deepest,
            r#"{"a":[1,-2,3.5e300,true,null,"\u0000\ud83d\ude00"],"a":{}}"#,
            "123456789012345678901234567890",
            "0.1e-999",
        ] {
            let payload = Payload::parse(text, limit).unwrap();
            payload.decode::<serde_json::Value>().unwrap();
        }
        let lone = r#"{"\udc00":1}"#;
        for text in [
            &deeper,
            r#""\ud83d""#,
            lone,
            "1e999",
            "[1e400]",
            "[",
            "1 2",
            "",
        ] {
            assert!(Payload::parse(text, limit).is_err(), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err());
        }
    }

    #[test]
    fn one_byte_too_many_is_one_byte() {
        let says = |text: &str| Payload::parse(text, 0).unwrap_err().to_string();
        assert!(says("1").starts_with("the payload has 1 byte; at most 0"));
        assert!(says("12").starts_with("the payload has 2 bytes; at most 0"));
    }

    #[test]
    fn what_is_shown_of_a_payload_holds_nothing_of_it() {
        let payload = Payload::encode("secret", 100).unwrap();
        assert_eq!(format!("{payload:?}"), "Payload(8 bytes)");
    }

    #[test]
    fn a_document_may_be_as_large_as_its_limit() {
        assert!(Payload::parse("123", 3).is_ok());
        assert!(Payload::encode(&"abc", 5).is_ok());
        let refused = Payload::parse("1234", 3);
        assert!(matches!(
            refused,
            Err(crate::PayloadError::TooLarge { bytes: 4, limit: 3 })
        ));
    }

    #[test]
    fn a_digest_is_the_same_on_every_machine_and_in_every_version() {
        let digest =
            |text: &str| u64::from_ne_bytes(Payload::from_stored(text).digest().to_ne_bytes());
        // The test vectors of its authors.
        assert_eq!(digest(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(digest("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(digest("foobar"), 0x8594_4171_f739_67e8);
    }
}
