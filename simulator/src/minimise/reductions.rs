//! Ways to make a scenario smaller.

use std::time::Duration;

use epona_media_driver::media::simulated::Conditions;

use crate::{
    fault::Disturbance,
    scenario::{Lengths, Polls, Scenario, Stream},
};

/// Makes something smaller, at a place of the world; `None` when there is no such place. Where nothing can be smaller, it
/// stays as it is.
type Reduction = fn(&Scenario, usize) -> Option<Scenario>;

/// What saves most comes first.
pub(super) const REDUCTIONS: [Reduction; 12] = [
    without_fault,
    without_stream,
    without_publisher,
    without_subscriber,
    with_fewer_messages,
    without_client,
    without_host,
    without_parameter,
    with_shorter_fault,
    with_earlier_fault,
    with_less_time,
    with_less_chance,
];

/// Parameters that lead a channel where it goes, or without which its world would be another one.
const ESSENTIAL: [&str; 11] = [
    "control",
    "control-mode",
    "endpoint",
    "fc",
    "gtag",
    "interface",
    "response-correlation-id",
    "session-id",
    "ssc",
    "tags",
    "term-length",
];

/// Parameters that only make sense together, by what their names have in common.
const TOGETHER: [&str; 3] = ["term-", "ts-offset", "tether"];

fn without_fault(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let fault = scenario.faults.get(place)?;
    let is_there = |number| scenario.streams.iter().any(|stream| stream.number == number);
    let mut smaller = scenario.clone();
    // A name moves when its subscriber does.
    if !matches!(fault.what, Disturbance::MoveName(number, _) if is_there(number)) {
        smaller.faults.remove(place);
    }
    Some(smaller)
}

/// Without a stream, and those that need it or that it needs.
fn without_stream(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let gone = scenario.streams.get(place)?;
    let mut smaller = scenario.clone();
    smaller.streams.retain(|stream| stream != gone && !needs(stream, gone) && !needs(gone, stream));
    Some(if smaller.streams.is_empty() { scenario.clone() } else { smaller })
}

/// Whether a channel of one has a placeholder that the other fills.
fn needs(one: &Stream, other: &Stream) -> bool {
    let mark = format!(" {}.", other.number);
    let names = |channel: &str| channel.split('{').skip(1).any(|placeholder| placeholder.contains(&mark));
    one.number != other.number && channels(one).any(|channel| names(channel))
}

fn channels(stream: &Stream) -> impl Iterator<Item = &String> {
    let publishers = stream.publishers.iter().filter_map(|publisher| publisher.channel.as_ref());
    let subscribers = stream.subscribers.iter().map(|subscriber| &subscriber.channel);
    std::iter::once(&stream.channel).chain(publishers).chain(subscribers)
}

/// The stream of a place, and the place in it, where there are so many places in each.
fn within(scenario: &Scenario, place: usize, count: fn(&Stream) -> usize) -> Option<(usize, usize)> {
    let places = scenario.streams.iter().enumerate();
    places.flat_map(|(stream, spec)| (0..count(spec)).map(move |inner| (stream, inner))).nth(place)
}

fn without_publisher(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let (stream, publisher) = within(scenario, place, |stream| stream.publishers.len())?;
    let mut smaller = scenario.clone();
    let spec = &mut smaller.streams[stream];
    if spec.publishers.len() > 1 && spec.moving.is_none() {
        spec.publishers.remove(publisher);
    }
    Some(smaller)
}

