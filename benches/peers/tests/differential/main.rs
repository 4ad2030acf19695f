//! The same commands and the same datagrams for Aeron's driver and for ours: what one answers, and what anybody sees of it
//! afterwards, is what the other answers and shows.
//!
//! Scripts follow from seeds; `DIFFERENTIAL_SEEDS=FROM..TO` runs others than the test does, and says every difference.

#[path = "../common/mod.rs"]
mod common;
mod frames;
mod hand;
mod picture;
mod script;
mod stranger;

use common::{driver, settings};
use epona_peers::{net, party::DriverKind};
use frames::{STREAM, Writer};
use hand::Hand;
use script::{Script, Step};
use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// How long the two may take to show the same.
const PATIENCE: Duration = Duration::from_secs(30);

/// Scripts of the test.
const SEEDS: Range<u64> = 0..60;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("DIFFERENTIAL_SEEDS") else { return SEEDS };
    let (from, to) = text.split_once("..").expect("FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

fn hands() -> [Hand; 2] {
    hands_with(&[])
}

fn hands_with(more: &[(&'static str, &str)]) -> [Hand; 2] {
    let mut settings = settings(&[
        ("aeron.publication.linger.timeout", "100ms"),
        // Rejected streams cool down for as long.
        ("aeron.image.liveness.timeout", "600s"),
        ("aeron.counters.free.to.reuse.timeout", "0"),
    ]);
    settings.extend(more.iter().map(|&(name, value)| (name, value.to_owned())));
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

/// Runs every seed; a difference ends the test, or is told at the end when seeds are named.
fn explore(hands: impl Fn() -> [Hand; 2], run: impl Fn(&mut [Hand; 2], u64, Duration) -> Result<(), String>) {
    let exploring = std::env::var_os("DIFFERENTIAL_SEEDS").is_some();
    let patience = if exploring { Duration::from_secs(4) } else { PATIENCE };
    let mut found = Vec::new();
    let mut both = hands();
    for seed in seeds() {
        let Err(difference) = run(&mut both, seed, patience) else { continue };
        assert!(exploring, "seed {seed}: {difference}");
        eprintln!("seed {seed}: {difference}");
        found.push(seed);
        // What the failed script left behind is not to blame the next one.
        both = hands();
    }
    assert!(found.is_empty(), "seeds that differ: {found:?}");
}

#[test]
fn whatever_clients_ask_both_drivers_answer_and_show_the_same() {
    explore(hands, |hands, seed, patience| {
        let script = Script::new(seed);
        run(hands, &script, patience).map_err(|difference| format!("{difference}\n{:?}", script.steps))
    });
}

/// Channels whose sockets a stranger speaks to, of the publication and of the subscription.
const CHANNELS: &[(&str, &str)] = &[
    ("", ""),
    ("", ""),
    ("|max-resend=1", "|reliable=false"),
    ("", "|session-id=9"),
    ("", "|rcv-wnd=64k"),
    ("|linger=0", "|group=true"),
    ("|eos=false", "|gtag=4"),
];

/// What happens to the streams of a script, in its order, on both; how they differ, if they do.
fn run_strangers(hands: &mut [Hand; 2], seed: u64, patience: Duration) -> Result<(), String> {
    let ports: Vec<u16> = (0..2).map(|_| net::free_port().expect("a free port")).collect();
    let (publication, subscription) = CHANNELS[seed as usize % CHANNELS.len()];
    let position = "session-id=5|init-term-id=3|term-id=3|term-offset=0";
    let (host_port, peer_port) = (ports[0], ports[1]);
    let steps = vec![
        Step::AddSubscription {
            stream: STREAM,
            channel: format!("aeron:udp?endpoint={{host}}:{host_port}{subscription}"),
        },
        Step::AddExclusivePublication {
            stream: STREAM,
            channel: format!("aeron:udp?endpoint={{peer}}:{peer_port}|{position}{publication}"),
        },
    ];
    let script = Script { steps, ports };
    hands.iter_mut().for_each(|hand| {
        hand.begin(&script);
        hand.meet_a_stranger(host_port, peer_port);
    });
    for (number, step) in script.steps.iter().enumerate() {
        let [theirs, ours] = hands.each_mut().map(|hand| hand.carry_out(number, step));
        assert_eq!(theirs, ours, "{step:?}");
    }
    let happenings = Writer::new(seed).write();
    for (number, happening) in happenings.iter().enumerate() {
        hands.iter_mut().for_each(|hand| hand.happen(happening));
        agree(hands, false, patience).map_err(|difference| {
            let latest = &happenings[number.saturating_sub(3)..=number];
            format!("{subscription} {publication}: after {number}, {latest:?}:\n{difference}")
        })?;
    }
    hands.iter_mut().for_each(|hand| {
        hand.leave_the_stranger();
        hand.carry_out(2, &Step::Close);
    });
    agree(hands, true, patience)
}

#[test]
fn whatever_strangers_send_both_drivers_do_and_show_the_same() {
    let more = [
        ("aeron.retransmit.unicast.linger", "600s"),
        // Both repair one gap after the other.
        ("epona.unicast.max.gaps", "1"),
        ("aeron.image.liveness.timeout", "60s"),
        ("aeron.publication.connection.timeout", "60s"),
    ];
    explore(|| hands_with(&more), run_strangers);
}
