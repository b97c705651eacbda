use super::{AuthFile, Line, NoFiles, tokenize, without_pieces};
use pgattest_model::ServerVersion;
use std::collections::BTreeMap;

const V13: ServerVersion = ServerVersion(130_023);
const V15: ServerVersion = ServerVersion(150_018);
const V18: ServerVersion = ServerVersion(180_004);

/// Words in brackets for each field, quoted ones with a quote in front; or the problem.
fn show(line: &Line) -> String {
    if let Some(problem) = &line.problem {
        return format!("{}: {}", line.place.line, problem.message);
    }
    let fields = line.fields.iter().map(|field| {
        let words = field
            .iter()
            .map(|token| format!("{}{}", if token.quoted { "'" } else { "" }, token.text));
        format!("[{}]", words.collect::<Vec<_>>().join("|"))
    });
    format!("{}: {}", line.place.line, fields.collect::<String>())
}

fn read(text: &str, version: ServerVersion) -> Vec<String> {
    let file = tokenize("/d/hba", text, version, &NoFiles);
    file.lines.iter().map(show).collect()
}

fn with_files(text: &str, version: ServerVersion, files: &[(&str, &str)]) -> AuthFile {
    let files: BTreeMap<String, String> = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect();
    tokenize("/d/hba", text, version, &files)
}

#[test]
fn words_and_quotes() {
    assert_eq!(read("a b,c , d\te # f\n\n#g\n", V18), ["1: [a][b|c][d][e]"]);
    assert_eq!(
        read(r#""a b" c"d e" """" "" x"y"#, V18),
        [r#"1: ['a b][cd e]['"]['][xy]"#]
    );
    assert_eq!(read(",a,,b, ,c ,d\r\n", V18), ["1: [a|b|c][d]"]);
    assert_eq!(read("a#b c", V18), ["1: [a]"]);
    assert_eq!(read("a \"b # c\" d", V18), ["1: [a]['b # c][d]"]);
    assert_eq!(read("a \"b\nc", V18), ["1: [a]['b]", "2: [c]"]);
    assert_eq!(read("a\0b c\nd\ne", V18), ["1: [ad]", "2: [e]"]);
    assert_eq!(read("a\0b c\nd", V13), ["1: [a]", "2: [d]"]);
}

#[test]
fn a_backslash_continues_a_line_from_14_on() {
    let text = "a \\\nb\\\r\nc\nd \\\\\n\ne\\";
    assert_eq!(read(text, V18), ["1: [a][bc]", "4: [d][\\]", "6: [e]"]);
    assert_eq!(read(text, V13)[..3], ["1: [a][\\]", "2: [b\\]", "3: [c]"]);
    let file = tokenize("/d/hba", text, V18, &NoFiles);
    let place = &file.lines[0].fields[1][0].place;
    assert_eq!(&text[place.span.clone()], "b\\\r\nc");
}

#[test]
fn a_line_of_13_may_be_too_long() {
    let long = format!("a {}\nb\n", "x".repeat(21_000));
    assert_eq!(read(&long, V13)[0], "1: authentication file line too long");
    assert_eq!(read(&long, V18).len(), 2);
}

#[test]
fn words_come_out_of_other_files() {
    let files = [
        ("/d/users", "x, y\n\"z 1\" # no\n@sub/more"),
        ("/d/sub/more", "w"),
        ("/d/empty", "# nothing"),
    ];
    let file = with_files("a b,@users c \"@users\" @", V18, &files);
    assert_eq!(show(&file.lines[0]), "1: [a][b|x|y|'z 1|w][c]['@users][@]");
    assert_eq!(file.sources[1].path, "/d/users");
    assert_eq!(
        show(&with_files("a @empty b", V18, &files).lines[0]),
        "1: [a][b]"
    );
    assert_eq!(
        show(&with_files("a @none", V18, &files).lines[0]),
        "1: could not open file \"/d/none\": No such file or directory"
    );
    assert_eq!(
        show(&with_files("a @none", V15, &files).lines[0]),
        "1: could not open secondary authentication file \"@none\" as \"/d/none\": No such file or directory"
    );
}

#[test]
fn lines_come_out_of_other_files_from_16_on() {
    let files = [
        ("/d/x/b.conf", "b"),
        ("/d/x/a.conf", "a\n@c"),
        ("/d/x/no", "no"),
        ("/d/x/c", "c"),
    ];
    let text = "include_dir x\ninclude_if_exists none\ninclude none\ninclude x/no \ninclude a b";
    let shown = |version| -> Vec<_> {
        with_files(text, version, &files)
            .lines
            .iter()
            .map(show)
            .collect()
    };
    assert_eq!(
        shown(V18),
        [
            "1: [a]",
            "2: [c]",
            "1: [b]",
            "3: could not open file \"/d/none\": No such file or directory",
            "1: [no]",
            "5: [include][a][b]"
        ]
    );
    assert_eq!(shown(V15)[0], "1: [include_dir][x]");
}

#[test]
fn files_that_include_themselves_come_to_an_end() {
    let twice = "include me\ninclude me\n";
    let file = with_files(twice, V18, &[("/d/me", twice)]);
    assert!(file.lines.iter().all(|line| line.problem.is_some()));
    let words = with_files("a @me,@me", V18, &[("/d/me", "@me @me @me")]);
    assert!(words.lines[0].problem.is_some());
}

#[test]
fn an_error_without_the_pieces_of_the_line() {
    assert_eq!(
        without_pieces("invalid IP mask \"a\"b\": Name"),
        "invalid IP mask \"...\""
    );
    assert_eq!(
        without_pieces("authentication option not in name=value format: hunter2"),
        "authentication option not in name=value format"
    );
}
