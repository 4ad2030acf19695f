//! What is to be seen, before it is drawn: plain values out of snapshots.

use std::{cmp::Ordering, path::Path, time::Duration};

use epona_protocol::{
    counters::SystemCounter,
    loss_report::LossReportEntry,
    types::{EpochMillis, Position},
};

use crate::{
    snapshot::{DutyCycle, History, Image, Mark, Publication, Snapshot, Subscriber},
    text,
};

/// One look at a driver.
#[derive(Clone, Debug, Default)]
pub(super) struct Screen {
    pub(super) directory: String,
    pub(super) taken: EpochMillis,
    pub(super) pid: i64,
    /// Why the driver is not running, in words.
    pub(super) absence: Option<String>,
    pub(super) totals: Totals,
    pub(super) duty_cycles: Vec<DutyCycle>,
    pub(super) streams: Vec<Stream>,
}

/// What the driver as a whole does; rates are per second and 0 until there are two looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) sent: f64,
    pub(super) received: f64,
    pub(super) naks_sent: f64,
    pub(super) naks_received: f64,
    pub(super) retransmitted: f64,
    /// Bytes by the loss report, since the driver began.
    pub(super) lost: i64,
    pub(super) errors: i64,
    pub(super) invalid_packets: i64,
}

/// A publication or an image, with its subscribers on this host.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// What it is and its id: `pub 7`.
    pub(super) name: String,
    pub(super) stream_id: i32,
    pub(super) session_id: i32,
    pub(super) channel: String,
    /// Who publishes, for publications.
    pub(super) client: Option<String>,
    /// Bytes a second, once there are two looks.
    pub(super) rate: Option<f64>,
    /// What the slowest has yet to take.
    pub(super) lag: Lag,
    /// NAKs of its receivers, or for it.
    pub(super) naks: i64,
    /// Bytes that were lost on their way here; none for publications.
    pub(super) lost: Option<i64>,
    /// Who holds it back, in words.
    pub(super) limiter: Option<String>,
    pub(super) subscribers: Vec<Reader>,
}

/// A subscription as it reads a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    /// Its id and client: `sub 12 'risk'`.
    pub(super) name: String,
    pub(super) rate: Option<f64>,
    pub(super) lag: Lag,
    /// How long it has stood still with something left to read.
    pub(super) still: Option<Duration>,
}

/// How far somebody is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lag {
    pub(super) bytes: i64,
    /// How long ago the newest was where this one is now, as far as that was watched.
    pub(super) time: Option<Duration>,
}

/// What streams are ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Rate,
    Lag,
    Naks,
    Lost,
    Name,
}

impl Order {
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Rate => Self::Lag,
            Self::Lag => Self::Naks,
            Self::Naks => Self::Lost,
            Self::Lost => Self::Name,
            Self::Name => Self::Rate,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Lag => "lag",
            Self::Naks => "naks",
            Self::Lost => "lost",
            Self::Name => "name",
        }
    }

    /// The greatest first; names from the beginning. Of equals the one that was there first.
    fn compare(self, left: &Stream, right: &Stream) -> Ordering {
        match self {
            Self::Rate => right.rate.unwrap_or(0.0).total_cmp(&left.rate.unwrap_or(0.0)),
            Self::Lag => right.lag.bytes.cmp(&left.lag.bytes),
            Self::Naks => right.naks.cmp(&left.naks),
            Self::Lost => right.lost.cmp(&left.lost),
            Self::Name => (left.stream_id, left.session_id).cmp(&(right.stream_id, right.session_id)),
        }
    }
}

impl Screen {
    pub(super) fn new(
        snapshot: &Snapshot,
        history: &History,
        losses: &[LossReportEntry],
        directory: &Path,
    ) -> Self {
        let look = Look { snapshot, history, losses };
        let publications = snapshot.publications();
        let publications = publications.iter().map(|publication| look.publication(publication));
        let images = snapshot.images();
        let images = images.iter().map(|image| look.image(image));
        Self {
            directory: text::line(&directory.display().to_string()),
            taken: snapshot.taken,
            pid: snapshot.driver.pid,
            absence: snapshot.driver.absence(snapshot.taken),
            totals: look.totals(),
            duty_cycles: snapshot.duty_cycles(),
            streams: publications.chain(images).collect(),
        }
    }

