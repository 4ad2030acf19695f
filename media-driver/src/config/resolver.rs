//! Turning names into addresses.

use std::time::Duration;

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
