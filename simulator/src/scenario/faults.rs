//! Faults of a scenario, beside what its links do all the time.

use std::time::Duration;

use super::{Moving, Scenario, Stream, Subscriber};
use crate::fault::{Disturbance, Fault, FaultKind, FrameType, MILD, Moment, Role, Way};

/// What may be mild, if it is short; what is here twice is drawn twice as often.
const MILD_KINDS: [FaultKind; 31] = [
    FaultKind::SingleLoss,
    FaultKind::BurstLoss,
    FaultKind::MultiGapLoss,
    FaultKind::LostData,
    FaultKind::LostHeartbeat,
    FaultKind::LostSetup,
    FaultKind::LostStatusMessage,
    FaultKind::LostNak,
    FaultKind::LostRoundTrip,
    FaultKind::LostError,
    FaultKind::LostResponseSetup,
    FaultKind::Corruption,
    FaultKind::Truncation,
    FaultKind::ForeignVersion,
    FaultKind::OneWayPartition,
    FaultKind::Partition,
    FaultKind::MtuMismatch,
    FaultKind::DriverPause,
    FaultKind::SenderPause,
    FaultKind::ReceiverPause,
    FaultKind::ResourcesPause,
    FaultKind::ConductorPause,
    FaultKind::ClientPause,
    FaultKind::ClockJump,
    FaultKind::FullCommandBuffer,
    FaultKind::SlowConsumer,
    FaultKind::SlowConsumer,
    FaultKind::DestinationRemoval,
    FaultKind::ReceiveDestinationRemoval,
    FaultKind::AddRemoveStorm,
    FaultKind::AddRemoveStorm,
];

/// What is severe however short it is, or what is severe when it is long.
const SEVERE_KINDS: [FaultKind; 16] = [
    FaultKind::DriverRestart,
    FaultKind::DriverRestart,
    FaultKind::DriverRestart,
    FaultKind::ClientDeath,
    FaultKind::ClientDeathInClaim,
    FaultKind::ClientDeathInClaim,
    FaultKind::ClientDeathAfterCommit,
    FaultKind::ClientDeathInCommand,
    FaultKind::ClientDeathBeforeAnswer,
    FaultKind::FullStorage,
    FaultKind::ClockJump,
    FaultKind::ClientPause,
    FaultKind::DriverPause,
    FaultKind::ConductorPause,
    FaultKind::Partition,
    FaultKind::DestinationRemoval,
];

/// Kinds that say nothing new when there are many of them.
const RARE_KINDS: [FaultKind; 2] = [FaultKind::FullErrorLog, FaultKind::FullCounters];

/// Furthest that the wall clock jumps, in milliseconds.
const DAY: i64 = 86_400_000;

/// Furthest that it goes back where somebody may die, in milliseconds: for so much longer the dead seem alive, as they
/// tell by the wall clock that they live.
const MINUTE: i64 = 60_000;

/// One in so many faults is one of the rare ones.
const RARITY: u8 = 80;

