//! A plan as a script for psql, and the script that takes it back.
//!
//! For those who make changes by other means than `pgattest apply`. It stops at the first error; what one transaction holds is done
//! all or not at all. What SQL cannot do stands in comments. After a restart the script is run once more, with a variable set that
//! makes psql skip what was done.

mod script;

use super::view;
use pgattest_model::ident::{quote_literal, visible};
use pgattest_model::plan::{Action, Change, Plan, Risk, Stage, Undo};
use script::Script;

/// Renders what the plan does.
pub fn render(plan: &Plan) -> String {
    let mut script = Script::default();
    header(&mut script, plan, "makes the changes of a plan");
    script.start(&plan.target.system_identifier);
    let restart = plan
        .changes
        .iter()
        .position(|change| change.action == Action::Restart);
    match restart {
        None => body(&mut script, &plan.changes),
        Some(at) => {
            let (before, after) = plan.changes.split_at(at);
            let after = after.get(1..).unwrap_or_default();
            script.line("\\if :{?after_restart}\n\\else");
            body(&mut script, before);
            script.finish();
            script.comment("");
            script.comment("The rest needs a restart of the server. Restart it, then run this file again like this:");
            script.comment("  psql -X -v after_restart=1 -f FILE ..");
            script.line(
                "\\echo 'Restart the server, then run this file again with: -v after_restart=1'",
            );
            script.line("\\endif");
            script.line("\\if :{?after_restart}");
            script.forget();
            body(&mut script, after);
            script.finish();
            script.line("\\endif");
        }
    }
    script.done()
}

/// Renders what takes the plan back: every undo, the last change first.
pub fn undo(plan: &Plan) -> String {
    let mut script = Script::default();
    header(&mut script, plan, "takes back the changes of a plan");
    script.start(&plan.target.system_identifier);
    let mut restart = false;
    for change in plan.changes.iter().rev() {
        if change.risk == Risk::ByHand {
            continue;
        }
        restart |= matches!(change.stage, Stage::RestartSettings | Stage::Restart);
        match &change.undo {
            // The server is restarted once, when every setting is as it was.
            Undo::By(Action::Restart) => {}
            Undo::By(action) => {
                script.title(change);
                self::action(&mut script, change.stage, action);
            }
            Undo::Restore => {
                script.finish();
                script.title(change);
                script.comment("By hand: put back the file that was there.");
            }
            Undo::None(_) if change.action == Action::Restart => {}
            Undo::None(because) => {
                script.finish();
                script.title(change);
                script.comment(&format!("Nothing takes it back: {because}"));
            }
        }
    }
    script.finish();
    if restart {
        script.comment("");
        script.comment("Restart the server now: some settings are as they were only after that.");
        script.line("\\echo 'Restart the server now'");
    }
    script.done()
}

/// The part of a plan that is SQL, for a script that does the rest by other means. It begins in a session of its own.
pub(super) fn part(plan: &Plan, changes: &[Change]) -> String {
    let mut script = Script::default();
    script.start(&plan.target.system_identifier);
    body(&mut script, changes);
    script.done()
}

fn header(script: &mut Script, plan: &Plan, what: &str) {
    script.comment(&format!(
        "pgattest {}: this script {what} for {}, {}",
        plan.tool_version,
        plan.target.name,
        view::server(plan)
    ));
    for (label, value) in view::origin(plan) {
        script.comment(&format!("  {label}: {value}"));
    }
    script.comment("Run it as a superuser, or as who may do all that it does, and read it before:");
    script.comment("  psql -X -f FILE CONNECTION");
    script.comment("`pgattest apply` does more: it refuses when the facts moved, proves that nobody is locked out, and takes back what does not work.");
}

fn body(script: &mut Script, changes: &[Change]) {
    for change in changes {
        match &change.action {
            Action::Sql { database, .. } => {
                script.reload();
                script.enter(database.as_deref());
            }
            // One reload for as many as follow each other.
            Action::Setting { .. } => script.commit(),
            _ => script.finish(),
        }
        script.title(change);
        for impact in &change.impact {
            script.comment(&format!(
                "  {}: {}",
                view::impact_words(impact.kind),
                impact.detail
            ));
        }
        for need in &change.needs {
            script.comment(&format!("  needs {}", view::need_words(need)));
        }
        for note in &change.notes {
            script.comment(&format!("  note: {note}"));
        }
        action(script, change.stage, &change.action);
    }
    script.finish();
}

fn action(script: &mut Script, stage: Stage, action: &Action) {
    match action {
        Action::Sql {
            database,
            statements,
        } => {
            script.reload();
            script.enter(database.as_deref());
            script.begin();
            for statement in statements {
                script.line(statement);
            }
        }
        Action::SqlAlone {
            database,
            before,
            statement,
        } => {
            script.finish();
            script.enter(Some(database));
            // It waits for transactions that are older than it, however long they take.
            script.line("SET lock_timeout = 0;");
            if let Some(before) = before {
                script.line("\\set ON_ERROR_STOP off");
                script.line(before);
                script.line("\\set ON_ERROR_STOP on");
            }
            script.line(statement);
            script.line(script::LOCK_TIMEOUT);
        }
        Action::Setting { name, value } => {
            script.commit();
            script.line(&pgattest_model::plan::alter_system(name, value.as_ref()));
            if stage != Stage::RestartSettings {
                script.reload_later();
            }
        }
        Action::File {
            file, path, text, ..
        } => {
            script.finish();
            script.comment(&format!(
                "By hand: keep a copy of {path}, then let it hold the lines between the marks, without the `-- ` before each:"
            ));
            script.comment("---- begin");
            for line in view::harmless(*file, path, text).lines() {
                script.comment_line(line);
            }
            script.comment("---- end");
            script.comment("See that pg_hba_file_rules shows no error before the reload:");
            script.line(
                "SELECT file.line_number, file.error FROM pg_catalog.pg_hba_file_rules AS file WHERE file.error IS NOT NULL;",
            );
            script.comment("SELECT pg_catalog.pg_reload_conf();");
        }
        Action::Certificate { .. } | Action::ByHand(_) => {
            script.finish();
            for step in view::steps(action) {
                if let view::Step::Words(words) = step {
                    script.comment(&format!("By hand: {words}"));
                }
            }
        }
        Action::Restart => {
            script.finish();
            script.comment("By hand: restart the server.");
        }
    }
}

/// A check that the script runs on the cluster it is for. Cannot be broken out of: anything but digits is no identifier.
fn is_this_cluster(system_identifier: &str) -> Option<String> {
    let digits =
        !system_identifier.is_empty() && system_identifier.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| {
        format!(
            "DO $pgattest$\nBEGIN\n  IF (SELECT control.system_identifier::text FROM pg_catalog.pg_control_system() AS control) <> {} THEN\n    \
             RAISE EXCEPTION 'this is another cluster than the plan is for';\n  END IF;\nEND\n$pgattest$;",
            quote_literal(system_identifier)
        )
    })
}

/// A comment that is one line for psql, whatever it says. Tabs stay: they are part of a file's layout.
fn commented(text: &str) -> String {
    let shown: Vec<String> = text.split('\t').map(visible).collect();
    format!("-- {}", shown.join("\t")).trim_end().to_owned()
}
