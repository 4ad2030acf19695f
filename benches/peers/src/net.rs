//! Ports and directories that nobody else has.

use std::{io, net::UdpSocket, path::Path};

/// A UDP port on the loopback that was free a moment ago.
///
/// # Errors
/// The operating system refuses sockets.
pub fn free_port() -> io::Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

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
