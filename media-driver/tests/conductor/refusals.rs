use std::sync::atomic::Ordering;

use epona_media_driver::config::TerminationValidator;
use epona_protocol::{
    command::{ErrorCode, Request},
    counters::SystemCounter,
    types::{CorrelationId, CounterTypeId, Position, RegistrationId},
};

use crate::harness::{CLIENT, Driver, Told, UDP, refusal};

#[test]
fn publications_that_cannot_be_are_refused_with_a_reason_and_leave_nothing() {
    use ErrorCode::{GenericError as Generic, InvalidChannel as Channel};
    let mut driver = Driver::new();
    for (channel, code, reason) in [
        ("", Channel, ""),
        ("nonsense", Channel, "nonsense"),
        ("aeron:ipc?mtu=", Channel, ""),
        ("aeron:tcp?endpoint=127.0.0.1:1", Channel, ""),
        ("aeron-spy:aeron:udp?endpoint=127.0.0.1:1", Channel, "spy"),
        ("aeron:udp?alias=x", Channel, "endpoint, control, tags"),
        ("aeron:udp", Channel, "aeron:udp?"),
        ("aeron:udp?control-mode=dynamic", Channel, "control"),
        ("aeron:udp?endpoint=no-such-host.invalid:1", ErrorCode::UnknownHost, "no-such-host.invalid"),
        ("aeron:udp?endpoint=224.10.9.8:1", Generic, "odd"),
        ("aeron:udp?endpoint=127.0.0.1", Generic, "127.0.0.1"),
        ("aeron:ipc?mtu=100", Generic, "mtu=100"),
        ("aeron:ipc?term-length=63k", Generic, "term-length=63k"),
        ("aeron:ipc?term-length=64k|pub-wnd=48k", Generic, "pub-wnd=49152"),
        ("aeron:ipc?term-id=1", Generic, "complete set"),
        ("aeron:ipc?init-term-id=2|term-id=1|term-offset=0", Generic, "init-term-id=2"),
        ("aeron:ipc?init-term-id=0|term-id=1|term-offset=33", Generic, "term-offset=33"),
        ("aeron:ipc?init-term-id=0|term-id=1|term-offset=131072", Generic, "term-offset=131072"),
        ("aeron:ipc?session-id=x", Generic, "session-id=x"),
        ("aeron:udp?endpoint=127.0.0.1:0", Generic, "port=0"),
        ("aeron:udp?control=127.0.0.1:1", Generic, "control-mode"),
        ("aeron:udp?endpoint=127.0.0.1:1|ats=true", Generic, "ats=true"),
        ("aeron:udp?endpoint=127.0.0.1:1|response-correlation-id=77", Generic, "response-correlation-id=77"),
        ("aeron:udp?endpoint=224.10.9.9:1|interface=127.0.0.1|fc=best", Generic, "best"),
        ("aeron:udp?control=127.0.0.1:1|control-mode=response", Generic, "response-correlation-id"),
    ] {
        let (id, told) = driver.publish(channel);
        let (found, text) = refusal(&told);
        assert_eq!(found, code, "{channel}: {text}");
        assert!(text.contains(reason), "{channel}: {text}");
        assert!(matches!(told[0], Told::Error { id: of, .. } if of == id));
        driver.settle();
        assert_eq!((driver.logs().len(), driver.labels()), (0, vec![]), "{channel}");
    }
    assert!(driver.system(SystemCounter::Errors) >= 24 && driver.errors().len() >= 24);
}

#[test]
fn subscriptions_that_cannot_be_are_refused_with_a_reason_and_leave_nothing() {
    use ErrorCode::{GenericError as Generic, InvalidChannel as Channel};
    let mut driver = Driver::new();
    for (channel, code, reason) in [
        ("aeron:", Channel, ""),
        ("aeron-spy:aeron:ipc", Channel, ""),
        ("aeron:udp?endpoint=127.0.0.1:1|=5", Channel, ""),
        ("aeron:ipc?tether=maybe", Generic, "tether=maybe"),
        ("aeron:ipc?session-id=tag:1", Generic, "tag:1"),
        ("aeron:udp?endpoint=127.0.0.1:1|control=127.0.0.1:0", Generic, "control port=0"),
        ("aeron:udp?endpoint=127.0.0.1:1|gtag=x", Generic, "gtag=x"),
        ("aeron:udp?endpoint=127.0.0.1:1|ats=true", Generic, "ats=true"),
        ("aeron:udp?endpoint=10.9.9.9:1", Generic, "10.9.9.9:1"),
    ] {
        let (_, told) = driver.subscribe(channel);
        let (found, text) = refusal(&told);
        assert_eq!(found, code, "{channel}: {text}");
        assert!(text.contains(reason), "{channel}: {text}");
        driver.settle();
        assert_eq!(driver.labels(), Vec::<String>::new(), "{channel}");
    }
    let (_, told) = driver.subscribe("aeron:udp?endpoint=127.0.0.1:1");
    assert!(matches!(told[1], Told::Subscription { .. }), "the refused ones gave the port back: {told:?}");
    let told = driver.remove_subscription(99);
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::UnknownSubscription && text.contains("99"), "{text}");
}

