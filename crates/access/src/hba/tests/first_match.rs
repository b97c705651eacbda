//! One attempt at a time.

use super::super::{ClientCertificate, Ruleset, Terms};
use super::{TERMS, attempt, graph, rows, ruleset};
use pgattest_model::ServerVersion;
use rstest::rstest;

/// The line that decides, `none`, and before it the lines that may: `2?4`.
fn decide(ruleset: &Ruleset, roles: &[&str], who: &str) -> String {
    let found = ruleset.first_match(&attempt(who), &graph(roles));
    let maybe = found.maybe.iter().map(|at| format!("{}?", at + 1));
    let rule = found
        .rule
        .map_or("none".to_owned(), |at| (at + 1).to_string());
    maybe.chain([rule]).collect::<Vec<_>>().concat()
}

const ROLES: [&str; 7] = [
    "*postgres",
    "app < writers",
    "-writers < -staff",
    "ada < -staff",
    "-staff",
    "shop < app",
    "~standby",
];

#[rstest]
#[case::kind_of_socket("host all all all trust\nlocal all all trust", "app shop local", "2")]
#[case::host_takes_clear("host all all all md5", "app shop clear 10.0.0.1", "1")]
#[case::host_takes_tls("host all all all md5", "app shop tls 10.0.0.1", "1")]
#[case::hostssl_refuses_clear("hostssl all all all md5", "app shop clear 10.0.0.1", "none")]
#[case::hostnossl_refuses_tls("hostnossl all all all md5", "app shop tls 10.0.0.1", "none")]
#[case::hostnogssenc_takes_clear("hostnogssenc all all all md5", "app shop clear 10.0.0.1", "1")]
#[case::hostgssenc_refuses_tls("hostgssenc all all all gss", "app shop tls 10.0.0.1", "none")]
#[case::first_wins(
    "host all all all reject\nhost all all all trust",
    "app shop clear 10.0.0.1",
    "1"
)]
#[case::nothing_matches("host shop app 10.0.0.0/8 md5", "app shop clear 11.0.0.1", "none")]
#[case::last_address_of_a_network(
    "host all all 10.0.0.0/8 md5",
    "app shop clear 10.255.255.255",
    "1"
)]
#[case::bits_below_the_mask_do_not_count(
    "host all all 10.1.2.3/255.0.0.0 md5",
    "app shop clear 10.9.9.9",
    "1"
)]
#[case::families_are_apart("host all all 0.0.0.0/0 md5", "app shop clear 2001:db8::1", "none")]
#[case::v4_in_v6_is_v6(
    "host all all 0.0.0.0/0 md5\nhost all all ::/0 md5",
    "app shop clear ::ffff:10.0.0.1",
    "2"
)]
#[case::all_is_both_families("host all all all md5", "app shop clear 2001:db8::1", "1")]
#[case::several_databases("host a,shop,b all all md5", "app shop clear 10.0.0.1", "1")]
#[case::several_users("host all a,app all md5", "app shop clear 10.0.0.1", "1")]
#[case::names_have_case("host Shop app all md5", "app shop clear 10.0.0.1", "none")]
#[case::member_of_a_member("host all +staff all md5", "app shop clear 10.0.0.1", "1")]
#[case::a_role_is_a_member_of_itself("host all +ada all md5", "ada shop clear 10.0.0.1", "1")]
#[case::not_a_member("host all +writers all md5", "ada shop clear 10.0.0.1", "none")]
#[case::superusers_are_members_of_nothing(
    "host all +staff all md5",
    "postgres shop clear 10.0.0.1",
    "none"
)]
#[case::no_such_group("host all +nobody all md5", "app shop clear 10.0.0.1", "none")]
#[case::sameuser("host sameuser all all md5", "shop shop clear 10.0.0.1", "1")]
#[case::not_sameuser("host sameuser all all md5", "app shop clear 10.0.0.1", "none")]
#[case::samerole("host samerole all all md5", "shop app clear 10.0.0.1", "1")]
#[case::samegroup_is_samerole("host samegroup all all md5", "shop writers clear 10.0.0.1", "1")]
#[case::samerole_takes_sameuser("host samerole all all md5", "app app clear 10.0.0.1", "1")]
#[case::not_samerole("host samerole all all md5", "ada app clear 10.0.0.1", "none")]
#[case::a_role_that_does_not_exist("host all all all md5", "ghost shop clear 10.0.0.1", "1")]
#[case::replication_is_not_in_all(
    "host all all all md5",
    "standby (replication) clear 10.0.0.1",
    "none"
)]
#[case::replication(
    "host replication all all md5",
    "standby (replication) clear 10.0.0.1",
    "1"
)]
#[case::replication_is_no_database(
    "host replication all all md5",
    "standby shop clear 10.0.0.1",
    "none"
)]
#[case::a_host_name_may_match(
    "host all all db.example.org trust\nhost all all all md5",
    "app shop clear 10.0.0.1",
    "1?2"
)]
#[case::a_domain_may_match("host all all .example.org trust", "app shop clear 10.0.0.1", "1?none")]
#[case::samehost_may_match(
    "host all all samehost trust\nhost all all all md5",
    "app shop clear 10.0.0.1",
    "1?2"
)]
#[case::samenet_may_match("host all all samenet trust", "app shop tls 10.0.0.1", "1?none")]
#[case::a_mask_with_holes_is_decided(
    "host all all 10.0.0.1/255.0.0.255 md5",
    "app shop clear 10.7.7.1",
    "1"
)]
#[case::a_mask_with_holes_excludes(
    "host all all 10.0.0.1/255.0.0.255 md5",
    "app shop clear 10.7.7.2",
    "none"
)]
#[case::a_simple_pattern("host /^sh all all md5", "app shop clear 10.0.0.1", "1")]
#[case::a_pattern_of_users("host all /^app$ all md5", "ada shop clear 10.0.0.1", "none")]
#[case::a_hard_pattern_may_match(
    "host /(?i)^SHOP$ all all trust\nhost all all all md5",
    "app shop clear 10.0.0.1",
    "1?2"
)]
#[case::an_address_not_known(
    "host all all 10.0.0.0/8 md5\nhost all all all trust",
    "app shop clear",
    "1?2"
)]
#[case::a_kind_from_the_future(
    "hostquic all all all trust\nlocal all all peer",
    "app shop local",
    "1?2"
)]
#[case::a_broken_line_is_not_there(
    "host all all all BROKEN\nhost all all all md5",
    "app shop clear 10.0.0.1",
    "1"
)]
fn the_first_rule_that_matches_decides(
    #[case] file: &str,
    #[case] who: &str,
    #[case] expected: &str,
) {
    assert_eq!(decide(&ruleset(file), &ROLES, who), expected);
}

