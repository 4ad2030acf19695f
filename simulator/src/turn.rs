//! What an application of a world works with during its turn.

use epona_protocol::types::Now;

use crate::{
    ledger::Ledger,
    outcome::Figures,
    trace::{Event, Trace},
};

/// One turn.
pub(crate) struct Turn<'a> {
    pub(crate) now: Now,
    pub(crate) random: &'a mut fastrand::Rng,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) trace: &'a mut Trace,
    pub(crate) figures: &'a mut Figures,
}

impl Turn<'_> {
    pub(crate) fn record(&mut self, event: Event) {
        self.trace.record(self.now.nanos, event);
    }
}
