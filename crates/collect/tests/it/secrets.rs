//! Secrets that are planted in the cluster stay in the cluster.

use crate::common::{contains, look};
use pgattest_model::facts::{CodeMark, KeyKind, OptionMark, Shape};
use pgattest_testkit::{Cluster, available_majors};

const HBA: &str = "local all postgres trust
host all postgres 127.0.0.1/32 trust
host all ldapuser 127.0.0.1/32 ldap ldapserver=ldap.example ldapbasedn=\"dc=canaryBasedn\" ldapbinddn=\"cn=canaryBinddn\" ldapbindpasswd=canaryBindpasswd ldapsearchattribute=uid
host all radiususer 127.0.0.1/32 radius radiusservers=\"10.0.0.1\" radiussecrets=\"canaryRadius\"
host all broken1 127.0.0.1/32 ldap ldapbindpasswd canaryUnquoted
host all broken2 127.0.0.1/32 scram-sha-256 canaryOption=\"x\"
hostssl all certuser 127.0.0.1/32 cert map=people clientname=DN
";

#[tokio::test]
async fn planted_secrets_are_in_no_observation() {
    for major in available_majors() {
        let cluster = Cluster::builder(major)
            .setting("app.token", "canaryFileToken")
            .setting("app.harmless_looking", "canaryFileHarmless")
            .setting("primary_conninfo", "host=x user=y password=canaryPrimary")
            .setting("archive_command", "curl -H 'canaryArchive' %p")
            .setting("restore_command", "curl -H 'canaryRestore' %p")
            .setting("ssl_passphrase_command", "echo canaryPassphrase")
            .setting("application_name", "postgres://u:canaryUrl@h/d")
            .setting("wal_level", "logical")
            .start()
            .await
            .unwrap();
        cluster.write_hba(HBA).unwrap();
        cluster.append_conf("mykey", "canaryNoSetting").unwrap();
        let sql = r"
            CREATE ROLE app LOGIN PASSWORD 'canaryRolePassword';
            ALTER ROLE app SET app.encryption_key = 'canaryEncryptionKey';
            ALTER ROLE app SET app.something = 'canaryCustom';
            ALTER ROLE app SET app.tenant_id = '00112233445566778899aabbccddeeffcanary';
            ALTER ROLE app SET app.hex_id = '00112233445566778899aabbccddee99';
            ALTER DATABASE postgres SET app.api_key = 'canaryApiKey';
            ALTER DATABASE postgres SET app.url = 'https://u:canaryDbUrl@h/';
            CREATE FOREIGN DATA WRAPPER w OPTIONS (secret 'canaryWrapper');
            CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (password 'canaryServer');
            CREATE USER MAPPING FOR app SERVER s OPTIONS (password 'canaryMapping');
            CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (password 'canaryPublicMapping');
            CREATE FOREIGN TABLE ft (a int) SERVER s OPTIONS (password 'canaryTable');
            CREATE PUBLICATION p;
            CREATE SUBSCRIPTION sub CONNECTION 'host=127.0.0.1 password=canarySubscription' PUBLICATION p WITH (connect = false);
            CREATE FUNCTION f() RETURNS text LANGUAGE sql SET app.key = 'canaryFunctionSetting' AS $$ SELECT 'canaryBody' $$;
            CREATE VIEW v AS SELECT 'canaryView'::text;
            CREATE EXTENSION pgcrypto;
            CREATE FUNCTION dial() RETURNS text LANGUAGE sql AS $$ SELECT 'host=x user=y password=canaryDial'::text $$;
            CREATE FUNCTION open(data bytea) RETURNS text LANGUAGE sql AS $$ SELECT pgp_sym_decrypt(data, 'canaryKey') $$;
            CREATE VIEW opened AS SELECT hmac(substr('a(b', 1, 1)::text, 'canaryHmac', 'sha256');
            CREATE TABLE t (a int, b text DEFAULT encode(hmac('a', 'canaryDefault', 'sha256'), 'hex'));
            CREATE INDEX ON t (hmac(b, 'canaryIndex', 'sha256'));
            CREATE POLICY signed ON t USING (hmac(b, 'canaryPolicy''s', 'sha256') = decode(current_setting('app.mac', true), 'hex'));
            CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
            CREATE TRIGGER tell BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION tell('postgres://u:canaryTrigger@h/d');
        ";
        cluster.execute("postgres", sql).await.unwrap();
        let hashes = cluster
            .query_text(
                "postgres",
                "SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL",
            )
            .await
            .unwrap();

        let look = look(&cluster).await;
        assert_eq!(look.failures(), [], "{major}");
        let everything = look.everything();
        let lower: Vec<u8> = everything.to_ascii_lowercase();
        let found = lower.windows(6).position(|window| window == b"canary");
        let around = found.map(|at| {
            String::from_utf8_lossy(
                &everything[at.saturating_sub(200)..(at + 60).min(everything.len())],
            )
            .into_owned()
        });
        assert_eq!(around, None, "{major}");
        assert!(
            !contains(&everything, "00112233445566778899aabbccddee99"),
            "{major}"
        );
        for hash in hashes.iter().flatten().flatten() {
            assert!(!contains(&everything, hash), "{major}: a verifier");
        }
        let policies = look.inside("postgres").policies.here().unwrap();
        assert!(
            policies[0]
                .using_expression
                .contains("current_setting('app.mac'::text, true)"),
            "{}: the name of a setting is no secret",
            policies[0].using_expression
        );
        what_stays_is_reported_as_a_kind(&look);
        what_code_and_options_give_away_is_marked(&look);
    }
}

