//! What a role holds on an object, and what gives it that, in the words of the report.

use super::names::Named;
use super::world::{Place, World};
use pgattest_access::privileges::{Ground, Source};
use pgattest_access::{Object, Right, Rights, Route, View};
use pgattest_model::facts::{AclClass, Oid, PUBLIC, Role};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_report::access::{self, Because, Holding, Step};

/// Which of the things that give something are left out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Told {
    /// Not what everybody has.
    BeyondPublic,
    /// Not what comes from being a superuser, which is told once for everything.
    BeyondSuperuser,
}

impl Told {
    fn tells(self, object: Object<'_>, own_columns: bool, source: &Source<'_>) -> bool {
        let on_column = |class: AclClass| {
            !own_columns || object.class != AclClass::Column || class == AclClass::Column
        };
        match source {
            Source::Public { acl, .. } => self != Self::BeyondPublic && on_column(acl.class),
            Source::Granted { acl, .. } => on_column(acl.class),
            Source::Superuser => self != Self::BeyondSuperuser && on_column(AclClass::Relation),
            Source::Owner | Source::Predefined(_) => on_column(AclClass::Relation),
        }
    }
}

/// One object that is being told of.
pub(super) struct Subject<'s> {
    pub(super) place: &'s Place<'s>,
    pub(super) object: Object<'s>,
    pub(super) named: &'s Named,
    /// For a column: only what was granted on the column itself, as its table is told of beside it.
    pub(super) own_columns: bool,
}

impl Subject<'_> {
    /// What the role holds, without a word on what is in the way of it; nothing when that is nothing.
    pub(super) fn holding(&self, world: &World<'_>, role: Oid, told: Told) -> Option<Holding> {
        let mask = self.mask(world);
        let grounds = self
            .place
            .privileges
            .grounds(world.view, role, self.object)
            .into_iter()
            .filter(|ground| told.tells(self.object, self.own_columns, &ground.source))
            .collect();
        let mut all = Rights::NONE;
        let mut because: Vec<Because> = Vec::new();
        for ground in own_first(grounds) {
            let rights = ground.rights.intersection(mask);
            if rights.is_empty() {
                continue;
            }
            all = all.union(rights);
            let one = tell(&ground, rights);
            if !because.contains(&one) {
                because.push(one);
            }
        }
        holding(all, because)
    }

    /// What everybody holds.
    pub(super) fn of_public(&self, world: &World<'_>) -> Option<Holding> {
        let privileges = self.place.privileges;
        let rights = privileges.of_public(self.object)?;
        let rights = rights.intersection(self.mask(world));
        let mut places = vec![self.object];
        if self.object.class == AclClass::Column && !self.own_columns {
            places.push(Object::relation(self.object.oid));
        }
        let (mut all, mut because) = (Rights::NONE, Vec::new());
        for acl in places.iter().flat_map(|place| privileges.rows(*place)) {
            let given = Rights::given(&acl.privileges).intersection(rights);
            if acl.grantee != PUBLIC || given.is_empty() {
                continue;
            }
            all = all.union(given);
            let grantor = privileges
                .graph()
                .name(acl.grantor)
                .map_or_else(|| acl.grantor.to_string(), str::to_owned);
            because.push(to_public(given, &grantor, acl.is_default));
        }
        holding(all, because)
    }

    /// The privileges that the object can have and that were asked for.
    pub(super) fn mask(&self, world: &World<'_>) -> Rights {
        let possible = possible(self.object.class, self.named.kind, world);
        let asked = match world.only {
            None => possible,
            Some(only) => possible.intersection(Rights::of(&[only])),
        };
        asked.union(asked.only_options())
    }

    /// What is in the way although the role holds something.
    pub(super) fn blocked(&self, world: &World<'_>, role: Oid) -> Vec<String> {
        let schema = self.named.schema.and_then(|schema| {
            let object = Object::new(AclClass::Schema, schema);
            let usable = self
                .place
                .privileges
                .holds(world.view, role, object, Right::Usage);
            (usable == Some(false)).then(|| {
                format!(
                    "out of reach without USAGE on schema {}",
                    visible(&self.place.names.schema(schema))
                )
            })
        });
        schema.into_iter().chain(self.untrusted()).collect()
    }

    /// What is in everybody's way who is no superuser.
    pub(super) fn untrusted(&self) -> Option<String> {
        let untrusted = self.object.class == AclClass::Language
            && self.place.names.is_untrusted(self.object.oid);
        untrusted.then(|| {
            "of no use: only superusers write functions in a language that is not trusted"
                .to_owned()
        })
    }
}

/// Why the role cannot come into the database of a place.
pub(super) fn no_connect(world: &World<'_>, place: &Place<'_>, role: Oid) -> Option<String> {
    let database = place.database?;
    let object = Object::new(AclClass::Database, database.oid);
    let name = visible(&quote_ident(&database.name));
    match place
        .privileges
        .holds(world.view, role, object, Right::Connect)
    {
        Some(true) => None,
        Some(false) => Some(format!("out of reach without CONNECT on database {name}")),
        None => Some(format!(
            "whether it has CONNECT on database {name} was not seen"
        )),
    }
}

/// Why the role holds everything, when it does.
pub(super) fn everything(world: &World<'_>, role: Oid) -> Option<String> {
    let route = world
        .graph
        .route_to_any(world.view, role, |role, acting| acting && role.superuser)?;
    Some(format!("{}is a superuser", led(&route)))
}

