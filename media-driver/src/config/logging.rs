//! What the driver tells about itself.

use super::{
    kinds::{Flag, Size, Text},
    setting::{NO_NATIVE_CODE, Setting, effective, field, ignored},
};

/// Printing and event logging. Source: driver spec 8.5, 9.2, 9.3.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Logging {
    /// Print the configuration at start. Default false.
    pub print_configuration: bool,
    /// Events to log: names, ids, `all`, `admin` or a mask.
    pub events: Option<String>,
    /// Events to leave out.
    pub disabled_events: Option<String>,
    /// File for events; standard output without one.
    pub file: Option<String>,
    /// Length in bytes at which the file is put aside and a new one starts; 0: never.
    pub file_max_length: u64,
    /// Accepted as Aeron does; nothing is gated by it.
    pub experimental_features: bool,
    /// Shared libraries to load; none ever is.
    pub dynamic_libraries: Option<String>,
}

/// Settings of [`super::Context::logging`].
pub(super) static SETTINGS: &[Setting] = &[
    effective(
        "aeron.print.configuration",
        &Flag(field!(logging.print_configuration)),
        "print the configuration at start",
    ),
    effective(
        "aeron.event.log",
        &Text(field!(logging.events)),
        "events to log: names, ids, all, admin or a mask",
    ),
    effective("aeron.event.log.disable", &Text(field!(logging.disabled_events)), "events to leave out"),
    effective(
        "aeron.event.log.filename",
        &Text(field!(logging.file)),
        "file for events; unset: standard output",
    ),
    effective(
        "aeron.event.log.file.max.length",
        &Size { field: field!(logging.file_max_length), min: 0, max: i64::MAX },
        "length at which that file is put aside; 0: never",
    ),
    effective(
        "aeron.enable.experimental.features",
        &Flag(field!(logging.experimental_features)),
        "accepted; as in Aeron, no feature waits for it",
    ),
    ignored(
        "aeron.driver.dynamic.libraries",
        &Text(field!(logging.dynamic_libraries)),
        "shared libraries to load",
        NO_NATIVE_CODE,
    ),
];
