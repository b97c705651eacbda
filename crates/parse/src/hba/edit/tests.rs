use super::{Edit, NotEdited, edit};
use crate::hba::{NoFiles, parse};
use pgattest_model::ServerVersion;
use proptest::prelude::*;
use rstest::rstest;
use std::collections::BTreeMap;

const V18: ServerVersion = ServerVersion(180_004);

fn edited(text: &str, line: usize, what: &Edit) -> Result<String, NotEdited> {
    edit(&parse("p", text, V18, &NoFiles), line, what, V18, &NoFiles)
}

fn kind(to: &str) -> Edit {
    Edit::ConnectionType(to.to_owned())
}

fn method(to: &str) -> Edit {
    Edit::Method(to.to_owned())
}

fn address(to: &str) -> Edit {
    Edit::Address(to.to_owned())
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

#[rstest]
#[case::columns_stay(
    "host    all     all  10.0.0.0/8  md5 # c\nhost all all all md5",
    kind("hostssl"),
    "hostssl all     all  10.0.0.0/8  md5 # c\nhost all all all md5"
)]
#[case::columns_without_room("host all all all md5", kind("hostssl"), "hostssl all all all md5")]
#[case::tabs_stay(
    "host\tall\tall\tall\ttrust\r\n",
    method("scram-sha-256"),
    "host\tall\tall\tall\tscram-sha-256\r\n"
)]
#[case::a_comment_stays_in_its_column(
    "local all all trust          # c",
    method("scram-sha-256"),
    "local all all scram-sha-256  # c"
)]
#[case::quotes_and_lists(
    "host \"a b\",c +\"x\" \"10.0.0.1\" 255.0.0.0 \"md5\"",
    method("scram-sha-256"),
    "host \"a b\",c +\"x\" \"10.0.0.1\" 255.0.0.0 scram-sha-256"
)]
#[case::a_mask_goes(
    "host all all 10.0.0.1   255.0.0.0   md5",
    address("10.2.0.0/16"),
    "host all all 10.2.0.0/16            md5"
)]
#[case::options_stay(
    "hostssl all all all  trust clientcert=verify-ca",
    method("scram-sha-256"),
    "hostssl all all all  scram-sha-256 clientcert=verify-ca"
)]
#[case::a_continued_line(
    "host all \\\n  all all \\\n  trust\nlocal a b trust",
    method("md5"),
    "host all \\\n  all all \\\n  md5\nlocal a b trust"
)]
#[case::out_with_what_continues_it(
    "# top\nhost all \\\r\n  all all trust # x\r\nlocal a b trust",
    Edit::CommentOut("why".to_owned()),
    "# top\n# why: host all \\\r\n#   all all trust # x\r\nlocal a b trust"
)]
#[case::before_with_its_line_ending(
    "\r\nhost a b all md5\r\n",
    Edit::Before(lines(&["# why", "host c d all reject"])),
    "\r\n# why\r\nhost c d all reject\r\nhost a b all md5\r\n"
)]
#[case::after_a_last_line_without_an_end(
    "host a b all md5",
    Edit::After(lines(&["host c d all reject"])),
    "host a b all md5\nhost c d all reject\n"
)]
fn one_line_changes_and_the_rest_stays(
    #[case] text: &str,
    #[case] what: Edit,
    #[case] expected: &str,
) {
    assert_eq!(edited(text, 0, &what).as_deref(), Ok(expected));
}

#[rstest]
#[case("hots all all all md5", kind("hostssl"), NotEdited::NoSuchRule)]
#[case(
    "host all all all ident map=m",
    method("md5"),
    NotEdited::OtherThanAsked
)]
#[case("host all all all mo\\\nd5", method("trust"), NotEdited::NoSuchRule)]
#[case("host all all all m\\\nd5", method("trust"), NotEdited::Scattered)]
#[case("host all all all md5 \\", Edit::After(lines(&["local a b trust"])), NotEdited::OtherThanAsked)]
#[case("local all all md5", address("all"), NotEdited::NoSuchRule)]
#[case("local all all md5", kind("hostssl"), NotEdited::OtherThanAsked)]
#[case("host all all all md5", method("md5 x"), NotEdited::OtherThanAsked)]
#[case("host all all all md5", Edit::CommentOut("a\nhost".to_owned()), NotEdited::OtherThanAsked)]
fn what_would_say_something_else_is_refused(
    #[case] text: &str,
    #[case] what: Edit,
    #[case] why: NotEdited,
) {
    assert_eq!(edited(text, 0, &what), Err(why));
}

#[test]
fn a_line_of_an_included_file_is_edited_there() {
    let files = BTreeMap::from([
        (
            "/e/h".to_owned(),
            "include more\nlocal all all trust\n".to_owned(),
        ),
        ("/e/more".to_owned(), "host all @who all md5\n".to_owned()),
        ("/e/who".to_owned(), "a b\n".to_owned()),
    ]);
    let file = parse("/e/h", &files["/e/h"], V18, &files);
    assert_eq!(file.lines[0].place.source, 1);
    assert_eq!(
        edit(&file, 0, &method("scram-sha-256"), V18, &files).as_deref(),
        Ok("host all @who all scram-sha-256\n")
    );
}

