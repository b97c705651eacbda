//! The `plan` block of a spec: fault, plan, apply, no fault, undo, fault again.

use super::{compare, options, render};
use anyhow::{Context as _, Result, bail};
use pgattest_checks::registry;
use pgattest_collect::{Limits, collect};
use pgattest_model::ident::visible;
use pgattest_model::plan::{
    Action, Change, Plan, PlanTarget, Risk, SettingValue, Undo, taking_back,
};
use pgattest_model::{Assessment, Fingerprint, Policy, Status};
use pgattest_planner::{Origin, facts_digest};
use pgattest_remedy::certificate::{Owner, Targets, make};
use pgattest_remedy::{ApplyError, Hands, perform};
use pgattest_testkit::Cluster;
use pgattest_wire::ConnectOptions;
use std::collections::{BTreeMap, BTreeSet};

/// Plans for one check alone. `expected` has a line for each statement: risk, database (`-` for the cluster's own), statement.
pub(super) async fn run(
    cluster: &Cluster,
    policy: &Policy,
    name: &str,
    expected: &str,
) -> Result<()> {
    let check = registry::find(name).with_context(|| format!("no check is called `{name}`"))?;
    let id = check.meta().id;
    let options = options(cluster, None)?;
    let before = look(cluster, &options, policy).await?;
    let plan = plan(&before, policy, id, &options);
    // Where the server's files are differs from run to run.
    let data = cluster.data_dir().display().to_string();
    let run = cluster.scratch_dir().display().to_string();
    let planned = lines(&plan).replace(&data, "$DATA").replace(&run, "$RUN");
    compare(expected, &planned).context("the plan")?;
    let claimed: BTreeSet<&Fingerprint> = plan
        .changes
        .iter()
        .filter(|change| change.risk != Risk::ByHand)
        .flat_map(|change| &change.closes)
        .map(|closes| &closes.fingerprint)
        .collect();
    if claimed.is_empty() && !plan.is_empty() {
        bail!("the plan claims to close nothing");
    }

    let mut hands = ByControl(cluster);
    let done: Vec<&Change> = plan
        .changes
        .iter()
        .filter(|change| change.risk != Risk::ByHand)
        .collect();
    let mut certificates = BTreeMap::new();
    for change in &done {
        if let Some(targets) = certify(cluster, &change.action)? {
            certificates.insert(&change.id, targets);
            continue;
        }
        perform(&options, &change.action, &mut hands)
            .await
            .with_context(|| format!("applying {}: {:?}", change.id, change.action))?;
    }
    let fixed = look(cluster, &options, policy).await?;
    let open = |look: &Look, id: &str| -> Vec<Fingerprint> { look.open(id) };
    let expected_left: Vec<Fingerprint> = open(&before, id)
        .into_iter()
        .filter(|fingerprint| !claimed.contains(fingerprint))
        .collect();
    if open(&fixed, id) != expected_left {
        bail!(
            "applied; left open should be {expected_left:?}, but the verdict is\n{}",
            fixed.verdict(id)
        );
    }
    if expected_left.is_empty() && !matches!(fixed.status(id), Status::Pass | Status::NotApplicable)
    {
        bail!("applied, but the verdict is\n{}", fixed.verdict(id));
    }
    fixed.breaks_nothing(&before)?;

    for change in taking_back(&done) {
        match &change.undo {
            Undo::By(action) => perform(&options, action, &mut hands)
                .await
                .with_context(|| format!("taking back {}: {action:?}", change.id))?,
            Undo::Restore if certificates.contains_key(&change.id) => {
                certificates[&change.id].restore()?;
            }
            Undo::Restore => restore(&options, change, &before, &mut hands).await?,
            Undo::None(_) => {}
        }
    }
    let undone = look(cluster, &options, policy).await?;
    if done
        .iter()
        .all(|change| !matches!(change.undo, Undo::None(_)))
        && undone.verdict(id) != before.verdict(id)
    {
        bail!(
            "taken back, but the verdict is\n{}\nand not as before\n{}",
            undone.verdict(id),
            before.verdict(id)
        );
    }
    let moved: Vec<String> = before
        .digest
        .groups
        .iter()
        .zip(&undone.digest.groups)
        .filter(|(before, undone)| before != undone)
        .map(|((id, _), _)| id.to_string())
        .collect();
    // Taking back may leave identifiers and spellings of privileges behind (a NULL became an explicit list), but roles and their
    // memberships are as they were.
    for group in [
        "cluster/roles",
        "cluster/memberships",
        "cluster/role-settings",
    ] {
        if moved.iter().any(|moved| moved == group) {
            bail!("taken back, but {group} is not as it was");
        }
    }
    // Who may do what was only granted and revoked: it is as it was, with its options and grantors.
    if id.starts_with("GRN-") && before.grants != undone.grants {
        let gone: Vec<_> = before.grants.difference(&undone.grants).collect();
        let new: Vec<_> = undone.grants.difference(&before.grants).collect();
        bail!("taken back, but these grants are gone:\n{gone:#?}\nand these are new:\n{new:#?}");
    }
    Ok(())
}

