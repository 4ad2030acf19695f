//! Acceptance group FLC.

use core::time::Duration;

use epona_protocol::{
    frame::StatusMessage,
    types::{SessionId, StreamId, TermId},
};
use proptest::prelude::{Just, ProptestConfig, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as _;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);
const WINDOW: i32 = 2000;

fn options(group_min_size: u32) -> GroupOptions {
    GroupOptions { receiver_timeout: TIMEOUT, group_min_size, rrwm: 4 }
}

fn status(receiver: i64, position: i64) -> ReceiverStatus {
    ReceiverStatus {
        receiver_id: ReceiverId::new(receiver),
        position: Position::new(position),
        window: WINDOW,
        end_of_stream: false,
        group_tag: None,
        source: ([10, 0, 0, receiver as u8], 40_456).into(),
    }
}

fn leaving(receiver: i64, position: i64) -> ReceiverStatus {
    ReceiverStatus { end_of_stream: true, ..status(receiver, position) }
}

fn tagged(receiver: i64, position: i64, tag: i64) -> ReceiverStatus {
    ReceiverStatus { group_tag: Some(GroupTag::new(tag)), ..status(receiver, position) }
}

/// A flow control, its limit and the time.
struct Sender {
    flow_control: FlowControl,
    limit: Position,
    now: Nanos,
}

impl Sender {
    fn with(flow_control: FlowControl) -> Self {
        Self { flow_control, limit: Position::ZERO, now: Nanos::new(0) }
    }

    fn hear(&mut self, status: ReceiverStatus) -> i64 {
        self.limit = self.flow_control.on_status_message(&status, self.limit, self.now);
        self.limit.get()
    }

    fn idle(&mut self) -> i64 {
        self.limit = self.flow_control.on_idle(self.limit, self.now);
        self.limit.get()
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }
}

#[test]
fn the_pace_is_set_by_the_slowest_of_a_group_and_else_by_who_moved_the_limit_last() {
    let address = |receiver: u8| Some(([10, 0, 0, receiver], 40_456).into());
    let mut group = Sender::with(FlowControl::min(&options(0)));
    assert_eq!(group.flow_control.pacemaker(), None);
    group.hear(status(1, 1000));
    group.hear(status(2, 500));
    group.hear(status(3, 2000));
    assert_eq!(group.flow_control.pacemaker(), address(2));
    group.hear(leaving(2, 500));
    group.idle();
    assert_eq!(group.flow_control.pacemaker(), address(1));

    let mut tags = Sender::with(FlowControl::tagged(GroupTag::new(101), &options(0)));
    tags.hear(tagged(1, 1000, 101));
    tags.hear(status(2, 0));
    assert_eq!(tags.flow_control.pacemaker(), address(1), "no member");

    let mut fastest = Sender::with(FlowControl::max(4));
    fastest.hear(status(1, 1000));
    fastest.hear(status(2, 500));
    assert_eq!(fastest.flow_control.pacemaker(), address(1));
    fastest.hear(status(2, 1500));
    assert_eq!(fastest.flow_control.pacemaker(), address(2));
}

#[test]
fn max_follows_the_fastest_receiver_and_never_goes_back() {
    let mut sender = Sender::with(FlowControl::max(4));
    assert!(sender.flow_control.has_required_receivers());
    assert_eq!(sender.flow_control.receiver_count(), None);
    for (status, limit) in
        [(status(1, 0), 2000), (status(2, 5000), 7000), (status(1, 1000), 7000), (leaving(2, 9000), 11_000)]
    {
        assert_eq!(sender.hear(status), limit);
    }
    sender.wait(TIMEOUT * 2);
    assert_eq!(sender.idle(), 11_000);
}

/// FLC-05
#[test]
fn min_follows_the_slowest_receiver() {
    let mut sender = Sender::with(FlowControl::min(&options(0)));
    for (status, limit) in
        [(status(1, 0), 2000), (status(2, 1000), 2000), (status(2, 1500), 2000), (status(1, 1200), 3200)]
    {
        assert_eq!(sender.hear(status), limit);
    }
    assert_eq!(sender.flow_control.receiver_count(), Some(2));
}

