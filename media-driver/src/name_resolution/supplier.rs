//! From settings to a resolver.

use std::net::SocketAddr;

use epona_protocol::{
    counters::{CountersError, CountersManager},
    types::Now,
    uri::address::{AddressError, Host, Interface},
};

use super::{
    NameQuery, NameResolver, ResolutionError, TimedNameResolver,
    csv::{self, CsvTableNameResolver, Row, TableError},
    driver::{
        DriverNameResolver, GossipSettings, bootstrap::MAX_BOOTSTRAP_NEIGHBORS, gossip::MAX_NAME_LENGTH,
    },
};
use crate::{
    clock::Clock,
    config::{Context, ResolverKind},
    duty_cycle::StallTracker,
    event_log::EventLog,
    media::{
        Affinity, OpenError, TransportFactory, TransportSpec,
        interface::{self, InterfaceError, Interfaces},
    },
    status::SystemCounters,
};

/// Settings of name resolution, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Plan {
    /// Ask the system.
    Default,
    /// Look into a table.
    CsvTable(Vec<Row>),
    /// Gossip on an interface.
    Driver {
        /// Where.
        interface: String,
        /// How.
        settings: GossipSettings,
    },
}

const MISSING_NAME: PlanError =
    PlanError::Missing { setting: "aeron.driver.resolver.name, which its neighbours know it by" };
const MISSING_INTERFACE: PlanError =
    PlanError::Missing { setting: "aeron.driver.resolver.interface, host:port, such as 0.0.0.0:8050" };

/// Settings of name resolution that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// The table resolver without a table that makes sense.
    #[error("aeron.name.resolver.init.args, for aeron.name.resolver.supplier=csv_table: {0}")]
    Table(#[from] TableError),
    /// An interface without a name to announce on it.
    #[error("aeron.driver.resolver.interface={interface} needs aeron.driver.resolver.name")]
    NoName {
        /// The interface.
        interface: String,
    },
    /// The gossiping resolver without a setting that it needs.
    #[error("aeron.name.resolver.supplier=driver needs {setting}")]
    Missing {
        /// The setting, and what it looks like.
        setting: &'static str,
    },
    /// A name that does not fit into what drivers tell each other.
    #[error("aeron.driver.resolver.name of {length} bytes is longer than {MAX_NAME_LENGTH}")]
    NameTooLong {
        /// Its length, in bytes.
        length: usize,
    },
    /// An interface that is none.
    #[error("aeron.driver.resolver.interface: {0}")]
    Interface(AddressError),
    /// Too many neighbours.
    #[error(
        "aeron.driver.resolver.bootstrap.neighbor: {count} neighbours are more than {MAX_BOOTSTRAP_NEIGHBORS}"
    )]
    TooManyNeighbors {
        /// How many.
        count: usize,
    },
}

impl Plan {
    /// Checks the settings.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn of(context: &Context) -> Result<Self, PlanError> {
        let resolver = &context.resolver;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let name = given(&resolver.name);
        let interface = given(&resolver.interface);
        if let (Some(interface), None) = (&interface, &name) {
            return Err(PlanError::NoName { interface: interface.clone() });
        }
        match resolver.kind {
            ResolverKind::Default => Ok(Self::Default),
            ResolverKind::CsvTable => {
                let table = given(&resolver.init_args).or_else(|| given(&resolver.csv_table));
                Ok(Self::CsvTable(csv::parse(&table.unwrap_or_default())?))
            }
            ResolverKind::Driver => {
                let name = name.ok_or(MISSING_NAME)?;
                let interface = interface.ok_or(MISSING_INTERFACE)?;
                Interface::parse(&interface).map_err(PlanError::Interface)?;
                if name.len() > MAX_NAME_LENGTH {
                    return Err(PlanError::NameTooLong { length: name.len() });
                }
                Ok(Self::Driver {
                    interface,
                    settings: GossipSettings {
                        name,
                        bootstrap_neighbors: bootstrap_neighbors(resolver.bootstrap_neighbors.as_deref())?,
                        neighbor_timeout: resolver.neighbor_timeout,
                        self_resolution_interval: resolver.self_resolution_interval,
                        neighbor_resolution_interval: resolver.neighbor_resolution_interval,
                        bootstrap_neighbor_resolution_interval: resolver
                            .bootstrap_neighbor_resolution_interval,
                        mtu: context.network.mtu.get() as usize,
                    },
                })
            }
        }
    }
}

