//! Which media driver a command uses: the one that runs in the directory, or one of its own.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use epona_client::{Aeron, ChannelUri, Context};
use epona_media_driver::{
    EmbeddedDriver,
    clock::{Clock, SystemClock},
    config::{self, ThreadingMode},
    idle::IdleStrategy,
};
use epona_protocol::{
    cnc::{Cnc, CncState, NotReady},
    types::TermLength,
    uri::Media,
};

use crate::{
    common::{Stop, note},
    interrupt::Interrupt,
    snapshot::Directory,
};

/// How long a driver that somebody else starts may take to appear.
const PATIENCE: Duration = Duration::from_secs(2);

/// A driver with an older heartbeat is dead. Source: driver spec 9.2, `aeron.driver.timeout`.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(10);

/// Terms of embedded drivers: small, so that a newcomer's first try fits into a container's shared memory.
const LEAST_TERM_LENGTH: usize = 1 << 20;

/// The options that name the driver.
#[derive(Args, Clone, Debug)]
pub(crate) struct DriverOptions {
    /// The media driver's directory [default: AERON_DIR, else /dev/shm/aeron-USER]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// When to start a media driver inside this process; auto: when none runs in the directory
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    pub(crate) embedded: Embedded,
}

/// When to start a driver inside this process: when none runs in the directory, even if one does, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Embedded {
    Auto,
    Always,
    Never,
}

/// Where a client finds its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// A driver runs in this directory.
    Running(PathBuf),
    /// This process is to start one.
    Embedded,
}

impl DriverOptions {
    /// The driver's directory: as asked for, else as every client has it.
    pub(crate) fn directory(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| Context::new().directory().to_owned())
    }

    /// Decides between a driver that runs and one inside this process; `how_many` says what would be started.
    ///
    /// # Errors
    /// When there has to be a driver and, after some patience, there is none; or on Ctrl-C.
    pub(crate) fn choose(&self, how_many: &str, interrupt: &Interrupt) -> Result<Choice, Stop> {
        let directory = self.directory();
        match self.embedded {
            Embedded::Always => Ok(Choice::Embedded),
            Embedded::Never => await_driver(&directory, interrupt).map(|()| Choice::Running(directory)),
            Embedded::Auto if is_running(&directory)? => {
                await_driver(&directory, interrupt).map(|()| Choice::Running(directory))
            }
            Embedded::Auto => {
                let place = directory.display();
                note(&format!("No media driver in {place}: starting {how_many} inside this process."));
                Ok(Choice::Embedded)
            }
        }
    }

    /// That a channel needs a driver which other processes share.
    pub(crate) fn refuse_ipc(&self) -> Stop {
        format!(
            "aeron:ipc connects programs that share a media driver, and a driver inside this process is not shared: \
             start `eponamd` for {}, or use aeron:udp",
            self.directory().display()
        )
        .into()
    }

    /// A client with a thread of its own, and the driver under it.
    ///
    /// # Errors
    /// As [`DriverOptions::choose`]; when no driver can be started or connected to; when the channel needs a driver
    /// that other processes share.
    pub(crate) fn connect(&self, channel: &ChannelUri, interrupt: &Interrupt) -> Result<Connected, Stop> {
        let driver = match self.choose("one", interrupt)? {
            Choice::Running(_) => None,
            Choice::Embedded if channel.media() == Media::Ipc => return Err(self.refuse_ipc()),
            Choice::Embedded => {
                let context = embedded_context(0).threading_mode(ThreadingMode::Shared);
                Some(EmbeddedDriver::launch_with(context)?)
            }
        };
        let directory =
            driver.as_ref().map_or_else(|| self.directory(), |driver| driver.directory().to_owned());
        Ok(Connected { aeron: Aeron::connect(client_context(&directory))?, driver })
    }
}

/// A client of a driver that runs. What was added through the client must be dropped first, the driver goes last.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) aeron: Aeron,
    pub(crate) driver: Option<EmbeddedDriver>,
}

/// Settings of a client. What ends it is told by the command that notices, once.
pub(crate) fn client_context(directory: &Path) -> Context {
    Context::new().dir(directory).on_error(|error| {
        if !error.is_fatal() {
            note(&format!("Warning: {error}"));
        }
    })
}

/// Settings of a driver inside this process whose streams take messages of `length` bytes.
pub(crate) fn embedded_context(length: usize) -> config::Context {
    // A message is at most an eighth of a term. Source: shared-memory spec 7.1.
    let least = length.saturating_mul(8).next_power_of_two().max(LEAST_TERM_LENGTH);
    let term_length = i64::try_from(least).ok().and_then(|bytes| TermLength::new(bytes).ok());
    config::Context::default().term_lengths(term_length.unwrap_or(TermLength::MAX))
}

/// Whether a driver runs in a directory, or is just starting there.
fn is_running(directory: &Path) -> Result<bool, Stop> {
    Ok(!matches!(look(directory)?, CncState::NotReady(NotReady::Missing | NotReady::Stale { .. })))
}

fn look(directory: &Path) -> Result<CncState, Stop> {
    let now = SystemClock::new().now();
    let state = Cnc::open_to_read(directory)
        .map_err(|error| format!("cannot read {}: {error}", directory.join("cnc.dat").display()))?;
    Ok(state.if_active(now.epoch, DRIVER_TIMEOUT))
}

/// Waits until a client can connect, or finds out why it cannot.
fn await_driver(directory: &Path, interrupt: &Interrupt) -> Result<(), Stop> {
    let clock = SystemClock::new();
    let give_up = clock.now().nanos + PATIENCE;
    let mut idle = IdleStrategy::default();
    while matches!(look(directory)?, CncState::NotReady(_)) {
        interrupt.check()?;
        if clock.now().nanos > give_up {
            break;
        }
        idle.idle(0);
    }
    let driver = Directory::open(directory)?.snapshot(clock.now().epoch).driver;
    driver.absence(clock.now().epoch).map_or(Ok(()), |absence| {
        let place = directory.display();
        Err(format!(
            "the media driver at {place} is not running: {absence}; start one with `eponamd`, or point elsewhere with \
             --dir or AERON_DIR"
        )
        .into())
    })
}
