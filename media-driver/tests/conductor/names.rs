//! Names in channels: asked for again when peers fall silent, from a table, and from other drivers.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
    time::Duration,
};

use epona_media_driver::{
    Context,
    config::ResolverKind,
    media::simulated::SimulatedNetwork,
    name_resolution::{NameQuery, NameResolver, ResolutionError},
};
use epona_protocol::{
    command::Request,
    counters::SystemCounter,
    types::{CounterId, CounterTypeId, RegistrationId},
};

use crate::harness::{CLIENT, Driver, STREAM, Told, exclusive, refusal};

const PUBLISHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SERVER: &str = "aeron:udp?endpoint=server:24325";

/// What the system knows, and who asked.
#[derive(Clone, Debug, Default)]
struct Hosts {
    known: Arc<Mutex<HashMap<String, IpAddr>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hosts {
    fn set(&self, name: &str, address: &str) {
        self.known.lock().unwrap().insert(name.into(), address.parse().unwrap());
    }

    fn forget(&self, name: &str) {
        self.known.lock().unwrap().remove(name);
    }

    /// Names asked for since the last call; those asked for again are marked.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl NameResolver for Hosts {
    fn resolve(&mut self, query: NameQuery<'_>) -> Result<IpAddr, ResolutionError> {
        let again = if query.is_re_resolution { " again" } else { "" };
        if let Ok(address) = query.name.parse() {
            return Ok(address);
        }
        self.asked.lock().unwrap().push(format!("{}={}{again}", query.parameter, query.name));
        self.known.lock().unwrap().get(query.name).copied().ok_or_else(|| ResolutionError::UnknownHost {
            parameter: query.parameter.into(),
            name: query.name.into(),
            reason: "not in the test".into(),
        })
    }
}

/// A driver alone on a network, and a server that it knows by name.
struct Scene {
    driver: Driver,
    network: SimulatedNetwork,
    hosts: Hosts,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Context)) -> Self {
        let (network, hosts) = (SimulatedNetwork::new(5), Hosts::default());
        hosts.set("server", "10.0.0.2");
        let driver = Driver::knowing(Box::new(hosts.clone()), &network, PUBLISHER, change);
        network.record(true);
        Self { driver, network, hosts }
    }

    fn wait_ms(&mut self, ms: u64) {
        self.driver.wait_alive(Duration::from_millis(ms), CLIENT);
    }

    /// Where datagrams went since the last call, each address once.
    fn destinations(&self) -> Vec<String> {
        let mut sent: Vec<_> =
            self.network.take_trace().iter().map(|sent| sent.destination.to_string()).collect();
        sent.sort();
        sent.dedup();
        sent
    }

    fn changes(&self) -> i64 {
        self.driver.system(SystemCounter::ResolutionChanges)
    }

    /// Time passes while the resource agent is stuck.
    fn wait_without_agent(&mut self, ms: u64) {
        for _ in 0..ms / 50 {
            self.driver.pass(Duration::from_millis(50));
            self.driver.turn_without_agent();
        }
    }
}

#[test]
fn a_silent_endpoint_is_resolved_again_and_sent_to_where_its_name_points_now_and_back_again() {
    let mut scene = Scene::new();
    scene.driver.publish(SERVER);
    scene.wait_ms(4900);
    assert_eq!(scene.hosts.asked(), ["endpoint=server"], "five seconds are no silence");
    assert_eq!(scene.destinations(), ["10.0.0.2:24325"]);
    scene.wait_ms(1500);
    assert_eq!(scene.hosts.asked().first().map(String::as_str), Some("endpoint=server again"));
    assert_eq!(
        (scene.destinations(), scene.changes()),
        (vec!["10.0.0.2:24325".to_owned()], 0),
        "still there"
    );
    scene.hosts.set("server", "10.0.0.3");
    scene.wait_ms(1200);
    scene.destinations();
    scene.wait_ms(1000);
    assert_eq!((scene.destinations(), scene.changes()), (vec!["10.0.0.3:24325".to_owned()], 1));
    scene.hosts.set("server", "10.0.0.2");
    scene.wait_ms(1200);
    scene.destinations();
    scene.wait_ms(1000);
    assert_eq!((scene.destinations(), scene.changes()), (vec!["10.0.0.2:24325".to_owned()], 2));
    assert!(scene.driver.errors().is_empty());
}

#[test]
fn unconnected_sockets_follow_the_name_too() {
    let mut scene = Scene::with(|context| context.network.connect_sockets = false);
    scene.driver.publish(SERVER);
    scene.hosts.set("server", "10.0.0.3");
    scene.wait_ms(7000);
    scene.destinations();
    scene.wait_ms(1000);
    assert_eq!((scene.destinations(), scene.changes()), (vec!["10.0.0.3:24325".to_owned()], 1));
}

