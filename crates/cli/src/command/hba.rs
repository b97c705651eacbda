//! `pgattest hba`: who can log in, from where, over what, how; from the text of the file or from a server.

mod json;
mod text;

use crate::args::{HbaArgs, HbaFormat};
use crate::failure::{Doing, Failure, OrHint, fail};
use crate::looking::{collect, resolve};
use crate::printer::Printer;
use pgattest_access::RoleGraph;
use pgattest_access::hba::{
    Attempt, Connection, Destination, Match, Reach, Rule, Ruleset, Terms, Unreachable,
};
use pgattest_access::ident::IdentMaps;
use pgattest_catalog::decode;
use pgattest_collect::Limits;
use pgattest_model::ident::visible;
use pgattest_model::{Facts, Missing, ServerVersion};
use pgattest_parse::auth_file::{Files, Problem, Source, Unreadable};
use pgattest_parse::{hba, ident};
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;

pub(crate) fn run(arguments: &HbaArgs, printer: &Printer) -> Result<u8, Failure> {
    let attempt = attempt(arguments)?;
    let (view, code) = match &arguments.file {
        Some(file) => from_file(file, arguments, attempt.as_ref(), printer)?,
        None => (
            from_server(arguments, attempt.as_ref(), printer)?,
            crate::CLEAN,
        ),
    };
    let output = match arguments.format {
        HbaFormat::Text => text::render(&view),
        HbaFormat::Json => json::render(&view)?,
    };
    printer.result(&output)?;
    Ok(code)
}

/// What both formats show.
pub(super) struct View {
    pub(super) rules: Vec<RuleView>,
    /// Lines that keep the server from loading the file: place and message.
    pub(super) errors: Vec<(String, String)>,
    pub(super) answer: Option<Answer>,
    /// Places of `pg_ident.conf` that let anybody be some role.
    pub(super) open_maps: Vec<String>,
}

pub(super) struct RuleView {
    pub(super) place: String,
    pub(super) who: Vec<String>,
    pub(super) to: Vec<String>,
    pub(super) from: String,
    pub(super) over: String,
    pub(super) how: String,
    /// Why nothing reaches it; `None` when something does, or may.
    pub(super) unreachable: Option<String>,
}

pub(super) struct Answer {
    pub(super) attempt: String,
    /// Place and method of the rule that decides; `None` when no rule matches, and the server refuses.
    pub(super) decides: Option<(String, String)>,
    /// Rules that may match before it.
    pub(super) may: Vec<(String, String)>,
}

fn attempt(arguments: &HbaArgs) -> Result<Option<Attempt>, Failure> {
    let (Some(role), Some(database)) = (&arguments.user, &arguments.database) else {
        return Ok(None);
    };
    let connection = match (arguments.local, arguments.tls) {
        (true, _) => Connection::Socket,
        (_, true) => Connection::Tls,
        _ => Connection::Clear,
    };
    if connection != Connection::Socket && arguments.from.is_none() {
        return Err(fail("where from is not said")
            .hint("add --from ADDRESS, or --local for the Unix socket"));
    }
    Ok(Some(Attempt {
        connection,
        address: arguments.from,
        destination: if arguments.replication {
            Destination::Replication
        } else {
            Destination::Database(database.clone())
        },
        role: role.clone(),
    }))
}

fn from_file(
    path: &Path,
    arguments: &HbaArgs,
    attempt: Option<&Attempt>,
    printer: &Printer,
) -> Result<(View, u8), Failure> {
    let version = ServerVersion(arguments.postgres * 10_000);
    let name = path.to_string_lossy();
    let file = hba::parse(&name, &read(path, printer)?, version, &Disk);
    let mut errors = Vec::new();
    for (_, problem) in file.problems() {
        let shown = file.harmless_text(problem.place.source);
        printer.rendered(&show(problem, &file.sources, &shown));
        errors.push((place(problem, &file.sources), harmless(&problem.message)));
    }
    let mut open_maps = Vec::new();
    if let Some(path) = &arguments.ident {
        let name = path.to_string_lossy();
        let maps = ident::parse(&name, &read(path, printer)?, version, &Disk);
        for (_, problem) in maps.problems() {
            let shown = maps
                .sources
                .get(problem.place.source)
                .map_or("", |source| source.text.as_str());
            printer.rendered(&show(problem, &maps.sources, shown));
            errors.push((place(problem, &maps.sources), problem.message.clone()));
        }
        let label = path.file_name().unwrap_or_default().to_string_lossy();
        open_maps = open(&IdentMaps::new(&maps.rows(), version), &maps.rows(), &label);
    }
    let terms = Terms {
        version,
        tls: true,
        gss: true,
    };
    let ruleset = Ruleset::new(&file.rows(), terms);
    let shadowed = ruleset.shadowed();
    let rules = ruleset.rules().iter().enumerate().map(|(at, rule)| {
        let by = shadowed.iter().find(|shadowed| shadowed.rule == at);
        let source = rule.source();
        RuleView {
            unreachable: by.map(|shadowed| hidden(&ruleset, &shadowed.by)),
            who: written(
                &source.users,
                source.quoted.as_ref().map(|quoted| &quoted.users),
            ),
            to: written(
                &source.databases,
                source.quoted.as_ref().map(|quoted| &quoted.databases),
            ),
            from: from(rule),
            ..rule_view(rule)
        }
    });
    let rules = rules.collect();
    let answer = attempt.map(|attempt| {
        answer(
            &ruleset,
            attempt,
            &ruleset.first_match_without_roles(attempt),
        )
    });
    let code = if errors.is_empty() {
        crate::CLEAN
    } else {
        crate::FOUND
    };
    Ok((
        View {
            rules,
            errors,
            answer,
            open_maps,
        },
        code,
    ))
}

