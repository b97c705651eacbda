//! Views that show rows past the policies of the tables under them.

use super::family::Family;
use super::grants::{Bound, Grants, listed};
use super::predicate::is_constant_true;
use super::{in_each, is_protected};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{
    Acl, DatabaseFacts, Inheritance, Oid, PUBLIC, Policy, Relation, RelationKind, ViewDependency,
};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Seen, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

declare_check! {
    /// ## What it checks
    /// Every view that reads a table with row-level security, directly or through other views, is bound by the table's policies
    /// when somebody other than its owner uses it. A view reads its tables as its owner, unless it has `security_invoker` (15 and
    /// later; before, every view does). It is reported when that owner is exempt from the policies: it is a superuser, has
    /// `BYPASSRLS`, owns the table (or has its owner's privileges) while row-level security is not forced, or has a policy of its
    /// own that lets every row through. So is a view that reads a partition without row-level security of its own: the policies of
    /// the table above it do not reach there. The finding gives the path from the view to the table and who can use the view.
    ///
    /// A view whose owner is bound is not reported: policies that ask for `current_setting` or `current_user` see the session of
    /// whoever uses the view. Nor is one that nobody but its owner, superusers and roles with `BYPASSRLS` can use (members of an
    /// owner with `BYPASSRLS` do not have the attribute, but the view), and one that an extension made. Materialized views hold copies of rows and are another matter. Whether the view's own conditions
    /// limit it to one tenant is not looked at.
    ///
    /// ## Why it matters
    /// `SELECT * FROM orders` returns one tenant's rows, `SELECT * FROM orders_view` those of all. Migrations run by a superuser
    /// make such views without a word, and `REASSIGN OWNED` turns harmless ones into them. A view that can be updated writes past
    /// the policies too.
    ///
    /// ## How to fix it
    /// From 15: `ALTER VIEW orders_view SET (security_invoker = true);`; its users then need privileges on the tables. Before:
    /// give the view to a role that owns nothing and is bound by the policies: `ALTER VIEW orders_view OWNER TO view_owner;`.
    ///
    /// ## References
    /// - PostgreSQL 16 documentation, chapter 41.5, Rules and Privileges; SQL command CREATE VIEW
    pub DefinerViews {
        id: "RLS-15",
        name: "definer-views",
        title: "No view shows rows past the policies of the tables under it",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

/// Why policies do not bind the owner of a view: completes "its owner ..".
const SUPERUSER: &str = "is a superuser";
const TABLE_OWNER: &str = "is exempt as the table's owner";
/// Why they do not bind anybody: completes "the view ..".
const PARTITION: &str = "reads a partition without row-level security of its own";

/// The version from which a view can run with its user's rights.
const SECURITY_INVOKER: u32 = 15;

impl Check for DefinerViews {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let bound = Bound::new(context)?;
        let invoker_exists = context.version()?.major() >= SECURITY_INVOKER;
        let (databases, not_seen) =
            in_each(context, |database| Inside::join(database, invoker_exists))?;
        let mut count = 0;
        let mut findings = Vec::new();
        for inside in &databases {
            let (protected, reported) = inside.reported(&bound);
            count += protected;
            findings.extend(
                reported
                    .iter()
                    .map(|(view, leak, users)| inside.finding(view, leak, users)),
            );
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no view reads a table with row-level security".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "views over tables with row-level security",
            },
            findings,
            not_seen,
        })
    }
}

/// A view that shows rows past policies.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ViewLeak {
    /// The database.
    pub database: Oid,
    /// The view that is reported.
    pub view: Oid,
    /// The view whose owner is exempt: this one or one under it.
    pub reader: Oid,
    /// Whether no owner is at fault: it reads a partition without row-level security of its own.
    pub at_partition: bool,
}

