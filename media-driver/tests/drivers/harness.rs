//! Drivers to start, clients to connect, and waiting for things to happen.

use std::{
    thread,
    time::{Duration, Instant},
};

use epona_client::{Aeron, Context as ClientContext};
use epona_media_driver::{Context, EmbeddedDriver, config::ThreadingMode};
use epona_protocol::types::TermLength;

/// How long anything may take before a test fails; nothing is asserted about how long it does take.
const DEADLINE: Duration = Duration::from_secs(60);

/// A driver with small terms and all roles on one thread.
pub(crate) fn launch() -> EmbeddedDriver {
    launch_with(|_| {})
}

/// [`launch`], with settings of the test's.
pub(crate) fn launch_with(change: impl FnOnce(&mut Context)) -> EmbeddedDriver {
    let mut context = Context::default().threading_mode(ThreadingMode::Shared).term_lengths(TermLength::MIN);
    change(&mut context);
    EmbeddedDriver::launch_with(context).unwrap()
}

pub(crate) fn connect(driver: &EmbeddedDriver) -> Aeron {
    Aeron::connect(ClientContext::new().dir(driver.directory())).unwrap()
}

/// Tries until it is done, or the deadline passes.
#[track_caller]
pub(crate) fn until(what: &str, mut is_done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_done() {
        assert!(Instant::now() < deadline, "not in {DEADLINE:?}: {what}");
        thread::yield_now();
    }
}

/// A port of the test's own.
pub(crate) fn free_port() -> u16 {
    crate::ports::free_port().unwrap()
}

/// A channel to a port of the test's own.
pub(crate) fn unicast() -> String {
    format!("aeron:udp?endpoint=127.0.0.1:{}", free_port())
}