#[test]
fn a_name_whose_receivers_send_status_messages_is_not_asked_for_again() {
    let mut scene = Scene::new();
    scene.hosts.set("server", "127.0.0.1");
    scene.driver.subscribe(SERVER);
    scene.driver.publish(SERVER);
    scene.hosts.asked();
    scene.wait_ms(20_000);
    assert_eq!(scene.hosts.asked(), [""; 0]);
}

#[test]
fn names_are_not_asked_for_again_when_that_is_switched_off() {
    let mut scene = Scene::with(|context| context.network.re_resolution_check_interval = Duration::ZERO);
    scene.driver.publish(SERVER);
    scene.driver.subscribe("aeron:udp?endpoint=127.0.0.1:24326|control=server:24327");
    scene.hosts.asked();
    scene.wait_ms(20_000);
    assert_eq!(scene.hosts.asked(), [""; 0]);
}

#[test]
fn a_name_that_has_no_address_any_more_is_recorded_and_the_old_address_stays_until_there_is_a_new_one() {
    let mut scene = Scene::new();
    scene.driver.publish(SERVER);
    scene.hosts.forget("server");
    scene.wait_ms(7000);
    let errors = scene.driver.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    for words in ["unresolved - endpoint=server", "Unable to resolve host"] {
        assert!(errors[0].contains(words), "{errors:?}");
    }
    assert!(scene.driver.system(SystemCounter::Errors) > 0);
    assert_eq!((scene.destinations(), scene.changes()), (vec!["10.0.0.2:24325".to_owned()], 0));
    scene.hosts.set("server", "10.0.0.3");
    scene.wait_ms(1500);
    scene.destinations();
    scene.wait_ms(1000);
    assert_eq!((scene.destinations(), scene.changes()), (vec!["10.0.0.3:24325".to_owned()], 1));
}

#[test]
fn an_answer_for_an_endpoint_that_has_gone_meanwhile_moves_nobody() {
    let mut scene = Scene::with(|context| context.timeouts.publication_linger = Duration::ZERO);
    let (publication, _) = scene.driver.publish(SERVER);
    scene.wait_ms(4900);
    scene.wait_without_agent(3000);
    scene.hosts.set("server", "10.0.0.3");
    scene.hosts.asked();
    scene.driver.send_as(
        CLIENT,
        Request::RemovePublication { registration_id: RegistrationId::new(publication), revoke: false },
    );
    scene.wait_without_agent(6000);
    let is_gone = |driver: &Driver| {
        driver.counters().iter().all(|counter| counter.type_id != CounterTypeId::SEND_CHANNEL_STATUS)
    };
    assert!(is_gone(&scene.driver));
    scene.hosts.set("other", "10.0.0.4");
    let (_, told) = scene.driver.publish("aeron:udp?endpoint=other:24325");
    assert!(matches!(told.last(), Some(Told::Publication(_))), "{told:?}");
    assert_eq!(scene.hosts.asked()[..2], ["endpoint=server again", "endpoint=other"]);
    scene.destinations();
    scene.wait_ms(1000);
    assert_eq!((scene.destinations(), scene.changes()), (vec!["10.0.0.4:24325".to_owned()], 0));
}

#[test]
fn a_clients_command_waits_behind_one_name_and_not_behind_all() {
    let mut scene = Scene::new();
    for i in 0..5 {
        scene.hosts.set(&format!("server{i}"), "10.0.0.2");
        scene.driver.publish(&format!("aeron:udp?endpoint=server{i}:24325"));
    }
    scene.wait_ms(4900);
    scene.wait_without_agent(3000);
    scene.hosts.asked();
    scene.hosts.set("fresh", "10.0.0.2");
    scene.driver.publish("aeron:udp?endpoint=fresh:24325");
    let asked = scene.hosts.asked();
    assert_eq!(asked[1], "endpoint=fresh", "{asked:?}");
    for i in 0..5 {
        let again = format!("endpoint=server{i} again");
        assert_eq!(asked.iter().filter(|name| **name == again).count(), 1, "{asked:?}");
    }
}

#[test]
fn an_endpoint_is_shared_by_name_and_by_tag_wherever_its_name_points() {
    let mut scene = Scene::new();
    let tagged = "aeron:udp?endpoint=server:24325|tags=7";
    let (_, told) = scene.driver.publish(tagged);
    let status = told.last().unwrap().ready().status;
    scene.hosts.set("server", "10.0.0.3");
    scene.wait_ms(7000);
    assert_eq!(scene.changes(), 1);
    for channel in [tagged, SERVER, "aeron:udp?tags=7"] {
        let (_, told) = scene.driver.ask(exclusive(channel, STREAM));
        assert_eq!(told[0].ready().status, status, "{channel}");
    }
    scene.hosts.set("server", "10.0.0.4");
    let (_, told) = scene.driver.ask(exclusive(tagged, STREAM));
    assert!(refusal(&told).1.contains("mismatched"), "where it no longer is: {told:?}");
}

