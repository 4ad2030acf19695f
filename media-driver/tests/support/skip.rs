//! Telling that a test was skipped.

use std::io::{self, Write};

/// Says on standard error that the test that calls shows less here than it could, and why. Not by `eprintln`, which cargo
/// keeps to itself when a test passes.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // In one piece, so that nothing comes between; without standard error there is nobody to tell.
    let _ = io::stderr().write_all(format!("SKIPPED {test}: {why}\n").as_bytes());
}
