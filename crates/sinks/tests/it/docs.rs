//! What the documentation tells people to write is what the program reads.

use crate::support::config;
use std::path::Path;

/// Every `[sink.NAME]` with a `kind` in the blocks of these pages.
#[test]
fn the_examples_are_configurations() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/trail");
    let mut kinds = std::collections::BTreeSet::new();
    for page in ["sinks.md", "aws.md", "otlp-kafka.md"] {
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let table: toml::Table = toml::from_str(block).unwrap();
            for (name, sink) in table["sink"].as_table().unwrap() {
                let sink = sink.as_table().unwrap();
                // Some blocks show what is added to another one.
                if sink.contains_key("kind") {
                    let read = config(&toml::to_string(sink).unwrap());
                    assert!(!read.place().is_empty(), "{page}: {name}");
                    kinds.insert(read.kind());
                }
            }
        }
    }
    let all = [
        "cloudwatch",
        "datadog",
        "file",
        "kafka",
        "otlp",
        "relp",
        "s3",
        "splunk-hec",
    ];
    assert!(all.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
}