/// Adds none in every third world, a few mild ones in another third, and severe ones too in the rest; in any case the one
/// that the world is about.
pub(super) fn add(scenario: &mut Scenario, theme: FaultKind, random: &mut fastrand::Rng) {
    move_names(scenario, random);
    silence(scenario, random);
    take_links_away(scenario, random);
    let severest = random.u8(..3);
    let mut at = Duration::from_millis(random.u64(..500));
    if let Some(what) = disturbance(theme, scenario, random) {
        // At once, for what happens only at the beginning; a clock that jumps has to have ticked before.
        let is_late = matches!(what, Disturbance::JumpClock(_));
        let at = Duration::from_millis(if is_late { random.u64(1000..3000) } else { 0 });
        let lasts = lasts(what, severest == 2, random).max(MILD / 2);
        scenario.faults.push(Fault { at, lasts: lasting(what, lasts), what });
    }
    let count = if severest == 0 { 0 } else { random.usize(1..=4) };
    for _ in 0..count {
        let kind = if random.u8(..RARITY) == 0 {
            RARE_KINDS[random.usize(..RARE_KINDS.len())]
        } else if severest == 2 && random.bool() {
            SEVERE_KINDS[random.usize(..SEVERE_KINDS.len())]
        } else {
            MILD_KINDS[random.usize(..MILD_KINDS.len())]
        };
        if let Some(what) = disturbance(kind, scenario, random) {
            let lasts = lasts(what, severest == 2, random);
            scenario.faults.push(Fault { at, lasts: lasting(what, lasts), what });
        }
        at += Duration::from_millis(random.u64(100..=if severest == 2 { 8000 } else { 2000 }));
    }
    keep_the_dead_short(scenario);
    let end = scenario.faults.iter().map(Fault::end).max().unwrap_or_default();
    scenario.runs_for = scenario.runs_for.max(end + Duration::from_millis(200));
}

/// Worlds cannot wait for a day until somebody is found dead.
fn keep_the_dead_short(scenario: &mut Scenario) {
    if scenario.faults.iter().any(Fault::is_deadly) {
        for fault in &mut scenario.faults {
            if let Disturbance::JumpClock(millis) = &mut fault.what {
                *millis = (*millis).max(-MINUTE);
            }
        }
    }
}

/// A fault of a kind, where the world has what it takes.
fn disturbance(kind: FaultKind, scenario: &Scenario, random: &mut fastrand::Rng) -> Option<Disturbance> {
    let host = random.usize(..scenario.hosts);
    let client = random.usize(..scenario.clients.len());
    let way = way(scenario, any_stream(scenario, random), random);
    let frames = |frame, random: &mut fastrand::Rng| lose_frames(frame, scenario, random);
    let dies = |moment| Some(Disturbance::KillClient(client, moment));
    Some(match kind {
        FaultKind::SingleLoss => Disturbance::LoseOne(way),
        FaultKind::BurstLoss => Disturbance::LoseBurst(way, random.u64(2..=40)),
        FaultKind::MultiGapLoss => Disturbance::LoseGaps(way, random.u64(2..=8)),
        FaultKind::LostData => return frames(FrameType::Data, random),
        FaultKind::LostHeartbeat => return frames(FrameType::Heartbeat, random),
        FaultKind::LostSetup => return frames(FrameType::Setup, random),
        FaultKind::LostStatusMessage => return frames(FrameType::StatusMessage, random),
        FaultKind::LostNak => return frames(FrameType::Nak, random),
        FaultKind::LostRoundTrip => return frames(FrameType::RoundTrip, random),
        FaultKind::LostError => return frames(FrameType::Error, random),
        FaultKind::LostResponseSetup => return frames(FrameType::ResponseSetup, random),
        FaultKind::Corruption => Disturbance::Corrupt(way),
        FaultKind::Truncation => Disturbance::Truncate(way),
        FaultKind::ForeignVersion => Disturbance::ForeignVersion(way),
        FaultKind::OneWayPartition => Disturbance::Cut(way),
        FaultKind::Partition => Disturbance::Partition(way.from, way.to),
        FaultKind::MtuMismatch => Disturbance::LimitLength(way, random.usize(80..=1400)),
        FaultKind::DriverPause => Disturbance::PauseDriver(host),
        FaultKind::SenderPause => Disturbance::PauseRole(host, Role::Sender),
        FaultKind::ReceiverPause => Disturbance::PauseRole(host, Role::Receiver),
        FaultKind::ResourcesPause => Disturbance::PauseRole(host, Role::Resources),
        FaultKind::ConductorPause => Disturbance::PauseRole(host, Role::Conductor),
        FaultKind::DriverRestart => Disturbance::RestartDriver(host),
        FaultKind::ClientPause => Disturbance::PauseClient(client),
        FaultKind::ClientDeath => return dies(Moment::Idle),
        FaultKind::ClientDeathInClaim => return dies(Moment::Claimed),
        FaultKind::ClientDeathAfterCommit => return dies(Moment::Committed),
        FaultKind::ClientDeathInCommand => return dies(Moment::CommandClaimed),
        FaultKind::ClientDeathBeforeAnswer => return dies(Moment::CommandSent),
        FaultKind::ClockJump => {
            let furthest = [5000, MINUTE, DAY, DAY][random.usize(..4)];
            Disturbance::JumpClock(random.i64(-furthest..=furthest))
        }
        FaultKind::FullStorage => Disturbance::FillStorage(host),
        FaultKind::FullCounters => Disturbance::FillCounters(client),
        FaultKind::FullErrorLog => Disturbance::FillErrorLog(host),
        FaultKind::FullCommandBuffer => Disturbance::FillCommands(host),
        FaultKind::SlowConsumer => {
            let stream = any_stream(scenario, random);
            Disturbance::SlowSubscriber(stream.number, random.usize(..stream.subscribers.len()))
        }
        FaultKind::DestinationRemoval => {
            let sends = |stream: &&Stream| stream.publishers.iter().any(|p| !p.destinations.is_empty());
            let stream = scenario.streams.iter().find(sends)?.number;
            Disturbance::RemoveDestination { stream, by_id: random.bool() }
        }
        FaultKind::ReceiveDestinationRemoval => {
            let hears = |stream: &&Stream| stream.subscribers.iter().any(|s| !s.destinations.is_empty());
            let streams: Vec<_> = scenario.streams.iter().filter(hears).collect();
            Disturbance::RemoveReceiveDestination(streams.get(random.usize(..streams.len().max(1)))?.number)
        }
        FaultKind::AddRemoveStorm => Disturbance::Storm(client),
        // What links do, and what streams are.
        FaultKind::Loss
        | FaultKind::Duplication
        | FaultKind::Reordering
        | FaultKind::AddressChange
        | FaultKind::TermIdWrap
        | FaultKind::PositionNearMaximum
        | FaultKind::ImageRejection
        | FaultKind::Revocation => return None,
    })
}

