//! The rules of driver spec 6.1, acceptance line IMG-12, and a model with every state spelled out.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const STREAM: StreamId = StreamId::new(1001);
const SESSION: SessionId = SessionId::new(-7);
const OTHER: SessionId = SessionId::new(8);
const IMAGE: u32 = 42;

fn dispatcher() -> Dispatcher<u32> {
    Dispatcher::new(usize::MAX, 1)
}

fn subscribed() -> Dispatcher<u32> {
    let mut dispatcher = dispatcher();
    dispatcher.add_subscription(STREAM);
    dispatcher
}

fn active() -> Dispatcher<u32> {
    let mut dispatcher = subscribed();
    assert_eq!(dispatcher.on_setup(STREAM, SESSION), SetupAction::CreateImage { was_elicited: false });
    assert_eq!(dispatcher.add_image(STREAM, SESSION, IMAGE), Ok(None));
    dispatcher
}

#[test]
fn packets_of_streams_without_subscription_are_ignored() {
    let mut dispatcher = dispatcher();
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::Ignore);
    assert_eq!(dispatcher.on_setup(STREAM, SESSION), SetupAction::Ignore);
    assert_eq!(dispatcher.add_image(STREAM, SESSION, IMAGE), Err(IMAGE));
    assert!(!dispatcher.has_interest());
    assert!(!dispatcher.remove_subscription(STREAM));
    assert!(!dispatcher.remove_session_subscription(STREAM, SESSION));
}

#[test]
fn data_of_an_unknown_session_elicits_one_setup_which_creates_one_image() {
    let mut dispatcher = subscribed();
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::ElicitSetup);
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::Ignore);
    assert_eq!(dispatcher.on_setup(STREAM, SESSION), SetupAction::CreateImage { was_elicited: true });
    assert_eq!(dispatcher.on_setup(STREAM, SESSION), SetupAction::Ignore);
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::Ignore);
    assert_eq!(dispatcher.add_image(STREAM, SESSION, IMAGE), Ok(None));
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::Deliver(IMAGE));
    assert_eq!(dispatcher.on_data(STREAM, SESSION, true), DataAction::Deliver(IMAGE));
    assert_eq!(dispatcher.on_setup(STREAM, SESSION), SetupAction::RefreshConnection(IMAGE));
    assert_eq!(dispatcher.image(STREAM, SESSION), Some(IMAGE));
}

#[test]
fn a_stream_that_ends_does_not_elicit_a_setup() {
    assert_eq!(subscribed().on_data(STREAM, SESSION, true), DataAction::Ignore);
}

#[test]
fn an_expired_setup_is_elicited_again() {
    let mut dispatcher = subscribed();
    dispatcher.on_data(STREAM, SESSION, false);
    dispatcher.remove_pending_setup(STREAM, SESSION);
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::ElicitSetup);
    dispatcher.on_setup(STREAM, SESSION);
    dispatcher.remove_pending_setup(STREAM, SESSION);
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::Ignore, "the image is being made");
}

#[test]
fn an_image_that_could_not_be_created_is_tried_again() {
    let mut dispatcher = subscribed();
    dispatcher.on_setup(STREAM, SESSION);
    dispatcher.remove_init_in_progress(STREAM, SESSION);
    assert_eq!(dispatcher.on_setup(STREAM, SESSION), SetupAction::CreateImage { was_elicited: false });
}

#[test]
fn a_session_cools_down_after_its_image_unless_its_stream_had_ended() {
    let mut dispatcher = active();
    assert!(dispatcher.remove_image(STREAM, SESSION, IMAGE, false));
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::Ignore);
    assert_eq!(dispatcher.on_setup(STREAM, SESSION), SetupAction::Ignore);
    dispatcher.remove_cool_down(STREAM, SESSION);
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::ElicitSetup);

    let mut dispatcher = active();
    assert!(dispatcher.remove_image(STREAM, SESSION, IMAGE, true));
    assert_eq!(dispatcher.on_setup(STREAM, SESSION), SetupAction::CreateImage { was_elicited: false });
}

