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
fn the_grammar_takes_names_addresses_ports_and_prefixes() {
    let network = |host, bracketed, port, prefix_length| InterfaceQuery::Network {
        host,
        bracketed,
        port,
        prefix_length,
    };
    for (value, expected) in [
        ("localhost", network("localhost", false, 0, None)),
        ("localhost:40123", network("localhost", false, 40123, None)),
        ("192.168.1.0/24", network("192.168.1.0", false, 0, Some(24))),
        ("192.168.1.0:5/24", network("192.168.1.0", false, 5, Some(24))),
        ("0.0.0.0/0", network("0.0.0.0", false, 0, Some(0))),
        ("[::1]", network("::1", true, 0, None)),
        ("[::1]:7/64", network("::1", true, 7, Some(64))),
        ("[fe80::1%eth0]:7", network("fe80::1", true, 7, None)),
        ("{eth0}", InterfaceQuery::Name { name: "eth0", port: 0 }),
        ("{eth0}:40123", InterfaceQuery::Name { name: "eth0", port: 40123 }),
    ] {
        assert_eq!(InterfaceQuery::parse(value).unwrap(), expected, "{value}");
    }
}

#[test]
fn malformed_values_are_refused_by_name() {
    for value in [
        "",
        ":1",
        "host:",
        "host:x",
        "host:65536",
        "10.0.0.0/33",
        "10.0.0.0/x",
        "[::1",
        "[::1]7",
        "[::1]/129",
        "::1",
        "{}",
        "{eth0",
        "{eth0}7",
        "{eth0}:",
        "{a-name-too-long!}",
    ] {
        let error = InterfaceQuery::parse(value).unwrap_err();
        assert!(error.to_string().contains(&format!("interface={value}")), "{error}");
    }
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
