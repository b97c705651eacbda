//! `pg_ident.conf`: which name outside PostgreSQL may log in as which role.
//!
//! A rule of `pg_hba.conf` with `map=` asks here after the outside world has told who somebody is. The first line that lets
//! them in decides; none, and they are refused.

use crate::RoleGraph;
use pgattest_model::ServerVersion;
use pgattest_model::facts::IdentMap;
use pgattest_parse::are::{Are, Breadth, FirstGroup};

/// The first major in which the role may be `all`, `+group` or a regular expression.
const ROLE_LISTS_SINCE: u32 = 16;
/// What stands for the first pair of parentheses.
const FIRST_GROUP: &str = "\\1";

/// Whether somebody may be a role.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Allowed {
    /// Certainly not.
    No,
    /// Only the server's own engine for regular expressions knows.
    Unclear,
    /// Certainly.
    Yes,
}

/// The maps of one file, in the order in which the server tries their lines.
#[derive(Clone, Debug)]
pub struct IdentMaps {
    lines: Vec<Mapping>,
}

#[derive(Clone, Debug)]
struct Mapping {
    source: IdentMap,
    outside: Outside,
    inside: Inside,
}

/// Whom a line lets in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outside {
    /// Who has this name, in this case.
    Name(String),
    /// Anybody at all.
    AnyName,
    /// Whose name matches.
    Pattern(Are),
    /// Nobody knows: the expression is not one that the server takes.
    Broken,
}

/// What they may be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Inside {
    /// This role.
    Role(String),
    /// The role whose name this becomes, with what the first parentheses matched in the place of `\1`.
    FromName(String),
    /// Any role (16 and later).
    AnyRole,
    /// Members of a role (16 and later).
    MembersOf(String),
    /// Roles whose name matches (16 and later).
    Pattern(Are),
    /// Nobody knows: the expression is not one that the server takes.
    Broken,
    /// Looks like a keyword, and nobody knows whether it was quoted: then it is a role of this name.
    Keyword(String),
}

/// What one line of a map opens.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// The line.
    pub line: &'a IdentMap,
    /// For whom.
    pub outside: &'a Outside,
    /// As whom.
    pub inside: &'a Inside,
}

/// What one line can do.
#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Pass,
    Found,
    /// The server gives up and refuses.
    Fails,
    /// Any of these.
    Unclear,
}

impl IdentMaps {
    /// Understands the lines. Those with an error are left out: while there is one the server uses the maps it had.
    pub fn new(rows: &[IdentMap], version: ServerVersion) -> Self {
        let valid = rows.iter().filter(|row| row.error.is_empty());
        Self {
            lines: valid
                .map(|row| Mapping {
                    outside: Outside::new(row),
                    inside: Inside::new(row, version),
                    source: row.clone(),
                })
                .collect(),
        }
    }

    /// Whether who is called `system_user` outside may be `role`, by the map of this name. Without a name the two must be equal.
    ///
    /// Names are compared as they are. (The server compares those of GSSAPI without regard to case when told so.)
    pub fn allows(&self, map: &str, system_user: &str, role: &str, graph: &RoleGraph) -> Allowed {
        if map.is_empty() {
            return if system_user == role {
                Allowed::Yes
            } else {
                Allowed::No
            };
        }
        let mut unclear = false;
        for line in self.lines.iter().filter(|line| line.source.map == map) {
            match line.decides(system_user, role, graph) {
                Outcome::Pass => {}
                Outcome::Unclear => unclear = true,
                // An unclear line before this one may have given up.
                Outcome::Found if !unclear => return Allowed::Yes,
                Outcome::Fails if !unclear => return Allowed::No,
                Outcome::Found | Outcome::Fails => return Allowed::Unclear,
            }
        }
        if unclear {
            Allowed::Unclear
        } else {
            Allowed::No
        }
    }

    /// What the lines of a map open, in order.
    pub fn openings(&self, map: &str) -> impl Iterator<Item = Opening<'_>> {
        self.lines
            .iter()
            .filter(move |line| line.source.map == map)
            .map(|line| Opening {
                line: &line.source,
                outside: &line.outside,
                inside: &line.inside,
            })
    }
}

impl Mapping {
    fn decides(&self, system_user: &str, role: &str, graph: &RoleGraph) -> Outcome {
        let matches = match &self.outside {
            Outside::Name(name) => Some(name == system_user),
            Outside::AnyName => Some(true),
            Outside::Pattern(are) => are.matches(system_user),
            Outside::Broken => None,
        };
        match matches {
            Some(false) => Outcome::Pass,
            Some(true) => self.admits(system_user, role, graph),
            None => Outcome::Unclear,
        }
    }

    fn admits(&self, system_user: &str, role: &str, graph: &RoleGraph) -> Outcome {
        let known = |matches: bool| {
            if matches {
                Outcome::Found
            } else {
                Outcome::Pass
            }
        };
        match &self.inside {
            Inside::Role(name) => known(name == role),
            Inside::AnyRole => Outcome::Found,
            Inside::MembersOf(group) => known(is_member(role, group, graph)),
            Inside::Pattern(are) => are.matches(role).map_or(Outcome::Unclear, known),
            Inside::Broken => Outcome::Unclear,
            Inside::Keyword(text) => {
                let as_keyword = match text.strip_prefix('+') {
                    Some(group) => is_member(role, group, graph),
                    None => true,
                };
                if as_keyword == (text == role) {
                    known(as_keyword)
                } else {
                    Outcome::Unclear
                }
            }
            Inside::FromName(template) => {
                let are = self
                    .source
                    .system_user
                    .strip_prefix('/')
                    .and_then(|pattern| Are::new(pattern).ok());
                match are.map(|are| are.first_group(system_user)) {
                    Some(FirstGroup::Text(group)) => {
                        known(template.replacen(FIRST_GROUP, &group, 1) == role)
                    }
                    Some(FirstGroup::Absent) => Outcome::Fails,
                    Some(FirstGroup::Unclear) | None => Outcome::Unclear,
                }
            }
        }
    }
}

