//! How fields are read from and written to frames: little endian, at fixed offsets.

use crate::types::{GroupTag, ReceiverId, SessionId, StreamId, TermId, TermOffset};

/// A value of fixed size in a frame. With a constant offset inside the array the checks compile away.
pub(super) trait Field: Copy {
    fn read<const N: usize>(frame: &[u8; N], offset: usize) -> Self;
    fn write(self, frame: &mut [u8], offset: usize);
}

macro_rules! integer_fields {
    ($($integer:ty),+) => {$(
        impl Field for $integer {
            #[inline(always)]
            fn read<const N: usize>(frame: &[u8; N], offset: usize) -> Self {
                let mut bytes = [0; size_of::<$integer>()];
                bytes.copy_from_slice(&frame[offset..offset + size_of::<$integer>()]);
                Self::from_le_bytes(bytes)
            }

            #[inline(always)]
            fn write(self, frame: &mut [u8], offset: usize) {
                frame[offset..offset + size_of::<$integer>()].copy_from_slice(&self.to_le_bytes());
            }
        }
    )+};
}

integer_fields!(u8, u16, i16, i32, i64);

macro_rules! wrapped_fields {
    ($($newtype:ty),+) => {$(
        impl Field for $newtype {
            #[inline(always)]
            fn read<const N: usize>(frame: &[u8; N], offset: usize) -> Self {
                Self::new(Field::read(frame, offset))
            }

            #[inline(always)]
            fn write(self, frame: &mut [u8], offset: usize) {
                self.get().write(frame, offset);
            }
        }
    )+};
}

pub(super) use wrapped_fields;

wrapped_fields!(SessionId, StreamId, TermId, TermOffset, ReceiverId, GroupTag);

/// Accessors of a view that keeps its fixed part in `self.header`.
macro_rules! accessors {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $offset:expr,)+) => {$(
        $(#[$doc])*
        #[inline]
        #[must_use]
        pub fn $field(&self) -> $type {
            <$type as $crate::frame::fields::Field>::read(self.header, $offset)
        }
    )+};
}

pub(super) use accessors;

/// A newtype over the flags byte of one kind of frame.
macro_rules! flags {
    ($(#[$doc:meta])* $name:ident { $($(#[$flag_doc:meta])* $flag:ident = $value:expr,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[repr(transparent)]
        pub struct $name(u8);

        impl $name {
            /// No flag set.
            pub const NONE: Self = Self(0);
            $($(#[$flag_doc])* pub const $flag: Self = Self($value);)+

            /// Wraps the raw byte.
            #[inline]
            #[must_use]
            pub const fn new(bits: u8) -> Self {
                Self(bits)
            }

            /// The raw byte.
            #[inline]
            #[must_use]
            pub const fn get(self) -> u8 {
                self.0
            }

            /// Whether every flag of `other` is set.
            #[inline]
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// These flags and those of `other`.
            #[inline]
            #[must_use]
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({:#04x})"), self.0)
            }
        }

        $crate::frame::fields::wrapped_fields!($name);
    };
}

pub(super) use flags;
