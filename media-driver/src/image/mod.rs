//! The receiving end of one stream from one source.

pub mod status_message_schedule;
