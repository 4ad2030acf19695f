//! Names of channel endpoints, the same in every role: the slot that the conductor keeps each in.

/// Slot of a send channel endpoint, the same in conductor and sender.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SendEndpointId(u32);

/// Slot of a receive channel endpoint, the same in conductor and receiver.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ReceiveEndpointId(u32);

macro_rules! slot {
    ($name:ident) => {
        impl $name {
            /// The slot with this index.
            #[must_use]
            pub const fn new(index: u32) -> Self {
                Self(index)
            }

            /// Index of the slot.
            #[inline]
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}
slot!(SendEndpointId);
slot!(ReceiveEndpointId);