/// FLC-04
#[test]
fn min_lets_go_of_a_receiver_that_falls_silent() {
    let mut sender = Sender::with(FlowControl::min(&options(0)));
    sender.hear(status(1, 0));
    sender.hear(status(2, 0));
    sender.wait(TIMEOUT);
    assert_eq!(sender.hear(status(2, 1000)), 2000);
    assert_eq!((sender.idle(), sender.flow_control.receiver_count()), (2000, Some(2)), "just in time");
    sender.wait(Duration::from_nanos(1));
    assert_eq!((sender.idle(), sender.flow_control.receiver_count()), (3000, Some(1)));
}

#[test]
fn tagged_lets_go_of_a_receiver_of_the_group_that_falls_silent() {
    let mut sender = Sender::with(FlowControl::tagged(GroupTag::new(7), &options(0)));
    sender.hear(tagged(1, 0, 7));
    sender.wait(TIMEOUT);
    assert_eq!(sender.hear(tagged(2, 1000, 7)), 2000);
    sender.wait(Duration::from_nanos(1));
    assert_eq!(sender.hear(tagged(1, 0, 8)), 2000, "without the tag it is another receiver");
    assert_eq!((sender.idle(), sender.flow_control.receiver_count()), (3000, Some(1)));
}

#[test]
fn how_many_windows_are_sent_again_is_a_setting_of_each_strategy() {
    let config = FlowControlConfig { unicast_rrwm: 2, multicast_rrwm: 3, ..FlowControlConfig::default() };
    for (is_group, spec, windows) in [
        (false, None, 2),
        (true, Some("max"), 3),
        (true, Some("min"), 3),
        (true, Some("min,rrwm:5"), 5),
        (true, Some("tagged"), 3),
        (true, Some("tagged,rrwm:6"), 6),
    ] {
        let large = TermLength::new(16 << 20).unwrap();
        let strategy = config.flow_control(is_group, spec).unwrap();
        let length = strategy.max_retransmission_length(TermOffset::new(0), i32::MAX, large);
        assert_eq!(length, windows * 131_072, "{spec:?}");
    }
}

#[test]
fn the_limit_stays_when_the_last_receiver_is_lost() {
    let mut sender = Sender::with(FlowControl::min(&options(0)));
    sender.hear(status(1, 4000));
    sender.wait(TIMEOUT + Duration::from_nanos(1));
    assert_eq!((sender.idle(), sender.flow_control.receiver_count()), (6000, Some(0)));
    assert!(sender.flow_control.has_required_receivers());
}

#[test]
fn dropping_several_receivers_in_one_pass_keeps_the_live_ones() {
    let mut sender = Sender::with(FlowControl::min(&options(0)));
    for receiver in 1..=4 {
        sender.hear(status(receiver, 0));
    }
    sender.wait(TIMEOUT + Duration::from_nanos(1));
    sender.hear(status(2, 1500));
    assert_eq!((sender.idle(), sender.flow_control.receiver_count()), (3500, Some(1)));
}

/// FLC-06
#[test]
fn a_joiner_more_than_a_window_behind_is_not_admitted() {
    let mut sender = Sender::with(FlowControl::min(&options(0)));
    assert_eq!(sender.hear(status(1, 10_000)), 12_000);
    assert_eq!(sender.hear(status(2, 7999)), 12_000);
    assert_eq!(sender.flow_control.receiver_count(), Some(1));
    assert_eq!(sender.hear(status(2, 8000)), 12_000);
    assert_eq!(sender.flow_control.receiver_count(), Some(2));
}

#[test]
fn a_status_message_never_pulls_the_limit_back_but_an_idle_cycle_may() {
    let mut sender = Sender::with(FlowControl::min(&options(0)));
    sender.hear(status(1, 10_000));
    sender.hear(status(2, 8500));
    assert_eq!(sender.limit.get(), 12_000);
    assert_eq!(sender.idle(), 10_500);
}

