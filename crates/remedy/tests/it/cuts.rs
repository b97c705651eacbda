//! Connections that are cut, locks that are held, deadlocks.

use std::sync::Arc;
use std::time::Duration;

use pgattest_model::plan::Stage;
use pgattest_remedy::{ApplyError, apply, resume, status, undo};
use pgattest_testkit::Cluster;

use crate::support::{Seen, chain, cluster, hook_at, sql};

fn cut(cluster: &Cluster, name: &str) {
    cluster
        .query_text_blocking(
            "postgres",
            &format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE '{name}'"),
        )
        .unwrap();
}

async fn cut_at_points(major: u32, name: &'static str, from: usize, of: usize) {
    let (cluster, site) = cluster(major).await;
    let cluster = Arc::new(cluster);
    let before = site.snapshot().await;
    let options = site.options();
    let mut after = None;
    let mut failed = 0;
    let mut at = from;
    loop {
        let plan = site.plan(site.changes()).await;
        let mut request = site.request(&plan, &options);
        let cutter = Arc::clone(&cluster);
        let (hook, points) = hook_at(at, move |_| {
            cut(&cutter, name);
            Ok(())
        });
        request.faults = Some(hook);
        let outcome = apply(&request, &mut Seen::default()).await;
        request.faults = None;
        let context = format!(
            "{major}, {name}, point {at}, {:?}",
            points.lock().unwrap().get(at)
        );
        let over = points.lock().unwrap().len() <= at;
        assert!(site.lets_us_in().await, "{context}: locked out");
        if let Err(error) = outcome {
            failed += 1;
            // The step is named, and going on finishes it.
            assert!(
                matches!(error, ApplyError::Step { .. }) && chain(&error).contains("step "),
                "{context}: {}",
                chain(&error)
            );
            let applied = resume(&request, &mut Seen::default())
                .await
                .unwrap_or_else(|error| panic!("{context}: {}", chain(&error)));
            assert_eq!(applied.done.len(), plan.changes.len(), "{context}");
        }
        let now = site.snapshot().await;
        assert_eq!(*after.get_or_insert_with(|| now.clone()), now, "{context}");
        undo(&request, &mut Seen::default())
            .await
            .unwrap_or_else(|error| panic!("{context}: {}", chain(&error)));
        assert_eq!(site.snapshot().await, before, "{context}");
        if over {
            break;
        }
        std::fs::remove_dir_all(&site.folder).unwrap();
        at += of;
    }
    assert!(failed >= 2, "{failed} applies failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_session_cut_15() {
    cut_at_points(15, "pgattest%", 1, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_session_cut_18() {
    cut_at_points(18, "pgattest%", 3, 9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transaction_that_is_being_committed_is_asked_for() {
    let (cluster, site) = cluster(15).await;
    let cluster = Arc::new(cluster);
    let plan = site
        .plan(vec![sql(
            "one",
            Stage::Roles,
            None,
            &["CREATE ROLE one;"],
            &["DROP ROLE one;"],
        )])
        .await;
    let options = site.options();
    let mut request = site.request(&plan, &options);
    let cutter = Arc::clone(&cluster);
    request.faults = Some(Arc::new(move |point| {
        if point.name == "before COMMIT" {
            cut(&cutter, "pgattest apply");
        }
        Ok(())
    }));
    let error = apply(&request, &mut Seen::default()).await.unwrap_err();
    assert!(chain(&error).contains("step 1 of 1"), "{}", chain(&error));
    // The server was asked, and said that it was not committed: nothing is left open.
    let state = status(&site.folder).unwrap().unwrap();
    assert_eq!((state.done, state.open), (vec![], vec![]));
    request.faults = None;
    resume(&request, &mut Seen::default()).await.unwrap();
    assert_eq!(
        status(&site.folder).unwrap().unwrap().done,
        ["one".to_owned()]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_released_is_waited_for_and_one_that_is_not_is_an_error() {
    let (cluster, site) = cluster(15).await;
    let before = site.snapshot().await;
    let plan = site.plan(site.changes()).await;
    let options = site.options();
    let mut request = site.request(&plan, &options);
    request.attempts = 2;
    request.lock_timeout = Duration::from_millis(100);
    let blocker = cluster.client("shop").await.unwrap();
    // After the facts are collected: the collection itself must not wait.
    let (started, wait) = tokio::sync::oneshot::channel();
    let started = std::sync::Mutex::new(Some(started));
    request.faults = Some(Arc::new(move |point| {
        if point.name == "after ALTER SYSTEM"
            && let Some(started) = started.lock().unwrap().take()
        {
            started.send(()).unwrap();
            // The blocker needs a moment; what it waits for is seen below.
        }
        Ok(())
    }));
    blocker
        .batch_execute("BEGIN; LOCK TABLE public.orders IN SHARE ROW EXCLUSIVE MODE;")
        .await
        .unwrap();
    let mut seen = Seen::default();
    let error = apply(&request, &mut seen).await.unwrap_err();
    drop(wait);
    let text = chain(&error);
    assert!(
        text.contains("`do index`") && text.contains("55P03"),
        "{text}"
    );
    assert!(seen.0.contains(&"retried 1/2".to_owned()), "{:?}", seen.0);

    // While one goes on, the lock is released.
    request.faults = None;
    request.attempts = 20;
    let (applied, released) = tokio::join!(resume(&request, &mut seen), async {
        tokio::task::yield_now().await;
        cluster
            .query_text("postgres", "SELECT pg_sleep(0.3)")
            .await
            .unwrap();
        blocker.batch_execute("COMMIT;").await
    });
    released.unwrap();
    assert_eq!(applied.unwrap().done.len(), plan.changes.len());
    undo(&request, &mut seen).await.unwrap();
    assert_eq!(site.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_fails_leaves_nothing_and_names_the_statement() {
    let (_cluster, site) = cluster(15).await;
    let before = site.snapshot().await;
    let plan = site
        .plan(vec![
            sql(
                "good",
                Stage::Powers,
                None,
                &["ALTER ROLE app NOCREATEDB;"],
                &["ALTER ROLE app CREATEDB;"],
            ),
            sql(
                "bad",
                Stage::Powers,
                None,
                &["ALTER ROLE nobody NOLOGIN;"],
                &[],
            ),
        ])
        .await;
    let options = site.options();
    let request = site.request(&plan, &options);
    let mut seen = Seen::default();
    let text = chain(&apply(&request, &mut seen).await.unwrap_err());
    assert!(
        text.contains("ALTER ROLE nobody NOLOGIN") && text.contains("42704"),
        "{text}"
    );
    assert_eq!(seen.0, ["start good bad", "rolled back good bad"]);
    assert_eq!(site.snapshot().await, before);
    assert_eq!(
        undo(&request, &mut seen).await.unwrap().taken_back,
        Vec::<String>::new()
    );
}
