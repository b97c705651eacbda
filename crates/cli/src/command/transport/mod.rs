//! `pgattest prove transport`: handshakes and login attempts in clear, and what came back.

mod json;
mod logins;
mod proof;
mod text;

use crate::args::{ProofFormat, TransportArgs};
use crate::failure::{Doing, Failure, OrHint, fail};
use crate::looking::resolve;
use crate::output_file::write_atomically;
use crate::policy_file;
use crate::printer::Printer;
use pgattest_catalog::decode;
use pgattest_collect::{Asker, Limits, collect, probe, probe_address, probe_target};
use pgattest_model::facts::WireOutcome;
use pgattest_model::{Facts, Observation};
use pgattest_wire::probe::Target;
use pgattest_wire::{ConnectOptions, Host, HostTarget, connect};
use proof::Proof;
use std::net::SocketAddr;
use std::time::Duration;

/// The longest that logging in may take before the probes go on without.
const LONGEST_LOGIN: Duration = Duration::from_secs(20);

pub(super) fn run(arguments: &TransportArgs, printer: &Printer) -> Result<u8, Failure> {
    let policy = policy_file::load(arguments.policy.as_deref())?;
    let options = resolve(arguments.connection.as_deref(), printer)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .doing(|| "the runtime could not be started".to_owned())?;
    let proof = runtime.block_on(prove(arguments, &options, policy.policy, printer))?;
    let report = match arguments.format {
        ProofFormat::Text => text::render(&proof, printer.verbose),
        ProofFormat::Json => json::render(&proof),
    };
    match &arguments.out {
        None => printer.result(&report)?,
        Some(path) => write_atomically(path, report.as_bytes())?,
    }
    Ok(proof.exit_code())
}

async fn prove(
    arguments: &TransportArgs,
    options: &ConnectOptions,
    policy: pgattest_model::Policy,
    printer: &Printer,
) -> Result<Proof, Failure> {
    let known = look(options, printer).await;
    let (address, name) = match &known {
        Some(known) => known.address.clone().map_err(|why| {
            fail(format!("there is no address to probe: {why}"))
                .hint("name one: pgattest prove transport \"host=127.0.0.1 port=5432\"")
        })?,
        None => somewhere(options).await?,
    };
    let target = probe_target(address, name.as_deref());
    let observations = known.map(|known| known.observations).unwrap_or_default();
    let before = decode(&observations);
    let database = arguments.database.as_deref().unwrap_or(options.database());
    let asker = Asker {
        role: options.user(),
        database,
    };
    // Nothing is lost when an old server does not know what it was sent; not knowing the version must not hide anything.
    let direct = before
        .version()
        .map_or(true, |version| version.major() >= 17);
    let probed = probe(options, &target, direct, asker).await;
    let all: Vec<Observation> = observations.into_iter().chain(probed).collect();
    let facts = decode(&all);
    reached(&facts, &target)?;
    let logins = logins::attempt(arguments, options, &facts, &target, database).await;
    Ok(Proof::new(&target, all, facts, logins, &policy))
}

/// What a login showed, when it came about.
struct Known {
    observations: Vec<Observation>,
    address: Result<(SocketAddr, Option<String>), String>,
}

/// Reads roles, rules and settings, if we are let in: without them the probes go on and less is known of what to expect.
async fn look(options: &ConnectOptions, printer: &Printer) -> Option<Known> {
    let limits = Limits {
        databases: Some(Vec::new()),
        probe: false,
        ..Limits::default()
    };
    let looking = async {
        let connection = connect(options).await.map_err(|error| error.to_string())?;
        let peer = connection.peer().clone();
        let _ = connection.close().await;
        let collection = collect(options, limits, |_| {})
            .await
            .map_err(|error| error.to_string())?;
        // What was not probed is not to stand beside what will be.
        let observations: Vec<Observation> = collection
            .observations
            .into_iter()
            .filter(|observation| !observation.id.group().starts_with("wire-"))
            .collect();
        let address = probe_address(&peer, &observations);
        Ok::<_, String>(Known {
            observations,
            address,
        })
    };
    let looked = match tokio::time::timeout(LONGEST_LOGIN, Box::pin(looking)).await {
        Ok(looked) => looked,
        Err(_) => Err(format!(
            "no login within {} seconds",
            LONGEST_LOGIN.as_secs()
        )),
    };
    match looked {
        Ok(known) => Some(known),
        Err(why) => {
            printer.warning(&format!(
                "could not log in, so the roles and pg_hba.conf are not known: {}",
                why.replace('\n', "; ")
            ));
            None
        }
    }
}

/// The first host of the connection that can be reached over TCP.
async fn somewhere(options: &ConnectOptions) -> Result<(SocketAddr, Option<String>), Failure> {
    let mut why = Vec::new();
    for target in options.hosts() {
        match addressed(target).await {
            Ok(found) => return Ok(found),
            Err(error) => why.push(error),
        }
    }
    Err(
        fail(format!("there is no address to probe: {}", why.join("; ")))
            .hint("name one: pgattest prove transport \"host=127.0.0.1 port=5432\""),
    )
}

async fn addressed(target: &HostTarget) -> Result<(SocketAddr, Option<String>), String> {
    let name = match &target.host {
        Host::Name(name) => Some(name.clone()),
        Host::Directory(_) | Host::Unnamed => None,
    };
    if let Some(ip) = target.hostaddr {
        return Ok((SocketAddr::new(ip, target.port), name));
    }
    let Some(name) = name else {
        return Err(format!("{target} is a Unix socket, where there is no TLS"));
    };
    let looking = tokio::net::lookup_host((name.as_str(), target.port));
    let found = tokio::time::timeout(LONGEST_LOGIN, looking)
        .await
        .map_err(|_| format!("{target} was not found in time"))?
        .map_err(|error| format!("{target} was not found: {error}"))?
        .next();
    let address = found.ok_or_else(|| format!("{target} has no address"))?;
    Ok((address, Some(name)))
}

/// Nothing was proved when nobody was reached.
fn reached(facts: &Facts, target: &Target) -> Result<(), Failure> {
    let asked = facts.handshakes.here().ok();
    let first = asked.and_then(|seen| seen.value.first());
    match first {
        Some(first) if first.outcome == WireOutcome::Unknown && first.received.is_empty() => {
            Err(fail(format!(
                "nothing could be tried on {}: {}",
                target.address, first.said
            )))
            .or_hint("check host and port; a firewall that drops packets looks like silence")
        }
        Some(_) => Ok(()),
        None => Err(fail("the probes left no record")),
    }
}
