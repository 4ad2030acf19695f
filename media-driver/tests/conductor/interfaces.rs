//! Interfaces of this machine by name, and addresses of either family.

use epona_media_driver::media::interface::local_interfaces;
use epona_protocol::{command::ErrorCode, counters::LocalSocketAddressKey, types::CounterTypeId};

use crate::harness::{Driver, Told, refusal};

/// Name of the interface that has 127.0.0.1.
fn loopback() -> String {
    let interfaces = local_interfaces().unwrap();
    interfaces.into_iter().find(|interface| interface.address.is_loopback()).unwrap().name
}

#[test]
fn an_interface_may_be_named_for_one_receiver_and_for_a_group() {
    let interface = loopback();
    for endpoint in ["127.0.0.1:24325", "224.20.30.39:24326"] {
        let channel = format!("aeron:udp?endpoint={endpoint}|interface={{{interface}}}");
        let mut driver = Driver::new();
        driver.subscribe(&channel);
        let (_, told) = driver.publish(&channel);
        assert!(matches!(told[..], [Told::Publication(_), Told::Available { .. }]), "{channel}: {told:?}");
    }
}

#[test]
fn an_interface_that_does_not_exist_is_told_with_those_that_do() {
    let mut driver = Driver::new();
    for endpoint in ["127.0.0.1:24325", "224.20.30.39:24326"] {
        let channel = format!("aeron:udp?endpoint={endpoint}|interface={{nowhere9}}");
        for told in [driver.publish(&channel).1, driver.subscribe(&channel).1] {
            let (code, text) = refusal(&told);
            assert_eq!(code, ErrorCode::GenericError, "{text}");
            assert!(text.contains("nowhere9") && text.contains(&loopback()), "{text}");
        }
    }
}

#[test]
fn addresses_in_use_are_shown_for_both_families_and_both_directions() {
    for (wildcard, start) in [("127.0.0.1:0", "127.0.0.1:"), ("[::1]:0", "[::1]:")] {
        let mut driver = Driver::new();
        driver.subscribe(&format!("aeron:udp?endpoint={wildcard}"));
        let address = driver.counter(CounterTypeId::LOCAL_SOCKET_ADDRESS);
        let shown = LocalSocketAddressKey::decode(&address.key).unwrap().address;
        assert!(shown.starts_with(start) && !shown.ends_with(":0"), "{shown}");
        let (_, told) = driver.publish(&format!("aeron:udp?endpoint={shown}"));
        let status = told[0].ready().status;
        let of_publication =
            driver.counters().into_iter().find(|c| c.label.starts_with("snd-local")).unwrap();
        let key = LocalSocketAddressKey::decode(&of_publication.key).unwrap();
        assert!(key.channel_status_id == status && !key.address.ends_with(":0"), "{}", key.address);
    }
}
