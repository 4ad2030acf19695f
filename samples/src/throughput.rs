//! `epona throughput`: how many messages a second go from a publisher to a subscriber.
//!
//! ```text
//!   publisher thread                              subscriber thread
//!   publisher.rs ── channel, streams ───────────► subscriber.rs
//!          └────── totals.rs ──► this thread: report.rs, a line each second ◄── totals.rs
//! ```
//!
//! Each side is one thread that steps its client and, when no driver is running, a driver of its own
//! ([`Side`]). Either side can be left to another process or host.

mod publisher;
mod report;
mod subscriber;
mod totals;

use std::{
    io::{self, Write},
    num::NonZero,
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use clap::{Args, ValueEnum, builder::RangedU64ValueParser};
use epona_client::{ChannelUri, Nanos};
use epona_media_driver::clock::{Clock, SystemClock};
use epona_protocol::uri::Media;

use self::{
    report::Report,
    totals::{Phase, Progress},
};
use crate::{
    common::{Format, Stop, Stream, note},
    cores::Cores,
    driver::{Choice, DriverOptions},
    interrupt::Interrupt,
    look::{duration, pause},
    side::{Place, Side},
};

/// Length of the number that each message carries.
const LEAST_LENGTH: usize = 8;

/// Longest message, whatever the term length. Source: shared-memory spec 7.1.
const MAX_LENGTH: u64 = 16 << 20;

/// More streams than anybody measures, fewer than a driver has counters for.
const MAX_STREAMS: u64 = 1_000;

/// Time between two lines.
const INTERVAL: Duration = Duration::from_secs(1);

/// How often the end is looked for.
const TICK: Duration = Duration::from_millis(5);

/// How long what was published may take to arrive, counted from the last message that did.
const ARRIVAL_PATIENCE: Duration = Duration::from_secs(5);

/// Measure messages a second from a publisher to a subscriber
#[derive(Args, Debug)]
#[command(
    after_help = "Without --only, both sides run inside this process. Rates are of payload, in millions of bytes.

Examples:
  epona throughput
  epona throughput --length 1344 --streams 4 --duration 30s
  epona throughput --channel 'aeron:udp?endpoint=localhost:20121|rcv-wnd=2m|so-rcvbuf=2m|so-sndbuf=2m'
To another host:
  epona throughput --only subscriber --channel 'aeron:udp?endpoint=0.0.0.0:20121'       # there
  epona throughput --only publisher --channel 'aeron:udp?endpoint=THATHOST:20121'"
)]
pub(crate) struct Options {
    /// Where messages go
    #[arg(long, value_name = "URI", default_value = "aeron:udp?endpoint=localhost:20121")]
    channel: ChannelUri,

    /// Stream that messages go on; the first of several
    #[arg(long, value_name = "ID", default_value_t = 1001, allow_negative_numbers = true)]
    stream: i32,

    /// How many streams to publish on at once
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = RangedU64ValueParser::<u16>::new().range(1..=MAX_STREAMS))]
    streams: u16,

    /// Length of each message in bytes, from 8 (its number) to 16 MiB
    #[arg(long, value_name = "BYTES", default_value_t = 32,
          value_parser = RangedU64ValueParser::<usize>::new().range(LEAST_LENGTH as u64..=MAX_LENGTH))]
    length: usize,

    /// How long to publish
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    duration: Duration,

    /// Publish so many messages on each stream, if the time suffices
    #[arg(long, value_name = "N")]
    messages: Option<NonZero<u64>>,

    /// Run one side here and leave the other to another process or host
    #[arg(long, value_name = "SIDE", value_enum)]
    only: Option<Only>,

    /// How to print rates and summary
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    #[command(flatten)]
    driver: DriverOptions,
}

/// The side that runs here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Only {
    Publisher,
    Subscriber,
}

impl Options {
    fn streams(&self) -> impl Iterator<Item = Stream<'_>> {
        let ids = (0..i32::from(self.streams)).map(|index| self.stream.wrapping_add(index));
        ids.map(|id| Stream { channel: &self.channel, id })
    }

    /// Whether everything that is published must arrive.
    fn is_reliable(&self) -> bool {
        self.channel.get("reliable") != Some("false")
    }

    fn publishes(&self) -> bool {
        self.only != Some(Only::Subscriber)
    }

    fn subscribes(&self) -> bool {
        self.only != Some(Only::Publisher)
    }
}

