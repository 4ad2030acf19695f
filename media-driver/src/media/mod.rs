//! Networks: channels and their addresses, sockets, readiness, and ways to disturb them.
//!
//! ```text
//!   channel text ──ChannelResolver──► UdpChannel ──PortManager──► TransportSpec ──TransportFactory──► Transport
//!                                                                  UdpTransportFactory, SimulatedFactory,
//!                                                                  either within an InterceptingFactory
//! ```

pub mod address;
pub mod interceptor;
pub mod interface;
pub mod poller;
pub mod port_manager;
pub mod simulated;
mod sys;
pub mod timestamps;
pub mod transport;
pub mod udp_channel;
pub mod udp_transport;

pub use poller::{PollOutcome, PollToken, Poller, PollerConfig};
pub use port_manager::{PortManager, PortRange};
pub use transport::{
    Affinity, MAX_BATCH, MAX_SEGMENTS, Multicast, Offload, OffloadRefusal, OpenError, ReceiveBuffers,
    Received, RecvOutcome, SendOutcome, SendRun, Transport, TransportFactory, TransportSpec,
    segments_per_message,
};
pub use udp_channel::{ChannelError, ChannelPurpose, ChannelResolver, UdpChannel};
pub use udp_transport::{UdpTransport, UdpTransportFactory, probe_busy_poll, probe_socket_buffers};
