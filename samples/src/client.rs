//! What commands do with a client: wait for its driver's answers, and notice its end.

use epona_client::{Aeron, ClientError, Pending};
use epona_media_driver::idle::IdleStrategy;

use crate::{common::Stop, interrupt::Interrupt};

/// Waits for the driver's answer, or for Ctrl-C.
///
/// # Errors
/// When the driver refuses, does not answer, or dies; on Ctrl-C.
pub(crate) fn complete<T>(mut pending: Pending<T>, interrupt: &Interrupt) -> Result<T, Stop> {
    let mut idle = IdleStrategy::default();
    loop {
        if let Some(resource) = pending.poll()? {
            return Ok(resource);
        }
        interrupt.check()?;
        idle.idle(0);
    }
}

/// Makes `?` leave a loop when the client has ended, which it does when its driver dies.
///
/// # Errors
/// The cause.
pub(crate) fn check_client(aeron: &Aeron) -> Result<(), Stop> {
    if !aeron.is_closed() {
        return Ok(());
    }
    Err(aeron.failure().map_or(ClientError::Closed { cause: None }, |cause| (*cause).clone()).into())
}
