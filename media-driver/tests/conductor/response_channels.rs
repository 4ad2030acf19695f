use std::{net::Ipv4Addr, time::Duration};

use epona_media_driver::media::simulated::{Conditions, SimulatedNetwork};
use epona_protocol::{
    command::{ErrorCode, Request},
    logbuffer::LogBuffers,
    types::{CounterTypeId, RegistrationId},
};

use crate::harness::{CLIENT, Driver, STREAM, Told, exclusive, publication, refusal, subscription};

const REQUESTS: &str = "aeron:udp?endpoint=127.0.0.1:24330";
const RESPONSES: &str = "aeron:udp?control-mode=response|control=127.0.0.1:24331";
const RESPONSE_STREAM: i32 = STREAM + 1;

/// Longer than any step of the exchange takes, by far.
const SOON: Duration = Duration::from_secs(1);

/// A driver that serves requests, and asks itself.
struct World {
    driver: Driver,
    /// The subscription to requests.
    server: i64,
}

/// One requester: its response subscription, its request publication, and the image of that at the server.
#[derive(Clone, Copy)]
struct Requester {
    subscription: i64,
    publication: i64,
    image: i64,
}

impl World {
    fn new() -> Self {
        let mut driver = Driver::new();
        let (server, _) = driver.subscribe(REQUESTS);
        Self { driver, server }
    }

    fn request_on(&mut self, responses: &str) -> Requester {
        let (id, told) = self.driver.ask(subscription(responses, RESPONSE_STREAM));
        assert!(matches!(told[..], [Told::Subscription { .. }]), "nothing to receive yet: {told:?}");
        let channel = format!("{REQUESTS}|response-correlation-id={id}");
        let (publication, told) = self.driver.ask(exclusive(&channel, STREAM));
        let [Told::Exclusive(_), Told::Available { image, subscription, .. }] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!(*subscription, self.server);
        Requester { subscription: id, publication, image: *image }
    }

    fn request(&mut self) -> Requester {
        self.request_on(RESPONSES)
    }

    /// Adds the response to a request; its id, session and log, and what else was told before and soon after.
    fn respond(&mut self, image: i64, parameters: &str) -> (i64, i32, String, Vec<Told>) {
        let channel = format!("{RESPONSES}|response-correlation-id={image}{parameters}");
        let (id, mut told) = self.driver.ask(publication(&channel, RESPONSE_STREAM));
        let ready = told.remove(0).ready().clone();
        self.driver.wait(SOON);
        told.extend(self.driver.told());
        (id, ready.session, ready.log, told)
    }
}

fn is_connected(log: &str) -> bool {
    LogBuffers::open(log.as_ref()).unwrap().metadata().is_connected()
}

/// Subscriptions to which an image came, with its session.
fn available(told: &[Told]) -> Vec<(i64, i32)> {
    let available = |told: &Told| match told {
        Told::Available { subscription, session, .. } => (*subscription, *session),
        other => panic!("{other:?}"),
    };
    told.iter().map(available).collect()
}

#[test]
fn each_requester_gets_the_session_of_its_own_response_once_that_exists() {
    let mut world = World::new();
    let (first, second) = (world.request(), world.request());
    world.driver.wait(SOON);
    assert_eq!(world.driver.told(), [], "nobody has answered");
    let (_, session, log, told) = world.respond(first.image, "");
    assert_eq!(available(&told), [(first.subscription, session)]);
    assert!(is_connected(&log));
    let (_, other_session, other_log, told) = world.respond(second.image, "");
    assert_eq!(available(&told), [(second.subscription, other_session)], "and not the first one again");
    assert!(session != other_session && log != other_log && is_connected(&other_log));
    assert_eq!(world.driver.errors(), Vec::<String>::new());
}

