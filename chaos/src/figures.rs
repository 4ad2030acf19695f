//! What came of a game.

use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};

/// Entries of each list of troubles that are kept in words.
const MAX_TROUBLES: usize = 50;

/// The object that the program prints.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Figures {
    /// What faults follow from.
    pub(crate) seed: u64,
    /// `namespaces` or `loopback`.
    pub(crate) network: &'static str,
    /// Time played, with the looks at what was left.
    pub(crate) seconds: f64,
    /// Times that everybody was ended and what was left was looked at.
    pub(crate) rounds: u64,
    /// Steps, each of some faults at once.
    pub(crate) steps: u64,
    /// How often what happened.
    pub(crate) faults: BTreeMap<String, u64>,
    /// Messages that arrived and were checked.
    pub(crate) messages: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Messages that were sent while nobody was there to receive them.
    pub(crate) missed_between_images: u64,
    /// Time from the end of a step until every flow moved again: the middle one.
    pub(crate) median_recovery_ms: u64,
    /// And the longest.
    pub(crate) worst_recovery_ms: u64,
    /// Messages that were lost, repeated or garbled.
    pub(crate) content_errors: Vec<String>,
    /// What was left of those who had gone.
    pub(crate) leaks: Vec<String>,
    /// Processes that ended unasked, and flows that did not recover.
    pub(crate) failures: Vec<String>,
    #[serde(skip)]
    recoveries: Vec<Duration>,
}

impl Figures {
    /// Of a game that begins.
    pub(crate) fn new(seed: u64, network: &'static str) -> Self {
        Self { seed, network, ..Self::default() }
    }

    /// Whether nothing went wrong.
    pub(crate) fn is_good(&self) -> bool {
        self.content_errors.is_empty() && self.leaks.is_empty() && self.failures.is_empty()
    }

    /// Every flow moved again after that time.
    pub(crate) fn recovered(&mut self, time: Duration) {
        self.recoveries.push(time);
        self.recoveries.sort_unstable();
        let milliseconds = |time: Option<&Duration>| time.map_or(0, |time| time.as_millis() as u64);
        self.median_recovery_ms = milliseconds(self.recoveries.get(self.recoveries.len() / 2));
        self.worst_recovery_ms = milliseconds(self.recoveries.last());
    }

    /// Adds to a list of troubles, which does not grow for ever; told at once.
    pub(crate) fn trouble(list: &mut Vec<String>, what: String) {
        eprintln!("epona-chaos: {what}");
        if list.len() < MAX_TROUBLES {
            list.push(what);
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<_> = self.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        writeln!(f, "seed              {}", self.seed)?;
        writeln!(f, "network           {}", self.network)?;
        writeln!(f, "played            {:.0} s, {} rounds, {} steps", self.seconds, self.rounds, self.steps)?;
        writeln!(f, "faults            {}", faults.join(", "))?;
        writeln!(f, "messages checked  {} ({:.1} MB)", self.messages, self.bytes as f64 / 1e6)?;
        writeln!(f, "sent to nobody    {}", self.missed_between_images)?;
        writeln!(
            f,
            "recovery          {} ms median, {} ms worst",
            self.median_recovery_ms, self.worst_recovery_ms
        )?;
        for (what, troubles) in
            [("content errors", &self.content_errors), ("leaks", &self.leaks), ("failures", &self.failures)]
        {
            writeln!(f, "{what:<17} {}", troubles.len())?;
            troubles.iter().try_for_each(|trouble| writeln!(f, "  {trouble}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_has_the_promised_keys_and_any_trouble_is_bad() {
        let mut figures = Figures::default();
        for milliseconds in [30, 10, 20] {
            figures.recovered(Duration::from_millis(milliseconds));
        }
        let json = serde_json::to_value(&figures).unwrap();
        for key in ["seed", "seconds", "faults", "messages", "content_errors", "leaks", "failures"] {
            assert!(json.get(key).is_some(), "{key}");
        }
        assert_eq!((figures.median_recovery_ms, figures.worst_recovery_ms), (20, 30));
        assert!(figures.is_good());
        Figures::trouble(&mut figures.leaks, "a file".to_owned());
        assert!(!figures.is_good());
    }
}
