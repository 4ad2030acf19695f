//! Drivers on a file system that is small, and not seen by others.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use epona_protocol::cnc::CNC_FILE;
use tempfile::TempDir;

use crate::process::{Driver, until};

/// A way to run the driver with a small file system of its own at `mount`; none where this user may not mount.
pub(crate) fn with_small_file_system(mount: &Path, size: &str) -> Option<Command> {
    with_small_file_system_and(mount, size, "true")
}

/// [`with_small_file_system`], where a command of the shell does something before.
pub(crate) fn with_small_file_system_and(mount: &Path, size: &str, command: &str) -> Option<Command> {
    let script =
        format!("mount -t tmpfs -o size={size} tmpfs {} && {command} && exec \"$0\" \"$@\"", mount.display());
    let command = |namespace: &str, program: &str| {
        let mut command = Command::new("unshare");
        command.args([namespace, "sh", "-c", &script, program]);
        command
    };
    ["-m", "-rm"].into_iter().find_map(|namespace| {
        let trial = command(namespace, "true").stderr(Stdio::null()).status();
        let works = trial.is_ok_and(|status| status.success());
        works.then(|| command(namespace, env!("CARGO_BIN_EXE_eponamd")))
    })
}

pub(crate) fn mount_point(workspace: &TempDir) -> PathBuf {
    let mount = workspace.path().join("small");
    fs::create_dir(&mount).unwrap();
    mount
}

/// Makes the directory of such a driver, which is not there for this process, lead to the driver's own view of it: a client
/// here finds what it is told of.
#[track_caller]
pub(crate) fn show(driver: &Driver) {
    let own = driver.directory();
    let inside = PathBuf::from(format!("/proc/{}/root{}", driver.pid(), own.display()));
    until("the driver has made its directory", || inside.join(CNC_FILE).exists().then_some(()));
    symlink(inside, own).unwrap();
}
