//! What the program does when it has started itself again: a driver, a client or a flood, until its parent is gone.

mod driver;
mod flood;
mod publisher;
mod subscriber;

use epona_client::{Aeron, ClientError, Context};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Read, Write},
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long a driver may be silent, or a client: short, so that many deaths fit into a game.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

/// How often a process tells how far it is.
const REPORT_INTERVAL: Duration = Duration::from_millis(50);

/// A part to play.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Role {
    /// A media driver.
    #[command(hide = true)]
    Driver(driver::Options),
    /// Publishes numbered messages.
    #[command(hide = true)]
    Publisher(Stream),
    /// Receives and checks them.
    #[command(hide = true)]
    Subscriber(Stream),
    /// Sends junk.
    #[command(hide = true)]
    Flood(flood::Options),
}

/// What a client is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Stream {
    /// Directory of its driver.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Number of its flow.
    #[arg(long)]
    pub(crate) flow: u32,
    /// Channel.
    #[arg(long)]
    pub(crate) channel: String,
    /// Stream id.
    #[arg(long)]
    pub(crate) stream: i32,
}

impl Role {
    /// Plays it to the end.
    pub(crate) fn run(&self) -> ExitCode {
        let end = End::watch();
        match self {
            Self::Driver(options) => return driver::run(options, &end),
            Self::Publisher(stream) => publisher::run(stream, &end),
            Self::Subscriber(stream) => subscriber::run(stream, &end),
            Self::Flood(options) => return flood::run(options, &end),
        }
        ExitCode::SUCCESS
    }
}

/// Raised when standard input ends: the parent wants an end, or has met its own.
#[derive(Clone, Debug)]
struct End(Arc<AtomicBool>);

impl End {
    fn watch() -> Self {
        let end = Self(Arc::default());
        let raised = Arc::clone(&end.0);
        thread::spawn(move || {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            raised.store(true, Ordering::Relaxed);
        });
        end
    }

    fn is_near(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a client tells its parent, as one line of JSON.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Messages sent, or received and right.
    pub(crate) messages: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Messages that were sent while no image was there.
    pub(crate) missed_between_images: u64,
    /// Connections to a driver that were made.
    pub(crate) connections: u64,
    /// What should never happen.
    pub(crate) errors: Vec<String>,
}

/// Tells the parent now and then.
#[derive(Debug)]
struct Reporter(Option<Instant>);

impl Reporter {
    fn tell_now_and_then(&mut self, report: impl FnOnce() -> Report) {
        if self.0.is_none_or(|last| last.elapsed() > REPORT_INTERVAL) {
            self.0 = Some(Instant::now());
            tell(&report());
        }
    }
}

/// A parent that has gone hears nothing, and the end is near.
fn tell(report: &Report) {
    if let Ok(line) = serde_json::to_string(report) {
        let _ = writeln!(io::stdout(), "{line}");
    }
}

/// Connects to one driver after the other and uses each until it is gone, until the end.
fn with_drivers(stream: &Stream, end: &End, mut session: impl FnMut(&Aeron) -> Result<(), ClientError>) {
    while !end.is_near() {
        let context = Context::new().dir(&stream.dir).driver_timeout(TIMEOUT).on_error(|_| ());
        // Refusals are what a game is made of: no driver, a full disk. What matters is that it goes on afterwards.
        if Aeron::connect(context).and_then(|aeron| session(&aeron)).is_err() {
            thread::sleep(Duration::from_millis(50));
        }
    }
}
