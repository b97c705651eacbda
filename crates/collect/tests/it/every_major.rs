//! Every group decodes on every major, with rows in it.

use crate::common::{Look, look};
use pgattest_catalog::auditor::{Plan, grant};
use pgattest_model::facts::{AclClass, PolicyCommand, RelationKind, SequenceUse, VerifierKind};
use pgattest_model::{Observation, Outcome, ServerVersion};
use pgattest_testkit::{Cluster, available_majors};

/// At least one of everything that there is a group for.
const ONE_OF_EACH: &str = r#"
CREATE ROLE app LOGIN PASSWORD 'app-password';
CREATE ROLE readers NOLOGIN;
CREATE ROLE alice LOGIN NOINHERIT BYPASSRLS CONNECTION LIMIT 3 VALID UNTIL '2031-01-01 00:00:00+00';
GRANT readers TO alice WITH ADMIN OPTION;
ALTER ROLE app SET search_path = app, public;
ALTER DATABASE postgres SET "app.current_tenant" = 'acme';
ALTER ROLE app IN DATABASE postgres SET log_statement = 'all';
CREATE SCHEMA app AUTHORIZATION app;
CREATE TABLE app.orders (id bigint GENERATED ALWAYS AS IDENTITY, tenant_id uuid NOT NULL, total numeric(10,2) DEFAULT 0,
    twice numeric GENERATED ALWAYS AS (total * 2) STORED, dropped text);
ALTER TABLE app.orders DROP COLUMN dropped;
ALTER TABLE app.orders OWNER TO app;
ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE INDEX by_tenant ON app.orders (tenant_id, id) WHERE total > 0;
CREATE POLICY tenant ON app.orders AS RESTRICTIVE FOR UPDATE TO app, readers
    USING (tenant_id = current_setting('app.current_tenant')::uuid) WITH CHECK (total >= 0);
CREATE POLICY read ON app.orders FOR SELECT USING (true);
CREATE TABLE app.events (at timestamptz, what text) PARTITION BY RANGE (at);
CREATE TABLE app.events_2026 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE VIEW app.totals WITH (security_barrier = true) AS SELECT tenant_id, sum(total) AS total FROM app.orders GROUP BY 1;
CREATE MATERIALIZED VIEW app.copied AS SELECT * FROM app.totals;
GRANT SELECT ON app.orders TO readers WITH GRANT OPTION;
GRANT SELECT (id), UPDATE (total) ON app.orders TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA app GRANT SELECT, INSERT ON TABLES TO readers;
ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE FUNCTION app.definer(a int, OUT b text) LANGUAGE plpgsql SECURITY DEFINER SET search_path = app, pg_temp
    SET statement_timeout = '5s' AS 'begin b := a; end';
CREATE FUNCTION app.lower(varchar) RETURNS text LANGUAGE sql AS 'select $1::text';
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
CREATE TRIGGER touch BEFORE UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'begin end';
CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION app.on_ddl();
CREATE FUNCTION app.tenant() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('app.current_tenant', true), '')::uuid; $$;
CREATE FUNCTION app.secretive() RETURNS text LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('app.current_tenant', true), 'function-literal') $$;
CREATE POLICY helped ON app.events FOR DELETE USING (what = app.tenant()::text OR what = app.secretive());
CREATE VIEW app.mine AS SELECT * FROM app.events WHERE what = current_setting('app.current_tenant') OR what = 'current_user';
CREATE FUNCTION app.keep() RETURNS trigger LANGUAGE plpgsql AS 'begin insert into events values (now(), new.id); return new; end';
CREATE TRIGGER keep AFTER INSERT ON app.orders FOR EACH ROW EXECUTE FUNCTION app.keep();
CREATE RULE copy AS ON UPDATE TO app.orders DO ALSO INSERT INTO app.events VALUES (now(), NEW.id);
CREATE RULE keep AS ON DELETE TO app.orders DO INSTEAD NOTHING;
CREATE TYPE app.mood AS ENUM ('good', 'bad');
REVOKE USAGE ON TYPE app.mood FROM PUBLIC;
CREATE FOREIGN DATA WRAPPER elsewhere OPTIONS (debug 'true');
CREATE SERVER far FOREIGN DATA WRAPPER elsewhere OPTIONS (host 'far.example', dbname 'x');
CREATE USER MAPPING FOR app SERVER far OPTIONS ("user" 'x', password 'mapping-password');
CREATE PUBLICATION listed FOR TABLE app.orders;
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE SUBSCRIPTION sub CONNECTION 'host=127.0.0.1 dbname=x password=subscription-password' PUBLICATION listed
    WITH (connect = false);
