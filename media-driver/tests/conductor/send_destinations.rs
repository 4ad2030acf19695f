//! Publications with several destinations, and the commands that add and remove them. Acceptance lines MDC-01, MDC-02,
//! MDC-04 to MDC-10, PUB-36, PUB-37, PUB-39, SPY-13.

use std::time::Duration;

use epona_protocol::{
    command::{ErrorCode, Request},
    counters::{ChannelKey, LocalSocketAddressKey, SystemCounter},
    types::{CounterTypeId, RegistrationId},
};

use crate::harness::{CLIENT, Driver, STREAM, Told, UDP, exclusive, publication, refusal};

const MANUAL: &str = "aeron:udp?control-mode=manual";

fn id(id: i64) -> RegistrationId {
    RegistrationId::new(id)
}

fn add(publication: i64, channel: &str) -> Request<'_> {
    Request::AddDestination { registration_id: id(publication), channel }
}

fn remove(publication: i64, channel: &str) -> Request<'_> {
    Request::RemoveDestination { registration_id: id(publication), channel }
}

fn remove_by_id(publication: i64, destination: i64) -> Request<'static> {
    Request::RemoveDestinationById {
        registration_id: id(publication),
        destination_registration_id: id(destination),
    }
}

/// The value of the only counter `mdc-num-dest`, once roles have said all they have to say.
fn destinations(driver: &Driver) -> i64 {
    driver.counter(CounterTypeId::MDC_DESTINATIONS).value
}

fn succeed(driver: &mut Driver, request: Request<'_>) -> i64 {
    let (id, told) = driver.ask(request);
    assert_eq!(told, [Told::Success(id)], "{request:?}");
    id
}

fn images(told: &[Told]) -> Vec<i64> {
    told.iter()
        .filter_map(|told| match told {
            Told::Available { subscription, .. } => Some(*subscription),
            _ => None,
        })
        .collect()
}

#[test]
fn subscribers_of_manual_destinations_hear_of_the_stream_as_they_are_added() {
    let mut driver = Driver::new();
    let (first, _) = driver.subscribe("aeron:udp?endpoint=127.0.0.1:24326");
    let (second, _) = driver.subscribe("aeron:udp?endpoint=127.0.0.1:24327");
    let (publication, told) = driver.publish(MANUAL);
    assert!(matches!(told[..], [Told::Publication(_)]), "{told:?}");
    assert_eq!(destinations(&driver), 0);
    for (number, (subscription, port)) in (1..).zip([(first, 24326), (second, 24327)]) {
        succeed(&mut driver, add(publication, &format!("aeron:udp?endpoint=127.0.0.1:{port}")));
        driver.wait(Duration::from_millis(300));
        assert_eq!((images(&driver.told()), destinations(&driver)), (vec![subscription], number));
    }
    assert_eq!(driver.errors(), Vec::<String>::new());
    assert_eq!(driver.system(SystemCounter::ShortSends), 0);
}

#[test]
fn destinations_are_removed_by_channel_and_by_the_id_of_the_command_that_added_them() {
    let mut driver = Driver::new();
    let (publication, _) = driver.publish(MANUAL);
    let (a, b) = ("aeron:udp?endpoint=127.0.0.1:24326", "aeron:udp?endpoint=localhost:24327");
    succeed(&mut driver, add(publication, a));
    let added = succeed(&mut driver, add(publication, b));
    assert_eq!(destinations(&driver), 2);
    succeed(&mut driver, remove_by_id(publication, publication));
    assert_eq!(destinations(&driver), 2, "no destination has the id of the publication");
    succeed(&mut driver, remove_by_id(publication, added));
    assert_eq!(destinations(&driver), 1);
    succeed(&mut driver, remove(publication, b));
    assert_eq!(destinations(&driver), 1, "what is gone already is as good as removed");
    succeed(&mut driver, remove(publication, a));
    assert_eq!(destinations(&driver), 0);
}

#[test]
fn a_destination_whose_name_stands_for_nothing_yet_is_added_and_removed_all_the_same() {
    let mut driver = Driver::new();
    let (publication, _) = driver.publish(MANUAL);
    let nowhere = "aeron:udp?endpoint=no-such-host.invalid:1";
    succeed(&mut driver, add(publication, nowhere));
    assert_eq!((destinations(&driver), driver.errors()), (1, vec![]));
    driver.wait(Duration::from_secs(1));
    assert_eq!(driver.system(SystemCounter::ShortSends), 0);
    succeed(&mut driver, remove(publication, nowhere));
    assert_eq!(destinations(&driver), 0);
}

