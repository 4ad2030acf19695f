//! How to do it: a page for each task, every example a program that the tests run.
//!
//! | page | for |
//! | --- | --- |
//! | [`publish`] | sending messages, and what to do when one is refused |
//! | [`subscribe`] | receiving, image by image or all together |
//! | [`fragments`] | messages longer than a frame |
//! | [`claims`] | writing in place, many messages at once |
//! | [`requests`] | requests and responses |
//! | [`fan_out`] | one publication to many receivers |
//! | [`spies`] | listening to one's own publications |
//! | [`counters`] | numbers that every process can read |
//! | [`tasks`] | futures and streams |
//! | [`testing`] | a driver of their own for tests |
//! | [`delivery`] | what is ordered, what can be lost, and when: the contract |
//!
//! The examples start a driver in their process where a program of yours would connect to one that runs.

macro_rules! pages {
    ($($page:ident)*) => {
        $(
            #[doc = include_str!(concat!(stringify!($page), ".md"))]
            pub mod $page {}
        )*
    };
}

pages! { publish subscribe fragments claims requests fan_out spies counters tasks testing delivery }
