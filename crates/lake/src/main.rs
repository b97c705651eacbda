//! `pgattest-lake`: free SQL over the archive.

fn main() {}