#[test]
fn channels_beyond_the_limit_are_refused_by_name_of_the_limit() {
    let mut driver = Driver::new();
    let channel = format!("aeron:ipc?alias={}", "x".repeat(4096));
    for told in [driver.publish(&channel).1, driver.subscribe(&channel).1] {
        let (code, text) = refusal(&told);
        assert!(
            code == ErrorCode::InvalidChannel && text.contains("4112") && text.contains("4095"),
            "{text}"
        );
    }
}

#[test]
fn destinations_beyond_the_limit_are_refused_by_name_of_the_limit() {
    let mut driver = Driver::new();
    let channel = &*format!("aeron:udp?endpoint=127.0.0.1:9|alias={}", "x".repeat(4096));
    let registration_id = RegistrationId::new(1);
    for request in [
        Request::AddDestination { registration_id, channel },
        Request::RemoveDestination { registration_id, channel },
        Request::AddReceiveDestination { registration_id, channel },
        Request::RemoveReceiveDestination { registration_id, channel },
    ] {
        let (_, told) = driver.ask(request);
        let (code, text) = refusal(&told);
        assert!(code == ErrorCode::InvalidChannel && text.contains("4095"), "{text}");
    }
}

#[test]
fn destinations_are_refused_where_there_can_be_none() {
    let mut driver = Driver::new();
    let (publication, _) = driver.publish(UDP);
    driver.settle();
    driver.told();
    let channel = "aeron:udp?endpoint=127.0.0.1:9";
    let id = RegistrationId::new;
    for (request, code) in [
        (Request::AddDestination { registration_id: id(99), channel }, ErrorCode::UnknownPublication),
        (Request::RemoveDestination { registration_id: id(99), channel }, ErrorCode::UnknownPublication),
        (Request::AddDestination { registration_id: id(publication), channel }, ErrorCode::GenericError),
    ] {
        let (_, told) = driver.ask(request);
        assert_eq!(refusal(&told).0, code, "{request:?}");
    }
}

#[test]
fn images_that_nobody_knows_cannot_be_rejected() {
    let mut driver = Driver::new();
    let reason = [b'x'; 1024];
    let reject = |reason| Request::RejectImage {
        image_id: CorrelationId::new(77),
        position: Position::new(0),
        reason,
    };
    let (_, told) = driver.ask(reject(&reason[..1023]));
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::GenericError && text.contains("77"), "{text}");
    let (_, told) = driver.ask(reject(&reason));
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::GenericError && text.contains("1024") && text.contains("1023"), "{text}");
    assert_eq!(driver.system(SystemCounter::ImagesRejected), 0);
}

#[test]
fn records_that_are_no_commands_are_recorded_and_answered_if_they_say_for_what() {
    let mut driver = Driver::new();
    let ids = [7_i64.to_le_bytes(), 8_i64.to_le_bytes()].concat();
    driver.send_raw(0x77, &ids);
    driver.settle();
    assert!(matches!(driver.told_one(), Told::Error { code: ErrorCode::UnknownCommandTypeId, .. }));
    driver.send_raw(0x01, &ids);
    driver.settle();
    assert!(matches!(driver.told_one(), Told::Error { id: 8, code: ErrorCode::MalformedCommand, .. }));
    driver.send_raw(0x01, &ids[..7]);
    driver.settle();
    assert_eq!(driver.told(), []);
    let negative_length = [&ids[..], &1_i32.to_le_bytes(), &(-1_i32).to_le_bytes(), &[0; 8]].concat();
    for type_id in [0x01, 0x03, 0x09, 0x0F, 0x10] {
        driver.send_raw(type_id, &negative_length);
        driver.settle();
        let told = driver.told();
        assert!(
            matches!(told[..], [Told::Error { code: ErrorCode::MalformedCommand, .. }]),
            "{type_id}: {told:?}"
        );
    }
    assert_eq!(driver.system(SystemCounter::Errors), 8);
    assert_eq!(driver.counters().len(), 0);
    let (_, told) = driver.publish("aeron:ipc");
    assert_eq!(told.len(), 2, "and the driver goes on: {told:?}");
}

#[test]
fn a_client_ends_the_driver_only_where_that_is_allowed() {
    for (validator, ends) in [(TerminationValidator::Deny, false), (TerminationValidator::Allow, true)] {
        let mut driver = Driver::with(|context| context.threads.termination_validator = validator);
        driver.ask(Request::TerminateDriver { token: b"please" });
        assert_eq!(driver.told(), [], "no answer in any case");
        assert_eq!(driver.roles.termination_requested.load(Ordering::Acquire), ends);
    }
}

#[test]
fn commands_are_carried_out_in_order_even_when_one_waits_for_the_agent() {
    let mut driver = Driver::new();
    let requests = [
        Request::AddPublication { stream_id: epona_protocol::types::StreamId::new(1), channel: UDP },
        Request::AddCounter { type_id: CounterTypeId::new(1001), key: &[], label: b"x" },
        Request::AddSubscription { stream_id: epona_protocol::types::StreamId::new(1), channel: "aeron:ipc" },
    ];
    for request in requests {
        driver.send_as(CLIENT, request);
    }
    driver.settle();
    let told = driver.told();
    assert!(
        matches!(
            told[..],
            [Told::Counter(..), Told::Publication(_), Told::Counter(..), Told::Subscription { .. }]
        ),
        "{told:?}"
    );
}
