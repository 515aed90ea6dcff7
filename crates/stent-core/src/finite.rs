//! A walk over a value that finds floats which JSON cannot hold; `serde_json` writes `null` for them.

use std::fmt::Display;

use serde::ser::{self, Serialize, Serializer};

use crate::PayloadError;

/// Fails when any float in the value is NaN or infinite.
pub(crate) fn check<T: Serialize + ?Sized>(value: &T) -> Result<(), PayloadError> {
    match value.serialize(Finite) {
        Err(Found::NotFinite) => Err(PayloadError::NotFinite),
        // Whatever else is wrong with the value, the encoder says it better.
        Ok(()) | Err(Found::Other) => Ok(()),
    }
}

struct Finite;

#[derive(Debug)]
enum Found {
    NotFinite,
    Other,
}

impl Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a float that is not finite")
    }
}

impl std::error::Error for Found {}

impl ser::Error for Found {
    fn custom<T: Display>(_: T) -> Self {
        Self::Other
    }
}

macro_rules! pass {
    ($($method:ident($($kind:ty),*);)*) => {$(
        fn $method(self $(, _: $kind)*) -> Result<(), Found> {
            Ok(())
        }
    )*};
}

impl Serializer for Finite {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    pass! {
        serialize_bool(bool); serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64);
        serialize_i128(i128); serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64);
        serialize_u128(u128); serialize_char(char); serialize_str(&str); serialize_bytes(&[u8]);
        serialize_none(); serialize_unit(); serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_f32(self, v: f32) -> Result<(), Found> {
        self.serialize_f64(f64::from(v))
    }
    fn serialize_f64(self, v: f64) -> Result<(), Found> {
        if v.is_finite() {
            Ok(())
        } else {
            Err(Found::NotFinite)
        }
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Found> {
        value.serialize(self)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        value.serialize(self)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Found> {
        Ok(self)
    }
}

macro_rules! walk {
    ($($part:ident::$method:ident($($name:ty)?);)*) => {$(
        impl ser::$part for Finite {
            type Ok = ();
            type Error = Found;
            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Result<(), Found> {
                value.serialize(Finite)
            }
            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        }
    )*};
}

walk! {
    SerializeSeq::serialize_element();
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
    SerializeStruct::serialize_field(&'static str);
    SerializeStructVariant::serialize_field(&'static str);
}

impl ser::SerializeMap for Finite {
    type Ok = ();
    type Error = Found;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Found> {
        key.serialize(Finite)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Found> {
        value.serialize(Finite)
    }
    fn end(self) -> Result<(), Found> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::ser::{
        SerializeStruct, SerializeStructVariant, SerializeTupleStruct, SerializeTupleVariant,
    };

    use super::*;

    #[test]
    fn a_float_that_json_cannot_hold_is_found_wherever_it_hides() {
        assert!(check(&(1.5_f64, "a", [Some(2.5_f32)])).is_ok());
        assert!(matches!(check(&[f64::NAN]), Err(PayloadError::NotFinite)));
        assert!(matches!(
            check(&Some((1, f32::INFINITY))),
            Err(PayloadError::NotFinite)
        ));
        assert!(matches!(
            check(&BTreeMap::from([("a", vec![f64::NEG_INFINITY])])),
            Err(PayloadError::NotFinite)
        ));
    }

    /// A float in one of the places that a type may have for it.
    struct Place(usize, f64);

    const PLACES: usize = 7;

    impl Serialize for Place {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let Self(place, float) = self;
            match place {
                0 => to.serialize_newtype_struct("Wrapped", float),
                1 => to.serialize_newtype_variant("Kind", 0, "Of", float),
                2 => {
                    let mut tuple = to.serialize_tuple_struct("Pair", 2)?;
                    tuple.serialize_field(&1)?;
                    tuple.serialize_field(float)?;
                    tuple.end()
                }
                3 => {
                    let mut variant = to.serialize_tuple_variant("Kind", 1, "Two", 2)?;
                    variant.serialize_field(&1)?;
                    variant.serialize_field(float)?;
                    variant.end()
                }
                4 => {
                    let mut named = to.serialize_struct("Struct", 1)?;
                    named.serialize_field("part", float)?;
                    named.end()
                }
                5 => {
                    let mut variant = to.serialize_struct_variant("Kind", 2, "Named", 1)?;
                    variant.serialize_field("part", float)?;
                    variant.end()
                }
                _ => to.collect_map([(float, 1)]),
            }
        }
    }

    #[test]
    fn a_float_that_json_cannot_hold_is_found_in_every_place_that_a_type_has() {
        for place in 0..PLACES {
            assert!(check(&Place(place, 1.5)).is_ok(), "place {place}");
            let found = check(&Place(place, f64::NAN));
            assert!(
                matches!(found, Err(PayloadError::NotFinite)),
                "place {place}"
            );
        }
    }
}
