#![no_main]
//! `pg_ident.conf` and its regular expressions: what is decided is decided the same way twice.

mod common;

use libfuzzer_sys::fuzz_target;
use pgattest_parse::are::{Are, Breadth, FirstGroup};
use pgattest_parse::ident::parse;

fuzz_target!(|text: &str| {
    let (version, main, files) = common::input(text);
    let file = parse("p", main, version, &files);
    for line in &file.lines {
        common::check(&line.place, &file.sources);
        let Some(pattern) = line.row.system_user.strip_prefix('/') else {
            continue;
        };
        let Ok(are) = Are::new(pattern) else {
            panic!("a valid line has an expression that is not");
        };
        for name in ["ann", "ann@example.com", pattern] {
            let matches = are.matches(name);
            assert!(are.breadth() != Breadth::Everything || matches != Some(false));
            if let FirstGroup::Text(group) = are.first_group(name) {
                assert!(name.contains(&group) && matches == Some(true));
            }
        }
    }
});
