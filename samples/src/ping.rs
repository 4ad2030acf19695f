//! `epona ping`: measures round trips to a pong and back, beside those of a bare socket.
//!
//! ```text
//!   this thread                                       pong thread, or `epona pong` elsewhere
//!   measure.rs ── channel, stream ───────────────────────► pong::echo
//!      ▲                                                       │
//!      └───────────────── pong-channel, pong-stream ◄──────────┘
//! ```
//!
//! Each side is one thread that steps everything it needs ([`Side`](crate::side::Side)): its client and, when no driver is running, a
//! driver of its own. With two cores, that is as quick as it gets.

mod bare_socket;
mod both_sides;
mod hgrm;
mod measure;
mod message;
mod plot;
mod report;
mod tally;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    num::NonZero,
    path::{Path, PathBuf},
};

use clap::{Args, builder::RangedU64ValueParser};
use epona_client::ChannelUri;
use epona_protocol::uri::Media;

use self::{measure::Pace, message::LEAST_LENGTH, report::Report};
use crate::{
    common::{Format, Stop, Stream, note},
    cores::Cores,
    driver::DriverOptions,
    interrupt::Interrupt,
};

/// Longest message, whatever the term length. Source: shared-memory spec 7.1.
const MAX_LENGTH: u64 = 16 << 20;

/// Measure round trips to a pong and back, beside those of a bare UDP socket
#[derive(Args, Debug)]
#[command(after_help = "Without a media driver or `epona pong`, both sides run inside this process.

Examples:
  epona ping
  epona ping --messages 1000000 --length 1024 --rate 10000 --histogram ping.hgrm
  epona ping --plot ping.svg
To another host, where `epona pong` runs with the same two channels:
  epona ping --channel 'aeron:udp?endpoint=PONGHOST:20123' --pong-channel 'aeron:udp?endpoint=THISHOST:20124'")]
pub(crate) struct Options {
    /// Where messages go
    #[arg(long, value_name = "URI", default_value = "aeron:udp?endpoint=localhost:20123")]
    channel: ChannelUri,

    /// Where they come back from
    #[arg(long, value_name = "URI", default_value = "aeron:udp?endpoint=localhost:20124")]
    pong_channel: ChannelUri,

    /// Stream that messages go on
    #[arg(long, value_name = "ID", default_value_t = 1002, allow_negative_numbers = true)]
    stream: i32,

    /// Stream that they come back on
    #[arg(long, value_name = "ID", default_value_t = 1003, allow_negative_numbers = true)]
    pong_stream: i32,

    /// Round trips to measure
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    messages: u64,

    /// Round trips before that, which do not count
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    warmup: u64,

    /// Length of each message in bytes, from 16 (its time and number) to 16 MiB
    #[arg(long, value_name = "BYTES", default_value_t = 32,
          value_parser = RangedU64ValueParser::<usize>::new().range(LEAST_LENGTH as u64..=MAX_LENGTH))]
    length: usize,

    /// Send N messages a second, each timed from when it was due; without it, each follows the last one's answer
    #[arg(long, value_name = "N")]
    rate: Option<NonZero<u64>>,

    /// Write the distribution of round trips, in microseconds, as HdrHistogram text (.hgrm)
    #[arg(long, value_name = "FILE")]
    histogram: Option<PathBuf>,

    /// Draw the distribution beside that of a bare UDP socket, as a curve of percentiles (.svg)
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// How to print the result
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    #[command(flatten)]
    driver: DriverOptions,
}

impl Options {
    const fn ping_stream(&self) -> Stream<'_> {
        Stream { channel: &self.channel, id: self.stream }
    }

    const fn back_stream(&self) -> Stream<'_> {
        Stream { channel: &self.pong_channel, id: self.pong_stream }
    }

    /// Whether the two sides must share a driver.
    fn is_within_one_driver(&self) -> bool {
        [&self.channel, &self.pong_channel].iter().any(|channel| channel.media() == Media::Ipc)
    }

    fn pace(&self) -> Pace {
        self.rate.map_or(Pace::ClosedLoop, Pace::Rate)
    }
}

/// Measures, and prints what was measured.
///
/// # Errors
/// When there is no driver or no pong, or a channel is refused; when answers stay out; when a file cannot be written;
/// on Ctrl-C.
pub(crate) fn run(options: &Options, interrupt: &Interrupt) -> Result<(), Stop> {
    // Before the measurement, lest it be in vain.
    let histogram_file = options.histogram.as_deref().map(|path| create("histogram", path)).transpose()?;
    let plot_file = options.plot.as_deref().map(|path| create("plot", path)).transpose()?;
    let pong_is_elsewhere = both_sides::is_pong_elsewhere(options)?;
    let how_many = if options.is_within_one_driver() || pong_is_elsewhere { "one" } else { "one per side" };
    let choice = options.driver.choose(how_many, interrupt)?;
    note(&format!("ping  {}", options.ping_stream()));
    note(&format!("pong  {}", options.back_stream()));

    let cores = Cores::of_process();
    let measured = both_sides::measure(options, &choice, pong_is_elsewhere, &cores, interrupt)?;
    let bare = bare_socket::measure(options.messages, options.warmup, options.length, &cores, interrupt)?;

    if let Some((file, path)) = histogram_file {
        hgrm::write(&measured.histogram, file).map_err(|error| cannot_write("histogram", path, &error))?;
    }
    if let Some((mut file, path)) = plot_file {
        let title = format!("{} B over {}", options.length, options.channel);
        let svg = plot::draw(&title, &measured.histogram, &bare)?;
        let written = file.write_all(svg.as_bytes()).and_then(|()| file.flush());
        written.map_err(|error| cannot_write("plot", path, &error))?;
    }
    let report = Report::new(&measured, &bare, options.length, &options.channel);
    let mut output = io::stdout().lock();
    match options.format {
        Format::Text => write!(output, "{report}")?,
        Format::Json => writeln!(output, "{}", serde_json::to_string(&report)?)?,
    }
    Ok(())
}

fn create<'a>(what: &str, path: &'a Path) -> Result<(BufWriter<File>, &'a Path), Stop> {
    let file = File::create(path).map_err(|error| cannot_write(what, path, &error))?;
    Ok((BufWriter::new(file), path))
}

fn cannot_write(what: &str, path: &Path, error: &io::Error) -> Stop {
    format!("cannot write the {what} to {}: {error}", path.display()).into()
}
