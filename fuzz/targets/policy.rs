#![no_main]
//! `pgattest.toml`: an error has its place in the text.

use libfuzzer_sys::fuzz_target;
use pgattest_parse::policy::parse;

fuzz_target!(|text: &str| {
    if let Err(error) = parse(text) {
        assert!(!error.message.is_empty());
        assert!(error.span.end <= text.len() && text.get(error.span.clone()).is_some());
    }
});
