use std::time::Duration;

use epona_protocol::{
    command::{ErrorCode, Request},
    counters::SystemCounter,
    types::CounterTypeId,
};

use crate::harness::{CLIENT, Driver, SYSTEM_COUNTERS, Told, UDP, exists, refusal};

/// Bytes of the value records of so many counters.
fn room_for(counters: usize) -> usize {
    (SYSTEM_COUNTERS + counters) * 128
}

#[test]
fn everything_returns_to_what_it_was_when_all_is_removed() {
    let mut driver = Driver::new();
    let mapped = driver.system(SystemCounter::BytesCurrentlyMapped);
    for _ in 0..2 {
        let publications = [UDP, "aeron:ipc", "aeron:udp?endpoint=127.0.0.1:24326"];
        let subscriptions = [UDP, "aeron:ipc", "aeron-spy:aeron:udp?endpoint=127.0.0.1:24326"];
        let publications = publications.map(|channel| driver.publish(channel).0);
        let subscriptions = subscriptions.map(|channel| driver.subscribe(channel).0);
        driver.wait_alive(Duration::from_secs(1), CLIENT);
        assert_eq!(driver.logs().len(), 4, "{:?}", driver.logs());
        assert!(driver.system(SystemCounter::BytesCurrentlyMapped) > mapped);
        for id in publications {
            driver.remove_publication(id);
        }
        for id in subscriptions {
            driver.remove_subscription(id);
        }
        driver.wait_alive(Duration::from_secs(30), CLIENT);
        assert_eq!(driver.logs(), Vec::<String>::new());
        assert_eq!(driver.labels(), ["client-heartbeat: id=1"]);
        assert_eq!(driver.system(SystemCounter::BytesCurrentlyMapped), mapped);
    }
    assert_eq!(driver.errors(), Vec::<String>::new());
}

#[test]
fn without_counters_nothing_is_made_and_nothing_is_kept() {
    // What a publication with its socket and client takes: 9. A subscription: 3.
    for free in 0..9 {
        let mut driver = Driver::with(|context| context.buffers.counter_values_length = room_for(free));
        for channel in [UDP, "aeron:ipc"] {
            if channel == "aeron:ipc" && free >= 3 {
                continue;
            }
            let (_, told) = driver.publish(channel);
            let (code, text) = refusal(&told);
            assert!(
                code == ErrorCode::GenericError && text.contains("aeron.counters.buffer.length"),
                "{text}"
            );
        }
        driver.wait(Duration::from_secs(3));
        let left: Vec<_> = driver.counters().iter().map(|c| c.type_id).collect();
        assert_eq!(left, [], "{free} counters");
        assert_eq!(driver.logs(), Vec::<String>::new());
        let (_, told) = driver.subscribe(UDP);
        assert_eq!(matches!(told.last(), Some(Told::Subscription { .. })), free >= 3, "{free}: {told:?}");
        driver.wait(Duration::from_secs(3));
        assert_eq!(driver.counters().len(), if free >= 3 { 3 } else { 0 }, "{free} counters");
    }
}

#[test]
fn ports_and_sockets_come_back_when_counters_run_out() {
    let mut driver = Driver::with(|context| context.buffers.counter_values_length = room_for(3));
    let (counter, _) =
        driver.ask(Request::AddCounter { type_id: CounterTypeId::new(1001), key: &[], label: b"last" });
    let (_, told) = driver.subscribe(UDP);
    assert_eq!(refusal(&told).0, ErrorCode::GenericError);
    let registration_id = epona_protocol::types::RegistrationId::new(counter);
    driver.ask(Request::RemoveCounter { registration_id });
    driver.wait_alive(Duration::from_secs(2), CLIENT);
    driver.told();
    let (_, told) = driver.subscribe(UDP);
    assert!(matches!(told[..], [Told::Subscription { .. }]), "the port is free: {told:?}");
}

