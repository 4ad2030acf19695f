//! The examples do what they say, each against a driver of its own in this process.
#![expect(clippy::unwrap_used, reason = "in a test a failure is a panic")]

use std::thread;

use epona_client::{Aeron, Context};
use epona_media_driver::EmbeddedDriver;

#[path = "../examples/async_tokio.rs"]
mod async_tokio;
#[path = "../examples/basic_publisher.rs"]
mod basic_publisher;
#[path = "../examples/basic_subscriber.rs"]
mod basic_subscriber;
#[path = "../examples/market_data_fanout.rs"]
mod market_data_fanout;
#[path = "../../media-driver/tests/support/ports.rs"]
#[allow(unreachable_pub, reason = "programs of several packages share the file")]
mod ports;
#[path = "../examples/request_response.rs"]
mod request_response;

fn connect(driver: &EmbeddedDriver) -> Aeron {
    Aeron::connect(Context::new().dir(driver.directory())).unwrap()
}

#[test]
fn the_basic_subscriber_gets_what_the_basic_publisher_publishes() {
    let driver = EmbeddedDriver::launch().unwrap();
    let channel = format!("aeron:udp?endpoint=127.0.0.1:{}", ports::free_port().unwrap());
    let aeron = connect(&driver);
    let mut received = Vec::new();
    thread::scope(|scope| {
        let publisher = scope.spawn(|| basic_publisher::run(&connect(&driver), &channel, 1001, 100).unwrap());
        let collect = |message: &[u8], _: &epona_client::Header<'_>| received.push(message.to_vec());
        basic_subscriber::run(&aeron, &channel, 1001, 100, collect).unwrap();
        assert_eq!(publisher.join().unwrap().get(), 100 * 64);
    });
    let expected: Vec<_> = (0..100).map(|number| format!("message {number}").into_bytes()).collect();
    assert_eq!(received, expected);
}

#[test]
fn each_requester_hears_its_own_answers() {
    let driver = EmbeddedDriver::launch().unwrap();
    let [requests, responses] = [(); 2].map(|()| format!("127.0.0.1:{}", ports::free_port().unwrap()));
    let answers = request_response::run(&connect(&driver), &requests, &responses, &["ada", "grace"]).unwrap();
    assert_eq!(answers, ["HELLO FROM ADA", "HELLO FROM GRACE"]);
}

#[test]
fn of_market_data_the_early_get_all_the_late_the_rest_and_the_slow_are_left_behind() {
    const COUNT: u64 = 1000;
    let driver = EmbeddedDriver::launch().unwrap();
    let group = format!("224.20.30.39:{}|interface=127.0.0.1", ports::free_port().unwrap());
    let [early, late, slow] = market_data_fanout::run(&connect(&driver), &group, COUNT).unwrap();
    assert_eq!(early.prices, (1..=COUNT).collect::<Vec<_>>());
    let joined = late.prices[0];
    assert!(joined > 1, "joined at {joined}");
    assert_eq!(late.prices, (joined..=COUNT).collect::<Vec<_>>());
    assert_eq!(slow.prices, [1]);
    assert!(!slow.subscription.is_connected());
}

#[test]
fn tasks_exchange_messages_on_one_thread() {
    let driver = EmbeddedDriver::launch().unwrap();
    let channel = format!("aeron:udp?endpoint=127.0.0.1:{}", ports::free_port().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let received = runtime.block_on(async_tokio::run(connect(&driver), channel, 5000)).unwrap();
    let texts: Vec<_> = received.iter().map(|message| String::from_utf8_lossy(&message.payload)).collect();
    let expected: Vec<_> = (0..5000).map(|number| format!("message {number}")).collect();
    assert_eq!(texts, expected);
}
