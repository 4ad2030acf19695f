//! Whole worlds from seeds: delivered equals sent, nothing is left behind, the same seed gives the same trace.

use std::{env, ops::Range, time::Duration};

use epona_simulator::{Figures, Outcome, Scenario, fault::FaultKind, feature::Feature, run, trace::Trace};

/// Seeds of one run of the suite, unless `EPONA_SIM_SEED` names another one to be run alone.
const SEEDS: Range<u64> = 0..125;

/// Seeds beyond those that have found a bug; beside each, which.
const PINNED: &[u64] = &[];

fn replay(seed: u64) -> Outcome {
    run(&Scenario::from_seed(seed), Trace::tail())
}

fn run_all(seeds: &[u64]) -> Figures {
    let mut total = Figures::default();
    let mut failures = Vec::new();
    for seed in seeds {
        let outcome = replay(*seed);
        total += outcome.figures;
        failures.extend(outcome.failure);
    }
    let texts: Vec<_> = failures.iter().map(ToString::to_string).collect();
    assert!(texts.is_empty(), "{}\n{} of {} seeds failed", texts.join("\n\n"), texts.len(), seeds.len());
    total
}

#[test]
fn what_is_sent_is_delivered_whole_and_in_order_whatever_the_network_does() {
    if let Ok(seed) = env::var("EPONA_SIM_SEED") {
        run_all(&[seed.parse().expect("EPONA_SIM_SEED is a number")]);
        return;
    }
    let seeds: Vec<_> = SEEDS.chain(PINNED.iter().copied()).collect();
    let total = run_all(&seeds);
    assert!(total.delivered >= total.sent && total.sent > 10_000, "too little was sent: {total:?}");
    assert!(total.worst_recovery > Duration::ZERO, "nothing had to recover: {total:?}");
    for kind in FaultKind::ALL {
        assert!(total.faults.of(*kind) > 0, "the worlds were too kind: no {kind:?} in {total:?}");
    }
    for feature in Feature::ALL {
        assert!(total.features.of(*feature) > 0, "the worlds were too plain: no {feature:?} in {total:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another_one() {
    for seed in 0..5 {
        let (first, second) = (replay(seed), replay(seed));
        assert_eq!((first.digest, first.figures), (second.digest, second.figures), "seed {seed}");
        assert_ne!(first.digest, replay(seed + 1).digest);
    }
}
