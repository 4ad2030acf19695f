//! Lists of processors as the kernel writes them: `0-3,8,10-11`. Source: driver spec 12.16 (CFG-02).

use std::{collections::BTreeSet, fmt, str::FromStr};

/// Processors beyond this number are taken for nonsense; Linux has at most 8192.
const MAX_CPU: u16 = 8191;

/// A set of processors, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuList(BTreeSet<u16>);

/// Text that is no list of processors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{list}' is no list of processors such as 0-3,8: {reason}")]
pub struct InvalidCpuList {
    list: String,
    reason: &'static str,
}

impl CpuList {
    /// The processor at an offset, counted from 0 in ascending order.
    #[must_use]
    pub fn at(&self, offset: usize) -> Option<u16> {
        self.0.iter().nth(offset).copied()
    }

    /// How many there are, at least 1.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether it has this one.
    #[must_use]
    pub fn contains(&self, cpu: u16) -> bool {
        self.0.contains(&cpu)
    }

    /// Each, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().copied()
    }
}

impl FromStr for CpuList {
    type Err = InvalidCpuList;

    fn from_str(text: &str) -> Result<Self, InvalidCpuList> {
        let invalid = |reason| InvalidCpuList { list: text.trim().to_owned(), reason };
        if text.trim().is_empty() {
            return Err(invalid("it is empty"));
        }
        let number = |text: &str| match text.trim() {
            "" => Err(invalid("a number is missing")),
            digits if !digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Err(invalid("a processor is a number of at least 0"))
            }
            digits => digits
                .parse()
                .ok()
                .filter(|cpu| *cpu <= MAX_CPU)
                .ok_or_else(|| invalid("no machine has that many")),
        };
        let mut cpus = BTreeSet::new();
        for item in text.split(',') {
            match item.split_once('-') {
                None => drop(cpus.insert(number(item)?)),
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if last < first {
                        return Err(invalid("a range ends before it starts"));
                    }
                    cpus.extend(first..=last);
                }
            }
        }
        Ok(Self(cpus))
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.iter().peekable();
        let mut separator = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if(|next| *next == last + 1) {
                last = next;
            }
            write!(f, "{separator}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_have_numbers_and_ranges_in_any_order() {
        for (text, expected, shown) in [
            ("0", vec![0], "0"),
            ("0\n", vec![0], "0"),
            ("0-3", vec![0, 1, 2, 3], "0-3"),
            ("0,2,4", vec![0, 2, 4], "0,2,4"),
            ("0-1,4-6,9\n", vec![0, 1, 4, 5, 6, 9], "0-1,4-6,9"),
            ("9,4-6,0,5", vec![0, 4, 5, 6, 9], "0,4-6,9"),
            ("3,3,3", vec![3], "3"),
            ("7-7", vec![7], "7"),
            ("8191", vec![8191], "8191"),
        ] {
            let list: CpuList = text.parse().unwrap();
            assert_eq!((list.iter().collect::<Vec<_>>(), list.to_string().as_str()), (expected, shown));
        }
    }

    #[test]
    fn what_is_no_list_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "it is empty"),
            ("\n", "it is empty"),
            (",1", "a number is missing"),
            ("1,", "a number is missing"),
            ("1,,2", "a number is missing"),
            ("-1", "a number is missing"),
            ("1-", "a number is missing"),
            ("a", "a processor is a number of at least 0"),
            ("1-b", "a processor is a number of at least 0"),
            ("+1", "a processor is a number of at least 0"),
            ("1--2", "a processor is a number of at least 0"),
            ("3-2", "a range ends before it starts"),
            ("8192", "no machine has that many"),
            ("0-4000000000", "no machine has that many"),
        ] {
            assert_eq!(text.parse::<CpuList>().unwrap_err().reason, reason, "{text:?}");
        }
    }

    #[test]
    fn offsets_count_through_the_gaps() {
        let list: CpuList = "2-3,8".parse().unwrap();
        assert_eq!([0, 1, 2, 3].map(|offset| list.at(offset)), [Some(2), Some(3), Some(8), None]);
        assert_eq!((list.count(), list.contains(3), list.contains(4)), (3, true, false));
    }

    proptest! {
        #[test]
        fn a_shown_list_reads_back(cpus in proptest::collection::btree_set(0..=MAX_CPU, 1..40)) {
            let list = CpuList(cpus);
            prop_assert_eq!(list.to_string().parse::<CpuList>(), Ok(list));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<CpuList>();
        }
    }
}