#[test]
fn destinations_that_cannot_be_are_refused_with_a_reason() {
    use ErrorCode::{GenericError as Generic, InvalidChannel as Channel, UnknownPublication as Unknown};
    let mut driver = Driver::new();
    let (manual, _) = driver.publish(MANUAL);
    let (dynamic, _) = driver.publish("aeron:udp?control=127.0.0.1:24330|control-mode=dynamic");
    let (unicast, _) = driver.publish(UDP);
    let (ipc, _) = driver.publish("aeron:ipc");
    let (shared, _) = driver.publish(MANUAL.replace("manual", "manual|alias=x").as_str());
    driver.told();
    let fine = "aeron:udp?endpoint=127.0.0.1:1";
    let with = |parameter: &str| format!("{fine}|{parameter}");
    for (publication, channel, code, reason) in [
        (99, fine.to_owned(), Unknown, "99"),
        (ipc, fine.into(), Unknown, "registration_id"),
        (unicast, fine.into(), Generic, "does not allow manual control"),
        (dynamic, fine.into(), Generic, "does not allow manual control"),
        (
            unicast,
            "aeron-spy:aeron:udp?endpoint=127.0.0.1:1".into(),
            Generic,
            "does not allow manual control",
        ),
        (manual, format!("aeron-spy:{fine}"), Channel, "spies are invalid as send destinations"),
        (manual, "aeron-spy:aeron:ipc".into(), Channel, "spies are invalid as send destinations"),
        (manual, String::new(), Channel, ""),
        (manual, "aeron:udp?endpoint=".into(), Channel, ""),
        (manual, "aeron:ipc".into(), Generic, "incorrect URI format for destination"),
        (manual, "aeron:udp?control=127.0.0.1:1".into(), Generic, "incorrect URI format for destination"),
        (manual, "aeron:udp?endpoint=127.0.0.1:0".into(), Generic, "port=0"),
        (manual, "aeron:udp?endpoint=localhost:0".into(), Generic, "port=0"),
        (manual, with("mtu=1408"), Channel, "mtu"),
        (manual, with("rcv-wnd=128k"), Channel, "rcv-wnd"),
        (manual, with("so-rcvbuf=128k"), Channel, "so-rcvbuf"),
        (manual, with("so-sndbuf=128k"), Channel, "so-sndbuf"),
        (manual, with("so-tos=1"), Channel, "so-tos"),
        (manual, with("response-correlation-id=1"), Channel, "response-correlation-id"),
        (manual, with("control-mode=response"), Channel, "control-mode=response"),
        (manual, with(&format!("alias={}", "x".repeat(4096))), Channel, "4095"),
    ] {
        for request in [add(publication, &channel), remove(publication, &channel)] {
            let (id, told) = driver.ask(request);
            let (found, text) = refusal(&told);
            assert_eq!(found, code, "{channel}: {text}");
            assert!(text.contains(reason), "{channel}: {text}");
            assert!(matches!(told[0], Told::Error { id: of, .. } if of == id));
        }
    }
    for publication in [99, ipc, unicast, dynamic] {
        let (_, told) = driver.ask(remove_by_id(publication, 1));
        refusal(&told);
    }
    let count = |driver: &Driver| -> i64 {
        let of_mdc =
            |c: &epona_protocol::counters::CounterDescriptor| c.type_id == CounterTypeId::MDC_DESTINATIONS;
        driver.counters().iter().filter(|c| of_mdc(c)).map(|c| c.value).sum()
    };
    assert_eq!(count(&driver), 0);
    succeed(&mut driver, add(shared, fine));
    assert_eq!(count(&driver), 1);
}

#[test]
fn channels_whose_destinations_cannot_be_found_are_refused() {
    let mut driver = Driver::new();
    for (channel, code, reason) in [
        ("aeron:udp?control=127.0.0.1:24330", ErrorCode::GenericError, "control-mode"),
        ("aeron:udp?control-mode=dynamic", ErrorCode::InvalidChannel, "control"),
        ("aeron:udp?endpoint=127.0.0.1:1|control-mode=dynamic", ErrorCode::InvalidChannel, "control"),
    ] {
        let (_, told) = driver.publish(channel);
        let (found, text) = refusal(&told);
        assert!(found == code && text.contains(reason), "{channel}: {text}");
        assert_eq!(driver.labels(), Vec::<String>::new());
    }
}

#[test]
fn a_destination_of_a_publication_that_is_gone_is_refused() {
    let mut driver = Driver::new();
    let (publication, _) = driver.publish(MANUAL);
    driver.remove_publication(publication);
    driver.wait_alive(Duration::from_secs(12), CLIENT);
    driver.told();
    let (_, told) = driver.ask(add(publication, "aeron:udp?endpoint=127.0.0.1:1"));
    assert_eq!(refusal(&told).0, ErrorCode::UnknownPublication);
    let left: Vec<_> = driver.counters().iter().map(|c| c.type_id).collect();
    assert_eq!(left, [CounterTypeId::CLIENT_HEARTBEAT], "and its counters are free");
}