#[test]
fn removing_an_image_leaves_its_successor_alone() {
    let mut dispatcher = active();
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::Deliver(IMAGE));
    assert_eq!(dispatcher.add_image(STREAM, SESSION, 43), Ok(Some(IMAGE)));
    assert!(!dispatcher.remove_image(STREAM, SESSION, IMAGE, false));
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::Deliver(43));
}

#[test]
fn a_session_subscription_takes_only_its_session() {
    let mut dispatcher = dispatcher();
    dispatcher.add_session_subscription(STREAM, SESSION);
    assert_eq!(dispatcher.on_data(STREAM, OTHER, false), DataAction::Ignore);
    assert_eq!(dispatcher.on_setup(STREAM, OTHER), SetupAction::Ignore);
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::ElicitSetup);
    dispatcher.add_subscription(STREAM);
    assert_eq!(dispatcher.on_data(STREAM, OTHER, false), DataAction::ElicitSetup);
    dispatcher.remove_subscription(STREAM);
    assert_eq!(dispatcher.on_setup(STREAM, OTHER), SetupAction::Ignore);
    assert_eq!(dispatcher.on_setup(STREAM, SESSION), SetupAction::CreateImage { was_elicited: true });
    assert!(dispatcher.remove_session_subscription(STREAM, SESSION) && !dispatcher.has_interest());
}

#[test]
fn an_image_gets_nothing_once_nobody_subscribes() {
    let mut dispatcher = active();
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::Deliver(IMAGE));
    assert!(dispatcher.remove_subscription(STREAM) && !dispatcher.has_interest());
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::Ignore);
    assert_eq!(dispatcher.image(STREAM, SESSION), None);
}

/// IMG-12
#[test]
fn a_stream_takes_no_more_sessions_than_its_limit() {
    let mut dispatcher = Dispatcher::new(1, 0);
    let other_stream = StreamId::new(1002);
    dispatcher.add_subscription(STREAM);
    dispatcher.add_subscription(other_stream);
    dispatcher.on_setup(STREAM, SESSION);
    dispatcher.add_image(STREAM, SESSION, IMAGE).unwrap();
    assert_eq!(dispatcher.on_setup(STREAM, OTHER), SetupAction::SessionLimitReached);
    assert_eq!(dispatcher.on_setup(STREAM, SESSION), SetupAction::SessionLimitReached);
    assert!(matches!(dispatcher.on_setup(other_stream, OTHER), SetupAction::CreateImage { .. }));
    dispatcher.remove_image(STREAM, SESSION, IMAGE, false);
    assert!(matches!(dispatcher.on_setup(STREAM, OTHER), SetupAction::CreateImage { .. }));
}

#[test]
fn images_that_are_being_made_count_against_the_session_limit() {
    let mut dispatcher = Dispatcher::<u32>::new(1, 0);
    dispatcher.add_subscription(STREAM);
    assert!(matches!(dispatcher.on_setup(STREAM, SESSION), SetupAction::CreateImage { .. }));
    assert_eq!(dispatcher.on_setup(STREAM, SESSION), SetupAction::Ignore);
    assert_eq!(dispatcher.on_setup(STREAM, OTHER), SetupAction::SessionLimitReached);
    dispatcher.remove_init_in_progress(STREAM, SESSION);
    assert!(matches!(dispatcher.on_setup(STREAM, OTHER), SetupAction::CreateImage { .. }));
}

