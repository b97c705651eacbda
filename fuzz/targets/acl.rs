#![no_main]
//! Privileges: what is read is written back, and read again, the same.

use libfuzzer_sys::fuzz_target;
use pgattest_model::ServerVersion;
use pgattest_parse::acl::{array, item};

fuzz_target!(|text: &str| {
    for version in [13, 15, 17].map(|major| ServerVersion(major * 10_000)) {
        if let Ok(read) = item(text, version) {
            assert_eq!(item(&read.to_string(), version), Ok(read));
        }
        if let Ok(items) = array(text, version) {
            for read in items {
                assert_eq!(item(&read.to_string(), version), Ok(read));
            }
        }
    }
});
