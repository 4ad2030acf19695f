//! A counter, as its handle and the conductor see it.

use std::sync::atomic::{AtomicBool, Ordering};

use epona_protocol::{counters::AtomicCounter, types::RegistrationId};

/// What the handle of a counter shares with the conductor.
#[derive(Debug)]
pub(crate) struct CounterState {
    /// What the counter is looked up by: given by the caller for a static counter.
    pub(crate) registration_id: RegistrationId,
    /// Id of the add, by which the conductor knows it.
    pub(crate) correlation_id: RegistrationId,
    pub(crate) counter: AtomicCounter,
    pub(crate) is_static: bool,
    closed: AtomicBool,
}

impl CounterState {
    pub(crate) const fn new(
        registration_id: RegistrationId,
        correlation_id: RegistrationId,
        counter: AtomicCounter,
        is_static: bool,
    ) -> Self {
        Self { registration_id, correlation_id, counter, is_static, closed: AtomicBool::new(false) }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Closes the counter; whether it was open before.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }
}
