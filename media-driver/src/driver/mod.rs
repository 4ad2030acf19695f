//! A whole driver: roles put together, and three ways to run them.
//!
//! | | who calls the roles | directory |
//! | --- | --- | --- |
//! | [`MediaDriver`] | threads of its own, as the threading mode says | as configured |
//! | [`InvokedDriver`] | the embedding program, one turn at a time | as configured |
//! | [`EmbeddedDriver`] | as [`MediaDriver`], in this process | a fresh one, deleted at the end |
//!
//! All three run the same [`Roles`], which a simulator may also step by itself.

mod assembly;
mod cnc;
mod embedded;
mod event_logging;
mod housekeeping;
mod invoked;
mod media_driver;

use std::io;

use epona_protocol::{broadcast, counters::CountersError, ring_buffer};

pub use assembly::{Environment, Roles, assemble};
pub use embedded::{EmbeddedDriver, fresh_directory};
pub use invoked::InvokedDriver;
pub use media_driver::MediaDriver;

use crate::{
    affinity::AffinityError, config::ConfigError, directory::DirectoryError, idle::IdleStrategyError,
    media::interceptor::InterceptorConfigError, name_resolution::SupplyError,
};

/// Why a driver did not start.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Names cannot be resolved as configured.
    #[error(transparent)]
    NameResolver(#[from] SupplyError),
    /// An idle strategy does not exist or its arguments do not fit.
    #[error(transparent)]
    Idle(#[from] IdleStrategyError),
    /// An interceptor does not exist or its arguments do not fit.
    #[error(transparent)]
    Interceptor(#[from] InterceptorConfigError),
    /// The directory cannot be had.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Processors cannot be chosen as configured.
    #[error(transparent)]
    Affinity(#[from] AffinityError),
    /// The system refused something.
    #[error("could not {action}: {source}")]
    System {
        /// What was tried.
        action: String,
        /// What the system said.
        source: io::Error,
    },
    /// The buffer of commands in `cnc.dat` has a length that does not work.
    #[error("{0}; check aeron.conductor.buffer.length")]
    ToDriver(#[from] ring_buffer::CapacityError),
    /// As [`LaunchError::ToDriver`], for the buffer to clients.
    #[error("{0}; check aeron.clients.buffer.length")]
    ToClients(#[from] broadcast::CapacityError),
    /// There is no room for the driver's own counters.
    #[error("{0}; raise aeron.counters.buffer.length")]
    Counters(#[from] CountersError),
}

impl LaunchError {
    fn system(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action: action.into(), source }
    }
}
