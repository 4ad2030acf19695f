//! Whether a channel that would share an endpoint asks for what its socket is not. Source: driver spec 2.3, row 10; 2.7;
//! 14.1.
//!
//! What a publication's channel leaves out, it takes as it is; what a subscription's channel leaves out, it takes from
//! the configuration.

use epona_protocol::uri::{TimestampOffset, keys};

use crate::{config::Network, error::DriverError, media::udp_channel::UdpChannel};

/// A channel must not ask for encryption that the driver does not have. Source: driver spec 2.3, row 9.
pub(super) fn check_transport_security(channel: &UdpChannel) -> Result<(), DriverError> {
    if channel.ats() == Some(true) {
        return Err(DriverError::generic(format!(
            "ATS is not enabled and thus ats=true not supported: channel={}",
            channel.text()
        )));
    }
    Ok(())
}

/// Timestamps of a publication's channel.
///
/// # Errors
/// Names the option, with both values; so do all checks here.
pub(super) fn check_send_timestamps(
    requested: &UdpChannel,
    existing: &UdpChannel,
) -> Result<(), DriverError> {
    let (new, old) = (requested.timestamps(), existing.timestamps());
    check_timestamp(
        keys::CHANNEL_SEND_TIMESTAMP_OFFSET,
        new.channel_send,
        old.channel_send,
        (requested, existing),
    )
}

/// Timestamps of a subscription's channel.
///
/// # Errors
/// As above.
pub(super) fn check_receive_timestamps(
    requested: &UdpChannel,
    existing: &UdpChannel,
) -> Result<(), DriverError> {
    let (new, old) = (requested.timestamps(), existing.timestamps());
    check_timestamp(
        keys::MEDIA_RECEIVE_TIMESTAMP_OFFSET,
        new.media_receive,
        old.media_receive,
        (requested, existing),
    )?;
    check_timestamp(
        keys::CHANNEL_RECEIVE_TIMESTAMP_OFFSET,
        new.channel_receive,
        old.channel_receive,
        (requested, existing),
    )
}

/// Socket options of a publication's channel.
///
/// # Errors
/// As above.
pub(super) fn check_send_buffers(
    requested: &UdpChannel,
    existing: &UdpChannel,
    network: &Network,
) -> Result<(), DriverError> {
    let in_effect = existing.effective_receive_buffer(network);
    check_buffer(keys::SOCKET_RCVBUF, requested.receive_buffer(), in_effect, requested)?;
    check_traffic_class(requested, existing, network)?;
    let in_effect = existing.effective_send_buffer(network);
    check_buffer(keys::SOCKET_SNDBUF, requested.send_buffer(), in_effect, requested)
}

/// Socket options of a subscription's channel.
///
/// # Errors
/// As above.
pub(super) fn check_receive_buffers(
    requested: &UdpChannel,
    existing: &UdpChannel,
    network: &Network,
) -> Result<(), DriverError> {
    let asked = requested.effective_send_buffer(network);
    check_buffer(keys::SOCKET_SNDBUF, asked, existing.effective_send_buffer(network), requested)?;
    check_traffic_class(requested, existing, network)?;
    let asked = requested.effective_receive_buffer(network);
    check_buffer(keys::SOCKET_RCVBUF, asked, existing.effective_receive_buffer(network), requested)
}

fn check_timestamp(
    name: &str,
    asked: Option<TimestampOffset>,
    in_effect: Option<TimestampOffset>,
    (requested, existing): (&UdpChannel, &UdpChannel),
) -> Result<(), DriverError> {
    if asked == in_effect {
        return Ok(());
    }
    let text = |offset: Option<TimestampOffset>| {
        offset.map_or_else(|| "none".to_owned(), |offset| offset.to_string())
    };
    Err(DriverError::generic(format!(
        "option conflicts with existing channel: {name}={} existing={} existingChannel={} channel={}",
        text(asked),
        text(in_effect),
        existing.text(),
        requested.text()
    )))
}

fn check_buffer(name: &str, asked: usize, in_effect: usize, channel: &UdpChannel) -> Result<(), DriverError> {
    if asked == 0 || asked == in_effect {
        return Ok(());
    }
    let in_effect = if in_effect == 0 { "OS default".to_owned() } else { in_effect.to_string() };
    Err(mismatch(channel, &format!("{name}={asked}"), &in_effect))
}

fn check_traffic_class(
    requested: &UdpChannel,
    existing: &UdpChannel,
    network: &Network,
) -> Result<(), DriverError> {
    match (requested.traffic_class(), existing.effective_traffic_class(network)) {
        (Some(asked), in_effect) if in_effect != Some(asked) => {
            let in_effect = in_effect.map_or_else(|| "OS default".to_owned(), |tos| tos.to_string());
            Err(mismatch(requested, &format!("{}={asked}", keys::SOCKET_TOS), &in_effect))
        }
        _ => Ok(()),
    }
}

fn mismatch(channel: &UdpChannel, option: &str, in_effect: &str) -> DriverError {
    DriverError::generic(format!(
        "{option} does not match existing value of {in_effect} for the endpoint: channel={}",
        channel.text()
    ))
}
