//! The program `eponamd`, as operators and clients meet it: in processes of its own, with whatever goes wrong.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests poll against a deadline and fail loudly"
)]

mod channels;
mod commands;
mod crashes;
mod datagrams;
mod directory;
mod event_log;
mod floods;
mod lifecycle;
mod limits;
mod permissions;
#[allow(unreachable_pub, reason = "programs of other packages share the file")]
#[path = "../support/ports.rs"]
mod ports;
mod process;
mod setup_floods;
#[allow(unreachable_pub, reason = "programs of other packages share the file")]
#[path = "../support/skip.rs"]
mod skip;
mod small_disk;
mod threads;
mod traffic;
