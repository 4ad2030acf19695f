//! A driver for one program: in its process, in a directory of its own.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{LaunchError, MediaDriver};
use crate::config::{Context, ThreadingMode};

/// A [`MediaDriver`] in a fresh directory that goes when it is closed or dropped; any number may run side by side.
///
/// ```no_run
/// let driver = epona_media_driver::EmbeddedDriver::launch()?;
/// println!("clients attach to {}", driver.directory().display());
/// # Ok::<(), epona_media_driver::driver::LaunchError>(())
/// ```
#[derive(Debug)]
pub struct EmbeddedDriver {
    driver: MediaDriver,
}

impl EmbeddedDriver {
    /// A driver with default settings, all roles on one thread.
    ///
    /// # Errors
    /// As for [`MediaDriver::launch`].
    pub fn launch() -> Result<Self, LaunchError> {
        Self::launch_with(Context::default().threading_mode(ThreadingMode::Shared))
    }

    /// A driver with settings of the caller's, but for the directory.
    ///
    /// # Errors
    /// As for [`MediaDriver::launch`].
    pub fn launch_with(context: Context) -> Result<Self, LaunchError> {
        let context = context.dir(fresh_directory()).delete_dir_on_shutdown(true);
        MediaDriver::launch(context).map(|driver| Self { driver })
    }

    /// The directory that clients attach to.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.driver.directory()
    }

    /// Ends the driver and deletes its directory.
    ///
    /// # Errors
    /// When the directory could not be deleted.
    pub fn close(self) -> Result<(), LaunchError> {
        self.driver.close()
    }
}

/// A path that nothing has been at yet: in shared memory where there is some.
#[must_use]
pub fn fresh_directory() -> PathBuf {
    let shared_memory = Path::new("/dev/shm");
    let parent = if shared_memory.is_dir() { shared_memory.to_owned() } else { env::temp_dir() };
    loop {
        let path = parent.join(format!("aeron-embedded-{}-{:016x}", std::process::id(), fastrand::u64(..)));
        if fs::symlink_metadata(&path).is_err() {
            return path;
        }
    }
}
