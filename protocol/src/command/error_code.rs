//! Why a driver refuses.

use core::fmt;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)+) => {
        /// Error code of an event or of an error frame. Source: shared-memory spec 10.6.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)+
            /// A code that this release does not know.
            Other(i32),
        }

        impl ErrorCode {
            /// The code as it stands in shared memory and on the wire.
            #[must_use]
            pub const fn get(self) -> i32 {
                match self {
                    $(Self::$name => $code,)+
                    Self::Other(code) => code,
                }
            }
        }

        impl From<i32> for ErrorCode {
            fn from(code: i32) -> Self {
                match code {
                    $($code => Self::$name,)+
                    other => Self::Other(other),
                }
            }
        }

        impl fmt::Display for ErrorCode {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => f.write_str($text),)+
                    Self::Other(code) => write!(f, "error {code}"),
                }
            }
        }
    };
}

error_codes! {
    /// No error.
    Unused = 0, "no error";
    /// The channel cannot be parsed, or clashes with one in use.
    InvalidChannel = 1, "invalid channel";
    /// No subscription has this registration id.
    UnknownSubscription = 2, "unknown subscription";
    /// No publication has this registration id.
    UnknownPublication = 3, "unknown publication";
    /// A channel endpoint failed; the correlation id is that of its status counter.
    ChannelEndpointError = 4, "channel endpoint error";
    /// No counter has this registration id.
    UnknownCounter = 5, "unknown counter";
    /// The driver does not know the command.
    UnknownCommandTypeId = 6, "unknown command type id";
    /// The command's fields do not fit its length.
    MalformedCommand = 7, "malformed command";
    /// The driver knows but does not support the command.
    NotSupported = 8, "not supported";
    /// A host name cannot be resolved.
    UnknownHost = 9, "unknown host";
    /// Something is on its way out; try again.
    ResourceTemporarilyUnavailable = 10, "resource temporarily unavailable";
    /// Anything else.
    GenericError = 11, "generic error, see message";
    /// The file system is full.
    StorageSpace = 12, "insufficient storage space";
    /// A subscriber rejected the image.
    ImageRejected = 13, "image rejected";
    /// The publication was revoked.
    PublicationRevoked = 14, "publication revoked";
}
