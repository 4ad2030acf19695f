//! Turning names into addresses.

use std::time::Duration;

use super::{
    kinds::{Choice, Text, Time},
    setting::{MILLISECOND, Setting, effective, field},
};

/// Name resolution, and gossip about names among drivers. Source: driver spec 6.9, 9.2.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolver {
    /// Which resolver answers. Default: the system's.
    pub kind: ResolverKind,
    /// Argument of the resolver, such as the name of a table.
    pub init_args: Option<String>,
    /// Names and addresses for the table resolver.
    pub csv_table: Option<String>,
    /// Name of this driver among its neighbours.
    pub name: Option<String>,
    /// Where this driver gossips, `host:port`; needs a name.
    pub interface: Option<String>,
    /// Neighbours to start from, `host:port`, comma separated.
    pub bootstrap_neighbors: Option<String>,
    /// Silence after which a neighbour is forgotten, at least 1 ms. Default 10 s.
    pub neighbor_timeout: Duration,
    /// How often this driver tells its own name, at least 1 ms. Default 1 s.
    pub self_resolution_interval: Duration,
    /// How often this driver tells what it knows of others, at least 1 ms. Default 2 s.
    pub neighbor_resolution_interval: Duration,
    /// How often the first neighbours' names are resolved again, at least 1 ms. Default 10 s.
    pub bootstrap_neighbor_resolution_interval: Duration,
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            kind: ResolverKind::Default,
            init_args: None,
            csv_table: None,
            name: None,
            interface: None,
            bootstrap_neighbors: None,
            neighbor_timeout: Duration::from_secs(10),
            self_resolution_interval: Duration::from_secs(1),
            neighbor_resolution_interval: Duration::from_secs(2),
            bootstrap_neighbor_resolution_interval: Duration::from_secs(10),
        }
    }
}

/// Which resolver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolverKind {
    /// The system's.
    Default,
    /// Gossip among drivers, then the system's.
    Driver,
    /// A fixed table, then the system's.
    CsvTable,
}

const RESOLVER_KIND: &[(&str, ResolverKind)] = &[
    ("default", ResolverKind::Default),
    ("driver", ResolverKind::Driver),
    ("csv_table", ResolverKind::CsvTable),
    ("aeron_default_name_resolver_supplier", ResolverKind::Default),
    ("aeron_driver_name_resolver_supplier", ResolverKind::Driver),
    ("aeron_csv_table_name_resolver_supplier", ResolverKind::CsvTable),
];

/// Settings of [`super::Context::resolver`].
pub(super) static SETTINGS: &[Setting] = &[
    effective(
        "aeron.name.resolver.supplier",
        &Choice { field: field!(resolver.kind), names: RESOLVER_KIND, is_strict: true },
        "which resolver answers",
    ),
    effective("aeron.name.resolver.init.args", &Text(field!(resolver.init_args)), "argument of the resolver"),
    effective(
        "aeron.name.resolver.csv.lookup.table.args",
        &Text(field!(resolver.csv_table)),
        "names and addresses of the table resolver",
    ),
    effective(
        "aeron.driver.resolver.name",
        &Text(field!(resolver.name)),
        "name of this driver among its neighbours",
    ),
    effective(
        "aeron.driver.resolver.interface",
        &Text(field!(resolver.interface)),
        "where this driver gossips, host:port",
    ),
    effective(
        "aeron.driver.resolver.bootstrap.neighbor",
        &Text(field!(resolver.bootstrap_neighbors)),
        "neighbours to start from, host:port, comma separated",
    ),
    effective(
        "aeron.driver.resolver.neighbor.timeout",
        &Time { field: field!(resolver.neighbor_timeout), min: MILLISECOND },
        "silence after which a neighbour is forgotten",
    ),
    effective(
        "aeron.driver.resolver.self.resolution.interval",
        &Time { field: field!(resolver.self_resolution_interval), min: MILLISECOND },
        "how often this driver tells its name",
    ),
    effective(
        "aeron.driver.resolver.neighbor.resolution.interval",
        &Time { field: field!(resolver.neighbor_resolution_interval), min: MILLISECOND },
        "how often this driver tells what it knows of others",
    ),
    effective(
        "aeron.driver.resolver.bootstrap.neighbor.resolution.interval",
        &Time { field: field!(resolver.bootstrap_neighbor_resolution_interval), min: MILLISECOND },
        "how often first neighbours are resolved again",
    ),
];
