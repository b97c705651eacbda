//! An application that works while a plan is applied: it waits, and is never the one that is stopped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pgattest_model::plan::{Change, Stage};
use pgattest_remedy::{apply, undo};
use pgattest_testkit::Cluster;

use crate::support::{Seen, Site, chain, cluster, sql};

/// Two tables of the application, with a row for each of its clients: they are never in one another's way.
async fn tables() -> (Arc<Cluster>, Site) {
    let (cluster, site) = cluster(15).await;
    cluster
        .execute(
            "shop",
            "CREATE TABLE public.a (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
             CREATE TABLE public.b (LIKE public.a INCLUDING ALL);
             INSERT INTO public.a SELECT generate_series(0, 3);
             INSERT INTO public.b SELECT generate_series(0, 3);
             ALTER TABLE public.a SET (autovacuum_enabled = off);
             ALTER TABLE public.b SET (autovacuum_enabled = off);
             GRANT SELECT, UPDATE ON public.a, public.b TO app;",
        )
        .await
        .unwrap();
    (Arc::new(cluster), site)
}

/// Both tables, one after the other, each under the strongest lock there is.
fn isolation() -> Vec<Change> {
    let one = |name: &str| {
        let policy = format!("CREATE POLICY everything ON public.{name} USING (true);");
        let on = format!("ALTER TABLE public.{name} ENABLE ROW LEVEL SECURITY;");
        let off = format!("ALTER TABLE public.{name} DISABLE ROW LEVEL SECURITY;");
        let gone = format!("DROP POLICY everything ON public.{name};");
        sql(
            name,
            Stage::Isolation,
            Some("shop"),
            &[&policy, &on],
            &[&off, &gone],
        )
    };
    vec![one("a"), one("b")]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_lock_in_any_order_see_no_error() {
    let (cluster, site) = tables().await;
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for number in 0..4_u32 {
        let client = cluster.client_as("app", "shop").await.unwrap();
        let over = Arc::clone(&over);
        clients.push(tokio::spawn(async move {
            // No two clients take the same turns, and each takes both orders.
            let mut turns = 0x9e37_79b9_u32.wrapping_mul(number + 1);
            let mut done = 0_u32;
            while !over.load(Ordering::Relaxed) {
                turns = turns.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let order = if turns & 0x8000 == 0 {
                    ["a", "b"]
                } else {
                    ["b", "a"]
                };
                let update = |table: &str| {
                    format!("UPDATE public.{table} SET n = n + 1 WHERE id = {number};")
                };
                for statement in ["BEGIN;", &update(order[0]), &update(order[1]), "COMMIT;"] {
                    if let Err(error) = client.batch_execute(statement).await {
                        return Err(format!("client {number}, {statement} {}", chain(&error)));
                    }
                }
                done += 1;
                tokio::time::sleep(Duration::from_millis(u64::from(turns >> 28))).await;
            }
            Ok(done)
        }));
    }
    let options = site.options();
    for round in 0..6 {
        let plan = site.plan(isolation()).await;
        let mut request = site.request(&plan, &options);
        // What is asked for is longer than any client waits before it looks for a deadlock.
        request.lock_timeout = Duration::from_secs(2);
        request.attempts = 30;
        apply(&request, &mut Seen::default())
            .await
            .unwrap_or_else(|error| panic!("{round}: {}", chain(&error)));
        undo(&request, &mut Seen::default())
            .await
            .unwrap_or_else(|error| panic!("{round}: {}", chain(&error)));
        std::fs::remove_dir_all(&site.folder).unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let mut all = 0;
    for client in clients {
        all += client.await.unwrap().unwrap();
    }
    let counted = "SELECT ((SELECT sum(n) FROM public.a) + (SELECT sum(n) FROM public.b))::text";
    assert_eq!(
        cluster.query_value("shop", counted).await.unwrap(),
        (2 * all).to_string()
    );
    assert!(all > 100, "{all} transactions are no load");
}

/// We hold `a` and need `b`; a client holds `b` and needs `a`. Which of the two came to wait last decides who would find the
/// deadlock first, were both to look after the same time.
async fn crossed_with_a_client(client_waits_first: bool) {
    let (cluster, site) = tables().await;
    let client = cluster.client_as("app", "shop").await.unwrap();
    let plan = site.plan(isolation()).await;
    client
        .batch_execute("BEGIN; UPDATE public.b SET n = 1 WHERE id = 0;")
        .await
        .unwrap();
    let options = site.options();
    let mut request = site.request(&plan, &options);
    request.lock_timeout = Duration::from_secs(20);
    let (holding, held) = tokio::sync::oneshot::channel();
    let holding = Mutex::new(Some(holding));
    let other = Arc::clone(&cluster);
    request.faults = Some(Arc::new(move |point| {
        if point.name == "before a statement"
            && point.of == "b"
            && let Some(holding) = holding.lock().unwrap().take()
        {
            holding.send(()).unwrap();
            if client_waits_first {
                until_somebody_waits(&other);
            }
        }
        Ok(())
    }));
    let other = Arc::clone(&cluster);
    let crossing = async move {
        held.await.unwrap();
        if !client_waits_first {
            tokio::task::block_in_place(|| {
                until_somebody_waits(&other);
                // Long after we looked for a deadlock, and found none yet.
                other.query_text_blocking("postgres", "SELECT pg_sleep(0.2)")
            })
            .unwrap();
        }
        client
            .batch_execute("UPDATE public.a SET n = 1 WHERE id = 0; COMMIT;")
            .await
    };
    let mut seen = Seen::default();
    let crossing = tokio::spawn(crossing);
    let applied = apply(&request, &mut seen).await;
    crossing.await.unwrap().unwrap();
    applied.unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert!(seen.0.contains(&"retried 1/3".to_owned()), "{:?}", seen.0);
}

fn until_somebody_waits(cluster: &Cluster) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let query = "SELECT 1 FROM pg_locks WHERE NOT granted";
    while cluster
        .query_text_blocking("postgres", query)
        .unwrap()
        .is_empty()
    {
        assert!(Instant::now() < deadline, "nobody waits");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crossed_with_a_client_that_waits_already() {
    crossed_with_a_client(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crossed_with_a_client_that_comes_to_wait_later() {
    crossed_with_a_client(false).await;
}
