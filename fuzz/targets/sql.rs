#![no_main]
//! SQL as words: whatever a client writes within quotes or comments stays there, in every reading.

use libfuzzer_sys::fuzz_target;
use pgattest_parse::sql::{Token, readings, tokens};
use std::borrow::Cow;

fn select<'a>(token: Token<'a>) -> Vec<Token<'a>> {
    vec![Token::Word(Cow::Borrowed("select")), token]
}

fuzz_target!(|bytes: &[u8]| {
    for standard in [true, false] {
        // Each token takes a byte at least.
        assert!(tokens(bytes, standard).len() <= bytes.len());
    }
    assert!(matches!(readings(bytes).len(), 1 | 2));

    let text = String::from_utf8_lossy(bytes).replace('\0', "");
    let string = format!("SELECT '{}'", text.replace('\'', "''"));
    assert_eq!(tokens(string.as_bytes(), true), select(Token::Text(Cow::Borrowed(&text))));
    let string = format!("SELECT E'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    for standard in [true, false] {
        assert_eq!(tokens(string.as_bytes(), standard), select(Token::Text(Cow::Borrowed(&text))));
    }
    if !text.contains('$') {
        let string = format!("SELECT $q${text}$q$");
        assert_eq!(tokens(string.as_bytes(), true), select(Token::Text(Cow::Borrowed(&text))));
    }
    let name = format!("SELECT \"{}\"", text.replace('"', "\"\""));
    assert_eq!(tokens(name.as_bytes(), true), select(Token::Name(Cow::Borrowed(&text))));
    let one = select(Token::Number(Cow::Borrowed("1")));
    let comment = format!("SELECT/*{}*/1", text.replace(['*', '/'], ""));
    assert_eq!(tokens(comment.as_bytes(), true), one);
    let comment = format!("SELECT--{}\n1", text.replace(['\n', '\r'], ""));
    assert_eq!(tokens(comment.as_bytes(), true), one);
});