/// Lines of all kinds, right and wrong.
fn a_file() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("all"),
        Just("\"all\""),
        Just("a,b"),
        Just("+g"),
        Just("\"d e\""),
        Just("x#y"),
        Just("a\"b"),
        Just("é"),
        Just("\\"),
        Just("replication"),
        Just(","),
        Just("sameuser"),
    ];
    let kind = prop_oneof![
        Just("local"),
        Just("host"),
        Just("host"),
        Just("hostssl"),
        Just("hostnossl"),
        Just("\"host\""),
        Just("hots")
    ];
    let address = prop_oneof![
        Just("all"),
        Just("10.0.0.0/8"),
        Just("10.0.0.1 255.0.0.0"),
        Just("::1/128"),
        Just("db.example"),
        Just("")
    ];
    let method = prop_oneof![
        Just("trust"),
        Just("md5"),
        Just("password"),
        Just("\"md5\""),
        Just("ident map=x"),
        Just("reject"),
        Just("trust clientcert=verify-ca"),
        Just("")
    ];
    let blank = prop_oneof![
        Just(" "),
        Just("  "),
        Just("\t"),
        Just("    "),
        Just(" \\\n"),
        Just(", ")
    ];
    let end = prop_oneof![
        Just("\n"),
        Just("\n"),
        Just("\r\n"),
        Just("\\\n"),
        Just(" # c\n"),
        Just(" # c\\\n"),
        Just("\n\n"),
        Just(""),
        Just("\n# x\n"),
        Just("\0\n")
    ];
    let line = (
        kind,
        word.clone(),
        word,
        address,
        method,
        prop::collection::vec(blank, 5),
        end,
    )
        .prop_map(|(kind, database, user, address, method, blanks, end)| {
            let mut line = String::new();
            for (field, blank) in [kind, database, user, address, method].iter().zip(blanks) {
                if !field.is_empty() {
                    line.push_str(field);
                    line.push_str(blank);
                }
            }
            line + end
        });
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat())
}

fn an_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        Just(kind("hostssl")),
        Just(kind("hostnossl")),
        Just(method("scram-sha-256")),
        Just(method("reject")),
        Just(address("10.9.0.0/16")),
        Just(address("all")),
        Just(Edit::CommentOut("out".to_owned())),
        Just(Edit::Before(lines(&[
            "# before",
            "host n \"o p\" all reject"
        ]))),
        Just(Edit::After(lines(&[
            "# after",
            "host n \"o p\" all reject"
        ]))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Bytes outside the line stay; every other rule is read as before; the edited one differs in what was asked.
    #[test]
    fn an_edit_changes_the_line_and_nothing_else(
        text in a_file(), at in 0usize..8, what in an_edit(), old in any::<bool>()
    ) {
        let version = if old { ServerVersion(130_000) } else { V18 };
        let file = parse("p", &text, version, &NoFiles);
        let Ok(new) = edit(&file, at, &what, version, &NoFiles) else { return Ok(()) };
        let span = file.lines[at].place.span.clone();
        prop_assert!(new.starts_with(&text[..span.start]));
        prop_assert!(new.ends_with(&text[span.end..]));

        let after = parse("p", &new, version, &NoFiles);
        let show = |file: &crate::hba::HbaFile, at: usize| {
            let mut row = file.lines[at].row.clone();
            (row.line, row.number) = (0, 0);
            format!("{row:?} {:?}", file.lines[at].problem.as_ref().map(|problem| problem.message.clone()))
        };
        let (shift, skipped) = match what {
            Edit::Before(_) => (1, None),
            Edit::After(_) => (0, None),
            _ => (0, Some(at)),
        };
        let expected_len = match what {
            Edit::Before(_) | Edit::After(_) => file.lines.len() + 1,
            Edit::CommentOut(_) => file.lines.len() - 1,
            _ => file.lines.len(),
        };
        prop_assert_eq!(after.lines.len(), expected_len);
        for i in 0..file.lines.len() {
            if Some(i) == skipped { continue; }
            let j = match what {
                Edit::CommentOut(_) if i > at => i - 1,
                Edit::After(_) if i > at => i + 1,
                Edit::Before(_) if i >= at => i + shift,
                _ => i,
            };
            prop_assert_eq!(show(&file, i), show(&after, j));
        }
        let (was, is) = (&file.lines[at].row, after.lines.get(at).map(|line| &line.row));
        match &what {
            Edit::ConnectionType(kind) => {
                let is = is.unwrap();
                prop_assert_eq!(&is.connection_type, kind);
                prop_assert_eq!((&is.users, &is.databases, &is.address, &is.method), (&was.users, &was.databases, &was.address, &was.method));
            }
            Edit::Method(method) => {
                let is = is.unwrap();
                prop_assert_eq!(&is.method, method);
                prop_assert_eq!((&is.users, &is.databases, &is.address, &is.netmask), (&was.users, &was.databases, &was.address, &was.netmask));
            }
            Edit::Address(_) => {
                let is = is.unwrap();
                prop_assert_eq!((&is.users, &is.databases, &is.method), (&was.users, &was.databases, &was.method));
            }
            Edit::CommentOut(_) | Edit::Before(_) | Edit::After(_) => {}
        }
    }
}
