//! What the targets of authentication files share.

use pgattest_model::ServerVersion;
use pgattest_parse::auth_file::{Place, Source};
use std::collections::BTreeMap;

/// The first byte chooses the major; the text after a line `%%` is the file that includes may name `f`, `d/f.conf`. It is kept
/// short: one that includes itself is read two thousand times.
pub fn input(text: &str) -> (ServerVersion, &str, BTreeMap<String, String>) {
    let major = 13 + text.bytes().next().map_or(0, |byte| u32::from(byte % 6));
    let (main, other) = text.split_once("\n%%\n").unwrap_or((text, ""));
    let other = other.get(..96).unwrap_or(if other.len() < 96 { other } else { "" });
    let files = ["f", "d/f.conf"].map(|path| (path.to_owned(), other.to_owned()));
    (ServerVersion(major * 10_000), main, files.into())
}

/// A place is inside its text, on characters, and on the line it says.
pub fn check(place: &Place, sources: &[Source]) {
    let text = &sources[place.source].text;
    assert!(place.span.start <= place.span.end);
    assert!(text.get(place.span.clone()).is_some());
    assert!(place.line >= 1 && place.line as usize <= text.len() + 1);
}