/// Those of a group that is waited for stay, those that are named by their place, and the last one beside spies.
fn without_subscriber(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let (stream, subscriber) = within(scenario, place, |stream| stream.subscribers.len())?;
    let mut smaller = scenario.clone();
    let spec = &mut smaller.streams[stream];
    let number = spec.number;
    let is_slow = |what| matches!(what, Disturbance::SlowSubscriber(slow, _) if slow == number);
    let is_named = scenario.streams.iter().flat_map(channels).any(|channel| channel.contains('{'))
        || scenario.faults.iter().any(|fault| is_slow(fault.what));
    let is_waited_for = spec.channel.contains("fc=") || spec.moving.is_some();
    let receivers = spec.subscribers.iter().filter(|subscriber| !subscriber.is_spy).count();
    let is_last = spec.subscribers.len() == 1 || (receivers == 1 && !spec.subscribers[subscriber].is_spy);
    if !is_last && !is_waited_for && !is_named {
        spec.subscribers.remove(subscriber);
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

/// Without a client that nobody is of; those behind it move up.
fn without_client(scenario: &Scenario, place: usize) -> Option<Scenario> {
    (place < scenario.clients.len()).then_some(())?;
    let mut smaller = scenario.clone();
    let mut users: Vec<&mut usize> = Vec::new();
    for stream in &mut smaller.streams {
        users.extend(stream.publishers.iter_mut().map(|publisher| &mut publisher.client));
        users.extend(stream.subscribers.iter_mut().map(|subscriber| &mut subscriber.client));
    }
    users.extend(smaller.faults.iter_mut().filter_map(|fault| fault.what.client_mut()));
    if scenario.clients.len() > 1 && users.iter().all(|client| **client != place) {
        users.into_iter().filter(|client| **client > place).for_each(|client| *client -= 1);
        smaller.clients.remove(place);
    }
    Some(smaller)
}

/// Without the last host, if nothing is on it: the others must keep their addresses.
fn without_host(scenario: &Scenario, place: usize) -> Option<Scenario> {
    (place == 0).then_some(())?;
    let mut smaller = scenario.clone();
    let last = scenario.hosts - 1;
    let address = scenario.address(last).to_string();
    let is_named = scenario.streams.iter().flat_map(channels).any(|channel| channel.contains(&address))
        || scenario.streams.iter().flat_map(|stream| &stream.subscribers).any(|s| !s.destinations.is_empty())
        || scenario.faults.iter().any(|fault| fault.what.hosts().contains(&last))
        || scenario.streams.iter().flat_map(|stream| &stream.publishers).any(|p| !p.destinations.is_empty());
    if last > 0 && !scenario.clients.contains(&last) && !is_named {
        smaller.hosts = last;
        smaller.links.truncate(last);
    }
    Some(smaller)
}

/// Without a parameter that a stream can do without, and what goes with it.
fn without_parameter(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let (stream, inner) = within(scenario, place, |stream| parameters(stream).len())?;
    let mut smaller = scenario.clone();
    let spec = &mut smaller.streams[stream];
    let gone = parameters(spec).swap_remove(inner);
    let is_gone = |key: &str| key == gone || TOGETHER.iter().any(|of| key.contains(of) && gone.contains(of));
    let leave_out = |channel: &mut String| {
        let Some((media, parameters)) = channel.split_once('?') else { return };
        let key = |parameter: &str| parameter.split('=').next().unwrap_or_default().to_owned();
        let left: Vec<_> = parameters
            .split('|')
            .filter(|parameter| ESSENTIAL.contains(&&*key(parameter)) || !is_gone(&key(parameter)))
            .collect();
        *channel = if left.is_empty() { media.to_owned() } else { format!("{media}?{}", left.join("|")) };
    };
    leave_out(&mut spec.channel);
    spec.publishers.iter_mut().filter_map(|publisher| publisher.channel.as_mut()).for_each(leave_out);
    for subscriber in &mut spec.subscribers {
        leave_out(&mut subscriber.channel);
        subscriber.is_lossy &= gone != "reliable";
        subscriber.is_untethered &= !gone.contains("tether");
        if gone.contains("ts-offset") {
            subscriber.stamps.clear();
        }
    }
    Some(smaller)
}

/// Names of the parameters of a stream that it can do without.
fn parameters(stream: &Stream) -> Vec<String> {
    let of = |channel: &String| channel.split_once('?').map_or("", |(_, parameters)| parameters).to_owned();
    let mut names: Vec<_> = channels(stream)
        .map(of)
        .flat_map(|parameters| {
            let name = |parameter: &str| parameter.split('=').next().unwrap_or_default().to_owned();
            parameters.split('|').map(name).collect::<Vec<_>>()
        })
        .filter(|name| !name.is_empty() && !ESSENTIAL.contains(&&**name))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn with_shorter_fault(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let mut smaller = scenario.clone();
    let fault = smaller.faults.get_mut(place)?;
    // No driver starts while the one before it seems alive.
    if !matches!(fault.what, Disturbance::RestartDriver(_)) {
        fault.lasts = halved(fault.lasts);
    }
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

/// One kind of chance or habit less: of turns, links, messages, applications.
fn with_less_chance(scenario: &Scenario, place: usize) -> Option<Scenario> {
    let mut smaller = scenario.clone();
    let links = |smaller: &mut Scenario, calm: fn(&mut Conditions)| smaller.links.iter_mut().for_each(calm);
    let mut publishers: Vec<_> =
        smaller.streams.iter_mut().flat_map(|stream| &mut stream.publishers).collect();
    match place {
        0 => publishers.iter_mut().for_each(|publisher| publisher.claims = 0.0),
        1 => publishers.iter_mut().for_each(|publisher| publisher.batches = 0.0),
        2 => publishers.iter_mut().for_each(|publisher| publisher.revokes = false),
        3 => publishers.iter_mut().for_each(|publisher| {
            (publisher.burst, publisher.starts_at, publisher.period) = (1, Duration::ZERO, Duration::ZERO);
        }),
        4 => smaller.skipped_turns = 0.0,
        5 => links(&mut smaller, |link| link.loss = 0.0),
        6 => links(&mut smaller, |link| link.duplication = 0.0),
        7 => links(&mut smaller, |link| link.reordering = 0.0),
        8 => smaller.streams.iter_mut().for_each(|stream| stream.lengths = Lengths::Short),
        9 => smaller.streams.iter_mut().flat_map(|stream| &mut stream.subscribers).for_each(|subscriber| {
            (subscriber.polls, subscriber.rejects_after) = (Polls::Plain, None);
        }),
        10 => smaller.streams.iter_mut().flat_map(|stream| &mut stream.subscribers).for_each(|subscriber| {
            subscriber.starts_at = Duration::ZERO;
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

    #[test]
    fn a_parameter_goes_from_all_channels_of_a_stream_with_what_belongs_to_it() {
        let mut scenario = Scenario::from_seed(0);
        scenario.streams.truncate(1);
        let stream = &mut scenario.streams[0];
        stream.channel =
            "aeron:udp?endpoint=x:1|term-length=64k|init-term-id=1|term-id=1|term-offset=0".into();
        stream.subscribers.truncate(1);
        stream.subscribers[0].channel = "aeron:udp?endpoint=x:1|reliable=false|rejoin=true".into();
        stream.subscribers[0].is_lossy = true;
        for _ in 0..3 {
            scenario = without_parameter(&scenario, 0).unwrap();
        }
        assert!(without_parameter(&scenario, 0).is_none());
        let Stream { channel, subscribers, .. } = &scenario.streams[0];
        assert_eq!(
            (&**channel, &*subscribers[0].channel),
            ("aeron:udp?endpoint=x:1|term-length=64k", "aeron:udp?endpoint=x:1")
        );
        assert!(!subscribers[0].is_lossy);
    }

    #[test]
    fn clients_behind_one_that_goes_move_up_and_a_host_without_clients_goes() {
        let mut scenario = Scenario::from_seed(0);
        scenario.streams.truncate(1);
        scenario.faults.clear();
        (scenario.hosts, scenario.clients) = (2, vec![1, 0, 0]);
        let stream = &mut scenario.streams[0];
        stream.channel = "aeron:ipc".into();
        stream.publishers.iter_mut().for_each(|publisher| publisher.client = 1);
        stream.subscribers.iter_mut().for_each(|subscriber| {
            (subscriber.client, subscriber.channel) = (2, "aeron:ipc".into());
        });
        assert_eq!(without_client(&scenario, 1), Some(scenario.clone()), "somebody is of it");
        assert_eq!(without_host(&scenario, 0), Some(scenario.clone()), "it has a client");
        let smaller = without_client(&scenario, 0).unwrap();
        assert_eq!(smaller.clients, [0, 0]);
        assert!(smaller.streams[0].publishers.iter().all(|publisher| publisher.client == 0));
        assert!(smaller.streams[0].subscribers.iter().all(|subscriber| subscriber.client == 1));
        let smaller = without_host(&smaller, 0).unwrap();
        assert_eq!((smaller.hosts, smaller.links.len()), (1, 1));
    }
}
