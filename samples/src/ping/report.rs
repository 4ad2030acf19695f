//! What a ping tells at the end: for programs by serialising it, for people by displaying it.

use std::fmt;

use epona_client::ChannelUri;
use hdrhistogram::Histogram;
use indicatif::HumanCount;
use serde::{Serialize, Serializer};

use super::{hgrm::micros, measure::RoundTrips};

/// The result of a measurement.
#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    rtt_us: Percentiles,
    bare_socket_rtt_us: Percentiles,
    messages_per_second: f64,
    messages: u64,
    length: usize,
    #[serde(serialize_with = "as_text")]
    channel: &'a ChannelUri,
}

/// Of round trips, in microseconds.
#[derive(Debug, Serialize)]
struct Percentiles {
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    p99_99: f64,
    max: f64,
}

fn as_text<S: Serializer>(channel: &ChannelUri, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(channel)
}

impl<'a> Report<'a> {
    pub(super) fn new(
        measured: &RoundTrips,
        bare: &Histogram<u64>,
        length: usize,
        channel: &'a ChannelUri,
    ) -> Self {
        let messages = measured.histogram.len();
        Self {
            rtt_us: Percentiles::of(&measured.histogram),
            bare_socket_rtt_us: Percentiles::of(bare),
            messages_per_second: messages as f64 / measured.elapsed.as_secs_f64().max(f64::MIN_POSITIVE),
            messages,
            length,
            channel,
        }
    }
}

impl Percentiles {
    fn of(nanos: &Histogram<u64>) -> Self {
        let at = |quantile| micros(nanos.value_at_quantile(quantile));
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: micros(nanos.max()),
        }
    }

    fn write_row(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        write!(f, "{name:15}")?;
        for value in [self.p50, self.p90, self.p99, self.p99_9, self.p99_99, self.max] {
            write!(f, " {value:8.1}")?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (messages, rate) = (HumanCount(self.messages), HumanCount(self.messages_per_second as u64));
        writeln!(f, "{messages} messages of {} B, {rate} round trips/s\n", self.length)?;
        write!(f, "{:15}", "round trip (us)")?;
        for name in ["p50", "p90", "p99", "p99.9", "p99.99", "max"] {
            write!(f, " {name:>8}")?;
        }
        writeln!(f)?;
        self.rtt_us.write_row(f, "epona")?;
        self.bare_socket_rtt_us.write_row(f, "bare UDP socket")?;
        writeln!(
            f,
            "To another host: run epona pong there, then  epona ping --channel 'aeron:udp?endpoint=HOST:20123' ...; \
             see epona ping --help"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ping::tally::new_histogram;

    fn round_trips(micros: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut histogram = new_histogram().unwrap();
        micros.into_iter().for_each(|value| histogram.record(value * 1000).unwrap());
        histogram
    }

    fn report(channel: &ChannelUri) -> Report<'_> {
        let measured = RoundTrips { histogram: round_trips(1..=1000), elapsed: Duration::from_millis(500) };
        Report::new(&measured, &round_trips([9, 10, 11]), 32, channel)
    }

    #[test]
    fn json_has_exactly_the_keys_that_were_promised() {
        let channel = "aeron:udp?endpoint=localhost:20123".parse().unwrap();
        let json = serde_json::to_value(report(&channel)).unwrap();
        let keys = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let promised =
            ["bare_socket_rtt_us", "channel", "length", "messages", "messages_per_second", "rtt_us"];
        assert_eq!(keys(&json), promised);
        for rows in ["rtt_us", "bare_socket_rtt_us"] {
            assert_eq!(keys(&json[rows]), ["max", "p50", "p90", "p99", "p99_9", "p99_99"]);
        }
        assert_eq!(json["channel"], "aeron:udp?endpoint=localhost:20123");
        assert_eq!((&json["messages"], &json["length"]), (&1000.into(), &32.into()));
        assert_eq!(json["messages_per_second"], 2000.0);
        let p50 = json["rtt_us"]["p50"].as_f64().unwrap();
        assert!((499.0..=501.0).contains(&p50), "{p50}");
    }

    #[test]
    fn people_see_columns_that_line_up() {
        let channel = "aeron:ipc".parse().unwrap();
        let text = report(&channel).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "1,000 messages of 32 B, 2,000 round trips/s");
        assert_eq!(lines[2], "round trip (us)      p50      p90      p99    p99.9   p99.99      max");
        assert_eq!((lines[3].len(), lines[4].len()), (lines[2].len(), lines[2].len()), "{text}");
        assert!(lines[4].starts_with("bare UDP socket     10.0     11.0     11.0"), "{text}");
    }
}