/// Publishes and subscribes until the time is over, printing rates.
///
/// # Errors
/// When there is no driver, or it refuses a channel, or it ends; when something published does not arrive; on Ctrl-C before
/// the first message, since later it only ends the measurement.
pub(crate) fn run(options: &Options, interrupt: &Interrupt) -> Result<(), Stop> {
    let is_ipc = options.channel.media() == Media::Ipc;
    let how_many = if is_ipc || options.only.is_some() { "one" } else { "one per side" };
    let choice = options.driver.choose(how_many, interrupt)?;
    if is_ipc && options.only.is_some() && choice == Choice::Embedded {
        return Err(options.driver.refuse_ipc());
    }
    let last = options.stream.wrapping_add(i32::from(options.streams) - 1);
    let streams = if options.streams == 1 { String::new() } else { format!(" to {last}") };
    note(&format!(
        "{} stream {}{streams}, messages of {} B",
        options.channel, options.stream, options.length
    ));

    let cores = Cores::of_process();
    let place = Place::new(&choice, options.length, &cores);
    let progress = Progress::default();
    thread::scope(|scope| {
        let subscriber = options.subscribes().then(|| {
            scope.spawn(|| {
                let mut side = Side::open(&place, 1, interrupt)?;
                progress.set_subscriber_directory(side.directory());
                subscriber::run(&mut side, options, &progress)
            })
        });
        let publisher = options.publishes().then(|| {
            scope.spawn(|| {
                // Over IPC both sides share the driver that the other one started.
                let beside = is_ipc && options.only.is_none();
                let directory = beside.then(|| progress.subscriber_directory(interrupt)).transpose()?;
                let place = directory.map_or_else(|| place.clone(), |directory| place.beside(&directory));
                publisher::run(&mut Side::open(&place, 0, interrupt)?, options, &progress)
            })
        });
        let sides: Vec<_> = [subscriber, publisher].into_iter().flatten().collect();
        let mut watch = Watch::new(options, &progress, interrupt);
        let watched = watch.run(&sides);
        progress.enter(Phase::Over);
        for side in sides {
            match side.join().unwrap_or_else(|_| Err("a thread of the measurement panicked".into())) {
                Err(Stop::Interrupted) | Ok(()) => {}
                Err(stop) => return Err(stop),
            }
        }
        watched?;
        watch.finish()
    })
}

/// Watches the two sides: prints rates, and says when it is over.
struct Watch<'a> {
    options: &'a Options,
    progress: &'a Progress,
    interrupt: &'a Interrupt,
    clock: SystemClock,
    report: Report,
}

impl<'a> Watch<'a> {
    fn new(options: &'a Options, progress: &'a Progress, interrupt: &'a Interrupt) -> Self {
        let report = Report::new(options.format, options.publishes(), options.subscribes());
        Self { options, progress, interrupt, clock: SystemClock::new(), report }
    }

    fn now(&self) -> Nanos {
        self.clock.now().nanos
    }

    /// Until everything has arrived, a side has ended, or Ctrl-C.
    fn run(&mut self, sides: &[ScopedJoinHandle<'_, Result<(), Stop>>]) -> Result<(), Stop> {
        let has_ended = || sides.iter().any(ScopedJoinHandle::is_finished);
        let mut output = io::stdout().lock();
        while self.progress.phase() == Phase::Connecting {
            if has_ended() {
                return Ok(());
            }
            pause(TICK, self.interrupt)?;
        }
        let start = self.now();
        self.report.start(start);
        let mut next_line = start + INTERVAL;
        let mut last_arrival = start;
        let mut arrived = 0;
        while !has_ended() && pause(TICK, self.interrupt).is_ok() {
            let (now, totals) = (self.now(), self.progress.totals());
            if now >= next_line {
                self.report.print_interval(&mut output, now, totals)?;
                next_line = next_line + INTERVAL;
            }
            if now.since(start) >= self.options.duration && self.progress.phase() == Phase::Running {
                self.progress.enter(Phase::Draining);
            }
            if totals.received.messages > arrived {
                (arrived, last_arrival) = (totals.received.messages, now);
            }
            let is_complete = arrived == totals.published.messages;
            match self.progress.phase() {
                Phase::Draining if !self.options.publishes() => break,
                Phase::Published if !self.options.subscribes() || is_complete => break,
                Phase::Published if now.since(last_arrival) > ARRIVAL_PATIENCE => break,
                _ => {}
            }
        }
        let (now, totals) = (self.now(), self.progress.totals());
        self.report.end(now, totals);
        output.flush()?;
        Ok(())
    }

    /// Prints the summary; the error says what did not arrive.
    fn finish(&self) -> Result<(), Stop> {
        if !self.report.has_started() {
            return Err(Stop::Interrupted);
        }
        let missing = self.report.print_summary(&mut io::stdout().lock())?;
        let must_arrive = self.options.only.is_none() && !self.interrupt.is_raised();
        if missing > 0 && must_arrive && self.options.is_reliable() {
            return Err(format!("{missing} of the messages that were published did not arrive").into());
        }
        Ok(())
    }
}