fn any_stream<'a>(scenario: &'a Scenario, random: &mut fastrand::Rng) -> &'a Stream {
    &scenario.streams[random.usize(..scenario.streams.len())]
}

/// Mostly a way of the datagrams of a stream.
fn way(scenario: &Scenario, stream: &Stream, random: &mut fastrand::Rng) -> Way {
    if random.u8(..4) == 0 {
        return Way { from: random.usize(..scenario.hosts), to: random.usize(..scenario.hosts) };
    }
    let there = along(scenario, stream, random);
    if random.bool() { there } else { Way { from: there.to, to: there.from } }
}

/// From a publisher of a stream to a subscriber.
fn along(scenario: &Scenario, stream: &Stream, random: &mut fastrand::Rng) -> Way {
    let publisher = &stream.publishers[random.usize(..stream.publishers.len())];
    let subscriber = &stream.subscribers[random.usize(..stream.subscribers.len())];
    Way { from: scenario.clients[publisher.client], to: scenario.clients[subscriber.client] }
}

/// Loss of one type of frames, where a stream sends such and in the direction in which it does.
fn lose_frames(frame: FrameType, scenario: &Scenario, random: &mut fastrand::Rng) -> Option<Disturbance> {
    let sends = |stream: &&Stream| match frame {
        FrameType::RoundTrip => stream.subscribers.iter().any(|s| s.channel.contains("cc=cubic")),
        FrameType::Error => stream.subscribers.iter().any(|s| s.rejects_after.is_some()),
        FrameType::ResponseSetup => {
            stream.channel.contains("endpoint=") && stream.channel.contains("response-")
        }
        _ => stream.channel.starts_with("aeron:udp"),
    };
    let streams: Vec<_> = scenario.streams.iter().filter(sends).collect();
    let stream = streams.get(random.usize(..streams.len().max(1)))?;
    let mut there = along(scenario, stream, random);
    // Only who rejects sends errors.
    let rejects = stream.subscribers.iter().find(|subscriber| subscriber.rejects_after.is_some());
    if let (FrameType::Error, Some(rejects)) = (frame, rejects) {
        there.to = scenario.clients[rejects.client];
    }
    let way = match frame {
        FrameType::Data | FrameType::Heartbeat | FrameType::Setup => there,
        _ => Way { from: there.to, to: there.from },
    };
    Some(Disturbance::LoseFrames(way, frame))
}

