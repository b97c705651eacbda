//! Names with `*` in them.

use pgattest_model::{Covers, Finding, Waiver};

/// Whether a waiver covers a finding with this fingerprint.
pub(super) fn covers(waiver: &Waiver, finding: &Finding, fingerprint: &str) -> bool {
    let is_there = waiver
        .database
        .as_ref()
        .is_none_or(|database| finding.subject.database.as_ref() == Some(database));
    is_there
        && match &waiver.covers {
            Covers::Subject(pattern) => matches(pattern, &finding.subject.name),
            Covers::Fingerprint(wanted) => wanted == fingerprint,
        }
}

/// Whether the name is the pattern, or what it stands for: `*` is any characters, also none, and `\*` an asterisk. Takes time
/// in the product of the lengths at worst, never more.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    if pattern == name {
        return true;
    }
    let pattern = tokens(pattern);
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut of) = (0, 0);
    // Where to go on when what follows the last asterisk does not fit: one character further.
    let mut last: Option<(usize, usize)> = None;
    while let Some(c) = name.get(at) {
        match pattern.get(of) {
            Some(Token::Any) => {
                last = Some((of + 1, at));
                of += 1;
            }
            Some(Token::One(wanted)) if wanted == c => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((after, from)) = last else {
                    return false;
                };
                last = Some((after, from + 1));
                at = from + 1;
                of = after;
            }
        }
    }
    pattern
        .get(of..)
        .unwrap_or_default()
        .iter()
        .all(|token| *token == Token::Any)
}

/// Whether the pattern stands for more than itself.
pub(super) fn is_glob(pattern: &str) -> bool {
    tokens(pattern).contains(&Token::Any)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token {
    Any,
    One(char),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut chars = pattern.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '\\' if chars.peek() == Some(&'*') => {
                chars.next();
                Token::One('*')
            }
            '*' => Token::Any,
            other => Token::One(other),
        });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::{is_glob, matches};

    #[test]
    fn an_asterisk_is_any_characters() {
        for (pattern, name, expected) in [
            ("public.orders", "public.orders", true),
            ("public.orders", "public.orders2", false),
            ("public.*", "public.orders", true),
            ("public.*", "public.", true),
            ("public.*", "publicorders", false),
            ("*", "", true),
            ("*.orders", "a.b.orders", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("*a", "aaab", false),
            ("Public.*", "public.orders", false),
            ("*表*", "public.\"表\n\"", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn an_asterisk_in_a_name_can_be_meant() {
        assert!(matches(r#""\*""#, "\"*\""));
        assert!(!matches(r#""\*""#, "\"a\""));
        // A name copied from the report covers itself, whatever it holds.
        for name in [r#""a\b""#, r#""\*""#, "\"*\"", "\"a\u{1b}[31m\nb\""] {
            assert!(matches(name, name), "{name:?}");
        }
        assert!(is_glob("a*") && !is_glob(r"a\*"));
    }

    #[test]
    fn a_long_name_and_many_asterisks_end_soon() {
        assert!(!matches(
            &"a*".repeat(200),
            &"a".repeat(20_000).replace('a', "ab")[..10_000].replace('a', "b")
        ));
    }
}
