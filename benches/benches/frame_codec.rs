//! Writing and reading frames of the wire.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use epona_protocol::{
    frame::{
        self, DataFlags, StatusMessage, StatusMessageFlags, StatusMessageView,
        data::{DataHeader, validate_packet},
    },
    types::{ReceiverId, SessionId, StreamId, TermId, TermLength, TermOffset},
};

fn status_message(criterion: &mut Criterion) {
    let message = StatusMessage {
        flags: StatusMessageFlags::NONE,
        session_id: SessionId::new(7),
        stream_id: StreamId::new(1001),
        consumption_term_id: TermId::new(3),
        consumption_term_offset: TermOffset::new(4096),
        receiver_window: 128 * 1024,
        receiver_id: ReceiverId::new(42),
        group_tag: None,
    };
    let mut bytes = [0; frame::status_message::LENGTH];
    criterion.bench_function("status message, emit", |b| b.iter(|| black_box(&message).emit(&mut bytes)));
    criterion.bench_function("status message, classify and read", |b| {
        b.iter(|| {
            let datagram = black_box(&bytes[..]);
            frame::classify(datagram).map(|_| StatusMessageView::new(datagram).map(|view| view.to_frame()))
        });
    });
}

/// A datagram of the default MTU: one frame, and as many of the shortest as fit.
fn data(criterion: &mut Criterion) {
    for (name, frame_length) in [("one frame", 1408_usize), ("frames of 32 bytes of payload", 64)] {
        let mut datagram = vec![0; 1408];
        for offset in (0..datagram.len()).step_by(frame_length) {
            DataHeader {
                frame_length: frame_length as i32,
                ..DataHeader::heartbeat(
                    SessionId::new(7),
                    StreamId::new(1001),
                    TermId::new(3),
                    TermOffset::new(offset as i32),
                    DataFlags::UNFRAGMENTED,
                )
            }
            .emit(&mut datagram[offset..]);
        }
        criterion.bench_function(&format!("data packet, validate, {name}"), |b| {
            b.iter(|| validate_packet(black_box(&datagram), TermOffset::ZERO, TermLength::MIN));
        });
    }
}

criterion_group!(benches, status_message, data);
criterion_main!(benches);