/// Every view that the check reports, with the view under it that has to run as its user. A view may leak in several ways, of
/// which this tells the first.
pub fn view_leaks(context: &Context<'_>) -> Result<Vec<ViewLeak>, Missing> {
    let bound = Bound::new(context)?;
    let invoker_exists = context.version()?.major() >= SECURITY_INVOKER;
    let (databases, _) = in_each(context, |database| Inside::join(database, invoker_exists))?;
    let mut leaks = Vec::new();
    for inside in &databases {
        leaks.extend(
            inside
                .reported(&bound)
                .1
                .into_iter()
                .map(|(view, leak, _)| ViewLeak {
                    database: inside.database.oid,
                    view: view.oid,
                    reader: leak.reader.oid,
                    at_partition: leak.exemption == PARTITION,
                }),
        );
    }
    Ok(leaks)
}

/// What is looked at in one database.
struct Inside<'a> {
    database: &'a DatabaseFacts,
    invoker_exists: bool,
    relations: Seen<'a, Vec<Relation>>,
    dependencies: Seen<'a, Vec<ViewDependency>>,
    policies: Seen<'a, Vec<Policy>>,
    acls: Seen<'a, Vec<Acl>>,
    /// What each view reads, in the order of names.
    reads: HashMap<Oid, Vec<&'a Relation>>,
    policies_of: HashMap<Oid, Vec<&'a Policy>>,
    inheritance: Seen<'a, Vec<Inheritance>>,
    /// Partitions and inheritance children without row-level security, of tables that have it.
    open_children: BTreeSet<Oid>,
}

impl<'a> Inside<'a> {
    fn join(database: &'a DatabaseFacts, invoker_exists: bool) -> Result<Self, Missing> {
        let relations = database.relations.here()?;
        let dependencies = database.view_dependencies.here()?;
        let policies = database.policies.here()?;
        let by_oid: HashMap<Oid, &Relation> = relations
            .value
            .iter()
            .map(|relation| (relation.oid, relation))
            .collect();
        let mut named: BTreeMap<Oid, BTreeMap<(&str, &str), &Relation>> = BTreeMap::new();
        for row in dependencies.value {
            if let Some(read) = by_oid.get(&row.reads) {
                named
                    .entry(row.view)
                    .or_default()
                    .insert((&read.schema_name, &read.name), read);
            }
        }
        let mut policies_of: HashMap<Oid, Vec<&Policy>> = HashMap::new();
        for policy in policies.value {
            policies_of.entry(policy.relation).or_default().push(policy);
        }
        let inheritance = database.inheritance.here()?;
        Ok(Self {
            database,
            invoker_exists,
            relations,
            dependencies,
            policies,
            acls: database.acls.here()?,
            reads: named
                .into_iter()
                .map(|(view, reads)| (view, reads.into_values().collect()))
                .collect(),
            policies_of,
            inheritance,
            open_children: open_children(relations.value, inheritance.value),
        })
    }

