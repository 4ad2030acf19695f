//! Whole messages out of fragments.

mod buffer_builder;
mod fragment_assembler;
mod message;

#[cfg(feature = "async")]
pub(crate) use fragment_assembler::Sessions;
pub use fragment_assembler::{
    ControlledFragmentAssembler, FragmentAssembler, ImageControlledFragmentAssembler, ImageFragmentAssembler,
};
#[cfg(feature = "async")]
pub(crate) use message::is_whole;
