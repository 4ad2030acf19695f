//! iceoryx2: publish and subscribe of slices over shared memory.

use super::{super::side::pin, End, Parameters, Result};
use iceoryx2::{
    port::{publisher::Publisher, subscriber::Subscriber},
    prelude::{BackpressureStrategy, NodeBuilder, ServiceName, ipc},
};

/// Messages that a subscriber's buffer holds.
const BUFFER: usize = 1024;

/// A publisher to the other end and a subscriber to it.
pub(crate) struct Iceoryx2 {
    // Gone before what they were made of.
    publisher: Publisher<ipc::Service, [u8], ()>,
    subscriber: Subscriber<ipc::Service, [u8], ()>,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl End for Iceoryx2 {
    fn open(name: &str, is_first: bool, parameters: &Parameters) -> Result<Self> {
        pin(parameters.processors[usize::from(!is_first)])?;
        let node = NodeBuilder::new().create::<ipc::Service>().map_err(text)?;
        let service = |direction: &str| {
            let name = format!("epona-peers/{}/{name}/{direction}", std::process::id());
            let name: ServiceName = name.as_str().try_into().map_err(text)?;
            node.service_builder(&name)
                .publish_subscribe::<[u8]>()
                .enable_safe_overflow(false)
                .subscriber_max_buffer_size(BUFFER)
                .open_or_create()
                .map_err(text)
        };
        let (out, back) = if is_first { ("there", "back") } else { ("back", "there") };
        let publisher = service(out)?
            .publisher_builder()
            .initial_max_slice_len(parameters.length)
            .backpressure_strategy(BackpressureStrategy::DiscardData)
            .create()
            .map_err(text)?;
        let subscriber = service(back)?.subscriber_builder().buffer_size(BUFFER).create().map_err(text)?;
        Ok(Self { publisher, subscriber })
    }

    fn send(&mut self, message: &[u8]) -> Result<bool> {
        let sample = self.publisher.loan_slice_uninit(message.len()).map_err(text)?;
        sample.write_from_slice(message).send().map(|receivers| receivers > 0).map_err(text)
    }

    fn receive(&mut self, on_message: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let sample = self.subscriber.receive().map_err(text)?;
        Ok(sample.map(|sample| on_message(sample.payload())).is_some())
    }
}
