use std::time::Duration;

use epona_protocol::{
    command::{ErrorCode, Request},
    counters::SystemCounter,
    logbuffer::LogBuffers,
    types::{CorrelationId, CounterId, CounterTypeId, Position, RegistrationId, StreamId},
};

use crate::harness::{CLIENT, Driver, STREAM, Told, exists, publication, refusal, subscription};

const IPC: &str = "aeron:ipc";

#[test]
fn a_new_client_is_announced_before_its_first_publication_is() {
    let mut driver = Driver::new();
    let (id, told) = driver.publish(IPC);
    let heartbeat = driver.counter(CounterTypeId::CLIENT_HEARTBEAT);
    let ready = told[1].ready();
    assert_eq!(told[0], Told::Counter(CLIENT, heartbeat.id));
    assert_eq!((ready.id, ready.original, ready.stream, ready.status), (id, id, STREAM, CounterId::NULL));
    assert_eq!(ready.limit, driver.counter(CounterTypeId::PUBLISHER_LIMIT).id);
    assert!(told.len() == 2 && exists(&ready.log), "{told:?}");
    assert_eq!(heartbeat.value, driver.now.epoch.get());
}

#[test]
fn subscriptions_hear_of_a_publication_after_its_client_does_and_join_where_it_is() {
    let mut driver = Driver::new();
    let (first, _) = driver.subscribe(IPC);
    let (other_stream, _) = driver.ask(subscription(IPC, STREAM + 1));
    let (id, told) = driver.publish("aeron:ipc?init-term-id=5|term-id=6|term-offset=64");
    assert!(matches!(&told[0], Told::Publication(ready) if ready.id == id));
    assert!(matches!(&told[1], Told::Available { image, subscription, source, .. }
        if (*image, *subscription, source.as_str()) == (id, first, "aeron:ipc")));
    assert_eq!(told.len(), 2, "stream {other_stream} is another one: {told:?}");
    let joined = 65_536 + 64;
    let position = driver.counter(CounterTypeId::SUBSCRIBER_POSITION);
    assert_eq!((position.value, position.reference_id), (joined, id));
    assert!(position.label.ends_with(&format!("aeron:ipc @{joined}")), "{}", position.label);
    for kind in [CounterTypeId::PUBLISHER_POSITION, CounterTypeId::SUBSCRIBER_POSITION] {
        assert_eq!(driver.counter(kind).value, joined);
    }
}

#[test]
fn a_second_client_shares_a_concurrent_publication() {
    let mut driver = Driver::new();
    let (original, told) = driver.publish(IPC);
    let first = told[1].ready().clone();
    let (id, told) = driver.ask_as(2, publication(IPC, STREAM));
    let second = told[1].ready();
    assert_eq!((second.id, second.original), (id, original));
    assert_eq!((second.session, second.limit, &second.log), (first.session, first.limit, &first.log));

    let of_another = Request::RemovePublication { registration_id: RegistrationId::new(id), revoke: false };
    let (_, told) = driver.ask(of_another);
    assert_eq!(refusal(&told).0, ErrorCode::UnknownPublication, "the link belongs to client 2");
    assert!(matches!(driver.remove_publication(original)[..], [Told::Success(_)]));
    driver.wait(Duration::from_secs(3));
    assert!(exists(&first.log), "client 2 still publishes");
    driver.ask_as(2, of_another);
    driver.wait(Duration::from_secs(3));
    assert!(!exists(&first.log));
}

#[test]
fn one_client_may_hold_a_publication_twice() {
    let mut driver = Driver::new();
    let (first, told) = driver.publish(IPC);
    let log = told[1].ready().log.clone();
    let (second, _) = driver.publish(IPC);
    driver.remove_publication(second);
    driver.wait(Duration::from_secs(3));
    assert!(exists(&log));
    driver.remove_publication(first);
    driver.wait(Duration::from_secs(3));
    assert!(!exists(&log));
}

#[test]
fn exclusive_publications_are_never_shared() {
    let mut driver = Driver::new();
    let (first, _) = driver.publish_exclusively(IPC);
    let (second, told) = driver.publish_exclusively(IPC);
    let (third, told_third) = driver.publish(IPC);
    assert!(matches!(&told[..], [Told::Exclusive(ready)] if ready.original == second));
    assert!(matches!(&told_third[..], [Told::Publication(ready)] if ready.original == third));
    assert!(first != second && driver.logs().len() == 3);
}

