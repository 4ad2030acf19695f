//! `epona top`: streams as they flow, in a terminal.
//!
//! ```text
//!   Directory ── snapshot ──► model.rs: Screen ──► view.rs ──► terminal
//!                                 ▲                   ▲
//!                              History            controls.rs ◄── keys
//! ```

mod controls;
mod keyboard;
mod model;
mod view;

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use clap::Args;
use epona_client::Nanos;
use epona_media_driver::clock::{Clock, SystemClock};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event},
};

use self::{
    controls::{Controls, Outcome},
    model::Screen,
};
use crate::{
    common::Stop,
    interrupt::Interrupt,
    look::{DirOptions, duration, now},
    snapshot::{Directory, History},
};

/// How long keys are waited for before Ctrl-C and the time are looked at again.
const KEY_PATIENCE: Duration = Duration::from_millis(50);

/// Show the streams of a media driver as they flow
#[derive(Args, Debug)]
#[command(
    after_help = "Keys: q quits, p pauses, s sorts by the next column, / filters, arrows scroll, ? explains the columns.

Examples:
  epona top
  epona top --delay 250ms --dir /dev/shm/aeron-prod"
)]
pub(crate) struct Options {
    /// Time between two looks
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    delay: Duration,

    #[command(flatten)]
    dir: DirOptions,
}

/// Shows them until told to quit.
///
/// # Errors
/// When there is no driver's directory, or standard output is no terminal.
pub(crate) fn run(options: &Options, interrupt: &Interrupt) -> Result<(), Stop> {
    let directory = options.dir.open()?;
    if !io::stdout().is_terminal() {
        let advice = "epona streams --watch or epona stat --watch print to anything";
        return Err(format!("epona top needs a terminal: {advice}").into());
    }
    let mut terminal = ratatui::try_init()?;
    let shown = Top { options, interrupt, directory, clock: SystemClock::new() }.run(&mut terminal);
    // The terminal is to be as it was, whatever became of the rest.
    ratatui::try_restore()?;
    shown
}

struct Top<'a> {
    options: &'a Options,
    interrupt: &'a Interrupt,
    directory: Directory,
    clock: SystemClock,
}

impl Top<'_> {
    fn run(&mut self, terminal: &mut DefaultTerminal) -> Result<(), Stop> {
        let mut history = History::default();
        let mut controls = Controls::default();
        let mut screen = self.look(&mut history);
        let mut next = self.now() + self.options.delay;
        while !self.interrupt.is_raised() {
            terminal.draw(|frame| view::draw(frame, &screen, &mut controls))?;
            if !keyboard::await_key(KEY_PATIENCE)? {
                return Ok(());
            }
            if event::poll(Duration::ZERO)?
                && let Event::Key(key) = event::read()?
                && controls.on_key(key) == Outcome::Quit
            {
                return Ok(());
            }
            if self.now() >= next {
                next = self.now() + self.options.delay;
                // What is paused is still watched, lest rates jump afterwards.
                let latest = self.look(&mut history);
                if !controls.is_paused() {
                    screen = latest;
                }
            }
        }
        Ok(())
    }

    fn now(&self) -> Nanos {
        self.clock.now().nanos
    }

    /// Looks again; at another driver's files once this one is gone and another has started.
    fn look(&mut self, history: &mut History) -> Screen {
        let mut snapshot = self.directory.snapshot(now());
        if !snapshot.driver.is_active
            && let Ok(directory) = self.options.dir.open()
        {
            self.directory = directory;
            snapshot = self.directory.snapshot(now());
        }
        history.observe(&snapshot);
        let losses = self.directory.losses().unwrap_or_default();
        Screen::new(&snapshot, history, &losses, &self.options.dir.directory())
    }
}