#[test]
fn the_name_of_a_silent_sender_with_explicit_control_is_asked_for_again_every_five_seconds() {
    let mut scene = Scene::new();
    scene.driver.subscribe("aeron:udp?endpoint=127.0.0.1:24326|control=server:24327");
    scene.hosts.asked();
    scene.wait_ms(4900);
    assert_eq!(scene.hosts.asked(), [""; 0]);
    scene.hosts.set("server", "10.0.0.3");
    scene.wait_ms(2000);
    assert_eq!((scene.hosts.asked(), scene.changes()), (vec!["control=server again".to_owned()], 1));
    scene.wait_ms(12_000);
    assert_eq!((scene.hosts.asked().len(), scene.changes()), (2, 1));
}

/// Sets the counter of a table's row.
fn set(driver: &Driver, counter: CounterId, value: i64) {
    let reader = driver.reader();
    assert!(reader.value(counter).is_some());
    driver.cnc.counters_values().put_i64_release(counter.get() as usize * 128, value);
}

#[test]
fn a_table_answers_for_its_names_as_its_counters_say() {
    let mut scene = Scene::with(|context| {
        context.resolver.kind = ResolverKind::CsvTable;
        context.resolver.init_args = Some("NAME_0,10.0.0.2,10.0.0.3|NAME_1,server,server".into());
    });
    let rows: Vec<_> = scene.driver.counters();
    assert_eq!(
        rows.iter().map(|row| (row.type_id.get(), row.label.as_str())).collect::<Vec<_>>(),
        [
            (2001, "NameEntry{name='NAME_0', initialResolutionHost='10.0.0.2', reResolutionHost='10.0.0.3'}"),
            (2001, "NameEntry{name='NAME_1', initialResolutionHost='server', reResolutionHost='server'}"),
        ]
    );
    scene.driver.publish("aeron:udp?endpoint=NAME_0:24325");
    scene.wait_ms(6000);
    assert_eq!(scene.destinations(), ["10.0.0.2:24325"]);
    set(&scene.driver, rows[0].id, 1);
    scene.wait_ms(1500);
    scene.destinations();
    scene.wait_ms(1000);
    assert_eq!((scene.destinations(), scene.changes()), (vec!["10.0.0.3:24325".to_owned()], 1));
    set(&scene.driver, rows[0].id, -1);
    let (_, told) = scene.driver.ask(exclusive("aeron:udp?endpoint=NAME_0:24325", STREAM));
    assert!(refusal(&told).1.contains("disabled"), "{told:?}");
    let (_, told) = scene.driver.ask(exclusive("aeron:udp?endpoint=NAME_1:24325", STREAM));
    assert!(matches!(told[..], [Told::Exclusive(_)]), "{told:?}");
}

#[test]
fn a_driver_reaches_another_one_by_the_name_that_it_gossips() {
    let network = SimulatedNetwork::new(5);
    let start = |host: [u8; 4], name: &str| {
        let hosts = Hosts::default();
        hosts.set("seed", "10.0.0.1");
        Driver::knowing(Box::new(hosts), &network, host.into(), |context| {
            let resolver = &mut context.resolver;
            resolver.kind = ResolverKind::Driver;
            resolver.name = Some(name.into());
            resolver.interface = Some("0.0.0.0:8050".into());
            resolver.bootstrap_neighbors = Some("seed:8050".into());
        })
    };
    let (mut alice, mut bob) = (start([10, 0, 0, 1], "alice"), start([10, 0, 0, 2], "bob"));
    let (_, told) = alice.publish("aeron:udp?endpoint=bob:24325");
    assert!(refusal(&told).1.contains("endpoint=bob"), "not known yet: {told:?}");
    for _ in 0..60 {
        alice.wait(Duration::from_millis(50));
        bob.wait(Duration::from_millis(50));
    }
    let labels = bob.labels();
    assert!(
        labels.contains(&"Bootstrap neighbor: name=seed:8050 resolved=10.0.0.1:8050".to_owned()),
        "{labels:?}"
    );
    assert_eq!(bob.reader().value(bob.counter(CounterTypeId::BOOTSTRAP_NEIGHBOR).id), Some(1));
    bob.subscribe("aeron:udp?endpoint=bob:24325");
    alice.publish("aeron:udp?endpoint=bob:24325");
    let mut told = Vec::new();
    for _ in 0..20 {
        alice.wait(Duration::from_millis(50));
        bob.wait(Duration::from_millis(50));
        told.extend(bob.told());
    }
    assert!(told.iter().any(|told| matches!(told, Told::Available { .. })), "{told:?}");
    assert!(bob.errors().is_empty(), "{:?}", bob.errors());
}

