//! What must hold of a world as a whole: flow control, completeness, health.

use std::time::Duration;

use epona_protocol::{counters::CounterDescriptor, types::StreamId};

use super::{World, is_calm};
use crate::{
    Violation,
    applications::keeper::KEPT,
    ensure,
    fault::{Disturbance, FaultKind},
    feature::Feature,
    invariants::{resources, watch::Health},
    scenario::Naming,
    surroundings::host::WINDOW,
};

/// Longest round trip that a driver believes, with some room for the way.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(9);

/// Lengths of the log buffers that there are in a world: those of streams, and one of storms.
const LOG_LENGTHS: usize = 2;

/// Most counters of a driver in any world but one whose counters are all taken.
const MOST_COUNTERS: usize = 3000;

impl World {
    /// Who follows its slowest receiver is never further ahead of it than the receiver's window.
    pub(super) fn check_flow_control(&mut self) -> Result<(), Violation> {
        let now = self.clock.now_nanos();
        for stream in self.streams.iter().filter(|stream| stream.spec.follows_slowest) {
            for (subscriber, publisher, session) in stream.pairs() {
                // To one host, or to none but spies: there is nobody to be followed.
                if publisher.spec().heard_at.is_some() {
                    continue;
                }
                let (Some(id), Some(position)) =
                    (publisher.session_id(), self.ledger.position_of(subscriber.place(), session))
                else {
                    continue;
                };
                if self.excuses.cover(&[subscriber.host(), publisher.host()], now) {
                    continue;
                }
                let stream_id = StreamId::new(stream.spec.stream_id);
                let watch = self.hosts[publisher.host()].watch();
                let Some(limit) = watch.and_then(|watch| watch.sender_limit(stream_id, id)) else { continue };
                ensure!(
                    limit <= position.get() + WINDOW,
                    "the sender of session {id} may go to {limit}, but subscriber {:?} is at {position:?} and takes {WINDOW} bytes",
                    subscriber.place()
                );
                self.figures.checks += 1;
            }
        }
        Ok(())
    }

    /// Static counters stay, with what was last written, whoever has gone.
    pub(super) fn check_static_counters(&mut self) -> Result<(), Violation> {
        for keeper in &self.keepers {
            let (Some(kept), Some(watch)) = (keeper.kept(), self.hosts[keeper.host()].watch()) else {
                continue;
            };
            let counters = watch.counters();
            let id = keeper.registration_id();
            let is_it = |found: &&CounterDescriptor| {
                found.type_id == KEPT && counters.registration_id(found.id) == Some(id.get())
            };
            let all: Vec<_> = counters.iter().collect();
            let values: Vec<_> =
                all.iter().filter(is_it).map(|found| counters.value(found.id).unwrap_or(0)).collect();
            ensure!(
                values == [kept],
                "a static counter was left at {kept}, and in the end there is {values:?}"
            );
            self.figures.checks += 1;
        }
        Ok(())
    }

    /// Who was there from the start has missed nothing.
    pub(super) fn check_completeness(&mut self) -> Result<(), Violation> {
        if !is_calm(&self.scenario) {
            return Ok(());
        }
        for subscriber in self.streams.iter().flat_map(|stream| &stream.subscribers) {
            ensure!(
                !subscriber.has_unknown_images(&self.ledger),
                "subscriber {:?} has an image of a session that nobody publishes there",
                subscriber.place()
            );
        }
        for stream in self.streams.iter().filter(|stream| stream.spec.waits_for_subscribers) {
            let pairs = stream.pairs().filter(|(subscriber, ..)| !subscriber.spec().is_untethered);
            for (subscriber, _, session) in pairs {
                ensure!(
                    self.ledger.joined_at_start(subscriber.place(), session),
                    "subscriber {:?} was there first, but joined late: {}",
                    subscriber.place(),
                    self.ledger.progress(subscriber.place(), session)
                );
                self.figures.checks += 1;
            }
        }
        Ok(())
    }

    pub(super) fn check_health(&mut self) -> Result<(), Violation> {
        let faults = &self.scenario.faults;
        let specs = || self.scenario.streams.iter().flat_map(|stream| &stream.subscribers);
        let health = Health {
            is_disturbed: !is_calm(&self.scenario)
                || specs().any(|subscriber| subscriber.rejects_after.is_some())
                // Names that gossip has not told of yet are errors.
                || self.scenario.naming == Naming::Gossip
                // So are publishers that wait for others to leave.
                || self.scenario.limits_sessions
                || faults
                    .iter()
                    .any(|fault| matches!(fault.what, Disturbance::Storm(_) | Disturbance::FillErrorLog(_))),
            // At the last position of all, setups announce a term that cannot be.
            is_unaltered: self.figures.faults.of(FaultKind::PositionNearMaximum) == 0
                // A round trip that takes longer is not believed.
                && faults.iter().all(|fault| fault.lasts < LONGEST_ROUND_TRIP)
                && !faults.iter().any(|fault| {
                    matches!(
                        fault.what,
                        Disturbance::Corrupt(_) | Disturbance::Truncate(_) | Disturbance::ForeignVersion(_)
                    )
                }),
            is_reliable: !specs().any(|subscriber| subscriber.is_lossy),
        };
        let takes_all = |what| matches!(what, Disturbance::FillCounters(_));
        let is_bounded = !faults.iter().any(|fault| takes_all(fault.what));
        for host in &self.hosts {
            let (Some(watch), Some(cnc)) = (host.watch(), host.cnc()) else { continue };
            self.figures.checks += watch.check_health(cnc, health)?;
            let spares = resources::spare_logs(host.path()).len();
            let most = self.scenario.spare_logs * LOG_LENGTHS;
            ensure!(spares <= most, "a driver keeps {spares} logs ready, more than {most}");
            if spares > 0 {
                self.figures.features.count(Feature::SpareLog);
            }
            ensure!(
                watch.most() < MOST_COUNTERS || !is_bounded,
                "a driver had {} counters at once",
                watch.most()
            );
        }
        Ok(())
    }
}
