//! Three numbers in one integer.

use core::fmt;

/// A version as Aeron stores it: `major << 16 | minor << 8 | patch`. Source: shared-memory spec 2.2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct SemanticVersion(i32);

impl SemanticVersion {
    /// Composes a version.
    #[must_use]
    pub const fn new(major: u8, minor: u8, patch: u8) -> Self {
        Self(i32::from_be_bytes([0, major, minor, patch]))
    }

    /// Wraps what was read; any number.
    #[must_use]
    pub const fn from_raw(raw: i32) -> Self {
        Self(raw)
    }

    /// The number as stored.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// Changes of it break compatibility.
    #[must_use]
    pub const fn major(self) -> u8 {
        self.0.to_be_bytes()[1]
    }

    /// Changes of it add something.
    #[must_use]
    pub const fn minor(self) -> u8 {
        self.0.to_be_bytes()[2]
    }

    /// Changes of it repair something.
    #[must_use]
    pub const fn patch(self) -> u8 {
        self.0.to_be_bytes()[3]
    }
}

impl fmt::Display for SemanticVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major(), self.minor(), self.patch())
    }
}

impl fmt::Debug for SemanticVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SemanticVersion({self})")
    }
}