#[test]
fn what_a_shared_publication_is_asked_to_be_must_be_what_it_is() {
    let mut driver = Driver::new();
    let (original, _) =
        driver.publish("aeron:ipc?session-id=77|mtu=2048|init-term-id=1|term-id=2|term-offset=32");
    for same in
        ["aeron:ipc?mtu=2k", "aeron:ipc?session-id=77", "aeron:ipc?term-length=64k", "aeron:ipc?linger=1s"]
    {
        let (_, told) = driver.publish(same);
        assert_eq!(told[0].ready().original, original, "{same}");
    }
    for (different, parameter) in [
        ("aeron:ipc?session-id=78", "session-id"),
        ("aeron:ipc?mtu=1408", "mtu"),
        ("aeron:ipc?term-length=128k", "term-length"),
        ("aeron:ipc?init-term-id=2|term-id=2|term-offset=32", "init-term-id"),
        ("aeron:ipc?init-term-id=1|term-id=3|term-offset=32", "term-id"),
        ("aeron:ipc?init-term-id=1|term-id=2|term-offset=64", "term-offset"),
    ] {
        let (_, told) = driver.publish(different);
        let (code, text) = refusal(&told);
        assert_eq!(code, ErrorCode::GenericError, "{different}");
        assert!(text.contains(&format!("different '{parameter}'")) && text.contains(different), "{text}");
    }
}

#[test]
fn an_explicit_session_id_must_be_free_on_its_stream() {
    let mut driver = Driver::new();
    driver.publish_exclusively("aeron:ipc?session-id=5");
    let (_, told) = driver.publish_exclusively("aeron:ipc?session-id=5");
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::InvalidChannel && text.contains("clashing session id 5"), "{text}");
    let (_, told) = driver.ask(publication("aeron:ipc?session-id=5", STREAM + 1));
    assert_eq!(told[0].ready().session, 5, "another stream");
}

#[test]
fn session_ids_count_up_around_those_in_use_and_those_reserved() {
    let next = |driver: &mut Driver| {
        let (id, told) = driver.ask(Request::NextAvailableSessionId { stream_id: StreamId::new(STREAM) });
        let [Told::NextSession(answered, session)] = told[..] else { panic!("{told:?}") };
        assert_eq!(answered, id);
        session
    };
    let mut driver = Driver::new();
    let first = next(&mut driver);
    driver.publish_exclusively(&format!("aeron:ipc?session-id={}", first.wrapping_add(2)));
    let (_, told) = driver.publish_exclusively(IPC);
    assert_eq!(told[0].ready().session, first.wrapping_add(1));
    assert_eq!(next(&mut driver), first.wrapping_add(3), "one is in use");
    let (_, told) = driver.publish_exclusively(IPC);
    assert_eq!(told[0].ready().session, first.wrapping_add(4), "every answer consumes an id");
    assert!(driver.counters().iter().filter(|c| c.type_id == CounterTypeId::CLIENT_HEARTBEAT).count() == 1);

    let mut driver = Driver::with(|context| {
        context.streams.reserved_session_id_low = first;
        context.streams.reserved_session_id_high = first.wrapping_add(9);
    });
    assert_eq!(next(&mut driver), first.wrapping_add(10), "the same seed, but these are reserved");
    assert_eq!(driver.counters().len(), 0, "asking for a session id does not make a client");
    let (_, told) = driver.publish_exclusively(&format!("aeron:ipc?session-id={first}"));
    assert_eq!(told[1].ready().session, first, "a reserved id may be asked for");
}

#[test]
fn subscribers_of_a_removed_publication_lose_it_once_they_have_read_it() {
    let mut driver = Driver::new();
    let (subscription, _) = driver.subscribe(IPC);
    let (id, told) = driver.publish(IPC);
    let log = told[0].ready().log.clone();
    assert!(matches!(driver.remove_publication(id)[..], [Told::Success(_)]));
    driver.wait(Duration::from_secs(3));
    assert_eq!(driver.told(), [Told::Unavailable { image: id, subscription, channel: IPC.into() }]);
    driver.wait(Duration::from_secs(2));
    assert!(!exists(&log));
}

