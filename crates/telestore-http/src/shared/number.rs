//! Whole numbers and ids in whatever spelling clients send them.
//!
//! JSON has one kind of numbers (RFC 8259, 6): `2`, `2.0` and `20e-1` are the same one, and which of them a client writes
//! is its library's choice (Lua, PHP and Go's `float64` write what their numbers are). Text is taken as well, since a form
//! has nothing else, and clients make their JSON of the same values.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

use crate::shared::error::ApiError;

/// Up to here, 2⁵³, each whole number is one that a double can hold. JSON's numbers beyond it that are not written as
/// plain digits have lost some on their way.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Why something is no whole number from zero on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotWhole {
    Text,
    Fraction,
    Negative,
    Large,
}

impl fmt::Display for NotWhole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "it is no number",
            Self::Fraction => "it has a fraction",
            Self::Negative => "it is negative",
            Self::Large => "it is too large",
        })
    }
}

/// Reads a decimal number, as JSON or a person writes it, without any rounding. Blanks and a byte order mark around it are
/// not looked at.
pub(crate) fn whole(text: &str) -> Result<u64, NotWhole> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (front, behind) = match mantissa.split_once('.') {
        Some((front, behind)) if is_digits(behind) => (front, behind),
        Some(_) => return Err(NotWhole::Text),
        None => (mantissa, ""),
    };
    if !is_digits(front) || !is_digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)) {
        return Err(NotWhole::Text);
    }
    let digits = [front, behind].concat();
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    if negative {
        return Err(NotWhole::Negative);
    }
    // Digits that fit in no exponent move the point further than any number here is long.
    let far = if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
    let zeros = exponent.parse().unwrap_or(far).clamp(i64::MIN / 2, i64::MAX / 2)
        + (digits.len() - significant.len()) as i64
        - behind.len() as i64;
    let zeros = usize::try_from(zeros).map_err(|_| NotWhole::Fraction)?;
    let significant = significant.trim_start_matches('0');
    // 2⁶⁴ has 20 digits.
    if significant.len().saturating_add(zeros) > 20 {
        return Err(NotWhole::Large);
    }
    format!("{significant}{}", "0".repeat(zeros)).parse().map_err(|_| NotWhole::Large)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A number of JSON that is no plain run of digits.
fn of_double(number: f64) -> Result<u64, NotWhole> {
    match number {
        negative if negative < 0.0 => Err(NotWhole::Negative),
        large if large >= EXACT => Err(NotWhole::Large),
        fraction if fraction.fract() != 0.0 => Err(NotWhole::Fraction),
        // In bounds, and without a fraction.
        whole => Ok(whole as u64),
    }
}

/// What a value must be, and why it is not.
fn refusal(what: impl fmt::Display, why: impl fmt::Display) -> ApiError {
    ApiError::invalid(format!("{what} must be a whole number, zero or more: {why}"))
}

/// The number in the form field `name`.
pub(crate) fn of_field<T: TryFrom<u64>>(name: &str, text: &str) -> Result<T, ApiError> {
    let number = whole(text).and_then(|number| T::try_from(number).map_err(|_| NotWhole::Large));
    number.map_err(|why| refusal(format_args!("form field {name}"), why))
}

/// A whole number of JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number(Result<u64, NotWhole>);

impl Number {
    /// What stands in a field of a form.
    pub(crate) fn of_text(text: &str) -> Self {
        Self(whole(text))
    }

