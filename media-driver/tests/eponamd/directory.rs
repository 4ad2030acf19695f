//! Directories that cannot be had.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use epona_client::{Aeron, ErrorCode};
use epona_protocol::{
    cnc::{CNC_FILE, SemanticVersion},
    error_log,
};

use crate::{
    process::{Driver, client_context, cnc_of, refused, until, workspace},
    skip::skipped,
    small_disk::{mount_point, with_small_file_system, with_small_file_system_and},
    traffic::{exchange, free_port},
};

#[test]
fn a_second_driver_in_one_directory_is_refused_and_the_first_lives_on() {
    let workspace = workspace();
    let driver = Driver::start(&workspace, &[]);
    let aeron = driver.connect();
    let text = Driver::start(&workspace, &[]).refusal();
    assert!(text.contains("Active media driver detected"), "{text}");
    assert!(text.contains(&driver.directory().join(CNC_FILE).display().to_string()), "{text}");
    let mut subscription = aeron.add_subscription("aeron:ipc", 1).unwrap();
    exchange(&aeron.add_publication("aeron:ipc", 1).unwrap(), &mut subscription, 20);
    driver.end_healthy();
}

#[test]
fn a_driver_takes_over_from_one_that_has_ended() {
    let workspace = workspace();
    let mut first = Driver::start(&workspace, &[]);
    first.connect();
    first.signal("TERM");
    first.wait();
    let second = Driver::start(&workspace, &[]);
    until("the second driver's file is there", || {
        (second.cnc().metadata().pid == i64::from(second.pid())).then_some(())
    });
    second.connect();
    second.end_healthy();
}

#[test]
fn a_directory_with_things_of_others_is_left_alone() {
    let workspace = workspace();
    let directory = workspace.path().join("mine");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("thesis.txt"), "years of work").unwrap();
    for settings in [&[][..], &["-Daeron.dir.delete.on.start=true"]] {
        let text = Driver::start_in(&workspace, &directory, settings).refusal();
        assert!(text.contains("is not an Aeron directory") && text.contains("thesis.txt"), "{text}");
        assert_eq!(fs::read_to_string(directory.join("thesis.txt")).unwrap(), "years of work");
    }
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let workspace = workspace();
    let file = workspace.path().join("file");
    fs::write(&file, "content").unwrap();
    let text = Driver::start_in(&workspace, &file, &[]).refusal();
    assert!(text.contains("is not a directory") && text.contains("aeron.dir"), "{text}");
    let text = Driver::start_in(&workspace, &file.join("below"), &[]).refusal();
    assert!(text.contains(&file.display().to_string()), "{text}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "content");
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let workspace = workspace();
    // Nobody, not even root, makes directories there.
    let text = Driver::start_in(&workspace, Path::new("/proc/eponamd"), &[]).refusal();
    assert!(text.contains("could not create /proc/eponamd"), "{text}");
    assert!(text.contains("set aeron.dir to another directory"), "{text}");

    let locked = workspace.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
    // Permissions do not bind root, who has a driver of another user tried in `permissions.rs`.
    if fs::write(locked.join("probe"), "").is_ok() {
        return;
    }
    let text = Driver::start_in(&workspace, &locked.join("aeron"), &[]).refusal();
    assert!(text.contains("this user can write"), "{text}");
}

#[test]
fn a_directory_of_another_version_is_refused_until_told_to_delete_it() {
    let workspace = workspace();
    let directory = workspace.path().join("aeron");
    fs::create_dir(&directory).unwrap();
    let mut file = vec![0_u8; 8192];
    file[..4].copy_from_slice(&SemanticVersion::new(1, 0, 0).get().to_le_bytes());
    fs::write(directory.join(CNC_FILE), &file).unwrap();
    let text = Driver::start(&workspace, &[]).refusal();
    for part in ["cnc.dat has version 1.0.0, this driver has 0.2.0", "aeron.dir.delete.on.start=true"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(fs::read(directory.join(CNC_FILE)).unwrap(), file);
    let driver = Driver::start(&workspace, &["-Daeron.dir.delete.on.start=true"]);
    until("the new driver's file is there", || {
        (driver.cnc().metadata().pid == i64::from(driver.pid())).then_some(())
    });
    driver.end_healthy();
}

#[test]
fn a_file_that_a_driver_never_finished_is_waited_for_and_then_replaced() {
    let workspace = workspace();
    let directory = workspace.path().join("aeron");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join(CNC_FILE), vec![0; 8192]).unwrap();
    let driver = Driver::start(&workspace, &["-Daeron.driver.timeout=500"]);
    driver.connect();
    driver.end_healthy();
}

