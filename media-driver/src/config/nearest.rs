//! Which name was meant: the nearest by edit distance.

use super::setting::variable_name;

/// Of `properties`, the one whose variable name is nearest to `variable`, unless none is near.
pub(super) fn nearest<'a>(variable: &str, properties: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let tolerance = (variable.len() / 4).clamp(1, 6);
    // A distance is at least the difference in length: most names need no closer look, however long they are.
    let may_be_near = |property: &&str| property.len().abs_diff(variable.len()) <= tolerance;
    properties
        .filter(may_be_near)
        .map(|property| (edit_distance(variable.as_bytes(), variable_name(property).as_bytes()), property))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, property)| property)
}

/// Least number of bytes to insert, delete or replace to turn one into the other.
fn edit_distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, a) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_edits() {
        for (from, to, distance) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2)]
        {
            assert_eq!(edit_distance(from.as_bytes(), to.as_bytes()), distance, "{from} {to}");
        }
    }

    #[test]
    fn a_slip_finds_what_was_meant_and_nonsense_nothing() {
        let names = || ["aeron.mtu.length", "aeron.ipc.mtu.length", "aeron.dir"].into_iter();
        assert_eq!(nearest("AERON_MTU_LENGHT", names()), Some("aeron.mtu.length"));
        assert_eq!(nearest("AERON_IPC_MTU", names()), None);
        assert_eq!(nearest("AERON_DIRR", names()), Some("aeron.dir"));
        assert_eq!(nearest("SOMETHING_ELSE_ENTIRELY", names()), None);
    }
}