impl Outside {
    fn new(row: &IdentMap) -> Self {
        let Some(pattern) = row.system_user.strip_prefix('/') else {
            return Self::Name(row.system_user.clone());
        };
        match Are::new(pattern) {
            Ok(are) if are.breadth() == Breadth::Everything => Self::AnyName,
            Ok(are) => Self::Pattern(are),
            Err(_) => Self::Broken,
        }
    }
}

impl Inside {
    fn new(row: &IdentMap, version: ServerVersion) -> Self {
        let role = row.role.as_str();
        let lists = version.major() >= ROLE_LISTS_SINCE;
        let by_keyword = lists && (role == "all" || role.starts_with('+'));
        match (by_keyword, row.role_quoted) {
            (true, None) => return Self::Keyword(role.to_owned()),
            (true, Some(false)) => {
                return role
                    .strip_prefix('+')
                    .map_or(Self::AnyRole, |group| Self::MembersOf(group.to_owned()));
            }
            _ => {}
        }
        if let Some(pattern) = role.strip_prefix('/').filter(|_| lists) {
            return Are::new(pattern).map_or(Self::Broken, Self::Pattern);
        }
        if row.system_user.starts_with('/') && role.contains(FIRST_GROUP) {
            Self::FromName(role.to_owned())
        } else {
            Self::Role(role.to_owned())
        }
    }
}

fn is_member(role: &str, group: &str, graph: &RoleGraph) -> bool {
    let ends = (graph.named(role), graph.named(group));
    matches!(ends, (Some(role), Some(group)) if graph.member_of(role.oid).contains(group.oid))
}

#[cfg(test)]
mod tests {
    use super::{Allowed, IdentMaps, Inside, Outside};
    use crate::RoleGraph;
    use pgattest_model::ServerVersion;
    use pgattest_parse::auth_file::NoFiles;
    use pgattest_parse::ident::parse;
    use rstest::rstest;

    fn maps(text: &str, major: u32) -> IdentMaps {
        let version = ServerVersion(major * 10_000);
        IdentMaps::new(&parse("p", text, version, &NoFiles).rows(), version)
    }

    #[rstest]
    #[case("m ann bob", "ann", "bob", Allowed::Yes)]
    #[case("m ann bob", "ann", "ann", Allowed::No)]
    #[case("m Ann bob", "ann", "bob", Allowed::No)]
    #[case("n ann bob", "ann", "bob", Allowed::No)]
    #[case("m /^(.*)@x\\.org$ \\1", "ann@x.org", "ann", Allowed::Yes)]
    #[case("m /^(.*)@x\\.org$ \\1", "ann@x.org", "bob", Allowed::No)]
    #[case("m /^(.*)@x\\.org$ \\1_ro", "ann@x.org", "ann_ro", Allowed::Yes)]
    #[case("m /^(.*)@(.*)$ \\1", "ann@x", "ann", Allowed::Unclear)]
    #[case("m /^ann$ \\1\nm ann ann", "ann", "ann", Allowed::No)]
    #[case("m /(?i)^ANN$ bob", "ann", "bob", Allowed::Unclear)]
    #[case("m /(?i)^ANN$ x\nm ann bob", "ann", "bob", Allowed::Unclear)]
    #[case("m ann all", "ann", "anybody", Allowed::Yes)]
    #[case("m ann \"all\"", "ann", "anybody", Allowed::No)]
    #[case("m ann /^b", "ann", "bob", Allowed::Yes)]
    #[case("m ann +g", "ann", "bob", Allowed::No)]
    fn who_may_be_whom(
        #[case] text: &str,
        #[case] user: &str,
        #[case] role: &str,
        #[case] expected: Allowed,
    ) {
        let nobody = RoleGraph::new(&[], &[], ServerVersion(180_000));
        assert_eq!(maps(text, 18).allows("m", user, role, &nobody), expected);
    }

    #[test]
    fn before_16_the_role_is_a_name() {
        let nobody = RoleGraph::new(&[], &[], ServerVersion(150_000));
        let maps = maps("m ann all\nm ann /^b", 15);
        assert_eq!(maps.allows("m", "ann", "all", &nobody), Allowed::Yes);
        assert_eq!(maps.allows("m", "ann", "bob", &nobody), Allowed::No);
        assert_eq!(maps.allows("", "ann", "ann", &nobody), Allowed::Yes);
    }

    #[test]
    fn a_line_that_lets_anybody_be_a_role_is_seen() {
        let maps = maps("m /^.*$ postgres\nm /(.*) \\1\nm ann all", 16);
        let openings: Vec<_> = maps.openings("m").collect();
        assert_eq!(openings[0].outside, &Outside::AnyName);
        assert_eq!(openings[0].inside, &Inside::Role("postgres".to_owned()));
        assert_eq!(openings[1].inside, &Inside::FromName("\\1".to_owned()));
        assert_eq!(openings[2].inside, &Inside::AnyRole);
    }
}
