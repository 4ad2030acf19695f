use std::thread;

use epona_protocol::seq_slot::{ChangeNumber, SeqSlot};

use super::{random, rounds};

const REPORTS: i64 = 2_000_000;

#[test]
fn readers_see_whole_reports_each_newer_than_the_last_and_the_latest_at_the_end() {
    rounds("reports", |seed| {
        let slot = SeqSlot::default();
        thread::scope(|scope| {
            for reader in 1..3 {
                let (slot, mut chance) = (&slot, random(seed, reader));
                scope.spawn(move || {
                    let (mut seen, mut last) = (ChangeNumber::default(), 0);
                    while last < REPORTS {
                        for _ in 0..chance.u32(1..1_000) {
                            if let Some((first, second)) = slot.read_newer(&mut seen) {
                                assert_eq!(second, first.wrapping_mul(0x0101_0101));
                                assert!(first > last, "{first} after {last}");
                                last = first;
                            }
                        }
                        thread::yield_now();
                    }
                });
            }
            let (mut chance, mut report) = (random(seed, 0), 0);
            while report < REPORTS {
                let burst = chance.i64(1..10_000).min(REPORTS - report);
                for report in report + 1..=report + burst {
                    slot.write(report, report.wrapping_mul(0x0101_0101));
                }
                report += burst;
                thread::yield_now();
            }
        });
    });
}
