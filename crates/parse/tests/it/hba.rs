//! `pg_hba.conf` as we read it and as `pg_hba_file_rules` shows it, row by row.

use crate::disk::{Disk, put};
use anyhow::{Context, Result};
use pgattest_model::ServerVersion;
use pgattest_model::facts::HbaOption;
use pgattest_parse::hba::parse;
use pgattest_testkit::Random;
use pgattest_testkit::{Cluster, Tls, available_majors};
use std::collections::BTreeMap;

/// Between the entries of a list, in this test only.
const SEPARATOR: char = '\u{1}';

/// Options that the view does not show, and one that it shows although nobody wrote it.
const UNSHOWN: [&str; 6] = [
    "clientname",
    "pam_use_hostname",
    "compat_realm",
    "upn_username",
    "ldapscheme",
    "ldapscope",
];

/// One line on both sides: everything but the words of the error.
#[derive(Debug, Eq, PartialEq)]
struct Row {
    number: u32,
    line: u32,
    file: String,
    kind: String,
    databases: Vec<String>,
    users: Vec<String>,
    address: String,
    netmask: String,
    method: String,
    options: Vec<HbaOption>,
    is_wrong: bool,
}

#[test]
fn the_servers_view_shows_the_same_rows() -> Result<()> {
    let majors = available_majors();
    assert!(
        !majors.is_empty(),
        "no PostgreSQL is installed: run script/bootstrap"
    );
    let mut errors: BTreeMap<String, usize> = BTreeMap::new();
    let mut valid = 0;
    for major in majors {
        let cluster = Cluster::builder(major).tls(Tls::new()).start_blocking()?;
        put(&cluster, FILES)?;
        for text in HAND_MADE {
            compare(&cluster, text, &mut errors, &mut valid)?;
        }
        let long = format!(
            "local all {} trust\nlocal all \"{}\" trust\n",
            "x".repeat(300),
            "y ".repeat(6000)
        );
        compare(&cluster, &long, &mut errors, &mut valid)?;
        for seed in 0..if major == 15 { 300 } else { 120 } {
            let mut random = Random::new(u64::from(major) * 10_000 + seed);
            compare(&cluster, &file(&mut random), &mut errors, &mut valid)?;
        }
    }
    // Most rules are right, and most ways to be wrong came.
    assert!(valid > 1000 && errors.len() > 15, "{valid} {errors:#?}");
    Ok(())
}

fn compare(
    cluster: &Cluster,
    text: &str,
    errors: &mut BTreeMap<String, usize>,
    valid: &mut usize,
) -> Result<()> {
    let major = cluster.major();
    cluster.write_hba(text)?;
    let path = cluster.data_dir().join("pg_hba.conf");
    let ours = parse(
        path.to_str().context("path")?,
        text,
        ServerVersion(major * 10_000),
        &Disk,
    );
    let theirs = view(cluster)?;
    let told = || format!("PostgreSQL {major}, with\n{text}");
    assert_eq!(
        ours.lines.len(),
        theirs.len(),
        "{}\n{theirs:#?}\n{:#?}",
        told(),
        ours.lines
    );
    let (mut skipped, mut number) = (0, 0);
    for (mine, (mut row, message)) in ours.lines.iter().zip(theirs) {
        // What only a running server can know.
        if [
            "by this build",
            "cannot match because",
            "oauth_validator_libraries",
        ]
        .iter()
        .any(|known| message.contains(known))
        {
            skipped += 1;
            continue;
        }
        if !row.is_wrong {
            number += 1;
            assert!(row.number == number, "{row:?}");
        }
        let mut my_row = Row {
            number: mine.row.number,
            line: mine.row.line,
            file: mine.row.file.clone(),
            kind: mine.row.connection_type.clone(),
            databases: mine.row.databases.clone(),
            users: mine.row.users.clone(),
            address: mine.row.address.clone(),
            netmask: mine.row.netmask.clone(),
            method: mine.row.method.clone(),
            options: mine.row.options.clone(),
            is_wrong: mine.problem.is_some(),
        };
        my_row
            .options
            .retain(|option| !UNSHOWN.contains(&option.name.as_str()));
        if skipped > 0 {
            (row.number, my_row.number) = (0, 0);
        }
        assert_eq!(my_row, row, "{message}; {:?}; {}", mine.problem, told());
        match &mine.problem {
            None => *valid += 1,
            Some(problem) => {
                // Why an LDAP URL is none is told by the library, which is not ours.
                assert!(
                    message.is_empty()
                        || problem.message == message
                        || message.starts_with(&format!("{}: ", problem.message)),
                    "{:?}, not {message:?}; {}",
                    problem.message,
                    told()
                );
                let kind = problem.message.split(['"', ':']).next().unwrap_or_default();
                *errors.entry(kind.to_owned()).or_default() += 1;
            }
        }
    }
    Ok(())
}

