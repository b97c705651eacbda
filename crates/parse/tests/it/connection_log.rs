//! Logs of real servers in each of their forms.

use anyhow::{Context, Result};
use pgattest_parse::connection_log::{ConnectionLog, read};
use pgattest_testkit::{Cluster, ClusterBuilder, Login, Tls, available_majors};

const SETUP: &str = r#"
    SET password_encryption = 'scram-sha-256';
    CREATE ROLE app LOGIN PASSWORD 'spec-only';
    CREATE ROLE "a, ""b"" [é" LOGIN PASSWORD 'spec-only';
    CREATE DATABASE "d, ""e""
f";
"#;
const ODD_ROLE: &str = "a, \"b\" [é";
const ODD_DATABASE: &str = "d, \"e\"\nf";

/// Settings of the log, where it is then, and whether names are read by columns.
struct Form {
    name: &'static str,
    settings: &'static [(&'static str, &'static str)],
    ending: &'static str,
    by_columns: bool,
    since: u32,
}

const FORMS: [Form; 5] = [
    Form {
        name: "csv",
        settings: &[("log_destination", "csvlog")],
        ending: ".csv",
        by_columns: true,
        since: 13,
    },
    Form {
        name: "json",
        settings: &[("log_destination", "jsonlog")],
        ending: ".json",
        by_columns: true,
        since: 15,
    },
    Form {
        name: "default prefix",
        settings: &[
            ("log_destination", "stderr"),
            ("log_line_prefix", "%m [%p] "),
        ],
        ending: ".log",
        by_columns: false,
        since: 13,
    },
    Form {
        name: "prefix with a session",
        settings: &[
            ("log_destination", "stderr"),
            ("log_line_prefix", "%c %l %u@%d "),
        ],
        ending: ".log",
        by_columns: false,
        since: 13,
    },
    Form {
        name: "prefix with a host and no process",
        settings: &[
            ("log_destination", "stderr"),
            ("log_line_prefix", "%t user=%u,db=%d,app=%a,client=%h "),
        ],
        ending: ".log",
        by_columns: false,
        since: 13,
    },
];

#[test]
fn logins_are_read_out_of_the_logs_of_real_servers() -> Result<()> {
    let runtime = tokio_runtime()?;
    for major in available_majors()
        .into_iter()
        .filter(|major| [13, 15, 18].contains(major))
    {
        for form in FORMS.iter().filter(|form| major >= form.since) {
            runtime
                .block_on(one(major, form))
                .with_context(|| format!("PostgreSQL {major}, {}", form.name))?;
        }
    }
    Ok(())
}

async fn one(major: u32, form: &Form) -> Result<()> {
    let mut builder: ClusterBuilder = Cluster::builder(major)
        .tls(Tls::new())
        .hba("local all all trust\nhost all all all scram-sha-256\nlocal replication all trust\n")
        .setting("logging_collector", "on")
        .setting("log_connections", "on");
    for (name, value) in form.settings {
        builder = builder.setting(name, value);
    }
    let cluster = builder.start().await?;
    cluster.execute("postgres", SETUP).await?;
    let app = || Login::new("app").password("spec-only");
    drop(cluster.connect(&app().tls()).await?);
    drop(cluster.connect(&app().tls()).await?);
    drop(cluster.connect(&app().tcp()).await?);
    drop(cluster.connect(&Login::new("app")).await?);
    let odd = Login::new(ODD_ROLE).password("spec-only");
    drop(
        cluster
            .connect(&odd.clone().database(ODD_DATABASE).tcp())
            .await?,
    );
    // Who is refused is no login.
    let wrong = Login::new("app").password("wrong").tcp();
    assert!(cluster.connect(&wrong).await.is_err());
    // The collector has written everything when the server has ended.
    cluster.stop()?;
    let log = whole_log(&cluster, form.ending)?;
    let read = read(&log);
    check(&read, form).with_context(|| format!("{read:#?}\n{}", String::from_utf8_lossy(&log)))
}

fn check(log: &ConnectionLog, form: &Form) -> Result<()> {
    let times = |role: &str, database: &str, address: Option<&str>, tls: bool| -> u64 {
        log.logins
            .iter()
            .filter(|login| {
                (login.role.as_str(), login.database.as_str(), login.tls) == (role, database, tls)
                    && login.address.map(|address| address.to_string()).as_deref() == address
                    && !login.replication
            })
            .map(|login| login.count)
            .sum()
    };
    let loopback = Some("127.0.0.1");
    anyhow::ensure!(times("app", "postgres", loopback, true) == 2, "TLS");
    anyhow::ensure!(times("app", "postgres", loopback, false) == 1, "TCP");
    anyhow::ensure!(times("app", "postgres", None, false) == 1, "socket");
    if form.by_columns {
        anyhow::ensure!(
            times(ODD_ROLE, ODD_DATABASE, loopback, false) == 1,
            "odd names"
        );
        anyhow::ensure!(
            log.unreadable == 0 && log.without_address == 0,
            "all is read"
        );
    }
    let has_time = !form
        .settings
        .iter()
        .any(|(_, value)| value.starts_with("%c"));
    // A name with a line's end tears the prefix of a plain line apart.
    let mut plain = log.logins.iter().filter(|login| login.role == "app");
    anyhow::ensure!(
        plain.all(|login| login.last_seen.starts_with("20") == has_time),
        "times"
    );
    Ok(())
}

/// Everything that the collector wrote in one form.
fn whole_log(cluster: &Cluster, ending: &str) -> Result<Vec<u8>> {
    let mut log = Vec::new();
    for entry in std::fs::read_dir(cluster.data_dir().join("log"))? {
        let path = entry?.path();
        if path.display().to_string().ends_with(ending) {
            log.extend(std::fs::read(path)?);
        }
    }
    Ok(log)
}

fn tokio_runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}
