//! All that was tried, and what follows from it.

use super::logins::Logins;
use pgattest_checks::{Context, registry};
use pgattest_model::facts::{Certificate, Handshake, Probe, WireOutcome};
use pgattest_model::{Facts, Meta, Observation, Policy, Severity, Verdict};
use pgattest_wire::probe::Target;

/// The checks that are about what was tried.
const CHECKS: [&str; 3] = ["TLS-03", "TLS-04", "TLS-05"];

/// The result of `prove transport`.
pub(super) struct Proof {
    /// Address and port, and the name if there is one.
    pub(super) target: String,
    pub(super) observations: Vec<Observation>,
    facts: Facts,
    pub(super) logins: Logins,
    /// What the checks say about the handshakes.
    pub(super) judged: Vec<Judged>,
    /// What was accepted and should not be, one sentence each.
    pub(super) accepted: Vec<String>,
    /// What could not be told, one sentence each.
    pub(super) unclear: Vec<String>,
}

/// What one check says.
pub(super) struct Judged {
    pub(super) meta: &'static Meta,
    pub(super) verdict: Verdict,
}

impl Proof {
    pub(super) fn new(
        target: &Target,
        observations: Vec<Observation>,
        facts: Facts,
        logins: Logins,
        policy: &Policy,
    ) -> Self {
        // Not by `assess`: that judges nothing without a version, and handshakes mean the same whoever answers.
        let context = Context::new(&facts, policy);
        let judged: Vec<Judged> = CHECKS
            .iter()
            .filter_map(|id| registry::find(id))
            .map(|check| Judged {
                meta: check.meta(),
                verdict: check.assess(&context).unwrap_or_else(Verdict::NotAssessed),
            })
            .collect();
        let mut proof = Self {
            target: match &target.name {
                Some(name) => format!("{name} ({})", target.address),
                None => target.address.to_string(),
            },
            observations,
            facts,
            logins,
            judged,
            accepted: Vec::new(),
            unclear: Vec::new(),
        };
        proof.conclude();
        proof
    }

    fn conclude(&mut self) {
        for tried in &self.logins.tried {
            let login = &tried.login;
            match login.admitted() {
                Some(false) => {}
                Some(true) => self.accepted.push(format!(
                    "a login as {} to {} in clear text: {}",
                    name(&login.user),
                    name(&login.database),
                    login.said()
                )),
                None => self.unclear.push(format!(
                    "a login as {} to {} in clear text: {}",
                    name(&login.user),
                    name(&login.database),
                    login.said()
                )),
            }
        }
        for result in &self.judged {
            // Hygiene is told, and changes no exit code.
            let bad = result
                .verdict
                .findings()
                .iter()
                .filter(|finding| finding.severity >= Severity::Medium);
            self.accepted
                .extend(bad.map(|finding| format!("{}: {}", result.meta.id, finding.detail)));
        }
        let unclear = self
            .handshakes()
            .iter()
            .filter(|one| one.outcome == WireOutcome::Unknown && one.probe != Probe::GssRequest);
        let unclear: Vec<String> = unclear
            .map(|one| format!("{}: {}", one.asked, one.said))
            .collect();
        self.unclear.extend(unclear);
        for result in &self.judged {
            if let Verdict::NotAssessed(missing) = &result.verdict {
                self.unclear
                    .push(format!("{}: {}", result.meta.id, missing.why));
            }
        }
    }

    /// 0 when all is refused that should be, 1 when something is not, 2 when something could not be told.
    pub(super) fn exit_code(&self) -> u8 {
        if !self.accepted.is_empty() {
            crate::FOUND
        } else if !self.unclear.is_empty() {
            crate::UNDONE
        } else {
            crate::CLEAN
        }
    }

    pub(super) fn handshakes(&self) -> &[Handshake] {
        self.facts
            .handshakes
            .here()
            .map_or(&[], |seen| seen.value.as_slice())
    }

    /// The chain, or why there is none.
    pub(super) fn certificates(&self) -> Result<&[Certificate], String> {
        match self.facts.certificates.here() {
            Ok(seen) => Ok(seen.value.as_slice()),
            Err(missing) => Err(missing.why),
        }
    }
}

/// A name as SQL has it, harmless to show.
pub(super) fn name(name: &str) -> String {
    pgattest_model::ident::visible(&pgattest_model::ident::quote_ident(name))
}
