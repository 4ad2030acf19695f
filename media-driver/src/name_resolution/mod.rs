//! From the names in channels to addresses.
//!
//! ```text
//!   endpoint=NAME ──lookup──► host:port ──resolve──► address:port
//! ```
//!
//! Both steps may take long, so they happen on the native resource agent. Source: driver spec 6.9, wire spec 9.
//!
//! | `aeron.name.resolver.supplier` | answers with | else |
//! | --- | --- | --- |
//! | `default` | [`DefaultNameResolver`]: what the system knows | |
//! | `csv_table` | [`csv`]: a table of names, each with two hosts to choose from while running | the system |
//! | `driver` | [`driver`]: what drivers tell each other of their names | the system |
//!
//! [`supply`] makes the configured one, and wraps it so that slow answers show in counters.

pub mod csv;
mod default;
pub mod driver;
mod supplier;
mod timed;

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, SocketAddr},
};

use epona_protocol::{
    command::ErrorCode,
    types::{CounterId, Now},
    uri::address::{AddressError, Host, HostPort},
};

pub use default::DefaultNameResolver;
pub use supplier::{Means, Plan, PlanError, SupplyError, supply};
pub use timed::TimedNameResolver;

use crate::error::DriverError;

/// A question to a resolver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameQuery<'a> {
    /// The name; for [`NameResolver::lookup`] with its port, if it has one.
    pub name: &'a str,
    /// The channel parameter it comes from, such as `endpoint`.
    pub parameter: &'a str,
    /// Whether the name was resolved before and is asked for again because its peer fell silent.
    pub is_re_resolution: bool,
}

/// Why a name has no address.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ResolutionError {
    /// No resolver knows the name. Programs look for the words of Aeron's Java driver (`unresolved`) and of its C driver.
    #[error("unresolved - {parameter}={name}: Unable to resolve host: {reason}")]
    UnknownHost {
        /// The channel parameter.
        parameter: String,
        /// The name.
        name: String,
        /// What the resolver said.
        reason: String,
    },
    /// The text is not `host:port`.
    #[error("{parameter}: {source}")]
    Address {
        /// The channel parameter.
        parameter: String,
        /// What is wrong.
        source: AddressError,
    },
}

impl From<ResolutionError> for DriverError {
    fn from(error: ResolutionError) -> Self {
        let code = match error {
            ResolutionError::UnknownHost { .. } => ErrorCode::UnknownHost,
            ResolutionError::Address { .. } => ErrorCode::GenericError,
        };
        Self::new(code, error.to_string())
    }
}

/// Finds addresses. Used by one thread, which may be kept waiting.
pub trait NameResolver: Send + fmt::Debug {
    /// What a name with its port stands for, as `host:port`; itself unless the resolver has names of its own.
    ///
    /// # Errors
    /// [`ResolutionError::UnknownHost`], when the resolver knows that there is no such name.
    fn lookup<'a>(&mut self, query: NameQuery<'a>) -> Result<Cow<'a, str>, ResolutionError> {
        Ok(Cow::Borrowed(query.name))
    }

    /// The address of a host.
    ///
    /// # Errors
    /// [`ResolutionError::UnknownHost`].
    fn resolve(&mut self, query: NameQuery<'_>) -> Result<IpAddr, ResolutionError>;

    /// Does what the resolver has to do in the background, and adds to `reports` what others should know; how much it
    /// did.
    fn do_work(&mut self, now: Now, reports: &mut Vec<Report>) -> usize {
        let _ = (now, reports);
        0
    }
}

/// What a resolver's background work leaves to the conductor, which owns error log and labels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Report {
    /// Something that belongs in the error log.
    Error(DriverError),
    /// A counter has a new label.
    Label(CounterId, String),
}

/// The address that a parameter's value stands for.
///
/// # Errors
/// When the value is not `host:port`, or the host has no address.
pub fn resolve_host_and_port(
    resolver: &mut dyn NameResolver,
    query: NameQuery<'_>,
) -> Result<SocketAddr, ResolutionError> {
    let text = resolver.lookup(query)?;
    let parsed = HostPort::parse(&text)
        .map_err(|source| ResolutionError::Address { parameter: query.parameter.into(), source })?;
    let ip = match parsed.host {
        Host::Address(ip) => ip,
        Host::Name(name) => resolver.resolve(NameQuery { name, ..query })?,
    };
    Ok(SocketAddr::new(ip, parsed.port))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Knows fixed names and where others are registered.
    #[derive(Debug)]
    struct Fixed(HashMap<&'static str, &'static str>);

    impl NameResolver for Fixed {
        fn lookup<'a>(&mut self, query: NameQuery<'a>) -> Result<Cow<'a, str>, ResolutionError> {
            Ok(self.0.get(query.name).copied().unwrap_or(query.name).to_owned().into())
        }

        fn resolve(&mut self, query: NameQuery<'_>) -> Result<IpAddr, ResolutionError> {
            DefaultNameResolver.resolve(query)
        }
    }

    fn resolve(resolver: &mut dyn NameResolver, name: &str) -> Result<String, String> {
        let query = NameQuery { name, parameter: "endpoint", is_re_resolution: false };
        let found = resolve_host_and_port(resolver, query);
        found.map(|address| address.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn literal_addresses_and_the_local_host_resolve() {
        let mut resolver = DefaultNameResolver;
        assert_eq!(resolve(&mut resolver, "10.1.2.3:40123"), Ok("10.1.2.3:40123".into()));
        assert_eq!(resolve(&mut resolver, "[fe80::1%eth0]:7"), Ok("[fe80::1]:7".into()));
        assert_eq!(resolve(&mut resolver, "localhost:1"), Ok("127.0.0.1:1".into()), "IPv4 comes first");
    }

    #[test]
    fn an_unknown_host_and_a_bad_port_are_told_apart() {
        let query = |name| NameQuery { name, parameter: "control", is_re_resolution: false };
        let unknown = format!("{}:1", "x".repeat(70));
        let error = resolve_host_and_port(&mut DefaultNameResolver, query(&unknown)).unwrap_err();
        assert!(matches!(error, ResolutionError::UnknownHost { .. }), "{error}");
        assert!(error.to_string().starts_with("unresolved - control=xxx"), "{error}");
        for name in ["localhost", "localhost:", "localhost:70000", "localhost:x"] {
            let error = resolve_host_and_port(&mut DefaultNameResolver, query(name)).unwrap_err();
            assert!(matches!(error, ResolutionError::Address { .. }), "{error}");
            assert!(error.to_string().starts_with("control: invalid address 'localhost"), "{error}");
        }
    }

    #[test]
    fn a_resolver_may_have_names_of_its_own() {
        let mut resolver = Fixed(HashMap::from([("NAME_0", "10.0.0.7:9001"), ("NAME_1", "localhost:9")]));
        assert_eq!(resolve(&mut resolver, "NAME_0"), Ok("10.0.0.7:9001".into()));
        assert_eq!(resolve(&mut resolver, "NAME_1"), Ok("127.0.0.1:9".into()));
        assert_eq!(resolve(&mut resolver, "10.0.0.8:1"), Ok("10.0.0.8:1".into()));
    }
}
