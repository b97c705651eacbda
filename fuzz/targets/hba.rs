#![no_main]
//! `pg_hba.conf`: places are inside the text, rules have their fields, no secret stays.

mod common;

use libfuzzer_sys::fuzz_target;
use pgattest_parse::hba::parse;

fuzz_target!(|text: &str| {
    let (version, main, files) = common::input(text);
    let file = parse("p", main, version, &files);
    for line in &file.lines {
        common::check(&line.place, &file.sources);
        match &line.problem {
            Some(problem) => {
                common::check(&problem.place, &file.sources);
                assert!(!problem.message.is_empty() && !line.row.is_valid());
            }
            None => {
                let row = &line.row;
                assert!(row.is_valid() && !row.databases.is_empty() && !row.users.is_empty());
                assert_eq!(row.quoted.as_ref().map(|quoted| quoted.users.len()), Some(row.users.len()));
                for option in &row.options {
                    assert!(!matches!(option.name.as_str(), "ldapbindpasswd" | "radiussecrets") || option.value.is_empty());
                }
            }
        }
    }
    let harmless = file.harmless_text(0);
    assert_eq!(harmless.len(), main.len());
    for line in &file.lines {
        assert!(line.place.source != 0 || harmless.get(line.place.span.clone()).is_some());
    }
});
