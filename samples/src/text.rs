//! How numbers, times and other people's texts are printed.

use epona_protocol::types::EpochMillis;
use jiff::{Timestamp, tz::TimeZone};

/// A number with a comma between groups of three digits, as Aeron's tools print counters.
pub(crate) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Local time as Aeron's tools print it: `2026-01-31 12:00:00.000+0100`. Source: aeron_strutil.c, aeron_format_date.
pub(crate) fn date_time(time: EpochMillis) -> String {
    formatted(time, "%Y-%m-%d %H:%M:%S%.3f%z")
}

/// Local time of day: `12:00:00`.
pub(crate) fn time_of_day(time: EpochMillis) -> String {
    formatted(time, "%H:%M:%S")
}

fn formatted(time: EpochMillis, format: &str) -> String {
    // What no clock can say, another process wrote.
    Timestamp::from_millisecond(time.get()).map_or_else(
        |_| time.get().to_string(),
        |timestamp| timestamp.to_zoned(TimeZone::system()).strftime(format).to_string(),
    )
}

/// Another process's text without what would steer the terminal; `also` may stay.
fn without_controls(text: &str, also: &[char]) -> String {
    let replace = |letter: char| letter.is_control() && !also.contains(&letter);
    text.chars().map(|letter| if replace(letter) { '\u{FFFD}' } else { letter }).collect()
}

/// Another process's text as one line that does not steer the terminal.
pub(crate) fn line(text: &str) -> String {
    without_controls(text, &[])
}

/// Another process's text, of several lines perhaps, that does not steer the terminal.
pub(crate) fn lines(text: &str) -> String {
    without_controls(text, &['\n', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        let cases =
            [(0, "0"), (999, "999"), (1000, "1,000"), (-123_456, "-123,456"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(i64::MIN), "-9,223,372,036,854,775,808");
    }

    #[test]
    fn times_have_milliseconds_and_an_offset() {
        let text = date_time(EpochMillis::new(1_700_000_000_007));
        assert!(text.starts_with("2023-11-1") && text.contains(".007"), "{text}");
        assert_eq!(text.len(), "2023-11-14 22:13:20.007+0000".len());
        assert_eq!(date_time(EpochMillis::new(i64::MAX)), i64::MAX.to_string());
    }

    #[test]
    fn a_text_of_another_process_cannot_steer_the_terminal() {
        assert_eq!(line("a\u{1b}[2Jb\nc"), "a\u{FFFD}[2Jb\u{FFFD}c");
        assert_eq!(lines("a\r\nb\tc"), "a\u{FFFD}\nb\tc");
    }
}