SELECT pg_create_physical_replication_slot('spare');
SELECT lo_create(4242);
GRANT SELECT ON LARGE OBJECT 4242 TO readers;
"#;

fn rows(observation: &Observation) -> u64 {
    match &observation.outcome {
        Outcome::Rows { rows, .. } => *rows,
        Outcome::Failed { message, .. } => panic!("{}: {message}", observation.id),
    }
}

async fn cluster(major: u32) -> Cluster {
    let mut builder = Cluster::builder(major).setting("wal_level", "logical");
    if major >= 15 {
        builder = builder.ident("map1 \"/^(.*)@example\\\\.com$\" app\n");
    }
    let cluster = builder.start().await.unwrap();
    cluster.execute("postgres", ONE_OF_EACH).await.unwrap();
    if major >= 15 {
        let more = "GRANT SET ON PARAMETER work_mem TO readers; CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA app;
            CREATE PUBLICATION filtered FOR TABLE app.orders (id, tenant_id) WHERE (total > 0);";
        cluster.execute("postgres", more).await.unwrap();
    }
    let auditor = Plan {
        role: "auditor",
        version: ServerVersion(major * 10_000),
        home: None,
        others: Vec::new(),
        unnameable: Vec::new(),
    };
    cluster.execute("postgres", &grant(&auditor)).await.unwrap();
    cluster
}

#[tokio::test]
async fn every_group_is_read_and_decoded_on_every_major() {
    for major in available_majors() {
        let cluster = cluster(major).await;
        let look = look(&cluster).await;
        assert_eq!(look.failures(), [], "{major}");
        let missing = look.missing();
        let without_ident_maps: Vec<_> = missing
            .iter()
            .filter(|(group, _)| major >= 15 || group != "ident_maps")
            .collect();
        assert!(without_ident_maps.is_empty(), "{major}: {missing:?}");

        let home = look
            .facts
            .inside
            .iter()
            .find(|inside| inside.name == "postgres")
            .unwrap()
            .oid;
        let at_home = |observation: &&Observation| {
            observation.id.database_oid().is_none_or(|oid| oid == home)
        };
        for observation in look.collection.observations.iter().filter(at_home) {
            // No test server here has pgaudit without asking for it, and the guide's view hides nothing from a superuser. The
            // files of an audit extension need not lie on this machine. This server has no TLS either, so it shows no
            // certificate.
            let empty = rows(observation) == 0;
            assert!(
                !empty
                    || matches!(
                        observation.id.group(),
                        "available-extensions" | "guide-pgaudit" | "wire-certificates"
                    ),
                "{major}: {} is empty",
                observation.id
            );
        }
        the_facts_are_right(&look, major);
    }
}