    /// Streams that have a text somewhere, in an order.
    pub(super) fn selected(&self, filter: &str, order: Order) -> Vec<&Stream> {
        let mut streams: Vec<_> = self.streams.iter().filter(|stream| stream.has(filter)).collect();
        streams.sort_by(|left, right| order.compare(left, right));
        streams
    }
}

impl Stream {
    fn has(&self, filter: &str) -> bool {
        let ids = format!("{} {} {}", self.name, self.stream_id, self.session_id);
        let texts =
            [Some(ids.as_str()), Some(&self.channel), self.client.as_deref(), self.limiter.as_deref()];
        let readers = self.subscribers.iter().map(|reader| reader.name.as_str());
        texts.into_iter().flatten().chain(readers).any(|text| text.contains(filter))
    }
}

/// A snapshot with what went before.
struct Look<'a> {
    snapshot: &'a Snapshot,
    history: &'a History,
    losses: &'a [LossReportEntry],
}

impl Look<'_> {
    fn totals(&self) -> Totals {
        let rate = |counter| self.history.rate(Mark::System(counter)).unwrap_or_default();
        let count = |counter| self.snapshot.system(counter).unwrap_or_default();
        Totals {
            sent: rate(SystemCounter::BytesSent),
            received: rate(SystemCounter::BytesReceived),
            naks_sent: rate(SystemCounter::NaksSent),
            naks_received: rate(SystemCounter::NaksReceived),
            retransmitted: rate(SystemCounter::RetransmittedBytes),
            lost: self.losses.iter().fold(0, |sum, loss| sum.saturating_add(loss.total_bytes_lost)),
            errors: count(SystemCounter::Errors),
            invalid_packets: count(SystemCounter::InvalidPackets),
        }
    }

    fn publication(&self, publication: &Publication) -> Stream {
        let mark = Mark::Publication(publication.registration_id);
        let subscribers = self.readers(mark, publication.position, &publication.subscribers);
        let of_sender =
            publication.sender.map(|sender| self.lag(mark, publication.position, sender.position));
        let slowest =
            subscribers.iter().map(|reader| reader.lag).chain(of_sender).max_by_key(|lag| lag.bytes);
        Stream {
            name: format!("pub {}", publication.registration_id),
            stream_id: publication.stream_id.get(),
            session_id: publication.session_id.get(),
            channel: text::line(&publication.channel),
            client: Some(text::line(&self.snapshot.client_name(publication.client_id))),
            rate: self.history.rate(mark),
            lag: slowest.unwrap_or_default(),
            naks: publication.sender.map_or(0, |sender| sender.naks_received),
            lost: None,
            limiter: self.limiter(publication, &subscribers),
            subscribers,
        }
    }

    /// Who holds a publication back: its receivers by their window, the sender, or a subscriber here.
    fn limiter(&self, publication: &Publication, subscribers: &[Reader]) -> Option<String> {
        let still =
            |mark| self.still(mark).map(|still| format!(" still {}", short_time(still))).unwrap_or_default();
        if let Some(sender) = &publication.sender {
            let unsent = sender.backlog(publication.position);
            let is_full = sender.window() < unsent.min(i64::from(u16::MAX));
            if unsent > 0 && is_full {
                let mark = Mark::Sender(publication.registration_id);
                let receivers = || publication.receivers().to_string();
                let who = sender.pacemaker.map_or_else(receivers, |address| address.to_string());
                return Some(format!("{who}{}", still(mark)));
            }
            if unsent > 0 && publication.window() <= 0 {
                return Some(format!("sender{}", still(Mark::Sender(publication.registration_id))));
            }
        }
        let slowest = subscribers.iter().max_by_key(|reader| reader.lag.bytes)?;
        (publication.window() <= 0 && slowest.lag.bytes > 0).then(|| slowest.name.clone())
    }

    fn image(&self, image: &Image) -> Stream {
        let mark = Mark::Image(image.correlation_id);
        let subscribers = self.readers(mark, image.position, &image.subscribers);
        let slowest = subscribers.iter().max_by_key(|reader| reader.lag.bytes);
        let limiter = if image.waits_for_loss(self.history) {
            Some(format!("loss: {} missing", short_bytes(image.missing() as f64)))
        } else {
            slowest.filter(|reader| reader.still.is_some()).map(|reader| reader.name.clone())
        };
        let of_image = |loss: &&LossReportEntry| {
            (loss.session_id, loss.stream_id) == (image.session_id, image.stream_id)
        };
        let losses = self.losses.iter().filter(of_image);
        Stream {
            name: format!("image {}", image.correlation_id),
            stream_id: image.stream_id.get(),
            session_id: image.session_id.get(),
            channel: text::line(&image.channel),
            client: None,
            rate: self.history.rate(mark),
            lag: slowest.map(|reader| reader.lag).unwrap_or_default(),
            naks: image.naks_sent,
            lost: Some(losses.fold(0, |sum, loss| sum.saturating_add(loss.total_bytes_lost))),
            limiter,
            subscribers,
        }
    }

    fn readers(&self, stream: Mark, newest: Position, subscribers: &[Subscriber]) -> Vec<Reader> {
        let reader = |subscriber: &Subscriber| {
            let mark = Mark::from(subscriber);
            let lag = self.lag(stream, newest, subscriber.position);
            let client = self.snapshot.client_name(subscriber.client_id);
            Reader {
                name: text::line(&format!("sub {} {client}", subscriber.registration_id)),
                rate: self.history.rate(mark),
                still: self.still(mark).filter(|_| lag.bytes > 0),
                lag,
            }
        };
        subscribers.iter().map(reader).collect()
    }

    fn lag(&self, stream: Mark, newest: Position, position: Position) -> Lag {
        let bytes = newest.get().wrapping_sub(position.get()).max(0);
        Lag { bytes, time: self.history.age_of(stream, position) }
    }

    fn still(&self, mark: Mark) -> Option<Duration> {
        let still = self.history.still(mark)?;
        let millis = self.snapshot.taken.get().saturating_sub(still.since.get());
        Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
    }
}