#[test]
fn a_flood_of_strangers_is_bounded_and_leaves_room_for_images() {
    let mut dispatcher = active();
    for session in 0..MAX_PENDING_SETUPS as i32 {
        assert_eq!(dispatcher.on_data(STREAM, SessionId::new(session), false), DataAction::ElicitSetup);
    }
    assert_eq!(dispatcher.on_data(STREAM, SessionId::new(-1), false), DataAction::TooManyPending);
    assert_eq!(dispatcher.on_data(STREAM, SESSION, false), DataAction::Deliver(IMAGE));
    assert!(matches!(dispatcher.on_setup(STREAM, SessionId::new(-1)), SetupAction::CreateImage { .. }));
    dispatcher.remove_pending_setup(STREAM, SessionId::new(0));
    assert_eq!(dispatcher.on_data(STREAM, SessionId::new(-2), false), DataAction::ElicitSetup);
}

#[test]
fn sessions_that_count_up_spread_over_the_table() {
    for seed in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
        let low_bits: HashSet<u64> = (0..1024)
            .map(|session| KeyHash(seed).hash_one(Key::of(STREAM, SessionId::new(session))) & 1023)
            .collect();
        assert!(low_bits.len() > 512, "{} of 1024 buckets used with seed {seed}", low_bits.len());
    }
}

/// The dispatcher as the specification describes it: nested maps, and a state for sessions without interest.
#[derive(Default)]
struct Model(BTreeMap<StreamId, ModelStream>);

#[derive(Default)]
struct ModelStream {
    all: bool,
    subscribed: HashSet<SessionId>,
    images: HashMap<SessionId, u32>,
    states: HashMap<SessionId, ModelState>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum ModelState {
    Pending,
    Init,
    CoolDown,
    NoInterest,
}

impl ModelStream {
    fn is_interested(&self, session: SessionId) -> bool {
        self.all || self.subscribed.contains(&session)
    }
}

impl Model {
    fn on_data(&mut self, stream: StreamId, session: SessionId, eos: bool) -> DataAction<u32> {
        let Some(interest) = self.0.get_mut(&stream) else { return DataAction::Ignore };
        if let Some(&image) = interest.images.get(&session) {
            return DataAction::Deliver(image);
        }
        if eos || interest.states.contains_key(&session) {
            return DataAction::Ignore;
        }
        if interest.is_interested(session) {
            interest.states.insert(session, ModelState::Pending);
            return DataAction::ElicitSetup;
        }
        interest.states.insert(session, ModelState::NoInterest);
        DataAction::Ignore
    }

    fn on_setup(&mut self, stream: StreamId, session: SessionId, limit: usize) -> SetupAction<u32> {
        let Some(interest) = self.0.get_mut(&stream) else { return SetupAction::Ignore };
        let is_init = |state: &ModelState| *state == ModelState::Init;
        let in_progress = interest.states.values().filter(|state| is_init(state)).count();
        let is_own = interest.states.get(&session).is_some_and(is_init);
        if limit <= interest.images.len() + in_progress && !is_own {
            return SetupAction::SessionLimitReached;
        }
        if let Some(&image) = interest.images.get(&session) {
            return SetupAction::RefreshConnection(image);
        }
        let was_elicited = match interest.states.get(&session) {
            Some(ModelState::Pending) => true,
            None if interest.is_interested(session) => false,
            None => {
                interest.states.insert(session, ModelState::NoInterest);
                return SetupAction::Ignore;
            }
            Some(_) => return SetupAction::Ignore,
        };
        interest.states.insert(session, ModelState::Init);
        SetupAction::CreateImage { was_elicited }
    }

    fn subscribe(&mut self, stream: StreamId) {
        let interest = self.0.entry(stream).or_default();
        if !interest.all {
            interest.all = true;
            interest.states.retain(|_, state| *state != ModelState::NoInterest);
        }
    }

    fn subscribe_session(&mut self, stream: StreamId, session: SessionId) {
        let interest = self.0.entry(stream).or_default();
        interest.subscribed.insert(session);
        if interest.states.get(&session) == Some(&ModelState::NoInterest) {
            interest.states.remove(&session);
        }
    }

