//! The collector's own gaps, from leaves alone.

use pgattest_trail::block::FileId;
use pgattest_trail::completeness::{Kind, Options, Tracker, Weight};
use pgattest_trail::leaf::{BlockLeaf, Leaf};

fn block(offset: u64, length: u64, at: i64) -> Leaf {
    Leaf::Block(BlockLeaf {
        block: 0,
        first_record: offset,
        records: 1,
        torn: 0,
        redacted: 0,
        redaction: String::new(),
        file: FileId::new("postgresql.csv", 1, 2, b""),
        offset,
        source_length: length,
        format: "csvlog".to_owned(),
        prefix: None,
        columns: Some(26),
        segment: String::new(),
        position: 0,
        stored: 0,
        stored_sha256: String::new(),
        length,
        records_root: String::new(),
        first_time: Some(at),
        last_time: Some(at),
        sealed_at: at,
    })
}

fn start(at: i64) -> Leaf {
    Leaf::Start {
        at,
        version: "0.1.0".to_owned(),
        configuration: String::new(),
        sources: Vec::new(),
        instance: "shop-1".to_owned(),
    }
}

#[test]
fn the_collectors_own_gaps_are_told() {
    let leaves = [
        start(0),
        block(0, 100, 10_000),
        Leaf::Heartbeat { at: 70_000 },
        // Silent for five minutes while running, and 50 bytes of the file are in no block.
        block(150, 100, 370_000),
        Leaf::Stop {
            at: 400_000,
            reason: "asked".to_owned(),
        },
        start(500_000),
        Leaf::Gap {
            at: 510_000,
            file: None,
            offset: None,
            length: Some(9),
            reason: "truncated".to_owned(),
        },
        // Killed.
        start(1_000_000),
    ];
    let mut tracker = Tracker::new(Options::default());
    for (index, leaf) in (0..).zip(&leaves) {
        tracker.leaf(index, leaf);
    }
    let result = tracker.finish();
    let told: Vec<(Kind, Weight, Vec<u64>)> = result
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.weight, finding.leaves.clone()))
        .collect();
    assert_eq!(
        told,
        [
            (Kind::HeartbeatMissing, Weight::Suspicion, vec![2, 3]),
            (Kind::BytesMissing, Weight::Loss, vec![3]),
            (Kind::CollectorDown, Weight::Note, vec![4, 5]),
            (Kind::Gap, Weight::Loss, vec![6]),
            (Kind::CollectorDown, Weight::Suspicion, vec![6, 7]),
        ]
    );
    // 70 s, 150 of 300, 30, 10 of a thousand seconds.
    assert_eq!(result.coverage.alive, 260_000);
    assert_eq!(result.coverage.alive_basis_points, 2_600);
}
