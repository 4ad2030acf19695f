//! The smallest world that still fails: whatever can be left out of a scenario is, as long as the same invariant breaks.

mod reductions;

use self::reductions::REDUCTIONS;
use crate::{Outcome, run, scenario::Scenario, trace::Trace};

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
                if smaller == smallest.scenario {
                    place += 1;
                    continue;
                }
                smallest.runs += 1;
                if broken_by(&smaller) == Some(invariant) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Worlds that hold; in one of them a name moves.
    const SEEDS: [u64; 2] = [2, 3];

    /// Otherwise what is found might fail because it is small.
    #[test]
    fn a_world_that_holds_does_so_without_anything_that_may_be_left_out() {
        let mut runs = 0;
        for seed in SEEDS {
            let scenario = Scenario::from_seed(seed);
            for (which, reduce) in REDUCTIONS.iter().enumerate() {
                for smaller in (0..).map_while(|place| reduce(&scenario, place)) {
                    if smaller != scenario {
                        let Outcome { failure, .. } = run(&smaller, Trace::tail());
                        assert!(failure.is_none(), "{smaller:#?}\nreduced by {which}: {}", failure.unwrap());
                        runs += 1;
                    }
                }
            }
        }
        assert!(runs > 50, "only {runs} worlds were smaller");
    }

    #[test]
    fn a_world_that_holds_is_not_shrunk() {
        assert!(minimise(&Scenario::from_seed(2), 3).is_none());
    }
}