fn what_stays_is_reported_as_a_kind(look: &crate::common::Look) {
    let facts = &look.facts;
    let role_settings = facts.role_settings.here().unwrap();
    let kinds: Vec<_> = role_settings
        .iter()
        .map(|row| (row.name.as_str(), row.withheld, row.shape, row.key_kind))
        .collect();
    assert!(
        kinds.contains(&("app.encryption_key", true, Shape::Word, KeyKind::Secret)),
        "{kinds:?}"
    );
    assert!(
        kinds.contains(&("app.something", true, Shape::Word, KeyKind::Plain)),
        "{kinds:?}"
    );
    assert!(
        kinds.contains(&("app.hex_id", true, Shape::KeyMaterial, KeyKind::Plain)),
        "{kinds:?}"
    );
    assert!(
        kinds.contains(&(
            "app.url",
            true,
            Shape::ConnectionWithPassword,
            KeyKind::Plain
        )),
        "{kinds:?}"
    );

    let settings = facts.settings.here().unwrap();
    let primary = settings.require("primary_conninfo").unwrap();
    assert!(
        primary.withheld
            && primary.shape == Shape::ConnectionWithPassword
            && primary.value.is_empty()
    );
    assert!(
        facts
            .file_settings
            .here()
            .unwrap()
            .iter()
            .any(|line| line.name == "app.token" && line.withheld)
    );

    let rules = facts.hba_rules.here().unwrap();
    // Debian's server is built with LDAP, RADIUS and TLS; the others refuse the lines.
    if facts.version().unwrap().major() == 15 {
        let of = |method: &str| rules.iter().find(|rule| rule.method == method).unwrap();
        assert_eq!(of("ldap").option("ldapserver"), Some("ldap.example"));
        let bind = of("ldap")
            .options
            .iter()
            .find(|option| option.name == "ldapbindpasswd")
            .unwrap();
        assert!(bind.withheld && bind.value.is_empty());
        assert_eq!(of("radius").option("radiusservers"), Some("10.0.0.1"));
        assert!(
            of("radius")
                .options
                .iter()
                .any(|option| option.name == "radiussecrets" && option.withheld)
        );
        assert_eq!(of("cert").option("map"), Some("people"));
    }
    assert!(rules.iter().filter(|rule| !rule.is_valid()).count() >= 2);
}

