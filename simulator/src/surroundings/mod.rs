//! What surrounds the roles of drivers: machines, their systems, the faults of the network, and time.

pub(crate) mod clock;
pub(crate) mod host;
pub(crate) mod network_faults;
pub(crate) mod system;
