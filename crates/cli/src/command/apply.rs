//! `pgattest apply`: makes the changes of a plan, and holds the plan to what it claimed.

use crate::args::ApplyArgs;
use crate::changing::{self, PlanFile, Teller, confirm};
use crate::failure::{Doing, Failure, fail};
use crate::home::Home;
use crate::looking::{Look, look, resolve};
use crate::policy_file::{self, PolicyFile};
use crate::printer::Printer;
use crate::sealing::{self, Changed};
use pgattest_collect::Limits;
use pgattest_model::ident::visible;
use pgattest_model::plan::{Closes, ImpactKind, Need, Plan, Risk};
use pgattest_model::{Audit, Held};
use pgattest_remedy::canary::{Outcome, Tried, try_services};
use pgattest_remedy::{Phase, Request};
use pgattest_report::verification;
use pgattest_wire::ConnectOptions;
use std::path::Path;

pub(crate) fn run(arguments: &ApplyArgs, printer: &Printer) -> Result<u8, Failure> {
    let file = PlanFile::read(&arguments.plan)?;
    let policy = policy_file::load(arguments.policy.as_deref())?;
    same_policy(&file.plan, &policy)?;
    let options = resolve(arguments.change.connection.as_deref(), printer)?;
    let home = Home::at(&arguments.change.home)?;
    let folder = file.folder(&home);
    let resumes = may_begin(arguments, &folder)?;
    if file.plan.is_empty() {
        printer.note("The plan has nothing that pgattest would do; what is left is for people.");
        return Ok(crate::CLEAN);
    }
    if let Some(out) = &arguments.out {
        std::fs::create_dir_all(out)
            .doing(|| format!("the directory {} could not be made", out.display()))?;
    }

    printer.note(&summary(&file.plan));
    let question = format!(
        "{} these changes to {}?",
        if resumes { "Go on with" } else { "Make" },
        visible(&file.plan.target.name)
    );
    confirm(&question, arguments.yes, printer)?;

    let before = if resumes {
        Look::read(&folder)?
    } else {
        let before = look(&options, Limits::default(), &policy, printer)?;
        before.keep(&folder)?;
        before
    };
    let before = before.audit(&policy.policy);
    let request = changing::request(
        &file,
        &options,
        &folder,
        &arguments.change,
        &arguments.accept,
    );
    let mut teller = Teller::new(&file.digest, &file.plan.target.name, &home, printer)?;
    let applied = changing::run(
        async {
            if resumes {
                pgattest_remedy::resume(&request, &mut teller).await
            } else {
                pgattest_remedy::apply(&request, &mut teller).await
            }
        },
        &arguments.plan,
    )?;
    // The changes are made: they are held to their claims whether or not the ledger took every entry.
    let (recorded, in_ledger) = teller.finish();
    if applied.waits_for_restart {
        printer.note(&format!(
            "\nEverything before the restart is done. Restart the server when it suits you, then go on:\n  \
             pgattest apply --resume {}",
            visible(&arguments.plan.display().to_string())
        ));
        return in_ledger.map(|()| crate::FOUND);
    }
    let done = Done {
        file: &file,
        policy: &policy,
        options: &options,
        before: &before,
        folder: &folder,
        recorded,
    };
    let code = done.hold(arguments, &request, &home, printer)?;
    in_ledger.map(|()| code)
}

/// What was done, to be held to its claims.
struct Done<'a> {
    file: &'a PlanFile,
    policy: &'a PolicyFile,
    options: &'a ConnectOptions,
    before: &'a Audit,
    folder: &'a Path,
    recorded: usize,
}

impl Done<'_> {
    fn hold(
        &self,
        arguments: &ApplyArgs,
        request: &Request<'_>,
        home: &Home,
        printer: &Printer,
    ) -> Result<u8, Failure> {
        printer.note("\nAuditing again");
        let after =
            look(self.options, Limits::default(), self.policy, printer)?.audit(&self.policy.policy);
        let held = Held::of(&self.file.plan, &self.before.assessment, &after.assessment);
        let tried = self.canary(arguments, printer)?;
        tell(&held, &tried, printer);
        let works = !tried.iter().any(|one| one.outcome.has_failed());
        let good = held.is_good() && works;
        if !good && !arguments.keep {
            printer
                .warning("the plan did not do what it promised; taking it back (--keep leaves it)");
            let mut teller = Teller::new(
                &self.file.digest,
                &self.file.plan.target.name,
                home,
                printer,
            )?;
            let undone =
                changing::run(pgattest_remedy::undo(request, &mut teller), &arguments.plan)?;
            super::undo::tell(&undone, printer);
            return teller.finish().1.map(|()| crate::FOUND);
        }
        if let Some(out) = &arguments.out {
            let journal = self.folder.join("journal.jsonl");
            let journal = std::fs::read(&journal)
                .doing(|| format!("{} could not be read", journal.display()))?;
            let changed = Changed {
                before: self.before,
                plan: &self.file.text,
                journal: &journal,
                verification: verification::render(&self.file.digest, &held),
            };
            sealing::seal(&after, self.policy, Some(&changed), home, out, printer)?;
        }
        printer.result(&conclusion(self.before, &after, &held, self.recorded))?;
        Ok(if good { crate::CLEAN } else { crate::FOUND })
    }

    fn canary(&self, arguments: &ApplyArgs, printer: &Printer) -> Result<Vec<Tried>, Failure> {
        let services = &self.policy.policy.services;
        let elsewhere = arguments
            .services_at
            .as_deref()
            .map(|connection| resolve(Some(connection), printer))
            .transpose()?;
        let options = elsewhere.as_ref().unwrap_or(self.options);
        changing::run(
            async { Ok(try_services(options, services).await) },
            &arguments.plan,
        )
    }
}

