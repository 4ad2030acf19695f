//! `docs/acceptance.md` is true: every id is there once, every test that it names exists and is run, and it counts rightly; so are
//! `docs/counters.md` and the tests that other pages name.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{collections::BTreeMap, fs, path::Path};

use epona_protocol::counters::SystemCounter;

/// How many ids each group of the checklist has: `XYZ-01` and up. Source: driver spec 12.
const GROUPS: [(&str, usize); 16] = [
    ("DRV", 22),
    ("PUB", 66),
    ("IMG", 13),
    ("IPC", 9),
    ("SPY", 13),
    ("MDC", 12),
    ("MDS", 16),
    ("DAT", 23),
    ("VAL", 7),
    ("FLC", 10),
    ("EOS", 8),
    ("RSP", 8),
    ("UNT", 6),
    ("NAM", 8),
    ("CLI", 10),
    ("CFG", 11),
];

/// One row of the page.
struct Row<'a> {
    id: &'a str,
    behaviour: &'a str,
    shown_by: &'a str,
}

impl<'a> Row<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let row = Self { id: cells.next()?, behaviour: cells.next()?, shown_by: cells.next()? };
        let is_id = row.id.split_once('-').is_some_and(|(_, number)| number.parse::<u32>().is_ok());
        is_id.then_some(row)
    }

    /// `file::test` of each test that it names.
    fn tests(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        tests_in(self.shown_by)
    }

    fn is_not_applicable(&self) -> bool {
        self.shown_by.starts_with("n/a: ")
    }

    fn is_open(&self) -> bool {
        self.shown_by.contains("open: ")
    }
}

fn page() -> String {
    read("acceptance.md")
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join("docs").join(page)).unwrap()
}

/// `file::test` of each test that a text names.
fn tests_in(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|test| test.rsplit_once("::")).filter(|(file, _)| file.ends_with(".rs"))
}

/// Those of the tests that a page names which do not exist, or are ignored.
fn missing(page: &str) -> Vec<String> {
    let text = read(page);
    let mut sources = BTreeMap::new();
    let exists = |&(file, test): &(&str, &str)| {
        let source =
            sources.entry(file.to_owned()).or_insert_with(|| fs::read_to_string(root().join(file)).ok());
        source.as_ref().is_some_and(|source| has_test(source, test))
    };
    let (_, missing): (Vec<_>, Vec<_>) = text.lines().flat_map(tests_in).partition(exists);
    missing.iter().map(|(file, test)| format!("{file}::{test}")).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Whether a file has a test of this name that is run: a function with `#[test]` among its attributes and no `ignore`, in a
/// macro or not. Helpers of that name do not count; of several tests of that name all must be run.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        line.strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('('))
    };
    let is_attribute = |line: &&str| line.starts_with("#[") || line.starts_with("//");
    let is_ignore = |line: &str| {
        line.starts_with("#[ignore") || line.starts_with("#[cfg_attr(") && line.contains("ignore")
    };
    let functions = (0..lines.len()).filter(|&at| is_it(lines[at]));
    let attributes = functions.map(|at| lines[..at].iter().copied().rev().take_while(is_attribute));
    let mut tests = attributes.filter(|each| each.clone().any(|line| line == "#[test]")).peekable();
    tests.peek().is_some() && tests.all(|mut each| !each.any(is_ignore))
}

#[test]
fn every_id_of_the_checklist_is_there_once_and_in_order() {
    let page = page();
    let found: Vec<&str> = page.lines().filter_map(Row::parse).map(|row| row.id).collect();
    let expected: Vec<String> = GROUPS
        .iter()
        .flat_map(|(group, count)| (1..=*count).map(move |number| format!("{group}-{number:02}")))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn every_row_has_a_test_or_says_why_not() {
    for row in page().lines().filter_map(Row::parse) {
        assert!(!row.behaviour.is_empty(), "{}", row.id);
        assert!(row.tests().count() > 0 || row.is_not_applicable() || row.is_open(), "{}", row.id);
        assert!(!(row.is_not_applicable() && row.is_open()), "{}", row.id);
    }
}

#[test]
fn every_test_that_is_named_exists_and_is_run() {
    for page in ["acceptance.md", "client-parity.md", "counters.md", "security.md"] {
        assert_eq!(missing(page), [""; 0], "{page}");
    }
}

#[test]
fn every_system_counter_is_explained_and_has_a_test() {
    let page = read("counters.md");
    let rows: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | ")).collect();
    let rows: Vec<_> = rows.into_iter().filter(|(id, _)| id.parse::<i32>().is_ok()).collect();
    let ids: Vec<i32> = rows.iter().map(|(id, _)| id.parse().unwrap()).collect();
    assert_eq!(ids, SystemCounter::ALL.map(|counter| counter.id().get()));
    for ((_, row), counter) in rows.iter().zip(SystemCounter::ALL) {
        let label = row.split(" | ").next().unwrap();
        assert!(counter.label().starts_with(label), "{label}: {}", counter.label());
        assert!(tests_in(row).count() > 0, "{label}");
    }
}

#[test]
fn the_page_says_how_many_rows_are_open() {
    let page = page();
    let rows: Vec<Row<'_>> = page.lines().filter_map(Row::parse).collect();
    let not_applicable = rows.iter().filter(|row| row.is_not_applicable()).count();
    let open = rows.iter().filter(|row| row.is_open()).count();
    let summary = format!("Rows: {}. Not applicable: {not_applicable}. Open: {open}.", rows.len());
    assert!(page.lines().any(|line| line == summary), "docs/acceptance.md must say: {summary}");
}

#[test]
fn a_test_is_found_beside_other_functions_of_its_name() {
    let helper = "mod set_up {\n    fn shown() {\n    }\n}\n";
    let test = "mod tests {\n    #[test]\n    fn shown() {\n    }\n}\n";
    let left_out = "mod slow {\n    #[test]\n    #[ignore]\n    fn shown() {\n    }\n}\n";
    for source in [[helper, test].concat(), [test, helper].concat(), [test, test].concat()] {
        assert!(has_test(&source, "shown"), "{source}");
    }
    // The name does not say which of them shows it: all must.
    for source in [[helper, helper].concat(), [test, left_out].concat(), [left_out, test].concat()] {
        assert!(!has_test(&source, "shown"), "{source}");
    }
}

#[test]
fn a_function_counts_as_a_test_only_when_it_is_one_that_is_run() {
    let source =
        "#[test]\n/// Why: others #[ignore] it.\nfn shown() {\n}\n    fn helper() {\n}\nfn shown_too() {}\n";
    assert!(has_test(source, "shown"));
    for name in ["helper", "shown_too", "show", ""] {
        assert!(!has_test(source, name), "{name}");
    }
    for ignore in ["#[ignore]", "#[ignore = \"slow\"]", "#[cfg_attr(not(unix), ignore)]"] {
        for attributes in [format!("{ignore}\n#[test]"), format!("#[test]\n// Why.\n    {ignore}")] {
            let source = format!("#[test]\nfn run() {{\n}}\n{attributes}\nfn left_out() {{\n}}\n");
            assert!(has_test(&source, "run"));
            assert!(!has_test(&source, "left_out"), "{source}");
        }
    }
}
