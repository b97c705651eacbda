//! What the targets of authentication files share.

use pgattest_model::ServerVersion;
use pgattest_parse::auth_file::{Files, Place, Source, Unreadable};
use std::cell::Cell;

/// One text under every name, a few times: a file that includes itself would be read thousands of times.
pub struct Few<'a> {
    text: &'a str,
    left: Cell<u32>,
}

impl Files for Few<'_> {
    fn text(&self, _: &str) -> Result<String, Unreadable> {
        let left = self.left.get().checked_sub(1).ok_or(Unreadable::Absent)?;
        self.left.set(left);
        Ok(self.text.to_owned())
    }

    fn names(&self, _: &str) -> Result<Vec<String>, Unreadable> {
        Ok(vec!["b.conf".to_owned(), "a.conf".to_owned(), ".c.conf".to_owned()])
    }
}

/// The first byte chooses the major; the text after a line `%%` is what is included.
pub fn input(text: &str) -> (ServerVersion, &str, Few<'_>) {
    let major = 13 + text.bytes().next().map_or(0, |byte| u32::from(byte % 6));
    let (main, other) = text.split_once("\n%%\n").unwrap_or((text, ""));
    let files = Few {
        text: other,
        left: Cell::new(16),
    };
    (ServerVersion(major * 10_000), main, files)
}

/// A place is inside its text, on characters, and on the line it says.
pub fn check(place: &Place, sources: &[Source]) {
    let text = &sources[place.source].text;
    assert!(place.span.start <= place.span.end);
    assert!(text.get(place.span.clone()).is_some());
    assert!(place.line >= 1 && place.line as usize <= text.len() + 1);
}
