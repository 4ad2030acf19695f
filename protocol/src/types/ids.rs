//! Identifiers: opaque, copyable, never mixed up with each other.

use core::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name($inner);

        impl $name {
            /// Wraps the raw value.
            #[inline]
            #[must_use]
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// The raw value, as it stands on the wire or in shared memory.
            #[inline]
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id! {
    /// Identifies one publication's stream among others on the same channel and stream id. Any `i32`.
    SessionId(i32)
}
id! {
    /// Chosen by the application to tell streams on one channel apart. Any `i32`.
    StreamId(i32)
}
id! {
    /// Ties a command to its answer; unique within a driver's lifetime. Source: shared-memory spec 3.6.
    CorrelationId(i64)
}
id! {
    /// Correlation id of the command that created a resource, and so the name of that resource.
    RegistrationId(i64)
}
id! {
    /// A client of the driver; drawn from the same sequence as correlation ids.
    ClientId(i64)
}
id! {
    /// A receive channel endpoint of a driver, as it names itself in status messages. Source: wire spec 1.7.
    ReceiverId(i64)
}
id! {
    /// Tag by which flow control groups receivers. Source: wire spec 1.7, 5.4.
    GroupTag(i64)
}
id! {
    /// Index of a counter in the counters buffers; 0 and up, -1 for none. Source: shared-memory spec 5.
    CounterId(i32)
}
id! {
    /// Registered kind of a counter. Source: shared-memory spec 5.7.
    CounterTypeId(i32)
}

impl CounterId {
    /// "No counter", as written into events. Source: shared-memory spec 10.5.
    pub const NULL: Self = Self::new(-1);
}

impl CorrelationId {
    /// The registration id that a resource gets from the command which created it.
    #[inline]
    #[must_use]
    pub const fn as_registration_id(self) -> RegistrationId {
        RegistrationId::new(self.get())
    }
}
