use super::*;

fn interface(name: &str, index: u32, address: &str, loopback: bool, multicast: bool) -> NetworkInterface {
    let (address, prefix) = address.split_once('/').unwrap();
    NetworkInterface {
        name: name.into(),
        index,
        address: address.parse().unwrap(),
        prefix_length: prefix.parse().unwrap(),
        loopback,
        multicast,
    }
}

fn machine() -> Vec<NetworkInterface> {
    vec![
        interface("lo", 1, "127.0.0.1/8", true, false),
        interface("eth0", 2, "192.168.1.20/24", false, true),
        interface("eth1", 3, "192.168.1.21/28", false, true),
        interface("tun0", 4, "10.0.0.5/30", false, false),
        interface("lo", 1, "::1/128", true, false),
        interface("eth0", 2, "fe80::1:2/64", false, true),
        interface("eth1", 3, "fd00::3/48", false, true),
    ]
}

#[test]
fn the_longest_netmask_wins_among_multicast_interfaces() {
    let find = |network: &str, prefix| {
        find_by_network(&machine(), network.parse().unwrap(), prefix, 0)
            .map(|found| found.address.ip().to_string())
    };
    assert_eq!(find("192.168.1.0", 24).as_deref(), Some("192.168.1.21"));
    assert_eq!(find("192.168.1.20", 32).as_deref(), Some("192.168.1.20"));
    assert_eq!(find("127.0.0.0", 8).as_deref(), Some("127.0.0.1"));
    assert_eq!(find("fd00::", 16).as_deref(), Some("fd00::3"));
    assert_eq!(find("10.0.0.4", 30), None, "an interface without multicast does not count");
    assert_eq!(find("172.16.0.0", 12), None);
}

#[test]
fn the_wildcard_network_prefers_a_real_interface_to_loopback() {
    let found = find_by_network(&machine(), "0.0.0.0".parse().unwrap(), 0, 9).unwrap();
    assert_eq!(found, InterfaceChoice { address: "192.168.1.21:9".parse().unwrap(), index: 3 });
    let only_loopback = &machine()[..1];
    let found = find_by_network(only_loopback, "0.0.0.0".parse().unwrap(), 0, 0).unwrap();
    assert_eq!(found.address, "127.0.0.1:0".parse().unwrap());
}

#[test]
fn a_named_interface_gives_its_first_address_of_the_family() {
    let found = find_by_name(&machine(), "eth0", false, 7).unwrap();
    assert_eq!(found, InterfaceChoice { address: "192.168.1.20:7".parse().unwrap(), index: 2 });
    let found = find_by_name(&machine(), "eth0", true, 7).unwrap();
    let SocketAddr::V6(address) = found.address else { panic!("{found:?}") };
    assert_eq!((address.scope_id(), address.port()), (2, 7), "link-local addresses carry their link");
    assert_eq!(find_by_name(&machine(), "tun0", true, 0), None);
    assert_eq!(find_by_name(&machine(), "eth9", false, 0), None);
}

#[test]
fn this_machine_has_a_loopback_interface() {
    let interfaces = local_interfaces().unwrap();
    let loopback = interfaces.iter().find(|found| found.loopback).unwrap();
    assert!(
        loopback.index > 0 && loopback.address.is_loopback() && loopback.prefix_length > 0,
        "{loopback:?}"
    );
}
