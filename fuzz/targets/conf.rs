#![no_main]
//! `postgresql.conf`: places are inside the text, a value that is written in quotes is read back.

mod common;

use libfuzzer_sys::fuzz_target;
use pgattest_parse::auth_file::NoFiles;
use pgattest_parse::conf::{parse, quantity};

fuzz_target!(|text: &str| {
    let (_, main, files) = common::input(text);
    let file = parse("p", main, &files);
    for problem in &file.problems {
        common::check(&problem.place, &file.sources);
    }
    for entry in file.entries.iter().take(20) {
        common::check(&entry.place, &file.sources);
        let quoted = entry.value.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n");
        let again = parse("p", &format!("x = '{quoted}'"), &NoFiles);
        assert_eq!(again.last("X").map(|entry| &entry.value), Some(&entry.value));
        let _ = quantity(&entry.value);
    }
});
