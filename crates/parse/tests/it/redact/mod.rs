//! No planted secret survives: any secret, in any statement, under any layers of quoting, cut at any byte.

mod matrix;
mod random;
mod statements;