fn lasts(what: Disturbance, may_be_severe: bool, random: &mut fastrand::Rng) -> Duration {
    let mild = Duration::from_millis(random.u64(1..=MILD.as_millis() as u64));
    // Around each timeout: 5, 10 and 15 s.
    let long = Duration::from_millis([2000, 5500, 10_500, 15_500][random.usize(..4)] + random.u64(..500));
    match what {
        // Longer than the heartbeat of the dead driver seems alive.
        Disturbance::RestartDriver(_) => Duration::from_millis(random.u64(10_100..=16_000)),
        Disturbance::FillCommands(_) | Disturbance::Storm(_) => mild,
        _ if may_be_severe && random.bool() => long,
        _ => mild,
    }
}

/// How long a fault can last at all.
const fn lasting(what: Disturbance, lasts: Duration) -> Duration {
    match what {
        Disturbance::KillClient(..) | Disturbance::JumpClock(_) | Disturbance::FillErrorLog(_) => {
            Duration::ZERO
        }
        _ => lasts,
    }
}

/// Lets who has a moving name leave, and another one on another host take its place.
fn move_names(scenario: &mut Scenario, random: &mut fastrand::Rng) {
    for stream in &mut scenario.streams {
        let (Some(moving), Some([_, to])) = (stream.moving, stream.movers()) else { continue };
        let at = Duration::from_millis(random.u64(300..=1500));
        let to = scenario.clients[to];
        match moving {
            Moving::Publisher => {
                (stream.publishers[0].ends_at, stream.publishers[1].starts_at) = (Some(at), at);
            }
            Moving::Subscriber => {
                (stream.subscribers[0].ends_at, stream.subscribers[1].starts_at) = (Some(at), at);
            }
        }
        let what = Disturbance::MoveName(stream.number, to);
        scenario.faults.push(Fault { at, lasts: Duration::ZERO, what });
        scenario.runs_for = scenario.runs_for.max(at + Duration::from_secs(2));
    }
}

/// Lets a driver stand still whose receiver is to fall silent, once it may be expected to have joined its group.
fn silence(scenario: &mut Scenario, random: &mut fastrand::Rng) {
    for host in scenario.streams.iter().filter_map(|stream| stream.silenced) {
        let at = Duration::from_millis(random.u64(600..=1000));
        let lasts = MILD - Duration::from_millis(random.u64(..300));
        scenario.faults.push(Fault { at, lasts, what: Disturbance::PauseDriver(host) });
    }
}

/// Takes the first source of subscribers away for a while where it is publications of their own driver, so that their
/// streams end and come back.
fn take_links_away(scenario: &mut Scenario, random: &mut fastrand::Rng) {
    let begins_with_link = |subscriber: &Subscriber| {
        subscriber.destinations.first().is_some_and(|first| !first.starts_with("aeron:udp"))
    };
    let has_links = |stream: &&Stream| stream.subscribers.iter().any(begins_with_link);
    for stream in scenario.streams.iter().filter(has_links) {
        let at = Duration::from_millis(random.u64(300..=1500));
        let lasts = Duration::from_millis(random.u64(1..=MILD.as_millis() as u64));
        let what = Disturbance::RemoveReceiveDestination(stream.number);
        scenario.faults.push(Fault { at, lasts, what });
    }
}
