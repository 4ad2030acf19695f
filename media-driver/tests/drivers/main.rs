//! Whole drivers in this process, threads and sockets and all, with clients.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests poll against a deadline and fail loudly"
)]

mod end_to_end;
mod harness;
mod multi_destination;
mod multi_destination_subscription;
mod order;
#[allow(unreachable_pub, reason = "programs of other packages share the file")]
#[path = "../support/ports.rs"]
mod ports;
mod request_response;
mod wake;
