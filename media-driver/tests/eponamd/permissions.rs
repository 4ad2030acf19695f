//! What other users of the machine may do with what a driver makes. Shown with users that have no name, which takes root.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    process::{Driver, until, workspace},
    skip::skipped,
};

/// Users of the machine.
const OURS: u32 = 64_001;
const OTHER: u32 = 64_002;

/// A command that another program continues, as a user.
fn as_user(user: u32) -> Command {
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]);
    command
}

/// A place like `/dev/shm`, where everybody makes what only its maker can delete, with a copy of the program that every
/// user can start; nothing where this process cannot be other users.
fn common_place() -> Option<TempDir> {
    let workspace = workspace();
    fs::set_permissions(workspace.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    let can_be_others =
        as_user(OTHER).arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !can_be_others {
        skipped("this user cannot be others");
        return None;
    }
    fs::copy(env!("CARGO_BIN_EXE_eponamd"), workspace.path().join("eponamd")).unwrap();
    Some(workspace)
}

/// A driver of [`OURS`] that makes files with a umask.
fn driver_with_umask(workspace: &TempDir, directory: &Path, umask: &str) -> Driver {
    let mut command = as_user(OURS);
    command.arg("sh").arg("-c").arg(format!("umask {umask}; exec \"$0\" \"$@\""));
    command.arg(workspace.path().join("eponamd"));
    Driver::spawn(command, workspace, directory, &[])
}

/// Whether [`OTHER`] can do something with a file, by the word of `test`.
fn other_can(operation: &str, path: &Path) -> bool {
    as_user(OTHER).arg("test").arg(operation).arg(path).status().unwrap().success()
}

/// Everything that a driver with a stream has made.
fn made(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut all = vec![directory.to_owned()];
    let mut next = 0;
    while next < all.len() {
        if all[next].is_dir() {
            all.extend(fs::read_dir(&all[next]).unwrap().map(|entry| entry.unwrap().path()));
        }
        next += 1;
    }
    all
}

#[test]
fn what_other_users_may_do_is_what_the_umask_of_the_driver_leaves_them() {
    let Some(workspace) = common_place() else { return };
    for (umask, can_read) in [("022", true), ("077", false)] {
        let directory = workspace.path().join(umask);
        let driver = driver_with_umask(&workspace, &directory, umask);
        // Root's client reaches it in spite of the umask.
        let aeron = driver.connect();
        let subscription = aeron.add_subscription("aeron:udp?endpoint=127.0.0.1:0", 1).unwrap();
        let channel = until("a port", || subscription.local_socket_addresses().pop());
        let publication = aeron.add_publication(&format!("aeron:udp?endpoint={channel}"), 1).unwrap();
        until("an image", || (publication.is_connected() && subscription.image_count() == 1).then_some(()));
        let made = made(&directory);
        // Two directories, two logs, two bells, `cnc.dat`, the loss report, and the directory of it all.
        assert_eq!(made.len(), 9, "{made:?}");
        for path in made {
            assert!(!other_can("-w", &path), "{umask}: {}", path.display());
            // Who takes something out of a bell keeps it from the driver.
            let can_read = can_read && path.extension().is_none_or(|extension| extension != "bell");
            assert_eq!(other_can("-r", &path), can_read, "{umask}: {}", path.display());
        }
    }
}

#[test]
fn a_directory_below_one_that_its_user_cannot_write_is_refused() {
    let Some(workspace) = common_place() else { return };
    let locked = workspace.path().join("locked");
    fs::create_dir(&locked).unwrap();
    let text = driver_with_umask(&workspace, &locked.join("aeron"), "022").refusal();
    assert!(text.contains("this user can write"), "{text}");
    assert!(!locked.join("aeron").exists());
}

#[test]
fn a_directory_that_somebody_else_has_made_before_is_warned_about() {
    let Some(workspace) = common_place() else { return };
    let directory = workspace.path().join("aeron");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
    chown(&directory, Some(OTHER), Some(OTHER)).unwrap();
    let driver = driver_with_umask(&workspace, &directory, "022");
    driver.cnc();
    until("a warning", || driver.stderr().contains("belongs to the user with id 64002").then_some(()));
    drop(driver);

    // A file that the other has put there cannot be deleted, and is not written through.
    fs::remove_dir_all(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o1777)).unwrap();
    chown(&directory, Some(OTHER), Some(OTHER)).unwrap();
    let target = workspace.path().join("target");
    fs::write(&target, "untouched").unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o666)).unwrap();
    std::os::unix::fs::symlink(&target, directory.join("loss-report.dat")).unwrap();
    let text = driver_with_umask(&workspace, &directory, "022").refusal();
    assert!(text.contains("loss-report.dat"), "{text}");
    assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
}
