//! Inference on small schemas: what is taken for a tenant column, and what is not.

use super::{Source, Tenancy};
use pgattest_model::facts::{
    Column, DatabaseFacts, Inheritance, Oid, Policy as RlsPolicy, PolicyColumn, PolicyCommand,
    Relation, RelationKind,
};
use pgattest_model::{Collected, Facts, ObservationId, Policy};
use std::collections::BTreeSet;

/// A database in the making: `.table("orders", &["id", "tenant_id"])`, `.policy("orders", "tenant_id", "..")`.
struct Schema {
    relations: Vec<Relation>,
    columns: Vec<Column>,
    policies: Vec<RlsPolicy>,
    used: Vec<PolicyColumn>,
}

impl Schema {
    const fn new() -> Self {
        Self {
            relations: Vec::new(),
            columns: Vec::new(),
            policies: Vec::new(),
            used: Vec::new(),
        }
    }

    /// A column is `name` or `name type`.
    fn table(mut self, name: &str, columns: &[&str]) -> Self {
        let oid = 100 + Oid::try_from(self.relations.len()).unwrap();
        self.relations.push(Relation {
            oid,
            schema: 1,
            schema_name: "public".to_owned(),
            name: name.to_owned(),
            kind: RelationKind::Table,
            owner: 10,
            persistence: "p".to_owned(),
            row_security: false,
            force_row_security: false,
            is_partition: false,
            options: Vec::new(),
            estimated_rows: -1.0,
            extension: 0,
        });
        for (number, column) in (1..).zip(columns) {
            let (name, type_name) = column.split_once(' ').unwrap_or((column, "integer"));
            self.columns.push(Column {
                relation: oid,
                number,
                name: name.to_owned(),
                type_name: type_name.to_owned(),
                not_null: true,
                has_default: false,
                generated: String::new(),
                domain_over: String::new(),
            });
        }
        self
    }

    fn changed(mut self, change: impl Fn(&mut Relation)) -> Self {
        change(self.relations.last_mut().unwrap());
        self
    }

    /// A policy whose expression uses these columns of its table.
    fn policy(mut self, table: &str, columns: &[&str], expression: &str) -> Self {
        let relation = self
            .relations
            .iter()
            .find(|relation| relation.name == table)
            .unwrap()
            .oid;
        let oid = 1000 + Oid::try_from(self.policies.len()).unwrap();
        self.policies.push(RlsPolicy {
            oid,
            relation,
            name: "p".to_owned(),
            command: PolicyCommand::All,
            permissive: true,
            roles: vec![0],
            has_using: true,
            using_expression: expression.to_owned(),
            has_check: false,
            check_expression: String::new(),
        });
        for name in columns {
            let column = self
                .columns
                .iter()
                .find(|column| column.relation == relation && column.name == *name)
                .unwrap();
            self.used.push(PolicyColumn {
                policy: oid,
                relation,
                column: column.number,
            });
        }
        self
    }

    fn database(self, name: &str) -> DatabaseFacts {
        DatabaseFacts {
            oid: 5,
            name: name.to_owned(),
            wrappers: unread(),
            schemas: unread(),
            relations: read(self.relations),
            columns: read(self.columns),
            inheritance: read(Vec::<Inheritance>::new()),
            row_counters: unread(),
            column_sequences: unread(),
            acls: unread(),
            default_acls: unread(),
            policies: read(self.policies),
            policy_columns: read(self.used),
            view_dependencies: unread(),
            functions: unread(),
            shadowing_functions: unread(),
            restricted_functions: unread(),
            restricted_relations: unread(),
            triggers: unread(),
            policy_functions: unread(),
            view_filters: unread(),
            indexes: unread(),
            trigger_writes: unread(),
            rule_writes: unread(),
            event_triggers: unread(),
            rules: unread(),
            extensions: unread(),
            languages: unread(),
            foreign_data_wrappers: unread(),
            foreign_servers: unread(),
            user_mappings: unread(),
            publications: unread(),
            publication_relations: unread(),
            code_marks: unread(),
            option_marks: unread(),
        }
    }

    /// The multi-tenant tables, as `name.column` with how that is known.
    fn tenants(self, policy: &Policy) -> Vec<(String, Source)> {
        let facts = facts(vec![self.database("shop")]);
        let tables = Tenancy::infer(&facts, policy)
            .tables(&facts.inside[0], policy)
            .unwrap();
        tables
            .iter()
            .map(|table| {
                let column = table.column.map_or("-", |column| column.name.as_str());
                (format!("{}.{column}", table.relation.name), table.source)
            })
            .collect()
    }

