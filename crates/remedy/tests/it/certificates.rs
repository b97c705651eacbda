//! A certificate for a server that has none, and TLS with it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use pgattest_model::plan::{Action, Change, SettingValue, Stage, Undo};
use pgattest_remedy::{ApplyError, Phase, ServerFiles, apply, resume, status, undo};
use pgattest_wire::connect;

use crate::support::{Seen, Site, blank, chain, cluster};

/// A certificate, the paths to it, and TLS: in this order. Paths are relative to the data directory.
pub(crate) fn changes() -> Vec<Change> {
    let setting = |id: &str, name: &str, value: &str| {
        let action = |value| Action::Setting {
            name: name.to_owned(),
            value,
        };
        Change {
            action: action(Some(SettingValue::One(value.to_owned()))),
            undo: Undo::By(action(None)),
            ..blank(id, Stage::Settings)
        }
    };
    vec![
        Change {
            action: Action::Certificate {
                names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
                days: 90,
                certificate: "own.crt".to_owned(),
                key: "own.key".to_owned(),
                authority: "own-ca.crt".to_owned(),
            },
            undo: Undo::Restore,
            ..blank("certificate", Stage::Files)
        },
        setting("certificate-path", "ssl_cert_file", "own.crt"),
        setting("key-path", "ssl_key_file", "own.key"),
        setting("tls", "ssl", "on"),
    ]
}

/// Somebody's key stands where ours will, and belongs to somebody else.
pub(crate) fn old_key(site: &Site) {
    let path = site.data.join("own.key");
    fs::write(&path, "somebody's key").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
}

/// The files of the data directory that are not the server's, whose they are, and what the server says of TLS. Not what is in
/// certificates: no two are the same.
pub(crate) async fn snapshot(site: &Site) -> Vec<String> {
    let mut lines = files(&site.data);
    let connection = connect(&site.options()).await.unwrap();
    for query in [
        "SELECT format('%s=%s %s', name, setting, source) FROM pg_settings WHERE name IN ('ssl', 'ssl_cert_file', 'ssl_key_file') ORDER BY 1",
        "SELECT format('auto %s=%s', name, setting) FROM pg_file_settings WHERE sourcefile ~ 'auto.conf$' ORDER BY 1",
    ] {
        for row in connection.client().query(query, &[]).await.unwrap() {
            lines.push(row.get(0));
        }
    }
    lines
}

fn files(data: &Path) -> Vec<String> {
    let owner = data.metadata().unwrap().uid();
    let mut lines = Vec::new();
    for entry in fs::read_dir(data).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !(name.starts_with("own") || name.contains("pgattest")) {
            continue;
        }
        let found = path.metadata().unwrap();
        let whose = if found.uid() == owner {
            "the server's"
        } else {
            "ours"
        };
        let text = fs::read_to_string(&path).unwrap();
        let what = text.lines().next().unwrap_or_default().to_owned();
        lines.push(format!("{name} {:o} {whose} {what}", found.mode() & 0o7777));
    }
    lines.sort();
    lines
}