#[test]
fn an_empty_file_of_a_driver_is_refused_until_told_to_delete_it() {
    let workspace = workspace();
    let directory = workspace.path().join("aeron");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join(CNC_FILE), "").unwrap();
    let text = Driver::start(&workspace, &["-Daeron.driver.timeout=500"]).refusal();
    assert!(text.contains("cannot be mapped") && text.contains("aeron.dir.delete.on.start"), "{text}");
    let driver = Driver::start(&workspace, &["-Daeron.dir.delete.on.start=true"]);
    driver.connect();
    driver.end_healthy();
}

#[test]
fn a_file_system_without_room_for_the_driver_is_refused() {
    let workspace = workspace();
    let mount = mount_point(&workspace);
    let Some(command) = with_small_file_system(&mount, "2m") else {
        skipped("this user may not mount file systems");
        return;
    };
    let text = Driver::spawn(command, &workspace, &mount.join("aeron"), &[]).refusal();
    for part in
        ["could not set aside ", " bytes for cnc.dat", "aeron.conductor.buffer.length", "No space left"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
}

/// DRV-22
#[test]
fn errors_that_there_is_no_room_to_save_are_printed_and_the_driver_starts() {
    let workspace = workspace();
    let mut first = Driver::start(&workspace, &[]);
    let aeron = first.connect();
    let (_, reason) = refused(aeron.add_publication("aeron:udp?endpoint=127.0.0.1:99999", 1));
    first.signal("TERM");
    first.wait();
    // The old directory is all that there is room for; its own goes when the driver makes it anew.
    let mount = mount_point(&workspace);
    let (old, at) = (first.directory().display(), mount.display());
    let fill = format!(
        "cp -r --sparse=never {old} {at}/aeron && {{ cat /dev/zero > {at}/full 2>/dev/null || true; }}"
    );
    let Some(command) = with_small_file_system_and(&mount, "24m", &fill) else {
        skipped("this user may not mount file systems");
        return;
    };
    let driver = Driver::spawn(command, &workspace, &mount.join("aeron"), &[]);
    let inside = format!("/proc/{}/root{at}/aeron", driver.pid());
    let aeron = until("the driver is there", || Aeron::connect(client_context(Path::new(&inside))).ok());
    aeron.add_subscription("aeron:ipc", 1).unwrap();
    let printed = driver.stderr();
    assert!(printed.contains("could not save existing errors to"), "{printed}");
    assert!(printed.contains(&reason) && printed.contains("1 distinct errors observed"), "{printed}");
}

#[test]
fn a_publication_that_does_not_fit_the_file_system_is_refused_and_the_driver_lives_on() {
    let workspace = workspace();
    let mount = mount_point(&workspace);
    for (settings, what) in [
        (&[][..], "insufficient storage"),
        (
            &["-Daeron.perform.storage.checks=false", "-Daeron.term.buffer.sparse.file=false"],
            "error mapping log file",
        ),
    ] {
        let Some(command) = with_small_file_system(&mount, "32m") else {
            skipped("this user may not mount file systems");
            return;
        };
        let mut driver = Driver::spawn(command, &workspace, &mount.join("aeron"), settings);
        // The driver's own view of its file system.
        let inside = format!("/proc/{}/root{}/aeron", driver.pid(), mount.display());
        let aeron = Aeron::connect(client_context(Path::new(&inside))).unwrap();
        let (code, text) = refused(aeron.add_publication("aeron:ipc?term-length=16m", 1));
        assert_eq!(code, ErrorCode::StorageSpace, "{text}");
        assert!(text.contains(what), "{text}");
        aeron.add_subscription("aeron:ipc", 1).unwrap();
        assert_eq!(
            fs::read_dir(format!("{inside}/publications")).unwrap().count(),
            0,
            "nothing half made stays"
        );
        assert!(driver.is_running());
    }
}

#[test]
fn a_container_with_64_mb_of_shared_memory_takes_one_publication_and_refuses_the_second_with_advice() {
    // Which tests have smaller ones of.
    const DEFAULTS: [&str; 2] = ["-Daeron.term.buffer.length=16m", "-Daeron.counters.buffer.length=8m"];
    let workspace = workspace();
    let mount = mount_point(&workspace);
    let Some(command) = with_small_file_system(&mount, "64m") else {
        skipped("this user may not mount file systems");
        return;
    };
    let mut driver = Driver::spawn(command, &workspace, &mount.join("aeron"), &DEFAULTS);
    let inside = format!("/proc/{}/root{}/aeron", driver.pid(), mount.display());
    let aeron = Aeron::connect(client_context(Path::new(&inside))).unwrap();
    let channel = format!("aeron:udp?endpoint=127.0.0.1:{}", free_port());
    // The driver makes it, at a path that names something else in this process's view of the file systems.
    let made = aeron.add_publication(&channel, 1);
    assert!(matches!(made, Err(epona_client::ClientError::LogBuffer { .. })), "{made:?}");
    let (code, text) = refused(aeron.add_publication(&channel, 2));
    assert_eq!(code, ErrorCode::StorageSpace, "{text}");
    assert!(text.contains("needs 50,335,744 bytes in ") && text.contains(" available; "), "{text}");
    assert!(text.contains("lower aeron.term.buffer.length (now 16 MiB) or term-length"), "{text}");
    aeron.add_subscription("aeron:ipc", 1).unwrap();
    assert!(driver.is_running());
}

#[test]
fn without_checks_a_sparse_log_may_be_larger_than_what_is_free() {
    let workspace = workspace();
    let mount = mount_point(&workspace);
    let Some(command) = with_small_file_system(&mount, "32m") else {
        skipped("this user may not mount file systems");
        return;
    };
    let settings = ["-Daeron.perform.storage.checks=false", "-Daeron.term.buffer.sparse.file=true"];
    let driver = Driver::spawn(command, &workspace, &mount.join("aeron"), &settings);
    let inside = format!("/proc/{}/root{}/aeron", driver.pid(), mount.display());
    let aeron = Aeron::connect(client_context(Path::new(&inside))).unwrap();
    // The driver makes it, at a path that names something else in this process's view of the file systems.
    let made = aeron.add_publication("aeron:ipc?term-length=64m", 1);
    assert!(matches!(made, Err(epona_client::ClientError::LogBuffer { .. })), "{made:?}");
    let (code, text) = refused(aeron.add_publication("aeron:ipc?term-length=64m|sparse=false", 2));
    assert_eq!(code, ErrorCode::StorageSpace, "{text}");
}

#[test]
fn an_image_that_does_not_fit_the_file_system_is_recorded_and_the_driver_lives_on() {
    let workspace = workspace();
    let mount = mount_point(&workspace);
    let Some(command) = with_small_file_system(&mount, "32m") else {
        skipped("this user may not mount file systems");
        return;
    };
    let mut small = Driver::spawn(command, &workspace, &mount.join("aeron"), &[]);
    let inside = format!("/proc/{}/root{}/aeron", small.pid(), mount.display());
    let receiver = Aeron::connect(client_context(Path::new(&inside))).unwrap();
    let channel = format!("aeron:udp?endpoint=127.0.0.1:{}", free_port());
    let _subscription = receiver.add_subscription(&channel, 1).unwrap();

    let large = Driver::start(&workspace, &[]);
    let sender = large.connect();
    let _publication = sender.add_publication(&format!("{channel}|term-length=16m"), 1).unwrap();
    let errors = || {
        let cnc = cnc_of(Path::new(&inside)).unwrap();
        error_log::entries(cnc.error_log()).map(|entry| entry.text).collect::<Vec<_>>()
    };
    until("recorded", || errors().iter().any(|text| text.contains("insufficient storage")).then_some(()));
    receiver.add_subscription("aeron:ipc", 1).unwrap();
    assert!(small.is_running());
}

#[test]
fn logs_that_are_kept_ready_go_with_their_driver_and_those_of_a_killed_one_with_the_next() {
    let workspace = workspace();
    for ending in ["TERM", "KILL"] {
        let mut driver = Driver::start(&workspace, &["-Depona.log.buffer.spares=2"]);
        let aeron = driver.connect();
        let _publication = aeron.add_publication("aeron:ipc", 1).unwrap();
        let spares = driver.directory().join("spares");
        let ready = || fs::read_dir(&spares).is_ok_and(|entries| entries.count() == 2);
        until("two logs are ready", || ready().then_some(()));
        driver.signal(ending);
        driver.wait();
        assert_eq!(spares.exists(), ending == "KILL");
    }
    let driver = Driver::start(&workspace, &["-Daeron.dir.delete.on.start=true"]);
    until("the driver's own file is there", || {
        let cnc = cnc_of(driver.directory())?;
        (cnc.metadata().pid == i64::from(driver.pid())).then_some(())
    });
    assert!(!driver.directory().join("spares").exists());
    driver.end_healthy();
}
