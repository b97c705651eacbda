//! Secrets stay in the cluster: none of those planted is in any byte that the program writes, anywhere.

use crate::support::{Desk, members, packages};
use pgattest_testkit::Cluster;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// One marker for each place where a secret can be.
pub(crate) struct Planted {
    pub(crate) markers: Vec<(&'static str, String)>,
}

impl Planted {
    const PLACES: [&str; 27] = [
        "role-password-md5",
        "role-password-scram",
        "role-setting-key",
        "role-setting-plain-name",
        "role-setting-url",
        "role-in-database-setting",
        "database-setting-token",
        "file-setting-token",
        "file-setting-unknown-line",
        "auto-conf-setting",
        "primary-conninfo",
        "archive-command",
        "restore-command",
        "passphrase-command",
        "server-option",
        "wrapper-option",
        "mapping-password",
        "public-mapping-password",
        "foreign-table-option",
        "subscription",
        "ldap-bind-password",
        "ldap-url",
        "radius-secret",
        "broken-hba-line",
        "function-setting",
        "connection-password",
        "application-name",
    ];

    /// Markers that look like nothing else and are no words that a filter could know.
    pub(crate) fn new() -> Self {
        Self {
            markers: Self::PLACES
                .iter()
                .enumerate()
                .map(|(number, place)| {
                    (
                        *place,
                        format!("zq{number:02}Xk7vRmP3w{}", number * 7919 + 104_729),
                    )
                })
                .collect(),
        }
    }

    pub(crate) fn of(&self, place: &str) -> &str {
        let found = self.markers.iter().find(|(known, _)| *known == place);
        &found.unwrap_or_else(|| panic!("no place {place}")).1
    }

    fn hba(&self) -> String {
        format!(
            "local all postgres trust\n\
             host all postgres 127.0.0.1/32 scram-sha-256\n\
             host all ldapuser 127.0.0.1/32 ldap ldapserver=ldap.example ldapbasedn=\"dc=example\" ldapbinddn=\"cn=reader\" ldapbindpasswd=\"{}\" ldapsearchattribute=uid\n\
             host all urluser 127.0.0.1/32 ldap ldapurl=\"ldap://ldap.example/dc=example?uid?sub\" ldapbinddn=\"cn=reader\" ldapbindpasswd=\"{}\"\n\
             host all radiususer 127.0.0.1/32 radius radiusservers=\"127.0.0.9\" radiussecrets=\"{}\"\n\
             host all broken 127.0.0.1/32 ldap ldapbindpasswd {}\n",
            self.of("ldap-bind-password"),
            self.of("ldap-url"),
            self.of("radius-secret"),
            self.of("broken-hba-line"),
        )
    }

