//! Names of the parameters that mean something. Media and use as in wire spec 11.2; units behind the dash.

/// UDP: where data goes to, or is received - `host:port`.
pub const ENDPOINT: &str = "endpoint";
/// UDP: local address to use - `addr[:port][/prefix]`, `{name}[:port]`.
pub const INTERFACE: &str = "interface";
/// UDP: local address for status messages, or where receivers find a dynamic publication - `host:port`.
pub const CONTROL: &str = "control";
/// How destinations are found - `manual`, `dynamic`, `response`.
pub const CONTROL_MODE: &str = "control-mode";
/// UDP: time to live of multicast datagrams - 0..=255.
pub const TTL: &str = "ttl";
/// Names of channel and entity within the driver - `channelTag[,entityTag]`.
pub const TAGS: &str = "tags";
/// Free text for people.
pub const ALIAS: &str = "alias";
/// Publication: longest frame - size.
pub const MTU: &str = "mtu";
/// Publication: length of a term - size.
pub const TERM_LENGTH: &str = "term-length";
/// Publication: first term of the stream - i32.
pub const INITIAL_TERM_ID: &str = "init-term-id";
/// Publication: term at which to start - i32.
pub const TERM_ID: &str = "term-id";
/// Publication: offset in that term at which to start - bytes, a multiple of 32.
pub const TERM_OFFSET: &str = "term-offset";
/// Session to use, or the only one to receive - i32 or `tag:<entity tag>`.
pub const SESSION_ID: &str = "session-id";
/// Stream, for those who derive a command from the URI - i32.
pub const STREAM_ID: &str = "stream-id";
/// Publication: how long to stay after the last client closed it - duration.
pub const LINGER: &str = "linger";
/// Publication: how far it may run ahead of its consumers - size.
pub const PUBLICATION_WINDOW: &str = "pub-wnd";
/// Whether log buffers are sparse files - bool.
pub const SPARSE: &str = "sparse";
/// Publication: whether heartbeats tell the end of the stream - bool.
pub const EOS: &str = "eos";
/// Publication: whether spies alone make it connected - bool.
pub const SPIES_SIMULATE_CONNECTION: &str = "ssc";
/// UDP publication: flow control - `max`, `min`, `tagged` and options.
pub const FLOW_CONTROL: &str = "fc";
/// UDP publication: concurrent retransmissions - 1..=256.
pub const MAX_RESEND: &str = "max-resend";
/// Publication: what it responds to, or which subscription gets the responses - i64 or `prototype`.
pub const RESPONSE_CORRELATION_ID: &str = "response-correlation-id";
/// Convention between applications, ignored by drivers - `host:port`.
pub const RESPONSE_ENDPOINT: &str = "response-endpoint";
/// UDP subscription: whether lost data is asked for again - bool.
pub const RELIABLE: &str = "reliable";
/// UDP subscription: congestion control - `static`, `cubic`.
pub const CONGESTION_CONTROL: &str = "cc";
/// Subscription: initial receiver window - size.
pub const RECEIVER_WINDOW: &str = "rcv-wnd";
/// UDP subscription: wait before a NAK on unicast - duration.
pub const NAK_DELAY: &str = "nak-delay";
/// Subscription: whether it holds back the stream when slow - bool.
pub const TETHER: &str = "tether";
/// Subscription: whether a stream that was lost may come back - bool.
pub const REJOIN: &str = "rejoin";
/// UDP subscription: whether it behaves as one of many receivers - `true`, `false`, `infer`.
pub const GROUP: &str = "group";
/// UDP subscription: tag by which flow control groups receivers - i64.
pub const GROUP_TAG: &str = "gtag";
/// UDP: SO_SNDBUF - size.
pub const SOCKET_SNDBUF: &str = "so-sndbuf";
/// UDP: SO_RCVBUF - size.
pub const SOCKET_RCVBUF: &str = "so-rcvbuf";
/// UDP: type of service or traffic class of what is sent - 0..=255.
pub const SOCKET_TOS: &str = "so-tos";
/// UDP: transport security, without effect - bool.
pub const ATS: &str = "ats";
/// UDP: whether the kernel may cut up and put together runs of datagrams; Epona's own, ignored by Aeron - bool.
pub const EPONA_OFFLOAD: &str = "epona-offload";
/// How long an untethered subscription may stay behind the window - duration.
pub const UNTETHERED_WINDOW_LIMIT_TIMEOUT: &str = "untethered-window-limit-timeout";
/// How long it is then waited for - duration.
pub const UNTETHERED_LINGER_TIMEOUT: &str = "untethered-linger-timeout";
/// How long it then rests - duration.
pub const UNTETHERED_RESTING_TIMEOUT: &str = "untethered-resting-timeout";
/// UDP subscription: where to put the kernel's receive time - payload offset or `reserved`.
pub const MEDIA_RECEIVE_TIMESTAMP_OFFSET: &str = "media-rcv-ts-offset";
/// UDP subscription: where to put the driver's receive time - payload offset or `reserved`.
pub const CHANNEL_RECEIVE_TIMESTAMP_OFFSET: &str = "channel-rcv-ts-offset";
/// UDP publication: where to put the driver's send time - payload offset or `reserved`.
pub const CHANNEL_SEND_TIMESTAMP_OFFSET: &str = "channel-snd-ts-offset";

/// Keys of which the last occurrence counts; of all others it is the first. Source: wire spec 11.1.
pub(super) const LAST_WINS: [&str; 6] = [ENDPOINT, INTERFACE, CONTROL, CONTROL_MODE, TTL, TAGS];
