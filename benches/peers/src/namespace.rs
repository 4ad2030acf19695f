//! Hosts on a network of their own: Linux network namespaces, each with a link to a switch. Needs root.
//!
//! ```text
//!   host 0: eth0 10.77.0.1 --- port0 |
//!   host 1: eth0 10.77.0.2 --- port1 | switch, a bridge in a namespace of its own
//!   host 2: eth0 10.77.0.3 --- port2 |
//! ```
//! Files are shared by all hosts, so a client outside attaches to a driver inside.

use std::{
    io,
    path::Path,
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What names of namespaces begin with; the process id of their maker follows.
const PREFIX: &str = "epona-peers-";

/// A network of hosts; gone with the value.
#[derive(Debug)]
pub struct Network {
    hosts: Vec<Host>,
    switch: String,
}

/// A host: a network namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    namespace: String,
    index: usize,
}

impl Host {
    /// Name of its network namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its IPv4 address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("10.77.0.{}", self.index + 1)
    }

    /// Its IPv6 address.
    #[must_use]
    pub fn address_v6(&self) -> String {
        format!("fd77::{}", self.index + 1)
    }
}

impl Network {
    /// Why no network can be made here, or `None`.
    #[must_use]
    pub fn obstacle() -> Option<&'static str> {
        static OBSTACLE: OnceLock<Option<String>> = OnceLock::new();
        OBSTACLE.get_or_init(find_obstacle).as_deref()
    }

    /// Makes `count` hosts and their links.
    ///
    /// # Errors
    /// A step that the system refuses, with its own words; nothing is left behind.
    pub fn new(count: usize) -> io::Result<Self> {
        static NETWORKS: AtomicUsize = AtomicUsize::new(0);
        delete_orphans();
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let name = |what: &str| format!("{PREFIX}{}-{number}-{what}", std::process::id());
        let mut network = Self { hosts: Vec::new(), switch: name("switch") };
        let switch = &network.switch;
        ip(&format!("netns add {switch}"))?;
        // Without snooping every host sees every group, as on a simple switch.
        ip(&format!("-n {switch} link add bridge0 type bridge mcast_snooping 0"))?;
        ip(&format!("-n {switch} link set bridge0 up"))?;
        for index in 0..count {
            let host = Host { namespace: name(&index.to_string()), index };
            ip(&format!("netns add {}", host.namespace))?;
            network.hosts.push(host);
            network.connect(&network.hosts[index])?;
        }
        Ok(network)
    }

    fn connect(&self, host: &Host) -> io::Result<()> {
        let (switch, Host { namespace, index }) = (&self.switch, host);
        ip(&format!("link add eth0 netns {namespace} type veth peer name port{index} netns {switch}"))?;
        ip(&format!("-n {switch} link set port{index} master bridge0 up"))?;
        ip(&format!("-n {namespace} link set lo up"))?;
        ip(&format!("-n {namespace} addr add {}/24 dev eth0", host.address()))?;
        // Otherwise the address is not there until nobody has claimed it for a second.
        ip(&format!("-n {namespace} addr add {}/64 dev eth0 nodad", host.address_v6()))?;
        ip(&format!("-n {namespace} link set eth0 up"))
    }

    /// The hosts.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Pulls a host's cable out of the switch, or plugs it in.
    ///
    /// # Errors
    /// The system refuses.
    pub fn set_link(&self, host: &Host, up: bool) -> io::Result<()> {
        let state = if up { "up" } else { "down" };
        ip(&format!("-n {} link set port{} {state}", self.switch, host.index))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in self.hosts.iter().map(|host| &host.namespace).chain([&self.switch]) {
            // Nothing can be done about a refusal; a later run tries again.
            let _ = ip(&format!("netns del {namespace}"));
        }
    }
}

/// Makes a namespace to see whether that is possible: even root may not in a container.
fn find_obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("not root".to_owned());
    }
    let probe = format!("{PREFIX}{}-probe", std::process::id());
    let outcome = ip(&format!("netns add {probe}")).and_then(|()| ip(&format!("netns del {probe}")));
    outcome.err().map(|error| error.to_string())
}

/// Deletes namespaces of processes that ended without doing so.
fn delete_orphans() {
    let Ok(output) = Command::new("ip").args(["netns", "list"]).output() else { return };
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let maker = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if maker.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

/// Runs `ip` with `arguments`, which are separated by spaces.
fn ip(arguments: &str) -> io::Result<()> {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().map_err(|error| {
        io::Error::other(format!("the program ip (package iproute2) cannot be started: {error}"))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!("ip {arguments}: {reason}")))
}
