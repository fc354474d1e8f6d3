//! Kimura.
fn main() {}
