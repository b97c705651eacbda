//! Killed at every point, then going on, then taking back; or taking back at once. Nobody is ever locked out.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use pgattest_model::plan::{Change, Plan};
use pgattest_remedy::{Phase, Request, ServerFiles, apply, resume, status, undo};
use pgattest_testkit::Cluster;
use pgattest_wire::ConnectOptions;

use crate::certificates;
use crate::support::{Seen, Site, chain, cluster, hook_at};

const CHILD_DSN: &str = "PGATTEST_TEST_DSN";
const CHILD_DATA: &str = "PGATTEST_TEST_DATA";
const CHILD_FOLDER: &str = "PGATTEST_TEST_FOLDER";
const CHILD_STEP: &str = "PGATTEST_TEST_DIE_AT";
const CHILD_WORK: &str = "PGATTEST_TEST_WORK";
const CHILD_SUBJECT: &str = "PGATTEST_TEST_SUBJECT";

/// What is applied and taken back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Subject {
    /// A change of every kind that goes through the server.
    Everything,
    /// A certificate, with files that are on this machine.
    Certificate,
}

impl Subject {
    fn changes(self, site: &Site) -> Vec<Change> {
        match self {
            Self::Everything => site.changes(),
            Self::Certificate => certificates::changes(),
        }
    }

    fn request<'a>(
        self,
        site: &'a Site,
        plan: &'a Plan,
        options: &'a ConnectOptions,
    ) -> Request<'a> {
        let mut request = site.request(plan, options);
        if self == Self::Certificate {
            request.files = ServerFiles::Local;
        }
        request
    }

    async fn snapshot(self, site: &Site) -> Vec<String> {
        match self {
            Self::Everything => site.snapshot().await,
            Self::Certificate => certificates::snapshot(site).await,
        }
    }

    /// Fewer points than this are not all of them.
    fn least(self) -> usize {
        match self {
            Self::Everything => 60,
            Self::Certificate => 40,
        }
    }

    async fn cluster(self, major: u32) -> (Cluster, Site) {
        let (cluster, site) = cluster(major).await;
        if self == Self::Certificate {
            certificates::old_key(&site);
        }
        (cluster, site)
    }
}

/// Not a test by itself: what the others start in a process of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is started by other tests"]
async fn work_in_a_child() {
    let text = |name| std::env::var(name).expect("started by another test");
    let site = Site {
        dsn: text(CHILD_DSN),
        data: PathBuf::from(text(CHILD_DATA)),
        folder: PathBuf::from(text(CHILD_FOLDER)),
    };
    let subject = if text(CHILD_SUBJECT) == "Everything" {
        Subject::Everything
    } else {
        Subject::Certificate
    };
    let plan = site.plan(subject.changes(&site)).await;
    let options = site.options();
    let mut request = subject.request(&site, &plan, &options);
    let (hook, _) = hook_at(text(CHILD_STEP).parse().unwrap(), |_| {
        // Nothing is cleaned up, as when the power fails.
        std::process::abort()
    });
    request.faults = Some(hook);
    if text(CHILD_WORK) == "apply" {
        apply(&request, &mut Seen::default()).await.unwrap();
    } else {
        undo(&request, &mut Seen::default()).await.unwrap();
    }
}

