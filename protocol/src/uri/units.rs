//! Numbers as people write them in URIs and settings: sizes, durations, integers.
//!
//! | kind | examples | rule |
//! | --- | --- | --- |
//! | size | `1408`, `64k`, `16m`, `1g` | decimal; suffix k, m, g of either case counts in 1024s |
//! | duration | `1000`, `5us`, `100ms`, `5s` | decimal; suffix ns, us, ms, s of either case, none means ns |
//! | integer | `-5`, `0x1f`, `017` | as in C: 0x for hexadecimal, 0 for octal |
//!
//! Formatting takes the largest unit that divides the value exactly. Source: wire spec 11.1.

use core::time::Duration;

const KILO: u64 = 1024;
const MEGA: u64 = KILO * 1024;
const GIGA: u64 = MEGA * 1024;
const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// Largest number that sizes and durations reach, as they end up in 64-bit signed fields.
const MAX: u64 = i64::MAX as u64;

/// Why a text is not a size, duration or integer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnitError {
    /// Not a size.
    #[error("must be a size in bytes such as 1408, 64k, 16m or 1g")]
    NotASize,
    /// A size of more than 2^63 - 1 bytes.
    #[error("size exceeds 9223372036854775807 bytes")]
    SizeTooLarge,
    /// Not a duration.
    #[error("must be a duration such as 500us, 100ms or 5s, or a number of nanoseconds")]
    NotADuration,
    /// Not an integer.
    #[error("must be a whole number")]
    NotAnInteger,
    /// An integer that does not fit.
    #[error("number exceeds 64 bits")]
    IntegerTooLarge,
}

/// Parses a size, in bytes.
///
/// # Errors
/// When it is not decimal digits and an optional suffix, or exceeds 2^63 - 1.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let (number, suffix) = split_number(text).ok_or(UnitError::NotASize)?;
    let factor = match suffix {
        "" => 1,
        "k" | "K" => KILO,
        "m" | "M" => MEGA,
        "g" | "G" => GIGA,
        _ => return Err(UnitError::NotASize),
    };
    let size = number.and_then(|number| number.checked_mul(factor)).filter(|size| *size <= MAX);
    size.ok_or(UnitError::SizeTooLarge)
}

/// Parses a duration; what exceeds 2^63 - 1 nanoseconds (292 years) becomes that.
///
/// # Errors
/// When it is not decimal digits and an optional suffix.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let (number, suffix) = split_number(text).ok_or(UnitError::NotADuration)?;
    let factor = match suffix.to_ascii_lowercase().as_str() {
        "" | "ns" => 1,
        "us" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        _ => return Err(UnitError::NotADuration),
    };
    let nanos = number.and_then(|number| number.checked_mul(factor)).map_or(MAX, |nanos| nanos.min(MAX));
    Ok(Duration::from_nanos(nanos))
}

/// Parses an integer with an optional sign and the prefixes of C.
///
/// # Errors
/// When it is not a number throughout, or exceeds 64 bits.
pub fn parse_integer(text: &str) -> Result<i64, UnitError> {
    let (is_negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // from_str_radix would take another sign.
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(UnitError::NotAnInteger);
    }
    let magnitude = i128::from(u64::from_str_radix(digits, radix).map_err(|_| UnitError::IntegerTooLarge)?);
    i64::try_from(if is_negative { -magnitude } else { magnitude }).map_err(|_| UnitError::IntegerTooLarge)
}

/// Writes a size with the largest suffix that divides it exactly: `1408`, `64k`, `16m`.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    format_exact(bytes, &[(GIGA, "g"), (MEGA, "m"), (KILO, "k")], "")
}

/// Writes a duration in the largest unit that divides it exactly: `5s`, `100ms`, `1500us`, `0ns`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    format_exact(nanos, &[(SECOND, "s"), (MILLISECOND, "ms"), (MICROSECOND, "us")], "ns")
}

fn format_exact(value: u64, units: &[(u64, &str)], smallest: &str) -> String {
    match units.iter().find(|(factor, _)| value >= *factor && value.is_multiple_of(*factor)) {
        Some((factor, suffix)) => format!("{}{suffix}", value / factor),
        None => format!("{value}{smallest}"),
    }
}

/// Leading digits as a number, `None` inside when it exceeds 64 bits, and what follows them.
fn split_number(text: &str) -> Option<(Option<u64>, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    if digits.is_empty() { None } else { Some((digits.parse().ok(), suffix)) }
}
