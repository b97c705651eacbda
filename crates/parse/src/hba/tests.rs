use super::{HbaFile, NoFiles, parse};
use pgattest_model::ServerVersion;
use rstest::rstest;

const V13: ServerVersion = ServerVersion(130_023);
const V18: ServerVersion = ServerVersion(180_004);

fn read(text: &str) -> HbaFile {
    parse("pg_hba.conf", text, V18, &NoFiles)
}

#[rstest]
#[case("hots all all all trust", "hots", "invalid connection type \"hots\"")]
#[case("host", "host", "end-of-line before database specification")]
#[case("host all", "host all", "end-of-line before role specification")]
#[case(
    "host all all",
    "host all all",
    "end-of-line before IP address specification"
)]
#[case(
    "host all all 10.0.0.1",
    "host all all 10.0.0.1",
    "end-of-line before netmask specification"
)]
#[case(
    "host all all all",
    "host all all all",
    "end-of-line before authentication method"
)]
#[case(
    "host all all 10.0.0.0/33 trust",
    "10.0.0.0/33",
    "invalid CIDR mask in address \"10.0.0.0/33\""
)]
#[case(
    "host all all x/8 trust",
    "x/8",
    "specifying both host name and CIDR mask is invalid: \"x/8\""
)]
#[case(
    "host all all 10.0.0.1 ffff:: trust",
    "ffff::",
    "IP address and mask do not match"
)]
#[case(
    "host all all all trsut",
    "trsut",
    "invalid authentication method \"trsut\""
)]
#[case(
    "host all all all peer",
    "peer",
    "peer authentication is only supported on local sockets"
)]
#[case(
    "host all all all cert",
    "cert",
    "cert authentication is only supported on hostssl connections"
)]
#[case(
    "local all all gss",
    "gss",
    "gssapi authentication is not supported on local sockets"
)]
#[case(
    "local,host all all trust",
    "host",
    "multiple values specified for connection type"
)]
#[case(
    "host all all a,b trust",
    "b",
    "multiple values specified for host address"
)]
#[case(
    "host all /(x all trust",
    "/(x",
    "invalid regular expression \"(x\": parentheses () not balanced"
)]
#[case(
    "host all all all trust x",
    "x",
    "authentication option not in name=value format: x"
)]
#[case(
    "host all all all trust x=1",
    "x=1",
    "unrecognized authentication option name: \"x\""
)]
#[case(
    "host all all all trust map=a",
    "map=a",
    "authentication option \"map\" is only valid for authentication methods ident, peer, gssapi, sspi, cert, and oauth"
)]
#[case(
    "host all all all md5 clientcert=verify-ca",
    "clientcert=verify-ca",
    "clientcert can only be configured for \"hostssl\" rows"
)]
#[case(
    "hostssl all all all md5 clientcert=1",
    "clientcert=1",
    "invalid value for clientcert: \"1\""
)]
fn what_is_wrong_is_named_with_its_place(
    #[case] text: &str,
    #[case] at: &str,
    #[case] message: &str,
) {
    let file = read(text);
    let (_, problem) = file.problems().next().unwrap();
    assert_eq!(problem.message, message);
    assert_eq!(&text[problem.place.span.clone()], at);
    assert!(!file.lines[0].row.is_valid());
}

#[test]
fn a_rule_is_what_the_servers_view_shows() {
    let text = "# head\nhostssl \"all\",+x \"us er\" 10.1.2.3/8 cert map=m clientname=DN";
    let file = read(text);
    let row = &file.lines[0].row;
    assert_eq!((row.number, row.line), (1, 2));
    assert_eq!(row.databases, ["all", "+x"]);
    assert_eq!(row.quoted.as_ref().unwrap().databases, [true, false]);
    assert_eq!(row.users, ["us er"]);
    assert_eq!(
        (row.address.as_str(), row.netmask.as_str()),
        ("10.1.2.3", "255.0.0.0")
    );
    assert_eq!(row.option("clientcert"), Some("verify-full"));
    assert_eq!(row.option("clientname"), Some("DN"));
    assert_eq!(
        parse("p", "hostssl all all all md5 clientcert=1", V13, &NoFiles).lines[0]
            .row
            .option("clientcert"),
        Some("verify-ca")
    );
}

#[test]
fn secrets_are_withheld_and_blotted_out() {
    let text = "host all all all ldap ldapbasedn=x ldapbindpasswd=\"hunter 2\" \\\n more=hünter3 # c\nhost all all all radius radiusservers=a radiussecrets=hunter4\n#ldapbindpasswd=hunter5";
    let file = read(text);
    let harmless = file.harmless_text(0);
    assert!(
        !harmless.contains("nter") && !harmless.contains(" 2"),
        "{harmless}"
    );
    assert_eq!(harmless.len(), text.len());
    assert!(harmless.starts_with("host all all all ldap ldapbasedn=x "));
    let secrets = file.lines[1]
        .row
        .options
        .iter()
        .find(|option| option.name == "radiussecrets")
        .unwrap();
    assert!(secrets.withheld && secrets.value.is_empty());
    let said = format!("{:?}", file.rows());
    assert!(!said.contains("nter"), "{said}");
}

#[test]
fn addresses_are_read_as_c_reads_them() {
    let address = |text: &str| {
        let file = read(&format!("host all all {text} trust"));
        let row = &file.lines[0].row;
        format!("{} {}{}", row.address, row.netmask, row.error)
    };
    assert_eq!(address("10.1/8"), "10.0.0.1 255.0.0.0");
    assert_eq!(address("0x7f.1/32"), "127.0.0.1 255.255.255.255");
    assert_eq!(address("010.0.0.1/32"), "8.0.0.1 255.255.255.255");
    assert_eq!(
        address("::102:304/128"),
        "::1.2.3.4 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    );
    assert_eq!(address("fe80::1%1/64"), "fe80::1 ffff:ffff:ffff:ffff::");
    assert_eq!(address("10.0.0.256 "), "10.0.0.256 ");
    assert_eq!(address("\"all\""), "all ");
}