    fn sql(&self) -> String {
        format!(
            "SET password_encryption = 'md5'; CREATE ROLE old_app LOGIN PASSWORD '{}';
             SET password_encryption = 'scram-sha-256'; CREATE ROLE app LOGIN PASSWORD '{}';
             ALTER ROLE app SET app.encryption_key = '{}';
             ALTER ROLE app SET app.region = '{}';
             ALTER ROLE app SET app.upstream = 'postgres://u:{}@db.example/x';
             CREATE DATABASE shop OWNER app;
             ALTER ROLE app IN DATABASE shop SET app.api_token = '{}';
             ALTER DATABASE shop SET app.api_token = '{}';
             ALTER ROLE app SET application_name = 'postgres://u:{}@db.example/x';
             CREATE FOREIGN DATA WRAPPER wrapper OPTIONS (api_key '{}');
             CREATE SERVER remote FOREIGN DATA WRAPPER wrapper OPTIONS (host 'db.example', token '{}');
             CREATE USER MAPPING FOR app SERVER remote OPTIONS (\"user\" 'app', password '{}');
             CREATE USER MAPPING FOR PUBLIC SERVER remote OPTIONS (password '{}');
             CREATE FOREIGN TABLE remote_rows (a int) SERVER remote OPTIONS (password '{}');
             CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 user=app password={}' PUBLICATION p WITH (connect = false, slot_name = NONE);
             CREATE FUNCTION unlock() RETURNS text LANGUAGE sql SECURITY DEFINER SET app.key = '{}' AS $$ SELECT current_setting('app.key') $$;",
            self.of("role-password-md5"),
            self.of("role-password-scram"),
            self.of("role-setting-key"),
            self.of("role-setting-plain-name"),
            self.of("role-setting-url"),
            self.of("role-in-database-setting"),
            self.of("database-setting-token"),
            self.of("application-name"),
            self.of("wrapper-option"),
            self.of("server-option"),
            self.of("mapping-password"),
            self.of("public-mapping-password"),
            self.of("foreign-table-option"),
            self.of("subscription"),
            self.of("function-setting"),
        )
    }
}

/// Every place where the server keeps what was planted, in one text.
const WHERE_IT_IS: &str = "
    SELECT string_agg(setting, ' ') FROM (
        SELECT array_to_string(setconfig, ' ') AS setting FROM pg_db_role_setting
        UNION ALL SELECT setting FROM pg_file_settings
        UNION ALL SELECT array_to_string(fdwoptions, ' ') FROM pg_foreign_data_wrapper
        UNION ALL SELECT array_to_string(srvoptions, ' ') FROM pg_foreign_server
        UNION ALL SELECT array_to_string(umoptions, ' ') FROM pg_user_mappings
        UNION ALL SELECT array_to_string(ftoptions, ' ') FROM pg_foreign_table
        UNION ALL SELECT subconninfo FROM pg_subscription
        UNION ALL SELECT array_to_string(proconfig, ' ') FROM pg_proc WHERE proconfig IS NOT NULL
        UNION ALL SELECT array_to_string(options, ' ') || coalesce(error, '') FROM pg_hba_file_rules
        UNION ALL SELECT pg_read_file('pg_hba.conf')
    ) AS everything";

pub(crate) async fn cluster_with(major: u32, planted: &Planted) -> Cluster {
    let cluster = Cluster::builder(major)
        .setting("app.token", planted.of("file-setting-token"))
        .setting(
            "primary_conninfo",
            &format!(
                "host=primary.example user=standby password={}",
                planted.of("primary-conninfo")
            ),
        )
        .setting(
            "archive_command",
            &format!(
                "curl -H 'Authorization: {}' -T %p https://archive.example",
                planted.of("archive-command")
            ),
        )
        .setting(
            "restore_command",
            &format!(
                "curl -u reader:{} https://archive.example/%f",
                planted.of("restore-command")
            ),
        )
        .setting(
            "ssl_passphrase_command",
            &format!("echo {}", planted.of("passphrase-command")),
        )
        .start()
        .await
        .unwrap();
    cluster.execute("postgres", &planted.sql()).await.unwrap();
    // A line that the server refuses is in a view of the server all the same.
    cluster
        .append_conf("vault_password", planted.of("file-setting-unknown-line"))
        .unwrap();
    // As ALTER SYSTEM would leave it; the statement refuses names that no module has defined.
    let auto = cluster.data_dir().join("postgresql.auto.conf");
    let mut text = fs::read_to_string(&auto).unwrap();
    let _ = writeln!(
        text,
        "app.vault_secret = '{}'",
        planted.of("auto-conf-setting")
    );
    fs::write(&auto, text).unwrap();
    cluster.write_hba(&planted.hba()).unwrap();
    let alter = format!(
        "ALTER ROLE postgres PASSWORD '{}'",
        planted.of("connection-password")
    );
    cluster.execute("postgres", &alter).await.unwrap();
    cluster
}

/// What must appear nowhere: the markers, and the verifiers that the server made of the passwords.
pub(crate) async fn forbidden(cluster: &Cluster, planted: &Planted) -> Vec<(String, String)> {
    let socket = pgattest_testkit::Login::new("postgres");
    let stored = cluster
        .query_text_as(&socket, WHERE_IT_IS)
        .await
        .unwrap()
        .remove(0)
        .remove(0)
        .unwrap();
    let verifiers = cluster
        .query_text_as(
            &socket,
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL",
        )
        .await
        .unwrap();
    let mut forbidden = Vec::new();
    for (place, marker) in &planted.markers {
        let hashed = matches!(
            *place,
            "role-password-md5" | "role-password-scram" | "connection-password"
        );
        assert!(
            hashed || stored.contains(marker),
            "{place} did not take effect"
        );
        forbidden.push(((*place).to_owned(), marker.clone()));
    }
    assert_eq!(verifiers.len(), 3);
    for row in verifiers {
        let [Some(role), Some(verifier)] = row.as_slice() else {
            panic!("{row:?}");
        };
        // Also each part of a SCRAM verifier (salt, stored key, server key), and an MD5 hash without its prefix.
        forbidden.push((format!("verifier of {role}"), verifier.clone()));
        for part in verifier
            .trim_start_matches("md5")
            .split(['$', ':'])
            .filter(|part| part.len() >= 16)
        {
            forbidden.push((format!("part of the verifier of {role}"), part.to_owned()));
        }
    }
    forbidden
}

/// Everything that a run leaves behind: what it said, and every file below the desk, packages unpacked too.
fn everything(desk: &Desk, said: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let mut all = said.to_vec();
    files_below(&desk.path("."), &mut all);
    for package in packages(&desk.path("out")) {
        for (name, bytes) in members(&package) {
            all.push((format!("{}!{name}", package.display()), bytes));
        }
    }
    all
}

fn files_below(folder: &Path, all: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, all);
        } else {
            all.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

#[track_caller]
fn assert_absent(forbidden: &[(String, String)], all: &[(String, Vec<u8>)]) {
    let mut leaks = Vec::new();
    for (name, bytes) in all {
        // Case and encoding must not hide one.
        let lower = String::from_utf8_lossy(bytes).to_ascii_lowercase();
        for (place, secret) in forbidden {
            let plain = secret.to_ascii_lowercase();
            let hex = hex::encode(secret);
            for form in [plain, hex] {
                if lower.contains(&form) {
                    leaks.push(format!("{place} in {name}"));
                }
            }
        }
    }
    assert_eq!(leaks, Vec::<String>::new());
}

#[tokio::test]
async fn no_planted_secret_is_in_any_output() {
    // The collector's own tests look at every major; here it is about the reports.
    for major in [13, 15, 18] {
        let planted = Planted::new();
        let cluster = cluster_with(major, &planted).await;
        let forbidden = forbidden(&cluster, &planted).await;
        let password = planted.of("connection-password");
        let url = format!(
            "postgresql://postgres:{password}@127.0.0.1:{}/postgres",
            cluster.port()
        );
        let desk = Desk::new();
        let first = desk.run(&[
            "audit",
            &url,
            "--verbose",
            "--format",
            "text",
            "--format",
            "json=audit.json",
            "--format",
            "html=report.html",
            "--format",
            "text=report.txt",
            "--format",
            "sarif=audit.sarif",
            "--format",
            "junit=audit.xml",
            "--format",
            "csv=audit.csv",
            "--format",
            "markdown=audit.md",
            "--out",
            "out",
            "--fail-on",
            "none",
        ]);
        first.assert_code(0);
        // The same password by the environment, and as somebody who may see less.
        let environment = Desk::new().with("PGPASSWORD", password);
        let url = cluster.dsn_as("postgres", "shop");
        let second = environment.run(&["audit", &url, "--verbose", "--fail-on", "none"]);
        second.assert_code(0);
        let mut said = Vec::new();
        for answer in [&first, &second] {
            said.push(("standard output".to_owned(), answer.stdout.clone()));
            said.push((
                "standard error".to_owned(),
                answer.stderr.clone().into_bytes(),
            ));
        }
        let package = packages(&desk.path("out")).remove(0);
        let verified = desk.run(&["verify", package.to_str().unwrap()]);
        verified.assert_code(0);
        said.push(("verify".to_owned(), verified.stdout));

        let all = everything(&desk, &said);
        assert!(all.len() > 60, "{major}: {} files", all.len());
        // The search would find one: the names of what holds the secrets are there.
        let report = &all
            .iter()
            .find(|(name, _)| name.ends_with("report.txt"))
            .unwrap()
            .1;
        let report = String::from_utf8_lossy(report);
        assert!(report.contains("app.encryption_key"), "{major}");
        assert!(report.contains("app.api_token"), "{major}");
        assert_absent(&forbidden, &all);
    }
}

/// The messages of failed logins repeat nothing either.
#[tokio::test]
async fn a_password_that_fails_is_not_repeated() {
    let cluster = Cluster::builder(15)
        .hba("local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        .start()
        .await
        .unwrap();
    let marker = "zq99Xk7vRmP3w%40x".to_owned();
    let decoded = "zq99Xk7vRmP3w@x";
    let address = format!("127.0.0.1:{}", cluster.port());
    let port = cluster.port();
    let desk = Desk::new();
    let file = desk.write(
        "passfile",
        format!("127.0.0.1:{port}:*:postgres:{decoded}\n"),
    );
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let runs = [
        (
            Desk::new(),
            format!("postgresql://postgres:{marker}@{address}/postgres"),
        ),
        (
            Desk::new(),
            format!("host=127.0.0.1 port={port} user=postgres password='{decoded}'"),
        ),
        (
            Desk::new(),
            format!("host=127.0.0.1 port={port} user=postgres password='{decoded}' nonsense=1"),
        ),
        (
            Desk::new(),
            format!("postgresql://postgres:{marker}@{address}/postgres?sslmode=require"),
        ),
        (
            Desk::new().with("PGPASSWORD", decoded),
            format!("postgresql://postgres@{address}/postgres"),
        ),
        (
            Desk::new().with("PGPASSFILE", file.to_str().unwrap()),
            format!("postgresql://postgres@{address}/postgres"),
        ),
    ];
    for (desk, connection) in runs {
        let answer = desk.run(&["audit", &connection, "--verbose"]);
        answer.assert_code(2);
        assert!(answer.stdout.is_empty(), "{answer}");
        for form in [marker.as_str(), decoded] {
            assert!(!answer.stderr.contains(form), "{answer}");
        }
    }
}
