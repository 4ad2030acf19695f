//! Adding publications, subscriptions and counters: requests whose answers become handles.

use std::sync::Arc;

use epona_protocol::{
    command::Request as DriverRequest,
    types::{CounterTypeId, RegistrationId, SessionId, StreamId},
};

use crate::{
    counter::Counter,
    error::ClientError,
    image_handlers::ImageHandlers,
    link::{Client, Kind, Pending, Registered, submit},
    publication::{ExclusivePublication, Publication},
    subscription::Subscription,
};

pub(crate) fn add_publication(
    client: &Arc<Client>,
    channel: &str,
    stream_id: StreamId,
) -> Result<Pending<Publication>, ClientError> {
    let kind = Kind::Publication { channel: Arc::from(channel), stream_id };
    submit(client, DriverRequest::AddPublication { stream_id, channel }, kind, |registered, client, _| {
        match registered {
            Registered::Publication(state) => Publication::new(state, Arc::clone(client)),
            _ => None,
        }
    })
}

pub(crate) fn add_exclusive_publication(
    client: &Arc<Client>,
    channel: &str,
    stream_id: StreamId,
) -> Result<Pending<ExclusivePublication>, ClientError> {
    let kind = Kind::ExclusivePublication { channel: Arc::from(channel), stream_id };
    submit(
        client,
        DriverRequest::AddExclusivePublication { stream_id, channel },
        kind,
        |registered, client, _| match registered {
            Registered::Publication(state) => ExclusivePublication::new(state, Arc::clone(client)),
            _ => None,
        },
    )
}

pub(crate) fn add_subscription(
    client: &Arc<Client>,
    channel: &str,
    stream_id: StreamId,
    handlers: ImageHandlers,
) -> Result<Pending<Subscription>, ClientError> {
    let handlers = handlers.on(&client.shared);
    let kind = Kind::Subscription { channel: Arc::from(channel), stream_id, handlers };
    submit(client, DriverRequest::AddSubscription { stream_id, channel }, kind, |registered, client, _| {
        match registered {
            Registered::Subscription(state) => Some(Subscription::new(state, Arc::clone(client))),
            _ => None,
        }
    })
}

pub(crate) fn add_counter(
    client: &Arc<Client>,
    type_id: CounterTypeId,
    key: &[u8],
    label: &str,
) -> Result<Pending<Counter>, ClientError> {
    let label = label.as_bytes();
    submit(client, DriverRequest::AddCounter { type_id, key, label }, Kind::Counter, to_counter)
}

pub(crate) fn add_static_counter(
    client: &Arc<Client>,
    type_id: CounterTypeId,
    key: &[u8],
    label: &str,
    registration_id: RegistrationId,
) -> Result<Pending<Counter>, ClientError> {
    let request = DriverRequest::AddStaticCounter { registration_id, type_id, key, label: label.as_bytes() };
    submit(client, request, Kind::StaticCounter { registration_id }, to_counter)
}

fn to_counter(registered: Registered, client: &Arc<Client>, _: RegistrationId) -> Option<Counter> {
    match registered {
        Registered::Counter(state) => Some(Counter::new(state, Arc::clone(client))),
        _ => None,
    }
}

pub(crate) fn next_session_id(
    client: &Arc<Client>,
    stream_id: StreamId,
) -> Result<Pending<SessionId>, ClientError> {
    let request = DriverRequest::NextAvailableSessionId { stream_id };
    submit(client, request, Kind::SessionId { stream_id }, |registered, _, _| match registered {
        Registered::SessionId(session_id) => Some(session_id),
        _ => None,
    })
}