fn the_facts_are_right(look: &Look, major: u32) {
    let facts = &look.facts;
    let wrappers = look.inside("postgres").wrappers.here().unwrap();
    assert_eq!(wrappers.len(), if major >= 15 { 12 } else { 11 });
    assert!(
        wrappers.iter().all(|wrapper| wrapper.fault.is_none()),
        "{wrappers:?}"
    );
    let roles = facts.roles.here().unwrap();
    let role = |name: &str| roles.iter().find(|role| role.name == name).unwrap();
    let (app, alice, readers) = (role("app"), role("alice"), role("readers"));
    assert!(
        alice.bypass_rls
            && !alice.inherit
            && alice.connection_limit == 3
            && alice.valid_until == "2031-01-01 00:00:00+00"
    );
    assert!(app.can_login && !readers.can_login && app.valid_until.is_empty());

    let membership = facts.memberships.here().unwrap();
    let membership = membership
        .iter()
        .find(|row| row.member == alice.oid)
        .unwrap();
    assert_eq!(
        (membership.role, membership.admin_option),
        (readers.oid, true)
    );
    // From 16 on, the grant itself says it: NOINHERIT was the member's default when it was granted.
    assert!(
        !membership.inherit_option && membership.set_option,
        "{major}"
    );

    let verifiers = facts.verifiers.here().unwrap();
    let verifier = verifiers.iter().find(|row| row.role == app.oid).unwrap();
    assert!(
        matches!(verifier.kind, VerifierKind::ScramSha256 | VerifierKind::Md5),
        "{verifier:?}"
    );
    assert_eq!(
        verifier.iterations,
        if verifier.kind == VerifierKind::Md5 {
            0
        } else {
            4096
        }
    );
    assert!(
        verifiers
            .iter()
            .any(|row| row.role == readers.oid && row.kind == VerifierKind::None)
    );

    let role_settings = facts.role_settings.here().unwrap();
    let setting = |name: &str| role_settings.iter().find(|row| row.name == name).unwrap();
    assert_eq!(
        (
            setting("search_path").role,
            setting("search_path").value.as_str()
        ),
        (app.oid, "app, public")
    );
    assert_eq!(
        (
            setting("app.current_tenant").role,
            setting("app.current_tenant").value.as_str()
        ),
        (0, "acme")
    );

    let inside = look.inside("postgres");
    let relations = inside.relations.here().unwrap();
    let relation = |name: &str| relations.iter().find(|row| row.name == name).unwrap();
    let orders = relation("orders");
    assert!(
        orders.row_security
            && orders.force_row_security
            && orders.owner == app.oid
            && orders.schema_name == "app"
    );
    assert!(
        (orders.estimated_rows + 1.0).abs() < f64::EPSILON,
        "{orders:?}"
    );
    assert_eq!(
        (
            relation("events").kind,
            relation("events_2026").is_partition
        ),
        (RelationKind::Partitioned, true)
    );
    assert!(relation("totals").option_is_on("security_barrier"));
    assert_eq!(
        (relation("copied").kind, relation("orders_id_seq").kind),
        (RelationKind::MaterializedView, RelationKind::Sequence)
    );

    let columns = inside.columns.here().unwrap();
    let columns: Vec<_> = columns
        .iter()
        .filter(|column| column.relation == orders.oid)
        .collect();
    assert_eq!(
        columns
            .iter()
            .map(|column| column.name.as_str())
            .collect::<Vec<_>>(),
        ["id", "tenant_id", "total", "twice"]
    );
    assert_eq!(
        (columns[2].type_name.as_str(), columns[3].generated.as_str()),
        ("numeric(10,2)", "s")
    );
    assert!(columns[0].has_default && columns[1].not_null && !columns[1].has_default);

    let inheritance = inside.inheritance.here().unwrap();
    assert!(inheritance.iter().any(
        |row| row.child == relation("events_2026").oid && row.parent == relation("events").oid
    ));

    let sequences: Vec<_> = inside
        .column_sequences
        .here()
        .unwrap()
        .iter()
        .filter(|row| row.relation == orders.oid)
        .map(|row| (row.sequence, row.column, row.relationship))
        .collect();
    let numbers = relation("orders_id_seq").oid;
    assert_eq!(sequences, [(numbers, 1, SequenceUse::Identity)]);

    let policies = inside.policies.here().unwrap();
    let tenant = policies
        .iter()
        .find(|policy| policy.name == "tenant")
        .unwrap();
    assert_eq!(
        (tenant.command, tenant.permissive, tenant.relation),
        (PolicyCommand::Update, false, orders.oid)
    );
    let mut granted_to = tenant.roles.clone();
    granted_to.sort_unstable();
    assert_eq!(
        granted_to,
        [app.oid.min(readers.oid), app.oid.max(readers.oid)]
    );
    assert_eq!(
        tenant.using_expression,
        "(tenant_id = (current_setting('app.current_tenant'::text))::uuid)"
    );
    assert_eq!(tenant.check_expression, "(total >= (0)::numeric)");
    let read = policies
        .iter()
        .find(|policy| policy.name == "read")
        .unwrap();
    assert_eq!(
        (
            read.roles.as_slice(),
            read.has_check,
            read.check_expression.as_str()
        ),
        ([0].as_slice(), false, "")
    );
    let used: Vec<_> = inside
        .policy_columns
        .here()
        .unwrap()
        .iter()
        .filter(|row| row.policy == tenant.oid)
        .map(|row| (row.relation, row.column))
        .collect();
    assert_eq!(used, [(orders.oid, 2), (orders.oid, 3)]);

    let called = inside.policy_functions.here().unwrap();
    let called: Vec<_> = called
        .iter()
        .map(|row| (row.name.as_str(), row.setting_read.trim(), row.bound))
        .collect();
    let body = "SELECT nullif(current_setting('app.current_tenant', true), '')::uuid;";
    assert_eq!(called, [("tenant", body, false), ("secretive", "", false)]);
    let indexes = inside.indexes.here().unwrap();
    let index = indexes
        .iter()
        .find(|index| index.relation == orders.oid)
        .unwrap();
    assert_eq!(
        (
            index.name.as_str(),
            index.method.as_str(),
            index.leading_column
        ),
        ("by_tenant", "btree", 2)
    );
    assert!(index.partial && index.valid);

    let filters = inside.view_filters.here().unwrap();
    let mine = filters
        .iter()
        .find(|row| row.view == relation("mine").oid)
        .unwrap();
    assert!(mine.asks_setting && !mine.asks_user && !mine.calls_function);
    let written: Vec<_> = inside
        .rule_writes
        .here()
        .unwrap()
        .iter()
        .map(|row| row.writes)
        .collect();
    assert_eq!(written, [relation("events").oid]);
    let written: Vec<_> = inside
        .trigger_writes
        .here()
        .unwrap()
        .iter()
        .map(|row| row.writes)
        .collect();
    assert_eq!(written, [relation("events").oid]);

    let reads = inside.view_dependencies.here().unwrap();
    let reads: Vec<_> = reads.iter().map(|row| (row.view, row.reads)).collect();
    assert!(
        reads.contains(&(relation("totals").oid, orders.oid))
            && reads.contains(&(relation("copied").oid, relation("totals").oid))
    );

    let functions = inside.functions.here().unwrap();
    let definer = functions
        .iter()
        .find(|function| function.name == "definer")
        .unwrap();
    assert!(definer.security_definer && definer.language == "plpgsql");
    assert_eq!(definer.sql_name(), "app.definer(a integer, OUT b text)");
    let clauses = [("search_path", "app, pg_temp"), ("statement_timeout", "")];
    assert_eq!(
        definer.settings,
        clauses.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );

    let acls = inside.acls.here().unwrap();
    let on = |class, object, column, grantee| {
        let found = acls.iter().find(|acl| {
            (acl.class, acl.object, acl.column, acl.grantee) == (class, object, column, grantee)
        });
        found.map(|acl| {
            (
                acl.names(),
                acl.privileges.iter().any(|given| given.grantable),
                acl.is_default,
            )
        })
    };
    assert_eq!(
        on(AclClass::Relation, orders.oid, 0, readers.oid),
        Some(("SELECT".to_owned(), true, false))
    );
    assert!(
        on(AclClass::Relation, orders.oid, 0, app.oid)
            .unwrap()
            .0
            .contains("TRUNCATE")
    );
    assert_eq!(
        on(AclClass::Column, orders.oid, 3, 0),
        Some(("UPDATE".to_owned(), false, false))
    );
    assert_eq!(
        on(AclClass::Function, definer.oid, 0, 0),
        Some(("EXECUTE".to_owned(), false, true))
    );
    assert_eq!(
        on(AclClass::LargeObject, 4242, 0, readers.oid),
        Some(("SELECT".to_owned(), false, false))
    );
    assert!(
        on(
            AclClass::ForeignDataWrapper,
            inside.foreign_data_wrappers.here().unwrap()[0].oid,
            0,
            10
        )
        .is_some()
    );
    assert!(
        on(
            AclClass::ForeignServer,
            inside.foreign_servers.here().unwrap()[0].oid,
            0,
            10
        )
        .is_some()
    );
    let public_may_create = acls
        .iter()
        .any(|acl| acl.class == AclClass::Schema && acl.grantee == 0 && acl.has("CREATE"));
    assert_eq!(
        public_may_create,
        major < 15,
        "15 took CREATE on public from PUBLIC"
    );
    // Of the server's own objects only those that somebody changed: here none.
    assert!(acls.iter().all(|acl| acl.object >= 16_384
        || acl.object == 2200
        || acl.object == 4242
        || acl.class == AclClass::Language));

    let defaults = inside.default_acls.here().unwrap();
    assert!(defaults.iter().any(|row| row.object_type == "r"
        && row.grantee == readers.oid
        && row.schema != 0
        && row.privileges.len() == 2));
    let future_functions: Vec<_> = defaults
        .iter()
        .filter(|row| row.object_type == "f")
        .map(|row| row.grantee)
        .collect();
    assert_eq!(future_functions, [app.oid], "PUBLIC was revoked");

    let shared = facts.shared_acls.here().unwrap();
    assert!(shared.iter().any(|acl| acl.class == AclClass::Database
        && acl.grantee == 0
        && acl.has("CONNECT")
        && acl.is_default));
    let parameter = shared
        .iter()
        .find(|acl| acl.class == AclClass::Parameter && acl.grantee == readers.oid);
    assert_eq!(
        parameter.map(|acl| (acl.name.as_str(), acl.names())),
        (major >= 15).then(|| ("work_mem", "SET".to_owned()))
    );

    let mapping = &inside.user_mappings.here().unwrap()[0];
    assert!(mapping.options_visible && mapping.role == app.oid);
    assert_eq!(mapping.option_keys, ["password", "user"]);
    assert_eq!(
        inside.foreign_servers.here().unwrap()[0].option_keys,
        ["dbname", "host"]
    );

    let published = inside.publication_relations.here().unwrap();
    let publications = inside.publications.here().unwrap();
    let publication = |name: &str| {
        publications
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.oid)
    };
    let in_publication = |name| {
        published
            .iter()
            .filter(|row| Some(row.publication) == publication(name))
            .collect::<Vec<_>>()
    };
    assert!(
        publications
            .iter()
            .any(|row| row.name == "everything" && row.all_tables)
    );
    assert_eq!(
        in_publication("listed")
            .iter()
            .map(|row| row.relation)
            .collect::<Vec<_>>(),
        [orders.oid]
    );
    if major >= 15 {
        assert_eq!(
            in_publication("of_schema").len(),
            3,
            "orders, events, events_2026"
        );
        assert!(
            in_publication("filtered")
                .iter()
                .all(|row| row.has_row_filter && row.has_column_list)
        );
        let map = &facts.ident_maps.here().unwrap()[0];
        assert!(map.is_regex && map.map == "map1" && map.role == "app" && map.line == 1);
    }
    let subscriptions = facts.subscriptions.here().unwrap();
    assert_eq!(
        (subscriptions[0].name.as_str(), subscriptions[0].enabled),
        ("sub", false)
    );
    assert_eq!(
        (
            facts.slots.here().unwrap()[0].name.as_str(),
            facts.slots.here().unwrap()[0].kind.as_str()
        ),
        ("spare", "physical")
    );

    assert_eq!(
        inside
            .rules
            .here()
            .unwrap()
            .iter()
            .map(|rule| rule.name.as_str())
            .collect::<Vec<_>>(),
        ["copy", "keep"]
    );
    assert_eq!(
        inside
            .triggers
            .here()
            .unwrap()
            .iter()
            .map(|trigger| trigger.name.as_str())
            .collect::<Vec<_>>(),
        ["touch", "keep"]
    );
    assert_eq!(
        inside.event_triggers.here().unwrap()[0].event,
        "ddl_command_end"
    );
    let own = facts
        .sessions
        .here()
        .unwrap()
        .iter()
        .filter(|session| session.own)
        .count();
    assert_eq!(own, 1);
    assert_eq!(facts.version().unwrap().major(), major);
}
