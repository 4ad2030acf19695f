//! `docs/client-parity.md` is true: what it names is there. That its tests exist, the acceptance tests check.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{fs, path::Path};

/// The sources that a row may name items of.
fn sources() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    for folder in [root.join("src"), root.join("../protocol/src")] {
        append(&folder, &mut text);
    }
    text
}

fn append(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            append(&path, text);
        } else {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// The cells of each row of the page's tables.
fn rows() -> Vec<[String; 3]> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/client-parity.md");
    let page = fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = rows.map(|row| row.split(" | ").map(str::to_owned).collect::<Vec<_>>());
    let rows: Vec<[String; 3]> = cells.map(|cells| cells.try_into().expect("three cells")).collect();
    rows.into_iter()
        .filter(|[feature, ..]| !feature.starts_with("feature") && !feature.starts_with("---"))
        .collect()
}

/// Whether a type, or a function or method of any type, is declared.
fn is_declared(item: &str, sources: &str) -> bool {
    match item.rsplit_once("::") {
        Some((_, function)) => ["(", "<"].iter().any(|end| sources.contains(&format!("fn {function}{end}"))),
        None => ["struct", "enum"].iter().any(|kind| sources.contains(&format!("pub {kind} {item}"))),
    }
}

#[test]
fn every_item_that_is_named_exists() {
    let sources = sources();
    let rows = rows();
    assert!(rows.len() > 40, "{} rows", rows.len());
    for [feature, here, _] in &rows {
        let items = here.split('`').skip(1).step_by(2);
        for item in items.filter(|item| !matches!(*item, "Display" | "std::time" | "EmbeddedDriver")) {
            assert!(is_declared(item, &sources), "{feature}: {item}");
        }
    }
}

#[test]
fn every_row_names_an_item_and_a_test_or_says_why_not() {
    for [feature, here, shown_by] in rows() {
        assert!(here.contains('`') || here.starts_with("n/a: "), "{feature}");
        assert!(shown_by.contains(".rs::") || shown_by.starts_with("n/a: "), "{feature}");
    }
}
