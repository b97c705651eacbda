//! Regular expressions for names (16 and later), as far as they can be read without PostgreSQL's own engine.

use super::matching::Matching;

/// `/pattern` in a database or user list.
///
/// Literal characters, `\.`, `.*`, and the anchors `^` and `$` are decided exactly: that is nearly every pattern in use.
/// PostgreSQL's dialect is not that of any library, so everything else may match any name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Pattern {
    /// Literal parts with anything between them.
    Parts {
        from_start: bool,
        to_end: bool,
        parts: Vec<String>,
    },
    /// Anything else.
    Opaque,
}

impl Pattern {
    /// Reads the text after the slash.
    pub(super) fn new(text: &str) -> Self {
        let (text, from_start) = text
            .strip_prefix('^')
            .map_or((text, false), |rest| (rest, true));
        let (text, to_end) = text
            .strip_suffix('$')
            .map_or((text, false), |rest| (rest, true));
        let (mut parts, mut part) = (Vec::new(), String::new());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let literal = match c {
                '.' if chars.next() == Some('*') => {
                    parts.push(std::mem::take(&mut part));
                    // `.*?` and `.*+` are something else.
                    if matches!(chars.peek(), Some('?' | '*' | '+' | '{')) {
                        return Self::Opaque;
                    }
                    continue;
                }
                '\\' if chars.next() == Some('.') => '.',
                c if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@' | ' ') => c,
                _ => return Self::Opaque,
            };
            if matches!(chars.peek(), Some('?' | '*' | '+' | '{')) {
                return Self::Opaque;
            }
            part.push(literal);
        }
        parts.push(part);
        Self::Parts {
            from_start,
            to_end,
            parts,
        }
    }

    /// Whether a name matches.
    pub(super) fn matches(&self, name: &str) -> Matching {
        let Self::Parts {
            from_start,
            to_end,
            parts,
        } = self
        else {
            return Matching::Maybe;
        };
        let mut rest = name;
        for (at, part) in parts.iter().enumerate() {
            let (first, last) = (at == 0, at + 1 == parts.len());
            let after = match (first && *from_start, last && *to_end) {
                (true, true) => (rest == part).then_some(""),
                (true, false) => rest.strip_prefix(part.as_str()),
                (false, true) => rest.ends_with(part.as_str()).then_some(""),
                (false, false) => rest
                    .find(part.as_str())
                    .and_then(|from| rest.get(from + part.len()..)),
            };
            let Some(after) = after else {
                return Matching::No;
            };
            rest = after;
        }
        Matching::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::{Matching, Pattern};
    use rstest::rstest;

    #[rstest]
    #[case("^db\\d{2,4}$", "db12", Matching::Maybe)]
    #[case("^tenant_.*$", "tenant_7", Matching::Yes)]
    #[case("^tenant_.*$", "my_tenant_7", Matching::No)]
    #[case("tenant", "my_tenant_7", Matching::Yes)]
    #[case("_ro$", "app_ro", Matching::Yes)]
    #[case("_ro$", "app_row", Matching::No)]
    #[case("^a.*b.*c$", "aXbYc", Matching::Yes)]
    #[case("^a.*b.*c$", "acb", Matching::No)]
    #[case("^ab.*b$", "ab", Matching::No)]
    #[case("^exact$", "exact", Matching::Yes)]
    #[case("^exact$", "exactly", Matching::No)]
    #[case("^v1\\.2$", "v1x2", Matching::No)]
    #[case("^v1.2$", "v1x2", Matching::Maybe)]
    #[case("^(a|b)$", "a", Matching::Maybe)]
    #[case("^ab*$", "a", Matching::Maybe)]
    #[case("^a\\.?$", "a", Matching::Maybe)]
    #[case("^.*$", "anything", Matching::Yes)]
    #[case("^a.*?b$", "ab", Matching::Maybe)]
    #[case("***=a", "***=a", Matching::Maybe)]
    #[case("a\\", "a\\", Matching::Maybe)]
    #[case("a.", "ab", Matching::Maybe)]
    #[case("^\\$", "$", Matching::Maybe)]
    #[case("été", "été", Matching::Maybe)]
    fn decides_the_common_patterns_and_never_guesses(
        #[case] pattern: &str,
        #[case] name: &str,
        #[case] expected: Matching,
    ) {
        assert_eq!(Pattern::new(pattern).matches(name), expected);
    }
}
