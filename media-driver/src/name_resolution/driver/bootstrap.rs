//! The neighbours that a driver is told to start from.

use std::{net::SocketAddr, time::Duration};

use epona_protocol::{
    counters::{
        AtomicCounter, BootstrapNeighborKey, CountersError, CountersManager, NewCounter,
        bootstrap_neighbor_label,
    },
    types::{CounterTypeId, EpochMillis, Nanos},
};

use super::neighbors::Neighbors;
use crate::{
    media::address::Identity,
    name_resolution::{NameQuery, NameResolver, Report, ResolutionError, resolve_host_and_port},
};

/// Most of them. Source: driver spec 6.9.
pub const MAX_BOOTSTRAP_NEIGHBORS: usize = 20;

#[derive(Debug)]
struct BootstrapNeighbor {
    name: String,
    address: Option<SocketAddr>,
    counter: AtomicCounter,
}

/// Names of neighbours, resolved again from time to time unless they are heard of.
///
/// One name at most per call: looking it up may take long, and whoever waits for the resolver is not to wait for all.
#[derive(Debug)]
pub struct Bootstrap {
    neighbors: Vec<BootstrapNeighbor>,
    /// The next one to look up in this round.
    next: usize,
    is_first_round: bool,
    interval: Duration,
    next_round: Nanos,
}

impl Bootstrap {
    /// The neighbours of a comma-separated list, each with a counter; none is resolved yet.
    ///
    /// # Errors
    /// When there are not enough counters.
    pub fn new(
        names: &[String],
        interval: Duration,
        counters: &mut CountersManager,
        now: (Nanos, EpochMillis),
    ) -> Result<Self, CountersError> {
        let with_counter = |(index, name): (usize, &String)| {
            let counter = counters.allocate(
                now.1,
                &NewCounter {
                    type_id: CounterTypeId::BOOTSTRAP_NEIGHBOR,
                    key: &BootstrapNeighborKey { index: i32::try_from(index).unwrap_or(i32::MAX) }.encode(),
                    label: label(name, None).as_bytes(),
                    registration_id: 0,
                    owner_id: 0,
                    reference_id: 0,
                },
            )?;
            Ok(BootstrapNeighbor { name: name.clone(), address: None, counter })
        };
        let neighbors = names.iter().enumerate().map(with_counter).collect::<Result<_, _>>()?;
        Ok(Self { neighbors, next: 0, is_first_round: true, interval, next_round: now.0 + interval })
    }

    /// Whether every name was looked up at least once.
    pub fn is_ready(&self) -> bool {
        !self.is_first_round
    }

    /// Where those are whose names could be resolved.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.neighbors.iter().filter_map(|neighbor| neighbor.address).collect()
    }

    /// Looks up the next name whose neighbour is not heard of, if it is time; how much was done.
    pub fn resolve_next(
        &mut self,
        now: Nanos,
        heard: &Neighbors,
        names: &mut dyn NameResolver,
        reports: &mut Vec<Report>,
    ) -> usize {
        if self.next >= self.neighbors.len() {
            self.is_first_round = false;
            if now < self.next_round {
                return 0;
            }
            self.next_round = now + self.interval;
            self.next = 0;
        }
        let is_silent = |n: &BootstrapNeighbor| !n.address.is_some_and(|address| heard.contains(address));
        let Some(silent) = self.neighbors[self.next..].iter().position(is_silent) else {
            self.next = self.neighbors.len();
            return 0;
        };
        let at = self.next + silent;
        self.next = at + 1;
        self.is_first_round &= self.next < self.neighbors.len();
        let neighbor = &mut self.neighbors[at];
        let found = look_up(&neighbor.name, names);
        let address = found.as_ref().ok().copied();
        if let Err(error) = found {
            reports.push(Report::Error(error.into()));
        }
        if neighbor.address != address {
            neighbor.address = address;
            reports.push(Report::Label(neighbor.counter.id(), label(&neighbor.name, address)));
        }
        1
    }

    /// Shows in the counters which neighbours are heard of.
    pub fn count(&self, heard: &Neighbors) {
        for neighbor in &self.neighbors {
            let is_heard = neighbor.address.is_some_and(|address| heard.contains(address));
            neighbor.counter.set_release(is_heard.into());
        }
    }
}

fn look_up(name: &str, names: &mut dyn NameResolver) -> Result<SocketAddr, ResolutionError> {
    let query = NameQuery { name, parameter: "bootstrap_neighbor", is_re_resolution: false };
    let unresolved = |reason: String| ResolutionError::UnknownHost {
        parameter: query.parameter.into(),
        name: name.into(),
        reason,
    };
    match resolve_host_and_port(names, query) {
        Ok(address) if address.port() == 0 => Err(unresolved("it needs the port of its resolver".into())),
        Err(ResolutionError::Address { source, .. }) => Err(unresolved(source.to_string())),
        found => found,
    }
}

fn label(name: &str, address: Option<SocketAddr>) -> String {
    let resolved = address.map_or_else(String::new, |address| Identity(address).to_string());
    bootstrap_neighbor_label(name, &resolved)
}
