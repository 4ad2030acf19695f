//! The facts about a driver, for people and for programs.

use std::{fmt, time::Duration};

use epona_protocol::{
    broadcast,
    cnc::{CncLengths, SemanticVersion},
    counters::SystemCounter,
    ring_buffer,
    types::EpochMillis,
    uri::units::{format_duration, format_size},
};
use serde::Serialize;

use crate::{
    snapshot::{Client, Direction, Directory, DutyCycle, Endpoint, Snapshot, age_ms, json},
    text,
};

/// A driver says that it lives at least every second; one that has been silent for longer may be dead already.
const SILENCE_MS: i64 = 3_000;

/// What a driver says about itself in `cnc.dat` and in its counters.
#[derive(Serialize)]
pub(super) struct Facts {
    cnc_file: String,
    cnc_version: String,
    /// The version as the one number that Aeron's tools print.
    cnc_version_number: i32,
    pid: i64,
    is_active: bool,
    /// Why it is not, in words.
    absence: Option<String>,
    #[serde(rename = "time_ms", serialize_with = "json::number")]
    taken: EpochMillis,
    #[serde(rename = "start_ms", serialize_with = "json::number")]
    started: EpochMillis,
    /// When it last said that it lives: null before its first time, and after a clean stop.
    #[serde(rename = "activity_ms", serialize_with = "json::optional")]
    activity: Option<EpochMillis>,
    activity_age_ms: Option<i64>,
    /// From its start to its last activity.
    uptime_ms: Option<i64>,
    /// Version of the driver's software, as its counter has it.
    software_version: Option<String>,
    /// The label of that counter: version and commit.
    software: Option<String>,
    control_protocol_version: Option<String>,
    configuration: Configuration,
    clients: Vec<Client>,
    endpoints: Vec<Endpoint>,
    publications: usize,
    images: usize,
    distinct_errors: usize,
}

/// What of the configuration can be seen from outside.
#[derive(Serialize)]
struct Configuration {
    client_liveness_timeout_ns: u64,
    file_page_size: i32,
    /// `aeron.conductor.buffer.length` with its trailer, in bytes.
    to_driver_buffer_length: i32,
    /// `aeron.clients.buffer.length` with its trailer, in bytes.
    to_clients_buffer_length: i32,
    counters_metadata_length: i32,
    /// `aeron.counters.buffer.length`, in bytes.
    counters_values_length: i32,
    /// `aeron.error.buffer.length`, in bytes.
    error_log_length: i32,
    counters_capacity: usize,
    /// Of each role, what its counters' labels say: threading mode, longest cycle, threshold.
    duty_cycles: Vec<DutyCycle>,
    threading: Option<String>,
    resolver: Option<String>,
}

impl Facts {
    pub(super) fn new(directory: &Directory, snapshot: &Snapshot) -> Self {
        let driver = &snapshot.driver;
        let version = |counter| {
            let raw = i32::try_from(snapshot.system(counter)?).ok()?;
            Some(SemanticVersion::from_raw(raw).to_string())
        };
        Self {
            cnc_file: directory.cnc_file().display().to_string(),
            cnc_version: driver.cnc_version.to_string(),
            cnc_version_number: driver.cnc_version.get(),
            pid: driver.pid,
            is_active: driver.is_active,
            absence: driver.absence(snapshot.taken),
            taken: snapshot.taken,
            started: driver.started,
            activity: driver.last_heartbeat(),
            activity_age_ms: driver.heartbeat_age_ms(snapshot.taken),
            uptime_ms: driver.last_heartbeat().map(|heartbeat| age_ms(driver.started, heartbeat)),
            software_version: version(SystemCounter::AeronVersion),
            software: snapshot.system_label(SystemCounter::AeronVersion).map(str::to_owned),
            control_protocol_version: version(SystemCounter::ControlProtocolVersion),
            configuration: Configuration::new(snapshot),
            clients: snapshot.clients(),
            endpoints: snapshot.endpoints(),
            publications: snapshot.publications().len(),
            images: snapshot.images().len(),
            distinct_errors: directory.errors().len(),
        }
    }
}

impl Configuration {
    fn new(snapshot: &Snapshot) -> Self {
        let CncLengths { to_driver, to_clients, counters_metadata, counters_values, error_log } =
            snapshot.driver.lengths;
        let timeout = snapshot.driver.client_liveness_timeout.as_nanos();
        Self {
            client_liveness_timeout_ns: u64::try_from(timeout).unwrap_or(u64::MAX),
            file_page_size: snapshot.driver.file_page_size,
            to_driver_buffer_length: to_driver,
            to_clients_buffer_length: to_clients,
            counters_metadata_length: counters_metadata,
            counters_values_length: counters_values,
            error_log_length: error_log,
            counters_capacity: snapshot.capacity(),
            duty_cycles: snapshot.duty_cycles(),
            threading: suffix(snapshot, SystemCounter::ConductorMaxCycleTime),
            resolver: suffix(snapshot, SystemCounter::ResolutionChanges),
        }
    }
}