/// Whether the child died; one that is told to die later than its last point does not.
fn die_at(subject: Subject, site: &Site, step: usize, work: &str) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::work_in_a_child", "--ignored"])
        .env(CHILD_DSN, &site.dsn)
        .env(CHILD_DATA, &site.data)
        .env(CHILD_FOLDER, &site.folder)
        .env(CHILD_STEP, step.to_string())
        .env(CHILD_WORK, work)
        .env(CHILD_SUBJECT, format!("{subject:?}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    !status.success()
}

/// The points of applying and of taking back, and what the cluster looks like before and after.
struct Course {
    subject: Subject,
    cluster: Cluster,
    site: Site,
    before: Vec<String>,
    after: Vec<String>,
    apply: Vec<String>,
    undo: Vec<String>,
}

impl Course {
    async fn of(subject: Subject, major: u32) -> Self {
        let (cluster, site) = subject.cluster(major).await;
        let before = subject.snapshot(&site).await;
        let plan = site.plan(subject.changes(&site)).await;
        let options = site.options();
        let mut request = subject.request(&site, &plan, &options);
        let (hook, points) = hook_at(usize::MAX, |_| Ok(()));
        request.faults = Some(hook);
        apply(&request, &mut Seen::default())
            .await
            .unwrap_or_else(|error| panic!("{}", chain(&error)));
        let after = subject.snapshot(&site).await;
        let names = || {
            points
                .lock()
                .unwrap()
                .drain(..)
                .map(|p| p.to_string())
                .collect()
        };
        let apply: Vec<String> = names();
        undo(&request, &mut Seen::default()).await.unwrap();
        let undo: Vec<String> = names();
        assert_eq!(subject.snapshot(&site).await, before);
        Self {
            subject,
            cluster,
            site,
            before,
            after,
            apply,
            undo,
        }
    }

    fn forget(&self) {
        std::fs::remove_dir_all(&self.site.folder).unwrap();
    }
}

/// Every `of`-th point from `from`: a machine with two cores takes its time for all of them.
async fn killed_while_applying(subject: Subject, major: u32, from: usize, of: usize) {
    let course = Course::of(subject, major).await;
    let site = &course.site;
    assert!(course.apply.len() > subject.least(), "{:?}", course.apply);
    for at in (from..course.apply.len()).step_by(of) {
        let context = format!("{major}, point {at}, {}", course.apply[at]);
        course.forget();
        assert!(
            die_at(course.subject, site, at, "apply"),
            "{context}: survived"
        );
        assert!(site.lets_us_in().await, "{context}: locked out");
        let plan = site.plan_for_later(subject.changes(site)).await;
        let options = site.options();
        let request = subject.request(site, &plan, &options);
        // Half of them go on first, half take back at once.
        let begun = status(&site.folder).unwrap().is_some();
        if begun && (at / of).is_multiple_of(2) {
            go_on(&request, &context).await;
            assert_eq!(
                subject.snapshot(site).await,
                course.after,
                "{context}: gone on"
            );
            assert!(site.lets_us_in().await, "{context}: locked out");
        }
        take_back(&request, begun, &context).await;
        assert_eq!(
            subject.snapshot(site).await,
            course.before,
            "{context}: taken back"
        );
        assert!(site.lets_us_in().await, "{context}: locked out");
        assert_no_guard(&course.cluster, &context).await;
    }
}

async fn go_on(request: &Request<'_>, context: &str) {
    let applied = resume(request, &mut Seen::default())
        .await
        .unwrap_or_else(|error| panic!("{context}: {}", chain(&error)));
    assert_eq!(applied.done.len(), request.plan.changes.len(), "{context}");
}

async fn take_back(request: &Request<'_>, begun: bool, context: &str) {
    let undone = undo(request, &mut Seen::default()).await;
    if !begun {
        assert!(undone.is_err(), "{context}: nothing was begun");
        return;
    }
    let undone = undone.unwrap_or_else(|error| panic!("{context}: {}", chain(&error)));
    assert_eq!(undone.left, [], "{context}");
    let state = status(request.folder).unwrap().unwrap();
    assert_eq!(state.phase, Phase::Undone, "{context}");
    assert_eq!(state.done, Vec::<String>::new(), "{context}");
}

/// A guard that is left over would put an old file back one day.
async fn assert_no_guard(cluster: &Cluster, context: &str) {
    let guards = cluster
        .query_value(
            "postgres",
            "SELECT count(*)::text FROM pg_stat_activity WHERE application_name LIKE 'pgattest guard%'",
        )
        .await
        .unwrap();
    assert_eq!(guards, "0", "{context}");
}

async fn killed_while_taking_back(subject: Subject, major: u32, from: usize, of: usize) {
    let course = Course::of(subject, major).await;
    let site = &course.site;
    assert!(course.undo.len() > subject.least(), "{:?}", course.undo);
    for at in (from..course.undo.len()).step_by(of) {
        let context = format!("{major}, undo, point {at}, {}", course.undo[at]);
        course.forget();
        let plan = site.plan(subject.changes(site)).await;
        let options = site.options();
        let request = subject.request(site, &plan, &options);
        apply(&request, &mut Seen::default())
            .await
            .unwrap_or_else(|error| panic!("{context}: {}", chain(&error)));
        assert!(
            die_at(course.subject, site, at, "undo"),
            "{context}: survived"
        );
        assert!(site.lets_us_in().await, "{context}: locked out");
        take_back(&request, true, &context).await;
        assert_eq!(subject.snapshot(site).await, course.before, "{context}");
        assert!(site.lets_us_in().await, "{context}: locked out");
        assert_no_guard(&course.cluster, &context).await;
    }
}

macro_rules! shards {
    ($($name:ident: $what:ident($subject:ident, $major:literal, $from:literal of $of:literal);)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $what(Subject::$subject, $major, $from, $of).await;
            }
        )*
    };
}