#[test]
fn a_revoked_publication_is_gone_at_the_next_tick() {
    let mut driver = Driver::new();
    let (subscription, _) = driver.subscribe(IPC);
    let (id, told) = driver.publish(IPC);
    let log = LogBuffers::open(told[0].ready().log.as_ref()).unwrap();
    driver.ask(Request::RemovePublication { registration_id: RegistrationId::new(id), revoke: true });
    assert!(log.metadata().is_revoked());
    driver.wait(Duration::from_secs(2));
    assert_eq!(driver.told(), [Told::Unavailable { image: id, subscription, channel: IPC.into() }]);
    assert_eq!(driver.system(SystemCounter::PublicationsRevoked), 1);
}

#[test]
fn rejecting_an_ipc_image_tells_the_publisher_first_and_the_rejecting_client_last() {
    let mut driver = Driver::new();
    let (subscription, _) = driver.subscribe(IPC);
    let (id, _) = driver.publish(IPC);
    let reject = Request::RejectImage {
        image_id: CorrelationId::new(id),
        position: Position::new(0),
        reason: b"not today",
    };
    let (rejection, told) = driver.ask(reject);
    let expected = [
        Told::PublicationError {
            publication: id,
            receiver: -1,
            source: "127.0.0.1:0".into(),
            code: ErrorCode::ImageRejected,
            text: "not today".into(),
        },
        Told::Unavailable { image: id, subscription, channel: IPC.into() },
        Told::Success(rejection),
    ];
    assert_eq!(told, expected);
    assert_eq!(driver.system(SystemCounter::ImagesRejected), 1);
    assert!(
        driver.errors()[0].contains(&format!("onPublicationError: registrationId={id}")),
        "{:?}",
        driver.errors()
    );
    let (_, told) = driver.subscribe(IPC);
    assert_eq!(told.len(), 1, "nobody joins while it cools down: {told:?}");
    driver.wait_alive(Duration::from_secs(12), CLIENT);
    assert_eq!(driver.told().len(), 2, "both subscriptions join again");
}

#[test]
fn log_metadata_says_what_the_channel_asked_for() {
    let mut driver = Driver::new();
    let (id, told) = driver.publish_exclusively(
        "aeron:ipc?term-length=128k|mtu=4096|pub-wnd=32k|linger=7s|eos=false|ssc=true|sparse=false|tags=3,4|\
         untethered-window-limit-timeout=2s|untethered-resting-timeout=3s|max-resend=9",
    );
    let log = LogBuffers::open(told[1].ready().log.as_ref()).unwrap();
    let metadata = log.metadata();
    assert_eq!(metadata.registration_id().get(), id);
    assert_eq!((metadata.term_length().unwrap().get(), metadata.mtu().unwrap().get()), (131_072, 4096));
    assert_eq!((metadata.publication_window_length(), metadata.receiver_window_length()), (32_768, 0));
    assert_eq!((metadata.entity_tag(), metadata.response_correlation_id()), (4, -1));
    assert_eq!((metadata.linger_timeout_ns(), metadata.max_resend()), (7_000_000_000, 9));
    let untethered = (
        metadata.untethered_window_limit_timeout_ns(),
        metadata.untethered_linger_timeout_ns(),
        metadata.untethered_resting_timeout_ns(),
    );
    assert_eq!(
        untethered,
        (2_000_000_000, 2_000_000_000, 3_000_000_000),
        "linger: as long as the window limit"
    );
    assert!(
        !metadata.signals_end_of_stream() && metadata.spies_simulate_connection() && !metadata.is_sparse()
    );
    assert!(
        !metadata.is_rejoin() && !metadata.is_reliable() && !metadata.is_tethered() && !metadata.is_group()
    );
}

#[test]
fn streams_go_on_while_the_log_of_another_is_made() {
    let mut driver = Driver::new();
    driver.subscribe(IPC);
    driver.publish(IPC);
    let limit = driver.counter(CounterTypeId::PUBLISHER_LIMIT);
    let subscriber = driver.counter(CounterTypeId::SUBSCRIBER_POSITION);
    let (id, _) = (driver.send_as(CLIENT, publication(IPC, STREAM + 1)), driver.told());
    let mut last = limit.value;
    for position in [8192, 16_384] {
        driver.cnc.counters_values().put_i64_release(subscriber.id.get() as usize * 128, position);
        for _ in 0..20 {
            driver.turn_without_agent();
        }
        let value = driver.reader().value(limit.id).unwrap();
        assert!(value > last, "the publisher may go on: {last} {value}");
        last = value;
    }
    assert_eq!(driver.told(), [], "the agent is busy");
    driver.settle();
    assert!(matches!(&driver.told()[..], [Told::Publication(ready)] if ready.id == id));
}
