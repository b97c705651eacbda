//! Runs every spec in `crates/checks/specs/` against real servers: one test a file and major. They stand with the checks, and run
//! here because a spec also shows how a finding is fixed.
//!
//! `cargo nextest run -p pgattest-remedy --test specs` runs all, `-E 'test(superuser)'` those whose name has the word.

use anyhow::{Context as _, Result, bail};
use libtest_mimic::{Arguments, Failed, Trial};
use pgattest_checks::registry;
use pgattest_collect::{Limits, collect};
use pgattest_model::ident::visible;
use pgattest_model::{Finding, Policy, Verdict};
use pgattest_testkit::spec::{Action, Config, Spec};
use pgattest_testkit::{Cluster, SUPERUSER, SUPERUSER_PASSWORD, Tls};
use pgattest_wire::{ConnectOptions, ProcessEnv};
use std::path::Path;

mod fixing;
mod trail;

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../checks/specs");
    let trials = match Spec::all(&root) {
        Ok(specs) => specs.iter().flat_map(trials).collect(),
        Err(error) => vec![Trial::test("specs", move || {
            Err(Failed::from(format!("{error:#}")))
        })],
    };
    libtest_mimic::run(&arguments, trials).exit();
}

fn trials(spec: &Spec) -> Vec<Trial> {
    spec.majors
        .iter()
        .map(|&major| {
            let spec = spec.clone();
            Trial::test(format!("{}::pg{major}", spec.name), move || {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()?;
                runtime
                    .block_on(run(&spec, major))
                    .map_err(|error| Failed::from(format!("{error:#}")))
            })
        })
        .collect()
}

async fn run(spec: &Spec, major: u32) -> Result<()> {
    let name = spec.name.rsplit('/').next().unwrap_or_default();
    let mut cluster: Option<Cluster> = None;
    let mut policy = Policy::default();
    let mut trail: Option<&str> = None;
    for step in &spec.steps {
        let place = || format!("specs/{}.md:{} ({})", spec.name, step.line, step.heading);
        match &step.action {
            Action::Cluster(config) => {
                drop(cluster.take());
                cluster = Some(start(major, config).await.with_context(place)?);
            }
            Action::Sql { database, script } => {
                let cluster = cluster.as_ref().context("no cluster")?;
                cluster
                    .execute(database, script)
                    .await
                    .with_context(place)?;
            }
            Action::Policy(text) => {
                policy = pgattest_parse::policy::parse(text).with_context(place)?;
            }
            Action::Trail(text) => {
                trail = Some(text.as_str()).filter(|text| !text.trim().is_empty());
            }
            Action::Verdict { role, expected } => {
                let cluster = cluster.as_ref().context("no cluster")?;
                let actual = verdict(cluster, role.as_deref(), &policy, trail, name)
                    .await
                    .with_context(place)?;
                compare(expected, &actual).with_context(place)?;
            }
            Action::Plan { expected } => {
                let cluster = cluster.as_ref().context("no cluster")?;
                fixing::run(cluster, &policy, name, expected)
                    .await
                    .with_context(place)?;
            }
        }
    }
    Ok(())
}

async fn start(major: u32, config: &Config) -> Result<Cluster> {
    let mut builder = match config.preset.as_deref() {
        None => Cluster::builder(major),
        Some("hardened") => Cluster::hardened(major),
        Some(other) => bail!("`{other}` is not a preset"),
    };
    if config.tls {
        let tls = Tls::new();
        builder = builder.tls(match config.certificate.as_deref() {
            None => tls,
            Some("expired") => tls.expired(),
            Some("other-name") => tls.names(&["db.example.com"]),
            Some(other) => bail!("`{other}` is not a kind of certificate"),
        });
    }
    for module in &config.preload {
        builder = builder.preload(module);
    }
    for (name, value) in &config.settings {
        builder = builder.setting(name, value);
    }
    if let Some(hba) = &config.hba {
        builder = builder.hba(hba);
    }
    if let Some(ident) = &config.ident {
        builder = builder.ident(ident);
    }
    builder.start().await
}