    /// The same for an empty policy file, names only.
    fn inferred(self) -> Vec<String> {
        self.tenants(&Policy::default())
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }
}

fn read<T>(value: T) -> Collected<T> {
    Collected::Here {
        value,
        from: ObservationId::database(5, "test"),
    }
}

fn unread<T>() -> Collected<T> {
    Collected::missing("not read")
}

fn facts(inside: Vec<DatabaseFacts>) -> Facts {
    Facts {
        server: unread(),
        own_session: unread(),
        settings: unread(),
        role_settings: unread(),
        file_settings: unread(),
        roles: unread(),
        verifiers: unread(),
        memberships: unread(),
        databases: unread(),
        tablespaces: unread(),
        shared_acls: unread(),
        hba_rules: unread(),
        hba_files: unread(),
        ident_maps: unread(),
        sessions: unread(),
        slots: unread(),
        subscriptions: unread(),
        trail: unread(),
        trail_coverage: unread(),
        trail_canaries: unread(),
        trail_defects: unread(),
        trail_changes: unread(),
        trail_sinks: unread(),
        trail_rules: unread(),
        handshakes: unread(),
        certificates: unread(),
        subscription_secrets: unread(),
        available_extensions: unread(),
        inside,
    }
}

fn declaring(column: Option<&str>, tables: &[&str], shared: &[&str]) -> Policy {
    let list = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    let mut policy = Policy::default();
    policy.tenancy.column = column.map(str::to_owned);
    policy.tenancy.tables = list(tables);
    policy.tenancy.shared = list(shared);
    policy
}

const BY_TENANT: &str = "(tenant_id = (current_setting('app.current_tenant'::text))::integer)";

#[test]
fn a_declared_column_is_the_only_one() {
    let schema = Schema::new()
        .table("orders", &["id", "firm"])
        .table("other", &["id", "tenant_id"])
        .table("log", &["tenant_id"]);
    assert_eq!(
        schema.tenants(&declaring(Some("firm"), &[], &[])),
        [("orders.firm".to_owned(), Source::Declared)]
    );
}

#[test]
fn declared_tables_count_without_the_column_and_shared_ones_do_not_with_it() {
    let schema = Schema::new()
        .table("orders", &["tenant_id"])
        .table("lines", &["order_id"])
        .table("plans", &["tenant_id"])
        .table("Odd Name", &["tenant_id"]);
    let policy = declaring(
        Some("tenant_id"),
        &["shop.public.lines"],
        &["public.plans", "public.\"Odd Name\""],
    );
    assert_eq!(
        schema.tenants(&policy),
        [
            ("orders.tenant_id".to_owned(), Source::Declared),
            ("lines.-".to_owned(), Source::Declared)
        ]
    );
}

#[test]
fn a_policy_makes_its_column_the_tenant_column_of_every_table_that_carries_it() {
    let schema = Schema::new()
        .table("orders", &["id", "firm text"])
        .table("invoices", &["id", "firm text"])
        .table("countries", &["id"])
        .policy(
            "orders",
            &["firm"],
            "(firm = current_setting('app.firm'::text))",
        );
    assert_eq!(
        schema.tenants(&Policy::default()),
        [
            ("orders.firm".to_owned(), Source::Policies),
            ("invoices.firm".to_owned(), Source::Policies)
        ]
    );
}

#[test]
fn the_policy_on_the_tenants_own_key_does_not_outvote_the_others() {
    let schema = Schema::new()
        .table("tenants", &["id"])
        .table("docs", &["id", "firm"])
        .table("shared", &["id"])
        .policy("tenants", &["id"], "(id = app.firm())")
        .policy("docs", &["firm"], "(firm = app.firm())")
        .policy("shared", &[], "true");
    assert_eq!(schema.inferred(), ["docs.firm"]);
}

#[test]
fn flags_times_and_constant_conditions_beside_the_tenant_are_no_tenants() {
    let expression = "((firm = app.firm()) AND (deleted_at IS NULL) AND (NOT hidden) AND (state = 'open'::text))";
    let columns = [
        "firm",
        "deleted_at timestamp with time zone",
        "hidden boolean",
        "state text",
    ];
    let schema = Schema::new()
        .table("orders", &columns)
        .table("events", &columns[1..])
        .policy(
            "orders",
            &["firm", "deleted_at", "hidden", "state"],
            expression,
        );
    assert_eq!(schema.inferred(), ["orders.firm"]);
}

