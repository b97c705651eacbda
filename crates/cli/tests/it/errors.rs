//! What cannot be done is said in one message: what failed, where, and what to do next.

use crate::support::{Answer, Desk};
use pgattest_testkit::{Cluster, Tls};
use std::fs;
use std::net::TcpListener;

/// The job could not be done: exit code 2, nothing on standard output, one error with these words, and a hint.
#[track_caller]
fn assert_refused(answer: &Answer, words: &[&str], hint: &str) {
    assert_eq!(answer.code, Some(2), "{answer}");
    assert_eq!(answer.text(), "", "{answer}");
    let errors = answer
        .stderr
        .lines()
        .filter(|line| line.starts_with("error"))
        .count();
    assert_eq!(errors, 1, "one message\n{answer}");
    for word in words {
        assert!(answer.stderr.contains(word), "no {word:?}\n{answer}");
    }
    let said = answer.stderr.split_once("hint: ").map(|(_, hint)| hint);
    assert!(
        said.is_some_and(|said| said.contains(hint)),
        "no hint {hint:?}\n{answer}"
    );
}

async fn cluster() -> Cluster {
    let cluster = Cluster::builder(15)
        .hba(
            "local all postgres trust\n\
             host all locked 127.0.0.1/32 reject\n\
             host all app 127.0.0.1/32 scram-sha-256\n\
             host all postgres 127.0.0.1/32 scram-sha-256\n",
        )
        .start()
        .await
        .unwrap();
    cluster
        .execute(
            "postgres",
            "CREATE ROLE app LOGIN PASSWORD 'test-only'; CREATE ROLE locked LOGIN PASSWORD 'test-only'; CREATE ROLE outsider LOGIN",
        )
        .await
        .unwrap();
    cluster
}

#[test]
fn nobody_there() {
    let desk = Desk::new();
    // Reserved for documentation: no name server knows it.
    let answer = desk.run(&["audit", "postgresql://app@nowhere.invalid/shop"]);
    assert_refused(&answer, &["nowhere.invalid"], "spelling");

    // A port that nobody listens on: taken, then given back.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let answer = desk.run(&["audit", &format!("postgresql://app@127.0.0.1:{port}/shop")]);
    assert_refused(&answer, &["127.0.0.1", &port.to_string(), "refused"], "");

    let answer = desk.run(&["audit", "host=/no/such/folder user=app dbname=shop"]);
    assert_refused(&answer, &["/no/such/folder"], "");
}

#[test]
fn nobody_answers() {
    // Accepts, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let desk = Desk::new();
    let answer = desk.run(&[
        "audit",
        &format!("postgresql://app@127.0.0.1:{port}/shop?connect_timeout=2"),
    ]);
    assert_refused(&answer, &["127.0.0.1", "2 s"], "");
}

#[tokio::test]
async fn the_server_says_no() {
    let cluster = cluster().await;
    let desk = Desk::new().with("PGPASSWORD", "wrong-secret");
    let wrong = desk.run(&["audit", &cluster.dsn_as("app", "postgres")]);
    assert_refused(
        &wrong,
        &["password authentication failed", "app"],
        "password",
    );
    assert!(!wrong.stderr.contains("wrong-secret"), "{wrong}");

    let desk = Desk::new();
    let none = desk.run(&["audit", &cluster.dsn_as("app", "postgres")]);
    assert_refused(&none, &["password"], ".pgpass");

    let missing = desk.run(&["audit", &cluster.dsn("no such database")]);
    assert_refused(
        &missing,
        &["\"no such database\" does not exist"],
        "database",
    );

    let rejected = desk.run(&["audit", &cluster.dsn_as("locked", "postgres")]);
    assert_refused(&rejected, &["pg_hba.conf rejects", "locked"], "pg_hba.conf");

    let unlisted = desk.run(&["audit", &cluster.dsn_as("outsider", "postgres")]);
    assert_refused(
        &unlisted,
        &["no pg_hba.conf entry", "outsider"],
        "pg_hba.conf",
    );

    let plain = desk.run(&[
        "audit",
        &format!("{}?sslmode=require", cluster.dsn("postgres")),
    ]);
    assert_refused(&plain, &["TLS"], "sslmode");
}

