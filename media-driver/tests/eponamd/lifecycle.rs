//! Starting, ending, and what a healthy driver says: nothing.

use std::net::UdpSocket;

use epona_client::Aeron;
use epona_protocol::{
    cnc::{Cnc, request_termination},
    types::EpochMillis,
};

use crate::{
    process::{Driver, client_context, cnc_of, until, workspace},
    traffic::{exchange, free_port},
};

#[test]
fn a_signal_ends_the_driver_with_its_number_as_status() {
    for (name, status) in [("TERM", 15), ("INT", 2)] {
        let workspace = workspace();
        let mut driver = Driver::start(&workspace, &[]);
        let aeron = driver.connect();
        let mut subscription = aeron.add_subscription("aeron:ipc", 1).unwrap();
        exchange(&aeron.add_publication("aeron:ipc", 1).unwrap(), &mut subscription, 50);
        driver.signal(name);
        assert_eq!(driver.wait().code(), Some(status));
        assert_eq!((driver.stdout().as_str(), driver.stderr().as_str()), ("Shutting down driver...\n", ""));
        let heartbeat = cnc_of(driver.directory()).unwrap().driver_heartbeat().unwrap();
        assert_eq!(heartbeat, EpochMillis::new(-1), "clients and the next driver see that it has ended");
    }
}

#[test]
fn a_healthy_driver_prints_nothing_on_standard_error_and_records_no_error() {
    for mode in ["INVOKER", "SHARED", "SHARED_NETWORK", "DEDICATED"] {
        let workspace = workspace();
        let driver = Driver::start(&workspace, &["--threading-mode", mode]);
        let aeron = driver.connect();
        let mut channels = vec![udp(), "aeron:ipc".to_owned()];
        if UdpSocket::bind("[::1]:0").is_ok() {
            channels.push(format!("aeron:udp?endpoint=[::1]:{}", free_port()));
        }
        for channel in channels {
            let mut subscription = aeron.add_subscription(&channel, 7).unwrap();
            exchange(&aeron.add_publication(&channel, 7).unwrap(), &mut subscription, 100);
        }
        aeron.close();
        driver.end_healthy();
    }
}

#[test]
fn nobody_at_the_other_end_is_nothing_to_complain_about() {
    let workspace = workspace();
    let driver = Driver::start(&workspace, &[]);
    let aeron = driver.connect();
    let channel = udp();
    // The spy lets the stream flow; the system answers each datagram of it by an error on the socket.
    let mut spy = aeron.add_subscription(&format!("aeron-spy:{channel}"), 1).unwrap();
    let publication = aeron.add_publication(&format!("{channel}|ssc=true"), 1).unwrap();
    exchange(&publication, &mut spy, 100);
    driver.end_healthy();
}

fn udp() -> String {
    format!("aeron:udp?endpoint=127.0.0.1:{}", free_port())
}

#[test]
fn a_client_reads_on_what_it_has_mapped_when_the_driver_has_deleted_it() {
    let workspace = workspace();
    let mut driver = Driver::start(&workspace, &["-Daeron.dir.delete.on.shutdown=true"]);
    driver.cnc();
    // Its conductor is not run later on, so that it does not let go when it notices that the driver has ended.
    let aeron = Aeron::connect(client_context(driver.directory()).use_invoker()).unwrap();
    let invoker = aeron.invoker().unwrap();
    let mut subscription = aeron.add_subscription("aeron:ipc", 1).unwrap();
    let publication = aeron.add_publication("aeron:ipc", 1).unwrap();
    until("connected", || {
        invoker.invoke().unwrap();
        (publication.is_connected() && subscription.image_count() == 1).then_some(())
    });
    for number in 0..10_u8 {
        until("the offer is taken", || publication.offer(&[number; 1000]).ok());
    }
    driver.signal("TERM");
    assert_eq!(driver.wait().code(), Some(15));
    assert!(!driver.directory().exists());
    let mut received = Vec::new();
    subscription.poll(|fragment, _| received.push(fragment.to_vec()), 100);
    assert_eq!(received, (0..10_u8).map(|number| vec![number; 1000]).collect::<Vec<_>>());
}

#[test]
fn a_request_through_the_cnc_file_ends_a_driver_that_allows_it() {
    let workspace = workspace();
    let mut driver = Driver::start(&workspace, &["-Daeron.driver.termination.validator=allow"]);
    driver.cnc();
    request_termination(Cnc::open(driver.directory()).unwrap(), b"token").unwrap();
    assert_eq!(driver.wait().code(), Some(0));
    assert_eq!((driver.stdout().as_str(), driver.stderr().as_str()), ("Shutting down driver...\n", ""));
}

#[test]
fn a_request_through_the_cnc_file_is_ignored_unless_allowed() {
    let workspace = workspace();
    let mut driver = Driver::start(&workspace, &[]);
    driver.cnc();
    request_termination(Cnc::open(driver.directory()).unwrap(), b"token").unwrap();
    // Commands are carried out in order, so the request has been looked at once a later command is answered.
    driver.connect().add_subscription("aeron:ipc", 1).unwrap();
    assert!(driver.is_running());
    driver.end_healthy();
}

#[test]
fn the_configuration_is_printed_at_start_when_asked_for() {
    let workspace = workspace();
    let mut driver = Driver::start(&workspace, &["-Daeron.print.configuration=true"]);
    driver.cnc();
    driver.signal("TERM");
    assert_eq!(driver.wait().code(), Some(15));
    let text = driver.stdout();
    assert!(text.starts_with("aeron_driver_context_t {\n"), "{text}");
    assert!(text.contains(&format!("aeron_dir={}\n", driver.directory().display())), "{text}");
    assert!(text.ends_with("}\nShutting down driver...\n"), "{text}");
}

#[test]
fn errors_that_the_full_log_has_no_room_for_are_printed() {
    let workspace = workspace();
    let driver = Driver::start(&workspace, &[]);
    let aeron = driver.connect();
    let log_length = driver.cnc().error_log().len();
    let long = "x".repeat(3000);
    for number in 0..=log_length / 3000 {
        let channel = format!("aeron:udp?endpoint=localhost:1|{number}={long}|control-mode=dynamic");
        aeron.add_publication(&channel, 1).unwrap_err();
    }
    until("printed", || {
        driver
            .stderr()
            .contains("ERROR: the error log is full (raise aeron.error.buffer.length)")
            .then_some(())
    });
}
