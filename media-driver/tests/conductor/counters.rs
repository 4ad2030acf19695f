use std::time::Duration;

use epona_protocol::{
    command::{Command, ErrorCode, Request},
    counters::SystemCounter,
    logbuffer::LogBuffers,
    types::{ClientId, CorrelationId, CounterTypeId, RegistrationId},
};

use crate::harness::{CLIENT, Driver, Told, refusal};

const KIND: CounterTypeId = CounterTypeId::new(1001);

fn add<'a>() -> Request<'a> {
    Request::AddCounter { type_id: KIND, key: &[1, 2, 3, 4, 5], label: b"a label" }
}

fn add_static<'a>(registration_id: i64) -> Request<'a> {
    Request::AddStaticCounter {
        registration_id: RegistrationId::new(registration_id),
        type_id: KIND,
        key: &[9],
        label: b"static",
    }
}

fn remove<'a>(id: i64) -> Request<'a> {
    Request::RemoveCounter { registration_id: RegistrationId::new(id) }
}

/// CLI-09
#[test]
fn a_counter_whose_key_or_label_has_an_impossible_length_is_malformed() {
    for (request, key_at) in [(add(), 20), (add_static(42), 28)] {
        let mut driver = Driver::new();
        let mut good = Vec::new();
        Command { client_id: ClientId::new(CLIENT), correlation_id: CorrelationId::new(77), request }
            .encode(&mut good);
        let length_at = |at: usize| i32::from_le_bytes(good[at..at + 4].try_into().unwrap());
        let key_length = length_at(key_at);
        let label_at = key_at + 4 + (key_length as usize).next_multiple_of(4);
        let label_length = length_at(label_at);
        // The first length that reaches beyond the record, for a key before the room that a label's length takes.
        let too_long = [good.len() - key_at - 7, good.len() - label_at - 3];
        let mut refused = 0;
        for (at, too_long) in [(key_at, too_long[0] as i32), (label_at, too_long[1] as i32)] {
            for length in [-1, i32::MIN, i32::MAX, i32::MAX - 3, too_long] {
                let mut bad = good.clone();
                bad[at..at + 4].copy_from_slice(&length.to_le_bytes());
                driver.send_raw(request.type_id(), &bad);
                driver.settle();
                let told = driver.told();
                let is_malformed =
                    matches!(told[..], [Told::Error { id: 77, code: ErrorCode::MalformedCommand, .. }]);
                assert!(is_malformed, "{request:?} {length} at {at}: {told:?}");
                refused += 1;
            }
        }
        assert_eq!((driver.counters().len(), driver.system(SystemCounter::Errors)), (0, refused));
        assert_eq!((key_length > 0, label_length as usize), (true, good.len() - label_at - 4));
        driver.send_raw(request.type_id(), &good);
        driver.settle();
        assert_eq!(
            driver.counter(KIND).key[..key_length as usize],
            good[key_at + 4..][..key_length as usize]
        );
    }
}

#[test]
fn a_counter_is_announced_with_what_its_client_said_of_it() {
    let mut driver = Driver::new();
    let (id, told) = driver.ask(add());
    let counter = driver.counter(KIND);
    let heartbeat = driver.counter(CounterTypeId::CLIENT_HEARTBEAT).id;
    assert_eq!(told, [Told::Counter(CLIENT, heartbeat), Told::Counter(id, counter.id)]);
    assert_eq!((counter.registration_id, counter.owner_id, counter.value), (id, CLIENT, 0));
    assert_eq!((counter.label.as_str(), &counter.key[..6]), ("a label", &[1, 2, 3, 4, 5, 0][..]));
}

#[test]
fn a_counter_goes_when_its_client_removes_it_and_its_id_rests() {
    let mut driver = Driver::new();
    let (id, _) = driver.ask(add());
    let counter = driver.counter(KIND).id;
    let (_, told) = driver.ask_as(2, remove(id));
    assert_eq!(refusal(&told).0, ErrorCode::UnknownCounter, "it is another client's");
    let (removal, told) = driver.ask(remove(id));
    assert_eq!(told, [Told::Success(removal), Told::CounterGone(id, counter)]);
    let (_, told) = driver.ask(remove(id));
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::UnknownCounter && text.contains(&format!("registration_id={id}")), "{text}");

    driver.ask(add());
    assert!(driver.counter(KIND).id != counter, "an id rests before it is used again");
    driver.wait(Duration::from_secs(2));
    driver.ask(Request::AddCounter { type_id: CounterTypeId::new(1002), key: &[], label: b"" });
    assert_eq!(driver.counter(CounterTypeId::new(1002)).id, counter);
}

#[test]
fn a_static_counter_is_found_again_and_outlives_its_client() {
    let mut driver = Driver::new();
    let (first, told) = driver.ask(add_static(42));
    let counter = driver.counter(KIND);
    assert_eq!(told[1], Told::StaticCounter(first, counter.id), "after the client's heartbeat");
    assert_eq!((counter.registration_id, counter.owner_id), (42, -1));
    let (second, told) = driver.ask_as(2, add_static(42));
    assert_eq!(told[1], Told::StaticCounter(second, counter.id));
    let (_, told) = driver.ask(remove(42));
    assert_eq!(refusal(&told).0, ErrorCode::UnknownCounter);
    driver.wait(Duration::from_secs(15));
    assert_eq!(driver.labels(), ["static"]);
}