#[test]
fn what_is_published_in_response_reaches_the_requester() {
    let mut world = World::new();
    let requester = world.request();
    let (_, session, log, _) = world.respond(requester.image, "|term-length=64k");
    let log = LogBuffers::open(log.as_ref()).unwrap();
    let appender = epona_protocol::logbuffer::appender::ConcurrentAppender::new(log).unwrap();
    let limit = world.driver.counters().into_iter().find(|counter| {
        counter.type_id == CounterTypeId::PUBLISHER_LIMIT && counter.label.contains(&format!(" {session} "))
    });
    let limit = epona_protocol::types::Position::new(limit.unwrap().value);
    appender.offer(&[7; 1000], limit).unwrap();
    world.driver.settle();
    let received = world.driver.counters().into_iter().find(|counter| {
        counter.type_id == CounterTypeId::RECEIVER_HWM && counter.label.contains(&format!(" {session} "))
    });
    assert_eq!(received.unwrap().value, 1056);
}

#[test]
fn the_response_to_a_request_is_only_told_of_until_it_is_received() {
    let mut world = World::new();
    let requester = world.request();
    world.respond(requester.image, "");
    let sent =
        |driver: &Driver| driver.system(epona_protocol::counters::SystemCounter::StatusMessagesReceived);
    // The request and the response each report once in 200 ms; a response setup would have the requester ask for a
    // setup as often, which counts as a status message too.
    let before = sent(&world.driver);
    world.driver.wait_alive(Duration::from_secs(4), CLIENT);
    let messages = sent(&world.driver) - before;
    assert!((30..=44).contains(&messages), "{messages} status messages in 4 s");
}

#[test]
fn publications_share_only_when_they_name_the_same_subscription_or_image() {
    let mut world = World::new();
    let (one, other) = (world.request(), world.request());
    let session = |world: &mut World, channel: &str, stream| {
        let (_, told) = world.driver.ask(publication(channel, stream));
        told[0].ready().session
    };
    for (base, stream, [first, second]) in [
        (REQUESTS, STREAM, [one.subscription, other.subscription]),
        (RESPONSES, RESPONSE_STREAM, [one.image, other.image]),
        ("aeron:ipc", STREAM, [one.publication, other.publication]),
    ] {
        let with = |id: i64| format!("{base}|response-correlation-id={id}").replace("ipc|", "ipc?");
        let original = session(&mut world, &with(first), stream);
        assert_eq!(session(&mut world, &with(first), stream), original, "{base}");
        let others = session(&mut world, &with(second), stream);
        assert_ne!(others, original, "{base}");
        if stream == STREAM {
            let plain = session(&mut world, base, stream);
            assert!(plain != original && plain != others, "{base}");
        }
    }
}

#[test]
fn requests_and_responses_that_name_nothing_of_use_are_refused() {
    let mut world = World::new();
    let (_, told) = world.driver.publish(REQUESTS);
    let Told::Available { image: silent, .. } = told[1] else { panic!("{told:?}") };
    let (ipc, _) = world.driver.subscribe("aeron:ipc");
    world.driver.settle();
    let logs = world.driver.logs();
    for (channel, reason) in [
        (RESPONSES.to_owned(), "no response-correlation-id"),
        (format!("{RESPONSES}|response-correlation-id=-1"), "no response-correlation-id"),
        (format!("{RESPONSES}|response-correlation-id=9999"), "image.correlationId=9999 not found"),
        (format!("{RESPONSES}|response-correlation-id={silent}"), "did not request a response channel"),
        (
            format!("{REQUESTS}|response-correlation-id=9999"),
            "unable to find response subscription for response-correlation-id=9999",
        ),
        (format!("{REQUESTS}|response-correlation-id={ipc}"), "unable to find response subscription"),
        (format!("{REQUESTS}|response-correlation-id=prototype"), "unable to find response subscription"),
        (format!("{REQUESTS}|response-correlation-id=-2"), "response-correlation-id=-2"),
        (format!("{REQUESTS}|response-correlation-id=x"), "response-correlation-id=x"),
    ] {
        for request in [publication(&channel, RESPONSE_STREAM), exclusive(&channel, RESPONSE_STREAM)] {
            let (_, told) = world.driver.ask(request);
            let (code, text) = refusal(&told);
            assert!(code == ErrorCode::GenericError && text.contains(reason), "{channel}: {text}");
        }
    }
    world.driver.settle();
    assert_eq!(world.driver.logs(), logs, "what was mapped for them is gone");
}

