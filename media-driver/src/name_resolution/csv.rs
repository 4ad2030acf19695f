//! A table of names, each with two hosts of which a counter says which one to answer with: for tests that move hosts.
//!
//! ```text
//!   name,initial-host,re-resolution-host|name,initial-host,re-resolution-host|...
//! ```
//!
//! | value of the row's counter | the name stands for |
//! | --- | --- |
//! | 0, at first | the initial host |
//! | 1 | the re-resolution host |
//! | -1 | nothing: it is an unknown host |
//!
//! Names are those of hosts, without ports; hosts are addresses, or names that the system knows. Empty fields and rows
//! do not count. Source: driver spec 6.9; shared-memory spec 5.6, 5.7.

use std::{borrow::Cow, net::IpAddr};

use epona_protocol::{
    counters::{AtomicCounter, CountersError, CountersManager, NameEntryKey, NewCounter, name_entry_label},
    types::{CounterTypeId, EpochMillis},
};

use super::{NameQuery, NameResolver, ResolutionError};

/// Most rows of a table. Source: driver spec 6.9.
pub const MAX_ROWS: usize = 1024;

const USE_INITIAL_HOST: i64 = 0;
const USE_RE_RESOLUTION_HOST: i64 = 1;
const DISABLE: i64 = -1;

/// One name and its two hosts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The name that is asked for.
    pub name: String,
    /// What it stands for at first.
    pub initial_host: String,
    /// What it stands for once its counter is 1.
    pub re_resolution_host: String,
}

/// Why a text is no table.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TableError {
    /// There is nothing in it.
    #[error("the table has no row: give name,initial-host,re-resolution-host")]
    Empty,
    /// A row is not made of three fields.
    #[error(
        "row '{row}' has {fields} fields: give name,initial-host,re-resolution-host, and separate rows by '|'"
    )]
    Fields {
        /// The row.
        row: String,
        /// How many it has.
        fields: usize,
    },
    /// A name has two rows.
    #[error("'{name}' has more than one row")]
    Twice {
        /// The name.
        name: String,
    },
    /// There are too many rows.
    #[error("{rows} rows are more than {MAX_ROWS}")]
    TooLong {
        /// How many there are.
        rows: usize,
    },
}

/// Takes a table apart.
///
/// # Errors
/// When it is empty or too long, a row does not have three fields, or a name has two rows.
pub fn parse(text: &str) -> Result<Vec<Row>, TableError> {
    let mut rows: Vec<Row> = Vec::new();
    for row in text.split('|') {
        let fields: Vec<_> = row.split(',').filter(|field| !field.is_empty()).collect();
        match fields[..] {
            [] => {}
            [name, ..] if rows.iter().any(|known| known.name == name) => {
                return Err(TableError::Twice { name: name.into() });
            }
            [name, initial_host, re_resolution_host] => rows.push(Row {
                name: name.into(),
                initial_host: initial_host.into(),
                re_resolution_host: re_resolution_host.into(),
            }),
            _ => return Err(TableError::Fields { row: row.into(), fields: fields.len() }),
        }
    }
    match rows.len() {
        0 => Err(TableError::Empty),
        rows if rows > MAX_ROWS => Err(TableError::TooLong { rows }),
        _ => Ok(rows),
    }
}

/// Answers from a table, and asks another resolver for the hosts that it finds there and for all other names.
#[derive(Debug)]
pub struct CsvTableNameResolver {
    rows: Vec<(Row, AtomicCounter)>,
    hosts: Box<dyn NameResolver>,
}

impl CsvTableNameResolver {
    /// A resolver over a table, with one counter for each row.
    ///
    /// # Errors
    /// When there are not enough counters.
    pub fn new(
        rows: Vec<Row>,
        hosts: Box<dyn NameResolver>,
        counters: &mut CountersManager,
        now: EpochMillis,
    ) -> Result<Self, CountersError> {
        let with_counter = |row: Row| {
            let counter = counters.allocate(
                now,
                &NewCounter {
                    type_id: CounterTypeId::NAME_TABLE_ENTRY,
                    key: &NameEntryKey { name: row.name.as_str().into() }.encode(),
                    label: name_entry_label(&row.name, &row.initial_host, &row.re_resolution_host).as_bytes(),
                    registration_id: 0,
                    owner_id: 0,
                    reference_id: 0,
                },
            )?;
            Ok((row, counter))
        };
        Ok(Self { rows: rows.into_iter().map(with_counter).collect::<Result<_, _>>()?, hosts })
    }
}

