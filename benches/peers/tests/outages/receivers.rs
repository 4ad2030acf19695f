//! Outages shorter and longer than the timeout of receivers that flow control follows.

use super::link::{
    FEW, IMPATIENT, PATIENT, assert_one_image, exchange_gently, fill_window, flowing, set_link, stay_down,
    turn,
};
use crate::common::{
    ends::{AnyPublisher, AnySubscriber, assert_complete, connect, eventually, exchange},
    hosts::{MANY, drivers, followed, for_each_pairing, in_network, multicast, publish, subscribe},
    stream_counter, system_counter, type_id,
};
use epona_peers::{namespace::Network, party::DriverKind, process::DriverProcess};

for_each_pairing! {
    #[test]
    fn a_multicast_stream_goes_on_at_others_while_a_link_is_down_for_longer_than_the_timeouts() {
        in_network(|network| others_go_on_during_a_long_outage(network, KINDS));
    }

    #[test]
    fn min_flow_control_waits_for_a_host_whose_link_is_down_for_less_than_its_timeout() {
        in_network(|network| a_short_outage_is_waited_for(network, KINDS, "fc=min,t:600s", ""));
    }

    #[test]
    fn tagged_flow_control_waits_for_a_host_whose_link_is_down_for_less_than_its_timeout() {
        in_network(|network| {
            a_short_outage_is_waited_for(network, KINDS, "fc=tagged,g:9,t:600s", "|gtag=9");
        });
    }

    #[test]
    fn min_flow_control_goes_on_without_a_host_after_its_timeout_and_follows_it_again() {
        in_network(|network| a_long_outage_is_not_waited_for(network, KINDS, "fc=min,t:3s", ""));
    }

    #[test]
    fn tagged_flow_control_goes_on_without_a_host_after_its_timeout_and_follows_it_again() {
        in_network(|network| {
            a_long_outage_is_not_waited_for(network, KINDS, "fc=tagged,g:9,t:3s", "|gtag=9");
        });
    }
}

fn others_go_on_during_a_long_outage(network: &Network, kinds: [DriverKind; 3]) {
    let drivers = drivers(network, kinds, IMPATIENT);
    let (from, channel) = (&drivers[0], multicast());
    let (mut publication, [mut near, mut far]) =
        flowing(&drivers, &format!("{channel}|fc=min,t:5s"), [&channel, &channel]);
    set_link(network, false);
    // In which the client of the other one gets its turns.
    await_followed(from, 1, &mut publication, &mut [&mut near, &mut far]);
    exchange(&mut publication, &mut [&mut near], 50..MANY);
    eventually("the host without a link has lost its image", || {
        publication.turn();
        near.turn();
        far.turn();
        far.image_count() == 0
    });
    set_link(network, true);
    // It joins where the stream is now; what it missed in the meantime is gone for it.
    far.poll();
    connect(&mut publication, &mut [&mut near, &mut far]);
    await_followed(from, 2, &mut publication, &mut [&mut near, &mut far]);
    exchange(&mut publication, &mut [&mut near, &mut far], MANY..MANY + 300);
    assert_complete(&near, MANY + 300);
}

/// Waits until the stream's flow control follows so many receivers.
#[track_caller]
fn await_followed(
    from: &DriverProcess,
    receivers: i64,
    publication: &mut AnyPublisher,
    subscriptions: &mut [&mut AnySubscriber],
) {
    let session = publication.session_id();
    eventually(&format!("{receivers} are followed"), || {
        turn(publication, subscriptions);
        followed(from, session) == Some(receivers)
    });
}

/// How far a publisher may send, compared with what the host that loses its link has room for. That host tells how far it
/// has read at every quarter of a window.
fn limit(from: &DriverProcess, far: &DriverProcess, publication: &AnyPublisher) -> Limit {
    let session = publication.session_id();
    let window = (publication.term_length() / 2) as i64;
    let limit = stream_counter(from, type_id::SENDER_LIMIT, session).expect("a limit");
    let room = stream_counter(far, type_id::SUBSCRIBER_POSITION, session).expect("a position") + window;
    match room - limit {
        ..0 => Limit::Beyond,
        behind if behind <= window / 4 => Limit::OfFar,
        _ => Limit::Before,
    }
}

