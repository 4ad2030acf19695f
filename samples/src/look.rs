//! What commands that look at a driver's directory share: its options, opening it, printing it again and again.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use epona_client::Context;
use epona_media_driver::{
    clock::{Clock, SystemClock},
    idle::IdleStrategy,
};
use epona_protocol::{types::EpochMillis, uri::units::parse_duration};
use serde::Serialize;

use crate::{
    common::{Format, Stop, note},
    interrupt::Interrupt,
    snapshot::{Directory, Snapshot},
};

/// Clears a terminal and goes to its upper left corner.
const CLEAR_SCREEN: &str = "\u{1b}[2J\u{1b}[H";

/// The option that every command which looks has.
#[derive(Args, Clone, Debug)]
pub(crate) struct DirOptions {
    /// The media driver's directory [default: AERON_DIR, else /dev/shm/aeron-USER]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The options of commands that look and print.
#[derive(Args, Clone, Debug)]
pub(crate) struct LookOptions {
    #[command(flatten)]
    dir: DirOptions,

    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// The options of commands that print again and again.
#[derive(Args, Clone, Debug)]
pub(crate) struct RefreshOptions {
    /// Print again and again until Ctrl-C; the default where standard output is a terminal
    #[arg(long)]
    watch: bool,

    /// Print once
    #[arg(long, conflicts_with = "watch")]
    once: bool,

    /// Time between two prints
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    delay: Duration,
}

/// A time as in settings: `500ms`, `2s`.
///
/// # Errors
/// When it is none.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

impl DirOptions {
    /// The driver's directory: as asked for, else as every client has it.
    pub(crate) fn directory(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| Context::new().directory().to_owned())
    }

    /// Opens it for looking.
    ///
    /// # Errors
    /// When there is no driver's directory of this version.
    pub(crate) fn open(&self) -> Result<Directory, Stop> {
        Ok(Directory::open(&self.directory())?)
    }
}

impl LookOptions {
    /// As [`DirOptions::directory`].
    pub(crate) fn directory(&self) -> PathBuf {
        self.dir.directory()
    }

    /// As [`DirOptions::open`].
    ///
    /// # Errors
    /// When there is no driver's directory of this version.
    pub(crate) fn open(&self) -> Result<Directory, Stop> {
        self.dir.open()
    }

    pub(crate) const fn is_json(&self) -> bool {
        matches!(self.format, Format::Json)
    }
}

/// Says on standard error that what is printed was left behind.
pub(crate) fn note_absence(snapshot: &Snapshot) {
    if let Some(absence) = snapshot.driver.absence(snapshot.taken) {
        note(&format!("Note: the media driver (pid {}) is not running: {absence}.", snapshot.driver.pid));
    }
}

impl RefreshOptions {
    const fn is_continuous(&self, terminal: bool) -> bool {
        self.watch || (terminal && !self.once)
    }

    /// Prints snapshots of the driver's directory once, or again and again until Ctrl-C, which clears a terminal in
    /// between.
    ///
    /// # Errors
    /// When there is no driver's directory; those of `print`.
    pub(crate) fn run(
        &self,
        look: &LookOptions,
        interrupt: &Interrupt,
        print: impl Fn(&Snapshot, &mut dyn Write) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let directory = look.open()?;
        note_absence(&directory.snapshot(now()));
        self.run_on(&directory, look, interrupt, print)
    }

    /// As [`RefreshOptions::run`], on a directory that is open already.
    ///
    /// # Errors
    /// Those of `print`.
    pub(crate) fn run_on(
        &self,
        directory: &Directory,
        look: &LookOptions,
        interrupt: &Interrupt,
        mut print: impl FnMut(&Snapshot, &mut dyn Write) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut output = io::stdout().lock();
        let terminal = output.is_terminal();
        if !self.is_continuous(terminal) {
            return print(&directory.snapshot(now()), &mut output);
        }
        while !interrupt.is_raised() {
            // Written at once, lest the screen flicker.
            let mut screen = Vec::new();
            if terminal && !look.is_json() {
                screen.extend(CLEAR_SCREEN.bytes());
            }
            print(&directory.snapshot(now()), &mut screen)?;
            output.write_all(&screen)?;
            output.flush()?;
            let _ = pause(self.delay, interrupt);
        }
        Ok(())
    }
}

/// The wall clock.
pub(crate) fn now() -> EpochMillis {
    SystemClock::new().now().epoch
}

/// Waits, or not longer than until Ctrl-C.
///
/// # Errors
/// [`Stop::Interrupted`] on Ctrl-C.
pub(crate) fn pause(duration: Duration, interrupt: &Interrupt) -> Result<(), Stop> {
    let clock = SystemClock::new();
    let end = clock.now().nanos + duration;
    let mut idle = IdleStrategy::default();
    while clock.now().nanos < end {
        interrupt.check()?;
        idle.idle(0);
    }
    Ok(())
}

/// Prints a value as one line of JSON.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn print_json(output: &mut dyn Write, value: &impl Serialize) -> Result<(), Stop> {
    serde_json::to_writer(&mut *output, value)?;
    writeln!(output)?;
    Ok(())
}
