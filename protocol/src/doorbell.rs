//! Waking a thread of the driver that sleeps: by clients that know how. Ours; nobody else looks at any of it.
//!
//! ```text
//!   client                       cnc.dat, meta data                         driver's thread
//!                               +56 conductor: i32 ┐ 0 awake, 1 to be woken
//!                               +64 sender:    i32 ┘ (each in a cache line where nothing else changes)
//!   publish; load word == 0  ◄──────────────────────────  store 1, look again, sleep for longer and longer
//!            or else swap 0, ──► <dir>/sender.bell    ──► poll, read, store 0
//!            write one byte      <dir>/conductor.bell     FIFOs: a path of any length, permissions of files
//! ```
//!
//! Aeron leaves these bytes zero, and makes no such FIFOs: its clients wake nobody and its driver is not woken.
//! Whatever stands in either costs a turn or a wake-up too many, or one that is missed and made up for at the driver's next
//! look. Who wakes never waits; both ends are open at both sides, so that no signal tells of a peer that has died.
//!
//! A client on its way may load 0 while what it published is still on its way to memory, and the driver look before it is
//! there and then sleep. No fence keeps them from that, as it would cost each message as much as the rest of it. Time
//! does: the word is raised when a sleep of 64 us begins, and the sleeps after it grow to 1 ms and stay there a hundred times.
//! What was published before the word was found 0 is in memory long before the last of those looks, so that the longest
//! sleeps miss nothing and a miss costs a short one. Who is in less of a hurry has a fence ([`Doorbell::ring`]), and then
//! only the first sleep can miss it.

use core::sync::atomic::compiler_fence;
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    cnc::Cnc,
    memory::AtomicView,
    sync::{Ordering, fence},
};

/// The thread works, or looks by itself soon.
const AWAKE: i32 = 0;
/// The thread sleeps, or is about to.
const ASLEEP: i32 = 1;

/// Bytes taken out of a FIFO at a time: rings of that many clients at once.
const RINGS: usize = 64;

/// A part of the driver that clients may wake; parts on one thread have a door each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// Takes commands.
    Conductor,
    /// Sends what is published over UDP.
    Sender,
}

impl Door {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Conductor, Self::Sender];

    /// Name of its FIFO in the Aeron directory.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Conductor => "conductor.bell",
            Self::Sender => "sender.bell",
        }
    }

    /// Path of its FIFO.
    #[must_use]
    pub fn path(self, directory: &Path) -> PathBuf {
        directory.join(self.file_name())
    }
}

/// Either end of a bell: of who sleeps, and of who wakes. Clones are the same bell.
///
/// Threading: `Send` and `Sync`. One thread sleeps behind each bell, any number ring it.
#[derive(Clone, Debug)]
pub struct Doorbell {
    word: AtomicView,
    fifo: Arc<File>,
}

impl Doorbell {
    /// The bell at a door of the driver whose `cnc.dat` this is, in `directory`.
    ///
    /// # Errors
    /// When there is no FIFO of that name, as with Aeron's driver, or it may not be opened for reading and writing.
    pub fn open(directory: &Path, cnc: &Cnc, door: Door) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
        let fifo = options.open(door.path(directory))?;
        if !fifo.metadata()?.file_type().is_fifo() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a FIFO"));
        }
        Ok(Self { word: cnc.door_word(door), fifo: Arc::new(fifo) })
    }

    /// Wakes the thread behind it, if it sleeps: what was stored before is found by its next turn. A fence, or a system call
    /// that never waits.
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        self.ring_unfenced();
    }

    /// [`Doorbell::ring`] for each message: one load of a cache line that seldom changes while the thread is awake. It may
    /// miss a thread that is just going to sleep, which then looks by itself soon.
    #[inline]
    pub fn ring_unfenced(&self) {
        // Nor may the compiler look at the word any earlier.
        compiler_fence(Ordering::SeqCst);
        let word = self.word.get_i32(0);
        if word != AWAKE {
            self.wake(word);
        }
    }

    #[cold]
    fn wake(&self, word: i32) {
        if self.word.compare_exchange_i32(0, word, AWAKE) {
            // A FIFO that is full wakes too.
            let _ = (&*self.fifo).write(&[1]);
        }
    }

    /// The thread behind it is going to sleep: from now on it is woken. To be followed by a look for what it waits for, be
    /// it after a short sleep.
    pub fn arm(&self) {
        self.word.put_i32(0, ASLEEP);
        fence(Ordering::SeqCst);
    }

    /// The thread behind it is awake, and looks by itself.
    pub fn disarm(&self) {
        self.word.put_i32(0, AWAKE);
    }

    /// Whether somebody has rung since [`Doorbell::arm`].
    #[must_use]
    pub fn has_rung(&self) -> bool {
        self.word.get_i32(0) == AWAKE
    }

    /// Takes what made the FIFO readable out of it, or as much as fits a few rings.
    pub fn silence(&self) {
        let _ = (&*self.fifo).read(&mut [0; RINGS]);
    }
}

