//! Properties files, as Aeron's C driver reads them. Source: driver spec 9.1.
//!
//! ```text
//! # a comment, or ! a comment
//! aeron.term.buffer.length=64k
//! aeron.dir : /dev/shm/some\
//!     where
//! ```
//!
//! Blanks around names and before values are dropped, those after values are kept. A `\` at the end of a line joins
//! the next one to it. An empty value takes a setting back.

/// Bytes of the longest line, its newline included, and of the longest name and value together.
pub const MAX_LENGTH: usize = 2048;

/// What is wrong with a properties file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} {fault}")]
pub struct PropertiesError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No `=` or `:`, or no name before it.
    #[error("is malformed: write name=value")]
    Malformed,
    /// It, or the property that it belongs to, is too long.
    #[error("is too long: at most {} bytes per line and per property", MAX_LENGTH - 1)]
    TooLong,
    /// It is the last one, and not ended.
    #[error("does not end with a newline")]
    NoNewline,
}

/// Reads names and values, in order; values may be empty. Bytes that are not UTF-8 are replaced.
///
/// # Errors
/// The first line that Aeron would not take.
pub fn parse(text: &[u8]) -> Result<Vec<(String, String)>, PropertiesError> {
    let mut properties = Vec::new();
    let mut open: Option<(Vec<u8>, Vec<u8>)> = None;
    for (index, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let error = |fault| PropertiesError { line: index + 1, fault };
        if line.len() >= MAX_LENGTH {
            return Err(error(Fault::TooLong));
        }
        let line = line.strip_suffix(b"\n").ok_or_else(|| error(Fault::NoNewline))?;
        let line = trim_start(line.strip_suffix(b"\r").unwrap_or(line));
        if line.is_empty() || line.starts_with(b"#") || line.starts_with(b"!") {
            continue;
        }
        let ((name, mut value), rest) = match open.take() {
            Some(begun) => (begun, line),
            None => {
                let (name, rest) = split_name(line).ok_or_else(|| error(Fault::Malformed))?;
                ((name.to_vec(), Vec::new()), rest)
            }
        };
        let joined = rest.strip_suffix(b"\\");
        value.extend_from_slice(joined.unwrap_or(rest));
        if name.len() + value.len() + 2 > MAX_LENGTH {
            return Err(error(Fault::TooLong));
        }
        if joined.is_some() {
            open = Some((name, value));
        } else {
            properties.push((name, value));
        }
    }
    // Aeron drops a property whose last line promises more; to take what is there is what its author meant.
    properties.extend(open);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(properties.into_iter().map(|(name, value)| (text(name), text(value))).collect())
}

/// The name before the first `=` or `:`, and the value after it.
fn split_name(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let separator = line.iter().position(|byte| matches!(byte, b'=' | b':'))?;
    let name = &line[..separator];
    let end = name.iter().rposition(|byte| !is_blank(*byte))? + 1;
    Some((&name[..end], trim_start(&line[separator + 1..])))
}

fn trim_start(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| !is_blank(*byte)).unwrap_or(line.len());
    &line[start..]
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        parse(text.as_bytes()).unwrap()
    }

    /// CFG-03: what is accepted.
    #[test]
    fn properties_are_names_and_values() {
        for (text, expected) in [
            ("", &[][..]),
            ("\n\r\n \t \n", &[]),
            ("# comment\n! comment\n   # comment\n", &[]),
            ("a=b\n", &[("a", "b")]),
            ("a:b\r\n", &[("a", "b")]),
            (" \ta b \t= \tc d \n", &[("a b", "c d ")]),
            ("a=b=c:d\n", &[("a", "b=c:d")]),
            ("a:b=c\n", &[("a", "b=c")]),
            ("a=\n", &[("a", "")]),
            ("a= \t\n", &[("a", "")]),
            ("a=b # no comment\n", &[("a", "b # no comment")]),
            ("a=b\\\n   c\\\n\td\n", &[("a", "bcd")]),
            ("a=\\\nb\n", &[("a", "b")]),
            ("a=b\\\n# comment\n\n! comment\nc\nd=e\n", &[("a", "bc"), ("d", "e")]),
            ("a=b \\\n c\n", &[("a", "b c")]),
            ("a=b\\\n", &[("a", "b")]),
            ("a=1\na=2\n", &[("a", "1"), ("a", "2")]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    /// CFG-03: what is not.
    #[test]
    fn lines_that_aeron_would_not_take_are_named() {
        for (text, line, fault) in [
            ("a\n", 1, Fault::Malformed),
            ("ok=1\n=b\n", 2, Fault::Malformed),
            (" : b\n", 1, Fault::Malformed),
            ("a b\\\nc=d\n", 1, Fault::Malformed),
            ("a=b", 1, Fault::NoNewline),
            ("a=b\nc=d", 2, Fault::NoNewline),
            ("a=b\n#", 2, Fault::NoNewline),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(PropertiesError { line, fault }), "{text:?}");
        }
    }

    #[test]
    fn lines_and_properties_hold_up_to_2047_bytes() {
        let line = |length: usize| format!("a={}\n", "x".repeat(length - 3));
        assert_eq!(read(&line(2047))[0].1.len(), 2044);
        assert_eq!(parse(line(2048).as_bytes()).unwrap_err().fault, Fault::TooLong);
        let continued = |length: usize| format!("a=\\\n{}\\\n{}\n", "x".repeat(1000), "y".repeat(length));
        assert_eq!(read(&continued(1045))[0].1.len(), 2045);
        let error = parse(continued(1046).as_bytes()).unwrap_err();
        assert_eq!(error, PropertiesError { line: 3, fault: Fault::TooLong });
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let _ = parse(&text);
        }

        #[test]
        fn no_text_of_interesting_characters_panics(text in "[a=:#! \t\r\n\\\\]{0,200}") {
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn what_is_written_plainly_reads_back(
            properties in proptest::collection::vec(("[a-z][a-z.]{0,20}", "([a-z0-9/][a-z0-9/ ]{0,30})?"), 0..20),
        ) {
            let text: String = properties.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            prop_assert_eq!(parse(text.as_bytes()).unwrap(), properties);
        }
    }
}