fn view(cluster: &Cluster) -> Result<Vec<(Row, String)>> {
    let (number, file, order) = if cluster.major() >= 16 {
        (
            "coalesce(rule_number, 0)",
            "coalesce(file_name, '')",
            "true",
        )
    } else {
        (
            "CASE WHEN error IS NULL AND type IS NOT NULL
                  THEN sum((error IS NULL AND type IS NOT NULL)::int) OVER (ROWS UNBOUNDED PRECEDING) ELSE 0 END",
            "''",
            "true",
        )
    };
    let list = |column: &str| format!("array_to_string({column}, E'\\x01')");
    let answer = cluster.query_text_blocking(
        "postgres",
        &format!(
            "SELECT {number}, line_number, {file}, type, {}, {}, address, netmask, auth_method, {}, error
             FROM pg_hba_file_rules WHERE {order}",
            list("database"),
            list("user_name"),
            list("options")
        ),
    )?;
    let mut unnumbered = 0;
    let rows = answer.into_iter().map(|row| {
        let text = |at: usize| row[at].clone().unwrap_or_default();
        let split =
            |text: String| -> Vec<String> { text.split(SEPARATOR).map(str::to_owned).collect() };
        // A value that the server refuses without a word leaves nothing but a number.
        let is_wrong = row[10].is_some() || row[3].is_none();
        if row[10].is_none() && row[3].is_none() && cluster.major() >= 16 {
            unnumbered += 1;
        }
        let number: u32 = text(0).parse().context("number")?;
        Ok((
            Row {
                number: if is_wrong { 0 } else { number - unnumbered },
                line: text(1).parse().context("line")?,
                file: text(2),
                kind: text(3),
                databases: row[4].clone().map(split).unwrap_or_default(),
                users: row[5].clone().map(split).unwrap_or_default(),
                address: text(6),
                netmask: text(7),
                method: text(8),
                options: row[9]
                    .clone()
                    .map(split)
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|text| option(text))
                    .collect(),
                is_wrong,
            },
            text(10),
        ))
    });
    rows.collect()
}

/// As `crates/catalog/sql/hba-rules.sql` reduces it.
fn option(text: &str) -> Option<HbaOption> {
    let (name, value) = text.split_once('=')?;
    let harmless = [
        "clientcert",
        "map",
        "ldaptls",
        "ldapserver",
        "include_realm",
        "krb_realm",
        "pamservice",
        "radiusservers",
        "issuer",
        "scope",
        "validator",
        "delegate_ident_mapping",
    ]
    .contains(&name);
    (!UNSHOWN.contains(&name)).then(|| HbaOption {
        name: name.to_owned(),
        value: if harmless {
            value.to_owned()
        } else {
            String::new()
        },
        withheld: !harmless && !value.is_empty(),
    })
}

const FILES: &[(&str, &str)] = &[
    ("users", "ann, bob\n\"c d\" # no\n@more"),
    ("more", "+eve"),
    ("nothing", "# nothing\n"),
    ("broken.list", "x @absent"),
    ("inc/one.conf", "host all one all md5\nhots\n"),
    (
        "inc/two.conf",
        "include ../inc/deep\nlocal all @../users peer\n",
    ),
    ("inc/.three.conf", "local all three trust\n"),
    ("inc/four.txt", "local all four trust\n"),
    ("inc/deep", "local all deep trust\n"),
    ("self", "local all me trust\ninclude self\n"),
];

