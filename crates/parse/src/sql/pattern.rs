//! Patterns over tokens: `ALTER (ROLE|USER) ... SUPERUSER`.
//!
//! | element | what it takes |
//! |---|---|
//! | `SUPERUSER` (upper case) | that keyword, in any case, never a quoted name |
//! | `pg_authid` (lower case) | that name, quoted or not |
//! | `'pgaudit.'` | a string that begins so, in any case |
//! | `...` | any tokens, none too |
//! | `*` | one token |
//! | `(A\|B C)` | one of these sequences |
//! | `<REDACTED>` | where pgaudit has cut the statement |
//! | `=` `.` `,` and other punctuation | itself |
//!
//! A pattern begins where the statement does and need not reach its end.

use super::Token;

/// A pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    elements: Vec<Element>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Element {
    Keyword(String),
    Name(String),
    Text(String),
    Symbol(u8),
    Cut,
    One,
    Gap,
    Either(Vec<Vec<Element>>),
}

/// Why a text is no pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PatternError {
    /// What is wrong.
    pub reason: String,
}

impl std::fmt::Display for PatternError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.reason)
    }
}

impl std::error::Error for PatternError {}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut rest = text;
        let elements = sequence(&mut rest, 0)?;
        if rest.is_empty() {
            if elements.is_empty() {
                return Err(fault("the pattern is empty"));
            }
            Ok(Self { elements })
        } else {
            Err(fault(&format!("`{rest}` follows a `)` or `|` too many")))
        }
    }

    /// Whether a statement begins with what the pattern says.
    pub fn matches(&self, statement: &[Token<'_>]) -> bool {
        let mut ends = vec![0];
        advance(&self.elements, statement, &mut ends);
        !ends.is_empty()
    }

    /// Whether any statement of a text does, in any reading that the server may have had.
    pub fn is_in(&self, sql: &[u8]) -> bool {
        super::readings(sql)
            .iter()
            .flatten()
            .any(|statement| self.matches(statement))
    }
}

/// Where the elements can end, given where they can begin. Positions are ascending and distinct, so the work is at most elements
/// times tokens: no pattern and no statement makes it exponential.
fn advance(elements: &[Element], statement: &[Token<'_>], at: &mut Vec<usize>) {
    for element in elements {
        match element {
            Element::Gap => {
                if let Some(&first) = at.first() {
                    *at = (first..=statement.len()).collect();
                }
            }
            Element::Either(ways) => {
                let mut all = Vec::new();
                for way in ways {
                    let mut ends = at.clone();
                    advance(way, statement, &mut ends);
                    all.extend(ends);
                }
                all.sort_unstable();
                all.dedup();
                *at = all;
            }
            single => {
                *at = at
                    .iter()
                    .filter(|&&position| {
                        statement
                            .get(position)
                            .is_some_and(|token| takes(single, token))
                    })
                    .map(|position| position + 1)
                    .collect();
            }
        }
        if at.is_empty() {
            return;
        }
    }
}

fn takes(element: &Element, token: &Token<'_>) -> bool {
    match element {
        Element::Keyword(keyword) => token.is_word(keyword),
        Element::Name(name) => token.name() == Some(name),
        Element::Text(begin) => matches!(token, Token::Text(text)
            if text.get(..begin.len()).is_some_and(|start| start.eq_ignore_ascii_case(begin))),
        Element::Symbol(symbol) => *token == Token::Symbol(*symbol),
        Element::Cut => *token == Token::Cut,
        Element::One => true,
        Element::Gap | Element::Either(_) => false,
    }
}

fn sequence(rest: &mut &str, depth: u32) -> Result<Vec<Element>, PatternError> {
    let mut elements = Vec::new();
    loop {
        *rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return Ok(elements);
        };
        if let Some(after) = rest.strip_prefix("...") {
            *rest = after;
            elements.push(Element::Gap);
        } else if let Some(after) = rest.strip_prefix("<REDACTED>") {
            *rest = after;
            elements.push(Element::Cut);
        } else if first == '(' {
            *rest = rest.get(1..).unwrap_or_default();
            elements.push(either(rest, depth + 1)?);
        } else if first == ')' || first == '|' {
            if depth == 0 {
                return Err(fault("a `)` or `|` stands outside of `(..)`"));
            }
            return Ok(elements);
        } else if first == '\'' {
            let body = rest.get(1..).unwrap_or_default();
            let end = body
                .find('\'')
                .ok_or_else(|| fault("a `'` is not closed"))?;
            let text = body.get(..end).unwrap_or_default().to_owned();
            *rest = body.get(end + 1..).unwrap_or_default();
            elements.push(Element::Text(text));
        } else if first == '*' {
            *rest = rest.get(1..).unwrap_or_default();
            elements.push(Element::One);
        } else if first.is_alphabetic() || first == '_' {
            let end = rest
                .find(|character: char| !(character.is_alphanumeric() || character == '_'))
                .unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            *rest = after;
            elements.push(word_of(word)?);
        } else if first.is_ascii_punctuation() {
            *rest = rest.get(1..).unwrap_or_default();
            elements.push(Element::Symbol(u8::try_from(first).unwrap_or(b'?')));
        } else {
            return Err(fault(&format!("`{first}` means nothing in a pattern")));
        }
    }
}

