use super::{LoggedLogin, read};
use proptest::prelude::*;
use rstest::rstest;

fn words(login: &LoggedLogin) -> String {
    let address = login
        .address
        .map_or_else(|| "local".to_owned(), |address| address.to_string());
    format!(
        "{}@{address}/{}{}{} x{} {}",
        login.role,
        login.database,
        if login.tls { " tls" } else { "" },
        if login.replication {
            " replication"
        } else {
            ""
        },
        login.count,
        login.last_seen
    )
}

fn logins(log: &str) -> Vec<String> {
    read(log.as_bytes()).logins.iter().map(words).collect()
}

#[rstest]
#[case::by_process(
    "2026-11-23 21:00:00.000 UTC [77] LOG:  connection received: host=10.0.0.7 port=5000
2026-11-23 21:00:00.001 UTC [78] LOG:  connection received: host=[local]
2026-11-23 21:00:00.002 UTC [78] LOG:  connection authorized: user=a b database=c d application_name=x
2026-11-23 21:00:00.003 UTC [77] LOG:  connection authorized: user=app database=shop SSL enabled (protocol=TLSv1.3, cipher=X, bits=256)",
    &["a b@local/c d x1 2026-11-23 21:00:00.002 UTC", "app@10.0.0.7/shop tls x1 2026-11-23 21:00:00.003 UTC"]
)]
#[case::by_session(
    "6744a1b2.4d LOG:  connection received: host=::1 port=5000
6744a1b2.4d LOG:  replication connection authorized: user=standby application_name=w",
    &["standby@::1/ replication x1 "]
)]
#[case::by_the_host_in_the_prefix(
    "2026-11-23 21:00:00 UTC user=app,db=shop,client=10.0.0.9 LOG:  connection authorized: user=app database=shop
2026-11-23 21:00:01 UTC 10.0.0.9(4711) app@shop LOG:  connection authorized: user=app database=shop",
    &["app@10.0.0.9/shop x2 2026-11-23 21:00:01 UTC"]
)]
#[case::a_client_that_calls_itself_encrypted(
    "[1] LOG:  connection received: host=10.0.0.7 port=1
[1] LOG:  connection authorized: user=a database=b application_name=(SSL enabled (protocol=TLSv1.3)",
    &["a@10.0.0.7/b x1 "]
)]
fn plain_lines(#[case] log: &str, #[case] expected: &[&str]) {
    assert_eq!(logins(log), expected);
}

#[test]
fn what_is_not_known_is_counted() {
    let log = read(
        b"LOG:  connection authorized: user=a database=b\n\
          [3] LOG:  connection received: host=db.example port=1\n\
          [3] LOG:  connection authorized: user=a database=b\n\
          [4] LOG:  connection authorized: user=a\n\
          [5] ERROR:  connection authorized: user=a database=b\n\xff\xfe\n",
    );
    assert_eq!(log.logins, []);
    assert_eq!((log.read, log.without_address, log.unreadable), (2, 2, 1));
    let json = read(b"{\"message\":\"x\"}\n{\"mess\n{\"user\":\"a\",\"dbname\":\"b\",\"remote_host\":\"[local]\",\"message\":\"connection authorized: user=a database=b\"}\n");
    assert_eq!((json.logins.len(), json.unreadable), (1, 1));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(log in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&log);
    }

    #[test]
    fn no_pieces_of_logs_make_it_panic(
        pieces in prop::collection::vec(prop_oneof![
            Just("2026-11-23 21:00:00 UTC".to_owned()), Just(",".to_owned()), Just("\"".to_owned()), Just("\n".to_owned()),
            Just("LOG:  ".to_owned()), Just("connection authorized: user=".to_owned()), Just(" database=".to_owned()),
            Just("connection received: host=".to_owned()), Just("[7] ".to_owned()), Just("{\"message\":\"".to_owned()),
            Just(" SSL enabled (protocol=".to_owned()), Just(",".repeat(25)), Just("é)".to_owned()), Just("::1".to_owned()),
        ], 0..40)
    ) {
        let _ = read(pieces.concat().as_bytes());
    }
}
