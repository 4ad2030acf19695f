use std::sync::{Arc, Mutex, OnceLock};

use epona_client::{Aeron, ClientError, OfferError};
use epona_protocol::command::{Request, command_id};

use crate::fake_driver::{CHANNEL, STREAM, World};

#[test]
fn closing_the_client_closes_all_handles_and_tells_handlers_then_the_driver() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |text: &'static str| {
        let order = Arc::clone(&order);
        move || order.lock().unwrap().push(text)
    };
    let (image, close) = (note("image"), note("close"));
    let mut world = World::with(|context| context.on_unavailable_image(move |_| image()).on_close(close));
    let (publication, _log) = world.add_publication();
    let mut subscription = world.add_subscription();
    world.add_image(&subscription);
    let mut pending = world.aeron.add_publication_async(CHANNEL, STREAM).unwrap();
    world.aeron.close();
    world.aeron.close();
    assert_eq!(*order.lock().unwrap(), ["image", "close"]);
    assert!(world.aeron.is_closed() && publication.is_closed() && subscription.is_closed());
    assert!(world.aeron.failure().is_none());
    assert_eq!(publication.offer(b"x"), Err(OfferError::Closed));
    assert_eq!(subscription.poll(|_, _| panic!("closed"), 10), 0);
    assert!(matches!(pending.poll(), Err(ClientError::Closed { cause: None })));
    assert!(matches!(world.step(), Err(ClientError::Closed { cause: None })));
    assert!(matches!(
        world.aeron.add_subscription(CHANNEL, STREAM),
        Err(ClientError::Closed { cause: None })
    ));

    let last = world.driver.expect_command(command_id::CLIENT_CLOSE);
    assert_eq!(last.command().client_id, world.aeron.client_id());
    assert_eq!(last.command().correlation_id.get(), -1);
    drop((publication, subscription, pending));
    assert!(world.driver.next_command().is_none());
}

#[test]
fn removals_asked_for_before_closing_still_reach_the_driver() {
    let mut world = World::new();
    let (publication, _log) = world.add_exclusive_publication();
    publication.revoke();
    world.aeron.close();
    let removal = world.driver.expect_command(command_id::REMOVE_PUBLICATION);
    assert!(matches!(removal.command().request, Request::RemovePublication { revoke: true, .. }));
    world.driver.expect_command(command_id::CLIENT_CLOSE);
}

#[test]
fn a_client_lives_as_long_as_its_last_handle() {
    let mut world = World::new();
    let (publication, _log) = world.add_publication();
    let World { mut driver, aeron, invoker } = world;
    drop((aeron, invoker));
    assert!(driver.next_command().is_none());
    publication.offer(b"still open").unwrap();
    drop(publication);
    driver.expect_command(command_id::REMOVE_PUBLICATION);
    driver.expect_command(command_id::CLIENT_CLOSE);
}

#[test]
fn handles_outlive_their_client_and_driver_in_any_order() {
    let mut world = World::new();
    let (publication, _log) = world.add_publication();
    let mut subscription = world.add_subscription();
    world.add_image(&subscription);
    assert_eq!(subscription.images().len(), 1);
    let World { driver, aeron, invoker } = world;
    aeron.close();
    drop((aeron, invoker, driver));
    assert_eq!(publication.offer(b"x"), Err(OfferError::Closed));
    assert_eq!(subscription.poll(|_, _| {}, 1), 0);
    assert_eq!((publication.channel(), subscription.channel()), (CHANNEL, CHANNEL));
}

#[test]
fn a_claim_outlives_the_close_of_its_publication() {
    let mut world = World::new();
    let (publication, driver) = world.add_publication();
    let mut claim = publication.try_claim(3).unwrap();
    world.aeron.close();
    std::fs::remove_file(&driver.path).unwrap();
    claim.copy_from_slice(b"end");
    claim.commit();
    assert_eq!(driver.log.term(0).get_i32_acquire(0), 35);
}

