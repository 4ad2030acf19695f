//! The counters of a driver as series of OpenMetrics.
//!
//! Names begin with `epona_`, whichever driver is looked at, and stay. Labels are read off the counters' keys and labels, and
//! what another process wrote is cleaned of what steers a terminal.

use std::{collections::HashSet, fmt, sync::Arc};

use epona_protocol::{
    counters::SystemCounter,
    types::{EpochMillis, RegistrationId, SessionId, StreamId},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode as encode_text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use super::system::{self, Kind};
use crate::{
    snapshot::{Directory, Image, Publication, Snapshot, Subscriber},
    text,
};

/// Of the text that [`encode`] returns.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Labels of a series, by name.
type Labels = Vec<(&'static str, String)>;

/// All series of a driver's directory; of one that cannot be opened only that the driver is not up.
///
/// # Errors
/// Never, in fact: text is encoded into memory.
pub(super) fn encode(directory: Option<&Directory>, now: EpochMillis) -> Result<String, fmt::Error> {
    let families =
        directory.map_or_else(|| vec![up(false)], |directory| families(directory, &directory.snapshot(now)));
    let mut registry = Registry::with_prefix("epona");
    registry.register_collector(Box::new(Families(Arc::new(families))));
    let mut text = String::new();
    encode_text(&mut text, &registry)?;
    Ok(text)
}

/// Series of one name.
#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    series: Series,
}

/// Values by labels; no two have the same labels.
#[derive(Debug)]
enum Series {
    /// What only goes up.
    Counters(Vec<(Labels, u64)>),
    /// What goes up and down.
    Gauges(Vec<(Labels, f64)>),
}

#[derive(Clone, Debug)]
struct Families(Arc<Vec<Family>>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in self.0.iter() {
            let (name, help, unit) = (family.name, family.help, family.unit.as_ref());
            match &family.series {
                Series::Counters(series) => {
                    let mut encoder = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
                    for (labels, value) in distinct(series) {
                        ConstCounter::new(*value).encode(encoder.encode_family(labels)?)?;
                    }
                }
                Series::Gauges(series) => {
                    let mut encoder = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
                    for (labels, value) in distinct(series) {
                        ConstGauge::new(*value).encode(encoder.encode_family(labels)?)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The first of those with the same labels, since one series twice makes the whole page invalid.
fn distinct<T>(series: &[(Labels, T)]) -> impl Iterator<Item = &(Labels, T)> {
    let mut seen = HashSet::new();
    series.iter().filter(move |(labels, _)| seen.insert(labels))
}

fn counters<T>(
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    items: &[T],
    each: impl Fn(&T) -> Option<(Labels, i64)>,
) -> Family {
    // What only goes up is negative only if another process wrote nonsense.
    let value = |(labels, value): (Labels, i64)| (labels, u64::try_from(value).unwrap_or(0));
    Family { name, help, unit, series: Series::Counters(items.iter().filter_map(each).map(value).collect()) }
}

fn gauges<T>(
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    items: &[T],
    each: impl Fn(&T) -> Option<(Labels, f64)>,
) -> Family {
    Family { name, help, unit, series: Series::Gauges(items.iter().filter_map(each).collect()) }
}

fn gauge(name: &'static str, help: &'static str, unit: Option<Unit>, value: f64) -> Family {
    gauges(name, help, unit, &[value], |value| Some((Vec::new(), *value)))
}

fn up(is_up: bool) -> Family {
    gauge("driver_up", "Whether the media driver's heartbeat is recent", None, f64::from(u8::from(is_up)))
}

fn label(name: &'static str, value: impl fmt::Display) -> (&'static str, String) {
    (name, text::line(&value.to_string()))
}

/// What a publication and a subscriber of it are told apart by; the name of a client is quoted where people read it.
fn stream_labels(
    (registration_id, session_id, stream_id): (RegistrationId, SessionId, StreamId),
    channel: &str,
    client: &str,
) -> Labels {
    vec![
        label("registration_id", registration_id),
        label("session_id", session_id),
        label("stream_id", stream_id),
        label("channel", channel),
        label("client", client.trim_matches('\'')),
    ]
}

fn families(directory: &Directory, snapshot: &Snapshot) -> Vec<Family> {
    let mut families = vec![up(snapshot.driver.is_active)];
    families.extend(driver_families(directory, snapshot));
    families.extend(SystemCounter::ALL.into_iter().filter_map(|counter| system_family(snapshot, counter)));
    families.extend(publication_families(snapshot, &snapshot.publications()));
    families.extend(image_families(&snapshot.images()));
    families.extend(subscriber_families(snapshot));
    families.extend(loss_families(directory));
    families
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1e3
}

fn driver_families(directory: &Directory, snapshot: &Snapshot) -> Vec<Family> {
    let driver = &snapshot.driver;
    let software = snapshot.system_label(SystemCounter::AeronVersion).unwrap_or_default();
    let info =
        vec![label("pid", driver.pid), label("cnc_version", driver.cnc_version), label("software", software)];
    let cycles = snapshot.duty_cycles();
    let age: Vec<_> = driver.heartbeat_age_ms(snapshot.taken).into_iter().collect();
    let started = seconds(driver.started.get());
    vec![
        gauges("driver_info", "Constant 1, with what the driver says of itself", None, &[info], |info| {
            Some((info.clone(), 1.0))
        }),
        gauges(
            "driver_heartbeat_age",
            "Time since the driver's last heartbeat; none after a clean stop",
            Some(Unit::Seconds),
            &age,
            |age| Some((Vec::new(), seconds(*age))),
        ),
        gauge("driver_start_time", "When the driver started, since 1970", Some(Unit::Seconds), started),
        gauge(
            "driver_distinct_errors",
            "Errors in the distinct error log",
            None,
            directory.errors().len() as f64,
        ),
        gauges(
            "client_heartbeat_age",
            "Time since a client's last keepalive",
            Some(Unit::Seconds),
            &snapshot.clients(),
            |client| {
                let name = client.name.as_deref().unwrap_or_default();
                let age = seconds(client.heartbeat_age_ms);
                Some((vec![label("client_id", client.id), label("client", name)], age))
            },
        ),
        gauges("duty_cycle_max", "Longest duty cycle of a role", Some(Unit::Seconds), &cycles, |cycle| {
            Some((vec![label("role", cycle.role)], cycle.max_ns as f64 / 1e9))
        }),
        counters(
            "duty_cycle_threshold_exceeded",
            "Duty cycles of a role longer than its threshold",
            None,
            &cycles,
            |cycle| Some((vec![label("role", cycle.role)], cycle.exceeded)),
        ),
        gauges(
            "endpoint_active",
            "Whether a channel endpoint works",
            None,
            &snapshot.endpoints(),
            |endpoint| {
                let direction =
                    if endpoint.direction == crate::snapshot::Direction::Send { "send" } else { "receive" };
                let labels = vec![
                    label("endpoint_id", endpoint.channel_status_id),
                    label("direction", direction),
                    label("channel", &endpoint.channel),
                    label("local_address", endpoint.local_addresses.join(" ")),
                ];
                Some((labels, f64::from(u8::from(endpoint.is_active()))))
            },
        ),
    ]
}

fn system_family(snapshot: &Snapshot, counter: SystemCounter) -> Option<Family> {
    let (name, kind) = system::series(counter)?;
    let value = snapshot.system(counter)?;
    let help = counter.label();
    let each = |value: &i64| Some((Vec::new(), *value));
    Some(match kind {
        Kind::Events => counters(name, help, None, &[value], each),
        Kind::Bytes => counters(name, help, Some(Unit::Bytes), &[value], each),
        Kind::BytesNow => gauge(name, help, Some(Unit::Bytes), value as f64),
    })
}

fn publication_families(snapshot: &Snapshot, publications: &[Publication]) -> Vec<Family> {
    let labels = |publication: &Publication| {
        let ids = (publication.registration_id, publication.session_id, publication.stream_id);
        stream_labels(ids, &publication.channel, &snapshot.client_name(publication.client_id))
    };
    let bytes = Some(Unit::Bytes);
    vec![
        counters(
            "publication_position",
            "How far a publication was written",
            bytes.clone(),
            publications,
            |publication| Some((labels(publication), publication.position.get())),
        ),
        gauges(
            "publication_window",
            "What can be written before back pressure",
            bytes.clone(),
            publications,
            |publication| Some((labels(publication), publication.window() as f64)),
        ),
        counters(
            "publication_sent_position",
            "How far a publication was sent",
            bytes.clone(),
            publications,
            |publication| Some((labels(publication), publication.sender?.position.get())),
        ),
        gauges(
            "publication_send_backlog",
            "What was written and not sent",
            bytes.clone(),
            publications,
            |publication| {
                Some((labels(publication), publication.sender?.backlog(publication.position).max(0) as f64))
            },
        ),
        gauges(
            "publication_send_window",
            "What flow control lets be sent now",
            bytes,
            publications,
            |publication| Some((labels(publication), publication.sender?.window() as f64)),
        ),
        counters(
            "publication_back_pressure",
            "How often flow control held up a publication",
            None,
            publications,
            |publication| Some((labels(publication), publication.sender?.back_pressure_events)),
        ),
        counters(
            "publication_naks_received",
            "NAKs that receivers of a publication sent",
            None,
            publications,
            |publication| Some((labels(publication), publication.sender?.naks_received)),
        ),
        gauges(
            "publication_receivers",
            "Receivers that flow control tracks, where it does",
            None,
            publications,
            |publication| Some((labels(publication), publication.sender?.receivers? as f64)),
        ),
    ]
}

fn image_families(images: &[Image]) -> Vec<Family> {
    let labels = |image: &Image| {
        vec![
            label("correlation_id", image.correlation_id),
            label("session_id", image.session_id),
            label("stream_id", image.stream_id),
            label("channel", &image.channel),
        ]
    };
    vec![
        counters("image_position", "How far an image is complete", Some(Unit::Bytes), images, |image| {
            Some((labels(image), image.position.get()))
        }),
        gauges(
            "image_missing",
            "From the first gap to what arrived last",
            Some(Unit::Bytes),
            images,
            |image| Some((labels(image), image.missing() as f64)),
        ),
        counters("image_naks_sent", "NAKs that were sent for an image", None, images, |image| {
            Some((labels(image), image.naks_sent))
        }),
    ]
}

/// A subscriber, and how far it is behind what it reads.
type Lagging = (Subscriber, i64);

fn subscriber_families(snapshot: &Snapshot) -> Vec<Family> {
    let behind = |end: i64, subscriber: Subscriber| {
        let lag = end.saturating_sub(subscriber.position.get()).max(0);
        (subscriber, lag)
    };
    let of_publications = snapshot.publications().into_iter().flat_map(|publication| {
        let end = publication.position.get();
        publication.subscribers.into_iter().map(move |subscriber| behind(end, subscriber))
    });
    let of_images = snapshot.images().into_iter().flat_map(|image| {
        let end = image.position.get();
        image.subscribers.into_iter().map(move |subscriber| behind(end, subscriber))
    });
    let subscribers: Vec<Lagging> = of_publications.chain(of_images).collect();
    let labels = |subscriber: &Subscriber| {
        let ids = (subscriber.registration_id, subscriber.session_id, subscriber.stream_id);
        stream_labels(ids, &subscriber.channel, &snapshot.client_name(subscriber.client_id))
    };
    let bytes = Some(Unit::Bytes);
    vec![
        counters(
            "subscriber_position",
            "How far a subscriber has read",
            bytes.clone(),
            &subscribers,
            |(subscriber, _)| Some((labels(subscriber), subscriber.position.get())),
        ),
        gauges(
            "subscriber_lag",
            "How far a subscriber is behind what it reads",
            bytes,
            &subscribers,
            |(subscriber, lag)| Some((labels(subscriber), *lag as f64)),
        ),
    ]
}

fn loss_families(directory: &Directory) -> Vec<Family> {
    // Without a report nothing is told of losses.
    let losses = directory.losses().unwrap_or_default();
    let labels = |loss: &epona_protocol::loss_report::LossReportEntry| {
        vec![
            label("session_id", loss.session_id),
            label("stream_id", loss.stream_id),
            label("channel", &loss.channel),
            label("source", &loss.source),
        ]
    };
    vec![
        counters(
            "loss",
            "Bytes that were lost on the way to this driver, by its loss report",
            Some(Unit::Bytes),
            &losses,
            |loss| Some((labels(loss), loss.total_bytes_lost)),
        ),
        counters("loss_observations", "How often loss was observed", None, &losses, |loss| {
            Some((labels(loss), loss.observation_count))
        }),
    ]
}