#[test]
fn an_image_without_counters_is_tried_again() {
    // Client, subscription, publication with its socket: 11. The image takes 4 more.
    let mut driver = Driver::with(|context| context.buffers.counter_values_length = room_for(15));
    let spare = Request::AddCounter { type_id: CounterTypeId::new(1), key: &[], label: b"x" };
    let spares = [0; 3].map(|_| driver.ask(spare).0);
    driver.subscribe(UDP);
    let (_, told) = driver.publish(UDP);
    driver.wait_alive(Duration::from_secs(1), CLIENT);
    assert!(told.len() == 1 && driver.told().is_empty(), "{told:?}");
    assert_eq!(driver.logs().len(), 1, "{:?}", driver.logs());
    assert!(driver.errors().iter().any(|text| text.contains("aeron.counters.buffer.length")));
    for id in spares {
        let registration_id = epona_protocol::types::RegistrationId::new(id);
        driver.ask(Request::RemoveCounter { registration_id });
    }
    driver.wait_alive(Duration::from_secs(3), CLIENT);
    let told = driver.told();
    assert!(matches!(told[..], [Told::Available { .. }]), "a later setup makes it: {told:?}");
}

#[test]
fn storage_that_runs_low_is_told_and_used() {
    let mut driver = Driver::with(|context| context.buffers.low_storage_threshold = u64::MAX);
    let (_, told) = driver.publish("aeron:ipc");
    assert_eq!(told.len(), 2, "{told:?}");
    driver.settle();
    let errors = driver.errors();
    assert!(matches!(&errors[..], [text] if text.contains("space is running low")), "{errors:?}");
}

#[test]
fn a_driver_that_closes_takes_its_logs_along_and_says_that_it_has_stopped() {
    use epona_media_driver::{driver::Roles, duty_cycle::DutyCycle};
    let mut driver = Driver::new();
    driver.subscribe(UDP);
    driver.publish(UDP);
    let (removed, _) = driver.publish("aeron:ipc");
    driver.wait(Duration::from_millis(300));
    // One log waits for the agent to be freed, one to be mapped, one was just mapped.
    driver.remove_publication(removed);
    driver.send_as(CLIENT, crate::harness::publication("aeron:ipc", 7));
    driver.turn_of_control();
    driver.roles.native_resource_agent.do_work(driver.now);
    let now = driver.now;
    let Roles { conductor, sender, receiver, native_resource_agent, .. } = &mut driver.roles;
    sender.on_close(now);
    receiver.on_close(now);
    native_resource_agent.on_close(now);
    conductor.on_close(now);
    assert_eq!(driver.logs(), Vec::<String>::new());
    assert_eq!(driver.cnc.driver_heartbeat().unwrap().get(), -1);
    assert!(exists(&driver.path().join("cnc.dat").to_string_lossy()));
}

#[test]
fn a_log_that_cannot_be_deleted_is_tried_again_until_it_can() {
    let mut driver = Driver::new();
    let (id, told) = driver.publish("aeron:ipc");
    let log = std::path::PathBuf::from(&told[1].ready().log);
    // Something that cannot be deleted as a file is.
    std::fs::remove_file(&log).unwrap();
    std::fs::create_dir(&log).unwrap();
    driver.remove_publication(id);
    driver.wait_alive(Duration::from_secs(3), CLIENT);
    let failures = driver.system(SystemCounter::FreeFails);
    driver.wait_alive(Duration::from_secs(1), CLIENT);
    assert!(failures > 0 && driver.system(SystemCounter::FreeFails) > failures, "{failures}");
    std::fs::remove_dir(&log).unwrap();
    std::fs::write(&log, b"").unwrap();
    driver.wait_alive(Duration::from_secs(1), CLIENT);
    assert!(!log.exists());
    let failures = driver.system(SystemCounter::FreeFails);
    driver.wait_alive(Duration::from_secs(1), CLIENT);
    assert_eq!(driver.system(SystemCounter::FreeFails), failures, "nothing is left to try");
}
