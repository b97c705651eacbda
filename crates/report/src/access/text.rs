//! The answers for a terminal.

use super::{
    Answer, Count, Document, Escalations, Holding, Login, Object, Overview, Place, Role, View, Way,
};
use crate::paint::{BOLD, DIM, HINT, Lead, PLAIN, Page, Screen};
use crate::view::words;
use anstyle::Style;
use pgattest_model::ident::visible;
use textwrap::core::display_width;

/// How to render.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options {
    /// Where it will be shown.
    pub screen: Screen,
    /// Every object, every reason and every way.
    pub verbose: bool,
}

/// Objects, reasons or ways shown where there are many.
const FEW: usize = 5;
/// Columns for a label.
const LABEL: usize = 12;
/// Columns for a role's name.
const NAME: usize = 18;

/// Renders an answer for a terminal. Ends with a newline.
pub fn render(document: &Document, options: &Options) -> String {
    let mut page = Page::new(options.screen);
    let few = if options.verbose { usize::MAX } else { FEW };
    target(&mut page, document);
    match &document.answer {
        Answer::Overview(all) => overview(&mut page, all),
        Answer::Role(one) => role(&mut page, one, few),
        Answer::Object { objects } => {
            for one in objects {
                object(&mut page, one, few);
            }
        }
        Answer::ToSuperuser(all) => escalations(&mut page, all, few),
    }
    not_seen(&mut page, document);
    page.finish()
}

fn target(page: &mut Page, document: &Document) {
    let target = &document.target;
    beside(page, 0, &target.name, PLAIN, &target.server);
    let label = |label: &str| Lead::indent(2).cell(DIM, label, LABEL);
    page.entry(&label("asked as"), PLAIN, &target.role);
    page.entry(
        &label("databases"),
        PLAIN,
        &words::databases(&target.databases),
    );
    page.entry(
        &label("counted"),
        PLAIN,
        match document.view {
            View::InForce => "what is in force: not what SET ROLE would add",
            View::SetRole => {
                "what is in force and what SET ROLE adds: not what roles can grant themselves"
            }
            View::GrantItself => {
                "what is in force, what SET ROLE adds, and what roles can grant themselves"
            }
        },
    );
}

fn overview(page: &mut Page, all: &Overview) {
    page.heading("Everyone", "by grants to PUBLIC");
    page.entry(&Lead::indent(2), PLAIN, &counts(&all.public));
    page.heading(
        "Login roles",
        &format!(
            "{}; objects on which each holds more than everyone",
            words::thousands(all.logins.len())
        ),
    );
    for login in &all.logins {
        summary(page, login);
    }
}

fn summary(page: &mut Page, login: &Login) {
    page.blank();
    let remarkable: Vec<&str> = login
        .attributes
        .iter()
        .copied()
        .filter(|attribute| *attribute != "LOGIN")
        .collect();
    beside(page, 2, &login.role, DIM, &remarkable.join(", "));
    let label = |label: &str| Lead::indent(4).cell(DIM, label, LABEL);
    match &login.everything {
        Some(why) => page.entry(&label("everything"), PLAIN, why),
        None => page.entry(&label("holds"), PLAIN, &counts(&login.beyond_public)),
    }
    let superuser = login.attributes.contains(&"SUPERUSER");
    match (login.ways, &login.worst) {
        (None, _) => page.entry(&label("ways up"), PLAIN, "not seen"),
        (Some(_), _) if superuser => {}
        (Some(number), Some(worst)) => page.entry(
            &label("ways up"),
            PLAIN,
            &format!("{}; the worst: {}", words::thousands(number), graded(worst)),
        ),
        (Some(_), None) => page.entry(&label("ways up"), PLAIN, "none known"),
    }
}

