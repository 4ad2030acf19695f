//! Aeron's media driver as a process: settings from the environment (`AERON_*`), ends on SIGINT or SIGTERM.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

fn main() -> ExitCode {
    let finished = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::clone(&finished)) {
            eprintln!("peer-driver: cannot listen for signal {signal}: {error}");
            return ExitCode::FAILURE;
        }
    }
    match epona_peers::aeron::run_until(|| finished.load(Ordering::Relaxed)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peer-driver: {error}");
            ExitCode::FAILURE
        }
    }
}