async fn tls_and_back(major: u32) {
    let (cluster, site) = cluster(major).await;
    old_key(&site);
    let before = snapshot(&site).await;
    let plan = site.plan(changes()).await;
    let options = site.options();
    let mut request = site.request(&plan, &options);
    request.files = ServerFiles::Local;
    let mut seen = Seen::default();
    apply(&request, &mut seen)
        .await
        .unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(
        files(&site.data),
        [
            "own-ca.crt 644 the server's -----BEGIN CERTIFICATE-----",
            "own.crt 644 the server's -----BEGIN CERTIFICATE-----",
            "own.key 600 the server's -----BEGIN PRIVATE KEY-----",
            &before[0].replace("own.key", "own.key.before-1"),
        ]
    );
    // As a client does that was given the authority.
    let authority = cluster.scratch_dir().join("ca.crt");
    fs::copy(site.data.join("own-ca.crt"), &authority).unwrap();
    let verified = Site {
        dsn: format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres sslmode=verify-full sslrootcert={}",
            cluster.port(),
            authority.display()
        ),
        ..site.clone()
    };
    let connection = connect(&verified.options())
        .await
        .unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert!(connection.peer().tls.is_some());
    // Nothing of the key is written down.
    let key = fs::read_to_string(site.data.join("own.key")).unwrap();
    let journal = fs::read_to_string(site.folder.join("journal.jsonl")).unwrap();
    assert!(!key.lines().any(|line| journal.contains(line)));

    undo(&request, &mut seen)
        .await
        .unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(snapshot(&site).await, before);
    assert_eq!(
        fs::read_to_string(site.data.join("own.key")).unwrap(),
        "somebody's key"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_and_back_13() {
    tls_and_back(13).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_and_back_18() {
    tls_and_back(18).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_before_anything_begins() {
    let (_cluster, site) = cluster(15).await;
    let before = snapshot(&site).await;
    let options = site.options();

    // Nobody said that the server's files are on this machine.
    let plan = site.plan(changes()).await;
    let request = site.request(&plan, &options);
    let error = apply(&request, &mut Seen::default()).await.unwrap_err();
    assert!(matches!(error, ApplyError::NotLocal { .. }), "{error}");
    assert!(error.hint().unwrap().contains("--host"));

    // A folder that is not there.
    let mut far = changes();
    if let Action::Certificate { authority, .. } = &mut far[0].action {
        *authority = "nowhere/ca.crt".to_owned();
    }
    let plan = site.plan(far).await;
    let mut request = site.request(&plan, &options);
    request.files = ServerFiles::Local;
    let error = apply(&request, &mut Seen::default()).await.unwrap_err();
    assert!(matches!(error, ApplyError::Rights { .. }), "{error}");
    assert!(error.to_string().contains("/nowhere"), "{error}");

    // A name that no certificate can have.
    let mut named = changes();
    if let Action::Certificate { names, .. } = &mut named[0].action {
        names.push("db\n.example".to_owned());
    }
    let plan = site.plan(named).await;
    let mut request = site.request(&plan, &options);
    request.files = ServerFiles::Local;
    let error = apply(&request, &mut Seen::default()).await.unwrap_err();
    assert!(matches!(error, ApplyError::Certificate(_)), "{error}");

    assert_eq!(status(&site.folder).unwrap(), None);
    assert_eq!(snapshot(&site).await, before);
}

/// As the plan itself advises: a certificate of the organisation's own authority goes in the place of the self-made one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_somebody_put_there_since_stays() {
    let (_cluster, site) = cluster(15).await;
    let plan = site.plan(changes()).await;
    let options = site.options();
    let mut request = site.request(&plan, &options);
    request.files = ServerFiles::Local;
    apply(&request, &mut Seen::default()).await.unwrap();
    for name in ["own.crt", "own.key"] {
        fs::write(site.data.join(name), format!("the organisation's {name}")).unwrap();
    }
    let undone = undo(&request, &mut Seen::default()).await.unwrap();
    assert_eq!(undone.taken_back, ["tls", "key-path", "certificate-path"]);
    assert_eq!(undone.left.len(), 1);
    assert!(
        undone.left[0].why.contains("own.crt since"),
        "{}",
        undone.left[0].why
    );
    for name in ["own.crt", "own.key"] {
        assert_eq!(
            fs::read_to_string(site.data.join(name)).unwrap(),
            format!("the organisation's {name}")
        );
    }
    assert_eq!(status(&site.folder).unwrap().unwrap().phase, Phase::Undone);
}

/// Taking back from another machine would leave the files, so it does not begin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_on_and_taking_back_take_the_servers_machine_too() {
    let (_cluster, site) = cluster(15).await;
    let plan = site.plan(changes()).await;
    let options = site.options();
    let mut request = site.request(&plan, &options);
    request.files = ServerFiles::Local;
    request.faults = Some(std::sync::Arc::new(|point| {
        if point.name == "after writing" && point.of.ends_with("own.crt") {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }));
    let before = snapshot(&site).await;
    apply(&request, &mut Seen::default()).await.unwrap_err();
    assert_eq!(snapshot(&site).await, before);
    request.faults = None;
    request.files = ServerFiles::ThroughServer;
    let error = resume(&request, &mut Seen::default()).await.unwrap_err();
    assert!(matches!(error, ApplyError::NotLocal { .. }), "{error}");
    request.files = ServerFiles::Local;
    resume(&request, &mut Seen::default()).await.unwrap();
    request.files = ServerFiles::ThroughServer;
    let error = undo(&request, &mut Seen::default()).await.unwrap_err();
    assert!(matches!(error, ApplyError::NotLocal { .. }), "{error}");
    assert_eq!(status(&site.folder).unwrap().unwrap().phase, Phase::Applied);
    request.files = ServerFiles::Local;
    undo(&request, &mut Seen::default()).await.unwrap();
    assert_eq!(snapshot(&site).await, before);
}
