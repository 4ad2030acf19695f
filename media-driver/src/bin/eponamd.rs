//! The program `eponamd`: the media driver.

fn main() {}
