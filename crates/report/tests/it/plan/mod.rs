//! A plan's file and its renderings.

mod file;
mod fixture;
mod managed;
mod people;
mod script;

/// No control character but line ends and tabs, and no character that turns the reading direction.
#[track_caller]
fn assert_visible(text: &str) {
    let bad = text
        .chars()
        .find(|c| (c.is_control() && !matches!(c, '\n' | '\t')) || *c == '\u{202e}');
    assert_eq!(bad, None);
}
