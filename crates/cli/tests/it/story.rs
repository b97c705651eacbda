//! From failing to passing while an application works: the demo's cluster, three clients under load (through a transaction pooler,
//! with connections that stay, with a new connection for each request), and not one error that a restart does not explain.

use crate::permissive::demo;
use crate::support::{Answer, Desk, Report, packages, python, repository, start};
use crate::trail_desk::{Collector, TrailDesk};
use pgattest_testkit::{Cluster, Login, PgBouncer, PoolMode, PoolerAuth};
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// What the collector is told, in the demo's words.
const TRAIL: &str = "text_logs = false\n[detect]\nalert_files = [\"alerts.jsonl\"]\n[sink.copy]\nkind = \"file\"\npath = \"copy.jsonl\"\n";

const PGBENCH: &str = "/usr/lib/postgresql/15/bin/pgbench";

/// The application: pgbench with the demo's requests. Killed when dropped.
struct Application {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Application {
    fn start(desk: &Desk, name: &'static str, port: u16, options: &[&str]) -> Self {
        let log = desk.path(&format!("application-{name}.log"));
        let output = File::create(&log).unwrap();
        let child = start(Path::new(PGBENCH))
            .arg(format!(
                "host=127.0.0.1 port={port} user=shop_worker dbname=shop"
            ))
            .args(["-n", "-M", "extended", "-T", "3600", "-P", "1"])
            .args(options)
            .arg("-f")
            .arg(repository("script/demo.d/load.sql"))
            .env("PGPASSWORD", "demo-only")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .unwrap();
        let application = Self { name, child, log };
        application.works();
        application
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it got on since now.
    fn works(&self) {
        let seen = self.said().matches("progress:").count();
        let patience = Instant::now() + Duration::from_mins(1);
        while self
            .said()
            .lines()
            .filter(|line| line.contains("progress:"))
            .skip(seen)
            .all(|line| line.contains(" 0.0 tps"))
        {
            assert!(
                Instant::now() < patience && !self.said().contains("aborted"),
                "{} does not get on: {}",
                self.name,
                self.said()
            );
            // What is waited for is another program's next line.
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Nothing went wrong so far, and it still works.
    fn assert_fine(&mut self) {
        self.works();
        let ended = self.child.try_wait().unwrap();
        let said = self.said();
        assert!(ended.is_none(), "{} ended: {said}", self.name);
        let trouble = ["error", "aborted", "FATAL", "could not"];
        assert!(
            !trouble.iter().any(|word| said.contains(word)),
            "{} saw an error: {said}",
            self.name
        );
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the test's own account, and the pooler's, are the superuser over the socket: by exact names, unlike the demo's test.
fn map_accounts(cluster: &Cluster) {
    let own = rustix::process::geteuid();
    let own = if own.is_root() {
        "root".to_owned()
    } else {
        std::env::var("USER").unwrap()
    };
    let mut text = format!("demo {own} postgres\n");
    if cluster.os_user() != own {
        let _ = writeln!(text, "demo {} postgres", cluster.os_user());
    }
    cluster.write_ident(&text).unwrap();
    cluster.reload().unwrap();
}

struct Story {
    desk: Desk,
    cluster: Cluster,
    admin: String,
    services_at: String,
    /// Where a password is asked for.
    login_at: String,
}

impl Story {
    async fn begin() -> Self {
        let cluster = demo(15).await;
        map_accounts(&cluster);
        // What no tool can do for the organisation.
        cluster
            .execute_as(
                &Login::new("shop_worker").database("shop"),
                "set password_encryption = 'scram-sha-256';
                 alter role shop_app password 'demo-only';
                 alter role shop_app reset app.encryption_key;",
            )
            .await
            .unwrap();
        let desk = Desk::new();
        let passwords = desk.write(
            "passwords",
            "*:*:*:shop_worker:demo-only\n*:*:*:shop_app:demo-only\n",
        );
        fs::set_permissions(&passwords, Permissions::from_mode(0o600)).unwrap();
        let policy = fs::read_to_string(repository("script/demo.d/pgattest.toml")).unwrap();
        desk.write("pgattest.toml", policy);
        Self {
            admin: format!(
                "host={} port={} user=postgres dbname=shop",
                cluster.socket_dir().display(),
                cluster.port()
            ),
            services_at: format!("host=127.0.0.1 port={}", cluster.port()),
            login_at: format!(
                "host=127.0.0.1 port={} user=shop_worker dbname=shop",
                cluster.port()
            ),
            desk: desk.with("PGPASSFILE", &passwords.display().to_string()),
            cluster,
        }
    }

    fn audit(&self, more: &[&str], code: i32) -> Report {
        let arguments = [&["audit", &self.admin, "--format", "json"], more].concat();
        let answer = self.desk.run(&arguments);
        answer.assert_code(code);
        Report::read(&answer.stdout)
    }

    /// The log is captured from here on, and what is captured proven.
    fn with_trail(self) -> (Self, Collector) {
        let (trail, collector) = TrailDesk::beside(self.desk, &self.cluster, TRAIL);
        let logs = trail.desk.path("log").display().to_string();
        let proven = trail.desk.run(&[
            "prove",
            "logging",
            &self.admin,
            "--login-at",
            &self.login_at,
            "--yes",
            "--logs",
            &logs,
            "--trail",
            "journal",
        ]);
        proven.assert_code(0);
        let story = Self {
            desk: trail.desk,
            ..self
        };
        (story, collector)
    }

    fn plan(&self, out: &str) -> Answer {
        let answer = self.desk.run(&[
            "plan",
            &self.admin,
            "--host",
            "--out",
            out,
            "--format",
            "text",
        ]);
        answer.assert_code(1);
        answer
    }

    fn apply(&self, plan: &str, more: &[&str]) -> Answer {
        let mut arguments = vec![
            "apply",
            plan,
            &self.admin,
            "--host",
            "--yes",
            "--out",
            "out",
        ];
        arguments.extend(["--services-at", &self.services_at]);
        arguments.extend(more);
        self.desk.run(&arguments)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_working_application_notices_nothing_and_the_audit_passes() {
    let story = Story::begin().await;
    let pooler = PgBouncer::builder(&story.cluster)
        .pool_mode(PoolMode::Transaction)
        .auth(PoolerAuth::Scram)
        .start()
        .await
        .unwrap();
    let direct = story.cluster.port();
    let mut pooled = Application::start(&story.desk, "pooled", pooler.port(), &["-c", "2"]);
    let mut kept = Application::start(&story.desk, "kept", direct, &["-c", "2"]);
    let mut new = Application::start(&story.desk, "new", direct, &["-c", "1", "-C"]);

    // Everything that needs no restart, under load.
    story.plan("plan.json");
    let answer = story.apply("plan.json", &["--accept", "postgres"]);
    answer.assert_code(1);
    assert!(
        answer
            .stderr
            .contains("Restart the server when it suits you"),
        "{answer}"
    );
    for application in [&mut pooled, &mut kept, &mut new] {
        application.assert_fine();
    }
    // The kept connections are from before; whoever comes now comes through TLS.
    let in_clear = "select count(*) from pg_stat_activity join pg_stat_ssl using (pid) \
                    where backend_start > pg_conf_load_time() and client_addr is not null and not ssl";
    let socket = Login::new("postgres").database("shop");
    let rows = story
        .cluster
        .query_text_as(&socket, in_clear)
        .await
        .unwrap();
    assert_eq!(rows, [[Some("0".to_owned())]]);

    // A restart ends direct connections, whatever is done; the pooler holds its clients meanwhile.
    drop((kept, new));
    pooler.admin("PAUSE").await.unwrap();
    story.cluster.restart().unwrap();
    pooler.admin("RESUME").await.unwrap();
    let mut kept = Application::start(&story.desk, "kept-2", direct, &["-c", "2"]);
    let mut new = Application::start(&story.desk, "new-2", direct, &["-c", "1", "-C"]);
    story.apply("plan.json", &["--resume"]).assert_code(0);

    // What could be seen, or done, only after that.
    story.plan("plan-2.json");
    story.apply("plan-2.json", &[]).assert_code(0);
    for application in [&mut pooled, &mut kept, &mut new] {
        application.assert_fine();
    }

    // Without a trail nothing is known of what was recorded; with one, that is proven.
    let report = story.audit(&["--fail-on", "medium"], 0);
    assert_eq!(
        report.checklist()[2..4],
        ["3 not_assessed", "4 not_assessed"]
    );
    let (story, collector) = story.with_trail();
    let trail = [
        "--trail",
        "journal",
        "--trail-key",
        "keys/pgattest_ed25519.pub",
    ];
    let report = story.audit(&trail, 1);
    assert_eq!(
        report.checklist(),
        [
            "1 pass",
            "2 pass",
            "3 pass",
            // A file beside the journal is no other place.
            "4 fail",
            "5 pass",
            "6 pass",
            "7 not_assessed",
            "8 not_assessed",
        ]
    );
    collector.stop();
    for application in [&mut pooled, &mut kept, &mut new] {
        application.assert_fine();
    }
    let sealed = packages(&story.desk.path("out"));
    assert_eq!(sealed.len(), 2);
    for package in sealed {
        let package = package.display().to_string();
        story.desk.run(&["verify", &package]).assert_code(0);
        let key = story.desk.key_file("openssh");
        let output = python()
            .arg(repository("verifier/pgattest_verify.py"))
            .arg(&package)
            .arg("--key")
            .arg(&key)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}