impl AsFd for Doorbell {
    /// Readable when somebody has rung.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fifo.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;
    use crate::{
        cnc::{CncLengths, CncMetadata, CncState},
        memory::Allocation,
        types::EpochMillis,
    };

    /// A directory with a `cnc.dat`, which is kept as long as the value.
    struct World {
        directory: tempfile::TempDir,
        cnc: Cnc,
    }

    impl World {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let metadata = CncMetadata {
                lengths: CncLengths::default(),
                client_liveness_timeout: core::time::Duration::from_secs(10),
                start_timestamp: EpochMillis::new(1),
                pid: 1,
                file_page_size: 4096,
            };
            let cnc = Cnc::create(directory.path(), &metadata, Allocation::Sparse).unwrap();
            cnc.publish();
            Self { directory, cnc }
        }

        fn with_bells() -> Self {
            let world = Self::new();
            for door in Door::ALL {
                mkfifoat(CWD, door.path(world.directory.path()), Mode::RWXU).unwrap();
            }
            world
        }

        fn open(&self, door: Door) -> io::Result<Doorbell> {
            Doorbell::open(self.directory.path(), &self.cnc, door)
        }

        /// Both ends of a bell, the second from another mapping of the file.
        fn ends(&self, door: Door) -> (Doorbell, Doorbell) {
            let CncState::Ready(mapped) = Cnc::open(self.directory.path()).unwrap() else {
                panic!("not ready")
            };
            (self.open(door).unwrap(), Doorbell::open(self.directory.path(), &mapped, door).unwrap())
        }
    }

    /// Bytes that wait in the FIFO.
    fn rings(bell: &Doorbell) -> usize {
        (&*bell.fifo).read(&mut [0; RINGS]).unwrap_or(0)
    }

    #[test]
    fn who_sleeps_is_woken_once_by_any_number_of_rings() {
        let world = World::with_bells();
        for door in Door::ALL {
            let (sleeper, client) = world.ends(door);
            client.ring();
            client.ring_unfenced();
            assert_eq!(rings(&sleeper), 0, "{door:?} is awake");
            for ring in [Doorbell::ring, Doorbell::ring_unfenced] {
                sleeper.arm();
                assert!(!sleeper.has_rung());
                (0..3).for_each(|_| ring(&client));
                assert!(sleeper.has_rung());
                assert_eq!(rings(&sleeper), 1, "{door:?}");
            }
        }
    }

    #[test]
    fn who_is_awake_again_is_not_woken() {
        let world = World::with_bells();
        let (sleeper, client) = world.ends(Door::Sender);
        sleeper.arm();
        sleeper.disarm();
        client.ring();
        assert_eq!(rings(&sleeper), 0);
    }

    #[test]
    fn a_bell_is_heard_behind_its_own_door_only() {
        let world = World::with_bells();
        let [conductor, sender] = Door::ALL.map(|door| world.open(door).unwrap());
        conductor.arm();
        sender.arm();
        conductor.ring();
        assert_eq!((rings(&conductor), rings(&sender), sender.has_rung()), (1, 0, false));
    }

    #[test]
    fn rings_are_silenced() {
        let world = World::with_bells();
        let (sleeper, client) = world.ends(Door::Sender);
        for _ in 0..RINGS {
            sleeper.arm();
            client.ring();
        }
        sleeper.silence();
        assert_eq!(rings(&sleeper), 0);
        sleeper.silence();
    }

    #[test]
    fn a_fifo_that_somebody_filled_keeps_nobody_waiting() {
        let world = World::with_bells();
        let (sleeper, client) = world.ends(Door::Sender);
        while (&*client.fifo).write(&[0xff; 512]).is_ok() {}
        sleeper.arm();
        client.ring();
        assert!(sleeper.has_rung() && rings(&sleeper) == RINGS);
    }

    #[test]
    fn any_word_but_zero_wakes_once() {
        let world = World::with_bells();
        let (sleeper, client) = world.ends(Door::Sender);
        for word in [-1, 2, i32::MIN, i32::MAX] {
            sleeper.word.put_i32(0, word);
            client.ring_unfenced();
            client.ring_unfenced();
            assert_eq!((rings(&sleeper), sleeper.has_rung()), (1, true), "{word}");
        }
    }

    #[test]
    fn what_is_no_fifo_is_refused() {
        let world = World::new();
        let path = Door::Sender.path(world.directory.path());
        assert_eq!(world.open(Door::Sender).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&path, b"12345678").unwrap();
        assert_eq!(world.open(Door::Sender).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(fs::read(&path).unwrap(), b"12345678", "left alone");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(world.open(Door::Sender).is_err());
        fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(world.open(Door::Sender).is_err());
    }
}