fn counts(counts: &[Count]) -> String {
    if counts.is_empty() {
        return "nothing".to_owned();
    }
    counts
        .iter()
        .map(|count| {
            format!(
                "{} on {}",
                words::count(count.rights, "right"),
                kinds(count.objects, count.kind)
            )
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// `1 table`, `3 foreign-data wrappers`.
fn kinds(number: usize, kind: &str) -> String {
    words::count(number, kind)
}

fn role(page: &mut Page, role: &Role, few: usize) {
    heading(
        page,
        &format!("Role {}", role.role),
        &role.attributes.join(", "),
    );
    if let Some(why) = &role.everything {
        page.entry(&Lead::indent(2).cell(DIM, "everything", LABEL), PLAIN, why);
    }
    let label = Lead::indent(2).cell(DIM, "ways up", LABEL);
    match role.ways.as_deref() {
        None => page.entry(&label, PLAIN, "not seen"),
        Some([]) => page.entry(&label, PLAIN, "none known"),
        Some(ways) => {
            for (number, way) in ways.iter().take(few).enumerate() {
                let lead = if number == 0 { "ways up" } else { "" };
                page.entry(&Lead::indent(2).cell(DIM, lead, LABEL), PLAIN, &graded(way));
            }
            more(page, 2 + LABEL, ways.len(), few, "way");
        }
    }
    for place in &role.places {
        self::place(page, place, few);
    }
    if role.places.is_empty() && role.everything.is_none() {
        page.entry(
            &Lead::indent(2),
            PLAIN,
            "It holds nothing on what was seen.",
        );
    }
}

fn place(page: &mut Page, place: &Place, few: usize) {
    match &place.database {
        Some(database) => heading(page, &format!("In {database}"), ""),
        None => page.heading("Shared by all databases", ""),
    }
    for sentence in &place.blocked {
        page.entry(&Lead::indent(2), HINT, sentence);
    }
    let mut kind = "";
    for group in &place.groups {
        if group.kind != kind {
            kind = group.kind;
            page.entry(&Lead::indent(2), BOLD, kind);
        }
        let number = if group.objects.len() > 1 {
            format!("on {}: ", kinds(group.objects.len(), group.kind))
        } else {
            "on ".to_owned()
        };
        page.entry(&Lead::indent(4), PLAIN, &held(&group.holding));
        page.entry(
            &Lead::indent(6),
            PLAIN,
            &format!("{number}{}", some(&group.objects, few)),
        );
        because(page, 6, &group.holding, few);
    }
}

fn object(page: &mut Page, object: &Object, few: usize) {
    let place = object
        .database
        .as_ref()
        .map_or_else(String::new, |database| format!(" in {database}"));
    let owner = object
        .owner
        .as_ref()
        .map_or("owner not seen".to_owned(), |owner| {
            format!("owned by {owner}")
        });
    heading(
        page,
        &format!("{} {}{place}", object.kind, object.name),
        &owner,
    );
    match &object.public {
        Some(holding) => {
            page.entry(
                &Lead::indent(2).cell(BOLD, "PUBLIC", NAME),
                PLAIN,
                &format!("{}, so every role", held(holding)),
            );
            because(page, 4, holding, few);
        }
        None => page.entry(
            &Lead::indent(2).cell(BOLD, "PUBLIC", NAME),
            PLAIN,
            "nothing",
        ),
    }
    for (login, title) in [(true, "login roles"), (false, "roles that cannot log in")] {
        let mut of_kind = object
            .holders
            .iter()
            .filter(|holder| holder.login == login)
            .peekable();
        if of_kind.peek().is_none() {
            let beyond = if object.public.is_some() { " more" } else { "" };
            page.entry(
                &Lead::indent(2).cell(DIM, title, 0),
                DIM,
                &format!("none holds anything{beyond}"),
            );
            continue;
        }
        page.entry(&Lead::indent(2), DIM, title);
        for holder in of_kind {
            beside(page, 2, &holder.role, PLAIN, &held(&holder.holding));
            because(page, 4, &holder.holding, few);
        }
    }
    if !object.superusers.is_empty() {
        page.entry(
            &Lead::indent(2).cell(DIM, "superusers", NAME),
            PLAIN,
            &format!("everything: {}", object.superusers.join(", ")),
        );
    }
}

/// A heading that holds a name: it wraps, and what is said beside it stands beneath when it is long.
fn heading(page: &mut Page, text: &str, remark: &str) {
    page.blank();
    beside(page, 0, text, DIM, remark);
}

/// A name, and beside it a text; beneath it where the name is long, as names may be.
fn beside(page: &mut Page, indent: usize, name: &str, style: Style, text: &str) {
    if display_width(&visible(name)) <= page.width() / 2 {
        let width = if indent == 0 { 0 } else { NAME };
        page.entry(&Lead::indent(indent).cell(BOLD, name, width), style, text);
    } else {
        page.entry(&Lead::indent(indent), BOLD, name);
        if !text.is_empty() {
            page.entry(&Lead::indent(indent + 2), style, text);
        }
    }
}

/// `SELECT, INSERT*, (DELETE*)`, as the engine writes it: a star is the option to grant.
fn held(holding: &Holding) -> String {
    let mut all: Vec<String> = holding
        .rights
        .iter()
        .map(|right| {
            if holding.may_grant.contains(right) {
                format!("{right}*")
            } else {
                (*right).to_owned()
            }
        })
        .collect();
    let only_option = holding
        .may_grant
        .iter()
        .filter(|right| !holding.rights.contains(right));
    all.extend(only_option.map(|right| format!("({right}*)")));
    all.join(", ")
}

fn because(page: &mut Page, indent: usize, holding: &Holding, few: usize) {
    for sentence in &holding.blocked {
        page.entry(&Lead::indent(indent), HINT, sentence);
    }
    for reason in holding.because.iter().take(few) {
        page.entry(&Lead::indent(indent), DIM, &reason.sentence);
    }
    more(page, indent, holding.because.len(), few, "reason");
}

fn escalations(page: &mut Page, all: &Escalations, few: usize) {
    let looked_at = match &all.role {
        Some(role) => format!("of role {role}"),
        None => format!(
            "of {}, {} among them",
            words::count(all.looked_at, "login role"),
            words::count(all.superusers.len(), "superuser")
        ),
    };
    page.heading("Ways up", &looked_at);
    if !all.superusers.is_empty() {
        page.entry(
            &Lead::indent(2).cell(DIM, "superusers", LABEL),
            PLAIN,
            &all.superusers.join(", "),
        );
    }
    for climber in &all.roles {
        page.blank();
        beside(
            page,
            2,
            &climber.role,
            DIM,
            &words::count(climber.ways.len(), "way"),
        );
        for way in climber.ways.iter().take(few) {
            page.entry(&Lead::indent(4), PLAIN, &graded(way));
        }
        more(page, 4, climber.ways.len(), few, "way");
    }
    if all.roles.is_empty() {
        let whose = if all.superusers.is_empty() {
            "no way is known"
        } else {
            "no way of another is known"
        };
        page.entry(&Lead::indent(2), PLAIN, whose);
    }
}

fn graded(way: &Way) -> String {
    format!("{}: {}", way.grade, way.sentence)
}

/// The first few, and how many more.
fn some(names: &[String], few: usize) -> String {
    let shown = names
        .iter()
        .take(few)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(few) {
        0 => shown,
        hidden => format!("{shown} and {} more", words::thousands(hidden)),
    }
}

fn more(page: &mut Page, indent: usize, all: usize, few: usize, what: &str) {
    let hidden = all.saturating_sub(few);
    if hidden > 0 {
        page.entry(
            &Lead::indent(indent),
            DIM,
            &format!(
                "and {} (--verbose shows all)",
                words::count(hidden, &format!("more {what}"))
            ),
        );
    }
}

fn not_seen(page: &mut Page, document: &Document) {
    if !document.not_seen.is_empty() {
        page.heading(
            "Not seen",
            &format!(
                "{}; there may be more than is said above",
                words::count(document.not_seen.len(), "gap")
            ),
        );
        for gap in &document.not_seen {
            page.entry(&Lead::indent(2), PLAIN, &gap.why);
            if let Some(statement) = &gap.opened_by {
                page.statement(&Lead::indent(4).cell(DIM, "opened by", 11), statement);
            }
        }
    }
    if !document.left_out.is_empty() {
        page.heading("Left out", "");
        for sentence in &document.left_out {
            page.entry(&Lead::indent(2), DIM, sentence);
        }
    }
}
