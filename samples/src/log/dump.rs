//! Payloads, as bytes or as text.

use std::io::{self, Write};

use clap::ValueEnum;

use crate::text;

/// Bytes on a line of a dump.
const WIDTH: usize = 16;

/// Where a dump begins on its line.
const INDENT: usize = 14;

/// How to print payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Dump {
    /// Not at all
    None,
    /// As hexadecimal digits, with what can be printed beside them
    Hex,
    /// As UTF-8, with what cannot be printed replaced
    Text,
}

impl Dump {
    /// Prints a payload on lines of their own.
    pub(super) fn print(self, payload: &[u8], output: &mut impl Write) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Hex => payload.chunks(WIDTH).enumerate().try_for_each(|(index, bytes)| {
                let (offset, hex, letters) = (index * WIDTH, spaced(bytes), printable(bytes));
                writeln!(output, "{:INDENT$}{offset:04x}  {hex:<49} {letters}", "")
            }),
            Self::Text if payload.is_empty() => Ok(()),
            Self::Text => {
                writeln!(output, "{:INDENT$}{}", "", text::line(&String::from_utf8_lossy(payload)))
            }
        }
    }

    /// A payload as one text, for JSON.
    pub(super) fn line(self, payload: &[u8]) -> Option<String> {
        match self {
            Self::None => None,
            Self::Hex => Some(payload.iter().map(|byte| format!("{byte:02x}")).collect()),
            Self::Text => Some(String::from_utf8_lossy(payload).into_owned()),
        }
    }
}

fn spaced(bytes: &[u8]) -> String {
    let (left, right) = bytes.split_at(bytes.len().min(WIDTH / 2));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
    format!("{} {}", hex(left), hex(right))
}

fn printable(bytes: &[u8]) -> String {
    let letter = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
    bytes.iter().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(dump: Dump, payload: &[u8]) -> String {
        let mut output = Vec::new();
        dump.print(payload, &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn bytes_are_printed_in_rows_with_their_letters() {
        let text = printed(Dump::Hex, b"0123456789abcdef\x1b\xff!");
        let lines: Vec<_> = text.lines().map(str::trim_start).collect();
        assert_eq!(
            lines,
            [
                "0000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef",
                "0010  1b ff 21                                          ..!",
            ]
        );
        assert_eq!(printed(Dump::Hex, b""), "");
    }

    #[test]
    fn text_does_not_steer_the_terminal() {
        assert_eq!(printed(Dump::Text, b"a\x1b[2J\nb\xff").trim_start(), "a\u{FFFD}[2J\u{FFFD}b\u{FFFD}\n");
        assert_eq!(Dump::Hex.line(&[1, 0xab]).as_deref(), Some("01ab"));
        assert_eq!(Dump::None.line(b"x"), None);
    }
}