#[test]
fn a_leaked_claim_leaves_the_publication_usable() {
    let mut world = World::new();
    let (publication, driver) = world.add_publication();
    std::mem::forget(publication.try_claim(3).unwrap());
    publication.offer(b"after").unwrap();
    assert_eq!(driver.log.term(0).get_i32_acquire(0), -35);
    drop(publication);
    world.step().unwrap();
    world.driver.expect_command(command_id::REMOVE_PUBLICATION);
}

#[test]
fn a_handler_that_panics_is_reported_and_called_again() {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&errors);
    let mut world = World::with(|context| {
        context
            .on_available_image(|_| panic!("no images today"))
            .on_close(|| panic!("not today"))
            .on_error(move |error| seen.lock().unwrap().push(error.to_string()))
    });
    let mut subscription = world.add_subscription();
    world.add_image(&subscription);
    world.add_image(&subscription);
    assert_eq!(subscription.images().len(), 2);
    world.aeron.close();
    assert_eq!(
        *errors.lock().unwrap(),
        [
            "handler available image panicked: no images today",
            "handler available image panicked: no images today",
            "handler close panicked: not today"
        ]
    );
}

#[test]
fn an_error_handler_that_panics_is_survived() {
    let mut world = World::with(|context| context.on_error(|_| panic!("again")));
    world.driver.events.transmit(0x0F03, &[]).unwrap();
    world.step().unwrap();
    assert!(!world.aeron.is_closed());
}

#[test]
fn blocking_calls_from_a_handler_are_refused_and_async_ones_work() {
    let cell: Arc<OnceLock<Aeron>> = Arc::new(OnceLock::new());
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let (inside, noted) = (Arc::clone(&cell), Arc::clone(&outcomes));
    let mut pending = Vec::new();
    let mut world = World::with(|context| {
        context.on_available_image(move |_| {
            let aeron = inside.get().unwrap();
            noted.lock().unwrap().push(aeron.add_publication(CHANNEL, STREAM).map(|_| ()).unwrap_err());
            noted.lock().unwrap().push(aeron.invoker().unwrap().invoke().unwrap_err());
            pending.push(aeron.add_subscription_async(CHANNEL, STREAM).unwrap());
        })
    });
    cell.set(world.aeron.clone()).unwrap();
    let subscription = world.add_subscription();
    world.add_image(&subscription);
    world.step().unwrap();
    let outcomes = outcomes.lock().unwrap();
    assert!(outcomes.iter().all(|error| matches!(error, ClientError::Reentrant)) && outcomes.len() == 2);
    world.driver.expect_command(command_id::ADD_SUBSCRIPTION);
    assert!(world.driver.next_command().is_none(), "the refused add never started");
    world.aeron.close();
}

#[test]
fn closing_from_a_handler_ends_the_client_at_the_next_step() {
    let cell: Arc<OnceLock<Aeron>> = Arc::new(OnceLock::new());
    let inside = Arc::clone(&cell);
    let mut world = World::with(|context| context.on_available_image(move |_| inside.get().unwrap().close()));
    cell.set(world.aeron.clone()).unwrap();
    let subscription = world.add_subscription();
    world.driver.create_image(subscription.registration_id(), "x");
    world.step().unwrap();
    assert!(matches!(world.step(), Err(ClientError::Closed { cause: None })));
    assert!(subscription.is_closed());
}

#[test]
fn what_handlers_own_goes_with_the_client() {
    let kept = Arc::new(());
    let (cell, in_error, in_image) =
        (Arc::new(OnceLock::<Aeron>::new()), Arc::clone(&kept), Arc::clone(&kept));
    let inside = Arc::clone(&cell);
    let world = World::with(|context| {
        let context = context.on_error(move |_| drop(Arc::clone(&in_error)));
        context.on_available_image(move |_| drop((inside.get().map(Aeron::is_closed), Arc::clone(&in_image))))
    });
    cell.set(world.aeron.clone()).unwrap();
    world.aeron.close();
    assert_eq!(
        (Arc::strong_count(&kept), Arc::strong_count(&cell)),
        (1, 1),
        "handlers are dropped at the end"
    );
}
