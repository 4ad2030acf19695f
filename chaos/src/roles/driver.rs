//! A driver as a supervisor would run it: started until it starts, ended by a signal or the end of its parent.

use super::{End, TIMEOUT};
use epona_media_driver::{Context, LaunchError, MediaDriver, directory::DirectoryError, signals::Signals};
use epona_protocol::types::TermLength;
use std::{io, path::PathBuf, process::ExitCode, thread, time::Duration};

/// Pause between two attempts to start, and between two looks at what ends it.
const PAUSE: Duration = Duration::from_millis(20);

/// What a driver is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Its directory.
    #[arg(long)]
    dir: PathBuf,
}

/// Timeouts that let many deaths fit into a game, and logs that cannot lose the ground below them when a disk fills.
fn context(options: &Options) -> Context {
    let mut context = Context::default();
    context.directory.path.clone_from(&options.dir);
    context.directory.driver_timeout = TIMEOUT;
    context.directory.delete_on_shutdown = true;
    context.timeouts.client_liveness = TIMEOUT;
    context.timeouts.publication_unblock = TIMEOUT + Duration::from_secs(1);
    context.timeouts.publication_connection = TIMEOUT;
    context.timeouts.image_liveness = TIMEOUT;
    context.timeouts.publication_linger = Duration::from_millis(500);
    context.timeouts.timer_interval = Duration::from_millis(100);
    context.timeouts.counter_free_to_reuse = Duration::from_millis(500);
    context.buffers.sparse_term_files = false;
    context.buffers.low_storage_threshold = 0;
    context.buffers.counter_values_length = 1 << 20;
    if let Ok(length) = TermLength::new(128 << 10) {
        context.buffers.term_length = length;
        context.buffers.ipc_term_length = length;
    }
    context
}

pub(super) fn run(options: &Options, end: &End) -> ExitCode {
    let outcome = Signals::watch().map_err(|error| error.to_string()).and_then(|signals| {
        let over = || end.is_near() || signals.received().is_some();
        let Some(driver) = launch(options, over)? else { return Ok(()) };
        while !over() {
            if driver.has_failed() {
                return Err("a thread of the driver ended".to_owned());
            }
            while let Some(error) = driver.take_unrecorded_error() {
                eprintln!("the error log is full: {error}");
            }
            thread::sleep(PAUSE);
        }
        driver.close().map_err(|error| error.to_string())
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("driver: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A driver; `None` when the end comes first. Its predecessor may still look alive, and its disk may be full.
fn launch(options: &Options, over: impl Fn() -> bool) -> Result<Option<MediaDriver>, String> {
    let mut told = String::new();
    while !over() {
        match MediaDriver::launch(context(options)) {
            Ok(driver) => return Ok(Some(driver)),
            Err(error) if is_temporary(&error) => {
                let reason = error.to_string();
                // The age of a heartbeat grows; the rest of a reason is told once.
                if reason.split(',').next() != told.split(',').next() {
                    eprintln!("not yet: {reason}");
                    told = reason;
                }
                thread::sleep(PAUSE);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(None)
}

fn is_temporary(error: &LaunchError) -> bool {
    match error {
        LaunchError::Directory(DirectoryError::ActiveDriver { .. }) => true,
        LaunchError::Directory(DirectoryError::Io { source, .. }) | LaunchError::System { source, .. } => {
            source.kind() == io::ErrorKind::StorageFull
        }
        _ => false,
    }
}