#[test]
fn an_image_that_has_gone_cannot_be_answered() {
    let mut world = World::new();
    let requester = world.request();
    world.driver.remove_publication(requester.publication);
    world.driver.wait_alive(Duration::from_secs(30), CLIENT);
    world.driver.told();
    let channel = format!("{RESPONSES}|response-correlation-id={}", requester.image);
    let (_, told) = world.driver.ask(publication(&channel, RESPONSE_STREAM));
    assert!(refusal(&told).1.contains("not found"), "{told:?}");
}

#[test]
fn a_prototype_has_the_shortest_terms_and_answers_nobody() {
    let mut world = World::new();
    let prototype = format!("{RESPONSES}|response-correlation-id=prototype");
    let (_, told) =
        world.driver.ask(publication(&format!("{prototype}|term-length=1m|pub-wnd=512k"), RESPONSE_STREAM));
    let ready = told[0].ready().clone();
    let log = LogBuffers::open(ready.log.as_ref()).unwrap();
    assert_eq!(log.metadata().term_length().unwrap().get(), 65_536);
    assert_eq!(log.metadata().response_correlation_id(), -2);
    let (_, told) = world.driver.ask(publication(&prototype, RESPONSE_STREAM));
    assert_eq!(told[0].ready().session, ready.session, "shared");

    let requester = world.request();
    world.driver.wait(SOON);
    assert_eq!(world.driver.told(), []);
    let (_, session, response, told) = world.respond(requester.image, "|term-length=128k");
    assert_eq!(available(&told), [(requester.subscription, session)]);
    assert!(session != ready.session && !is_connected(&ready.log) && is_connected(&response));
    let response = LogBuffers::open(response.as_ref()).unwrap();
    assert_eq!(response.metadata().term_length().unwrap().get(), 131_072);
    assert!(response.metadata().is_response());
    let channels = world.driver.counters().into_iter().filter(|c| c.label.starts_with("snd-channel: "));
    let of_responses = channels.filter(|counter| counter.label.contains("24331")).count();
    assert_eq!(of_responses, 1, "responses share the prototype's socket");
}

#[test]
fn a_response_subscription_for_one_session_takes_that_and_no_other() {
    let mut world = World::new();
    let willing = world.request_on(&format!("{RESPONSES}|session-id=77"));
    let (_, _, log, told) = world.respond(willing.image, "|session-id=77");
    assert_eq!(available(&told), [(willing.subscription, 77)]);
    assert!(is_connected(&log) && world.driver.errors().is_empty());

    let unwilling = world.request_on(&format!("{RESPONSES}|session-id=88"));
    let (_, session, log, told) = world.respond(unwilling.image, "|session-id=99");
    assert_eq!((session, told), (99, vec![]));
    assert!(!is_connected(&log));
    let errors = world.driver.errors();
    let expected = format!("(registrationId={}, channel={RESPONSES}|session-id=88)", unwilling.subscription);
    assert!(errors.len() == 1 && errors[0].contains(&expected) && errors[0].contains("=99"), "{errors:?}");
    world.driver.wait(SOON);
    let recorded = world.driver.system(epona_protocol::counters::SystemCounter::Errors);
    assert_eq!(recorded, 1, "later response setups are ignored");
    let wanted = format!("{RESPONSES}|response-correlation-id={}|session-id=88", unwilling.image);
    let (_, told) = world.driver.ask(exclusive(&wanted, RESPONSE_STREAM));
    assert_eq!(told[0].ready().session, 88);
    world.driver.wait(SOON);
    assert_eq!(world.driver.told(), [], "what has failed stays so");
}