fn from_server(
    arguments: &HbaArgs,
    attempt: Option<&Attempt>,
    printer: &Printer,
) -> Result<View, Failure> {
    let options = resolve(arguments.connection.as_deref(), printer)?;
    // Rules are asked for, no handshake.
    let limits = Limits {
        probe: false,
        ..Limits::default()
    };
    let collection = collect(&options, limits, printer)?;
    judge(&decode(&collection.observations), attempt).map_err(|missing| {
        let hint = missing.grant.clone();
        Failure {
            hint,
            ..fail(format!("the server did not tell: {}", missing.why))
        }
    })
}

fn judge(facts: &Facts, attempt: Option<&Attempt>) -> Result<View, Missing> {
    let version = facts.version()?;
    let rows = facts.hba_rules.here()?.value;
    let roles = facts.roles.here()?.value;
    let graph = RoleGraph::new(roles, facts.memberships.here()?.value, version);
    let databases = facts.databases.here()?.value;
    let terms = Terms {
        version,
        tls: facts.settings.here()?.value.require("ssl")?.is_on(),
        gss: true,
    };
    let ruleset = Ruleset::new(rows, terms);
    let reachability = ruleset.reachability(&graph, databases);
    let mut rules = Vec::new();
    for (_, rule, reach) in reachability.rules() {
        match reach {
            Reach::Nothing(why) => rules.push(RuleView {
                unreachable: Some(reason(&ruleset, why)),
                who: written(&rule.source().users, None),
                to: written(&rule.source().databases, None),
                from: from(rule),
                ..rule_view(rule)
            }),
            Reach::By(arrivals) => rules.extend(arrivals.iter().map(|arrival| {
                RuleView {
                    who: arrival
                        .roles
                        .iter()
                        .filter_map(|&oid| graph.name(oid))
                        .map(visible)
                        .collect(),
                    to: arrival
                        .destinations
                        .iter()
                        .map(ToString::to_string)
                        .collect(),
                    from: match arrival.connection {
                        Connection::Socket => "this machine".to_owned(),
                        _ => arrival.addresses.to_string(),
                    },
                    over: arrival.connection.to_string(),
                    ..rule_view(rule)
                }
            })),
        }
    }
    let errors = ruleset
        .invalid()
        .iter()
        .map(|row| (visible(&row.place()), visible(&row.error)));
    let open_maps = facts.ident_maps.here().map_or_else(
        |_| Vec::new(),
        |maps| {
            open(
                &IdentMaps::new(maps.value, version),
                maps.value,
                "pg_ident.conf",
            )
        },
    );
    Ok(View {
        errors: errors.collect(),
        answer: attempt
            .map(|attempt| answer(&ruleset, attempt, &ruleset.first_match(attempt, &graph))),
        rules,
        open_maps,
    })
}

fn rule_view(rule: &Rule) -> RuleView {
    let source = rule.source();
    let mut how = source.method.clone();
    for option in &source.options {
        let value = if option.withheld {
            "(withheld)"
        } else {
            &option.value
        };
        let _ = write!(how, " {}={value}", option.name);
    }
    RuleView {
        place: visible(&source.place()),
        who: Vec::new(),
        to: Vec::new(),
        from: String::new(),
        over: source.connection_type.clone(),
        how: visible(&how),
        unreachable: None,
    }
}

/// Names and keywords, with the quotes they were written in.
fn written(names: &[String], quoted: Option<&Vec<bool>>) -> Vec<String> {
    names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let in_quotes = quoted.and_then(|quoted| quoted.get(at)).copied();
            if in_quotes == Some(true) {
                format!("\"{}\"", visible(name))
            } else {
                visible(name)
            }
        })
        .collect()
}

