//! What the kernel tells about processors: which are online, which this process may use, and which belong together.
//!
//! ```text
//! <sys>/devices/system/cpu/online                                  processors that run
//! <sys>/devices/system/cpu/cpu<n>/topology/thread_siblings_list    processors of the same core
//! <sys>/devices/system/cpu/cpu<n>/topology/die_id                  its die
//! <sys>/devices/system/cpu/cpu<n>/cache/index3/shared_cpu_list     processors behind the same L3 cache
//! <sys>/fs/cgroup/<group>/cpuset.cpus.effective                    the process's own, group from <proc>/self/cgroup
//! ```
//! Source: driver spec 1.2, 14.5.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{AffinityError, cpu_list::CpuList};

/// Where the kernel's files are mounted.
#[derive(Clone, Debug)]
pub struct Machine {
    sys: PathBuf,
    proc: PathBuf,
}

impl Default for Machine {
    /// This machine: `/sys` and `/proc`.
    fn default() -> Self {
        Self::mounted_at("/sys", "/proc")
    }
}

impl Machine {
    /// One whose files are elsewhere.
    #[must_use]
    pub fn mounted_at(sys: impl Into<PathBuf>, proc: impl Into<PathBuf>) -> Self {
        Self { sys: sys.into(), proc: proc.into() }
    }

    /// Processors that run.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn online(&self) -> Result<CpuList, AffinityError> {
        read_list(&self.sys.join("devices/system/cpu/online"))
    }

    /// Processors that the control group of this process leaves to it: of the nearest group upwards that has a say.
    ///
    /// # Errors
    /// When there is no control group of version 2, or none with a set of processors.
    pub fn cpuset(&self) -> Result<CpuList, AffinityError> {
        let groups = self.proc.join("self/cgroup");
        let text = read(&groups)?;
        let group = unified_group(&text).ok_or(AffinityError::NoControlGroup(groups))?;
        let root = self.sys.join("fs/cgroup");
        for group in Path::new(group).ancestors() {
            // Absolute in the file, and below the mount point here.
            let group = group.strip_prefix("/").unwrap_or(group);
            let path = root.join(group).join("cpuset.cpus.effective");
            if path.exists() {
                return read_list(&path);
            }
        }
        Err(AffinityError::NoCpuset(root))
    }

    /// Other processors of the same core; none when the kernel does not say.
    #[must_use]
    pub fn siblings(&self, cpu: u16) -> Vec<u16> {
        let list = read_list(&self.of(cpu, "topology/thread_siblings_list"));
        list.map(|list| list.iter().filter(|sibling| *sibling != cpu).collect()).unwrap_or_default()
    }

    /// Whether two processors have no L3 cache in common; false when the kernel does not say.
    #[must_use]
    pub fn is_l3_apart(&self, one: u16, other: u16) -> bool {
        one != other
            && read_list(&self.of(one, "cache/index3/shared_cpu_list"))
                .is_ok_and(|shared| !shared.contains(other))
    }

    /// The die that a processor is on; `None` when the kernel does not say.
    #[must_use]
    pub fn die(&self, cpu: u16) -> Option<i32> {
        read(&self.of(cpu, "topology/die_id")).ok()?.trim().parse().ok().filter(|die| *die >= 0)
    }

    fn of(&self, cpu: u16, file: &str) -> PathBuf {
        self.sys.join(format!("devices/system/cpu/cpu{cpu}")).join(file)
    }
}

/// The path of the process in the unified hierarchy, `0::<path>`; one that would lead out of it is none.
fn unified_group(text: &str) -> Option<&str> {
    let group = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    (group.starts_with('/') && !group.split('/').any(|name| name == "..")).then_some(group)
}

fn read(path: &Path) -> Result<String, AffinityError> {
    fs::read_to_string(path)
        .map_err(|source: io::Error| AffinityError::Read { path: path.to_owned(), source })
}

fn read_list(path: &Path) -> Result<CpuList, AffinityError> {
    read(path)?.parse().map_err(|source| AffinityError::List { path: path.to_owned(), source })
}
