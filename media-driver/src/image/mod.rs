//! Images as the conductor sees them. The receiver's half is [`crate::receiver::image`].

pub mod publication_image;
pub mod response_session;
pub mod shared;
pub mod status_message_schedule;