const HAND_MADE: &[&str] = &[
    "local all all trust\n",
    "",
    "# nothing\n\n  \n",
    "local all all trust \\\n\nlocal all \\\n b trust # \\\n more\nlocal all c\\\r\nd trust\r\nlocal x y peer\\",
    "local all @users trust\nlocal @users,x all trust\nlocal \"@users\" @nothing trust\nlocal all @absent trust\nlocal all @broken.list trust\nlocal @ @\"more\" trust",
    "include inc/one.conf\ninclude_dir inc\ninclude_if_exists absent\ninclude absent\ninclude_dir absent\ninclude a b c\ninclude self\n\"include\" inc/deep\ninclude",
    "local all all trust\0 more\nlocal a\0b",
    "local \"all\",all,\"a,b\"c,\"\"\"\" \"\",\"+x\",+y \"trust\"\n\"local\" a b trust\nlocal all,,b ,c trust\nlocal a , b trust",
    "host all all 10.1/8 trust\nhost all all 0x7f.1/32 trust\nhost all all 010.0.0.1/32 trust\nhost all all 08.0.0.1/32 trust\nhost all all 1/8 md5\nhost all all 1.2.3.4.5/8 md5\nhost all all 256.1.1.1/8 md5\nhost all all 1.65536/8 md5\nhost all all 1.65535/8 md5",
    "host all all ::1.2.3.4/128 md5\nhost all all ::ffff:1.2.3.4/128 md5\nhost all all 1:0:0:2::/64 md5\nhost all all 1:0:2:3:4:5:6:7/0 md5\nhost all all fe80::1%1/64 md5\nhost all all fe80::1%lo/64 md5\nhost all all ::1%x/128 md5\nhost all all ::1% md5",
    "host all all 10.0.0.0/+8 md5\nhost all all \"10.0.0.0/ 8\" md5\nhost all all 10.0.0.0/-1 md5\nhost all all 10.0.0.0/-0 md5\nhost all all 10.0.0.0/ md5\nhost all all 10.0.0.0/8/8 md5\nhost all all ::/129 md5\nhost all all 10.0.0.0/0x8 md5\nhost all all /8 md5\nhost all all \"\" md5\nhost all all 10.0.0.0/99999999999999999999 md5",
    "host all all 10.0.0.1 255.0.255.0 md5\nhost all all 10.0.0.1 255.0 md5\nhost all all 10.0.0.1 all md5\nhost all all 10.0.0.1 ::1 md5\nhost all all ::1 10.0.0.1 md5\nhost all all 10.0.0.1 md5\nhost all all \"all\" md5\nhost all all db.example.org 255.0.0.0 md5\nhost all all .example.org md5\nhost all all 10.0.0.1,10.0.0.2 md5\nhost all all 10.0.0.1 255.0.0.0,x md5\nhost all all 10.0.0.0/8 md5,trust",
    "hostssl all all all cert clientcert=verify-full\nhostssl all all all cert clientcert=verify-ca\nhostssl all all all cert clientcert=no-verify\nhostssl all all all md5 clientcert=1\nhostssl all all all md5 clientcert=0\nhostssl all all all md5 clientcert=\nhostssl all all all md5 clientname=CN\nhostssl all all all md5 clientname=x\nhost all all all md5 clientcert=verify-ca\nhostssl all all all cert map=\"m n\" clientname=DN\nhostssl all all all trust clientcert=verify-ca",
    "host all all all ldap\nhost all all all ldap ldapserver=x ldapprefix=a ldapsuffix=b\nhost all all all ldap ldapprefix=a ldapbasedn=b\nhost all all all ldap ldapbasedn=a ldapbindpasswd=\"x y\" ldapport=0\nhost all all all ldap ldapbasedn=a ldapport=12x ldaptls=1 ldapbinddn=q ldapbindpasswd=s3cret\nhost all all all ldap ldapurl=ldap://h:99/dc=x?uid?sub\nhost all all all ldap ldapurl=\"ldaps://h/dc=x\"\nhost all all all ldap ldapurl=http://x\nhost all all all ldap ldapurl=ldapi://x\nhost all all all ldap ldapbasedn=a ldapsearchattribute=u ldapsearchfilter=f\nhost all all all ldap ldapbasedn=a ldapscheme=x\nhost all all all ldap ldapbasedn",
    "host all all all radius radiusservers=127.0.0.1 radiussecrets=x\nhost all all all radius radiusservers=127.0.0.1\nhost all all all radius radiussecrets=x\nhost all all all radius radiusservers=\"127.0.0.1,::1\" radiussecrets=\"a,b\" radiusports=\"1,2\" radiusidentifiers=q\nhost all all all radius radiusservers=\"127.0.0.1,::1\" radiussecrets=\"a,b,c\"\nhost all all all radius radiusservers=\"127.0.0.1,\" radiussecrets=a\nhost all all all radius radiusservers=\"\" radiussecrets=a\nhost all all all radius radiusservers=127.0.0.1 radiussecrets=a radiusports=x\nhost all all all radius radiusservers=127.0.0.1 radiussecrets=\"\"\nhost all all all radius radiusservers=\"\"\"127.0.0.1\"\", ::1\" radiussecrets=a",
    "host all all all pam pamservice=x pam_use_hostname=1\nhost all all all md5 pamservice=x\nhost all all all gss\nhost all all all gss include_realm=0 krb_realm=R map=x\nhost all all all sspi compat_realm=0\nlocal all all ident map=x\nlocal all all sspi\nlocal all all cert\nhost all all all bsd\nhost all all all krb5\nhost all all all oauth scope=a issuer=b\nhost all all all oauth\nhost all all all oauth scope=a issuer=b map=c delegate_ident_mapping=1\nhost all all all ident include_realm=1\nhostgssenc all all all md5\nhostgssenc all all all trust\nhostnogssenc all all all gss",
    "local /^a all trust\nlocal \"/a b\" all trust\nlocal all /(a trust\nlocal /[a all trust\nlocal /*a all trust\nlocal /a\\ all trust\nlocal /a) all trust\nlocal /a{256} all trust\nlocal /a{2,1} all trust\nlocal /^* all trust\nlocal /a** all trust\nlocal /(?i)a all trust\nlocal / all trust\nlocal /a|* all trust\nlocal /() all trust\nlocal /(*) all trust\nlocal /a{1 all trust\nlocal /a{ all trust\nlocal /{1} all trust\nlocal /[z-a] all trust\nlocal /[[:foo:]] all trust\nlocal /a|| all trust",
    "host all all all trust a=b\nhost all all all trust =\nhost all all all trust x,y=z\nhost all all all trust map=x\nhost all all all trust \"\"",
    "all all all\nhost\nhost all\nhost all all\nhost all all all\nlocal all\nlocal all all\nHOST all all all trust\nhost all all all TRUST\nhostx all all all trust\nlocal all all all trust",
];

