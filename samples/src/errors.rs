//! `epona errors`: the distinct error log, as ErrorStat prints it.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use epona_protocol::{
    error_log::{self, ErrorEntry},
    memory::MappedFile,
    types::EpochMillis,
};
use serde::Serialize;

use crate::{
    common::Stop,
    look::{LookOptions, note_absence, now, print_json},
    snapshot::json,
    text,
};

/// Print the distinct errors of a media driver, as ErrorStat does
#[derive(Args, Debug)]
#[command(after_help = "Each error is there once, with how often and when it was seen.

Examples:
  epona errors
  epona errors --format json
  epona errors --file /var/log/aeron-prod-error.log")]
pub(crate) struct Options {
    /// Read this error log, as archives and clusters keep them, in place of the driver's
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    file: Option<PathBuf>,

    /// Where the log starts in that file, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 0, requires = "file")]
    offset: usize,

    #[command(flatten)]
    look: LookOptions,
}

/// Prints them.
///
/// # Errors
/// When there is no driver's directory or no such file; when standard output cannot be written.
pub(crate) fn run(options: &Options) -> Result<(), Stop> {
    let errors = match &options.file {
        Some(file) => errors_of_file(file, options.offset)?,
        None => {
            let directory = options.look.open()?;
            note_absence(&directory.snapshot(now()));
            directory.errors()
        }
    };
    let mut output = io::stdout().lock();
    if options.look.is_json() {
        return print_json(&mut output, &errors.iter().map(Line::new).collect::<Vec<_>>());
    }
    for error in &errors {
        print_text(&mut output, error)?;
    }
    writeln!(output, "\n{} distinct errors observed.", errors.len())?;
    Ok(())
}

fn errors_of_file(path: &Path, offset: usize) -> Result<Vec<ErrorEntry>, Stop> {
    let place = path.display();
    let file = MappedFile::open_to_read(path).map_err(|error| format!("cannot read {place}: {error}"))?;
    let length = file.length();
    // The log's own records start at multiples of 8.
    if offset > length || !offset.is_multiple_of(8) {
        let limits = format!("{place} has {length} bytes, and records start at multiples of 8");
        return Err(format!("no error log at offset {offset}: {limits}; change --offset").into());
    }
    // Records, too, are read in units of 8.
    let log = file.view().sub_view(offset, (length - offset) & !7);
    let errors: Vec<_> = error_log::entries(log.clone()).collect();
    // An empty log begins with a length of nothing.
    if errors.is_empty() && log.contains(0, 4) && log.get_i32(0) != 0 {
        let record = format!("there is no record of {} bytes", log.get_i32(0));
        return Err(format!("no error log at offset {offset} of {place}: {record}; change --offset").into());
    }
    Ok(errors)
}

/// Source: error_stat.c, aeron_error_stat_on_observation.
fn print_text(output: &mut impl Write, error: &ErrorEntry) -> io::Result<()> {
    let first = text::date_time(error.first_observation);
    let last = text::date_time(error.last_observation);
    writeln!(output, "***\n{} observations from {first} to {last} for:", error.observation_count)?;
    writeln!(output, " {}", text::lines(&error.text))
}

/// An error as JSON.
#[derive(Serialize)]
struct Line<'a> {
    observation_count: i32,
    #[serde(rename = "first_observation_ms", serialize_with = "json::number")]
    first_observation: EpochMillis,
    #[serde(rename = "last_observation_ms", serialize_with = "json::number")]
    last_observation: EpochMillis,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn new(error: &'a ErrorEntry) -> Self {
        Self {
            observation_count: error.observation_count,
            first_observation: error.first_observation,
            last_observation: error.last_observation,
            text: &error.text,
        }
    }
}
