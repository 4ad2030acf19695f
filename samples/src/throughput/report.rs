//! Rates and summary, for people and for programs.

use std::io::{self, Write};

use epona_client::Nanos;
use serde::Serialize;

use super::totals::{Count, Totals};
use crate::{common::Format, text};

/// Prints a line for each interval and a summary at the end.
#[derive(Debug)]
pub(super) struct Report {
    format: Format,
    publishes: bool,
    subscribes: bool,
    lines: u64,
    /// When it began, and what was there at the last line.
    start: Option<Nanos>,
    last: (Nanos, Totals),
}

/// What happened in some time. A side that is not here is left out.
#[derive(Debug, Serialize)]
struct Interval {
    kind: &'static str,
    /// Since the start.
    time_s: f64,
    /// How long this takes in.
    interval_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<Rate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    back_pressured: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<Rate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<u64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Rate {
    messages: u64,
    bytes: u64,
    messages_per_second: f64,
    bytes_per_second: f64,
}

impl Rate {
    fn new(from: Count, to: Count, seconds: f64) -> Self {
        let messages = to.messages.saturating_sub(from.messages);
        let bytes = to.bytes.saturating_sub(from.bytes);
        let seconds = seconds.max(f64::MIN_POSITIVE);
        Self {
            messages,
            bytes,
            messages_per_second: messages as f64 / seconds,
            bytes_per_second: bytes as f64 / seconds,
        }
    }
}

impl Report {
    pub(super) fn new(format: Format, publishes: bool, subscribes: bool) -> Self {
        let last = (Nanos::new(0), Totals::default());
        Self { format, publishes, subscribes, lines: 0, start: None, last }
    }

    pub(super) fn start(&mut self, now: Nanos) {
        self.start = Some(now);
        self.last = (now, Totals::default());
    }

    pub(super) const fn has_started(&self) -> bool {
        self.start.is_some()
    }

    /// Notes what was there at the end.
    pub(super) fn end(&mut self, now: Nanos, totals: Totals) {
        self.last = (now, totals);
    }

    /// What happened between two moments, as far as it happened here.
    fn interval(&self, kind: &'static str, from: (Nanos, Totals), to: (Nanos, Totals)) -> Interval {
        let seconds = to.0.since(from.0).as_secs_f64();
        let (old, new) = (from.1, to.1);
        let lost = if self.publishes && kind == SUMMARY {
            new.published.messages.saturating_sub(new.received.messages)
        } else {
            new.skipped.saturating_sub(old.skipped)
        };
        Interval {
            kind,
            time_s: to.0.since(self.start.unwrap_or(from.0)).as_secs_f64(),
            interval_s: seconds,
            published: self.publishes.then(|| Rate::new(old.published, new.published, seconds)),
            back_pressured: self.publishes.then(|| new.refused.saturating_sub(old.refused)),
            received: self.subscribes.then(|| Rate::new(old.received, new.received, seconds)),
            lost: self.subscribes.then_some(lost),
        }
    }

    /// Prints what happened since the last line.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn print_interval(
        &mut self,
        output: &mut impl Write,
        now: Nanos,
        totals: Totals,
    ) -> io::Result<()> {
        let interval = self.interval("interval", self.last, (now, totals));
        self.last = (now, totals);
        match self.format {
            Format::Json => print_json(output, &interval)?,
            Format::Text => {
                if self.lines == 0 {
                    self.print_heading(output)?;
                }
                print_row(output, &interval)?;
            }
        }
        self.lines += 1;
        // Whoever reads along sees it now.
        output.flush()
    }

    fn print_heading(&self, output: &mut impl Write) -> io::Result<()> {
        let mut heading = format!("{:>6}", "time");
        if self.publishes {
            heading += &format!("{:>18}{:>10}{:>17}", "published msg/s", "MB/s", "back pressured");
        }
        if self.subscribes {
            heading += &format!("{:>17}{:>10}", "received msg/s", "MB/s");
        }
        writeln!(output, "{heading}")
    }

    /// Prints what happened in all; how many messages are missing.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn print_summary(&self, output: &mut impl Write) -> io::Result<u64> {
        let start = (self.start.unwrap_or(self.last.0), Totals::default());
        let summary = self.interval(SUMMARY, start, self.last);
        match self.format {
            Format::Json => print_json(output, &summary)?,
            Format::Text => {
                if self.lines > 0 {
                    writeln!(output)?;
                }
                print_sides(output, &summary)?;
            }
        }
        output.flush()?;
        Ok(summary.lost.unwrap_or_default())
    }
}