    /// How many views read protected tables, and those that leak to somebody: with the way, and who can use them.
    fn reported<'b>(&'b self, bound: &'b Bound<'b>) -> (usize, Vec<Reported<'a>>) {
        let grants = Grants::new(self.acls.value);
        let mut walk = Walk {
            inside: self,
            bound,
            done: HashMap::new(),
        };
        let mut count = 0;
        let mut reported = Vec::new();
        for view in self.views() {
            let reach = walk.from(view);
            count += usize::from(reach.protected);
            let Some(leak) = walk.leak(view) else {
                continue;
            };
            let mut users = bound.users(view, &grants);
            users.extend(self.members(bound, &leak));
            if !users.is_empty() {
                reported.push((view, leak, users));
            }
        }
        (count, reported)
    }

    fn views(&self) -> impl Iterator<Item = &'a Relation> {
        self.relations
            .value
            .iter()
            .filter(|relation| relation.kind == RelationKind::View && relation.extension == 0)
    }

    fn runs_as_user(&self, view: &Relation) -> bool {
        self.invoker_exists && view.option_is_on("security_invoker")
    }

    /// Whether policies stand between the rows and those who read them by their proper name.
    fn is_protected(&self, relation: &Relation) -> bool {
        is_protected(relation) || self.open_children.contains(&relation.oid)
    }

    /// Login roles that have the view because they are members of its owner. Where the owner is exempt as a superuser or as the
    /// table's owner, so are they, which is ROL-02's and RLS-02's subject.
    fn members(&self, bound: &Bound<'_>, leak: &Leak<'_>) -> Vec<String> {
        if matches!(leak.exemption, SUPERUSER | TABLE_OWNER) {
            return Vec::new();
        }
        let view = leak.path.first().map_or(leak.reader, |view| view);
        let owner = bound.owner(view, self.database);
        let members = bound.logins(owner);
        let members = members.iter().filter(|login| login.oid != owner);
        members
            .map(|login| format!("{} as a member of its owner", quote_ident(&login.name)))
            .collect()
    }

    /// Why the owner of a view sees every row of the table; `None` when the policies bind it.
    fn exemption(&self, bound: &Bound<'_>, owner: Oid, table: &Relation) -> Option<&'static str> {
        if !table.row_security {
            return Some(PARTITION);
        }
        let role = bound.graph().role(owner)?;
        if role.superuser {
            return Some(SUPERUSER);
        }
        if role.bypass_rls {
            return Some("has BYPASSRLS");
        }
        if !table.force_row_security && bound.inherits(owner, bound.owner(table, self.database)) {
            return Some(TABLE_OWNER);
        }
        let lets_all = |policy: &&Policy| {
            // A policy for PUBLIC that lets every row through opens the table itself, view or not.
            policy.permissive
                && policy.has_using
                && !policy.roles.contains(&PUBLIC)
                && super::covers(policy, pgattest_model::facts::PolicyCommand::Select)
                && is_constant_true(&policy.using_expression)
                && bound.applies(&policy.roles, owner)
        };
        let policies = self.policies_of.get(&table.oid)?;
        let narrowed = policies
            .iter()
            .any(|policy| !policy.permissive && bound.applies(&policy.roles, owner));
        (!narrowed && policies.iter().any(lets_all))
            .then_some("has a policy of its own that lets every row through")
    }

    fn finding(&self, view: &Relation, leak: &Leak<'_>, users: &[String]) -> Finding {
        let name = view.sql_name();
        let path: Vec<String> = leak
            .path
            .iter()
            .map(|relation| relation.sql_name())
            .collect();
        let (reader, table) = (leak.reader.sql_name(), leak.table.sql_name());
        let remediation = if leak.exemption == PARTITION {
            format!(
                "read the table that {table} is a part of in {reader}, or give {table} the policies of that table: \
                 ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
            )
        } else if self.invoker_exists {
            format!("ALTER VIEW {reader} SET (security_invoker = true);")
        } else {
            format!(
                "give the view {reader} to a role that owns none of the tables and is bound by their policies"
            )
        };
        let (cause, because) = if leak.exemption == PARTITION {
            (
                format!("a view shows every row: it {PARTITION}"),
                format!("{reader} {PARTITION}"),
            )
        } else {
            (
                format!("a view shows every row: its owner {}", leak.exemption),
                format!("{}, the owner of {reader}, {}", leak.owner, leak.exemption),
            )
        };
        Finding {
            cause,
            detail: format!(
                "view {name} shows {} every row of {table}: {}, and {because}",
                listed(users),
                path.join(" -> "),
            ),
            severity: Severity::High,
            observations: vec![
                self.relations.from.clone(),
                self.dependencies.from.clone(),
                self.policies.from.clone(),
                self.acls.from.clone(),
                self.inheritance.from.clone(),
            ],
            remediation,
            subject: Subject::in_database(SubjectKind::View, self.database.name.clone(), name),
        }
    }
}

/// Tables without row-level security that descend from one that has it.
fn open_children(relations: &[Relation], inheritance: &[Inheritance]) -> BTreeSet<Oid> {
    let protected: BTreeSet<Oid> = relations
        .iter()
        .filter(|relation| is_protected(relation))
        .map(|relation| relation.oid)
        .collect();
    let family = Family::new(inheritance);
    relations
        .iter()
        .filter(|relation| !relation.row_security && relation.kind != RelationKind::View)
        .filter(|relation| family.descends_from(relation.oid, &protected))
        .map(|relation| relation.oid)
        .collect()
}