/// Every grant there is, with its grantor and options, in words.
fn grants(facts: &pgattest_model::Facts) -> BTreeSet<String> {
    let inside = facts.inside.iter();
    let inside = inside.filter_map(|database| Some((&database.name, database.acls.here().ok()?)));
    let shared = facts.shared_acls.here().ok();
    let shared = shared.iter().flat_map(|acls| acls.iter());
    let of = |database: &str, acl: &pgattest_model::facts::Acl| {
        format!(
            "{database:?} {:?} {} {} {:?} {} -> {}: {:?}",
            acl.class, acl.object, acl.column, acl.name, acl.grantor, acl.grantee, acl.privileges
        )
    };
    let granted = |acl: &&pgattest_model::facts::Acl| !acl.privileges.is_empty();
    let mut all: BTreeSet<String> = shared.filter(granted).map(|acl| of("", acl)).collect();
    for (database, acls) in inside {
        all.extend(acls.iter().filter(granted).map(|acl| of(database, acl)));
    }
    for database in &facts.inside {
        let defaults = database.default_acls.here().ok();
        all.extend(
            defaults
                .iter()
                .flat_map(|rows| rows.iter())
                .filter(|row| !row.privileges.is_empty())
                .map(|row| format!("{:?} {row:?}", database.name)),
        );
    }
    all
}

/// A collection with what was concluded.
struct Look {
    observations: Vec<pgattest_model::Observation>,
    assessment: Assessment,
    digest: pgattest_model::plan::FactsDigest,
    texts: BTreeMap<String, String>,
    grants: BTreeSet<String>,
}

impl Look {
    fn result(&self, id: &str) -> Option<&pgattest_model::CheckResult> {
        self.assessment
            .checks
            .iter()
            .find(|result| result.meta.id == id)
    }

    fn open(&self, id: &str) -> Vec<Fingerprint> {
        self.result(id)
            .map(|result| result.fingerprints.clone())
            .unwrap_or_default()
    }

    fn status(&self, id: &str) -> Status {
        self.result(id)
            .map_or(Status::NotAssessed, pgattest_model::CheckResult::status)
    }

    fn verdict(&self, id: &str) -> String {
        self.result(id)
            .map_or_else(String::new, |result| render(&result.verdict))
    }

    /// Nothing that passed fails now.
    fn breaks_nothing(&self, before: &Self) -> Result<()> {
        for result in &self.assessment.checks {
            let id = result.meta.id;
            if before.status(id) == Status::Pass && result.status() == Status::Fail {
                bail!("{id} passed, and now:\n{}", self.verdict(id));
            }
        }
        Ok(())
    }
}

async fn look(cluster: &Cluster, options: &ConnectOptions, policy: &Policy) -> Result<Look> {
    let collection = collect(options, Limits::default(), |_| {}).await?;
    let facts = pgattest_catalog::decode(&collection.observations);
    Ok(Look {
        grants: grants(&facts),
        assessment: pgattest_checks::assess(&facts, policy),
        digest: facts_digest(&collection.observations),
        observations: collection.observations,
        texts: texts(cluster)?,
    })
}

