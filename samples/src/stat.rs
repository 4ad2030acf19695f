//! `epona stat`: all counters, as AeronStat prints them.

use std::io::Write;

use clap::Args;
use epona_protocol::{
    counters::{ChannelKey, CounterDescriptor, StreamKey, SystemCounterKey},
    types::{CounterId, CounterTypeId, EpochMillis, SessionId, StreamId},
};
use regex_lite::Regex;
use serde::Serialize;

use crate::{
    common::Stop,
    interrupt::Interrupt,
    look::{LookOptions, RefreshOptions, print_json},
    snapshot::{Snapshot, is_about_stream, json},
    text,
};

/// Print all counters of a media driver, as AeronStat does
#[derive(Args, Debug)]
#[command(after_help = "A PATTERN is a regular expression that is to be found somewhere in the value.
A filter passes counters that have no such value: --stream leaves system counters in, --type 4 does not.

Examples:
  epona stat
  epona stat --type '^[1-9]$' --session 12345
  epona stat --once --format json --channel 'endpoint=224\\.20\\.30\\.39'")]
pub(crate) struct Options {
    /// Only counters of these types
    #[arg(long = "type", value_name = "PATTERN", allow_negative_numbers = true)]
    type_id: Option<Regex>,

    /// Only system counters of these ids, and positions of these registration ids
    #[arg(long, value_name = "PATTERN", allow_negative_numbers = true)]
    identity: Option<Regex>,

    /// Only positions of these sessions
    #[arg(long, value_name = "PATTERN", allow_negative_numbers = true)]
    session: Option<Regex>,

    /// Only positions of these streams
    #[arg(long, value_name = "PATTERN", allow_negative_numbers = true)]
    stream: Option<Regex>,

    /// Only positions and endpoints of these channels
    #[arg(long, value_name = "PATTERN")]
    channel: Option<Regex>,

    #[command(flatten)]
    refresh: RefreshOptions,

    #[command(flatten)]
    look: LookOptions,
}

/// Prints the counters, once or until Ctrl-C.
///
/// # Errors
/// When there is no driver's directory; when standard output cannot be written.
pub(crate) fn run(options: &Options, interrupt: &Interrupt) -> Result<(), Stop> {
    options.refresh.run(&options.look, interrupt, |snapshot, output| {
        let counters = snapshot.counters().iter().filter(|counter| options.passes(counter));
        if options.look.is_json() {
            print_json(output, &Stat::new(snapshot, counters))
        } else {
            print_text(output, snapshot, counters)
        }
    })
}

impl Options {
    /// Whether the filters let a counter through. Source: AeronStat.java, CounterFilter.
    fn passes(&self, counter: &CounterDescriptor) -> bool {
        let type_id = counter.type_id;
        if !found(self.type_id.as_ref(), || type_id.to_string()) {
            return false;
        }
        if type_id == CounterTypeId::SYSTEM_COUNTER {
            let key = SystemCounterKey::decode(&counter.key);
            return found(self.identity.as_ref(), || {
                key.map_or_else(String::new, |key| key.counter_id.to_string())
            });
        }
        if let Some(key) = stream_key(counter) {
            return found(self.identity.as_ref(), || key.registration_id.to_string())
                && found(self.session.as_ref(), || key.session_id.to_string())
                && found(self.stream.as_ref(), || key.stream_id.to_string())
                && found(self.channel.as_ref(), || key.channel.to_string());
        }
        match channel_key(counter) {
            Some(key) => found(self.channel.as_ref(), || key.channel.to_string()),
            None => true,
        }
    }
}

/// Whether a pattern, if there is one, is found.
fn found(pattern: Option<&Regex>, value: impl FnOnce() -> String) -> bool {
    pattern.is_none_or(|pattern| pattern.is_match(&value()))
}

fn stream_key(counter: &CounterDescriptor) -> Option<StreamKey<'_>> {
    is_about_stream(counter.type_id).then(|| StreamKey::decode(&counter.key)).flatten()
}

fn channel_key(counter: &CounterDescriptor) -> Option<ChannelKey<'_>> {
    let has_one =
        matches!(counter.type_id, CounterTypeId::SEND_CHANNEL_STATUS | CounterTypeId::RECEIVE_CHANNEL_STATUS);
    has_one.then(|| ChannelKey::decode(&counter.key)).flatten()
}

/// Source: aeron_stat.c, printStats; AeronStat.java, printOutput.
fn print_text<'a>(
    output: &mut dyn Write,
    snapshot: &Snapshot,
    counters: impl Iterator<Item = &'a CounterDescriptor>,
) -> Result<(), Stop> {
    let age = snapshot.driver.heartbeat_age_ms(snapshot.taken);
    let heartbeat = age.map_or_else(|| "no heartbeat".to_owned(), |age| format!("heartbeat age {age}ms"));
    writeln!(
        output,
        "{} - Aeron Stat (CnC v{}), pid {}, {heartbeat}",
        text::time_of_day(snapshot.taken),
        snapshot.driver.cnc_version,
        snapshot.driver.pid,
    )?;
    writeln!(output, "{:=<70}", "")?;
    let width = snapshot.capacity().saturating_sub(1).to_string().len();
    for counter in counters {
        let (id, value) = (counter.id.get(), text::grouped(counter.value));
        writeln!(output, "{id:>width$}: {value:>26} - {}", text::line(&counter.label))?;
    }
    writeln!(output, "--")?;
    Ok(())
}

/// All counters as JSON.
#[derive(Serialize)]
struct Stat<'a> {
    #[serde(rename = "time_ms", serialize_with = "json::number")]
    taken: EpochMillis,
    cnc_version: String,
    pid: i64,
    heartbeat_age_ms: Option<i64>,
    counters: Vec<Counter<'a>>,
}

/// One counter as JSON; what its type does not have is left out.
#[derive(Serialize)]
struct Counter<'a> {
    #[serde(serialize_with = "json::number")]
    id: CounterId,
    #[serde(serialize_with = "json::number")]
    type_id: CounterTypeId,
    value: i64,
    label: &'a str,
    registration_id: i64,
    owner_id: i64,
    reference_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
}

impl<'a> Stat<'a> {
    fn new(snapshot: &Snapshot, counters: impl Iterator<Item = &'a CounterDescriptor>) -> Self {
        Self {
            taken: snapshot.taken,
            cnc_version: snapshot.driver.cnc_version.to_string(),
            pid: snapshot.driver.pid,
            heartbeat_age_ms: snapshot.driver.heartbeat_age_ms(snapshot.taken),
            counters: counters.map(Counter::new).collect(),
        }
    }
}

impl<'a> Counter<'a> {
    fn new(counter: &'a CounterDescriptor) -> Self {
        let stream = stream_key(counter);
        let channel = channel_key(counter).map(|key| key.channel.into_owned());
        Self {
            id: counter.id,
            type_id: counter.type_id,
            value: counter.value,
            label: &counter.label,
            registration_id: counter.registration_id,
            owner_id: counter.owner_id,
            reference_id: counter.reference_id,
            session_id: stream.as_ref().map(|key| SessionId::get(key.session_id)),
            stream_id: stream.as_ref().map(|key| StreamId::get(key.stream_id)),
            channel: stream.map(|key| key.channel.into_owned()).or(channel),
        }
    }
}