#[test]
fn before_16_a_slash_is_part_of_a_name() {
    let terms = Terms {
        version: ServerVersion(150_018),
        ..TERMS
    };
    let ruleset = Ruleset::new(&rows("host /^sh all all md5"), terms);
    assert_eq!(decide(&ruleset, &ROLES, "app shop clear 10.0.0.1"), "none");
    assert_eq!(decide(&ruleset, &ROLES, "app /^sh clear 10.0.0.1"), "1");
}

#[test]
fn without_ssl_a_hostssl_rule_never_matches() {
    let off = Ruleset::new(
        &rows("hostssl all all all trust"),
        Terms {
            tls: false,
            ..TERMS
        },
    );
    assert_eq!(decide(&off, &ROLES, "app shop tls 10.0.0.1"), "none");
    assert_eq!(decide(&off, &ROLES, "app shop clear 10.0.0.1"), "none");
}

#[test]
fn gssapi_encryption_is_not_tls() {
    let gss = Ruleset::new(
        &rows("hostssl all all all md5\nhostnogssenc all all all md5\nhostnossl all all all gss"),
        Terms { gss: true, ..TERMS },
    );
    assert_eq!(decide(&gss, &ROLES, "app shop gss 10.0.0.1"), "3");
}

#[test]
fn rules_go_by_their_number_when_all_have_one() {
    let mut rows = rows("host all all all reject\nhost all all all trust");
    rows[0].number = 2;
    rows[1].number = 1;
    let first = |rows: &[_]| Ruleset::new(rows, TERMS).rules()[0].method().to_owned();
    assert_eq!(first(&rows), "trust");
    rows[1].number = 0;
    assert_eq!(first(&rows), "reject");
}

