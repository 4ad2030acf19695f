//! `epona log`: what is in a log buffer, as LogInspector tells it: metadata, then frames.

mod dump;
mod file;
mod frame;
mod metadata;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use epona_protocol::types::{Position, TermOffset};
use serde::Serialize;

use self::{
    dump::Dump,
    file::{LogFile, TermItem},
    metadata::Metadata,
};
use crate::{
    common::Stop,
    look::{LookOptions, print_json},
    snapshot::json,
    text,
};

/// Print what is in a log buffer: metadata, then frames
#[derive(Args, Debug)]
#[command(
    after_help = "A log buffer is named by its file or by its registration id, as `epona streams` prints it. Frames come in
the order of their positions; what was not written between two frames is a gap.

Examples:
  epona log 7
  epona log 7 --frames 10 --dump text --bytes 200
  epona log /dev/shm/aeron-ada/images/12.logbuffer --from 1048576 --format json"
)]
pub(crate) struct Options {
    /// The log buffer: a registration id in the driver's directory, or a file
    #[arg(value_name = "LOG")]
    log: String,

    /// Print at most so many frames; 0 prints the metadata alone
    #[arg(long, value_name = "N", default_value_t = 100)]
    frames: usize,

    /// Leave out what lies before this position
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    from: i64,

    /// How to print payloads
    #[arg(long, value_enum, default_value = "hex")]
    dump: Dump,

    /// Print at most so many bytes of each payload
    #[arg(long, value_name = "N", default_value_t = 64)]
    bytes: usize,

    #[command(flatten)]
    look: LookOptions,
}

/// Prints it.
///
/// # Errors
/// When there is no such log buffer, or the file is none; when standard output cannot be written.
pub(crate) fn run(options: &Options) -> Result<(), Stop> {
    let path = options.path()?;
    let log = LogFile::open(&path)?;
    let metadata = Metadata::of(log.metadata(), log.length());
    let mut output = io::BufWriter::new(io::stdout().lock());
    if options.look.is_json() {
        let frames = log
            .terms(options.bytes)
            .map(|items| options.selected(items))
            .collect::<Result<Vec<_>, _>>()?
            .concat();
        let items = frames.iter().take(options.frames).map(|item| Item::new(item, options)).collect();
        let path = path.display().to_string();
        print_json(&mut output, &Log { path, metadata, items })?;
    } else {
        writeln!(output, "{}\n{metadata}", path.display())?;
        options.print_frames(&log, &mut output)?;
    }
    output.flush()?;
    Ok(())
}

impl Options {
    /// The file that is meant: of a publication or an image when an id was given.
    fn path(&self) -> Result<PathBuf, Stop> {
        if let Ok(id) = self.log.parse::<i64>() {
            let directory = self.look.directory();
            let place = |folder: &str| directory.join(folder).join(format!("{id}.logbuffer"));
            let found = ["publications", "images"].map(place).into_iter().find(|path| path.exists());
            return found.ok_or_else(|| {
                let place = directory.display();
                format!("no log buffer of registration id {id} in {place}: see `epona streams`, or use --dir")
                    .into()
            });
        }
        Ok(Path::new(&self.log).to_owned())
    }

    /// What of a term is asked for.
    fn selected(&self, items: file::Term<'_>) -> Result<Vec<TermItem>, Stop> {
        let from = Position::new(self.from);
        let wanted = |item: &io::Result<TermItem>| item.as_ref().map_or(true, |item| item.end() > from);
        Ok(items.filter(wanted).take(self.frames).collect::<io::Result<_>>()?)
    }

    fn print_frames(&self, log: &LogFile, output: &mut impl Write) -> Result<(), Stop> {
        let from = Position::new(self.from);
        let mut printed = 0;
        for term in log.terms(self.bytes) {
            for item in term {
                let item = item?;
                if item.end() <= from {
                    continue;
                }
                if printed == self.frames {
                    if printed > 0 {
                        let next = item.position();
                        writeln!(
                            output,
                            "... more from position {next} on: --from {next}, or raise --frames"
                        )?;
                    }
                    return Ok(());
                }
                printed += 1;
                self.print_item(&item, output)?;
            }
        }
        if printed == 0 {
            writeln!(output, "no frames from position {from} on")?;
        }
        Ok(())
    }

    fn print_item(&self, item: &TermItem, output: &mut impl Write) -> io::Result<()> {
        match item {
            TermItem::Gap { position, length, .. } => {
                writeln!(output, "{position:>12}  gap of {length} bytes")
            }
            TermItem::Broken { position, frame_length, .. } => writeln!(
                output,
                "{position:>12}  no frame: its length says {frame_length}; the rest of the term is left out"
            ),
            TermItem::Frame(frame) => {
                writeln!(output, "{:>12}  {frame}", frame.position)?;
                self.dump.print(&frame.payload, output)?;
                let left = frame.payload_length().saturating_sub(frame.payload.len());
                if left > 0 && self.dump != Dump::None {
                    writeln!(output, "{:14}... {left} more bytes: --bytes", "")?;
                }
                Ok(())
            }
        }
    }
}

/// A log buffer as JSON.
#[derive(Serialize)]
struct Log<'a> {
    path: String,
    metadata: Metadata,
    items: Vec<Item<'a>>,
}

/// What lies at a place of a term, as JSON.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Item<'a> {
    Frame {
        #[serde(flatten)]
        frame: &'a frame::Frame,
        payload_length: usize,
        /// As much of it as was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<String>,
    },
    Gap {
        #[serde(serialize_with = "json::number")]
        position: Position,
        term_offset: i32,
        length: i64,
    },
    Broken {
        #[serde(serialize_with = "json::number")]
        position: Position,
        term_offset: i32,
        frame_length: i32,
    },
}

impl<'a> Item<'a> {
    fn new(item: &'a TermItem, options: &Options) -> Self {
        match item {
            TermItem::Frame(frame) => Self::Frame {
                payload_length: frame.payload_length(),
                payload: options.dump.line(&frame.payload),
                frame,
            },
            TermItem::Gap { position, offset, length } => {
                Self::Gap { position: *position, term_offset: TermOffset::get(*offset), length: *length }
            }
            TermItem::Broken { position, offset, frame_length } => Self::Broken {
                position: *position,
                term_offset: TermOffset::get(*offset),
                frame_length: *frame_length,
            },
        }
    }
}

/// A cell of the table that metadata is printed as.
fn row(f: &mut std::fmt::Formatter<'_>, name: &str, value: impl std::fmt::Display) -> std::fmt::Result {
    writeln!(f, "{name:<22}{}", text::line(&value.to_string()))
}
