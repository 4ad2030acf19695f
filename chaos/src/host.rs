//! Where drivers and clients run: hosts with a network and a small disk of their own where the system allows that, else
//! directories on the loopback.

use crate::namespace::Network;
use std::{
    fs,
    io::{self, Write},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
};

/// What names of workspaces begin with; the process id of their maker follows.
const PREFIX: &str = "epona-chaos-";

/// Room for a driver's directory with the logs of all streams, several times over.
const DISK: &str = "size=40m";

/// A host.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// Its address.
    pub(crate) address: String,
    /// Its network namespace, if it has one.
    namespace: Option<String>,
    /// Its disk.
    disk: PathBuf,
}

impl Host {
    /// The Aeron directory of its driver.
    pub(crate) fn dir(&self) -> PathBuf {
        self.disk.join("aeron")
    }

    /// This program, started there.
    pub(crate) fn command(&self) -> io::Result<Command> {
        let program = std::env::current_exe()?;
        Ok(match &self.namespace {
            // It becomes the program, and keeps its process id.
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(program);
                command
            }
            None => Command::new(program),
        })
    }

    /// Fills its disk, or makes room again.
    pub(crate) fn set_full(&self, is_full: bool) -> io::Result<()> {
        let filler = self.disk.join("filler");
        if !is_full {
            return fs::remove_file(filler);
        }
        let mut file = fs::File::create(filler)?;
        let mut length = 1 << 20;
        while length > 0 {
            match file.write(&vec![1; length]) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => length /= 2,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// All hosts; what was made for them goes with the value.
#[derive(Debug)]
pub(crate) struct World {
    network: Option<Network>,
    disks: Vec<PathBuf>,
    workspace: PathBuf,
    /// The hosts.
    pub(crate) hosts: Vec<Host>,
    /// What cannot be done here, in words.
    pub(crate) obstacles: Vec<String>,
}

impl World {
    /// Makes two hosts: with namespaces and disks where that is possible and wanted.
    pub(crate) fn new(loopback: bool) -> io::Result<Self> {
        let parent = if Path::new("/dev/shm").is_dir() { "/dev/shm".into() } else { std::env::temp_dir() };
        remove_orphans(&parent);
        let workspace = parent.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir_all(&workspace)?;
        let mut world =
            Self { network: None, disks: Vec::new(), workspace, hosts: Vec::new(), obstacles: Vec::new() };
        let network_obstacle = if loopback { Some("--loopback") } else { Network::obstacle() };
        match network_obstacle {
            None => world.network = Some(Network::new(2)?),
            Some(obstacle) => world.obstacles.push(format!("links stay up: {obstacle}")),
        }
        for index in 0..2 {
            let disk = world.workspace.join(format!("host-{index}"));
            fs::create_dir_all(&disk)?;
            if world.network.is_some() {
                match mount(&disk) {
                    Ok(()) => world.disks.push(disk.clone()),
                    Err(error) => world.obstacles.push(format!("disks stay empty: {error}")),
                }
            }
            let on_network = world.network.as_ref().map(|network| &network.hosts()[index]);
            world.hosts.push(Host {
                address: on_network.map_or_else(|| Ipv4Addr::LOCALHOST.to_string(), |host| host.address()),
                namespace: on_network.map(|host| host.namespace().to_owned()),
                disk,
            });
        }
        Ok(world)
    }

    /// A file for what a process writes to standard error.
    pub(crate) fn log_file(&self, name: &str) -> PathBuf {
        self.workspace.join(format!("{name}.log"))
    }

    /// Whether links can be cut.
    pub(crate) fn has_links(&self) -> bool {
        self.network.is_some()
    }

    /// Whether disks can be filled.
    pub(crate) fn has_disks(&self) -> bool {
        self.disks.len() == self.hosts.len()
    }

    /// Cuts the link of a host, or mends it.
    pub(crate) fn set_link(&self, host: usize, up: bool) -> io::Result<()> {
        match &self.network {
            Some(network) => network.set_link(&network.hosts()[host], up),
            None => Ok(()),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Nothing can be done about refusals; the next run tries again.
        for disk in &self.disks {
            let _ = unmount(disk);
        }
        let _ = fs::remove_dir_all(&self.workspace);
    }
}

/// Removes what processes left that ended without doing so.
fn remove_orphans(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(maker) = name.strip_prefix(PREFIX) else { continue };
        if !Path::new("/proc").join(maker).exists() {
            for index in 0..2 {
                let _ = unmount(&entry.path().join(format!("host-{index}")));
            }
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn mount(disk: &Path) -> io::Result<()> {
    run(Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "epona-chaos"]).arg(disk))
}

fn unmount(disk: &Path) -> io::Result<()> {
    run(Command::new("umount").arg("-l").arg(disk))
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