/// A plan made by another policy would be held to something else than it was made for.
fn same_policy(plan: &Plan, policy: &PolicyFile) -> Result<(), Failure> {
    let digest = policy.sha256();
    if digest == plan.policy_sha256 {
        return Ok(());
    }
    Err(match (&plan.policy_sha256, digest) {
        (None, _) => fail("the plan was made without a policy file, and there is one now"),
        (Some(_), None) => fail("the plan was made by a policy file, and there is none here"),
        (Some(_), Some(_)) => fail("the policy file is not the one that the plan was made by"),
    }
    .hint("name the same one with --policy, or make another plan"))
}

/// Whether applying goes on where it stopped; an error when it can neither begin nor go on.
fn may_begin(arguments: &ApplyArgs, folder: &Path) -> Result<bool, Failure> {
    let state = pgattest_remedy::status(folder)
        .doing(|| "the journal of this plan cannot be read".to_owned())?;
    let plan = visible(&arguments.plan.display().to_string());
    match (state.map(|state| state.phase), arguments.resume) {
        (None | Some(Phase::Undone), false) => Ok(false),
        (None, true) => Err(fail("this plan was never begun: there is nothing to go on with")
            .hint(format!("pgattest apply {plan}"))),
        (Some(Phase::Undone), true) => Err(fail("this plan was taken back: there is nothing to go on with")
            .hint("make another plan: what it was made from may have changed")),
        (Some(Phase::Applied), false) => Err(fail("this plan is applied already").hint(format!(
            "hold it to its claims again with `pgattest apply --resume {plan}`, take it back with `pgattest undo {plan}`, or \
             make another"
        ))),
        (Some(Phase::Undoing), _) => Err(fail("this plan is being taken back").hint(format!(
            "finish that first: pgattest undo {plan}"
        ))),
        // An earlier run may have ended before the audit that the plan is held to.
        (Some(Phase::Applying | Phase::WaitingForRestart | Phase::Applied), true) => Ok(true),
        (Some(phase @ (Phase::Applying | Phase::WaitingForRestart)), false) => {
            Err(fail(format!("this plan is {}", phase.as_str())).hint(format!(
                "go on with `pgattest apply --resume {plan}`, or take it back with `pgattest undo {plan}`"
            )))
        }
    }
}

/// What is about to happen, in a few lines: the plan itself was to be read before.
fn summary(plan: &Plan) -> String {
    let count = |risk| {
        plan.changes
            .iter()
            .filter(|change| change.risk == risk)
            .count()
    };
    let closes: usize = plan
        .changes
        .iter()
        .filter(|change| change.risk != Risk::ByHand)
        .map(|change| change.closes.len())
        .sum();
    let needs_restart = plan
        .changes
        .iter()
        .any(|change| change.risk != Risk::ByHand && change.needs.contains(&Need::Restart));
    let changes = count(Risk::Safe) + count(Risk::Approval);
    let mut lines = vec![format!(
        "{} for {}: {} safe, {} to be approved; {} left to people",
        plural(changes, "change"),
        plural(closes, "finding"),
        count(Risk::Safe),
        count(Risk::Approval),
        count(Risk::ByHand)
    )];
    if needs_restart {
        lines.push("the server has to be restarted for some of them".to_owned());
    }
    let refused: Vec<String> = plan
        .changes
        .iter()
        .filter(|change| change.risk != Risk::ByHand)
        .flat_map(|change| &change.impact)
        .filter(|impact| impact.kind == ImpactKind::LoginRefused)
        .map(|impact| {
            visible(&format!(
                "  would be refused: {}: {}",
                impact.subject, impact.detail
            ))
        })
        .collect();
    lines.extend(refused);
    lines.join("\n")
}

fn plural(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

fn tell(held: &Held, tried: &[Tried], printer: &Printer) {
    let name = |closes: &Closes| format!("{} {}", closes.check, closes.subject.name);
    for closes in &held.not_closed {
        printer.warning(&format!("still open: {}", name(closes)));
    }
    for check in &held.broken {
        printer.warning(&format!("{check} passed before and fails now"));
    }
    for closes in &held.appeared {
        printer.warning(&format!("not there before: {}", name(closes)));
    }
    for one in tried {
        let who = format!("{} in {}", one.role, one.database);
        match &one.outcome {
            Outcome::Worked { statements, tls } => printer.note(&format!(
                "  {}: logged in{}{}",
                visible(&who),
                if *tls { " through TLS" } else { "" },
                match statements {
                    0 => "; it declares no statement to try".to_owned(),
                    1 => ", its declared statement worked".to_owned(),
                    n => format!(", its {n} declared statements worked"),
                }
            )),
            Outcome::Failed { statement, why } => printer.warning(&match statement {
                None => format!("{who} cannot log in: {why}"),
                Some(statement) => format!("{who}: `{statement}` fails: {why}"),
            }),
            Outcome::NotTried(why) => {
                printer.warning(&format!("{who} was not tried: {why}"));
            }
        }
    }
}

/// The eight points before and after.
fn conclusion(before: &Audit, after: &Audit, held: &Held, recorded: usize) -> String {
    let mut text = String::new();
    for (was, is) in before
        .assessment
        .controls
        .iter()
        .zip(&after.assessment.controls)
    {
        use std::fmt::Write as _;
        let _ = writeln!(
            text,
            "{:>2}  {:>14} -> {:<14}  {}",
            is.control.number,
            was.status.words(),
            is.status.words(),
            is.control.statement
        );
    }
    format!(
        "{text}\n{} findings closed; {recorded} steps of this run are in the ledger\n",
        held.closed.len()
    )
}
