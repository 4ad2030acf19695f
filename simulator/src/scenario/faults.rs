//! Faults of a scenario, beside what its links do all the time.

use std::time::Duration;

use super::{Scenario, moving_name};
use crate::fault::{Disturbance, Fault, FrameType, MILD, Moment, Role, Way};

/// Adds none in every third world, a few mild ones in another third, and severe ones too in the rest.
pub(super) fn add(scenario: &mut Scenario, random: &mut fastrand::Rng) {
    move_names(scenario, random);
    let class = random.u8(..3);
    if class == 0 {
        return;
    }
    let mut at = Duration::from_millis(random.u64(..500));
    for _ in 0..random.usize(1..=5) {
        let what =
            if class == 2 && random.bool() { severe(scenario, random) } else { mild(scenario, random) };
        let lasts = lasts(what, class == 2, random);
        scenario.faults.push(Fault { at, lasts, what });
        at += Duration::from_millis(random.u64(100..=if class == 2 { 8000 } else { 2000 }));
    }
    let end = scenario.faults.iter().map(Fault::end).max().unwrap_or_default();
    scenario.runs_for = scenario.runs_for.max(end + Duration::from_millis(200));
}

fn way(scenario: &Scenario, random: &mut fastrand::Rng) -> Way {
    Way { from: random.usize(..scenario.hosts), to: random.usize(..scenario.hosts) }
}

/// What may be mild, if it is short.
fn mild(scenario: &Scenario, random: &mut fastrand::Rng) -> Disturbance {
    let way = way(scenario, random);
    let host = random.usize(..scenario.hosts);
    let client = random.usize(..scenario.clients.len());
    match random.u8(..22) {
        0 => Disturbance::LoseOne(way),
        1 => Disturbance::LoseBurst(way, random.u64(2..=40)),
        2 => Disturbance::LoseGaps(way, random.u64(2..=8)),
        3..=5 => Disturbance::LoseFrames(way, frame(random)),
        6 => Disturbance::Corrupt(way),
        7 => Disturbance::Truncate(way),
        8 => Disturbance::ForeignVersion(way),
        9 => Disturbance::Cut(way),
        10 => Disturbance::Partition(way.from, way.to),
        11 => Disturbance::LimitLength(way, random.usize(80..=1400)),
        12 => Disturbance::PauseDriver(host),
        13 | 14 => Disturbance::PauseRole(host, Role::ALL[random.usize(..4)]),
        15 => Disturbance::PauseClient(client),
        16 => Disturbance::JumpClock(random.i64(-5000..=5000)),
        17 => Disturbance::FillCommands(host),
        18 | 19 => {
            let stream = random.usize(..scenario.streams.len());
            let place = random.usize(..scenario.streams[stream].subscribers.len());
            Disturbance::SlowSubscriber(scenario.streams[stream].number, place)
        }
        20 if random.u8(..4) == 0 => Disturbance::FillErrorLog(host),
        _ => Disturbance::Storm(client),
    }
}

/// What is severe however short it is, or what is severe when it is long.
fn severe(scenario: &Scenario, random: &mut fastrand::Rng) -> Disturbance {
    let host = random.usize(..scenario.hosts);
    let client = random.usize(..scenario.clients.len());
    match random.u8(..16) {
        0..=2 => Disturbance::RestartDriver(host),
        3..=8 => {
            let moments = [
                Moment::Idle,
                Moment::Claimed,
                Moment::Committed,
                Moment::CommandClaimed,
                Moment::CommandSent,
            ];
            Disturbance::KillClient(client, moments[random.usize(..moments.len())])
        }
        9 => Disturbance::FillStorage(host),
        10 if random.u8(..3) == 0 => Disturbance::FillCounters(client),
        11 => Disturbance::JumpClock(random.i64(-60_000..=60_000)),
        12 => Disturbance::PauseClient(client),
        13 => Disturbance::PauseDriver(host),
        14 => Disturbance::PauseRole(host, Role::ALL[random.usize(..4)]),
        _ => {
            let way = way(scenario, random);
            Disturbance::Partition(way.from, way.to)
        }
    }
}

fn frame(random: &mut fastrand::Rng) -> FrameType {
    let all = [
        FrameType::Data,
        FrameType::Heartbeat,
        FrameType::Setup,
        FrameType::StatusMessage,
        FrameType::Nak,
        FrameType::RoundTrip,
        FrameType::Error,
        FrameType::ResponseSetup,
    ];
    all[random.usize(..all.len())]
}

fn lasts(what: Disturbance, may_be_severe: bool, random: &mut fastrand::Rng) -> Duration {
    let mild = Duration::from_millis(random.u64(1..=MILD.as_millis() as u64));
    // Around each timeout: 5, 10 and 15 s.
    let long = Duration::from_millis([2000, 5500, 10_500, 15_500][random.usize(..4)] + random.u64(..500));
    match what {
        // Longer than the heartbeat of the dead driver seems alive.
        Disturbance::RestartDriver(_) => Duration::from_millis(random.u64(10_100..=16_000)),
        Disturbance::KillClient(..) | Disturbance::JumpClock(_) | Disturbance::FillErrorLog(_) => {
            Duration::ZERO
        }
        Disturbance::FillCommands(_) => mild,
        Disturbance::Storm(_) => mild,
        _ if may_be_severe && random.bool() => long,
        _ => mild,
    }
}

/// Lets the subscriber of a moving name leave, and another one on another host take its place.
fn move_names(scenario: &mut Scenario, random: &mut fastrand::Rng) {
    for stream in &mut scenario.streams {
        if !stream.channel.contains(&moving_name(stream.number)) {
            continue;
        }
        let at = Duration::from_millis(random.u64(300..=1500));
        let to = scenario.clients[stream.subscribers[1].client];
        stream.subscribers[0].ends_at = Some(at);
        stream.subscribers[1].starts_at = at;
        let what = Disturbance::MoveName(stream.number, to);
        scenario.faults.push(Fault { at, lasts: Duration::ZERO, what });
        scenario.runs_for = scenario.runs_for.max(at + Duration::from_secs(2));
    }
}