#[test]
fn responses_and_ordinary_subscriptions_do_not_mix_on_an_endpoint() {
    let mut world = World::new();
    let on =
        |parameters: &str| format!("aeron:udp?endpoint=127.0.0.1:24340|control=127.0.0.1:24331{parameters}");
    let (_, told) = world.driver.ask(subscription(&on("|control-mode=response"), RESPONSE_STREAM));
    assert!(matches!(told[..], [Told::Subscription { .. }]), "{told:?}");
    for (parameters, reason) in [("", "isResponse"), ("|control-mode=response|rejoin=false", "rejoin")] {
        let (_, told) = world.driver.ask(subscription(&on(parameters), RESPONSE_STREAM));
        let (code, text) = refusal(&told);
        assert!(code == ErrorCode::GenericError && text.contains(reason), "{parameters}: {text}");
    }
    let (_, told) = world.driver.ask(subscription(&on(""), STREAM));
    assert!(matches!(told[..], [Told::Subscription { .. }]), "another stream: {told:?}");
}

#[test]
fn nothing_is_left_of_a_response_channel_whose_ends_are_closed() {
    let mut world = World::new();
    let (answered, ignored, refused) =
        (world.request(), world.request(), world.request_on(&format!("{RESPONSES}|session-id=88")));
    let (response, ..) = world.respond(answered.image, "");
    let (mismatch, ..) = world.respond(refused.image, "|session-id=99");
    for requester in [answered, ignored, refused] {
        world.driver.remove_publication(requester.publication);
        world.driver.remove_subscription(requester.subscription);
    }
    for id in [response, mismatch] {
        world.driver.remove_publication(id);
    }
    world.driver.remove_subscription(world.server);
    world.driver.wait_alive(Duration::from_secs(40), CLIENT);
    let left = world.driver.labels();
    assert_eq!(left, [format!("client-heartbeat: id={CLIENT}")]);
    assert_eq!(world.driver.logs().len(), 0);
}

#[test]
fn a_requester_hears_that_its_response_has_ended() {
    let mut world = World::new();
    let requester = world.request();
    let (response, ..) = world.respond(requester.image, "");
    world.driver.remove_publication(response);
    world.driver.wait_alive(Duration::from_secs(5), CLIENT);
    let told = world.driver.told();
    let is_gone = |told: &Told| matches!(told, Told::Unavailable { subscription, .. } if *subscription == requester.subscription);
    assert_eq!(told.iter().filter(|told| is_gone(told)).count(), 1, "{told:?}");
}

#[test]
fn over_ipc_a_response_is_read_by_the_subscription_that_its_request_names() {
    let mut driver = Driver::new();
    let (server, _) = driver.subscribe("aeron:ipc");
    let mut requests = Vec::new();
    for _ in 0..2 {
        let (id, told) = driver.ask(subscription("aeron:ipc?control-mode=response", RESPONSE_STREAM));
        assert!(matches!(told[..], [Told::Subscription { .. }]), "{told:?}");
        let channel = format!("aeron:ipc?term-length=128k|response-correlation-id={id}");
        let (request, told) = driver.publish(&channel);
        let Told::Available { image, subscription, .. } = told[1] else { panic!("{told:?}") };
        assert_eq!((image, subscription), (request, server));
        requests.push((id, image));
    }
    for (subscriber, image) in requests {
        let channel =
            format!("aeron:ipc?control-mode=response|term-length=256k|response-correlation-id={image}");
        let (_, told) = driver.ask(publication(&channel, RESPONSE_STREAM));
        let ready = told[0].ready();
        assert_eq!(available(&told[1..]), [(subscriber, ready.session)]);
        let log = LogBuffers::open(ready.log.as_ref()).unwrap();
        assert_eq!(log.metadata().term_length().unwrap().get(), 262_144);
        assert!(log.metadata().is_connected());
    }
}

