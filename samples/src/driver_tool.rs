//! `epona driver`: what a driver says about itself, as DriverTool prints it and more; and asking it to end.

mod facts;
mod terminate;

use std::io::{self, Write};

use clap::Args;

use self::facts::Facts;
use crate::{
    common::Stop,
    interrupt::Interrupt,
    look::{LookOptions, now, print_json},
};

/// Print pid, version, uptime, activity and configuration of a media driver, or end it
#[derive(Args, Debug)]
#[command(after_help = "Ends with status 1 when the driver is not running.
A driver heeds --terminate only if its aeron.driver.termination.validator allows it.

Examples:
  epona driver
  epona driver --pid
  epona driver --terminate --token secret")]
pub(crate) struct Options {
    /// Print the process id alone
    #[arg(long, conflicts_with = "terminate")]
    pid: bool,

    /// Ask the driver to end, and wait until it has
    #[arg(long)]
    terminate: bool,

    /// What the driver's validator of such requests is to be told
    #[arg(long, value_name = "TEXT", requires = "terminate", default_value = "")]
    token: String,

    #[command(flatten)]
    look: LookOptions,
}

/// Prints the facts, or ends the driver.
///
/// # Errors
/// When there is no driver's directory; when the driver is not running, or does not end; on Ctrl-C.
pub(crate) fn run(options: &Options, interrupt: &Interrupt) -> Result<(), Stop> {
    let directory = options.look.open()?;
    let snapshot = directory.snapshot(now());
    if options.terminate {
        return terminate::run(&options.look.directory(), options.token.as_bytes(), now(), interrupt);
    }
    let mut output = io::stdout().lock();
    if options.pid {
        writeln!(output, "{}", snapshot.driver.pid)?;
    } else if options.look.is_json() {
        print_json(&mut output, &Facts::new(&directory, &snapshot))?;
    } else {
        write!(output, "{}", Facts::new(&directory, &snapshot))?;
    }
    match snapshot.driver.absence(snapshot.taken) {
        None => Ok(()),
        Some(absence) => {
            Err(format!("the media driver (pid {}) is not running: {absence}", snapshot.driver.pid).into())
        }
    }
}