const SUMMARY: &str = "summary";

fn print_json(output: &mut impl Write, interval: &Interval) -> io::Result<()> {
    serde_json::to_writer(&mut *output, interval)?;
    writeln!(output)
}

fn print_row(output: &mut impl Write, interval: &Interval) -> io::Result<()> {
    write!(output, "{:>4.0} s", interval.time_s)?;
    if let Some(rate) = &interval.published {
        let refused = interval.back_pressured.unwrap_or_default();
        let (messages, refused) = (count(rate.messages_per_second), text::grouped(refused as i64));
        write!(output, "{messages:>18}{:>10.1}{refused:>17}", rate.bytes_per_second / 1e6)?;
    }
    if let Some(rate) = &interval.received {
        write!(output, "{:>17}{:>10.1}", count(rate.messages_per_second), rate.bytes_per_second / 1e6)?;
    }
    match interval.lost {
        Some(lost) if lost > 0 => writeln!(output, "  {} lost", text::grouped(lost as i64)),
        _ => writeln!(output),
    }
}

fn print_sides(output: &mut impl Write, summary: &Interval) -> io::Result<()> {
    let sides = [("published", &summary.published), ("received", &summary.received)];
    for (name, rate) in sides {
        let Some(rate) = rate else { continue };
        writeln!(
            output,
            "{name:<10}{} messages in {:.1} s: {} msg/s, {:.1} MB/s",
            text::grouped(rate.messages as i64),
            summary.interval_s,
            count(rate.messages_per_second),
            rate.bytes_per_second / 1e6
        )?;
    }
    match summary.lost {
        Some(0) if summary.published.is_some() => writeln!(output, "all messages arrived, in order"),
        Some(0) => writeln!(output, "no message was missing, all in order"),
        Some(lost) => writeln!(output, "{} messages did not arrive", text::grouped(lost as i64)),
        None => Ok(()),
    }
}

fn count(number: f64) -> String {
    text::grouped(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn totals(published: u64, received: u64) -> Totals {
        let count = |messages| Count { messages, bytes: messages * 32 };
        Totals { published: count(published), refused: 3, received: count(received), skipped: 0 }
    }

    fn printed(publishes: bool, subscribes: bool) -> (Vec<String>, u64) {
        let mut report = Report::new(Format::Text, publishes, subscribes);
        let mut output = Vec::new();
        report.start(Nanos::new(0));
        report.print_interval(&mut output, Nanos::new(SECOND), totals(2_000_000, 1_500_000)).unwrap();
        report.print_interval(&mut output, Nanos::new(2 * SECOND), totals(3_000_000, 2_999_000)).unwrap();
        report.end(Nanos::new(3 * SECOND), totals(3_000_000, 2_999_999));
        let missing = report.print_summary(&mut output).unwrap();
        (String::from_utf8(output).unwrap().lines().map(str::to_owned).collect(), missing)
    }

    #[test]
    fn a_line_has_the_rates_since_the_last_one_under_its_heading() {
        let (lines, missing) = printed(true, true);
        assert_eq!(
            lines[0],
            "  time   published msg/s      MB/s   back pressured   received msg/s      MB/s"
        );
        assert_eq!(
            lines[1],
            "   1 s         2,000,000      64.0                3        1,500,000      48.0"
        );
        assert_eq!(
            lines[2],
            "   2 s         1,000,000      32.0                0        1,499,000      48.0"
        );
        assert!(lines.iter().all(|line| line.len() < 80), "{lines:#?}");
        assert_eq!(lines[4], "published 3,000,000 messages in 3.0 s: 1,000,000 msg/s, 32.0 MB/s");
        assert_eq!(lines[5], "received  2,999,999 messages in 3.0 s: 999,999 msg/s, 32.0 MB/s");
        assert_eq!((lines[6].as_str(), missing), ("1 messages did not arrive", 1));
    }

    #[test]
    fn a_side_that_is_not_here_is_left_out() {
        let (lines, _) = printed(false, true);
        assert_eq!(lines[0], "  time   received msg/s      MB/s");
        let (lines, missing) = printed(true, false);
        assert_eq!(lines[0], "  time   published msg/s      MB/s   back pressured");
        assert_eq!((lines.len(), missing), (5, 0), "{lines:#?}");
    }
}