#[test]
fn one_policy_on_an_owner_does_not_make_every_owner_a_tenant() {
    let by_owner = "(owner_id = app.me())";
    let schema = Schema::new()
        .table("orders", &["firm", "owner_id"])
        .table("lines", &["firm", "owner_id"])
        .table("notes", &["owner_id"])
        .table("files", &["owner_id"])
        .policy("orders", &["firm"], "(firm = app.firm())")
        .policy("lines", &["firm"], "(firm = app.firm())")
        .policy("notes", &["owner_id"], by_owner);
    assert_eq!(schema.inferred(), ["orders.firm", "lines.firm"]);
}

#[test]
fn a_name_that_says_tenant_is_taken_even_when_few_policies_use_it() {
    let schema = Schema::new()
        .table("a", &["region", "tenant_id"])
        .table("b", &["region"])
        .table("c", &["region"])
        .policy(
            "a",
            &["region", "tenant_id"],
            &format!("((region = app.region()) AND {BY_TENANT})"),
        )
        .policy("b", &["region"], "(region = app.region())")
        .policy("c", &["region"], "(region = app.region())");
    assert_eq!(schema.inferred(), ["a.tenant_id"]);
}

#[test]
fn without_any_policy_a_telling_name_on_several_tables_is_taken() {
    let schema = Schema::new()
        .table("a", &["tenantId"])
        .table("b", &["tenantId"])
        .table("c", &["id"]);
    assert_eq!(
        schema.tenants(&Policy::default()),
        [
            ("a.tenantId".to_owned(), Source::Name),
            ("b.tenantId".to_owned(), Source::Name)
        ]
    );
}

#[test]
fn weaker_names_count_only_when_nothing_surer_is_there() {
    let weak = Schema::new()
        .table("a", &["customer_id"])
        .table("b", &["customer_id"]);
    assert_eq!(weak.inferred(), ["a.customer_id", "b.customer_id"]);
    let surer = Schema::new()
        .table("a", &["org_id", "customer_id"])
        .table("b", &["org_id"])
        .table("c", &["customer_id"]);
    assert_eq!(surer.inferred(), ["a.org_id", "b.org_id"]);
    let policies = Schema::new()
        .table("a", &["firm", "org_id"])
        .table("b", &["org_id"])
        .policy("a", &["firm"], "(firm = app.firm())");
    assert_eq!(policies.inferred(), ["a.firm"]);
}

#[test]
fn one_table_and_its_partitions_are_not_several() {
    let schema = Schema::new()
        .table("log", &["tenant_id"])
        .changed(|relation| relation.kind = RelationKind::Partitioned)
        .table("log_1", &["tenant_id"])
        .changed(|relation| relation.is_partition = true)
        .table("log_2", &["tenant_id"])
        .changed(|relation| relation.is_partition = true);
    assert!(schema.inferred().is_empty());
}

#[test]
fn views_temporary_tables_and_extensions_tables_hold_no_tenants() {
    let schema = Schema::new()
        .table("view", &["tenant_id"])
        .changed(|relation| relation.kind = RelationKind::View)
        .table("temporary", &["tenant_id"])
        .changed(|relation| "t".clone_into(&mut relation.persistence))
        .table("extension", &["tenant_id"])
        .changed(|relation| relation.extension = 7)
        .table("orders", &["tenant_id"])
        .table("lines", &["tenant_id"]);
    assert_eq!(schema.inferred(), ["orders.tenant_id", "lines.tenant_id"]);
}

#[test]
fn a_database_that_was_not_read_has_no_answer() {
    let mut unseen = Schema::new()
        .table("orders", &["tenant_id"])
        .database("unseen");
    unseen.columns = unread();
    let facts = facts(vec![unseen]);
    let policy = Policy::default();
    let tenancy = Tenancy::infer(&facts, &policy);
    assert!(tenancy.tables(&facts.inside[0], &policy).is_none());
    assert!(!tenancy.is_known(&facts.inside[0], &policy));
}

#[test]
fn what_is_known_is_known_for_each_database() {
    let named = Schema::new()
        .table("a", &["tenant_id"])
        .table("b", &["tenant_id"])
        .database("named");
    let mut silent = Schema::new()
        .table("a", &["id"])
        .table("b", &["id"])
        .database("silent");
    silent.oid = 6;
    let facts = facts(vec![named, silent]);
    let known = |policy: &Policy| {
        let tenancy = Tenancy::infer(&facts, policy);
        facts
            .inside
            .iter()
            .map(|database| tenancy.is_known(database, policy))
            .collect::<Vec<_>>()
    };
    assert_eq!(known(&Policy::default()), [true, false]);
    assert_eq!(known(&declaring(Some("firm"), &[], &[])), [true, true]);
    assert_eq!(known(&declaring(None, &["public.a"], &[])), [true, true]);
}