/// FLC-10
#[test]
fn a_receiver_at_the_end_of_its_stream_leaves_at_the_next_idle_cycle() {
    let mut sender = Sender::with(FlowControl::min(&options(0)));
    sender.hear(status(1, 0));
    sender.hear(status(2, 1000));
    assert_eq!(sender.hear(leaving(1, 0)), 2000);
    assert_eq!(sender.flow_control.receiver_count(), Some(2));
    assert_eq!((sender.idle(), sender.flow_control.receiver_count()), (3000, Some(1)));
    sender.hear(leaving(3, 5000));
    assert_eq!(sender.flow_control.receiver_count(), Some(1), "one that leaves does not join");
}

#[test]
fn a_receiver_that_rejects_the_stream_leaves_at_the_next_idle_cycle() {
    let mut sender = Sender::with(FlowControl::min(&options(0)));
    sender.hear(status(1, 0));
    sender.hear(status(2, 1000));
    sender.flow_control.on_error(ReceiverId::new(1));
    sender.flow_control.on_error(ReceiverId::new(99));
    assert_eq!((sender.idle(), sender.flow_control.receiver_count()), (3000, Some(1)));
}

/// FLC-03, FLC-07
#[test]
fn the_limit_waits_for_the_required_receivers() {
    let mut sender = Sender::with(FlowControl::min(&options(2)));
    assert!(!sender.flow_control.has_required_receivers());
    assert_eq!(sender.hear(status(1, 1000)), 0);
    assert!(!sender.flow_control.has_required_receivers());
    assert_eq!(sender.idle(), 0);
    assert_eq!(sender.hear(status(2, 1500)), 3000);
    assert!(sender.flow_control.has_required_receivers());
    sender.hear(leaving(1, 1000));
    assert_eq!(sender.idle(), 3000);
    assert!(!sender.flow_control.has_required_receivers());
}

/// FLC-07
#[test]
fn a_setup_sent_for_a_joiner_holds_the_limit_until_it_joins() {
    let mut sender = Sender::with(FlowControl::min(&options(0)));
    sender.hear(status(1, 10_000));
    sender.flow_control.on_trigger_send_setup(None);
    sender.flow_control.on_setup(sender.limit, sender.now);
    assert_eq!(sender.hear(status(1, 11_500)), 12_000, "held");
    assert_eq!(sender.idle(), 12_000, "held");
    assert_eq!(sender.hear(status(2, 10_000)), 12_000);
    assert_eq!(sender.flow_control.receiver_count(), Some(2));
    assert_eq!(sender.hear(status(2, 11_000)), 13_000, "no longer held");
}

#[test]
fn the_limit_is_held_for_the_receiver_timeout_at_most() {
    let mut sender = Sender::with(FlowControl::min(&options(0)));
    sender.hear(status(1, 0));
    sender.flow_control.on_trigger_send_setup(None);
    sender.flow_control.on_setup(sender.limit, sender.now);
    sender.wait(TIMEOUT);
    assert_eq!(sender.hear(status(1, 1000)), 2000);
    sender.wait(Duration::from_nanos(1));
    assert_eq!(sender.hear(status(1, 1000)), 3000);
}

#[test]
fn a_setup_that_no_member_asked_for_holds_nothing() {
    let mut sender = Sender::with(FlowControl::tagged(GroupTag::new(7), &options(0)));
    sender.hear(tagged(1, 0, 7));
    for group_tag in [None, Some(GroupTag::new(8))] {
        sender.flow_control.on_trigger_send_setup(group_tag);
    }
    sender.flow_control.on_setup(sender.limit, sender.now);
    assert_eq!(sender.hear(tagged(1, 1000, 7)), 3000);
    sender.flow_control.on_trigger_send_setup(Some(GroupTag::new(7)));
    sender.flow_control.on_setup(sender.limit, sender.now);
    assert_eq!(sender.hear(tagged(1, 2000, 7)), 3000, "held");
}