impl NameResolver for CsvTableNameResolver {
    fn lookup<'a>(&mut self, query: NameQuery<'a>) -> Result<Cow<'a, str>, ResolutionError> {
        self.hosts.lookup(query)
    }

    fn resolve(&mut self, query: NameQuery<'_>) -> Result<IpAddr, ResolutionError> {
        let Self { rows, hosts } = self;
        let Some((row, counter)) = rows.iter().find(|(row, _)| row.name == query.name) else {
            return hosts.resolve(query);
        };
        let name = match counter.get_acquire() {
            USE_INITIAL_HOST => &row.initial_host,
            USE_RE_RESOLUTION_HOST => &row.re_resolution_host,
            DISABLE => {
                return Err(ResolutionError::UnknownHost {
                    parameter: query.parameter.into(),
                    name: query.name.into(),
                    reason: "its row in the table is disabled by its counter".into(),
                });
            }
            _ => query.name,
        };
        hosts.resolve(NameQuery { name, ..query }).map_err(|error| match error {
            ResolutionError::UnknownHost { parameter, name: host, reason } if host != query.name => {
                let reason = format!("its row in the table says {host}: {reason}");
                ResolutionError::UnknownHost { parameter, name: query.name.into(), reason }
            }
            error => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use epona_protocol::{counters::CountersReader, memory::AtomicView};

    use super::*;
    use crate::name_resolution::DefaultNameResolver;

    fn row(name: &str, initial_host: &str, re_resolution_host: &str) -> Row {
        Row {
            name: name.into(),
            initial_host: initial_host.into(),
            re_resolution_host: re_resolution_host.into(),
        }
    }

    #[test]
    fn a_table_has_three_fields_a_row() {
        let two = vec![row("A", "10.0.0.1", "10.0.0.2"), row("B", "localhost", "other")];
        assert_eq!(parse("A,10.0.0.1,10.0.0.2|B,localhost,other"), Ok(two.clone()));
        assert_eq!(
            parse("|A,10.0.0.1,,10.0.0.2||B,localhost,other,|"),
            Ok(two),
            "what is empty does not count"
        );
    }

    #[test]
    fn a_text_that_is_no_table_is_refused_with_what_is_wrong() {
        for (text, expected) in [
            ("", "no row"),
            ("||,", "no row"),
            ("A,10.0.0.1", "row 'A,10.0.0.1' has 2 fields"),
            ("A,1,2,3", "row 'A,1,2,3' has 4 fields"),
            ("A,1,2|A,3,4", "'A' has more than one row"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let rows = |count: usize| (0..count).map(|i| format!("N{i},a,b")).collect::<Vec<_>>().join("|");
        assert_eq!(parse(&rows(MAX_ROWS)).map(|rows| rows.len()), Ok(MAX_ROWS));
        assert_eq!(parse(&rows(MAX_ROWS + 1)), Err(TableError::TooLong { rows: MAX_ROWS + 1 }));
    }

    struct Table {
        resolver: CsvTableNameResolver,
        counters: CountersReader,
        manager: CountersManager,
    }

    impl Table {
        fn new(text: &str) -> Self {
            let mut manager = CountersManager::new(
                AtomicView::allocate(8 * 512),
                AtomicView::allocate(8 * 128),
                Duration::ZERO,
            );
            let hosts = Box::new(DefaultNameResolver);
            let rows = parse(text).unwrap();
            let resolver =
                CsvTableNameResolver::new(rows, hosts, &mut manager, EpochMillis::default()).unwrap();
            Self { resolver, counters: manager.reader(), manager }
        }

        fn resolve(&mut self, name: &str) -> Result<String, String> {
            let query = NameQuery { name, parameter: "endpoint", is_re_resolution: true };
            self.resolver.resolve(query).map(|ip| ip.to_string()).map_err(|error| error.to_string())
        }

        fn set(&mut self, row: usize, value: i64) {
            let found = self.counters.iter().nth(row).unwrap();
            self.manager.counter(found.id).unwrap().set_release(value);
        }
    }

    #[test]
    fn a_rows_counter_chooses_between_its_hosts_and_none() {
        let mut table = Table::new("NAME_0,10.0.0.1,10.0.0.2|NAME_1,::1,localhost");
        assert_eq!(table.resolve("NAME_0"), Ok("10.0.0.1".into()));
        assert_eq!(table.resolve("NAME_1"), Ok("::1".into()));
        table.set(0, 1);
        table.set(1, 1);
        assert_eq!(table.resolve("NAME_0"), Ok("10.0.0.2".into()));
        assert_eq!(table.resolve("NAME_1"), Ok("127.0.0.1".into()));
        table.set(0, -1);
        let error = table.resolve("NAME_0").unwrap_err();
        assert!(error.starts_with("unresolved - endpoint=NAME_0") && error.contains("disabled"), "{error}");
        table.set(0, 0);
        assert_eq!(table.resolve("NAME_0"), Ok("10.0.0.1".into()));
    }

    #[test]
    fn a_host_that_is_not_found_is_told_by_the_name_that_was_asked_for() {
        let mut table = Table::new("NAME_0,nowhere.invalid,10.0.0.2");
        let error = table.resolve("NAME_0").unwrap_err();
        assert!(error.starts_with("unresolved - endpoint=NAME_0: "), "{error}");
        assert!(error.contains("nowhere.invalid"), "{error}");
    }

    #[test]
    fn other_names_are_asked_of_the_system() {
        let mut table = Table::new("NAME_0,10.0.0.1,10.0.0.2");
        assert_eq!(table.resolve("localhost"), Ok("127.0.0.1".into()));
        table.resolve("NAME_01").unwrap_err();
    }

    #[test]
    fn rows_have_counters_that_say_what_they_are() {
        let table = Table::new("NAME_0,10.0.0.1,10.0.0.2");
        let found = table.counters.iter().next().unwrap();
        assert_eq!(found.type_id.get(), 2001);
        assert_eq!(
            found.label,
            "NameEntry{name='NAME_0', initialResolutionHost='10.0.0.1', reResolutionHost='10.0.0.2'}"
        );
        assert_eq!(NameEntryKey::decode(&found.key).unwrap().name, "NAME_0");
    }
}