#[tokio::test]
async fn the_server_is_not_the_one_that_was_meant() {
    let cluster = Cluster::builder(15).tls(Tls::new()).start().await.unwrap();
    let desk = Desk::new();
    let other = cluster.other_ca_file().unwrap();
    let connection = format!(
        "host=127.0.0.1 port={} user=postgres dbname=postgres sslmode=verify-full sslrootcert={}",
        cluster.port(),
        other.display()
    );
    let answer = desk.run(&["audit", &connection]);
    assert_refused(&answer, &["certificate"], "sslrootcert");
}

#[test]
fn connection_strings_that_are_none() {
    let desk = Desk::new();
    for (connection, word) in [
        ("postgresql://app@127.0.0.1:notaport/shop", "port"),
        ("postgresql://app@127.0.0.1/shop?sslmod=require", "sslmod"),
        ("host=127.0.0.1 prot=5432", "prot"),
        ("host='127.0.0.1", "quote"),
        ("sslmode=sometimes host=127.0.0.1", "verify-full"),
        ("service=nosuchservice", "nosuchservice"),
    ] {
        let answer = desk.run(&["audit", connection]);
        assert_eq!(answer.code, Some(2), "{answer}");
        assert_eq!(answer.text(), "", "{answer}");
        assert!(answer.stderr.contains(word), "no {word:?}\n{answer}");
        assert!(answer.stderr.contains("error: "), "{answer}");
    }
    let typo = desk.run(&["audit", "postgresql://app@127.0.0.1/shop?sslmod=require"]);
    assert_refused(&typo, &["sslmod"], "sslmode");
    // A password in a connection string that cannot be read is not repeated.
    let secret = desk.run(&["audit", "postgresql://app:hunter2secret@127.0.0.1:x/shop"]);
    assert_eq!(secret.code, Some(2), "{secret}");
    assert!(!secret.stderr.contains("hunter2secret"), "{secret}");
}

#[test]
fn a_policy_with_a_typo_is_shown_in_its_own_lines() {
    let desk = Desk::new();
    desk.write(
        "pgattest.toml",
        "[access]\nsuperusers = [\"postgres\"]\nbypas_rls = []\n",
    );
    let answer = desk.run(&["audit", "postgresql://app@127.0.0.1:1/shop"]);
    assert_eq!(answer.code, Some(2), "{answer}");
    assert_eq!(answer.text(), "", "{answer}");
    for words in [
        "pgattest.toml:3:1",
        "bypas_rls = []",
        "did you mean `bypass_rls`",
    ] {
        assert!(answer.stderr.contains(words), "no {words:?}\n{answer}");
    }
    assert!(!answer.stderr.contains('\u{1b}'), "{answer}");
}

#[test]
fn policies_that_cannot_be_used() {
    let desk = Desk::new();
    for (name, text, words) in [
        ("a.toml", "[tenancy\n", "a.toml:1:"),
        (
            "b.toml",
            "[transport]\nminimum_tls = \"TLSv1.1\"\n",
            "TLSv1.2",
        ),
        ("c.toml", "[logging]\nclasses = [\"wirte\"]\n", "wirte"),
        (
            "d.toml",
            "[tenancy]\ntables = [\"orders\"]\n",
            "public.orders",
        ),
        ("e.toml", "\u{1b}[31m = 1\n", "e.toml:1:"),
    ] {
        desk.write(name, text);
        let answer = desk.run(&[
            "audit",
            "--policy",
            name,
            "postgresql://app@127.0.0.1:1/shop",
        ]);
        assert_eq!(answer.code, Some(2), "{answer}");
        assert_eq!(answer.text(), "", "{answer}");
        assert!(answer.stderr.contains(words), "no {words:?}\n{answer}");
        assert!(!answer.stderr.contains('\u{1b}'), "{answer}");
    }

    desk.write("latin1.toml", b"[organization]\nname = \"\xe9\"\n");
    let answer = desk.run(&["audit", "--policy", "latin1.toml"]);
    assert_refused(&answer, &["latin1.toml", "UTF-8"], "UTF-8");
    let answer = desk.run(&["audit", "--policy", "missing.toml"]);
    assert_refused(&answer, &["missing.toml", "No such file"], "--policy");
    fs::create_dir(desk.path("folder.toml")).unwrap();
    let answer = desk.run(&["audit", "--policy", "folder.toml"]);
    assert_refused(&answer, &["folder.toml", "directory"], "");
}