#[test]
fn the_first_setup_holds_nothing_as_nobody_is_there_to_be_slowed() {
    let mut sender = Sender::with(FlowControl::min(&options(0)));
    sender.flow_control.on_trigger_send_setup(None);
    sender.flow_control.on_setup(sender.limit, sender.now);
    assert_eq!(sender.hear(status(1, 1000)), 3000);
}

/// FLC-02
#[test]
fn only_receivers_with_the_tag_set_the_pace() {
    let mut sender = Sender::with(FlowControl::tagged(GroupTag::new(7), &options(0)));
    assert_eq!(sender.hear(tagged(1, 0, 8)), 2000, "nobody is in the group yet: anyone drives it");
    assert_eq!(sender.hear(tagged(2, 1000, 7)), 3000);
    assert_eq!(sender.hear(status(3, 9000)), 3000);
    assert_eq!(sender.hear(tagged(1, 9000, 8)), 3000);
    assert_eq!(sender.flow_control.receiver_count(), Some(1));
    assert!(sender.flow_control.reads_group_tags());
    assert!(!FlowControl::min(&options(0)).reads_group_tags());
}

#[test]
fn a_status_message_on_the_wire_is_read_with_the_geometry_of_its_stream() {
    let message = StatusMessage {
        flags: StatusMessageFlags::END_OF_STREAM,
        session_id: SessionId::new(1),
        stream_id: StreamId::new(2),
        consumption_term_id: TermId::new(i32::MIN),
        consumption_term_offset: TermOffset::new(64),
        receiver_window: WINDOW,
        receiver_id: ReceiverId::new(9),
        group_tag: Some(GroupTag::new(101)),
    };
    let mut datagram = [0; 64];
    let length = message.emit(&mut datagram);
    let view = StatusMessageView::new(&datagram[..length]).unwrap();
    let geometry = TermGeometry::new(TermId::new(i32::MAX), TermLength::MIN);
    let expected = ReceiverStatus { end_of_stream: true, ..tagged(9, 65_600, 101) };
    assert_eq!(ReceiverStatus::of(&view, &geometry, expected.source), expected);
}

/// Vectors of wire spec 12.21, acceptance line DAT-22.
#[test]
fn positions_from_half_a_term_behind_to_one_and_a_half_ahead_are_plausible() {
    for (position, expected) in
        [(967_231, false), (967_232, true), (1_000_000, true), (1_098_304, true), (1_098_305, false)]
    {
        let status = status(1, position);
        assert_eq!(status.is_plausible(Position::new(1_000_000), TermLength::MIN), expected, "{position}");
    }
}

/// Vectors of wire spec 12.21.
#[test]
fn a_nak_brings_back_at_most_some_windows_and_at_most_the_rest_of_the_term() {
    let large = TermLength::new(16 << 20).unwrap();
    for (rrwm, term_length, offset, requested, expected) in [
        (16, large, 0, i32::MAX, 2_097_152),
        (4, large, 0, i32::MAX, 524_288),
        (16, TermLength::MIN, 60_000, 5536, 5536),
        (16, TermLength::MIN, 60_000, i32::MAX, 5536),
        (4, TermLength::MIN, 0, 65_536, 65_536),
        (1, TermLength::MIN, 0, 65_536, 32_768),
        (4, large, 64, 96, 96),
        (i64::MAX, large, 32, i32::MAX, (16 << 20) - 32),
    ] {
        let length =
            FlowControl::max(rrwm).max_retransmission_length(TermOffset::new(offset), requested, term_length);
        assert_eq!(length, expected, "rrwm {rrwm} offset {offset} requested {requested}");
    }
}