/// Audits the cluster as a user would, and writes the verdict of one check as a spec writes it.
async fn verdict(
    cluster: &Cluster,
    role: Option<&str>,
    policy: &Policy,
    trail: Option<&str>,
    name: &str,
) -> Result<String> {
    let check = registry::find(name).with_context(|| format!("no check is called `{name}`"))?;
    let options = options(cluster, role)?;
    let mut observations = collect(&options, Limits::default(), |_| {})
        .await?
        .observations;
    if let Some(text) = trail {
        let facts = pgattest_catalog::decode(&observations);
        observations.extend(trail::observations(text, &facts)?);
    }
    let facts = pgattest_catalog::decode(&observations);
    let assessment = pgattest_checks::assess(&facts, policy);
    let result = assessment
        .checks
        .into_iter()
        .find(|result| result.meta.id == check.meta().id)
        .context("the check was not run")?;
    for finding in result.verdict.findings() {
        sound(finding)?;
    }
    Ok(render(&result.verdict))
}

fn options(cluster: &Cluster, role: Option<&str>) -> Result<ConnectOptions> {
    Ok(ConnectOptions::resolve(
        Some(&dsn(cluster, role)),
        &ProcessEnv,
    )?)
}

fn dsn(cluster: &Cluster, role: Option<&str>) -> String {
    let quoted = |value: &str| format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"));
    let (user, password) = role.map_or((SUPERUSER, SUPERUSER_PASSWORD), |role| (role, "spec-only"));
    format!(
        "host={} port={} user={} password={} dbname=postgres application_name=pgattest",
        quoted(&cluster.socket_dir().display().to_string()),
        cluster.port(),
        quoted(user),
        quoted(password),
    )
}

/// Law 3: every finding names its subject and what shows it, and says what to do.
fn sound(finding: &Finding) -> Result<()> {
    if finding.observations.is_empty()
        || finding.subject.name.is_empty()
        || finding.remediation.is_empty()
    {
        bail!("a finding without subject, observation or remediation: {finding:?}");
    }
    if finding.detail.ends_with('.') || finding.cause.ends_with('.') {
        bail!("a finding ends without a period: {finding:?}");
    }
    Ok(())
}

fn render(verdict: &Verdict) -> String {
    let why = |missing: &[pgattest_model::Missing]| {
        missing
            .iter()
            .map(|one| visible(&one.why))
            .collect::<Vec<_>>()
            .join("; ")
    };
    let first = match verdict {
        Verdict::Assessed {
            population,
            not_seen,
            ..
        } if not_seen.is_empty() => {
            format!("tested {} {}", population.count, population.of)
        }
        Verdict::Assessed {
            population,
            not_seen,
            ..
        } => {
            format!(
                "tested {} {}; {}",
                population.count,
                population.of,
                why(not_seen)
            )
        }
        Verdict::NotApplicable(reason) => visible(reason),
        Verdict::NotAssessed(missing) => why(std::slice::from_ref(missing)),
    };
    let mut lines = vec![format!("{}  {first}", verdict.status().words())];
    for finding in verdict.findings() {
        let subject = match &finding.subject.database {
            Some(database) => format!("{database}:{}", finding.subject.name),
            None => finding.subject.name.clone(),
        };
        lines.push(format!(
            "{}  {}  {}",
            finding.severity,
            visible(&subject),
            visible(&finding.detail)
        ));
    }
    lines.join("\n")
}

/// Lines are equal when their columns are; two or more spaces part columns.
fn compare(expected: &str, actual: &str) -> Result<()> {
    let columns = |text: &str| -> Vec<Vec<String>> {
        text.lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|column| !column.is_empty())
                    .map(str::to_owned)
                    .collect()
            })
            .collect()
    };
    if columns(expected) == columns(actual) {
        return Ok(());
    }
    bail!("expected\n{expected}\nbut it is\n{actual}\n")
}
