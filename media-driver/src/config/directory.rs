//! Where the driver lives.

use std::{env, path::PathBuf, time::Duration};

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

/// `/dev/shm/aeron-<user>` on Linux, `<temporary directory>/aeron-<user>` elsewhere.
/// Source: shared-memory spec 1.1; the user is the environment's `USER`, then the account's name, then `default`.
#[must_use]
pub fn default_path() -> PathBuf {
    let base = if cfg!(target_os = "linux") { PathBuf::from("/dev/shm") } else { env::temp_dir() };
    base.join(format!("aeron-{}", user_name()))
}

fn user_name() -> String {
    let named = ["USER", "USERNAME"].into_iter().filter(|&name| name == "USER" || cfg!(windows));
    named
        .filter_map(|name| env::var(name).ok())
        .find(|user| !user.is_empty())
        .or_else(account_name)
        .unwrap_or_else(|| "default".to_owned())
}

/// The name of this process's account, from the kernel's view of the process and the accounts file.
fn account_name() -> Option<String> {
    use std::os::unix::fs::MetadataExt;

    let uid = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}
