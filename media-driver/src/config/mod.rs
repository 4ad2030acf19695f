//! Configuration: what can be set, where it is read from, what it must satisfy, how it is shown.
//!
//! | file | holds |
//! | --- | --- |
//! | [`Context`] | the whole configuration; one sub-struct per area, in the file of its name, with its settings |
//! | [`table`] | every setting: name, field, limits, meaning; [`setting`] says what one is, `kinds` what it may hold |
//! | [`sources`] | environment, `-D`, files and URLs, and what wins; [`properties`] and [`http`] read them |
//! | [`validate`] | what must hold between settings before a driver starts |
//! | [`mod@print`], [`report`] | the dump of Aeron's C driver; the one for people |
//! | [`limits`], [`values`] | shared bounds and types that keep them; sizes, durations and numbers |

mod buffers;
mod congestion_control;
mod context;
mod directory;
mod flow_control;
pub mod http;
mod interceptors;
mod kinds;
pub mod limits;
mod logging;
mod loss;
mod nearest;
mod network;
pub mod print;
pub mod properties;
pub mod report;
mod resolver;
pub mod setting;
pub mod sources;
mod streams;
pub mod table;
mod threads;
mod timeouts;
pub mod validate;
pub mod values;

pub use buffers::{Buffers, COUNTERS_PER_STEP};
pub use congestion_control::{CongestionControl, CongestionControlStrategy};
pub use context::Context;
pub use directory::{Directory, default_path};
pub use epona_protocol::{
    logbuffer::{PageSize, PageSizeError},
    uri::InferableBool,
};
pub use interceptors::Interceptors;
pub use logging::Logging;
pub use loss::Loss;
pub use network::Network;
pub use resolver::{Resolver, ResolverKind};
pub use setting::{Setting, Status, variable_name};
pub use sources::{Notice, Settings, Source, SourceError};
pub use streams::Streams;
pub use table::settings;
pub use threads::{IdleSettings, TerminationValidator, ThreadNaming, ThreadingMode, Threads};
pub use timeouts::Timeouts;
pub use validate::{ConfigError, ProbedSocketBuffers};

#[cfg(test)]
mod tests;