shards! {
    killed_while_applying_15_a: killed_while_applying(Everything, 15, 0 of 6);
    killed_while_applying_15_b: killed_while_applying(Everything, 15, 1 of 6);
    killed_while_applying_15_c: killed_while_applying(Everything, 15, 2 of 6);
    killed_while_applying_15_d: killed_while_applying(Everything, 15, 3 of 6);
    killed_while_applying_15_e: killed_while_applying(Everything, 15, 4 of 6);
    killed_while_applying_15_f: killed_while_applying(Everything, 15, 5 of 6);
    killed_with_a_certificate_15_a: killed_while_applying(Certificate, 15, 0 of 4);
    killed_with_a_certificate_15_b: killed_while_applying(Certificate, 15, 1 of 4);
    killed_with_a_certificate_15_c: killed_while_applying(Certificate, 15, 2 of 4);
    killed_with_a_certificate_15_d: killed_while_applying(Certificate, 15, 3 of 4);
    killed_while_taking_back_a_certificate_15: killed_while_taking_back(Certificate, 15, 0 of 2);
    no_room_for_a_certificate_15: no_room(Certificate, 15, 0 of 2);
    killed_while_applying_13: killed_while_applying(Everything, 13, 2 of 9);
    killed_while_applying_18: killed_while_applying(Everything, 18, 4 of 9);
    killed_while_taking_back_15_a: killed_while_taking_back(Everything, 15, 0 of 6);
    killed_while_taking_back_15_b: killed_while_taking_back(Everything, 15, 3 of 6);
    killed_while_taking_back_18: killed_while_taking_back(Everything, 18, 1 of 9);
    no_room_15_a: no_room(Everything, 15, 0 of 6);
    no_room_15_b: no_room(Everything, 15, 3 of 6);
    no_room_18: no_room(Everything, 18, 1 of 9);
}

/// The disk is full at a point, and has room again afterwards. The server's file is on this machine, and is replaced by renaming.
async fn no_room(subject: Subject, major: u32, from: usize, of: usize) {
    let (_cluster, site) = subject.cluster(major).await;
    let before = subject.snapshot(&site).await;
    let options = site.options();
    let mut at = from;
    loop {
        // Privileges that were granted back are spelled otherwise, so the facts are not quite what they were.
        let plan = site.plan(subject.changes(&site)).await;
        let mut request = subject.request(&site, &plan, &options);
        request.files = ServerFiles::Local;
        let (hook, points) = hook_at(at, |_| Err(std::io::ErrorKind::StorageFull.into()));
        request.faults = Some(hook);
        let outcome = apply(&request, &mut Seen::default()).await;
        let context = format!("point {at}, {:?}", points.lock().unwrap().get(at));
        if outcome.is_ok() {
            assert!(at > subject.least(), "{context}");
            break;
        }
        assert!(site.lets_us_in().await, "{context}: locked out");
        request.faults = None;
        // Half of them go on first, half take back at once.
        let begun = status(&site.folder).unwrap().is_some();
        if begun && (at / of).is_multiple_of(2) {
            go_on(&request, &context).await;
        }
        take_back(&request, begun, &context).await;
        assert_eq!(subject.snapshot(&site).await, before, "{context}");
        std::fs::remove_dir_all(&site.folder).unwrap();
        at += of;
    }
}
