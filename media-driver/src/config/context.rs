//! [`Context`]: everything that can be configured about a driver, as plain data.

use std::path::PathBuf;

use epona_protocol::types::TermLength;

use super::{
    Buffers, CongestionControl, Directory, Interceptors, Logging, Loss, Network, Resolver, Streams,
    ThreadingMode, Threads, Timeouts,
};
use crate::flow_control::FlowControlConfig;

/// The configuration of a media driver.
///
/// Plain data, grouped by area; every field is public. The defaults are Aeron's. A context made by a program starts
/// from [`Context::default`] and looks at neither the environment nor files; [`Settings`](super::Settings) turns
/// those into a context the way `aeronmd` does.
///
/// ```
/// use epona_media_driver::config::{Context, ThreadingMode};
///
/// let mut context = Context::default().dir("/dev/shm/my-driver").threading_mode(ThreadingMode::Shared);
/// context.buffers.sparse_term_files = false;
/// assert!(context.validate().is_ok());
/// ```
///
/// Source: driver spec 9.2, 14.5.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Context {
    /// Where the driver lives, and what happens to a directory that is there already.
    pub directory: Directory,
    /// Shared-memory files: their lengths, and how terms are laid out.
    pub buffers: Buffers,
    /// Sockets, datagrams, and how often they are looked at.
    pub network: Network,
    /// What streams are like unless their channel says otherwise.
    pub streams: Streams,
    /// How long things may take, or live on.
    pub timeouts: Timeouts,
    /// How senders follow receivers.
    pub flow_control: FlowControlConfig,
    /// How receivers size their window.
    pub congestion_control: CongestionControl,
    /// Asking for, and sending again, what was lost.
    pub loss: Loss,
    /// Threads, their idling, and where they run.
    pub threads: Threads,
    /// Turning names into addresses.
    pub resolver: Resolver,
    /// What stands between the driver and its sockets, for tests.
    pub interceptors: Interceptors,
    /// What the driver tells about itself.
    pub logging: Logging,
}

impl Context {
    /// Sets the Aeron directory.
    #[must_use]
    pub fn dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory.path = path.into();
        self
    }

    /// Sets whether a directory that exists is deleted at start, even under a running driver.
    #[must_use]
    pub fn delete_dir_on_start(mut self, delete: bool) -> Self {
        self.directory.delete_on_start = delete;
        self
    }

    /// Sets whether the directory is deleted when the driver has ended.
    #[must_use]
    pub fn delete_dir_on_shutdown(mut self, delete: bool) -> Self {
        self.directory.delete_on_shutdown = delete;
        self
    }

    /// Sets which agents share a thread.
    #[must_use]
    pub fn threading_mode(mut self, mode: ThreadingMode) -> Self {
        self.threads.mode = mode;
        self
    }

    /// Sets the term length of network and IPC publications alike.
    #[must_use]
    pub fn term_lengths(mut self, length: TermLength) -> Self {
        self.buffers.term_length = length;
        self.buffers.ipc_term_length = length;
        self
    }
}
