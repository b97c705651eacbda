//! `target_session_attrs`, on a primary with its standby.

use pgattest_testkit::{Cluster, Standby};
use pgattest_wire::{ConnectError, TargetSessionAttrs};

use crate::support::{failure, try_connect};

#[tokio::test]
async fn the_kind_of_session_decides_which_host_is_used() {
    let primary = Cluster::builder(15).start().await.unwrap();
    let standby = Standby::of(&primary).await.unwrap();
    let (first, second) = (primary.port(), standby.port());
    let both = |ports: String, wanted: &str| {
        format!("host=127.0.0.1,127.0.0.1 port={ports} user=postgres target_session_attrs={wanted}")
    };
    let primary_first = format!("{first},{second}");
    let standby_first = format!("{second},{first}");

    for (ports, wanted, expected) in [
        (&standby_first, "any", second),
        (&standby_first, "read-write", first),
        (&standby_first, "primary", first),
        (&primary_first, "read-only", second),
        (&primary_first, "standby", second),
        (&primary_first, "prefer-standby", second),
    ] {
        let connection = try_connect(&both(ports.clone(), wanted)).await.unwrap();
        assert_eq!(connection.peer().port, expected, "{wanted} of {ports}");
    }

    // Without a standby, `prefer-standby` takes the primary.
    let alone =
        format!("host=127.0.0.1 port={first} user=postgres target_session_attrs=prefer-standby");
    assert_eq!(try_connect(&alone).await.unwrap().peer().port, first);

    let alone = format!("host=127.0.0.1 port={first} user=postgres target_session_attrs=standby");
    let error = failure(&alone).await;
    let ConnectError::SessionAttrs {
        wanted,
        saw,
        failed,
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(*wanted, TargetSessionAttrs::Standby);
    assert_eq!(saw.len(), 1);
    assert_eq!(saw[0].1, "a primary");
    assert!(failed.is_empty());
    assert!(error.to_string().contains("a primary"), "{error}");
}

#[tokio::test]
async fn a_primary_that_is_read_only_by_default_is_not_read_write() {
    let cluster = Cluster::builder(15)
        .setting("default_transaction_read_only", "on")
        .start()
        .await
        .unwrap();
    let dsn = |wanted: &str| {
        format!(
            "host=127.0.0.1 port={} user=postgres target_session_attrs={wanted}",
            cluster.port()
        )
    };
    try_connect(&dsn("primary")).await.unwrap();
    try_connect(&dsn("read-only")).await.unwrap();
    let error = failure(&dsn("read-write")).await;
    assert!(
        matches!(error, ConnectError::SessionAttrs { .. }),
        "{error:?}"
    );
}
