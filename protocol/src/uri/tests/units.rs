//! Sizes, durations and integers.

use core::time::Duration;

use crate::uri::units::{UnitError, format_duration, format_size, parse_duration, parse_integer, parse_size};

#[test]
fn sizes_take_binary_suffixes_of_either_case() {
    for (text, size) in [
        ("0", 0),
        ("1408", 1408),
        ("64k", 65_536),
        ("2K", 2048),
        ("16m", 16 << 20),
        ("1G", 1 << 30),
        ("9007199254740991k", 9_007_199_254_740_991 * 1024),
        ("8589934591g", 8_589_934_591 << 30),
    ] {
        assert_eq!(parse_size(text), Ok(size), "{text}");
    }
    for bad in ["", "k", "-1", "+1", " 1", "1 k", "64kb", "1t", "0x10", "1.5m"] {
        assert_eq!(parse_size(bad), Err(UnitError::NotASize), "{bad}");
    }
    for large in ["9007199254740992k", "8589934592g", "9223372036854775808", "99999999999999999999"] {
        assert_eq!(parse_size(large), Err(UnitError::SizeTooLarge), "{large}");
    }
    for (size, text) in
        [(0, "0"), (1408, "1408"), (65_536, "64k"), (3 << 20, "3m"), (1 << 30, "1g"), (1536, "1536")]
    {
        assert_eq!(format_size(size), text);
    }
}

#[test]
fn durations_take_suffixes_and_default_to_nanoseconds() {
    for (text, nanos) in [
        ("0", 0),
        ("1000", 1000),
        ("7ns", 7),
        ("5us", 5000),
        ("5US", 5000),
        ("100ms", 100_000_000),
        ("5s", 5_000_000_000),
        ("9223372037s", i64::MAX as u64),
        ("99999999999999999999", i64::MAX as u64),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
    }
    for bad in ["", "s", "-1s", "5 s", "5m", "5u", "5sec", "5h", "1.5s"] {
        assert_eq!(parse_duration(bad), Err(UnitError::NotADuration), "{bad}");
    }
    for (nanos, text) in
        [(0, "0ns"), (999, "999ns"), (1_500_000, "1500us"), (100_000_000, "100ms"), (5_000_000_000, "5s")]
    {
        assert_eq!(format_duration(Duration::from_nanos(nanos)), text);
    }
}

#[test]
fn integers_are_read_as_in_c() {
    for (text, value) in [
        ("0", 0),
        ("-5", -5),
        ("+5", 5),
        ("0x1F", 31),
        ("-0x10", -16),
        ("017", 15),
        ("00", 0),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
    ] {
        assert_eq!(parse_integer(text), Ok(value), "{text}");
    }
    for bad in ["", "-", "--5", "0x", "0x-1", "08", "5x", " 5", "1e3", "five"] {
        assert_eq!(parse_integer(bad), Err(UnitError::NotAnInteger), "{bad}");
    }
    for large in ["9223372036854775808", "-9223372036854775809", "0x1ffffffffffffffff"] {
        assert_eq!(parse_integer(large), Err(UnitError::IntegerTooLarge), "{large}");
    }
}
