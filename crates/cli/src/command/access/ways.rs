//! Ways to superuser, to the operating-system account, and to all data.

use super::world::World;
use super::{holding, no_role, unseen};
use crate::failure::Failure;
use pgattest_access::escalation::{self, Escalation};
use pgattest_model::Missing;
use pgattest_model::facts::{Oid, Role};
use pgattest_model::ident::quote_ident;
use pgattest_report::access::{Answer, Climber, Escalations, Way};

pub(super) fn answer(
    world: &World<'_>,
    name: Option<&str>,
) -> Result<(Answer, Vec<Missing>), Failure> {
    let escalation = world.escalation().map_err(unseen)?;
    let asked: Vec<&Role> = match name {
        Some(name) => vec![world.graph.named(name).ok_or_else(|| no_role(name))?],
        None => world.graph.logins().collect(),
    };
    let (superusers, others): (Vec<&Role>, Vec<&Role>) =
        asked.iter().partition(|role| role.superuser);
    let roles = others
        .iter()
        .map(|role| Climber {
            role: quote_ident(&role.name),
            ways: of(world, &escalation, role.oid),
        })
        .filter(|climber| !climber.ways.is_empty())
        .collect();
    let answer = Escalations {
        role: name.map(quote_ident),
        looked_at: asked.len(),
        superusers: superusers
            .iter()
            .map(|role| quote_ident(&role.name))
            .collect(),
        roles,
    };
    let missing = escalation.not_seen().to_vec();
    Ok((Answer::ToSuperuser(answer), missing))
}

/// The ways of one role in the view that was asked for.
pub(super) fn of(world: &World<'_>, escalation: &Escalation, role: Oid) -> Vec<Way> {
    escalation
        .ways(role)
        .iter()
        .filter(|way| way.route.view() <= world.view)
        .map(tell)
        .collect()
}

fn tell(way: &escalation::Way) -> Way {
    Way {
        grade: way.grade.as_str(),
        sentence: way.to_string(),
        view: holding::view(way.route.view()),
        path: holding::steps(&way.route),
        when: (!way.when.is_empty()).then_some(way.when),
    }
}
