//! The smallest world that still fails: whatever can be left out of a scenario is, as long as the same invariant breaks.

use std::time::Duration;

use epona_media_driver::media::simulated::Conditions;

use crate::{
    Outcome, run,
    scenario::{Lengths, Scenario, Stream},
    trace::Trace,
};

/// A world that fails, and how it was found.
#[derive(Clone, Debug)]
pub struct Smallest {
    /// What is left of the world.
    pub scenario: Scenario,
    /// Worlds that were run on the way.
    pub runs: usize,
}

/// Shrinks a scenario that fails, running at most `budget` worlds; `None` when it does not fail.
///
/// The same seed stays, but the chances that it gives fall to others when something is left out: what is found is small,
/// not the smallest there is.
#[must_use]
pub fn minimise(scenario: &Scenario, budget: usize) -> Option<Smallest> {
    let invariant = broken_by(scenario)?;
    let mut smallest = Smallest { scenario: scenario.clone(), runs: 1 };
    loop {
        let before = smallest.scenario.clone();
        for reduce in REDUCTIONS {
            let mut place = 0;
            while smallest.runs < budget
                && let Some(smaller) = reduce(&smallest.scenario, place)
            {
                smallest.runs += 1;
                if smaller != smallest.scenario && broken_by(&smaller) == Some(invariant) {
                    smallest.scenario = smaller;
                } else {
                    place += 1;
                }
            }
        }
        if smallest.scenario == before || smallest.runs >= budget {
            return Some(smallest);
        }
    }
}

fn broken_by(scenario: &Scenario) -> Option<&'static str> {
    let Outcome { failure, .. } = run(scenario, Trace::tail());
    failure.map(|failure| failure.invariant)
}

/// Makes something smaller, at a place of the world; `None` when there is no such place.
type Reduction = fn(&Scenario, usize) -> Option<Scenario>;

/// What saves most comes first.
const REDUCTIONS: [Reduction; 9] = [
    without_fault,
    without_stream,
    without_publisher,
    without_subscriber,
    with_fewer_messages,
    with_shorter_fault,
    with_earlier_fault,
    with_less_time,
    with_less_chance,
];

fn without_fault(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let mut smaller = scenario.clone();
    (place < smaller.faults.len()).then(|| smaller.faults.remove(place))?;
    Some(smaller)
}

/// Without a stream, and those that need it or that it needs.
fn without_stream(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let gone = scenario.streams.get(place)?;
    let mut smaller = scenario.clone();
    smaller.streams.retain(|stream| stream != gone && !needs(stream, gone) && !needs(gone, stream));
    // Left as it is, it is no smaller.
    Some(if smaller.streams.is_empty() { scenario.clone() } else { smaller })
}

/// Whether a channel of one has a placeholder that the other fills.
fn needs(one: &Stream, other: &Stream) -> bool {
    let mark = format!(" {}.", other.number);
    let names = |channel: &str| channel.split('{').skip(1).any(|placeholder| placeholder.contains(&mark));
    one.number != other.number
        && (names(&one.channel) || one.subscribers.iter().any(|subscriber| names(&subscriber.channel)))
}

fn without_publisher(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let mut smaller = scenario.clone();
    let stream = smaller.streams.get_mut(place)?;
    if stream.publishers.len() > 1 {
        stream.publishers.pop();
    }
    Some(smaller)
}

/// Those of a group that is waited for stay.
fn without_subscriber(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let mut smaller = scenario.clone();
    let stream = smaller.streams.get_mut(place)?;
    if stream.subscribers.len() > 1 && !stream.channel.contains("fc=") && !stream.channel.contains("moves-") {
        stream.subscribers.pop();
    }
    Some(smaller)
}

fn with_fewer_messages(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let mut smaller = scenario.clone();
    let stream = smaller.streams.get_mut(place)?;
    for publisher in &mut stream.publishers {
        publisher.messages = publisher.messages.div_ceil(2);
    }
    Some(smaller)
}

fn with_shorter_fault(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let mut smaller = scenario.clone();
    let fault = smaller.faults.get_mut(place)?;
    fault.lasts = halved(fault.lasts);
    Some(smaller)
}

fn with_earlier_fault(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let mut smaller = scenario.clone();
    let fault = smaller.faults.get_mut(place)?;
    fault.at = halved(fault.at);
    Some(smaller)
}

fn with_less_time(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let runs_for = halved(scenario.runs_for);
    (place == 0).then(|| Scenario { runs_for, ..scenario.clone() })
}

/// One kind of chance less: turns, links, messages, habits of applications.
fn with_less_chance(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let mut smaller = scenario.clone();
    let links = |smaller: &mut Scenario, calm: fn(&mut Conditions)| smaller.links.iter_mut().for_each(calm);
    match place {
        0 => smaller.skipped_turns = 0.0,
        1 => links(&mut smaller, |link| link.loss = 0.0),
        2 => links(&mut smaller, |link| link.duplication = 0.0),
        3 => links(&mut smaller, |link| link.reordering = 0.0),
        4 => smaller.streams.iter_mut().for_each(|stream| stream.lengths = Lengths::Short),
        5 => smaller.streams.iter_mut().flat_map(|stream| &mut stream.publishers).for_each(|publisher| {
            (publisher.claims, publisher.burst, publisher.starts_at) = (0.0, 1, Duration::ZERO);
        }),
        6 => smaller.streams.iter_mut().flat_map(|stream| &mut stream.subscribers).for_each(|subscriber| {
            subscriber.controlled = false;
        }),
        _ => return None,
    }
    Some(smaller)
}

/// Half as long; what is short is left alone.
fn halved(duration: Duration) -> Duration {
    if duration < Duration::from_millis(20) { duration } else { duration / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_that_holds_is_not_shrunk() {
        assert!(minimise(&Scenario::from_seed(2), 3).is_none());
    }

    #[test]
    fn every_reduction_ends_and_what_belongs_together_goes_together() {
        for seed in 0..200 {
            let scenario = Scenario::from_seed(seed);
            for reduce in REDUCTIONS {
                let places = (0..).take_while(|place| reduce(&scenario, *place).is_some()).count();
                assert!(places <= 100, "seed {seed}: {places} places");
            }
            for place in 0..scenario.streams.len() {
                let smaller = without_stream(&scenario, place).unwrap();
                let is_whole = |stream: &Stream| {
                    let needed = scenario.streams.iter().filter(|other| needs(stream, other));
                    needed.into_iter().all(|other| smaller.streams.contains(other))
                };
                assert!(!smaller.streams.is_empty() && smaller.streams.iter().all(is_whole), "seed {seed}");
            }
        }
    }
}