#[test]
fn a_static_counter_must_not_take_the_place_of_a_clients() {
    let mut driver = Driver::new();
    let (id, _) = driver.ask(add());
    let (_, told) = driver.ask(add_static(id));
    let (code, text) = refusal(&told);
    assert!(
        code == ErrorCode::GenericError && text.contains("non-static counter exists: counterId="),
        "{text}"
    );
}

#[test]
fn counters_go_with_a_client_that_says_goodbye() {
    let mut driver = Driver::new();
    let (id, _) = driver.ask(add());
    let counter = driver.counter(KIND).id;
    driver.ask_as(2, add());
    driver.send_with(CLIENT, -1, Request::ClientClose);
    driver.wait(Duration::from_secs(2));
    let told = driver.told();
    assert!(told.contains(&Told::CounterGone(id, counter)), "{told:?}");
    assert_eq!(driver.counter(KIND).owner_id, 2, "that of the other client stays");
}

#[test]
fn a_static_counter_that_exists_is_answered_as_it_is_and_each_type_has_its_own() {
    let mut driver = Driver::new();
    driver.ask(add_static(42));
    let counter = driver.counter(KIND);
    let static_counter = |type_id, registration_id, label| Request::AddStaticCounter {
        registration_id: RegistrationId::new(registration_id),
        type_id,
        key: &[8, 8],
        label,
    };
    let (again, told) = driver.ask(static_counter(KIND, 42, b"another label"));
    assert_eq!(told, [Told::StaticCounter(again, counter.id)]);
    let same = driver.counter(KIND);
    assert_eq!((same.label.as_str(), &same.key), ("static", &counter.key), "unchanged");
    let other_kind = CounterTypeId::new(1002);
    let (_, told) = driver.ask(static_counter(other_kind, 42, b"other type"));
    let other = driver.counter(other_kind);
    assert!(matches!(told[..], [Told::StaticCounter(_, id)] if id == other.id && id != counter.id));
    assert_eq!((other.registration_id, other.owner_id), (42, -1));
    driver.ask(Request::ClientClose);
    driver.wait(Duration::from_secs(3));
    assert_eq!(driver.labels(), ["other type", "static"], "they outlive the client that says goodbye");
}

#[test]
fn whatever_a_client_writes_into_counters_the_driver_goes_on() {
    let mut driver = Driver::new();
    let channel = "aeron:udp?endpoint=10.0.0.1:24325";
    driver.subscribe(channel);
    let position = "session-id=5|init-term-id=0|term-id=0|term-offset=0";
    let (_, told) = driver.publish(&format!("{channel}|ssc=true|{position}"));
    // As a client that has offered a message of no bytes.
    let log = LogBuffers::open(told[0].ready().log.as_ref()).unwrap();
    log.term(0).put_i32(0, 32);
    log.metadata().view().put_i64(0, 32);
    driver.subscribe(&format!("aeron-spy:{channel}"));
    driver.subscribe("aeron:ipc");
    driver.publish("aeron:ipc");
    driver.wait(Duration::from_secs(1));
    let counters = driver.counters();
    assert!(
        counters.iter().any(|counter| counter.type_id == CounterTypeId::RECEIVER_POSITION),
        "an image is there"
    );
    for value in [1 << 20, 95, i64::MAX, i64::MIN, -1, 1] {
        for counter in &counters {
            if let Some(counter) = driver.reader().writable(counter.id) {
                counter.set_release(value);
            }
            driver.wait(Duration::from_millis(100));
        }
    }
    driver.told();
    let (id, told) = driver.ask_as(2, add_static(77));
    assert!(matches!(told.last(), Some(Told::StaticCounter(of, _)) if *of == id), "{told:?}");
}

#[test]
fn a_subscription_that_found_no_counter_gets_its_images_once_there_are_some() {
    for (channel, heard) in [
        ("aeron:ipc", "aeron:ipc"),
        ("aeron:udp?endpoint=127.0.0.1:20121", "aeron-spy:aeron:udp?endpoint=127.0.0.1:20121"),
    ] {
        let mut driver = Driver::new();
        driver.publish(channel);
        let mut taken = Vec::new();
        loop {
            let (id, told) = driver.ask(add());
            match told[..] {
                [Told::Counter(..)] => taken.push(id),
                _ => break,
            }
        }
        let (subscription, told) = driver.subscribe(heard);
        assert!(matches!(told[..], [Told::Subscription { .. }]), "{told:?}");
        driver.ask(remove(taken[0]));
        driver.wait_alive(Duration::from_secs(3), CLIENT);
        let told = driver.told();
        let is_its =
            |told: &&Told| matches!(told, Told::Available { subscription: id, .. } if *id == subscription);
        assert_eq!(told.iter().filter(is_its).count(), 1, "{channel}: {told:?}");
    }
}