/// A number of bytes in at most six letters: `131 kB`.
pub(super) fn short_bytes(bytes: f64) -> String {
    let mut value = bytes;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value.abs() < 999.5 {
            return if value.abs() < 9.95 && unit != "B" {
                format!("{value:.1} {unit}")
            } else {
                format!("{value:.0} {unit}")
            };
        }
        value /= 1000.0;
    }
    format!("{value:.0} PB")
}

/// A time in at most six letters: `120 ms`, `4.2 s`, `12 min`.
pub(super) fn short_time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..0.001 => format!("{:.0} us", seconds * 1e6),
        ..1.0 => format!("{:.0} ms", seconds * 1e3),
        ..10.0 => format!("{seconds:.1} s"),
        ..600.0 => format!("{seconds:.0} s"),
        ..6000.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.0} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(name: &str, rate: f64, lag: i64, naks: i64) -> Stream {
        let lag = Lag { bytes: lag, time: None };
        Stream {
            name: name.to_owned(),
            rate: Some(rate),
            lag,
            naks,
            channel: format!("aeron:ipc?alias={name}"),
            ..Stream::default()
        }
    }

    #[test]
    fn streams_are_ordered_by_the_greatest_first_and_filtered_by_text() {
        let streams = vec![stream("a", 1.0, 30, 5), stream("b", 3.0, 10, 7), stream("c", 2.0, 20, 6)];
        let screen = Screen { streams, ..Screen::default() };
        let names = |filter, order| -> String {
            screen.selected(filter, order).iter().map(|stream| stream.name.as_str()).collect()
        };
        assert_eq!((names("", Order::Rate), names("", Order::Lag)), ("bca".to_owned(), "acb".to_owned()));
        assert_eq!((names("", Order::Naks), names("", Order::Name)), ("bca".to_owned(), "abc".to_owned()));
        assert_eq!(
            (names("alias=c", Order::Rate), names("nothing", Order::Rate)),
            ("c".to_owned(), String::new())
        );
    }

    #[test]
    fn numbers_fit_their_columns() {
        for (bytes, text) in [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1_000.0, "1.0 kB"),
            (131_072.0, "131 kB"),
            (999_999.0, "1.0 MB"),
            (12e9, "12 GB"),
        ] {
            assert_eq!(short_bytes(bytes), text);
        }
        for (millis, text) in [
            (0, "0 us"),
            (120, "120 ms"),
            (4_200, "4.2 s"),
            (120_000, "120 s"),
            (720_000, "12 min"),
            (7_200_000, "2 h"),
        ] {
            assert_eq!(short_time(Duration::from_millis(millis)), text);
        }
    }
}
