//! `pgattest access`: who can do what, and how they come to it.

mod holding;
mod names;
mod object;
mod overview;
mod role;
mod wanted;
mod ways;
mod world;

use crate::args::{AccessArgs, AccessFormat, ViewArg};
use crate::auditing;
use crate::failure::{Failure, fail};
use crate::looking::{collect, resolve};
use crate::printer::Printer;
use pgattest_access::View;
use pgattest_catalog::decode;
use pgattest_model::Missing;
use pgattest_report::Screen;
use pgattest_report::access::{self, Answer, Document, NotSeen, Target};
use world::World;

/// What the engines know nothing of, and what they are not asked.
const LEFT_OUT: [&str; 3] = [
    "Row-level security, and what functions and views do with the rights of their owners: a privilege here may show fewer rows, \
     and more may be in reach without one.",
    "Whether pg_hba.conf lets the role in.",
    "The server's own objects whose privileges and owner are as initdb left them, large objects that nobody granted on, and \
     temporary objects.",
];

pub(crate) fn run(arguments: &AccessArgs, printer: &Printer) -> Result<u8, Failure> {
    let wanted = arguments.on.as_deref().map(wanted::parse).transpose()?;
    let options = resolve(arguments.connection.as_deref(), printer)?;
    let collection = collect(&options, arguments.pace.limits(false), printer)?;
    let facts = decode(&collection.observations);
    let target = auditing::identify(&facts, &collection.observations);
    let view = view(arguments.view);
    let world = World::new(&facts, view, arguments.privilege).map_err(unseen)?;

    let (answer, missing) = match (&wanted, &arguments.role) {
        (Some(wanted), role) => object::answer(&world, wanted, role.as_deref())?,
        (None, role) if arguments.to_superuser => ways::answer(&world, role.as_deref())?,
        (None, Some(role)) => role::answer(&world, role)?,
        (None, None) => overview::answer(&world),
    };
    let document = Document {
        schema: access::SCHEMA,
        target: Target::of(&target),
        looked_at: collection.started_at,
        view: holding::view(view),
        left_out: left_out(&answer),
        answer,
        not_seen: not_seen(missing),
    };
    let text = match arguments.format {
        AccessFormat::Json => access::json(&document),
        AccessFormat::Text => access::render(
            &document,
            &access::Options {
                screen: Screen {
                    width: Printer::width(),
                    colour: printer.stdout_has_color(),
                },
                verbose: printer.verbose,
            },
        ),
    };
    printer.result(&text)?;
    Ok(crate::CLEAN)
}

const fn view(argument: ViewArg) -> View {
    match argument {
        ViewArg::InForce => View::InForce,
        ViewArg::SetRole => View::AfterSetRole,
        ViewArg::GrantItself => View::AfterGrantingItself,
    }
}

/// Without roles and memberships nobody's access can be told.
fn unseen(missing: Missing) -> Failure {
    let failure = fail(missing.why);
    match missing.grant {
        Some(grant) => failure.hint(format!("this would open it: {grant}")),
        None => failure.hint("any role that can log in may read roles and memberships"),
    }
}

/// A role that is not there: a word mistyped is no reason to say that nobody holds anything.
fn no_role(name: &str) -> Failure {
    fail(format!("there is no role `{name}` in this cluster")).hint(
        "names are as the server has them, case included and without quotes: see \\du in psql",
    )
}

fn not_seen(missing: Vec<Missing>) -> Vec<NotSeen> {
    let mut all: Vec<NotSeen> = missing.into_iter().map(NotSeen::from).collect();
    all.sort();
    all.dedup();
    all
}

fn left_out(answer: &Answer) -> Vec<String> {
    let sentences: &[&str] = match answer {
        Answer::ToSuperuser(_) => &[
            "Ways that the catalogs do not show: what functions do inside, jobs of schedulers, readable password verifiers. \
             docs/closures.md lists what is known and what is not.",
            "Whether pg_hba.conf, CONNECT and USAGE on a schema let the role come so far.",
        ],
        _ => &LEFT_OUT,
    };
    sentences.iter().map(|text| (*text).to_owned()).collect()
}
