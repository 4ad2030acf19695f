//! Moving a log on to its next term.

use crate::types::{TermId, TermOffset};

use super::{
    LogMetadata, RawTail,
    descriptor::{PARTITION_COUNT, partition_index},
};

/// Makes the term after `term_id` the active one, unless somebody else has; whether this call moved the active count.
///
/// Threading: any number of publishers and the unblocker may race; compare-and-swap lets one of them win each step.
/// Source: shared-memory spec 7.7.
pub fn rotate(metadata: &LogMetadata, term_count: i32, term_id: TermId) -> bool {
    let next_term_id = term_id.next();
    let next_count = term_count.wrapping_add(1);
    let next_index = partition_index(next_count);
    let expected_term_id = next_term_id.wrapping_add(-(PARTITION_COUNT as i32));
    loop {
        let tail = metadata.tail(next_index);
        if tail.term_id() != expected_term_id
            || metadata.replace_tail(next_index, tail, RawTail::new(next_term_id, TermOffset::ZERO))
        {
            break;
        }
    }
    metadata.replace_active_term_count(term_count, next_count)
}
