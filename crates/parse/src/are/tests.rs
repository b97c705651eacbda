use super::{Are, Breadth, FirstGroup};

fn matches(pattern: &str, name: &str) -> Option<bool> {
    Are::new(pattern).unwrap().matches(name)
}

#[test]
fn what_both_dialects_read_alike_is_decided() {
    for (pattern, name, expected) in [
        ("^db\\d{2,4}$", "db12", true),
        ("^db\\d{2,4}$", "db1", false),
        ("^(a|b)$", "b", true),
        ("^(a|b)$", "c", false),
        ("^v1.2$", "v1x2", true),
        ("^a.b$", "a\nb", true),
        ("^a$", "a\n", false),
        ("[[:alpha:]_]+x$", "q_x", true),
        ("^[^a-c]$", "d", true),
        ("^[]x]+$", "]x", true),
        ("^[a\\-z]$", "-", true),
        ("^\\w+$", "Grün", false),
        ("^..$", "ü", true),
        ("ü", "Grün", true),
        ("^a*?$", "aa", true),
        ("^a{,$", "a{,", true),
        ("***=a.b", "xa.by", true),
        ("***=a.b", "axb", false),
        ("***:^a", "ab", true),
        ("", "anything", true),
        ("a|", "x", true),
    ] {
        assert_eq!(matches(pattern, name), Some(expected), "{pattern} {name}");
    }
}

#[test]
fn what_they_may_not_is_left_open() {
    for pattern in [
        "(?i)A", "(a)\\1", "\\ya", "\\mfoo", "^a**", "(?=a)", "(?<!a)b", "[[.a.]]", "[[:<:]]a",
        "[é]", "é+", "***a", "[a-c-e]", "\\x41", "a{2",
    ] {
        assert!(
            Are::new(pattern).is_err() || matches(pattern, "a").is_none(),
            "{pattern}"
        );
    }
}

#[test]
fn what_is_certainly_broken_is_refused() {
    for (pattern, message) in [
        ("(a", "parentheses () not balanced"),
        ("a)", "parentheses () not balanced"),
        ("[a", "brackets [] not balanced"),
        ("a\\", "invalid escape \\ sequence"),
        ("*a", "quantifier operand invalid"),
        ("a{256}", "invalid repetition count(s)"),
    ] {
        assert_eq!(
            Are::new(pattern).map(|_| ()).unwrap_err().to_string(),
            message
        );
    }
}

#[test]
fn the_first_group_is_told_only_when_there_is_one_way() {
    let group = |pattern: &str, name: &str| Are::new(pattern).unwrap().first_group(name);
    let text = |text: &str| FirstGroup::Text(text.to_owned());
    assert_eq!(
        group("^(.*)@example\\.com$", "ann@example.com"),
        text("ann")
    );
    assert_eq!(group("^([^@]*)@.*$", "ann@a@b"), text("ann"));
    assert_eq!(group("^(.*)@(.*)$", "ann@a"), FirstGroup::Unclear);
    assert_eq!(group("^(.*)@.*$", "ann@a@b"), FirstGroup::Unclear);
    assert_eq!(group("(.*)@x", "ann@x"), FirstGroup::Unclear);
    assert_eq!(group("^a(b)?$", "ab"), FirstGroup::Unclear);
    assert_eq!(group("^(a)|b$", "a"), FirstGroup::Unclear);
    assert_eq!(group("^ann$", "ann"), FirstGroup::Absent);
}

#[test]
fn what_matches_everybody_is_seen() {
    for pattern in [
        "",
        "^",
        ".*",
        "^.*$",
        "^(.*)$",
        "(.+)",
        "^(?:.*)$",
        "^(.*)(.*)$",
    ] {
        assert_eq!(
            Are::new(pattern).unwrap().breadth(),
            Breadth::Everything,
            "{pattern}"
        );
    }
    for pattern in [
        "a", "^.$", ".*a", "(.*)@x", ".+.+", ".*?x", "|.*", "^$", "^()$", ".()*", "(.*)*",
    ] {
        assert_eq!(
            Are::new(pattern).unwrap().breadth(),
            Breadth::Some,
            "{pattern}"
        );
    }
}
