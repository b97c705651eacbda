//! Privileges taken, and what gives them back.
//!
//! `REVOKE` takes back only what its own role granted, and a superuser's counts as the owner's. What somebody else granted is
//! taken as them (`SET LOCAL ROLE`), and where that cannot work, a person has to do it.

use super::place::{Place, Target};
use pgattest_model::facts::{Acl, AclClass, Oid, PUBLIC};
use pgattest_model::ident::{quote_ident, visible};
use std::collections::{BTreeMap, BTreeSet};

/// Some of what one grant gives, to be taken.
#[derive(Clone, Debug)]
pub(crate) struct Take<'a> {
    /// The grant.
    pub(crate) acl: &'a Acl,
    /// Which of its privileges.
    pub(crate) privileges: BTreeSet<&'a str>,
    /// Only the option to pass them on.
    pub(crate) option_only: bool,
}

/// Something given, so that somebody does not lose what is taken from everybody.
#[derive(Clone, Debug)]
pub(crate) struct Give {
    /// On what.
    pub(crate) target: Target,
    /// Its class and number.
    pub(crate) object: (AclClass, Oid),
    /// Its owner, who gives.
    pub(crate) owner: Oid,
    /// To whom.
    pub(crate) grantee: Oid,
    /// What.
    pub(crate) privileges: BTreeSet<String>,
}

/// The statements of a change, and those of its undo.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) statements: Vec<String>,
    pub(crate) undo: Vec<String>,
}

impl<'a> Take<'a> {
    /// Those privileges of a grant that are wanted; `None` when it has none of them.
    pub(crate) fn some(acl: &'a Acl, wanted: impl Fn(&str) -> bool) -> Option<Self> {
        let privileges: BTreeSet<&str> = acl
            .privileges
            .iter()
            .map(|given| given.name.as_str())
            .filter(|name| wanted(name))
            .collect();
        (!privileges.is_empty()).then_some(Self {
            acl,
            privileges,
            option_only: false,
        })
    }

    /// Every option to pass on that a grant gives.
    pub(crate) fn options(acl: &'a Acl) -> Option<Self> {
        let privileges: BTreeSet<&str> = acl
            .privileges
            .iter()
            .filter(|given| given.grantable)
            .map(|given| given.name.as_str())
            .collect();
        (!privileges.is_empty()).then_some(Self {
            acl,
            privileges,
            option_only: true,
        })
    }
}

/// One `GRANT` or `REVOKE`: whose grant, on what, to whom, and with or of the option only.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Line {
    target: Target,
    /// `None`: the owner.
    grantor: Option<Oid>,
    grantee: Oid,
    option: bool,
}

/// Privileges on the whole, and on columns.
#[derive(Clone, Debug, Default)]
struct List<'a> {
    whole: BTreeSet<&'a str>,
    columns: BTreeMap<&'a str, BTreeSet<String>>,
}

impl<'a> List<'a> {
    fn add(&mut self, privilege: &'a str, column: &str) {
        if column.is_empty() {
            self.whole.insert(privilege);
        } else {
            self.columns
                .entry(privilege)
                .or_default()
                .insert(column.to_owned());
        }
    }

    /// `INSERT, SELECT (id, "Name")`.
    fn sql(&self) -> String {
        let whole = self.whole.iter().map(|name| (*name).to_owned());
        let columns = self.columns.iter().map(|(name, columns)| {
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            format!("{name} ({})", columns.join(", "))
        });
        whole.chain(columns).collect::<Vec<_>>().join(", ")
    }
}