/// A view, its way to a table whose policies do not bind, and who can use the view.
type Reported<'a> = (&'a Relation, Leak<'a>, Vec<String>);

/// One way from a view to a table whose policies do not bind.
struct Leak<'a> {
    /// The view, the views between, the table.
    path: Vec<&'a Relation>,
    /// The last view of the path, whose owner is exempt.
    reader: &'a Relation,
    table: &'a Relation,
    /// The exempt owner, as SQL.
    owner: String,
    exemption: &'static str,
}

/// What a view reaches.
#[derive(Clone, Copy, Debug, Default)]
struct Reach<'a> {
    /// A table with row-level security, through any depth.
    protected: bool,
    leak: Option<Step<'a>>,
}

/// The first step of the way from a view to a table whose policies do not bind.
#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    /// The table, and why the view's owner is exempt.
    Table(&'a Relation, &'static str),
    /// A view that leaks itself.
    View(&'a Relation),
}

/// Follows views down to tables, each once.
struct Walk<'a, 'b> {
    inside: &'b Inside<'a>,
    bound: &'b Bound<'b>,
    done: HashMap<Oid, Reach<'a>>,
}

impl<'a> Walk<'a, '_> {
    fn from(&mut self, view: &'a Relation) -> Reach<'a> {
        // Depth first without recursion: a chain of views may be long, and hostile facts may hold a cycle.
        let mut stack = vec![view];
        let mut entered: BTreeSet<Oid> = BTreeSet::new();
        while let Some(at) = stack.last().copied() {
            if self.done.contains_key(&at.oid) {
                stack.pop();
                continue;
            }
            let below = self.views_under(at);
            if entered.insert(at.oid) {
                stack.extend(below.into_iter().filter(|next| {
                    !self.done.contains_key(&next.oid) && !entered.contains(&next.oid)
                }));
                continue;
            }
            stack.pop();
            let reach = self.summed(at);
            self.done.insert(at.oid, reach);
        }
        self.done.get(&view.oid).copied().unwrap_or_default()
    }

    /// The way from a view that was followed to the table whose policies do not bind, when there is one.
    fn leak(&self, view: &'a Relation) -> Option<Leak<'a>> {
        let mut path = vec![view];
        loop {
            let reader = path.last().copied()?;
            match self.done.get(&reader.oid)?.leak? {
                Step::Table(table, exemption) => {
                    path.push(table);
                    let owner = self
                        .bound
                        .name(self.bound.owner(reader, self.inside.database));
                    return Some(Leak {
                        path,
                        reader,
                        table,
                        owner,
                        exemption,
                    });
                }
                Step::View(next) => path.push(next),
            }
        }
    }

    fn read_by(&self, view: &Relation) -> &[&'a Relation] {
        self.inside.reads.get(&view.oid).map_or(&[], Vec::as_slice)
    }

    fn views_under(&self, view: &Relation) -> Vec<&'a Relation> {
        self.read_by(view)
            .iter()
            .copied()
            .filter(|read| read.kind == RelationKind::View)
            .collect()
    }

    /// What a view reaches, when all views under it are done.
    ///
    /// A view that runs as its user leaks nothing, also from inside another view: what it reads is read as that user, who needs
    /// privileges on it, so a leaking view under it is reported by itself.
    fn summed(&self, view: &'a Relation) -> Reach<'a> {
        let owner = self.bound.owner(view, self.inside.database);
        let as_user = self.inside.runs_as_user(view);
        let mut reach = Reach::default();
        for read in self.read_by(view).iter().copied() {
            if self.inside.is_protected(read) {
                reach.protected = true;
                let exemption = if as_user {
                    None
                } else {
                    self.inside.exemption(self.bound, owner, read)
                };
                let step = exemption.map(|exemption| Step::Table(read, exemption));
                reach.leak = reach.leak.or(step);
            } else if let Some(below) = self.done.get(&read.oid) {
                reach.protected |= below.protected;
                let step = below.leak.filter(|_| !as_user).map(|_| Step::View(read));
                reach.leak = reach.leak.or(step);
            }
        }
        reach
    }
}
