//! JSON text in which nothing is invisible: control characters and bidirectional overrides are `\uXXXX`, so that a document
//! on a terminal or in an editor shows what it says.

use std::io;

use pgattest_model::ident::visible;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// Indented JSON with a newline at the end.
pub(crate) fn pretty<T: Serialize>(value: &T) -> String {
    let mut bytes = Vec::new();
    let formatter = Visible {
        pretty: PrettyFormatter::new(),
    };
    match value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter)) {
        Ok(()) => bytes.push(b'\n'),
        // Memory takes every write, and our types have string keys and no fallible `Serialize`.
        Err(error) => unreachable_document(&error),
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn unreachable_document(error: &serde_json::Error) {
    debug_assert!(false, "a document could not be written: {error}");
}

struct Visible {
    pretty: PrettyFormatter<'static>,
}

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return writer.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            let mut buffer = [0; 4];
            let character: &str = c.encode_utf8(&mut buffer);
            if c.is_ascii_graphic() || c == ' ' || visible(character) == character {
                writer.write_all(character.as_bytes())?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.pretty.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.pretty.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::pretty;

    #[test]
    fn nothing_is_invisible_and_nothing_changes_its_value() {
        let hostile = "a\u{202e}b\u{1b}[31m\u{9b}\u{7f}\n\"\\\u{e0041}ü表";
        let text = pretty(&[hostile]);
        assert_eq!(
            text,
            "[\n  \"a\\u202eb\\u001b[31m\\u009b\\u007f\\n\\\"\\\\\\udb40\\udc41ü表\"\n]\n"
        );
        assert_eq!(
            serde_json::from_str::<Vec<String>>(&text).expect("valid JSON"),
            [hostile]
        );
    }
}
