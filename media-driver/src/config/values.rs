//! Reads values as a driver's settings have them: [`units`] with the leniency of Aeron, and booleans.
//! Source: driver spec 9.1.

use std::time::Duration;

use epona_protocol::uri::units;

/// Longest duration that a setting holds, 2^63 - 1 ns; longer ones become this.
pub const MAX_DURATION: Duration = Duration::from_nanos(i64::MAX as u64);

/// Reads a number of bytes: digits, then optionally `k`, `m` or `g` in either case. What follows that letter is not
/// looked at, as in Aeron: `16MB` is 16 MiB.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim_ascii_start();
    let unit = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let text = if text[unit..].starts_with(['k', 'K', 'm', 'M', 'g', 'G']) { &text[..=unit] } else { text };
    units::parse_size(text).ok()
}

/// Reads a duration: digits, then optionally `ns`, `us`, `ms` or `s` in either case; nanoseconds without a unit.
/// Longer ones than [`MAX_DURATION`] become that.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    units::parse_duration(text.trim_ascii_start()).ok()
}

/// Reads a whole number: decimal, hexadecimal after `0x`, octal after a leading `0`; a sign may come first.
#[must_use]
pub fn parse_integer(text: &str) -> Option<i64> {
    units::parse_integer(text.trim_ascii_start()).ok()
}

/// Reads a boolean: yes when it begins with `1`, `on` or `true`, no when it begins with `0`, `off` or `false`.
#[must_use]
pub fn parse_bool(text: &str) -> Option<bool> {
    let begins = |words: [&str; 3]| words.iter().any(|word| text.starts_with(word));
    if begins(["1", "on", "true"]) {
        Some(true)
    } else if begins(["0", "off", "false"]) {
        Some(false)
    } else {
        None
    }
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
            ("12é", None),
        ] {
            assert_eq!(parse_size(text), expected, "{text:?}");
        }
    }

    #[test]
    fn durations_have_an_optional_unit() {
        for (text, nanos) in [
            ("0", Some(0)),
            ("17", Some(17)),
            (" 17ns", Some(17)),
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
            (" 12", Some(12)),
            ("-12", Some(-12)),
            ("0x1F", Some(31)),
            ("010", Some(8)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("08", None),
            ("", None),
            ("1k", None),
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

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = (parse_size(&text), parse_duration(&text), parse_integer(&text), parse_bool(&text));
        }
    }
}