    /// The number, in the field `name`.
    pub(crate) fn of<T: TryFrom<u64>>(self, name: &str) -> Result<T, ApiError> {
        let number = self.0.and_then(|number| T::try_from(number).map_err(|_| NotWhole::Large));
        number.map_err(|why| refusal(name, why))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl Visitor<'_> for Whole {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, zero or more")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number(Ok(number)))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(Number(u64::try_from(number).map_err(|_| NotWhole::Negative)))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
                Ok(Number(of_double(number)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Number, E> {
                Ok(Number(whole(text)))
            }
        }
        deserializer.deserialize_any(Whole)
    }
}

/// Text of JSON, or the decimal text of a whole number: an id is often nothing but digits, and then some libraries send a
/// number (PHP's `JSON_NUMERIC_CHECK`). A token may be; no error says what it was. A file's name is none of these: `007`
/// would be another one.
#[derive(Debug)]
pub(crate) struct Text(Option<String>);

impl Text {
    /// The text, in the field `name`.
    pub(crate) fn of(self, name: &str) -> Result<String, ApiError> {
        self.0.ok_or_else(|| {
            ApiError::invalid(format!(
                "{name} must be text, in quotes, or a whole number: as another number it may not be what was meant"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl Visitor<'_> for Words {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, in quotes")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(Some(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Text, E> {
                Ok(Text(Some(text)))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Text, E> {
                Ok(Text(Some(number.to_string())))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
                Ok(Text(Some(number.to_string())))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Text, E> {
                let sign = if number < 0.0 { "-" } else { "" };
                Ok(Text(of_double(number.abs()).ok().map(|number| format!("{sign}{number}"))))
            }
        }
        deserializer.deserialize_any(Words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_whole_number_is_read_exactly() {
        for (text, number) in [
            ("0", 0),
            ("-0", 0),
            ("-0.0e9", 0),
            ("0e400", 0),
            ("2.0", 2),
            ("007", 7),
            ("+5", 5),
            (" 12\t", 12),
            ("\u{feff}3", 3),
            ("1.048576e8", 104_857_600),
            ("20e-1", 2),
            ("1E+3", 1000),
            ("0.00002e5", 2),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("18446744073709551615", u64::MAX),
            ("1844674407370955161.5e1", u64::MAX),
            ("1000000000000000000000000000000e-30", 1),
        ] {
            assert_eq!(whole(text), Ok(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_says_why() {
        for (text, why) in [
            ("2.5", NotWhole::Fraction),
            ("1e-1", NotWhole::Fraction),
            ("1e-99999999999999999999", NotWhole::Fraction),
            ("9007199254740993.5", NotWhole::Fraction),
            ("-1", NotWhole::Negative),
            ("-2.5", NotWhole::Negative),
            ("18446744073709551616", NotWhole::Large),
            ("1e400", NotWhole::Large),
            ("1e99999999999999999999", NotWhole::Large),
            ("", NotWhole::Text),
            (".", NotWhole::Text),
            (".5", NotWhole::Text),
            ("2.", NotWhole::Text),
            ("1e", NotWhole::Text),
            ("0x10", NotWhole::Text),
            ("1,000", NotWhole::Text),
            ("NaN", NotWhole::Text),
            ("--1", NotWhole::Text),
            ("١", NotWhole::Text),
        ] {
            assert_eq!(whole(text), Err(why), "{text}");
        }
    }

    #[test]
    fn numbers_of_json_are_the_same() {
        let read = |json: &str| serde_json::from_str::<Number>(json).unwrap().0;
        for (json, number) in [
            ("2", 2),
            ("2.0", 2),
            ("-0", 0),
            ("-0.0", 0),
            ("1.048576e8", 104_857_600),
            ("18446744073709551615", u64::MAX),
            ("\"2.0\"", 2),
        ] {
            assert_eq!(read(json), Ok(number), "{json}");
        }
        for (json, why) in [
            ("2.5", NotWhole::Fraction),
            ("-3", NotWhole::Negative),
            ("1e300", NotWhole::Large),
            ("9007199254740993.0", NotWhole::Large),
            ("18446744073709551616", NotWhole::Large),
            ("\"two\"", NotWhole::Text),
        ] {
            assert_eq!(read(json), Err(why), "{json}");
        }
        for json in ["1e400", "true", "null", "[2]", "{}"] {
            assert!(serde_json::from_str::<Number>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_numeric_id_is_its_decimal_text() {
        let read = |json: &str| serde_json::from_str::<Text>(json).unwrap().0;
        for (json, text) in [
            ("1763790000000", "1763790000000"),
            ("1763790000000.0", "1763790000000"),
            ("1e3", "1000"),
            ("-5", "-5"),
            ("18446744073709551615", "18446744073709551615"),
            ("\"5.0\"", "5.0"),
        ] {
            assert_eq!(read(json).as_deref(), Some(text), "{json}");
        }
        for json in ["1.5", "1e21", "18446744073709551616"] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
