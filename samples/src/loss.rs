//! `epona loss`: the loss report, as LossStat prints it.

use std::io::{self, Write};

use clap::Args;
use epona_protocol::{
    loss_report::LossReportEntry,
    types::{EpochMillis, SessionId, StreamId},
};
use serde::Serialize;

use crate::{
    common::Stop,
    look::{LookOptions, note_absence, now, print_json},
    snapshot::json,
    text,
};

/// Source: loss_stat.c, main.
const HEADING: &str = "OBSERVATION_COUNT, TOTAL_BYTES_LOST, FIRST_OBSERVATION,LAST_OBSERVATION, SESSION_ID, \
                       STREAM_ID, CHANNEL, SOURCE";

/// Print what each stream has lost, as LossStat does
#[derive(Args, Debug)]
#[command(
    after_help = "A stream from one source is one line of comma-separated values, from its first loss on.

Examples:
  epona loss
  epona loss --format json"
)]
pub(crate) struct Options {
    #[command(flatten)]
    look: LookOptions,
}

/// Prints it.
///
/// # Errors
/// When there is no driver's directory or no loss report; when standard output cannot be written.
pub(crate) fn run(options: &Options) -> Result<(), Stop> {
    let directory = options.look.open()?;
    note_absence(&directory.snapshot(now()));
    let losses = directory.losses()?;
    let mut output = io::stdout().lock();
    if options.look.is_json() {
        return print_json(&mut output, &losses.iter().map(Line::new).collect::<Vec<_>>());
    }
    writeln!(output, "{HEADING}")?;
    for loss in &losses {
        print_text(&mut output, loss)?;
    }
    writeln!(output, "{} entries read", losses.len())?;
    Ok(())
}

/// Source: loss_stat.c, aeron_loss_stat_print_observation.
fn print_text(output: &mut impl Write, loss: &LossReportEntry) -> io::Result<()> {
    writeln!(
        output,
        "{},{},{},{},{},{},{},{}",
        loss.observation_count,
        loss.total_bytes_lost,
        text::date_time(loss.first_observation),
        text::date_time(loss.last_observation),
        loss.session_id,
        loss.stream_id,
        text::line(&loss.channel),
        text::line(&loss.source)
    )
}

/// An entry as JSON.
#[derive(Serialize)]
struct Line<'a> {
    observation_count: i64,
    total_bytes_lost: i64,
    #[serde(rename = "first_observation_ms", serialize_with = "json::number")]
    first_observation: EpochMillis,
    #[serde(rename = "last_observation_ms", serialize_with = "json::number")]
    last_observation: EpochMillis,
    #[serde(serialize_with = "json::number")]
    session_id: SessionId,
    #[serde(serialize_with = "json::number")]
    stream_id: StreamId,
    channel: &'a str,
    source: &'a str,
}

impl<'a> Line<'a> {
    fn new(loss: &'a LossReportEntry) -> Self {
        Self {
            observation_count: loss.observation_count,
            total_bytes_lost: loss.total_bytes_lost,
            first_observation: loss.first_observation,
            last_observation: loss.last_observation,
            session_id: loss.session_id,
            stream_id: loss.stream_id,
            channel: &loss.channel,
            source: &loss.source,
        }
    }
}
