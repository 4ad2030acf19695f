//! Reads and shows single values: sizes, durations, numbers, booleans. Source: driver spec 9.1.

use std::time::Duration;

/// Longest duration that a setting holds, 2^63 - 1 ns; longer ones become this.
pub const MAX_DURATION: Duration = Duration::from_nanos(i64::MAX as u64);

/// Reads a number of bytes: digits, then optionally `k`, `m` or `g` in either case. What follows that letter is not
/// looked at, as in Aeron.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let (value, unit) = split_number(text)?;
    let shift = match unit.bytes().next().map(|letter| letter.to_ascii_lowercase()) {
        None => 0,
        Some(b'k') => 10,
        Some(b'm') => 20,
        Some(b'g') => 30,
        Some(_) => return None,
    };
    value.checked_mul(1 << shift).filter(|&bytes| i64::try_from(bytes).is_ok())
}

/// Reads a duration: digits, then optionally `ns`, `us`, `ms` or `s` in either case; nanoseconds without a unit.
/// Longer ones than [`MAX_DURATION`] become that.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (value, unit) = split_number(text)?;
    let nanos_per_unit = match unit.to_ascii_lowercase().as_str() {
        "" | "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return None,
    };
    Some(Duration::from_nanos(value.saturating_mul(nanos_per_unit)).min(MAX_DURATION))
}

/// Leading decimal digits, with an optional sign and blanks before them, and the rest.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return None;
    }
    let value = digits
        .bytes()
        .fold(0_u64, |value, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some((value.min(i64::MAX as u64), rest))
}

/// Reads a whole number: decimal, hexadecimal after `0x`, octal after a leading `0`; a minus sign may come first.
#[must_use]
pub fn parse_integer(text: &str) -> Option<i64> {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(digits, radix).ok()?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// Reads a boolean: yes when it begins with `1`, `on` or `true`, no when it begins with `0`, `off` or `false`.
#[must_use]
pub fn parse_bool(text: &str) -> Option<bool> {
    let begins = |words: [&str; 3]| words.iter().any(|word| text.starts_with(word));
    match () {
        () if begins(["1", "on", "true"]) => Some(true),
        () if begins(["0", "off", "false"]) => Some(false),
        () => None,
    }
}

/// Shows a duration in the largest unit that divides it: `100ms`, `5s`, `0ns`. Source: driver spec 1.6.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
    let (scale, unit) =
        units.into_iter().find(|(scale, _)| nanos > 0 && nanos.is_multiple_of(*scale)).unwrap_or((1, "ns"));
    format!("{}{unit}", nanos / scale)
}

/// Shows a number of bytes in the largest unit that divides it: `16m`, `128k`, `1408`.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    let units = [(1 << 30, "g"), (1 << 20, "m"), (1 << 10, "k")];
    let (scale, unit) =
        units.into_iter().find(|(scale, _)| bytes > 0 && bytes.is_multiple_of(*scale)).unwrap_or((1, ""));
    format!("{}{unit}", bytes / scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_have_an_optional_unit() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1408", Some(1408)),
            (" 7", Some(7)),
            ("+7", Some(7)),
            ("64k", Some(65_536)),
            ("64K", Some(65_536)),
            ("16m", Some(16 << 20)),
            ("16MB", Some(16 << 20)),
            ("1g", Some(1 << 30)),
            ("2Gi", Some(2 << 30)),
            ("8589934591g", Some(8_589_934_591 << 30)),
            ("8589934592g", None),
            ("", None),
            ("k", None),
            ("-1", None),
            ("1 k", None),
            ("1.5m", None),
            ("0x10", None),
            ("12t", None),
        ] {
            assert_eq!(parse_size(text), expected, "{text:?}");
        }
    }

    #[test]
    fn durations_have_an_optional_unit() {
        for (text, nanos) in [
            ("0", Some(0)),
            ("17", Some(17)),
            ("17ns", Some(17)),
            ("3us", Some(3_000)),
            ("5MS", Some(5_000_000)),
            ("10s", Some(10_000_000_000)),
            ("9223372036854775807", Some(i64::MAX as u64)),
            ("9223372037s", Some(i64::MAX as u64)),
            ("", None),
            ("s", None),
            ("-5s", None),
            ("5m", None),
            ("5sec", None),
            ("5 s", None),
            ("5h", None),
        ] {
            assert_eq!(parse_duration(text), nanos.map(Duration::from_nanos), "{text:?}");
        }
    }

    #[test]
    fn integers_may_be_hexadecimal_or_octal() {
        for (text, expected) in [
            ("0", Some(0)),
            ("12", Some(12)),
            ("-12", Some(-12)),
            ("0x1F", Some(31)),
            ("-0x1f", Some(-31)),
            ("010", Some(8)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("08", None),
            ("0x", None),
            ("", None),
            ("1k", None),
            ("--1", None),
            ("0x-1", None),
        ] {
            assert_eq!(parse_integer(text), expected, "{text:?}");
        }
    }

    #[test]
    fn booleans_are_told_by_how_they_begin() {
        for yes in ["1", "on", "true", "trueish", "1x"] {
            assert_eq!(parse_bool(yes), Some(true), "{yes}");
        }
        for no in ["0", "off", "false"] {
            assert_eq!(parse_bool(no), Some(false), "{no}");
        }
        for neither in ["", "TRUE", "yes", "no", "o"] {
            assert_eq!(parse_bool(neither), None, "{neither}");
        }
    }

    #[test]
    fn values_are_shown_in_the_largest_unit_that_divides_them() {
        for (nanos, text) in [
            (0, "0ns"),
            (1, "1ns"),
            (1_500, "1500ns"),
            (2_000, "2us"),
            (100_000_000, "100ms"),
            (5_000_000_000, "5s"),
        ] {
            assert_eq!(format_duration(Duration::from_nanos(nanos)), text);
        }
        for (bytes, text) in [(0, "0"), (1408, "1408"), (2048, "2k"), (16 << 20, "16m"), (1 << 30, "1g")] {
            assert_eq!(format_size(bytes), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(nanos in 0..=i64::MAX as u64, bytes in 0..=i64::MAX as u64) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
            prop_assert_eq!(parse_size(&format_size(bytes)), Some(bytes));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = (parse_size(&text), parse_duration(&text), parse_integer(&text), parse_bool(&text));
        }
    }
}