fn what_code_and_options_give_away_is_marked(look: &crate::common::Look) {
    let inside = look.inside("postgres");
    let code = inside.code_marks.here().unwrap();
    let marks: Vec<_> = code
        .iter()
        .filter(|piece| !piece.marks.is_empty())
        .map(|piece| (piece.class.as_str(), piece.sql_name(), &piece.marks[..]))
        .collect();
    let key = &[CodeMark::CallsPgcrypto, CodeMark::KeyLiteral][..];
    let connection = &[CodeMark::ConnectionWithPassword][..];
    for expected in [
        ("function", "public.dial()", connection),
        ("function", "public.f()", &[CodeMark::SecretSetting][..]),
        ("function", "public.open(data bytea)", key),
        ("view", "public.opened", key),
        ("default of column", "public.t.b", key),
        ("index", "t_hmac_idx ON public.t", key),
        ("policy", "signed ON public.t", key),
        ("trigger", "tell ON public.t", connection),
    ] {
        assert!(
            marks
                .iter()
                .any(|(class, name, marks)| (*class, name.as_str(), *marks) == expected),
            "{expected:?}: {marks:?}"
        );
    }
    assert_eq!(marks.len(), 8, "{marks:?}");
    let options = inside.option_marks.here().unwrap();
    assert_eq!(
        options
            .iter()
            .filter(|object| object.has(OptionMark::Password))
            .count(),
        5,
        "a wrapper, a server, a table and two mappings: {options:?}"
    );
    let subscriptions = look.facts.subscription_secrets.here().unwrap();
    assert!(
        subscriptions
            .iter()
            .all(|subscription| subscription.holds_password)
    );
    assert_eq!(subscriptions.len(), 1);
}

#[tokio::test]
async fn values_that_a_check_needs_are_shown() {
    let cluster = Cluster::builder(15)
        .setting("app.current_tenant", "acme")
        .start()
        .await
        .unwrap();
    let sql = "CREATE ROLE app; ALTER ROLE app SET search_path = a, b; ALTER ROLE app SET row_security = off;
        ALTER ROLE app SET role = 'postgres'; ALTER ROLE app SET password_encryption = 'md5';
        ALTER ROLE app SET pgaudit.log = 'none'; ALTER ROLE app SET session_preload_libraries = 'x';
        ALTER ROLE app SET log_statement = 'none'; ALTER ROLE app SET app.current_tenant = '6f1c2b3a-0000-4000-8000-000000000001'";
    cluster.execute("postgres", sql).await.unwrap();
    let look = look(&cluster).await;
    let rows = look.facts.role_settings.here().unwrap();
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (row.name.as_str(), row.value.as_str()))
        .collect();
    let expected = [
        ("search_path", "a, b"),
        ("row_security", "off"),
        ("role", "postgres"),
        ("password_encryption", "md5"),
        ("pgaudit.log", "none"),
        ("session_preload_libraries", "x"),
        ("log_statement", "none"),
        ("app.current_tenant", "6f1c2b3a-0000-4000-8000-000000000001"),
    ];
    assert_eq!(shown, expected);
    let files = look.facts.file_settings.here().unwrap();
    let tenant = files
        .iter()
        .find(|line| line.name == "app.current_tenant")
        .unwrap();
    assert_eq!(tenant.value, "acme");
    let settings = look.facts.settings.here().unwrap();
    let withheld: Vec<_> = settings
        .iter()
        .filter(|setting| setting.withheld)
        .map(|setting| setting.name.as_str())
        .collect();
    assert_eq!(
        withheld,
        ["archive_command"],
        "of the server's own settings only commands are withheld"
    );
    assert!(
        settings
            .iter()
            .all(|setting| setting.key_kind == KeyKind::Plain)
    );
    assert_eq!(
        settings.require("datestyle").unwrap().reset_value,
        "ISO, MDY",
        "names are lower case"
    );
}
