//! Aeron's media driver as a process: settings from the environment (`AERON_*`), ends on SIGINT or SIGTERM, and with
//! their number as its exit status, as `aeronmd` does.

use signal_hook::consts::{SIGINT, SIGTERM};
use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

fn main() -> ExitCode {
    let received = Arc::new(AtomicUsize::new(0));
    for signal in [SIGINT, SIGTERM] {
        let number = usize::try_from(signal).unwrap_or_default();
        if let Err(error) = signal_hook::flag::register_usize(signal, Arc::clone(&received), number) {
            eprintln!("peer-driver: cannot listen for signal {signal}: {error}");
            return ExitCode::FAILURE;
        }
    }
    match epona_peers::aeron::run_until(|| received.load(Ordering::Relaxed) != 0) {
        Ok(()) => ExitCode::from(u8::try_from(received.load(Ordering::Relaxed)).unwrap_or(u8::MAX)),
        Err(error) => {
            eprintln!("peer-driver: {error}");
            ExitCode::FAILURE
        }
    }
}
