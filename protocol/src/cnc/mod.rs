//! The command and control file, `cnc.dat`: where clients and tools meet a driver.

mod cnc_file;
mod default_directory;
mod descriptor;
mod semantic_version;
mod termination;

pub use cnc_file::{Cnc, CncState, NotReady};
pub use default_directory::default_directory;
pub use descriptor::{
    CNC_FILE, CNC_VERSION, CncError, CncLengths, CncMetadata, MAX_FILE_LENGTH, META_DATA_LENGTH,
    PublishedVersion,
};
pub use semantic_version::SemanticVersion;
pub use termination::{MAX_TOKEN_LENGTH, TERMINATE_DRIVER, TerminationError, request_termination};

#[cfg(not(loom))]
#[cfg(test)]
mod tests;