#[test]
fn over_ipc_a_response_in_another_session_than_its_subscription_names_is_refused() {
    let mut driver = Driver::new();
    let (id, _) = driver.ask(subscription("aeron:ipc?control-mode=response|session-id=77", RESPONSE_STREAM));
    let (request, _) = driver.publish(&format!("aeron:ipc?response-correlation-id={id}"));
    let respond = |session: i32| {
        format!("aeron:ipc?control-mode=response|response-correlation-id={request}|session-id={session}")
    };
    let before = driver.labels();
    let (_, told) = driver.ask(publication(&respond(78), RESPONSE_STREAM));
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::GenericError && text.contains("session-id=78"), "{text}");
    driver.settle();
    assert_eq!((driver.labels(), driver.logs().len()), (before, 1), "nothing is left of it");
    let (_, told) = driver.ask(publication(&respond(77), RESPONSE_STREAM));
    assert_eq!(available(&told[1..]), [(id, 77)]);
    let (_, told) = driver.ask(exclusive(&respond(79), RESPONSE_STREAM));
    assert_eq!(refusal(&told).0, ErrorCode::GenericError, "its session is settled");
}

#[test]
fn removing_a_response_subscription_that_still_waits_gives_its_socket_up() {
    let mut driver = Driver::new();
    let (id, _) = driver.ask(subscription(RESPONSES, RESPONSE_STREAM));
    driver.ask(Request::RemoveSubscription { registration_id: RegistrationId::new(id) });
    driver.wait_alive(Duration::from_secs(3), CLIENT);
    assert_eq!(driver.labels(), [format!("client-heartbeat: id={CLIENT}")]);
}

/// Two drivers take turns until one of them has something to tell; what that is.
fn take_turns(one: &mut Driver, other: &mut Driver, teller: fn(&Told) -> Option<(i64, i32)>) -> (i64, i32) {
    for _ in 0..2000 {
        for driver in [&mut *one, &mut *other] {
            driver.wait_alive(Duration::from_millis(50), CLIENT);
            if let Some(told) = driver.told().iter().find_map(teller) {
                return told;
            }
        }
    }
    panic!("nothing within 100 s")
}

#[test]
fn a_response_connects_whatever_is_lost_on_the_way_and_leaves_nothing() {
    let image = |told: &Told| match told {
        Told::Available { image, session, .. } => Some((*image, *session)),
        _ => None,
    };
    for seed in 0..10 {
        let network = SimulatedNetwork::new(seed);
        network.set_conditions(Conditions {
            loss: 0.4,
            duplication: 0.1,
            reordering: 0.2,
            delay: Duration::from_millis(3),
            reordering_delay: Duration::from_millis(120),
        });
        let mut requester = Driver::on(&network, Ipv4Addr::new(10, 0, 0, 1), |_| ());
        let mut responder = Driver::on(&network, Ipv4Addr::new(10, 0, 0, 2), |_| ());
        let (requests, responses) =
            ("aeron:udp?endpoint=10.0.0.2:24330", "aeron:udp?control-mode=response|control=10.0.0.2:24331");
        responder.subscribe(requests);
        let (id, _) = requester.ask(subscription(responses, RESPONSE_STREAM));
        requester.publish(&format!("{requests}|response-correlation-id={id}"));
        let (request, _) = take_turns(&mut requester, &mut responder, image);
        let channel = format!("{responses}|response-correlation-id={request}");
        let (_, told) = responder.ask(publication(&channel, RESPONSE_STREAM));
        let ready = told[0].ready().clone();
        let (_, session) = take_turns(&mut requester, &mut responder, image);
        assert_eq!(session, ready.session, "seed {seed}");
        let log = LogBuffers::open(ready.log.as_ref()).unwrap();
        for _ in 0..200 {
            if log.metadata().is_connected() {
                break;
            }
            requester.wait_alive(Duration::from_millis(50), CLIENT);
            responder.wait_alive(Duration::from_millis(50), CLIENT);
        }
        assert!(log.metadata().is_connected(), "seed {seed}");
        for driver in [&requester, &responder] {
            assert_eq!(driver.errors(), Vec::<String>::new(), "seed {seed}");
        }
        // The clients fall silent, and all that they had goes.
        for _ in 0..60 {
            requester.wait(SOON);
            responder.wait(SOON);
        }
        for driver in [&requester, &responder] {
            assert_eq!((driver.labels(), driver.logs()), (vec![], vec![]), "seed {seed}");
        }
    }
}
