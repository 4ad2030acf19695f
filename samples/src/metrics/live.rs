//! What the page shows, as JSON.

use epona_protocol::{counters::SystemCounter, types::EpochMillis};
use serde::Serialize;

use crate::snapshot::{Client, Directory, DutyCycle, Image, Publication, Snapshot, json};

/// The streams of a driver and what goes wrong with them.
#[derive(Debug, Serialize)]
pub(super) struct Live {
    #[serde(rename = "time_ms", serialize_with = "json::number")]
    taken: EpochMillis,
    pid: i64,
    is_active: bool,
    /// Why it is not, in words.
    absence: Option<String>,
    heartbeat_age_ms: Option<i64>,
    publications: Vec<Publication>,
    images: Vec<Image>,
    clients: Vec<Client>,
    duty_cycles: Vec<DutyCycle>,
    naks_sent: i64,
    naks_received: i64,
    retransmitted_bytes: i64,
    /// By the loss report, since the driver began.
    lost_bytes: i64,
    errors: i64,
}

impl Live {
    pub(super) fn new(directory: &Directory, snapshot: &Snapshot) -> Self {
        let system = |counter| snapshot.system(counter).unwrap_or_default();
        // A report that cannot be read tells of no loss.
        let losses = directory.losses().unwrap_or_default();
        let lost_bytes = losses.iter().fold(0_i64, |sum, loss| sum.saturating_add(loss.total_bytes_lost));
        Self {
            taken: snapshot.taken,
            pid: snapshot.driver.pid,
            is_active: snapshot.driver.is_active,
            absence: snapshot.driver.absence(snapshot.taken),
            heartbeat_age_ms: snapshot.driver.heartbeat_age_ms(snapshot.taken),
            publications: snapshot.publications(),
            images: snapshot.images(),
            clients: snapshot.clients(),
            duty_cycles: snapshot.duty_cycles(),
            naks_sent: system(SystemCounter::NaksSent),
            naks_received: system(SystemCounter::NaksReceived),
            retransmitted_bytes: system(SystemCounter::RetransmittedBytes),
            lost_bytes,
            errors: system(SystemCounter::Errors),
        }
    }
}
