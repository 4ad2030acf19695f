//! The configuration, and what is in the driver's directory already.

use std::{fs, path::Path};

use epona_media_driver::{Context, config::Notice};
use epona_protocol::cnc::{CNC_FILE, CNC_VERSION, Cnc, CncState, NotReady};

use super::finding::Finding;
use crate::look::now;

const SETTINGS: &str = "settings";
const DIRECTORY: &str = "directory";

/// What the driver would say of its settings.
pub(super) fn settings(notices: &[Notice]) -> Vec<Finding> {
    if notices.is_empty() {
        return vec![Finding::ok(SETTINGS, "all are known and fit together")];
    }
    let finding = |notice: &Notice| match notice {
        Notice::Error(text) => Finding::fail(SETTINGS, text, "the driver will not start: change it"),
        other => Finding::warn(SETTINGS, other.to_string(), "change it, or leave it out"),
    };
    notices.iter().map(finding).collect()
}

/// What a driver or a client would make of the directory.
pub(super) fn check(context: &Context) -> Vec<Finding> {
    let path = &context.directory.path;
    let mut findings = vec![check_cnc(context, path)];
    if !path.exists() {
        findings.extend(check_parent(path));
    }
    findings
}

/// Whether a driver runs there.
pub(super) fn is_running(context: &Context) -> bool {
    let state = Cnc::open_to_read(&context.directory.path);
    state.is_ok_and(|state| {
        matches!(state.if_active(now(), context.directory.driver_timeout), CncState::Ready(_))
    })
}

fn check_cnc(context: &Context, path: &Path) -> Finding {
    let file = path.join(CNC_FILE);
    let place = file.display();
    let state = match Cnc::open_to_read(path) {
        Ok(state) => state.if_active(now(), context.directory.driver_timeout),
        Err(error) => {
            let advice = "let this user read it, or use another directory with aeron.dir";
            return Finding::fail(DIRECTORY, format!("cannot read {place}: {error}"), advice);
        }
    };
    match state {
        CncState::Ready(cnc) => Finding::ok(
            DIRECTORY,
            format!("a driver is running there: pid {}, CnC version {}", cnc.metadata().pid, cnc.version()),
        ),
        CncState::VersionMismatch { found } if context.directory.delete_on_start => Finding::warn(
            DIRECTORY,
            format!("{place} has version {found}, this release {CNC_VERSION}"),
            "the driver will delete it, as aeron.dir.delete.on.start says: make sure that nobody uses it",
        ),
        CncState::VersionMismatch { found } => Finding::fail(
            DIRECTORY,
            format!("{place} has version {found}, this release {CNC_VERSION}"),
            "if no driver uses it, delete the directory or set aeron.dir.delete.on.start=true; else use another with aeron.dir",
        ),
        CncState::NotReady(NotReady::Missing) => Finding::ok(DIRECTORY, "no driver has been there"),
        CncState::NotReady(NotReady::Stale { .. }) => {
            Finding::ok(DIRECTORY, "left by a driver that is gone; the next one takes it over")
        }
        CncState::NotReady(reason) => Finding::warn(
            DIRECTORY,
            format!("{place} cannot be used now: {reason}"),
            "if no driver is just starting, delete the directory",
        ),
    }
}

/// Whether a directory could be made.
fn check_parent(path: &Path) -> Option<Finding> {
    let parent = path.ancestors().skip(1).find(|ancestor| ancestor.exists())?;
    let trial = parent.join(format!(".epona-doctor-{}", std::process::id()));
    match fs::create_dir(&trial) {
        Ok(()) => {
            // An empty directory that cannot be removed hurts nobody.
            let _ = fs::remove_dir(&trial);
            None
        }
        Err(error) => Some(Finding::fail(
            DIRECTORY,
            format!("cannot create anything in {}: {error}", parent.display()),
            "let this user write there, or use another directory with aeron.dir",
        )),
    }
}
