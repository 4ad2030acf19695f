//! The Aeron directory: taken over from a driver that is gone, made anew, deleted at the end.
//!
//! ```text
//! <dir>/cnc.dat                                   created by the driver, see protocol's cnc
//! <dir>/loss-report.dat                           created by the driver, see protocol's loss_report
//! <dir>/publications/<registration id>.logbuffer
//! <dir>/images/<correlation id>.logbuffer
//! <dir>/{conductor,sender}.bell                   FIFOs, where clients may wake threads, see protocol's doorbell
//! <dir>/spares/<number>                           logs that are kept ready, where that is asked for
//! <dir>-<timestamp>-error.log                     errors of the driver before, see saved_errors
//! ```
//!
//! Source: driver spec 8.2, 14.6, shared-memory spec 1.2, 1.3.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use epona_protocol::{
    cnc::{CNC_FILE, CNC_VERSION, Cnc, CncState, NotReady, SemanticVersion},
    doorbell::Door,
    types::{CorrelationId, EpochMillis, RegistrationId},
};

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::{clock::Clock, config};

mod saved_errors;

pub(crate) use saved_errors::timestamp;
pub mod storage;

/// Name of the loss report in the directory.
pub const LOSS_REPORT_FILE: &str = "loss-report.dat";
const PUBLICATIONS: &str = "publications";
const IMAGES: &str = "images";
const SPARES: &str = "spares";
/// How often a file that another driver seems to be creating is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(16);

/// Why a driver cannot have a directory.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// A driver lives there.
    #[error(
        "Active media driver detected: {}, heartbeat {age_ms} ms ago (limit {} ms): stop it, or use another directory with aeron.dir",
        path.display(),
        timeout.as_millis()
    )]
    ActiveDriver {
        /// Its `cnc.dat`.
        path: PathBuf,
        /// Age of its heartbeat.
        age_ms: i64,
        /// Age at which it would be dead.
        timeout: Duration,
    },
    /// Another version of the format, so that nobody can tell whether a driver lives there.
    #[error(
        "{} has version {found}, this driver has {CNC_VERSION}: if no driver is using it, delete the directory or set aeron.dir.delete.on.start=true",
        path.display()
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: SemanticVersion,
    },
    /// A `cnc.dat` that cannot be mapped, for example an empty one.
    #[error(
        "{} cannot be mapped ({reason}): if no driver is using it, delete the directory or set aeron.dir.delete.on.start=true",
        path.display()
    )]
    UnreadableCnc {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A directory that no driver made.
    #[error(
        "{} is not an Aeron directory: it holds no cnc.dat but {found:?}, and would be deleted: set aeron.dir to another one",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// Something else of that name.
    #[error("{} exists and is not a directory: set aeron.dir to another path", path.display())]
    NotADirectory {
        /// What it is called.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("could not {action} {}: {source}{}", path.display(), advice(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            ": set aeron.dir to a directory that this user can write"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            ": set aeron.dir to a file system with more space, or raise the shared memory size"
        }
        _ => ": if that cannot be mended, set aeron.dir to another directory",
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DirectoryError {
    let path = path.to_owned();
    move |source| DirectoryError::Io { action, path, source }
}

/// A directory ready for a driver: empty but for its sub-directories.
#[derive(Debug)]
pub struct DriverDirectory {
    path: PathBuf,
    notices: Vec<String>,
}

impl DriverDirectory {
    /// Takes the directory over: makes sure that no driver lives there, saves the errors of the one before, deletes
    /// what it left and makes everything anew.
    ///
    /// `pause` sleeps; it is called while a `cnc.dat` looks like just being created, up to the driver timeout.
    ///
    /// # Errors
    /// When a driver lives there, when what is there is not a driver's or of another version, or when the system
    /// refuses.
    pub fn take_over(
        settings: &config::Directory,
        clock: &impl Clock,
        mut pause: impl FnMut(Duration),
    ) -> Result<Self, DirectoryError> {
        let path = settings.path.clone();
        let mut notices = Vec::new();
        match fs::metadata(&path) {
            Ok(metadata) if !metadata.is_dir() => return Err(DirectoryError::NotADirectory { path }),
            Ok(_) => {
                if settings.warn_if_exists {
                    notices.push(format!("WARNING: {} exists", path.display()));
                }
                if !settings.delete_on_start {
                    retire(settings, clock, &mut pause, &mut notices)?;
                }
                refuse_foreign(&path)?;
                delete(&path)?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed("look at", &path)(error)),
        }
        for directory in [path.join(PUBLICATIONS), path.join(IMAGES)] {
            fs::create_dir_all(&directory).map_err(failed("create", &directory))?;
        }
        notices.extend(foreign_owner(&path).map_err(failed("look at", &path))?);
        Ok(Self { path, notices })
    }

    /// What there is to tell on standard error: warnings that were asked for, and where old errors went.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of the loss report.
    #[must_use]
    pub fn loss_report(&self) -> PathBuf {
        self.path.join(LOSS_REPORT_FILE)
    }

    /// Deletes everything, as at the end of a driver that was told to.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn delete(self) -> Result<(), DirectoryError> {
        delete(&self.path)
    }
}

/// Path of a publication's log buffer. Source: driver spec 8.4.
#[must_use]
pub fn publication_log(directory: &Path, id: RegistrationId) -> PathBuf {
    directory.join(PUBLICATIONS).join(format!("{id}.logbuffer"))
}

