//! The same commands for Aeron's driver and for ours: what one answers, and what anybody sees of it afterwards, is what
//! the other answers and shows.
//!
//! Scripts follow from seeds; `DIFFERENTIAL_SEEDS=FROM..TO` runs others than the test does, and says every difference.

#[path = "../common/mod.rs"]
mod common;
mod hand;
mod picture;
mod script;

use common::{driver, settings};
use epona_peers::process::DriverKind;
use hand::Hand;
use script::{Script, Step};
use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// How long the two may take to show the same.
const PATIENCE: Duration = Duration::from_secs(30);

/// Scripts of the test.
const SEEDS: Range<u64> = 0..80;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("DIFFERENTIAL_SEEDS") else { return SEEDS };
    let (from, to) = text.split_once("..").expect("FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

fn hands() -> [Hand; 2] {
    let settings = settings(&[
        ("aeron.publication.linger.timeout", "100ms"),
        ("aeron.image.liveness.timeout", "10s"),
        ("aeron.counters.free.to.reuse.timeout", "0"),
    ]);
    [DriverKind::Aeron, DriverKind::Epona].map(|kind| Hand::of(driver(kind, &settings)))
}

/// Waits until both show the same, and nothing of clients if that is asked, or says how they differ.
fn agree(hands: &mut [Hand; 2], bare: bool, patience: Duration) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    loop {
        let [theirs, ours] = hands.each_mut().map(Hand::picture);
        if theirs == ours && (!bare || theirs.is_bare()) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(picture::difference(&theirs, &ours));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs a script on both; how they differ, if they do.
fn run(hands: &mut [Hand; 2], script: &Script, patience: Duration) -> Result<(), String> {
    hands.iter_mut().for_each(|hand| hand.begin(script));
    for (number, step) in script.steps.iter().enumerate() {
        let [theirs, ours] = hands.each_mut().map(|hand| hand.carry_out(number, step));
        if theirs != ours {
            return Err(format!("step {number} {step:?}:\n  theirs {theirs:#?}\n  ours {ours:#?}"));
        }
        agree(hands, *step == Step::Close, patience)
            .map_err(|difference| format!("after step {number} {step:?}:\n{difference}"))?;
    }
    Ok(())
}

#[test]
fn whatever_clients_ask_both_drivers_answer_and_show_the_same() {
    let exploring = std::env::var_os("DIFFERENTIAL_SEEDS").is_some();
    let patience = if exploring { Duration::from_secs(4) } else { PATIENCE };
    let mut found = Vec::new();
    let mut hands = hands();
    for seed in seeds() {
        let script = Script::new(seed);
        let Err(difference) = run(&mut hands, &script, patience) else { continue };
        let what = format!("seed {seed}: {difference}");
        assert!(exploring, "{what}\n{script:#?}");
        eprintln!("{what}\n{:?}", script.steps);
        found.push(seed);
        // What the failed script left behind is not to blame the next one.
        hands = self::hands();
    }
    assert!(found.is_empty(), "seeds that differ: {found:?}");
}