/// `LOGIN` or `NOLOGIN`, and what is not the default.
pub(super) fn attributes(role: &Role) -> Vec<&'static str> {
    [
        (role.can_login, "LOGIN"),
        (!role.can_login, "NOLOGIN"),
        (role.superuser, "SUPERUSER"),
        (!role.inherit, "NOINHERIT"),
        (role.create_role, "CREATEROLE"),
        (role.create_db, "CREATEDB"),
        (role.replication, "REPLICATION"),
        (role.bypass_rls, "BYPASSRLS"),
        (role.expired, "password expired"),
    ]
    .into_iter()
    .filter_map(|(has, word)| has.then_some(word))
    .collect()
}

pub(super) const fn view(view: View) -> access::View {
    match view {
        View::InForce => access::View::InForce,
        View::AfterSetRole => access::View::SetRole,
        View::AfterGrantingItself => access::View::GrantItself,
    }
}

pub(super) fn steps(route: &Route) -> Vec<Step> {
    route
        .steps
        .iter()
        .map(|step| Step {
            role: quote_ident(&step.name),
            how: step.how.to_string(),
        })
        .collect()
}

/// Tables and sequences have different privileges, which the engine does not tell apart.
pub(super) fn possible(class: AclClass, kind: &str, world: &World<'_>) -> Rights {
    let all = Rights::of_class(class, world.graph.version().major());
    match (class, kind) {
        (AclClass::Relation, "sequence") => {
            Rights::of(&[Right::Select, Right::Update, Right::Usage])
        }
        // Its kind is not known.
        (AclClass::Relation, "relation") => all,
        (AclClass::Relation, _) => {
            let of_tables: Vec<Right> = all.iter().filter(|right| *right != Right::Usage).collect();
            Rights::of(&of_tables)
        }
        _ => all,
    }
}

/// What the owner granted itself, or has by default, is had by owning: both are told as one.
fn own_first(grounds: Vec<Ground<'_>>) -> Vec<Ground<'_>> {
    let is_own = |ground: &Ground<'_>| {
        matches!(&ground.source, Source::Granted { acl, .. }
            if acl.grantee == acl.owner && acl.grantor == acl.owner && acl.class != AclClass::Column)
    };
    let own = grounds
        .iter()
        .filter(|ground| is_own(ground))
        .fold(Rights::NONE, |all, ground| all.union(ground.rights));
    let owns = grounds
        .iter()
        .any(|ground| matches!(ground.source, Source::Owner));
    grounds
        .into_iter()
        .filter(|ground| !(owns && is_own(ground)))
        .map(|ground| match ground.source {
            Source::Owner => Ground {
                rights: ground.rights.union(own),
                ..ground
            },
            _ => ground,
        })
        .collect()
}

fn tell(ground: &Ground<'_>, rights: Rights) -> Because {
    let route = &ground.route;
    let end = quote_ident(route.end());
    let led = led(route);
    let shown = visible(&end);
    let by = |grantor: &str| visible(&quote_ident(grantor));
    let (source, sentence, grantor) = match &ground.source {
        Source::Superuser => (
            access::Source::Superuser,
            format!("{led}is a superuser"),
            None,
        ),
        Source::Owner => (access::Source::Owner, format!("{led}is the owner"), None),
        Source::Predefined(role) => (
            access::Source::Predefined,
            format!("{}{} gives {rights}", prefix(route), role.name()),
            None,
        ),
        Source::Granted { acl, grantor } => {
            let column = if acl.class == AclClass::Column {
                " on the column"
            } else {
                ""
            };
            (
                access::Source::Granted,
                format!(
                    "{}{rights} granted to {shown} by {}{column}",
                    prefix(route),
                    by(grantor)
                ),
                Some(quote_ident(grantor)),
            )
        }
        Source::Public { acl, grantor } => return to_public(rights, grantor, acl.is_default),
    };
    Because {
        sentence,
        view: view(route.view()),
        path: steps(route),
        source,
        grantee: end,
        grantor,
        rights: held(rights),
        may_grant: grantable(rights),
    }
}

fn to_public(rights: Rights, grantor: &str, is_default: bool) -> Because {
    let (source, sentence) = if is_default {
        (
            access::Source::Default,
            format!("{rights} given to PUBLIC by default"),
        )
    } else {
        let grantor = visible(&quote_ident(grantor));
        (
            access::Source::Granted,
            format!("{rights} granted to PUBLIC by {grantor}"),
        )
    };
    Because {
        sentence,
        view: access::View::InForce,
        path: Vec::new(),
        source,
        grantee: "PUBLIC".to_owned(),
        grantor: (!is_default).then(|| quote_ident(grantor)),
        rights: held(rights),
        may_grant: grantable(rights),
    }
}

/// The route before a statement about where it ends, with that role as its subject; `it ` without a step.
fn led(route: &Route) -> String {
    if route.steps.is_empty() {
        return "it ".to_owned();
    }
    format!("{}{} ", prefix(route), visible(&quote_ident(route.end())))
}

fn prefix(route: &Route) -> String {
    if route.steps.is_empty() {
        String::new()
    } else {
        format!("{route}; ")
    }
}

fn holding(all: Rights, because: Vec<Because>) -> Option<Holding> {
    (!all.is_empty()).then(|| Holding {
        rights: held(all),
        may_grant: grantable(all),
        blocked: Vec::new(),
        because,
    })
}

fn held(rights: Rights) -> Vec<&'static str> {
    rights.iter().map(Right::name).collect()
}

fn grantable(rights: Rights) -> Vec<&'static str> {
    Right::ALL
        .into_iter()
        .filter(|right| rights.may_grant(*right))
        .map(Right::name)
        .collect()
}
