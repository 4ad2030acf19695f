//! Error logs and loss reports of any content.
#![no_main]

use epona_fuzz::memory;
use epona_protocol::{error_log, loss_report, types::EpochMillis};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let view = memory(bytes, bytes.len());
    // A byte that is not UTF-8 becomes three.
    let longest = 3 * bytes.len();
    let errors: usize = error_log::entries(view.clone()).map(|entry| entry.text.len()).sum();
    assert!(errors <= longest);
    let recent = error_log::entries_since(view.clone(), EpochMillis::new(1 << 40)).count();
    assert!(recent <= error_log::entries(view.clone()).count());
    let losses = loss_report::entries(view);
    assert!(losses.map(|entry| entry.channel.len() + entry.source.len()).sum::<usize>() <= longest);
});
