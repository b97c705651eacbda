//! The name of an object, in parts.

use crate::audit_log::csvlog::single_quotes;
use crate::audit_log::record::Text;
use memchr::memchr;
use std::borrow::Cow;

/// The name of an object as the server identifies it: `public."weird ""tbl"", x"`, `public.f_upd(integer)`,
/// `account_pkey on public.account`, `for public.account.description`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ObjectName<'a> {
    /// The identifiers, without their quotes: `public`, `weird "tbl", x`. Of `for x.y.z`: none.
    pub parts: Vec<Text<'a>>,
    /// What stands in parentheses behind them: the types of a function's arguments.
    pub arguments: Option<Text<'a>>,
    /// What the object belongs to: the identifiers after ` on ` or `for `.
    pub of: Vec<Text<'a>>,
}

impl<'a> ObjectName<'a> {
    /// Reads a name. `None` when it is none of these forms, or damaged.
    pub fn read(name: &'a [u8]) -> Option<Self> {
        let mut read = Self::default();
        if let Some(rest) = name.strip_prefix(b"for ") {
            let rest = identifiers(rest, &mut read.of)?;
            return rest.is_empty().then_some(read);
        }
        let mut rest = identifiers(name, &mut read.parts)?;
        if rest.first() == Some(&b'(') {
            let end = arguments(rest)?;
            read.arguments = Some(Cow::Borrowed(rest.get(1..end)?));
            rest = rest.get(end + 1..)?;
        }
        if let Some(owner) = rest.strip_prefix(b" on ") {
            rest = identifiers(owner, &mut read.of)?;
        }
        rest.is_empty().then_some(read)
    }
}

/// Identifiers with points between them; gives what follows.
fn identifiers<'a>(text: &'a [u8], parts: &mut Vec<Text<'a>>) -> Option<&'a [u8]> {
    let mut rest = text;
    loop {
        let (part, after) = identifier(rest)?;
        parts.push(part);
        match after.split_first() {
            Some((b'.', after)) => rest = after,
            _ => return Some(after),
        }
    }
}

fn identifier(text: &[u8]) -> Option<(Text<'_>, &[u8])> {
    let Some(inner) = text.strip_prefix(b"\"") else {
        // The server quotes what is not lower case, digits, `_` and `$`. Types have spaces, arrays brackets.
        let end = text
            .iter()
            .position(|byte| matches!(byte, b'.' | b'"' | b'(' | b' ' | b',' | b'\n'))
            .unwrap_or(text.len());
        let (part, rest) = text.split_at(end);
        return (!part.is_empty() && rest.first() != Some(&b'"'))
            .then_some((Cow::Borrowed(part), rest));
    };
    let mut at = 0;
    let mut doubled = false;
    loop {
        at += memchr(b'"', inner.get(at..)?)?;
        if inner.get(at + 1) != Some(&b'"') {
            let part = inner.get(..at)?;
            let part = if doubled {
                Cow::Owned(single_quotes(part))
            } else {
                Cow::Borrowed(part)
            };
            return (at > 0).then_some((part, inner.get(at + 1..)?));
        }
        doubled = true;
        at += 2;
    }
}

/// Where the parenthesis that `text` begins with is closed. A type may be a quoted identifier with parentheses in it, or have a
/// precision.
fn arguments(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quoted = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => (),
        }
    }
    None
}
