//! Aeron-compatible media driver: moves messages between the log buffers of clients and the network.
//!
//! Four roles do the work, each a plain struct that is stepped with the time as an argument: the [`conductor`]
//! (commands, resources, timers), the [`sender`], the [`receiver`], and the [`native_resource_agent`] (whatever may
//! block). They share no state but queues ([`proxy`]), counters and log buffers.

pub mod active_set;
pub mod affinity;
pub mod clock;
pub mod commands;
pub mod conductor;
pub mod config;
pub mod congestion_control;
pub mod directory;
pub mod driver;
pub mod duty_cycle;
pub mod endpoint_id;
pub mod error;
pub mod event_log;
pub mod flow_control;
pub mod idle;
pub mod image;
pub mod loss;
pub mod media;
pub mod name_resolution;
pub mod native_resource_agent;
pub mod proxy;
pub mod publication;
pub mod re_resolution;
pub mod receiver;
pub mod sender;
pub mod signals;
pub mod status;
pub mod subscribable;
pub mod subscription;
pub mod untethered;

#[cfg(test)]
mod testing;

pub use config::Context;
pub use driver::{EmbeddedDriver, InvokedDriver, LaunchError, MediaDriver};