/// The neighbours by name; one that cannot be found is told when it is looked up, and does not keep the driver from the
/// others.
fn bootstrap_neighbors(list: Option<&str>) -> Result<Vec<String>, PlanError> {
    let listed = list.unwrap_or_default().split(',').filter(|neighbor| !neighbor.is_empty());
    let neighbors: Vec<_> = listed.map(str::to_owned).collect();
    if neighbors.len() > MAX_BOOTSTRAP_NEIGHBORS {
        return Err(PlanError::TooManyNeighbors { count: neighbors.len() });
    }
    Ok(neighbors)
}

/// What a resolver is made with.
#[derive(Debug)]
pub struct Means<'a> {
    /// Answers for hosts that the resolver itself does not know: the system's.
    pub hosts: Box<dyn NameResolver>,
    /// Measures how long answers take.
    pub clock: Box<dyn Clock + Send>,
    /// Opens the socket to gossip on.
    pub transports: &'a mut dyn TransportFactory,
    /// Allocates the resolver's counters.
    pub counters: &'a mut CountersManager,
    /// The driver's own counters.
    pub system: &'a SystemCounters,
    /// What is told to those who look for a fault.
    pub events: &'a EventLog,
    /// The time of the start.
    pub now: Now,
}

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
pub enum SupplyError {
    /// A setting cannot be used.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The interface's host is not known.
    #[error("aeron.driver.resolver.interface: {0}")]
    Host(#[from] ResolutionError),
    /// The interface does not exist.
    #[error("aeron.driver.resolver.interface: {0}")]
    Interface(#[from] InterfaceError),
    /// The socket cannot be had.
    #[error("aeron.driver.resolver.interface={interface}: {source}")]
    Open {
        /// The setting.
        interface: String,
        /// What failed.
        source: OpenError,
    },
    /// There is no room for the resolver's counters.
    #[error("{0}; raise aeron.counters.buffer.length")]
    Counters(#[from] CountersError),
}

/// Makes the resolver that is configured.
///
/// # Errors
/// When a setting cannot be used, the socket to gossip on cannot be had, or counters are short.
pub fn supply(context: &Context, means: Means<'_>) -> Result<Box<dyn NameResolver>, SupplyError> {
    let Means { mut hosts, clock, transports, counters, system, events, now } = means;
    let (name, names): (_, Box<dyn NameResolver>) = match Plan::of(context)? {
        Plan::Default => ("default", hosts),
        Plan::CsvTable(rows) => {
            ("csv-table", Box::new(CsvTableNameResolver::new(rows, hosts, counters, now.epoch)?))
        }
        Plan::Driver { interface, settings } => {
            let network = &context.network;
            let bind = bind_address(&interface, &mut *hosts, &*transports.interfaces())?;
            let spec = TransportSpec {
                receive_buffer: network.socket_receive_buffer,
                send_buffer: network.socket_send_buffer,
                traffic_class: network.traffic_class,
                ..TransportSpec::bound(Affinity::Conductor, bind)
            };
            let opened = transports.open(&spec);
            let transport = opened.map_err(|source| SupplyError::Open { interface, source })?;
            let mut names =
                DriverNameResolver::new(settings, hosts, transport, counters, system.clone(), now)?;
            names.log_neighbors(events.clone());
            ("driver", Box::new(names))
        }
    };
    let tracker = StallTracker::new(
        system.name_resolver_max_time.handle().clone(),
        system.name_resolver_time_threshold_exceeded.handle().clone(),
        context.timeouts.name_resolver_threshold,
    );
    Ok(Box::new(TimedNameResolver::new(names, clock, tracker).logging(name, events.clone())))
}

/// The address that an interface setting stands for; a prefix does not matter.
fn bind_address(
    text: &str,
    hosts: &mut dyn NameResolver,
    interfaces: &dyn Interfaces,
) -> Result<SocketAddr, SupplyError> {
    let parameter = "interface";
    match Interface::parse(text).map_err(PlanError::Interface)? {
        Interface::Address { host, port, .. } => {
            let ip = match host {
                Host::Address(ip) => ip,
                Host::Name(name) => hosts.resolve(NameQuery { name, parameter, is_re_resolution: false })?,
            };
            Ok(SocketAddr::new(ip, port))
        }
        Interface::Named { name, port } => {
            let interfaces = interfaces.up()?;
            let of_family = |ipv6| interface::find_by_name(&interfaces, name, ipv6, port);
            let found = of_family(false).or_else(|| of_family(true));
            let missing = || InterfaceError::NoAddress {
                name: name.into(),
                family: "IPv4 or IPv6",
                available: interface::describe(&interfaces),
            };
            Ok(found.ok_or_else(missing)?.address)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Resolver, media::interface::SystemInterfaces};

    fn plan(change: impl FnOnce(&mut Resolver)) -> Result<Plan, String> {
        let mut context = Context::default();
        change(&mut context.resolver);
        Plan::of(&context).map_err(|error| error.to_string())
    }

    fn gossip(name: &str, interface: &str, neighbors: &str) -> Result<Plan, String> {
        plan(|resolver| {
            resolver.kind = ResolverKind::Driver;
            resolver.name = Some(name.into());
            resolver.interface = Some(interface.into());
            resolver.bootstrap_neighbors = Some(neighbors.into());
        })
    }

    #[test]
    fn the_table_is_the_argument_of_the_resolver_or_has_a_setting_of_its_own() {
        let rows = csv::parse("A,1,2").unwrap();
        let table = |init_args: Option<&str>, csv_table: Option<&str>| {
            plan(|resolver| {
                resolver.kind = ResolverKind::CsvTable;
                resolver.init_args = init_args.map(Into::into);
                resolver.csv_table = csv_table.map(Into::into);
            })
        };
        for (init_args, own) in [(Some("A,1,2"), None), (None, Some("A,1,2")), (Some("A,1,2"), Some("B,1,2"))]
        {
            assert_eq!(table(init_args, own), Ok(Plan::CsvTable(rows.clone())));
        }
        let error = table(None, None).unwrap_err();
        assert!(error.contains("aeron.name.resolver.init.args") && error.contains("no row"), "{error}");
    }

    #[test]
    fn gossip_takes_several_neighbours_to_start_from() {
        let Ok(Plan::Driver { interface, settings }) = gossip("A", "0.0.0.0:8050", "b:8050,[::1]:8051,")
        else {
            panic!("these settings can be used")
        };
        assert_eq!((interface.as_str(), settings.name.as_str()), ("0.0.0.0:8050", "A"));
        assert_eq!(settings.bootstrap_neighbors, ["b:8050", "[::1]:8051"]);
        assert!(gossip("A", "localhost:8050", "").is_ok() && gossip("A", "{lo}:8050", "").is_ok());
    }

    #[test]
    fn settings_of_gossip_that_cannot_be_used_are_named() {
        let many = vec!["b:1"; MAX_BOOTSTRAP_NEIGHBORS + 1].join(",");
        for ((name, interface, neighbors), expected) in [
            (
                ("", "0.0.0.0:8050", ""),
                "aeron.driver.resolver.interface=0.0.0.0:8050 needs aeron.driver.resolver.name",
            ),
            (("", "", ""), "supplier=driver needs aeron.driver.resolver.name"),
            (("A", "", ""), "supplier=driver needs aeron.driver.resolver.interface"),
            (("A", "0.0.0.0:x", ""), "aeron.driver.resolver.interface: invalid address '0.0.0.0:x'"),
            (("A", "0.0.0.0:8050", &many), "21 neighbours are more than 20"),
            ((&"n".repeat(513), "0.0.0.0:8050", ""), "513 bytes is longer than 512"),
        ] {
            let error = gossip(name, interface, neighbors).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_interface_may_be_an_address_a_host_or_a_device() {
        use crate::name_resolution::DefaultNameResolver;
        let bind =
            |text: &str| bind_address(text, &mut DefaultNameResolver, &SystemInterfaces).unwrap().to_string();
        assert_eq!(bind("0.0.0.0:8050"), "0.0.0.0:8050");
        assert_eq!(bind("localhost:8050/24"), "127.0.0.1:8050");
        assert_eq!(bind("[::1]:8050"), "[::1]:8050");
        assert_eq!(bind("{lo}:8050"), "127.0.0.1:8050");
    }
}
