//! What an application of a world works with during its turn.

use std::{collections::BTreeMap, time::Duration};

use epona_protocol::types::Now;

use crate::{
    invariants::excuses::Excuses,
    invariants::ledger::Ledger,
    outcome::Figures,
    trace::{Event, Trace},
};

/// How long an application waits before it asks again for what was refused.
pub(crate) const RETRY: Duration = Duration::from_millis(200);

/// How long a driver may keep what a client had that is gone: longer than its liveness timeout and all lingering.
pub(crate) const CLEARED: Duration = Duration::from_secs(30);

/// Where a world is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Applications publish, and faults happen.
    Running,
    /// Faults are over: every stream must get on.
    Recovering,
    /// Nothing new is sent: everything must arrive.
    Finishing,
}

/// What some applications know and others need: registration ids, images and ports, by the placeholder in a channel.
pub(crate) type Known = BTreeMap<String, String>;

/// A channel with what others know in the place of placeholders; `None` while they do not know it.
pub(crate) fn fill_in(channel: &str, known: &Known) -> Option<String> {
    let mut filled = channel.to_owned();
    while let (Some(start), Some(end)) = (filled.find('{'), filled.find('}')) {
        let value = known.get(&filled[start..=end])?;
        filled.replace_range(start..=end, value);
    }
    Some(filled)
}

/// One turn.
pub(crate) struct Turn<'a> {
    pub(crate) now: Now,
    pub(crate) phase: Phase,
    pub(crate) random: &'a mut fastrand::Rng,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) excuses: &'a Excuses,
    pub(crate) known: &'a mut Known,
    /// Whether drivers leave sessions to others.
    pub(crate) reserves_sessions: bool,
    pub(crate) trace: &'a mut Trace,
    pub(crate) figures: &'a mut Figures,
}

impl Turn<'_> {
    pub(crate) fn record(&mut self, event: Event) {
        self.trace.record(self.now.nanos, event);
    }

    pub(crate) fn is_excused(&self, hosts: &[usize]) -> bool {
        self.excuses.cover(hosts, self.now.nanos)
    }
}
