//! `pgattest trail detect`.

use super::place;
use super::records;
use crate::args::TrailDetectArgs;
use crate::collecting::detecting::{self, Detect};
use crate::failure::{Doing, Failure, fail};
use crate::printer::Printer;
use pgattest_sinks::alert::{Webhook, WebhookOptions};
use pgattest_trail::detect::deliver::File;
use pgattest_trail::detect::engine::Memory;
use pgattest_trail::detect::outbox::Outbox;
use pgattest_trail::detect::{Alert, Engine, Place, Rule, replay, watch};

pub(crate) fn run(arguments: &TrailDetectArgs, printer: &Printer) -> Result<u8, Failure> {
    let place = place::Place::of(&arguments.records.config)?;
    let detect = place.file().and_then(|file| file.detect.as_ref());
    let rules = rules(arguments, detect)?;
    if arguments.check {
        return check(&rules, printer);
    }
    let mut places = places(arguments)?;
    if arguments.test {
        if let (true, Some(file), Some(detect)) = (places.is_empty(), place.file(), detect) {
            file.refuse_missing_secrets(None)?;
            places = detect.places()?;
        }
        return test(arguments, &place, &mut places, printer);
    }
    let period = records::period(&arguments.records)?;
    let mut engine = Engine::new(rules, Memory::default())?;
    let mut outbox = Outbox::default();
    let mut alerts = 0_u64;
    let mut printed = Ok(());
    let raise = |alert: Alert| {
        alerts += 1;
        if printed.is_ok() {
            printed = printer.result(&String::from_utf8_lossy(&alert.to_line()));
        }
        if !places.is_empty() {
            outbox.add([alert]);
        }
    };
    let looked = if let Some(reader) = records::journal(&arguments.records)? {
        replay::journal(&mut engine, &reader, period, raise)?
    } else {
        let format = records::format(&arguments.records)?;
        replay::log_files(&mut engine, &arguments.records.log, &format, period, raise)?
    };
    printed?;
    let mut undelivered = 0;
    for attempt in outbox.deliver(&mut places) {
        if attempt.failed {
            undelivered += 1;
            printer.warning(&format!(
                "alert {} is not delivered everywhere: {}",
                attempt.alert.id,
                attempt.answers.join("; ")
            ));
        }
    }
    printer.note(&format!(
        "{alerts} alerts from {} records, {} pieces that are no record, {} records that were pruned",
        looked.records, looked.undecodable, looked.pruned
    ));
    if undelivered > 0 {
        return Err(fail(format!("{undelivered} alerts could not be delivered"))
            .hint("run it again: an alert has the same identifier each time"));
    }
    Ok(u8::from(alerts > 0))
}

/// The shipped rules, with the user's own in place of those of the same name.
fn rules(arguments: &TrailDetectArgs, detect: Option<&Detect>) -> Result<Vec<Rule>, Failure> {
    let mut rules = match detect {
        Some(detect) if arguments.rules.is_empty() => detect.rules()?,
        _ => detecting::rules(&arguments.rules)?,
    };
    detecting::known(&rules, &arguments.only)?;
    if !arguments.only.is_empty() {
        rules.retain(|rule| arguments.only.contains(&rule.id));
    }
    Ok(rules)
}

fn check(rules: &[Rule], printer: &Printer) -> Result<u8, Failure> {
    let mut wrong = 0;
    let mut examples = 0;
    for rule in rules {
        examples += rule.examples.len();
        match rule.check_examples() {
            Ok(()) => {
                printer.result(&format!("{}: {} examples\n", rule.id, rule.examples.len()))?;
            }
            Err(reason) => {
                wrong += 1;
                printer.warning(&reason);
            }
        }
    }
    printer.note(&format!(
        "{} rules, {examples} examples, {wrong} rules wrong",
        rules.len()
    ));
    Ok(u8::from(wrong > 0))
}

fn places(arguments: &TrailDetectArgs) -> Result<Vec<Box<dyn Place>>, Failure> {
    let mut places: Vec<Box<dyn Place>> = Vec::new();
    for path in &arguments.alert_file {
        places.push(Box::new(File::new(path)));
    }
    for path in &arguments.alert_webhook {
        let text =
            std::fs::read_to_string(path).doing(|| format!("cannot read {}", path.display()))?;
        let options: WebhookOptions =
            toml::from_str(&text).doing(|| format!("{} describes no webhook", path.display()))?;
        let webhook = Webhook::open(&options).doing(|| format!("webhook `{}`", options.name))?;
        places.push(Box::new(webhook));
    }
    Ok(places)
}

/// Sends a test alert, and leaves what came back for the collector to seal: only it writes to the journal.
fn test(
    arguments: &TrailDetectArgs,
    place: &place::Place,
    places: &mut [Box<dyn Place>],
    printer: &Printer,
) -> Result<u8, Failure> {
    if places.is_empty() {
        return Err(fail("there is no place to deliver a test alert to")
            .hint("name the collector's configuration with --config, or one with --alert-file or --alert-webhook"));
    }
    // What came back is recorded there.
    let journal = place.journal(arguments.records.journal.as_deref())?;
    place.reader(Some(&journal))?;
    let configured = place.file().and_then(|file| file.detect.as_ref());
    let mut outbox = Outbox::default();
    outbox.add([watch::test_alert(None)]);
    let mut failed = false;
    for attempt in outbox.deliver(places) {
        failed |= attempt.failed;
        for answer in &attempt.answers {
            printer.result(&format!("{answer}\n"))?;
        }
        let state = arguments
            .state
            .clone()
            .or_else(|| configured?.state.clone())
            .unwrap_or_else(|| detecting::state_beside(&journal));
        watch::leave_test(&state, &watch::alert_leaf(&attempt))?;
        printer.note(&format!(
            "left in {} for the collector, which seals it in the journal",
            state.display()
        ));
    }
    Ok(u8::from(failed))
}