#[derive(PartialEq, Eq, Debug)]
enum Limit {
    Before,
    OfFar,
    Beyond,
}

/// Two hosts that are followed have what was published; the second of them loses its link.
#[track_caller]
fn cut_off_while_followed(
    network: &Network,
    [from, far]: [&DriverProcess; 2],
    publication: &mut AnyPublisher,
    subscriptions: &mut [&mut AnySubscriber],
) {
    connect(publication, subscriptions);
    await_followed(from, 2, publication, subscriptions);
    exchange_gently(publication, subscriptions, 0..50);
    eventually("both have told how far they have read", || {
        turn(publication, subscriptions);
        limit(from, far, publication) == Limit::OfFar
    });
    set_link(network, false);
}

/// Shorter than the timeout of a receiver: the publisher waits for who does not answer, and everybody gets everything.
fn a_short_outage_is_waited_for(network: &Network, kinds: [DriverKind; 3], flow_control: &str, tag: &str) {
    let [from, one, other] = drivers(network, kinds, PATIENT);
    let channel = multicast() + tag;
    let (mut near, mut far) = (subscribe(&one, &channel), subscribe(&other, &channel));
    let mut publication = publish(&from, &format!("{channel}|{flow_control}"));
    let mut both = [&mut near, &mut far];
    cut_off_while_followed(network, [&from, &other], &mut publication, &mut both);
    let next = fill_window(&mut publication, &mut both, 50, |publication| {
        let sent = stream_counter(&from, type_id::SENDER_POSITION, publication.session_id());
        let read = stream_counter(&one, type_id::SUBSCRIBER_POSITION, publication.session_id());
        read == sent
    });
    stay_down(&other, &mut publication, &mut both);
    assert!(next < MANY, "the publisher does not wait");
    assert_eq!(limit(&from, &other, &publication), Limit::OfFar, "the host without a link limits");
    assert_eq!(followed(&from, publication.session_id()), Some(2));
    set_link(network, true);
    eventually("everything has arrived", || {
        turn(&mut publication, &mut both);
        both.iter().all(|subscription| subscription.messages().len() == next as usize)
    });
    exchange(&mut publication, &mut both, next..next + 300);
    for subscription in both {
        assert_complete(subscription, next + 300);
        assert_one_image(subscription);
    }
    assert_eq!(followed(&from, publication.session_id()), Some(2));
    assert!(publication.is_connected());
}

/// Longer than the timeout of a receiver: the publisher goes on without it; when it is back it is followed again, and what
/// it missed, which is less than its window, is sent again.
fn a_long_outage_is_not_waited_for(network: &Network, kinds: [DriverKind; 3], flow_control: &str, tag: &str) {
    let [from, one, other] = drivers(network, kinds, PATIENT);
    let channel = multicast() + tag;
    let (mut near, mut far) = (subscribe(&one, &channel), subscribe(&other, &channel));
    let mut publication = publish(&from, &format!("{channel}|{flow_control}"));
    let mut both = [&mut near, &mut far];
    cut_off_while_followed(network, [&from, &other], &mut publication, &mut both);
    await_followed(&from, 1, &mut publication, &mut both);
    exchange(&mut publication, &mut [both[0]], 50..50 + FEW);
    eventually("the publisher may send more than the host without a link has room for", || {
        turn(&mut publication, &mut both);
        limit(&from, &other, &publication) == Limit::Beyond
    });
    set_link(network, true);
    await_followed(&from, 2, &mut publication, &mut both);
    eventually("everything has arrived", || {
        turn(&mut publication, &mut both);
        both.iter().all(|subscription| subscription.messages().len() == 50 + FEW as usize)
    });
    exchange_gently(&mut publication, &mut both, 50 + FEW..MANY);
    for subscription in both {
        assert_complete(subscription, MANY);
        assert_one_image(subscription);
    }
    assert!(system_counter(&from, "Retransmits sent") > 0);
    assert!(publication.is_connected());
}
