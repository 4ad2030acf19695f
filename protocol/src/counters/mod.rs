//! Counters in shared memory: positions, statistics and states that every process can read.
//!
//! The driver allocates and frees them ([`CountersManager`]); anyone reads them ([`CountersReader`]); whoever owns one
//! writes it through an [`AtomicCounter`].

mod channel_status;
mod confirmation;
mod handle;
mod keys;
mod labels;
mod layout;
mod manager;
mod position;
mod reader;
mod system_counters;
mod type_ids;

pub use channel_status::ChannelStatus;
pub use confirmation::Confirmation;
pub use handle::AtomicCounter;
pub use keys::{
    BootstrapNeighborKey, ChannelKey, HeartbeatKey, Key, LocalSocketAddressKey, NameEntryKey, StreamKey,
    SystemCounterKey,
};
pub use labels::{
    bootstrap_neighbor_label, bound_channel_label, channel_label, heartbeat_client_name, heartbeat_label,
    heartbeat_label_suffix, local_socket_address_label, name_entry_label, resolver_cache_label,
    resolver_neighbors_label, stream_label, subscriber_position_label,
};
pub use layout::{
    MAX_KEY_LENGTH, MAX_LABEL_LENGTH, METADATA_RECORD_LENGTH, NOT_FREE_TO_REUSE, RecordState,
    VALUE_RECORD_LENGTH,
};
pub use manager::{CounterStorage, CountersError, CountersManager, NewCounter};
pub use position::ReadablePosition;
pub use reader::{CounterDescriptor, CountersReader};
pub use system_counters::SystemCounter;

#[cfg(not(loom))]
#[cfg(test)]
mod tests;