fn either(rest: &mut &str, depth: u32) -> Result<Element, PatternError> {
    if depth > 16 {
        return Err(fault("`(` is nested too deeply"));
    }
    let mut ways = Vec::new();
    loop {
        ways.push(sequence(rest, depth)?);
        match rest.chars().next() {
            Some('|') => *rest = rest.get(1..).unwrap_or_default(),
            Some(')') => {
                *rest = rest.get(1..).unwrap_or_default();
                return Ok(Element::Either(ways));
            }
            _ => return Err(fault("a `(` is not closed")),
        }
    }
}

fn word_of(word: &str) -> Result<Element, PatternError> {
    let has_upper = word.chars().any(char::is_uppercase);
    let has_lower = word.chars().any(char::is_lowercase);
    match (has_upper, has_lower) {
        (true, false) => Ok(Element::Keyword(word.to_lowercase())),
        (false, _) => Ok(Element::Name(word.to_owned())),
        (true, true) => Err(fault(&format!(
            "`{word}` has letters of both cases: a keyword is written in upper case, a name in lower case"
        ))),
    }
}

fn fault(reason: &str) -> PatternError {
    PatternError {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;
    use proptest::prelude::*;

    fn is_in(pattern: &str, sql: &str) -> bool {
        Pattern::parse(pattern).unwrap().is_in(sql.as_bytes())
    }

    #[test]
    fn comments_case_and_quoting_hide_nothing() {
        let pattern = "ALTER (ROLE|USER) ... SUPERUSER";
        for sql in [
            "alter role mallory superuser",
            "ALTER/**/ROLE/* /* nested */ */mallory--x\nSUPERUSER",
            "select 1; alter user \"a;b\" with login superuser",
            "Alter\tRole U&\"m\\0061l\" SuperUser",
            "select '\\'; alter role mallory superuser; --'",
            "select $$;$$; alter role mallory superuser",
            "select E'\\'' ; alter role mallory superuser",
        ] {
            assert!(is_in(pattern, sql), "{sql}");
        }
        for sql in [
            "alter role mallory nosuperuser",
            "alter role \"superuser\" login",
            "alter role mallory /* superuser */ login",
            "alter role mallory -- superuser",
            "select 'alter role mallory superuser'",
            "select $x$; alter role mallory superuser; $x$",
            "comment on role mallory is 'x'; select superuser",
        ] {
            assert!(!is_in(pattern, sql), "{sql}");
        }
    }

    #[test]
    fn names_match_quoted_and_not() {
        let pattern = "GRANT ... TO ... public";
        assert!(is_in(pattern, "grant select on t to bob, PUBLIC"));
        assert!(is_in(pattern, "grant select on t to \"public\""));
        assert!(is_in(
            pattern,
            "grant select on t to U&\"!0070ublic\" UESCAPE '!'"
        ));
        assert!(!is_in(
            pattern,
            "grant select on all tables in schema public to bob"
        ));
        assert!(!is_in(pattern, "grant select on t to \"Public\""));
    }

    #[test]
    fn strings_are_found_by_their_beginning() {
        let pattern = "... set_config ( 'pgaudit.'";
        // A parenthesis is a group in a pattern; the text's own is skipped by `*`.
        assert!(Pattern::parse(pattern).is_err());
        let pattern = "... set_config * 'pgaudit.'";
        assert!(is_in(
            pattern,
            "select set_config('PGAudit.log', 'none', false)"
        ));
        assert!(is_in(
            pattern,
            "select pg_catalog.set_config(E'pg\\x61udit.log', 'none', false)"
        ));
        assert!(!is_in(
            pattern,
            "select set_config('application_name', 'pgaudit.', false)"
        ));
    }

    #[test]
    fn what_pgaudit_cut_is_seen() {
        assert!(is_in(
            "(ALTER|CREATE) (ROLE|USER) ... <REDACTED>",
            "ALTER ROLE x PASSWORD <REDACTED>"
        ));
    }

    #[test]
    fn a_bad_pattern_says_why() {
        for bad in [
            "",
            "(A",
            "A)",
            "A|B",
            "Mixed",
            "'open",
            "((((((((((((((((((A",
        ] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_comment_changes_a_statement(
            text in proptest::collection::vec(any::<u8>(), 0..200),
            comment in "[a-z *]{0,10}",
        ) {
            let _ = super::super::readings(&text);
            let _ = Pattern::parse(&String::from_utf8_lossy(&text));
            let comment = comment.replace("*/", "").replace("/*", "").replace('*', "");
            let sql = format!("drop/*{comment}*/policy p on t");
            prop_assert!(is_in("DROP POLICY", &sql));
        }
    }
}