/// What a driver appended to a label behind its last `: `. Source: shared-memory spec 5.8.
fn suffix(snapshot: &Snapshot, counter: SystemCounter) -> Option<String> {
    let (_, suffix) = snapshot.system_label(counter)?.rsplit_once(": ")?;
    Some(suffix.to_owned())
}

impl fmt::Display for Facts {
    /// The first three lines are those of driver_tool.c.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Command 'n Control cnc_file: {}", self.cnc_file)?;
        writeln!(f, "Version: {}, PID: {}", self.cnc_version_number, self.pid)?;
        let [now, start] = [self.taken, self.started].map(text::date_time);
        let activity = self.activity.map_or_else(|| "none".to_owned(), text::date_time);
        writeln!(f, "{now} (start: {start}, activity: {activity})")?;
        writeln!(f)?;
        let uptime = Duration::from_millis(u64::try_from(self.uptime_ms.unwrap_or(0)).unwrap_or(0));
        match &self.absence {
            None if self.activity_age_ms > Some(SILENCE_MS) => {
                writeln!(f, "state             silent; without a sign of life for 10 s it counts as dead")?;
            }
            None => writeln!(f, "state             running, up {}", rounded(uptime))?,
            Some(absence) => writeln!(f, "state             NOT RUNNING: {absence}")?,
        }
        if let Some(age) = self.activity_age_ms {
            writeln!(f, "activity age      {} ms", text::grouped(age))?;
        }
        writeln!(f, "CnC version       {}", self.cnc_version)?;
        let unknown = || "unknown".to_owned();
        let software = self.software.as_deref().map_or_else(unknown, text::line);
        writeln!(f, "software          {software}")?;
        let protocol = self.control_protocol_version.clone().unwrap_or_else(unknown);
        writeln!(f, "control protocol  {protocol}")?;
        fmt::Display::fmt(&self.configuration, f)?;
        let (publications, images) = (self.publications, self.images);
        writeln!(f, "streams           {publications} publications, {images} images")?;
        writeln!(f, "distinct errors   {}", self.distinct_errors)?;
        for client in &self.clients {
            let name = client.name.as_deref().unwrap_or("without a name");
            let age = client.heartbeat_age_ms;
            writeln!(f, "client            {} {}, heartbeat age {age} ms", client.id, text::line(name))?;
        }
        for endpoint in &self.endpoints {
            fmt_endpoint(f, endpoint)?;
        }
        Ok(())
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = || "unknown".to_owned();
        writeln!(f, "threading mode    {}", self.threading.as_deref().map_or_else(unknown, text::line))?;
        let resolver = self.resolver.as_deref().map_or_else(unknown, text::line);
        let has_name = resolver != "driverName=";
        writeln!(f, "name resolver     {}", if has_name { &resolver } else { "without a name" })?;
        let timeout = Duration::from_nanos(self.client_liveness_timeout_ns);
        writeln!(f, "client liveness   {}", format_duration(timeout))?;
        let size = |bytes: i32| format_size(u64::try_from(bytes).unwrap_or(0));
        writeln!(f, "file page size    {}", size(self.file_page_size))?;
        writeln!(
            f,
            "buffers           to driver {}, to clients {}, counters {} for {}, errors {}",
            size(self.to_driver_buffer_length.saturating_sub(ring_buffer::TRAILER_LENGTH as i32)),
            size(self.to_clients_buffer_length.saturating_sub(broadcast::TRAILER_LENGTH as i32)),
            size(self.counters_values_length),
            self.counters_capacity,
            size(self.error_log_length)
        )?;
        for cycle in &self.duty_cycles {
            let (role, max) = (cycle.role, Duration::from_nanos(u64::try_from(cycle.max_ns).unwrap_or(0)));
            writeln!(f, "longest cycle     {role} {max:.1?}, {} beyond the threshold", cycle.exceeded)?;
        }
        Ok(())
    }
}

fn fmt_endpoint(f: &mut fmt::Formatter<'_>, endpoint: &Endpoint) -> fmt::Result {
    let state = if endpoint.is_active() { "" } else { ", not active" };
    let direction = match endpoint.direction {
        Direction::Send => "sends on",
        Direction::Receive => "receives on",
    };
    write!(f, "{direction:<17} {}", text::line(&endpoint.channel))?;
    if !endpoint.local_addresses.is_empty() {
        write!(f, " bound to {}", text::line(&endpoint.local_addresses.join(", ")))?;
    }
    if let Some(destinations) = endpoint.destinations {
        write!(f, ", {destinations} destinations")?;
    }
    writeln!(f, "{state}")
}

/// A long time in days, hours, minutes and seconds.
fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_two_greatest_units() {
        let cases = [(5, "5 s"), (65, "1 min 5 s"), (3_700, "1 h 1 min"), (90_061, "1 d 1 h 1 min")];
        for (seconds, text) in cases {
            assert_eq!(rounded(Duration::from_secs(seconds)), text);
        }
    }
}