fn plan(look: &Look, policy: &Policy, id: &str, options: &ConnectOptions) -> Plan {
    let options = pgattest_planner::Options {
        only: Some(BTreeSet::from([id.to_owned()])),
        own_login: Some(pgattest_planner::Login {
            role: options.user().to_owned(),
            database: options.database().to_owned(),
            address: None,
            tls: false,
            replication: false,
            last_seen: String::new(),
            count: 1,
        }),
        hba_files: look.texts.clone().into_iter().collect(),
        ..pgattest_planner::Options::default()
    };
    let facts = pgattest_catalog::decode(&look.observations);
    let origin = Origin {
        target: PlanTarget {
            name: String::new(),
            system_identifier: String::new(),
            version: String::new(),
            flavour: "self-hosted".to_owned(),
        },
        facts_as_of: String::new(),
        facts: look.digest.clone(),
        policy_sha256: None,
        tool_version: String::new(),
    };
    pgattest_planner::plan(&facts, policy, &look.assessment, &options, origin)
}

/// The files of the server that a plan may replace, by path.
fn texts(cluster: &Cluster) -> Result<BTreeMap<String, String>> {
    let hba = cluster.data_dir().join("pg_hba.conf");
    let text = std::fs::read_to_string(&hba)?;
    Ok(BTreeMap::from([(hba.display().to_string(), text)]))
}

/// What a spec compares: a line for each statement.
fn lines(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for change in &plan.changes {
        let database = change
            .action
            .database()
            .map_or_else(|| "-".to_owned(), visible);
        for statement in statements(&change.action) {
            lines.push(format!(
                "{}  {database}  {}",
                change.risk.as_str(),
                visible(&statement)
            ));
        }
    }
    lines.join("\n")
}

fn statements(action: &Action) -> Vec<String> {
    match action {
        Action::Sql { statements, .. } => statements.clone(),
        Action::SqlAlone { statement, .. } => vec![statement.clone()],
        Action::Setting { name, value } => vec![match value {
            None => format!("reset {name}"),
            Some(SettingValue::One(value)) => format!("set {name} = {value}"),
            Some(SettingValue::List(values)) => format!("set {name} = {}", values.join(", ")),
        }],
        Action::File { text, .. } => text.lines().map(|line| format!("| {line}")).collect(),
        Action::Certificate { names, .. } => vec![format!("certificate for {}", names.join(", "))],
        Action::Restart => vec!["restart".to_owned()],
        Action::ByHand(what) => vec![what.clone()],
    }
}

/// Makes the certificate that an action asks for; `None` when it asks for something else.
fn certify(cluster: &Cluster, action: &Action) -> Result<Option<Targets>> {
    let Action::Certificate {
        names,
        days,
        certificate,
        key,
        authority,
    } = action
    else {
        return Ok(None);
    };
    let targets = Targets::choose(certificate.as_ref(), key.as_ref(), authority.as_ref())?;
    let made = make(names, *days)?;
    targets.write(&made, Owner::of(&cluster.data_dir())?)?;
    Ok(Some(targets))
}

/// The file as it was before.
async fn restore(
    options: &ConnectOptions,
    change: &Change,
    before: &Look,
    hands: &mut ByControl<'_>,
) -> Result<()> {
    let Action::File {
        file, path, text, ..
    } = &change.action
    else {
        bail!("only a file can be restored, not {:?}", change.action)
    };
    let action = Action::File {
        file: *file,
        path: path.clone(),
        before_sha256: sha256(text),
        text: before.texts.get(path).context("no text kept")?.clone(),
    };
    perform(options, &action, hands).await?;
    Ok(())
}

fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(text.as_bytes()))
}

struct ByControl<'c>(&'c Cluster);

impl Hands for ByControl<'_> {
    fn restart(&mut self) -> Result<(), ApplyError> {
        self.0
            .restart()
            .map_err(|error| ApplyError::NotFromHere(format!("{error:#}")))
    }
}
