//! The planted bugs of `simulator/planted` still fit the code that they are to be planted into.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::Command,
};

#[test]
fn every_planted_bug_still_applies_and_says_what_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let entries = fs::read_dir(root.join("simulator/planted")).unwrap();
    let patches = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "patch"));
    let patches: Vec<_> = patches.collect();
    assert!(patches.len() >= 10, "{patches:?}");
    for patch in patches {
        let text = fs::read_to_string(&patch).unwrap();
        assert!(!text.starts_with("diff"), "{} says what is wrong in its first line", patch.display());
        let Ok(checked) =
            Command::new("git").args(["apply", "--check"]).arg(&patch).current_dir(&root).output()
        else {
            let _ = writeln!(io::stderr(), "SKIPPED planted bugs: git is not installed");
            return;
        };
        assert!(
            checked.status.success(),
            "{}: {}",
            patch.display(),
            String::from_utf8_lossy(&checked.stderr)
        );
    }
}