fn add_destination(scene: &mut Scene, publication: i64, channel: &str) {
    let registration_id = RegistrationId::new(publication);
    let (_, told) = scene.driver.ask(Request::AddDestination { registration_id, channel });
    assert!(matches!(told[..], [Told::Success(_)]), "{told:?}");
}

#[test]
fn a_manual_destination_is_resolved_again_and_one_that_was_unknown_is_sent_to_once_it_is_known() {
    let mut scene = Scene::new();
    let (publication, _) = scene.driver.publish("aeron:udp?control-mode=manual");
    add_destination(&mut scene, publication, SERVER);
    add_destination(&mut scene, publication, "aeron:udp?endpoint=later:24325");
    scene.wait_ms(4000);
    assert_eq!(scene.destinations(), ["10.0.0.2:24325"]);
    scene.wait_ms(3000);
    let errors = scene.driver.errors();
    assert!(errors.len() == 1 && errors[0].contains("unresolved - endpoint=later"), "{errors:?}");
    scene.hosts.set("later", "10.0.0.7");
    scene.hosts.set("server", "10.0.0.3");
    scene.wait_ms(6000);
    scene.destinations();
    scene.wait_ms(1000);
    assert_eq!(scene.destinations(), ["10.0.0.3:24325", "10.0.0.7:24325"]);
    assert_eq!(scene.changes(), 2);
}

/// Drivers turn together, each with a client that is alive.
fn together(drivers: &mut [&mut Driver], ms: u64) {
    for step in 0..ms / 50 {
        for driver in &mut *drivers {
            if step % 20 == 0 {
                driver.send_with(CLIENT, -1, Request::ClientKeepalive);
            }
            driver.wait(Duration::from_millis(50));
        }
    }
}

/// Addresses that images come from, of what a driver told.
fn sources(driver: &mut Driver) -> Vec<String> {
    let told = driver.told().into_iter();
    told.filter_map(|told| match told {
        Told::Available { source, .. } => source.split(':').next().map(str::to_owned),
        _ => None,
    })
    .collect()
}

/// A subscriber names its source by `control`; the source moves to another host, and the name with it.
fn the_source_moves(subscribe: impl FnOnce(&mut Driver)) {
    let Scene { driver: mut subscriber, network, hosts } = Scene::new();
    let start = |host: [u8; 4]| {
        let mut driver = Driver::on(&network, host.into(), |_| {});
        let (control, session) = (Ipv4Addr::from(host), host[3]);
        let channel = format!("aeron:udp?control={control}:24327|control-mode=dynamic|session-id={session}");
        driver.publish(&channel);
        driver
    };
    let mut first = start([10, 0, 0, 2]);
    subscribe(&mut subscriber);
    subscriber.told();
    together(&mut [&mut subscriber, &mut first], 2000);
    assert_eq!(sources(&mut subscriber), ["10.0.0.2"]);
    assert_eq!(hosts.asked(), ["control=server"]);
    drop(first);

    let mut second = start([10, 0, 0, 3]);
    hosts.set("server", "10.0.0.3");
    together(&mut [&mut subscriber, &mut second], 4000);
    assert_eq!(hosts.asked(), [""; 0], "not silent for long");
    together(&mut [&mut subscriber, &mut second], 4000);
    assert_eq!(hosts.asked(), ["control=server again"]);
    assert_eq!(subscriber.system(SystemCounter::ResolutionChanges), 1);
    together(&mut [&mut subscriber, &mut second], 2000);
    assert_eq!(sources(&mut subscriber), ["10.0.0.3"]);
    together(&mut [&mut subscriber, &mut second], 10_000);
    assert_eq!(hosts.asked(), [""; 0], "it is heard from");
    assert!(subscriber.errors().is_empty(), "{:?}", subscriber.errors());
}

#[test]
fn a_subscriber_hears_from_a_source_with_explicit_control_wherever_its_name_points() {
    the_source_moves(|driver| {
        let channel = "aeron:udp?endpoint=10.0.0.1:24326|control=server:24327|control-mode=dynamic";
        driver.subscribe(channel);
    });
}

#[test]
fn a_destination_of_a_subscription_hears_from_a_source_wherever_its_name_points() {
    the_source_moves(|driver| {
        let (subscription, _) = driver.subscribe("aeron:udp?control-mode=manual");
        let channel = "aeron:udp?endpoint=10.0.0.1:24326|control=server:24327|control-mode=dynamic";
        let registration_id = RegistrationId::new(subscription);
        let (_, told) = driver.ask(Request::AddReceiveDestination { registration_id, channel });
        assert!(matches!(told[..], [Told::Success(_)]), "{told:?}");
    });
}
