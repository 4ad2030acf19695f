//! What the loss report says of one image. Source: driver spec 5.4, 8.6.

use epona_protocol::{
    loss_report::LossReportHandle,
    types::{EpochMillis, Position},
};

/// Enters the loss of one image into the loss report: every lost byte once, although gaps are reported again and again.
#[derive(Debug, Default)]
pub struct LossRecorder {
    /// Where the last gap that added to the report ended.
    counted_to: Option<Position>,
    entry: Entry,
}

#[derive(Debug, Default)]
enum Entry {
    #[default]
    NotYet,
    Open(LossReportHandle),
    /// There was no room for it; reporting has stopped.
    Full,
}

impl LossRecorder {
    /// A gap of `length` bytes from `begin` on was reported. `create_entry(bytes lost)` makes the image's entry at its first loss; it answers `None` when
    /// the report is full, and is not asked again.
    pub fn on_gap(
        &mut self,
        begin: Position,
        length: i32,
        now: EpochMillis,
        create_entry: impl FnOnce(i64) -> Option<LossReportHandle>,
    ) {
        let end = begin + i64::from(length);
        // Of gaps that begin below what was counted, what they add to it.
        let lost = end - self.counted_to.map_or(begin, |counted| counted.max(begin));
        if lost <= 0 {
            return;
        }
        self.counted_to = Some(end);
        match &self.entry {
            Entry::NotYet => self.entry = create_entry(lost).map_or(Entry::Full, Entry::Open),
            Entry::Open(entry) => entry.observe(lost, now),
            Entry::Full => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use epona_protocol::{
        loss_report::{LossReport, entries},
        memory::AtomicView,
        types::{SessionId, StreamId},
    };

    use super::*;

    const TERM: i64 = 65_536;

    /// Begin and length.
    fn gap(term: i64, offset: i64, length: i32) -> (Position, i32) {
        (Position::new(term * TERM + offset), length)
    }

    /// An image with its loss report.
    struct Image {
        recorder: LossRecorder,
        report: LossReport,
        view: AtomicView,
        now: i64,
    }

    impl Image {
        fn with_report_of(length: usize) -> Self {
            let view = AtomicView::allocate(length);
            Self { recorder: LossRecorder::default(), report: LossReport::new(view.clone()), view, now: 100 }
        }

        fn lose(&mut self, (begin, length): (Position, i32)) {
            self.now += 1;
            let (now, report) = (EpochMillis::new(self.now), &mut self.report);
            let (session, stream) = (SessionId::new(-3), StreamId::new(1001));
            self.recorder.on_gap(begin, length, now, |lost| {
                report.create_entry(lost, now, session, stream, "channel", "source")
            });
        }

        /// Observations, total bytes, and times of the first and the last, of each entry.
        fn entries(&self) -> Vec<(i64, i64, i64, i64)> {
            entries(self.view.clone())
                .map(|entry| {
                    let times = (entry.first_observation.get(), entry.last_observation.get());
                    (entry.observation_count, entry.total_bytes_lost, times.0, times.1)
                })
                .collect()
        }
    }

    /// Acceptance line DAT-15.
    #[test]
    fn unique_loss_counts_once_and_an_extension_counts_what_it_adds() {
        let mut image = Image::with_report_of(4096);
        let (mut observations, mut total) = (0, 0);
        for (step, (gap, lost)) in [
            (gap(1, 0, 320), 320),   // the first gap
            (gap(1, 0, 320), 0),     // reported again
            (gap(1, 0, 640), 320),   // grown by a heartbeat
            (gap(1, 64, 128), 0),    // partly filled
            (gap(1, 320, 640), 320), // partly filled and grown
            (gap(1, 960, 64), 64),   // the next gap, right behind
            (gap(2, 960, 64), 64),   // the same place in another term
            (gap(2, 0, 64), 0),      // below what was counted: not counted, as in Aeron
        ]
        .into_iter()
        .enumerate()
        {
            image.lose(gap);
            observations += i64::from(lost > 0);
            total += lost;
            let last = image.entries()[0];
            assert_eq!((last.0, last.1), (observations, total), "step {step}");
        }
        assert_eq!(image.entries(), [(5, 1088, 101, 107)]);
    }

    #[test]
    fn reporting_stops_when_the_report_is_full() {
        let mut image = Image::with_report_of(32);
        image.lose(gap(1, 0, 32));
        image.view = AtomicView::allocate(4096);
        image.report = LossReport::new(image.view.clone());
        image.lose(gap(2, 0, 32));
        assert_eq!(image.entries(), []);
    }
}
