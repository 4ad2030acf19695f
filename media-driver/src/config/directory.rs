//! Where the driver lives.

use std::{env, path::PathBuf, time::Duration};

use epona_protocol::cnc::default_directory;

use super::{
    kinds::{Flag, Millis, Path},
    setting::{Setting, effective, field},
};

/// The Aeron directory, and what happens to one that is there already. Source: driver spec 8.2, 9.2.
#[derive(Clone, Debug, PartialEq)]
pub struct Directory {
    /// Path of the directory. Default: [`default_path`].
    pub path: PathBuf,
    /// Print a warning when the directory exists at start.
    pub warn_if_exists: bool,
    /// Delete an existing directory at start without asking whether a driver is using it.
    pub delete_on_start: bool,
    /// Delete the directory when the driver has ended.
    pub delete_on_shutdown: bool,
    /// A driver whose heartbeat is older than this is dead. Default 10 s; set in whole milliseconds.
    pub driver_timeout: Duration,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            path: default_path(),
            warn_if_exists: false,
            delete_on_start: false,
            delete_on_shutdown: false,
            driver_timeout: Duration::from_secs(10),
        }
    }
}

/// Where clients look for a driver too, unless told otherwise: see [`default_directory`].
#[must_use]
pub fn default_path() -> PathBuf {
    default_directory(&|name| env::var(name).ok())
}

/// Settings of [`super::Context::directory`].
pub(super) static SETTINGS: &[Setting] = &[
    effective("aeron.dir", &Path(field!(directory.path)), "where the driver and its clients meet"),
    effective(
        "aeron.dir.warn.if.exists",
        &Flag(field!(directory.warn_if_exists)),
        "warn when the directory exists at start",
    ),
    effective(
        "aeron.dir.delete.on.start",
        &Flag(field!(directory.delete_on_start)),
        "delete an existing directory at start, even that of a running driver",
    ),
    effective(
        "aeron.dir.delete.on.shutdown",
        &Flag(field!(directory.delete_on_shutdown)),
        "delete the directory when the driver has ended",
    ),
    effective(
        "aeron.driver.timeout",
        &Millis(field!(directory.driver_timeout)),
        "age of the heartbeat at which a driver is dead",
    ),
];