#[test]
fn subscribers_make_themselves_destinations_of_a_dynamic_publication() {
    let mut driver = Driver::new();
    let channel = "aeron:udp?control=127.0.0.1:24330|control-mode=dynamic";
    let (early, _) = driver.subscribe("aeron:udp?endpoint=127.0.0.1:24326|control=127.0.0.1:24330");
    let (publication, _) = driver.publish(channel);
    let count = driver.counter(CounterTypeId::MDC_DESTINATIONS);
    assert_eq!((count.registration_id, count.owner_id), (publication, 0));
    assert_eq!(count.label, format!("mdc-num-dest: {channel}"));
    assert_eq!(ChannelKey::decode(&count.key).unwrap().channel, channel);
    driver.wait(Duration::from_secs(2));
    assert_eq!((images(&driver.told()), destinations(&driver)), (vec![early], 1));
    let (late, told) = driver.subscribe("aeron:udp?endpoint=127.0.0.1:0|control=127.0.0.1:24330");
    let mut heard = images(&told);
    driver.wait(Duration::from_secs(1));
    heard.extend(images(&driver.told()));
    assert_eq!((heard, destinations(&driver)), (vec![late], 2));
    driver.remove_subscription(late);
    driver.wait_alive(Duration::from_secs(7), CLIENT);
    assert_eq!(destinations(&driver), 1, "who is silent for 5 s is forgotten");
    assert_eq!(driver.system(SystemCounter::ShortSends), 0);
}

#[test]
fn a_wildcard_control_port_is_assigned_and_published_and_leads_subscribers_and_spies_there() {
    let mut driver = Driver::with(|context| {
        context.network.sender_port_range = "20700 20709".parse().unwrap();
    });
    let channel = "aeron:udp?control=127.0.0.1:0|control-mode=dynamic|tags=1001";
    driver.publish(channel);
    let status = driver.counter(CounterTypeId::SEND_CHANNEL_STATUS);
    let address = driver.counter(CounterTypeId::LOCAL_SOCKET_ADDRESS);
    let bound = LocalSocketAddressKey::decode(&address.key).unwrap().address.into_owned();
    assert_eq!(bound, "127.0.0.1:20700");
    assert_eq!(status.label, format!("snd-channel: {channel} {bound}"));
    assert_eq!(address.label, format!("snd-local-sockaddr: {} {bound}", status.id));
    let (spy, told) = driver.subscribe("aeron-spy:aeron:udp?tags=1001");
    assert_eq!(images(&told), [spy]);
    let (subscription, told) = driver.subscribe(&format!("aeron:udp?endpoint=127.0.0.1:0|control={bound}"));
    let mut heard = images(&told);
    driver.wait(Duration::from_secs(1));
    heard.extend(images(&driver.told()));
    assert_eq!(heard, [subscription]);
}

#[test]
fn a_tag_leads_to_a_dynamic_channel_and_its_sessions_do_not_clash_unnoticed() {
    let mut driver = Driver::new();
    let channel = "aeron:udp?control=127.0.0.1:24330|control-mode=dynamic|tags=7|session-id=55";
    let (_, told) = driver.publish_exclusively(channel);
    let status = told.last().unwrap().ready().status;
    for stream in [STREAM, STREAM + 1] {
        let (_, told) = driver.ask(publication("aeron:udp?tags=7", stream));
        assert_eq!(told[0].ready().status, status, "stream {stream}");
    }
    let (_, told) = driver.publish_exclusively("aeron:udp?tags=7|session-id=55");
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::InvalidChannel && text.contains("55"), "{text}");
    let (_, told) = driver.ask(exclusive("aeron:udp?tags=7|session-id=55", STREAM + 2));
    assert_eq!(told[0].ready().session, 55, "on another stream it is free");
    let (_, told) = driver.publish("aeron:udp?tags=7|control-mode=manual");
    assert!(refusal(&told).1.contains("control-mode"));
    assert_eq!(driver.counter(CounterTypeId::MDC_DESTINATIONS).value, 0, "one counter for one socket");
}

#[test]
fn several_publications_may_have_the_same_destination() {
    let mut driver = Driver::new();
    let destination = "aeron:udp?endpoint=127.0.0.1:24326";
    let (subscription, _) = driver.subscribe(destination);
    for number in 1..=2 {
        let (publication, _) = driver.publish_exclusively(MANUAL);
        succeed(&mut driver, add(publication, destination));
        driver.wait(Duration::from_millis(300));
        assert_eq!(images(&driver.told()), [subscription], "publication {number}");
    }
}

#[test]
fn everything_goes_with_a_publication_of_several_destinations() {
    let mut driver = Driver::new();
    let (manual, _) = driver.publish(MANUAL);
    succeed(&mut driver, add(manual, "aeron:udp?endpoint=127.0.0.1:24326"));
    let (dynamic, _) = driver.publish("aeron:udp?control=127.0.0.1:24330|control-mode=dynamic");
    driver.remove_publication(manual);
    driver.remove_publication(dynamic);
    driver.wait_alive(Duration::from_secs(12), CLIENT);
    let left: Vec<_> = driver.counters().iter().map(|c| c.type_id).collect();
    assert_eq!((left, driver.logs()), (vec![CounterTypeId::CLIENT_HEARTBEAT], vec![]));
    driver.told();
    let (_, told) = driver.publish("aeron:udp?control=127.0.0.1:24330|control-mode=dynamic");
    assert!(matches!(told[..], [Told::Publication(_)]), "the port is free again: {told:?}");
}
