//! What the tests of channel URIs share.

mod address;
mod builder;
mod channel_uri;
mod params;
mod properties;
mod units;

use super::*;

fn parse(uri: &str) -> ChannelUri {
    ChannelUri::parse(uri).unwrap()
}

fn value_error<T: core::fmt::Debug>(result: Result<T, UriError>) -> ValueError {
    match result {
        Err(UriError::Value { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}