fn file(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..=random.below(8) {
        line(random, &mut text);
        text.push_str(random.pick::<&str>(&[
            "\n", "\n", "\n", "\n", "\r\n", "\\\n", " \\\n", "\n\n", " # c\n", " #\\\n",
        ]));
    }
    text
}

/// Mostly a rule, with some of everything that may be wrong.
fn line(random: &mut Random, text: &mut String) {
    const KINDS: &[&str] = &[
        "local",
        "local",
        "local",
        "host",
        "host",
        "host",
        "hostssl",
        "hostssl",
        "hostnossl",
        "hostnogssenc",
        "\"host\"",
        "hots",
        "host,local",
    ];
    const NAMES: &[&str] = &[
        "all",
        "all",
        "\"all\"",
        "sameuser",
        "replication",
        "a",
        "b,c",
        "\"d e\"",
        "+g",
        "\"+g\"",
        "a\"b",
        "é",
        "x#y",
        ",",
        "@more",
        "\"a\"\"b\"",
        "a\\b",
        "\\",
        "/a",
        "/^a$",
        "\"/a,b\"",
    ];
    const ADDRESSES: &[&str] = &[
        "all",
        "samenet",
        "samehost",
        "10.0.0.0/8",
        "10.0.0.1 255.255.0.0",
        "::1/128",
        "::/0",
        "localhost",
        "10.0.0.0/40",
        "127.0.0.1",
        "fe80::/10",
        "\"all\"",
        "10.0.0.0 /8",
    ];
    const METHODS: &[&str] = &[
        "trust",
        "reject",
        "md5",
        "scram-sha-256",
        "password",
        "peer",
        "ident",
        "cert",
        "\"trust\"",
        "trus",
        "cert map=x",
        "ident map=\"x y\"",
        "md5 clientcert=verify-ca",
        "md5 clientcert=verify-full",
        "radius radiusservers=127.0.0.1 radiussecrets=\"s t\"",
        "trust x",
        "trust x=y",
    ];
    let kind = *random.pick(KINDS);
    // Lists with blanks in them, at times.
    let ends: &[&str] = if random.percent(90) {
        &[" ", " ", " ", "\t", "  "]
    } else {
        &[" \\\n", ", ", " \\\n", " "]
    };
    let mut fields = vec![kind, *random.pick(NAMES), *random.pick(NAMES)];
    if kind != "local" || random.percent(5) {
        fields.push(*random.pick(ADDRESSES));
    }
    fields.push(*random.pick(METHODS));
    if random.percent(8) {
        fields.remove(random.below(fields.len()));
    }
    for field in fields {
        if random.percent(1) {
            text.push_str(random.pick::<&str>(&["\"", ",", "#", "\\", "\t", "\r", "\u{0}"]));
        }
        text.push_str(field);
        text.push_str(random.pick::<&str>(ends));
    }
}
