//! A kernel that does not cut up runs of datagrams any more: counted, and an error where it has worked.

use std::time::Duration;

use epona_media_driver::media::{Offload, OffloadRefusal};
use epona_protocol::types::CounterTypeId;

use crate::harness::{CLIENT, Driver, UDP};

const OTHER: &str = "aeron:udp?endpoint=127.0.0.1:24326";

/// A driver with a publication on each of two sockets, and what the kernel said of them since.
fn refused(refusal: Option<OffloadRefusal>) -> Driver {
    let mut driver = Driver::new();
    *driver.offload.lock().unwrap() = Offload::On;
    driver.publish(UDP);
    driver.publish(OTHER);
    if let Some(refusal) = refusal {
        *driver.offload.lock().unwrap() = Offload::Refused(refusal);
    }
    // Setups go out, after which the sender looks.
    driver.wait_alive(Duration::from_secs(1), CLIENT);
    driver
}

fn refusals(driver: &Driver) -> Vec<i64> {
    let is_ours = |type_id| type_id == CounterTypeId::OFFLOAD_REFUSALS;
    driver.counters().iter().filter(|counter| is_ours(counter.type_id)).map(|counter| counter.value).collect()
}

#[test]
fn there_is_no_counter_of_refusals_before_the_first() {
    let driver = refused(None);
    assert_eq!((refusals(&driver), driver.errors()), (vec![], vec![]));
}

#[test]
fn a_route_that_never_had_offload_is_counted_once_per_socket_and_no_error() {
    let driver = refused(Some(OffloadRefusal { code: 5, has_worked: false }));
    assert_eq!((refusals(&driver), driver.errors()), (vec![2], vec![]));
}

#[test]
fn a_socket_that_loses_offload_is_counted_and_recorded_with_its_channel_and_the_reason() {
    let driver = refused(Some(OffloadRefusal { code: 5, has_worked: true }));
    assert_eq!(refusals(&driver), [2]);
    let errors = driver.errors();
    assert_eq!(errors.len(), 2, "{errors:?}");
    for channel in [UDP, OTHER] {
        let is_about = |error: &String| error.contains(channel) && error.contains("os error 5");
        assert!(errors.iter().any(is_about), "{errors:?}");
    }
}
