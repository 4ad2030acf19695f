//! The program `epona`.

fn main() {}