fn from(rule: &Rule) -> String {
    let source = rule.source();
    match (source.connection_type.as_str(), source.netmask.as_str()) {
        ("local", _) => "this machine".to_owned(),
        (_, "") => visible(&source.address),
        (_, mask) => match rule.extent().prefix_length {
            Some(length) => format!("{}/{length}", source.address),
            None => format!("{} {mask}", source.address),
        },
    }
}

fn hidden(ruleset: &Ruleset, by: &std::collections::BTreeSet<usize>) -> String {
    let places: Vec<_> = by
        .iter()
        .filter_map(|&at| ruleset.rule(at))
        .map(|rule| visible(&rule.source().place()))
        .collect();
    format!("decided before by {}", places.join(", "))
}

fn reason(ruleset: &Ruleset, why: &Unreachable) -> String {
    match why {
        Unreachable::NotOffered => "the server offers no such connection".to_owned(),
        Unreachable::NoRole => "no login role is in its list".to_owned(),
        Unreachable::NoDestination => "no database is in its list".to_owned(),
        Unreachable::NoPair => "none of its roles goes with any of its databases".to_owned(),
        Unreachable::Shadowed(by) => hidden(ruleset, by),
    }
}

fn answer(ruleset: &Ruleset, attempt: &Attempt, found: &Match) -> Answer {
    let named = |at: usize| {
        let rule = ruleset.rule(at)?;
        Some((visible(&rule.source().place()), visible(rule.method())))
    };
    Answer {
        attempt: attempt.to_string(),
        decides: found.rule.and_then(named),
        may: found.maybe.iter().filter_map(|&at| named(at)).collect(),
    }
}

/// Lines of maps that let anybody be a role.
fn open(maps: &IdentMaps, rows: &[pgattest_model::facts::IdentMap], label: &str) -> Vec<String> {
    let mut names: Vec<_> = rows.iter().map(|row| row.map.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let openings = names.into_iter().flat_map(|name| maps.openings(name));
    openings
        .filter(|opening| *opening.outside == pgattest_access::ident::Outside::AnyName)
        .map(|opening| {
            visible(&format!(
                "{label}:{}: map {} lets any name be {}",
                opening.line.line, opening.line.map, opening.line.role
            ))
        })
        .collect()
}

fn read(path: &Path, printer: &Printer) -> Result<String, Failure> {
    let bytes = std::fs::read(path)
        .doing(|| format!("the file {} could not be read", path.display()))
        .or_hint("name a pg_hba.conf, or none to ask a server")?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| {
        printer.warning(&format!(
            "{} is not UTF-8 text: a name with other bytes in it is not compared as the server does",
            path.display()
        ));
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    }))
}

fn place(problem: &Problem, sources: &[Source]) -> String {
    let path = sources
        .get(problem.place.source)
        .map_or("", |source| source.path.as_str());
    visible(&format!("{path}:{}", problem.place.line))
}

/// A message that repeats a piece of the line may repeat a secret: the piece is shown in its line, where secrets are blotted out.
fn harmless(message: &str) -> String {
    const REPEATING: [&str; 2] = [
        "not in name=value format",
        "could not parse RADIUS secret list",
    ];
    let said = REPEATING
        .iter()
        .find_map(|words| Some(message.find(words)? + words.len()))
        .and_then(|end| message.get(..end));
    visible(said.unwrap_or(message))
}

fn show(problem: &Problem, sources: &[Source], text: &str) -> String {
    use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
    let path = sources
        .get(problem.place.source)
        .map_or("", |source| source.path.as_str());
    let end = problem.place.span.end.min(text.len());
    let span = problem.place.span.start.min(end)..end;
    let snippet = Snippet::source(text)
        .path(visible(path))
        .annotation(AnnotationKind::Primary.span(span));
    let group = Level::ERROR
        .primary_title(harmless(&problem.message))
        .element(snippet);
    Renderer::styled().render(&[group])
}

/// Files that a file includes.
struct Disk;

impl Files for Disk {
    fn text(&self, path: &str) -> Result<String, Unreadable> {
        let bytes = std::fs::read(path).map_err(|error| unreadable(&error))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn names(&self, directory: &str) -> Result<Vec<String>, Unreadable> {
        let entries = std::fs::read_dir(directory).map_err(|error| unreadable(&error))?;
        Ok(entries
            .flatten()
            .filter(|entry| entry.path().is_file())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect())
    }
}

fn unreadable(error: &std::io::Error) -> Unreadable {
    if error.kind() == ErrorKind::NotFound {
        Unreadable::Absent
    } else {
        Unreadable::Because(error.to_string())
    }
}
