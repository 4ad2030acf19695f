//! Client of a media driver: messages between threads, processes and hosts, over shared memory and UDP.
//!
//! Works with Epona's driver, `eponamd`, and with Aeron's, of release 1.53 and up.
//!
//! # A first program
//!
//! Start `eponamd`, then run this. It publishes to itself; put the two halves into two programs to talk between them,
//! and `aeron:udp?endpoint=HOST:20121` in place of `aeron:ipc` to talk between hosts.
//!
//! ```no_run
//! use epona_client::{Aeron, Context, OfferError};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let aeron = Aeron::connect(Context::new())?;
//!     let publication = aeron.add_publication("aeron:ipc", 1001)?;
//!     let mut subscription = aeron.add_subscription("aeron:ipc", 1001)?;
//!
//!     while let Err(refused) = publication.offer(b"hello") {
//!         if !refused.is_temporary() {
//!             return Err(refused.into());
//!         }
//!         std::thread::yield_now();
//!     }
//!
//!     let mut received = 0;
//!     while received == 0 {
//!         received = subscription.poll(
//!             |message, header| println!("{:?} at {}", String::from_utf8_lossy(message), header.position()),
//!             10,
//!         );
//!         std::thread::yield_now();
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # What is what
//!
//! | item | is |
//! | --- | --- |
//! | [`Context`] | settings and handlers, given to [`Aeron::connect`] |
//! | [`Aeron`] | the client; adds everything else |
//! | [`Publication`] | sends messages, from many threads |
//! | [`ExclusivePublication`] | sends messages, from one owner; quicker |
//! | [`Subscription`] | receives the messages of all matching publications |
//! | [`Image`] | one publication as a subscription sees it |
//! | [`Header`] | what a message says about itself, during its handler |
//! | [`FragmentAssembler`] | puts messages longer than one frame together again |
//! | [`BufferClaim`] | space in the log to write a message in place |
//! | [`Counter`] | a number that every process on the machine can read |
//! | [`Pending`] | an answer of the driver that has not arrived yet |
//! | [`Invoker`] | steps the client where it shall have no thread |
//!
//! # How to do it
//!
//! The [`guide`] has a page for each task, with programs to start from: publishing, subscribing, long messages, claims and
//! batches, requests and responses, fan-out, spies, counters, tasks, drivers in tests; and the contract of delivery and
//! back pressure. Whole programs are in `client/examples`.
//!
//! # What to expect
//!
//! - **Order and delivery.** Messages of one publication arrive in order and without gaps, from where the subscription
//!   joined; there is no order between publications. `reliable=false` in a channel allows gaps.
//! - **Back pressure.** An offer never waits. [`OfferError`] says why it was refused, and whether to try again;
//!   [`Publication::explain`] says who is waited for.
//! - **Long messages.** Up to [`Publication::max_payload_length`] a message arrives as one fragment; up to
//!   [`Publication::max_message_length`] it arrives in several, for a [`FragmentAssembler`].
//! - **Threads.** The conductor, on a thread of its own or invoked, talks to the driver and runs all handlers of the
//!   context. Offers and polls run on your threads and never wait for it.
//! - **The end.** Handles close when dropped. Closing while another thread offers or polls is safe. When the driver
//!   dies, handles answer closed within the driver timeout, and the error handler is told.
//!
//! # Features
//!
//! `async`: pending answers are futures, offers can await room, and subscriptions become streams of messages, in any
//! runtime.

#![forbid(unsafe_code)]

mod add;
mod aeron;
mod assembly;
mod clock;
mod cnc_reader;
mod conductor;
mod connect;
mod context;
mod counter;
mod environment;
mod error;
mod explanation;
#[cfg(any(doc, doctest))]
pub mod guide;
mod handlers;
mod header;
mod image;
mod image_handlers;
mod invoker;
#[cfg_attr(not(feature = "async"), expect(dead_code, reason = "nobody waits then"))]
mod link;
mod lookup;
#[cfg(feature = "async")]
mod messages;
mod offer_error;
mod poll;
mod publication;
mod runner;
mod state;
mod status;
mod subscription;

pub use aeron::Aeron;
pub use assembly::{
    ControlledFragmentAssembler, FragmentAssembler, ImageControlledFragmentAssembler, ImageFragmentAssembler,
};
pub use cnc_reader::CncReader;
pub use connect::Connecting;
pub use context::{Context, MAX_CLIENT_NAME_LENGTH};
pub use counter::Counter;
pub use error::ClientError;
pub use explanation::{
    Consumer, HeldBy, ImageExplanation, PublicationExplanation, ReceiverPlace, ReceiverWindow, Receivers,
    SubscriptionExplanation,
};
pub use handlers::{CounterEvent, NewPublication, NewSubscription, PublicationErrorFrame};
pub use header::Header;
pub use image::{Image, MAX_REJECT_REASON_LENGTH};
pub use image_handlers::ImageHandlers;
pub use invoker::Invoker;
pub use link::Pending;
#[cfg(feature = "async")]
pub use messages::{Message, Messages};
pub use offer_error::{BlockOfferError, OfferError};
pub use publication::{ExclusivePublication, Publication};
pub use subscription::Subscription;

pub use epona_protocol::{
    cnc::{CncMetadata, SemanticVersion, TerminationError},
    command::ErrorCode,
    counters::{ChannelStatus, CounterDescriptor, CountersReader},
    error_log::ErrorEntry,
    frame::DataFlags,
    logbuffer::{
        Action, Block,
        appender::{Batch, BlockError, BufferClaim},
    },
    loss_report::LossReportEntry,
    types::{
        ClientId, CorrelationId, CounterId, CounterTypeId, EpochMillis, GroupTag, Mtu, Nanos, Now, Position,
        ReceiverId, RegistrationId, SessionId, StreamId, TermGeometry, TermId, TermLength, TermOffset,
    },
    uri::{ChannelUri, ChannelUriBuilder, ControlMode},
};
