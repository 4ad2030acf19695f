//! What the driver tells about itself.

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