#[test]
fn what_cannot_be_read_is_kept_in_sight() {
    let ruleset = ruleset(
        "host all all all BROKEN\nhost all all 10.0.0.0/ff00:: trust\nhost all all all md5",
    );
    assert_eq!(ruleset.invalid().len(), 1);
    assert!(!ruleset.rules()[0].is_understood());
    assert!(ruleset.rules()[1].is_understood());
    assert_eq!(decide(&ruleset, &ROLES, "app shop clear 10.0.0.1"), "1?2");
}

#[rstest]
#[case("host all all all trust", true, ClientCertificate::NotAsked)]
#[case(
    "hostssl all all all trust clientcert=verify-ca",
    false,
    ClientCertificate::FromAuthority
)]
#[case(
    "hostssl all all all trust clientcert=1",
    false,
    ClientCertificate::FromAuthority
)]
#[case(
    "hostssl all all all trust clientcert=no-verify",
    true,
    ClientCertificate::NotAsked
)]
#[case(
    "hostssl all all all scram-sha-256 clientcert=verify-full",
    false,
    ClientCertificate::NamesRole
)]
#[case("hostssl all all all cert", false, ClientCertificate::NamesRole)]
fn what_a_rule_asks_for(
    #[case] file: &str,
    #[case] nothing: bool,
    #[case] certificate: ClientCertificate,
) {
    let ruleset = ruleset(file);
    let rule = &ruleset.rules()[0];
    assert_eq!(
        (rule.asks_nothing(), rule.client_certificate()),
        (nothing, certificate)
    );
}

#[rstest]
#[case("all", "everything")]
#[case("0.0.0.0/0", "/0 everything")]
#[case("::/0", "/0 everything")]
#[case("127.0.0.1/32", "/32 loopback private")]
#[case("127.0.0.0/8", "/8 loopback private")]
#[case("126.0.0.0/7", "/7")]
#[case("::1/128", "/128 loopback private")]
#[case("10.1.0.0/16", "/16 private")]
#[case("172.16.0.0/11", "/11")]
#[case("fd00::/8", "/8 private")]
#[case("203.0.113.0/24", "/24")]
#[case("samenet", "same-net approximate")]
#[case("samehost", "approximate")]
#[case("db.example.org", "approximate")]
#[case("10.0.0.1/255.0.0.255", "approximate")]
fn how_wide_an_address_is(#[case] address: &str, #[case] expected: &str) {
    let ruleset = ruleset(&format!("host all all {address} md5"));
    let extent = ruleset.rules()[0].extent();
    let flags = [
        (extent.is_loopback, "loopback"),
        (extent.is_private, "private"),
        (extent.is_everything, "everything"),
        (extent.is_same_net, "same-net"),
        (extent.is_approximate, "approximate"),
    ];
    let prefix = extent.prefix_length.map(|length| format!("/{length}"));
    let flags = flags
        .into_iter()
        .filter(|flag| flag.0)
        .map(|flag| flag.1.to_owned());
    assert_eq!(
        prefix
            .into_iter()
            .chain(flags)
            .collect::<Vec<_>>()
            .join(" "),
        expected
    );
}
