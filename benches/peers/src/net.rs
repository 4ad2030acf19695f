//! Ports and directories that nobody else has.

use std::{io, path::Path};

#[path = "../../../media-driver/tests/support/ports.rs"]
mod ports;
pub use ports::free_port;

/// A new directory in shared memory where there is some, in the temporary directory otherwise; it goes when the
/// value does. The Aeron directory is best put inside it, under a name that does not exist yet.
///
/// # Errors
/// The directory cannot be created.
pub fn scratch_dir() -> io::Result<tempfile::TempDir> {
    let shared_memory = Path::new("/dev/shm");
    let builder = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix("epona-peers-");
        builder
    };
    if shared_memory.is_dir() { builder().tempdir_in(shared_memory) } else { builder().tempdir() }
}
