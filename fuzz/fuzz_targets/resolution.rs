//! Gossip of name resolvers: what is read can be written, and reads the same again.
#![no_main]

use epona_protocol::frame::{ResolutionView, ResolutionWriter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    let Ok(view) = ResolutionView::parse(datagram) else { return };
    let entries: Vec<_> = view.entries().map_while(Result::ok).collect();
    let length: usize = entries.iter().map(|entry| entry.length()).sum();
    assert!(length <= datagram.len());
    let mut buffer = vec![0xAA; 8 + length];
    let mut writer = ResolutionWriter::new(&mut buffer);
    assert!(entries.iter().all(|entry| writer.push(entry)));
    assert_eq!(writer.length(), 8 + length);
    if !entries.is_empty() {
        let again = ResolutionView::parse(&buffer).expect("written here");
        assert!(again.entries().eq(entries.into_iter().map(Ok)));
    }
});