/// FLC-01, FLC-02, FLC-08: what a channel and a configuration make of each other.
#[test]
fn the_channel_chooses_among_the_strategies_and_the_configuration_fills_in() {
    let config = FlowControlConfig {
        multicast: Supplier::MulticastTagged,
        group_tag: GroupTag::new(31),
        group_min_size: 5,
        ..FlowControlConfig::default()
    };
    for (is_group, spec, expected) in [
        (false, None, FlowControl::max(16)),
        (false, Some("min,what"), FlowControl::max(16)),
        (true, Some("max"), FlowControl::max(4)),
        (true, Some("max,rrwm:8"), FlowControl::max(8)),
        (true, None, FlowControl::tagged(GroupTag::new(31), &options(5))),
        (true, Some("min"), FlowControl::min(&options(5))),
        (true, Some("min,g:/3"), FlowControl::min(&options(3))),
        (true, Some("min,g:9/3"), FlowControl::min(&options(3))),
        (true, Some("tagged,g:/0"), FlowControl::tagged(GroupTag::new(31), &options(0))),
        (true, Some("tagged,g:-101/2"), FlowControl::tagged(GroupTag::new(-101), &options(2))),
        (
            true,
            Some("tagged,rrwm:2,t:100MS,g:1"),
            FlowControl::tagged(
                GroupTag::new(1),
                &GroupOptions { receiver_timeout: Duration::from_millis(100), group_min_size: 5, rrwm: 2 },
            ),
        ),
    ] {
        let actual = config.flow_control(is_group, spec).unwrap();
        assert_eq!(format!("{actual:?}"), format!("{expected:?}"), "{spec:?}");
    }
    for (is_group, rrwm) in [(false, 16), (true, 4)] {
        let actual = FlowControlConfig::default().flow_control(is_group, None).unwrap();
        assert_eq!(format!("{actual:?}"), format!("{:?}", FlowControl::max(rrwm)), "by default");
    }
}

#[test]
fn durations_take_every_unit() {
    for (text, nanos) in
        [("t:7", 7), ("t:7ns", 7), ("t:7us", 7000), ("t:7ms", 7_000_000), ("t:7S", 7_000_000_000)]
    {
        let parsed = FlowControlConfig::default().flow_control(true, Some(&format!("min,{text}"))).unwrap();
        let receiver_timeout = Duration::from_nanos(nanos);
        let expected = FlowControl::min(&GroupOptions { receiver_timeout, group_min_size: 0, rrwm: 4 });
        assert_eq!(format!("{parsed:?}"), format!("{expected:?}"), "{text}");
    }
}

/// FLC-01
#[test]
fn malformed_flow_control_is_refused() {
    for spec in [
        "",
        ",g:1",
        "maximum",
        "ma",
        "MAX",
        "unicast",
        "max,",
        "max,t:1s",
        "max,g:1",
        "max,rrwm:",
        "max,rrwm:0",
        "max,rrwm:-1",
        "max,rrwm:x",
        "min,",
        "min,t",
        "min,t:",
        "min,t:-1s",
        "min,t:1h",
        "min,t:s",
        "min,t:1.5s",
        "min,g:",
        "min,g:/",
        "min,g:x",
        "min,g:1/",
        "min,g:1/x",
        "min,g:1/-1",
        "min,g:/2147483648",
        "min,x:1",
        "tagged,g:9223372036854775808",
        "tagged,g:1f2",
        "tagged,g:1/2/3",
        "tagged g:1",
    ] {
        let error = FlowControlConfig::default().flow_control(true, Some(spec)).unwrap_err();
        assert!(error.to_string().contains(spec), "{error}");
    }
}

#[test]
fn configured_suppliers_have_a_short_and_a_long_name() {
    for (name, supplier) in [
        ("unicast_max", Supplier::UnicastMax),
        ("multicast_max", Supplier::MulticastMax),
        ("multicast_min", Supplier::MulticastMin),
        ("multicast_tagged", Supplier::MulticastTagged),
        ("aeron_min_flow_control_strategy_supplier", Supplier::MulticastMin),
    ] {
        assert_eq!(name.parse(), Ok(supplier));
    }
    assert_eq!("min".parse::<Supplier>(), Err(SpecError::UnknownSupplier("min".to_owned())));
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Status { receiver: i64, advance: i64, window: i32, end_of_stream: bool },
    Setup,
    Error(i64),
    Idle,
    Wait(u64),
}