#[tokio::test]
async fn places_that_cannot_be_written() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let desk = Desk::new();
    desk.write("file", "");
    let connection = cluster.dsn("postgres");
    let answer = desk.run(&["audit", &connection, "--out", "file/below"]);
    assert_refused(&answer, &["file/below", "Not a directory"], "--out");
    let answer = desk.run(&["audit", &connection, "--out", "file"]);
    assert_refused(&answer, &["file"], "--out");
    let answer = desk.run(&["audit", &connection, "--format", "json=no/such/folder.json"]);
    assert_refused(&answer, &["no/such/folder.json"], "");
    // The home is a file: there is no key to sign with, and nothing half done is left.
    let answer = desk.run(&["audit", &connection, "--out", "out", "--home", "file"]);
    assert_eq!(answer.code, Some(2), "{answer}");
    assert_eq!(crate::support::packages(&desk.path("out")).len(), 0);
}

#[test]
fn packages_that_are_none() {
    let desk = Desk::new();
    let missing = desk.run(&["verify", "missing.zip"]);
    assert_refused(&missing, &["missing.zip", "No such file"], "");

    for (name, bytes) in [
        ("empty.zip", &b""[..]),
        ("text.zip", b"This is no zip file at all.\n"),
        ("cut.zip", b"PK\x03\x04"),
        ("zeros.zip", &[0; 4096]),
    ] {
        desk.write(name, bytes);
        let answer = desk.run(&["verify", name]);
        // It was looked at, and it does not verify.
        answer.assert_code(1);
        answer.assert_says(&format!("not verified {name}"));
        answer.assert_says("the package: ");
    }
    fs::create_dir(desk.path("folder")).unwrap();
    let folder = desk.run(&["verify", "folder"]);
    assert_refused(&folder, &["folder", "directory"], "");

    desk.write("package.zip", "");
    desk.write("key.pub", "no key\n");
    let answer = desk.run(&["verify", "package.zip", "--key", "key.pub"]);
    assert_refused(&answer, &["key.pub", "not a public key"], "pgattest key");
    let answer = desk.run(&["verify", "package.zip", "--key", "missing.pub"]);
    assert_refused(&answer, &["missing.pub"], "");
}

#[test]
fn checks_that_are_none() {
    let desk = Desk::new();
    let answer = desk.run(&["explain", "ROL-99"]);
    assert_refused(&answer, &["no check `ROL-99`"], "lists them all");
    let answer = desk.run(&["explain", "\u{1b}[31mx\u{202e}"]);
    assert_refused(&answer, &["no check"], "lists them all");
    assert!(
        !answer.stderr.contains(['\u{1b}', '\u{202e}']),
        "{:?}",
        answer.stderr
    );
}

#[test]
fn every_check_has_its_page() {
    let desk = Desk::new();
    let list = desk.run(&["explain"]);
    list.assert_code(0);
    let ids: Vec<String> = list
        .text()
        .lines()
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect();
    assert!(ids.len() >= 25, "{ids:?}");
    for id in ids {
        let page = desk.run(&["explain", &id.to_ascii_lowercase()]);
        page.assert_code(0);
        page.assert_says(&id);
        for heading in ["What it checks", "Why it matters", "How to fix it"] {
            page.assert_says(heading);
        }
    }
}

#[test]
fn command_lines_that_are_none() {
    let desk = Desk::new();
    for arguments in [
        &["audit", "--format", "pdf"][..],
        &["audit", "--format", "json="],
        &["audit", "--fail-on", "sometimes"],
        &["audit", "--concurrency", "0"],
        &["audit", "--statement-timeout", "0"],
        &["audit", "--quiet", "--verbose"],
        &["audit", "one", "two"],
        &["verify"],
        &["nonsense"],
        &[],
    ] {
        let answer = desk.run(arguments);
        assert_eq!(answer.code, Some(2), "{answer}");
        assert_eq!(answer.text(), "", "{answer}");
        assert!(answer.stderr.contains("--help"), "{answer}");
    }
}

#[tokio::test]
async fn a_reader_that_stops_reading_changes_nothing_else() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let desk = Desk::new();
    // As `| head` does. More than a pipe holds, so that writing to it has to fail.
    let mut child = desk
        .command(&[
            "audit",
            &cluster.dsn("postgres"),
            "--format",
            "json",
            "--out",
            "out",
            "--quiet",
        ])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("error"), "{stderr}");
    // The findings are still findings, and the evidence is sealed.
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(crate::support::packages(&desk.path("out")).len(), 1);
}
