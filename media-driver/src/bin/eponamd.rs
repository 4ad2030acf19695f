//! The program `eponamd`: the media driver. Takes what `aeronmd` takes, and long options for people.
#![expect(clippy::print_stderr, reason = "a program talks to its user")]

use std::{env, fmt, io::Write, process::ExitCode, time::Duration};

use clap::{CommandFactory, Parser, error::ErrorKind};
use epona_media_driver::{
    LaunchError, MediaDriver,
    config::{
        Context, Notice, Settings, Source, SourceError,
        print::CDump,
        report::{Reference, Report},
    },
    idle::Pause,
    signals::Signals,
};

/// How often the main thread looks for signals and for what the driver has to tell; it sleeps in between.
const WATCH_INTERVAL: Duration = Duration::from_millis(20);

/// Media driver for reliable messaging over UDP and shared memory, compatible with Aeron 1.54.
///
/// Settings come from the environment, then -D, then files in their order, then the options below; later ones win.
#[derive(Parser, Debug)]
#[command(name = "eponamd", disable_version_flag = true)]
struct Options {
    /// Set a property, such as -Daeron.term.buffer.length=64k
    #[arg(short = 'D', value_name = "NAME=VALUE", allow_hyphen_values = true)]
    defines: Vec<String>,

    /// Properties files, or http:// and file:// URLs of some; one that does not exist is warned about
    #[arg(value_name = "FILE|URL")]
    files: Vec<String>,

    /// Directory where the driver and its clients meet (aeron.dir)
    #[arg(long, value_name = "PATH")]
    dir: Option<String>,

    /// Which agents share a thread (aeron.threading.mode)
    #[arg(long, value_name = "MODE", ignore_case = true, value_parser = ["DEDICATED", "SHARED_NETWORK", "SHARED", "INVOKER"])]
    threading_mode: Option<String>,

    /// Print every setting with its value and where it comes from, and exit
    #[arg(long)]
    print_config: bool,

    /// Check the settings, tell what is wrong, and exit: 0 when a driver would start with all that was asked for
    #[arg(long)]
    check_config: bool,

    /// Print the version and exit
    #[arg(short = 'v', long = "version")]
    version: bool,
}

fn main() -> ExitCode {
    let options = match parse_options() {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    if options.version {
        say(format_args!("{}\n", version()));
        return ExitCode::SUCCESS;
    }
    let settings = match gather(&options) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("ERROR: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (context, notices) = settings.configure();
    for notice in &notices {
        eprintln!("{notice}");
    }
    if options.print_config {
        say(format_args!("{}", Report { context: &context, settings: &settings }));
    }
    if notices.iter().any(|notice| matches!(notice, Notice::Error(_))) {
        return ExitCode::FAILURE;
    }
    if options.check_config && notices.iter().any(|notice| matches!(notice, Notice::Ignored(_))) {
        return ExitCode::FAILURE;
    }
    if options.check_config && !options.print_config {
        let verdict = if notices.is_empty() {
            "configuration is valid"
        } else {
            "configuration is valid, with warnings"
        };
        say(format_args!("{verdict}\n"));
    }
    if options.check_config || options.print_config {
        return ExitCode::SUCCESS;
    }
    if context.logging.print_configuration {
        say(format_args!("{}", CDump(&context)));
    }
    run(context)
}

/// Runs a driver until a signal or a request ends it: the number of the signal, 0 for a request, 1 when it cannot run.
/// Source: driver spec 8.3.
fn run(context: Context) -> ExitCode {
    launch_and_watch(context).unwrap_or_else(|error| {
        eprintln!("ERROR: {error}");
        ExitCode::FAILURE
    })
}

fn launch_and_watch(context: Context) -> Result<ExitCode, LaunchError> {
    // Before the driver starts, so that no signal can end it without it closing.
    let signals = Signals::watch().map_err(|source| LaunchError::System {
        action: "watch for SIGINT and SIGTERM".to_owned(),
        source,
    })?;
    let driver = MediaDriver::launch(context)?;
    for notice in driver.notices() {
        eprintln!("{notice}");
    }
    let exit = watch(&driver, &signals);
    say(format_args!("Shutting down driver...\n"));
    driver.close()?;
    Ok(exit)
}

/// Waits for the end, printing errors that the driver could not record.
fn watch(driver: &MediaDriver, signals: &Signals) -> ExitCode {
    loop {
        while let Some(error) = driver.take_unrecorded_error() {
            eprintln!("ERROR: the error log is full (raise aeron.error.buffer.length), so here: {error}");
        }
        if driver.has_failed() {
            eprintln!("ERROR: a thread of the driver ended unexpectedly, as told above");
            return ExitCode::FAILURE;
        }
        if let Some(signal) = signals.received() {
            return ExitCode::from(signal);
        }
        if driver.is_termination_requested() {
            return ExitCode::SUCCESS;
        }
        Pause::Park(WATCH_INTERVAL).perform();
    }
}

/// Writes to standard output; a reader that has gone away, such as `head`, is no failure.
fn say(text: fmt::Arguments<'_>) {
    let _ = std::io::stdout().write_fmt(text);
}

/// Parses the command line; a bad one ends with usage on standard error and 1, as with `aeronmd`.
fn parse_options() -> Result<Options, ExitCode> {
    let settings = format!(
        "Settings, with their defaults (as variables: AERON_MTU_LENGTH for aeron.mtu.length):\n{Reference}"
    );
    let parsed = Options::command().after_long_help(settings).try_get_matches();
    parsed.and_then(|matches| clap::FromArgMatches::from_arg_matches(&matches)).map_err(|error| {
        let is_help = error.kind() == ErrorKind::DisplayHelp;
        // Nothing is left to tell when the terminal itself is gone.
        let _ = error.print();
        if is_help { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}

fn gather(options: &Options) -> Result<Settings, SourceError> {
    let mut settings = Settings::from_environment(env::vars_os());
    for definition in &options.defines {
        settings.define(definition)?;
    }
    for file in &options.files {
        settings.load(file)?;
    }
    for (option, property, value) in [
        ("--dir", "aeron.dir", &options.dir),
        (
            "--threading-mode",
            "aeron.threading.mode",
            &options.threading_mode.as_deref().map(str::to_ascii_uppercase),
        ),
    ] {
        if let Some(value) = value {
            settings.set(property, value, Source::CommandLine(option));
        }
    }
    Ok(settings)
}

/// `<program> <version> major N minor N patch N git SHA`, as `aeronmd` prints it. Source: driver spec 9.1.
fn version() -> String {
    let program = env::args().next().unwrap_or_else(|| "eponamd".to_owned());
    format!(
        "{program} <{}> major {} minor {} patch {} git {}",
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
        option_env!("EPONA_GIT_SHA").unwrap_or("unknown"),
    )
}
