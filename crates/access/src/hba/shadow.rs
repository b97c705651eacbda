//! Rules that the file alone shows to be without effect, whatever roles and databases there are.

use super::Ruleset;
use super::attempt::Connection;
use super::matching::Matching;
use super::names::{DatabaseName, UserName};
use super::peer::Peer;
use super::rule::Rule;
use std::collections::BTreeSet;

/// A rule that never decides anything, because rules before it decide everything that would match it.
///
/// [`super::Reachability::unreachable`] finds more, with the roles and databases of a cluster; this holds for every cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shadowed {
    /// Its position.
    pub rule: usize,
    /// Positions of the rules that decide instead.
    pub by: BTreeSet<usize>,
}

impl Ruleset {
    /// Rules that rules before them hide in every cluster, in order. A rule of a kind that the server does not offer is not
    /// among them.
    pub fn shadowed(&self) -> Vec<Shadowed> {
        (0..self.rules().len())
            .filter_map(|at| {
                Some(Shadowed {
                    rule: at,
                    by: self.shadows_of(at)?,
                })
            })
            .collect()
    }

    /// The rules that hide one; `None` when something is left for it.
    fn shadows_of(&self, at: usize) -> Option<BTreeSet<usize>> {
        let rule = self.rule(at)?;
        let earlier = self.rules().get(..at)?;
        let mut by = BTreeSet::new();
        let offered = Connection::ALL
            .into_iter()
            .filter(|&connection| self.terms().offers(connection) && rule.takes(connection));
        for connection in offered {
            for user in &rule.users {
                for database in &rule.databases {
                    let takers = earlier.iter().enumerate().filter(|(_, taker)| {
                        taker.knows_connection()
                            && taker.takes(connection)
                            && taker.users.iter().any(|known| covers_user(known, user))
                            && taker
                                .databases
                                .iter()
                                .any(|known| covers_database(known, database))
                    });
                    by.extend(all_taken(rule, connection, takers)?);
                }
            }
        }
        (!by.is_empty()).then_some(by)
    }
}

/// The rules that together take every address of a rule; `None` when they leave some.
fn all_taken<'a>(
    rule: &Rule,
    connection: Connection,
    mut takers: impl Iterator<Item = (usize, &'a Rule)>,
) -> Option<BTreeSet<usize>> {
    if connection == Connection::Socket {
        return takers
            .find(|(_, taker)| taker.peer == Peer::Socket)
            .map(|(at, _)| BTreeSet::from([at]));
    }
    let mut rest = rule.peer.possible();
    let mut by = BTreeSet::new();
    for (at, taker) in takers {
        let same = taker.peer == rule.peer && is_fixed(&rule.peer) && same_text(taker, rule);
        let taken = if same {
            rest.clone()
        } else {
            rest.intersection(&taker.peer.sure())
        };
        if !taken.is_empty() {
            rest = rest.difference(&taken);
            by.insert(at);
        }
        if rest.is_empty() {
            break;
        }
    }
    rest.is_empty().then_some(by).filter(|by| !by.is_empty())
}

/// The same words match the same addresses, whatever these are when somebody connects.
const fn is_fixed(peer: &Peer) -> bool {
    matches!(
        peer,
        Peer::SameHost | Peer::SameNet | Peer::HostName | Peer::Scattered { .. }
    )
}

fn same_text(a: &Rule, b: &Rule) -> bool {
    a.source().address == b.source().address && a.source().netmask == b.source().netmask
}

/// Whether everybody that `narrow` matches is matched by `wide` too.
fn covers_user(wide: &UserName, narrow: &UserName) -> bool {
    match (wide, narrow) {
        (UserName::All, _) => true,
        (UserName::Pattern(pattern), _) if pattern.takes_everything() => true,
        (UserName::Pattern(pattern), UserName::Named(name)) => {
            pattern.matches(name) == Matching::Yes
        }
        (wide, narrow) => wide == narrow,
    }
}

/// Whether everything that `narrow` matches is matched by `wide` too. `samerole` does not cover `sameuser`: a name that is no
/// role is a member of nothing.
fn covers_database(wide: &DatabaseName, narrow: &DatabaseName) -> bool {
    use DatabaseName::{All, Named, Pattern, Replication};
    match (wide, narrow) {
        (Replication, Replication) => true,
        (Replication, _) | (_, Replication) => false,
        (All, _) => true,
        (Pattern(pattern), _) if pattern.takes_everything() => true,
        (Pattern(pattern), Named(name)) => pattern.matches(name) == Matching::Yes,
        (wide, narrow) => wide == narrow,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::ruleset;
    use rstest::rstest;

    #[rstest]
    #[case("host all all all md5\nhost a b 10.0.0.0/8 reject", "2 by 1")]
    #[case(
        "host all all 10.0.0.0/9 md5\nhost all all 10.128.0.0/9 md5\nhost a b 10.0.0.0/8 reject",
        "3 by 1,2"
    )]
    #[case("host all all 10.0.0.0/9 md5\nhost a b 10.0.0.0/8 reject", "")]
    #[case("hostssl all all all md5\nhost all all all reject", "")]
    #[case(
        "hostssl all all all md5\nhostnossl all all all md5\nhost all all all reject",
        "3 by 1,2"
    )]
    #[case("host all all all md5\nhost replication all all reject", "")]
    #[case(
        "host all,replication a all md5\nhost replication a all reject",
        "2 by 1"
    )]
    #[case(
        "host all +g all md5\nhost all +g all reject\nhost all h all reject",
        "2 by 1"
    )]
    #[case(
        "host all /^app_ all md5\nhost all app_1,app_2 all reject\nhost all app all reject",
        "2 by 1"
    )]
    #[case("host /.* /.* all md5\nhost sameuser all all reject", "2 by 1")]
    #[case("host all all samenet md5\nhost all all samenet reject", "2 by 1")]
    #[case("host all all samenet md5\nhost all all samehost reject", "")]
    #[case("host all all a.example md5\nhost all all b.example reject", "")]
    #[case("local all all md5\nlocal a b trust\nhost a b all trust", "2 by 1")]
    #[case(
        "host a,b x,y all md5\nhost a x all reject\nhost a z all reject",
        "2 by 1"
    )]
    fn what_the_file_alone_hides(#[case] file: &str, #[case] expected: &str) {
        let found = ruleset(file).shadowed().into_iter().map(|shadowed| {
            let by: Vec<_> = shadowed.by.iter().map(|at| (at + 1).to_string()).collect();
            format!("{} by {}", shadowed.rule + 1, by.join(","))
        });
        assert_eq!(found.collect::<Vec<_>>().join("; "), expected);
    }
}
