use super::{ConfFile, Quantity, parse, quantity};
use crate::auth_file::NoFiles;
use std::collections::BTreeMap;

fn values(file: &ConfFile) -> Vec<(&str, &str)> {
    file.entries
        .iter()
        .map(|entry| (entry.name.as_str(), entry.value.as_str()))
        .collect()
}

#[test]
fn values_are_read_as_the_server_reads_them() {
    let text = "a=1\n b  'it''s' # why\nc = 128MB\nd.e = on\nf = 'x\\n\\101'\ng = -1.5e3\nh=en_US.UTF-8\n\n#i=1\n";
    let file = parse("postgresql.conf", text, &NoFiles);
    assert!(file.problems.is_empty(), "{:?}", file.problems);
    assert_eq!(
        values(&file),
        [
            ("a", "1"),
            ("b", "it's"),
            ("c", "128MB"),
            ("d.e", "on"),
            ("f", "x\nA"),
            ("g", "-1.5e3"),
            ("h", "en_US.UTF-8"),
        ]
    );
    assert_eq!(file.entries[1].place.line, 2);
    assert_eq!(&text[file.entries[1].place.span.clone()], "b  'it''s'");
}

#[test]
fn mistakes_have_their_place() {
    let text = "ok = 1\nbad\nworse = = 1\n= 1\nx = 'open\ny = 1 2\n";
    let file = parse("p", text, &NoFiles);
    let lines: Vec<_> = file
        .problems
        .iter()
        .map(|problem| problem.place.line)
        .collect();
    assert_eq!(lines, [2, 3, 4, 5, 6]);
    assert_eq!(
        file.problems[0].message,
        "syntax error in file \"p\" line 2, near end of line"
    );
    assert_eq!(
        file.problems[4].message,
        "syntax error in file \"p\" line 6, near token \"2\""
    );
}

#[test]
fn the_last_line_wins_across_files() {
    let files: BTreeMap<String, String> = [
        ("/d/conf.d/b.conf", "x = 3"),
        ("/d/conf.d/a.conf", "X = 2"),
        ("/d/conf.d/.c.conf", "x = 9"),
        ("/d/more.conf", "include 'more.conf'"),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into();
    let file = parse(
        "/d/postgresql.conf",
        "x = 1\ninclude_dir = 'conf.d'\ninclude_if_exists 'none'\n",
        &files,
    );
    assert!(file.problems.is_empty());
    assert_eq!(file.last("x").unwrap().value, "3");
    assert_eq!(values(&file), [("x", "1"), ("X", "2"), ("x", "3")]);
    let endless = parse("/d/postgresql.conf", "include 'more.conf'", &files);
    assert_eq!(endless.problems.len(), 1);
    assert!(
        endless.problems[0]
            .message
            .ends_with("maximum nesting depth exceeded")
    );
}

#[test]
fn quantities_have_units() {
    let read = |text| quantity(text).map(|Quantity { number, unit }| (number, unit));
    assert_eq!(read("128MB"), Some((128.0, "MB".to_owned())));
    assert_eq!(read("1.5 h"), Some((1.5, "h".to_owned())));
    assert_eq!(read("0x10"), Some((16.0, String::new())));
    assert_eq!(read("-1"), Some((-1.0, String::new())));
    assert_eq!(read("on"), None);
    assert_eq!(read(""), None);
}