/// Path of an image's log buffer. Source: driver spec 8.4.
#[must_use]
pub fn image_log(directory: &Path, id: CorrelationId) -> PathBuf {
    directory.join(IMAGES).join(format!("{id}.logbuffer"))
}

/// Where log buffers are kept ready for streams to come.
#[must_use]
pub fn spare_logs(directory: &Path) -> PathBuf {
    directory.join(SPARES)
}

/// Makes the FIFOs through which clients wake threads, before there is a `cnc.dat` that clients look for.
///
/// # Errors
/// When the system refuses: then clients wait until threads look by themselves.
pub fn create_doorbells(directory: &Path) -> io::Result<()> {
    for door in Door::ALL {
        let path = door.path(directory);
        mkfifoat(CWD, &path, Mode::from_raw_mode(0o666))?;
        // Who may only read could take rings away: what was left by the mask of the process is for who may write.
        let writers = fs::metadata(&path)?.mode() & 0o222;
        fs::set_permissions(&path, fs::Permissions::from_mode(writers | writers << 1))?;
    }
    Ok(())
}

/// Makes sure that the driver of an existing directory is gone, and saves its errors.
fn retire(
    settings: &config::Directory,
    clock: &impl Clock,
    pause: &mut impl FnMut(Duration),
    notices: &mut Vec<String>,
) -> Result<(), DirectoryError> {
    let Some(cnc) = look_at_cnc(settings, clock, pause)? else { return Ok(()) };
    let now = clock.now().epoch;
    let heartbeat = cnc.driver_heartbeat().unwrap_or(EpochMillis::new(0));
    let age_ms = now.get().saturating_sub(heartbeat.get());
    let path = settings.path.join(CNC_FILE);
    if settings.warn_if_exists {
        notices.push(format!("INFO: Aeron CnC file {} exists", path.display()));
        notices.push(format!("INFO: Aeron driver heartbeat is {age_ms} ms old"));
    }
    if cnc.is_driver_active(now, settings.driver_timeout) {
        return Err(DirectoryError::ActiveDriver { path, age_ms, timeout: settings.driver_timeout });
    }
    notices.extend(saved_errors::save(&cnc, &settings.path, now));
    Ok(())
}

/// The `cnc.dat` of a driver alive or gone; none when there is none, or when it never got initialised.
fn look_at_cnc(
    settings: &config::Directory,
    clock: &impl Clock,
    pause: &mut impl FnMut(Duration),
) -> Result<Option<Cnc>, DirectoryError> {
    let path = settings.path.join(CNC_FILE);
    let deadline = clock.now().nanos + settings.driver_timeout;
    loop {
        let state = Cnc::open(&settings.path).map_err(failed("map", &path))?;
        let not_ready = match state {
            CncState::Ready(cnc) => return Ok(Some(cnc)),
            CncState::VersionMismatch { found } => return Err(DirectoryError::OtherVersion { path, found }),
            CncState::NotReady(NotReady::Missing) => {
                match fs::OpenOptions::new().read(true).write(true).open(&path) {
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(failed("open", &path)(error)),
                    Ok(_) => NotReady::Missing,
                }
            }
            CncState::NotReady(not_ready) => not_ready,
        };
        if clock.now().nanos >= deadline {
            return match not_ready {
                NotReady::TooShort { length: 0 } => {
                    Err(DirectoryError::UnreadableCnc { path, reason: not_ready.to_string() })
                }
                _ => Ok(None),
            };
        }
        pause(POLL_INTERVAL);
    }
}

/// A directory with things in it that no driver made, and without the one file that every driver makes, is not ours.
fn refuse_foreign(path: &Path) -> Result<(), DirectoryError> {
    let mut foreign = None;
    for entry in fs::read_dir(path).map_err(failed("list", path))? {
        let name = entry.map_err(failed("list", path))?.file_name();
        if name == CNC_FILE {
            return Ok(());
        }
        let bells = Door::ALL.map(Door::file_name);
        let ours = [LOSS_REPORT_FILE, PUBLICATIONS, IMAGES, SPARES].into_iter().chain(bells);
        if !ours.into_iter().any(|ours| name == *ours) {
            foreign = Some(name);
        }
    }
    match foreign {
        Some(found) => Err(DirectoryError::Foreign {
            path: path.to_owned(),
            found: found.to_string_lossy().into_owned(),
        }),
        None => Ok(()),
    }
}

/// A warning when the directory is neither this user's, who has just made one in it, nor root's.
fn foreign_owner(path: &Path) -> io::Result<Option<String>> {
    let (owner, user) = (fs::metadata(path)?.uid(), fs::metadata(path.join(IMAGES))?.uid());
    Ok((owner != user && owner != 0).then(|| {
        format!(
            "WARNING: {} belongs to the user with id {owner}, who can replace what the driver and its clients share: \
             set aeron.dir to a directory of the driver's own user",
            path.display()
        )
    }))
}

/// Deletes what is in a directory, then itself unless it is a mount point or a link, which stay, empty.
fn delete(path: &Path) -> Result<(), DirectoryError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed("list", path))?,
    };
    for entry in entries {
        let entry = entry.map_err(failed("list", path))?;
        let is_directory = entry.file_type().map_err(failed("look at", &entry.path()))?.is_dir();
        let entry = entry.path();
        let deleted = if is_directory { fs::remove_dir_all(&entry) } else { fs::remove_file(&entry) };
        deleted.map_err(failed("delete", &entry))?;
    }
    // It is as good as new when it cannot go itself.
    let _ = fs::remove_dir(path);
    Ok(())
}

#[cfg(test)]
mod tests;