    fn unsubscribe(&mut self, stream: StreamId) -> bool {
        let Some(interest) = self.0.get_mut(&stream) else { return false };
        let ModelStream { all, subscribed, images, states } = interest;
        images.retain(|session, _| subscribed.contains(session));
        states.retain(|session, _| subscribed.contains(session));
        *all = false;
        if images.is_empty() && subscribed.is_empty() {
            self.0.remove(&stream);
        }
        true
    }

    fn unsubscribe_session(&mut self, stream: StreamId, session: SessionId) -> bool {
        let Some(interest) = self.0.get_mut(&stream) else { return false };
        if !interest.all {
            interest.images.remove(&session);
            interest.states.remove(&session);
        }
        interest.subscribed.remove(&session);
        if !interest.all && interest.subscribed.is_empty() {
            self.0.remove(&stream);
        }
        true
    }

    fn add_image(&mut self, stream: StreamId, session: SessionId, image: u32) -> Result<Option<u32>, u32> {
        let interest = self.0.get_mut(&stream).filter(|s| s.is_interested(session)).ok_or(image)?;
        interest.states.remove(&session);
        Ok(interest.images.insert(session, image))
    }

    fn remove_image(&mut self, stream: StreamId, session: SessionId, image: u32, eos: bool) -> bool {
        let Some(interest) = self.0.get_mut(&stream) else { return false };
        if interest.images.get(&session) != Some(&image) {
            return false;
        }
        interest.images.remove(&session);
        if !eos {
            interest.states.insert(session, ModelState::CoolDown);
        }
        true
    }

    fn remove_if(&mut self, stream: StreamId, session: SessionId, expected: ModelState) {
        if let Some(interest) = self.0.get_mut(&stream)
            && interest.states.get(&session) == Some(&expected)
        {
            interest.states.remove(&session);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn it_behaves_as_the_specification_describes_it(
        limit in 1_usize..4,
        events in proptest::collection::vec((0_u8..16, 0_i32..2, 0_i32..4, 0_u32..3, any::<bool>()), 1..200),
    ) {
        let mut dispatcher = Dispatcher::new(limit, 99);
        let mut model = Model::default();
        for (event, stream, session, image, flag) in events {
            let (stream, session) = (StreamId::new(stream), SessionId::new(session - 2));
            match event {
                0 => { dispatcher.add_subscription(stream); model.subscribe(stream); }
                1 => { dispatcher.add_session_subscription(stream, session); model.subscribe_session(stream, session); }
                2 => prop_assert_eq!(dispatcher.remove_subscription(stream), model.unsubscribe(stream)),
                3 => prop_assert_eq!(
                    dispatcher.remove_session_subscription(stream, session),
                    model.unsubscribe_session(stream, session)
                ),
                4 => prop_assert_eq!(
                    dispatcher.add_image(stream, session, image),
                    model.add_image(stream, session, image)
                ),
                5 => prop_assert_eq!(
                    dispatcher.remove_image(stream, session, image, flag),
                    model.remove_image(stream, session, image, flag)
                ),
                6 => {
                    dispatcher.remove_pending_setup(stream, session);
                    model.remove_if(stream, session, ModelState::Pending);
                }
                7 => {
                    dispatcher.remove_init_in_progress(stream, session);
                    model.remove_if(stream, session, ModelState::Init);
                }
                8 => {
                    dispatcher.remove_cool_down(stream, session);
                    model.remove_if(stream, session, ModelState::CoolDown);
                }
                9..=11 => prop_assert_eq!(
                    dispatcher.on_setup(stream, session),
                    model.on_setup(stream, session, limit)
                ),
                _ => prop_assert_eq!(
                    dispatcher.on_data(stream, session, flag),
                    model.on_data(stream, session, flag)
                ),
            }
            prop_assert_eq!(dispatcher.has_interest(), !model.0.is_empty());
            let pending = model.0.values().flat_map(|s| s.states.values()).filter(|s| **s == ModelState::Pending);
            prop_assert_eq!(dispatcher.pending_setups, pending.count());
        }
    }
}
