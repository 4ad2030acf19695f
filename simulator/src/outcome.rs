//! What came of a world, or of many.

use std::{fmt, ops, time::Duration};

use crate::{fault::FaultCounts, feature::FeatureCounts};

/// What came of one world.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// Digest of its trace: the same for the same seed.
    pub digest: u64,
    /// What happened, in numbers.
    pub figures: Figures,
    /// What went wrong, if anything.
    pub failure: Option<Failure>,
}

/// What happened, in numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Turns of the whole world.
    pub steps: u64,
    /// Virtual time.
    pub simulated: Duration,
    /// Messages published.
    pub sent: u64,
    /// Messages that arrived, counted at each subscriber.
    pub delivered: u64,
    /// Datagrams, lost ones included.
    pub datagrams: u64,
    /// What went wrong on purpose.
    pub faults: FaultCounts,
    /// What was seen to work that only few worlds have.
    pub features: FeatureCounts,
    /// Times that something was found to hold.
    pub checks: u64,
    /// Longest that a message took from being sent to being delivered, faults and all.
    pub slowest_delivery: Duration,
    /// Longest that a world took from the end of its faults until every stream had got on.
    pub worst_recovery: Duration,
}

impl ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.simulated += other.simulated;
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.datagrams += other.datagrams;
        self.faults += &other.faults;
        self.features += &other.features;
        self.checks += other.checks;
        self.slowest_delivery = self.slowest_delivery.max(other.slowest_delivery);
        self.worst_recovery = self.worst_recovery.max(other.worst_recovery);
    }
}

/// What went wrong, where, and what had happened before.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed that shows it.
    pub seed: u64,
    /// In which step.
    pub step: u64,
    /// At what virtual time.
    pub at: Duration,
    /// What was to hold: the same for failures of one kind.
    pub invariant: &'static str,
    /// What went wrong.
    pub reason: String,
    /// The last events before.
    pub tail: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.tail {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {} failed in step {} at {:?}: {}", self.seed, self.step, self.at, self.reason)?;
        writeln!(
            f,
            "replay: EPONA_SIM_SEED={} cargo test -p epona-simulator --test seeds delivered",
            self.seed
        )?;
        write!(f, "trace:  cargo run -p epona-simulator --bin epona-sim -- --seed {} --trace", self.seed)
    }
}
