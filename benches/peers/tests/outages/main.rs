//! Links that go down and up, for less and for more than each timeout: those of images and connections, of receivers that
//! flow control follows, of destinations that were learned, of neighbours that gossip, of publications that linger.
//!
//! A link stays down until a driver is seen to have given up, where the outage is a long one. Where it is a short one the
//! timeout is so far away that no machine is too slow. It is the second receiving driver that loses its link.

#[path = "../common/mod.rs"]
mod common;
mod destinations;
mod lingers;
mod link;
mod names;
mod receivers;
mod streams;