/// Gives first, takes afterwards; the undo gives back first and takes afterwards. An error says why a person has to do it: one
/// sentence, without a period.
pub(crate) fn script(
    place: &Place<'_>,
    takes: &[Take<'_>],
    gives: &[Give],
) -> Result<Script, String> {
    let mut revokes: BTreeMap<Line, List<'_>> = BTreeMap::new();
    let mut grants: BTreeMap<Line, List<'_>> = BTreeMap::new();
    for take in takes {
        let target = place.target(take.acl).ok_or_else(|| {
            format!(
                "take {} away by hand: the facts do not have the name of what it is on",
                take.acl.names()
            )
        })?;
        let grantor = grantor(place, take.acl, &target)?;
        no_dependants(place, take, &target)?;
        let line = |option| Line {
            target: target.clone(),
            grantor,
            grantee: take.acl.grantee,
            option,
        };
        let column = column(place, take.acl, &target)?;
        for privilege in &take.privileges {
            revokes
                .entry(line(take.option_only))
                .or_default()
                .add(privilege, &column);
        }
        for (privilege, column, option) in lost_with(place, take, &target)? {
            grants
                .entry(line(option))
                .or_default()
                .add(privilege, &column);
        }
    }
    let mut script = Script::default();
    for give in gives {
        let grantee = role(place, give.grantee)?;
        let privileges: Vec<&str> = give.privileges.iter().map(String::as_str).collect();
        let (list, on) = (privileges.join(", "), &give.target);
        let (keyword, name) = (on.keyword, &on.name);
        script
            .statements
            .push(format!("GRANT {list} ON {keyword} {name} TO {grantee};"));
        script
            .undo
            .push(format!("REVOKE {list} ON {keyword} {name} FROM {grantee};"));
    }
    let mut given_back = Vec::new();
    for (line, list) in &revokes {
        let option = if line.option { "GRANT OPTION FOR " } else { "" };
        let (keyword, name) = (line.target.keyword, &line.target.name);
        let grantee = role(place, line.grantee)?;
        let statement = format!(
            "REVOKE {option}{} ON {keyword} {name} FROM {grantee};",
            list.sql()
        );
        as_grantor(place, line, statement, &mut script.statements)?;
    }
    for (line, list) in &grants {
        let option = if line.option {
            " WITH GRANT OPTION"
        } else {
            ""
        };
        let (keyword, name) = (line.target.keyword, &line.target.name);
        let grantee = role(place, line.grantee)?;
        let statement = format!(
            "GRANT {} ON {keyword} {name} TO {grantee}{option};",
            list.sql()
        );
        as_grantor(place, line, statement, &mut given_back)?;
    }
    given_back.append(&mut script.undo);
    script.undo = given_back;
    Ok(script)
}

fn as_grantor(
    place: &Place<'_>,
    line: &Line,
    statement: String,
    statements: &mut Vec<String>,
) -> Result<(), String> {
    match line.grantor {
        None => statements.push(statement),
        Some(grantor) => statements.extend([
            format!("SET LOCAL ROLE {};", role(place, grantor)?),
            statement,
            "RESET ROLE;".to_owned(),
        ]),
    }
    Ok(())
}

fn role(place: &Place<'_>, oid: Oid) -> Result<String, String> {
    if oid == PUBLIC {
        return Ok("PUBLIC".to_owned());
    }
    place
        .graph
        .name(oid)
        .map(quote_ident)
        .ok_or_else(|| format!("role {oid} is not among the roles: look for what it was by hand"))
}

/// Whose grant has to be taken back: `None` for the owner's.
fn grantor(place: &Place<'_>, acl: &Acl, target: &Target) -> Result<Option<Oid>, String> {
    if acl.grantor == acl.owner {
        return Ok(None);
    }
    let name = role(place, acl.grantor)?;
    let what = || {
        visible(&format!(
            "the grant of {} on {} {}",
            acl.names(),
            target.keyword.to_lowercase(),
            target.name
        ))
    };
    let shown = visible(&name);
    // A superuser, and whoever has the owner's privileges, acts as the owner and cannot reach the grant any more.
    if place.graph.is_superuser(acl.grantor)
        || place.graph.inherits(acl.grantor).contains(acl.owner)
    {
        return Err(format!(
            "take back {} by hand: role {shown} made it before it could act as the owner, and a REVOKE of its own would now count as the owner's",
            what()
        ));
    }
    if let Some(schema) = &target.schema
        && !place.may_look_into(acl.grantor, schema)
    {
        return Err(format!(
            "take back {} by hand: role {shown} made it and has no USAGE on the schema, without which it cannot take it back",
            what()
        ));
    }
    Ok(Some(acl.grantor))
}

fn column(place: &Place<'_>, acl: &Acl, target: &Target) -> Result<String, String> {
    place.column(acl).ok_or_else(|| {
        format!(
            "look at the grants on column {} of {}: the facts do not have its name",
            acl.column,
            visible(&target.name)
        )
    })
}

/// Nothing that the grantee passed on goes with what is taken: `REVOKE` refuses it, and CASCADE would take it from those who are
/// not asked about.
fn no_dependants(place: &Place<'_>, take: &Take<'_>, target: &Target) -> Result<(), String> {
    let acl = take.acl;
    let could_pass_on = |name: &str| {
        acl.privileges
            .iter()
            .any(|given| given.grantable && given.name == name)
    };
    let passed_on = place.beside(acl).iter().find(|other| {
        other.grantor == acl.grantee
            && acl.grantee != acl.owner
            && (acl.column == 0 || other.column == acl.column)
            && take
                .privileges
                .iter()
                .any(|name| could_pass_on(name) && other.has(name))
    });
    let Some(other) = passed_on else {
        return Ok(());
    };
    let names: Vec<&str> = take
        .privileges
        .iter()
        .copied()
        .filter(|name| other.has(name))
        .collect();
    Err(visible(&format!(
        "role {} passed {} on {} {} on to {}: grant it anew as the owner or take it back first, then plan again",
        role(place, acl.grantee)?,
        names.join(", "),
        target.keyword.to_lowercase(),
        target.name,
        role(place, other.grantee)?,
    )))
}

/// What is gone afterwards: privilege, column, and whether it could be passed on. A `REVOKE` on a table takes the same privileges on
/// its columns as well.
fn lost_with<'a>(
    place: &Place<'a>,
    take: &Take<'a>,
    target: &Target,
) -> Result<Vec<(&'a str, String, bool)>, String> {
    let acl = take.acl;
    let mut lost = Vec::new();
    let gone = place.beside(acl).iter().filter(|other| {
        (other.grantor, other.grantee) == (acl.grantor, acl.grantee)
            && (acl.column == 0 || other.column == acl.column)
    });
    for other in gone {
        let column = column(place, other, target)?;
        for given in &other.privileges {
            let is_lost = take.privileges.contains(given.name.as_str())
                && (given.grantable || !take.option_only);
            if is_lost {
                lost.push((given.name.as_str(), column.clone(), given.grantable));
            }
        }
    }
    Ok(lost)
}