fn events() -> impl proptest::strategy::Strategy<Value = Vec<Event>> {
    let status = (0_i64..4, 0_i64..3000, 0_i32..4000, proptest::bool::weighted(0.1)).prop_map(
        |(receiver, advance, window, end_of_stream)| Event::Status {
            receiver,
            advance,
            window,
            end_of_stream,
        },
    );
    let event = prop_oneof![
        6 => status,
        1 => Just(Event::Setup),
        1 => (0_i64..4).prop_map(Event::Error),
        2 => Just(Event::Idle),
        2 => (0_u64..4000).prop_map(Event::Wait),
    ];
    proptest::collection::vec(event, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The limit never goes back on a status message, and never past the slowest receiver that is in the group, unless
    /// it was already there.
    #[test]
    fn min_never_overruns_its_slowest_receiver(events in events()) {
        let mut sender = Sender::with(FlowControl::min(&options(0)));
        let mut positions = [0_i64; 4];
        // The window end and last word of each receiver in the group.
        let mut group: [Option<(i64, Nanos, bool)>; 4] = [None; 4];
        for event in events {
            let before = sender.limit.get();
            match event {
                Event::Status { receiver, advance, window, end_of_stream } => {
                    let index = receiver as usize;
                    positions[index] += advance;
                    let status = ReceiverStatus { window, end_of_stream, ..status(receiver, positions[index]) };
                    let count = sender.flow_control.receiver_count().unwrap();
                    let limit = sender.hear(status);
                    let joined = sender.flow_control.receiver_count().unwrap() > count;
                    if joined || group[index].is_some() {
                        group[index] = Some((status.window_end().get(), sender.now, end_of_stream));
                    }
                    prop_assert!(limit >= before);
                    if let Some(slowest) = group.iter().flatten().map(|(end, ..)| *end).min() {
                        prop_assert!(limit <= before.max(slowest));
                    }
                }
                Event::Setup => {
                    sender.flow_control.on_trigger_send_setup(None);
                    sender.flow_control.on_setup(sender.limit, sender.now);
                }
                Event::Error(receiver) => {
                    sender.flow_control.on_error(ReceiverId::new(receiver));
                    if let Some((.., is_leaving)) = &mut group[receiver as usize] {
                        *is_leaving = true;
                    }
                }
                Event::Idle => {
                    let limit = sender.idle();
                    for entry in &mut group {
                        entry.take_if(|(_, heard, leaving)| *leaving || *heard + TIMEOUT < sender.now);
                    }
                    match group.iter().flatten().map(|(end, ..)| *end).min() {
                        Some(slowest) => prop_assert!(limit <= slowest),
                        None => prop_assert_eq!(limit, before),
                    }
                }
                Event::Wait(millis) => sender.wait(Duration::from_millis(millis)),
            }
            prop_assert_eq!(sender.flow_control.receiver_count(), Some(group.iter().flatten().count()));
        }
    }

    #[test]
    fn max_never_goes_back(events in events()) {
        let mut sender = Sender::with(FlowControl::max(4));
        let mut furthest = 0;
        for event in events {
            if let Event::Status { receiver, advance, window, end_of_stream } = event {
                let status = ReceiverStatus { window, end_of_stream, ..status(receiver, advance) };
                furthest = furthest.max(status.window_end().get());
                prop_assert_eq!(sender.hear(status), furthest);
            }
            prop_assert_eq!(sender.idle(), furthest);
        }
    }

    #[test]
    fn parsing_never_panics(spec in "(max|min|tagged|)[,:/0-9a-z-]{0,24}") {
        let _ = FlowControlConfig::default().flow_control(true, Some(&spec));
    }
}
