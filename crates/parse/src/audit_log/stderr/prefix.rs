//! `log_line_prefix` turned round: from what the server wrote to what the escapes stood for.

use regex::bytes::{Regex, RegexBuilder};

/// Matches the beginning of a line.
#[derive(Clone, Debug)]
pub(super) struct Prefix {
    /// Nothing matches when the prefix is beyond all measure.
    pattern: Option<Regex>,
    /// The escape of each group; the last group is the severity.
    escapes: Vec<u8>,
}

/// What an escape stood for, with its letter.
pub(super) type Fields<'a> = Vec<(u8, &'a [u8])>;

/// Between prefix and message: the severity in the server's language.
const SEVERITY: &str = r"([A-Z\x80-\xff][A-Z0-9\x80-\xff ]{1,31}):  ";

/// The largest compiled pattern, in bytes: the default, said here because a prefix comes from outside.
const PATTERN_MOST: usize = 1 << 20;

impl Prefix {
    pub(super) fn new(prefix: &str) -> Self {
        let mut escapes = Vec::new();
        let mut pattern = String::from(r"\A");
        // `%q`: processes without a client write nothing of what follows.
        let mut optional = false;
        let mut rest = prefix;
        while let Some(character) = rest.chars().next() {
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
            if character != '%' {
                pattern.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
                continue;
            }
            let padding = rest
                .chars()
                .take_while(|next| next.is_ascii_digit() || *next == '-')
                .count();
            let (padding, after) = rest.split_at(padding);
            let Some(escape) = after.chars().next() else {
                break;
            };
            rest = after.get(escape.len_utf8()..).unwrap_or_default();
            match (escape, value(escape)) {
                ('%', _) => pattern.push('%'),
                ('q', _) if !optional => {
                    optional = true;
                    pattern.push_str("(?:");
                }
                (_, Some(value)) => {
                    // The server pads with spaces, on either side.
                    let spaces = if padding.is_empty() { "" } else { " *" };
                    pattern.push_str(spaces);
                    pattern.push('(');
                    pattern.push_str(value);
                    pattern.push(')');
                    pattern.push_str(spaces);
                    escapes.extend(u8::try_from(escape));
                }
                // The server ignores what it does not know.
                _ => (),
            }
        }
        if optional {
            pattern.push_str(")?");
        }
        pattern.push_str(SEVERITY);
        let pattern = RegexBuilder::new(&pattern)
            .unicode(false)
            .size_limit(PATTERN_MOST)
            .build()
            .ok();
        Self { pattern, escapes }
    }

    /// The severity of a line that begins with the prefix.
    pub(super) fn severity<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        let found = self.pattern.as_ref()?.captures(line)?;
        Some(found.get(self.escapes.len() + 1)?.as_bytes())
    }

    /// What the escapes stood for, the severity, and where the message begins.
    pub(super) fn read<'a>(&self, line: &'a [u8]) -> Option<(Fields<'a>, &'a [u8], usize)> {
        let found = self.pattern.as_ref()?.captures(line)?;
        let fields = self.escapes.iter().enumerate().filter_map(|(at, escape)| {
            let value = found.get(at + 1)?;
            Some((*escape, value.as_bytes()))
        });
        let severity = found.get(self.escapes.len() + 1)?;
        Some((fields.collect(), severity.as_bytes(), found.get(0)?.end()))
    }
}

/// What an escape's value looks like. A process without a client writes nothing for many of them.
fn value(escape: char) -> Option<&'static str> {
    Some(match escape {
        'a' | 'u' | 'd' | 'b' | 'i' => r"[^\n]*?",
        'r' | 'h' | 'L' => r"[^\n ]*?",
        'p' | 'P' | 'l' | 'x' => "[0-9]*",
        't' | 's' => {
            r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} [A-Za-z0-9+-]{1,32})?"
        }
        'm' => {
            r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3} [A-Za-z0-9+-]{1,32}"
        }
        'n' => r"[0-9]{1,20}\.[0-9]{3}",
        'e' => "[0-9A-Z]{5}",
        'c' => r"[0-9a-f]{1,16}\.[0-9a-f]{1,8}",
        'v' => "(?:-?[0-9]{1,10}/[0-9]{1,10})?",
        'Q' => "-?[0-9]*",
        _ => return None,
    })
}
