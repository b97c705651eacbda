//! Nothing goes wrong.

use crate::support::{NEW_HBA, Seen, chain, cluster};
use pgattest_remedy::{ApplyError, Phase, ServerFiles, apply, resume, status, undo};

async fn applied_and_taken_back(major: u32, files: ServerFiles) {
    let (_cluster, site) = cluster(major).await;
    let before = site.snapshot().await;
    let plan = site.plan(site.changes()).await;
    let options = site.options();
    let mut request = site.request(&plan, &options);
    request.files = files;
    assert_eq!(status(&site.folder).unwrap(), None);

    let mut seen = Seen::default();
    let applied = apply(&request, &mut seen)
        .await
        .unwrap_or_else(|error| panic!("{}", chain(&error)));
    let all: Vec<_> = plan
        .changes
        .iter()
        .map(|change| change.id.clone())
        .collect();
    assert_eq!(applied.done, all);
    assert!(!applied.waits_for_restart);
    // Two settings share a reload, two changes of a database a transaction.
    assert_eq!(
        seen.0,
        [
            "start log-a log-b",
            "done log-a log-b",
            "start group",
            "done group",
            "start index",
            "done index",
            "start grant revoke",
            "done grant revoke",
            "start power",
            "done power",
            "start hba",
            "proved postgres logged in under the new rules",
            "done hba",
        ]
    );
    let after = site.snapshot().await;
    assert_eq!(after.last().unwrap(), NEW_HBA);
    assert!(
        after.contains(&"in force log_line_prefix=%m 'q' \\ %u ".to_owned()),
        "{after:?}"
    );
    assert!(
        after.contains(&"index by_tenant valid=t".to_owned()),
        "{after:?}"
    );
    assert!(after.contains(&"role app f t".to_owned()), "{after:?}");
    assert_eq!(status(&site.folder).unwrap().unwrap().phase, Phase::Applied);

    // Going on with what is done does nothing; applying it again is refused.
    assert_eq!(
        resume(&request, &mut Seen::default()).await.unwrap().done,
        all
    );
    let again = apply(&request, &mut Seen::default()).await.unwrap_err();
    assert!(matches!(again, ApplyError::WrongState { .. }), "{again}");
    assert_eq!(site.snapshot().await, after);

    let undone = undo(&request, &mut Seen::default())
        .await
        .unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(undone.taken_back.len(), all.len());
    assert_eq!(undone.left, []);
    assert_eq!(site.snapshot().await, before);
    let twice = undo(&request, &mut Seen::default()).await.unwrap();
    assert_eq!(twice.taken_back, Vec::<String>::new());

    // What was taken back can be applied anew: the facts are what they were, but for identifiers.
    let plan = site.plan(site.changes()).await;
    let mut request = site.request(&plan, &options);
    request.files = files;
    apply(&request, &mut Seen::default()).await.unwrap();
    assert_eq!(site.snapshot().await, after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applied_and_taken_back_13() {
    applied_and_taken_back(13, ServerFiles::ThroughServer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applied_and_taken_back_15_with_local_files() {
    applied_and_taken_back(15, ServerFiles::Local).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applied_and_taken_back_18() {
    applied_and_taken_back(18, ServerFiles::ThroughServer).await;
}
