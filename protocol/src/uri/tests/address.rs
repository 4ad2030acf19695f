//! Hosts, ports and interfaces.

use std::net::IpAddr;

use crate::uri::address::{Host, HostPort, Interface};

fn address(text: &str) -> Host<'static> {
    Host::Address(text.parse::<IpAddr>().unwrap())
}

#[test]
fn hosts_and_ports_come_apart() {
    for (text, host, port) in [
        ("127.0.0.1:40123", address("127.0.0.1"), 40_123),
        ("[::1]:0", address("::1"), 0),
        ("[fe80::1%eth0]:65535", address("fe80::1"), 65_535),
        ("some.host:24", Host::Name("some.host"), 24),
        ("256.0.0.1:1", Host::Name("256.0.0.1"), 1),
    ] {
        assert_eq!(HostPort::parse(text), Ok(HostPort { host, port }), "{text}");
    }
    for bad in [
        "",
        ":",
        ":1",
        "host",
        "host:",
        "host:x",
        "host:-1",
        "host:+1",
        "host:65536",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1",
        "[]:1",
    ] {
        let error = HostPort::parse(bad).unwrap_err();
        assert!(error.to_string().contains(&format!("'{bad}'")), "{error}");
    }
    for text in ["[::1]:5", "10.0.0.1:0", "name:7"] {
        assert_eq!(HostPort::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn interfaces_come_apart() {
    let at = |host, port, prefix| Interface::Address { host, port, prefix };
    for (text, interface) in [
        ("127.0.0.1", at(address("127.0.0.1"), 0, None)),
        ("127.0.0.0/24", at(address("127.0.0.0"), 0, Some(24))),
        ("192.168.1.1:4000/0", at(address("192.168.1.1"), 4000, Some(0))),
        ("[::1]:1234/48", at(address("::1"), 1234, Some(48))),
        ("[fe80::1%lo]/128", at(address("fe80::1"), 0, Some(128))),
        ("localhost/", at(Host::Name("localhost"), 0, None)),
        ("{eth0}", Interface::Named { name: "eth0", port: 0 }),
        ("{fifteen-letters}:99", Interface::Named { name: "fifteen-letters", port: 99 }),
    ] {
        assert_eq!(Interface::parse(text), Ok(interface), "{text}");
    }
    for bad in [
        "",
        "/24",
        "1.2.3.4/33",
        "[::1]/129",
        "[::1]/999",
        "1.2.3.4/x",
        "1.2.3.4:",
        "1.2.3.4:x",
        "{}",
        "{eth0",
        "{eth0}x",
        "{eth0}:",
        "{sixteen--letters}",
        "{eth0}:123456",
        "[::1]x",
    ] {
        assert!(Interface::parse(bad).is_err(), "{bad}");
    }
}
