//! Requests, and responses to whoever asked.

use crate::world::{World, to};

#[test]
fn requests_and_answers_cross_terms_for_several_requesters_that_come_again() {
    for is_ipc in [false, true] {
        let mut world = World::new(2);
        let server = world.connect(0);
        let (asked, answered) = if is_ipc {
            ("aeron:ipc?alias=x".to_owned(), "aeron:ipc?control-mode=response")
        } else {
            (to(0, 20121), "aeron:udp?control=10.0.0.1:20122|control-mode=response|term-length=64k")
        };
        let requesters = [0, 1].map(|_| world.connect(usize::from(!is_ipc)));
        let mut requests = world.subscribe(&server, &asked, 7);
        for _ in 0..2 {
            let mut open = Vec::new();
            for requester in &requesters {
                let mut answers = world.subscribe(requester, answered, 8);
                let id = answers.registration_id();
                let asking = world.publish(requester, &format!("{asked}|response-correlation-id={id}"), 7);
                let image = world.until("the request has an image", || {
                    requests.image_by_session_id(asking.session_id()).map(|image| image.correlation_id())
                });
                let answering =
                    world.publish(&server, &format!("{answered}|response-correlation-id={image}"), 8);
                world.meet(&answering, &answers);
                assert_eq!(answers.images()[0].session_id(), answering.session_id());
                for _ in 0..2 {
                    world.exchange(&asking, &mut [&mut requests], 40);
                    world.exchange(&answering, &mut [&mut answers], 40);
                }
                assert!(answering.position().unwrap().get() > 2 * 65_536);
                open.push((answers, asking, answering));
            }
            assert!(open.iter().all(|(answers, ..)| answers.image_count() == 1), "each has its own");
            drop(open);
            world.until("requesters are gone", || (requests.image_count() == 0).then_some(()));
        }
        assert_eq!(world.errors(), Vec::<String>::new());
    }
}
