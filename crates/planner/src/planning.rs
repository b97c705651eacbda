//! What a kind of change may look at.

use pgattest_checks::Context;
use pgattest_model::{Assessment, Finding, Fingerprint};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::ops::Range;

/// Choices of whoever asks for a plan.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Close findings of these checks only, by identifier; `None`: of all.
    pub only: Option<BTreeSet<String>>,
    /// Leave these checks alone.
    pub except: BTreeSet<String>,
    /// Logins that were seen, from connection logs.
    pub logins: Vec<Login>,
    /// How whoever makes the plan is connected: its way in must stay open.
    pub own_login: Option<Login>,
    /// The text of `pg_hba.conf` and of what it includes, by path, when it could be read; the first is the file itself.
    pub hba_files: Vec<(String, String)>,
}

/// A login that was seen to succeed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Login {
    /// The role.
    pub role: String,
    /// The database; empty for physical replication.
    pub database: String,
    /// The client's address; `None` over a Unix socket.
    pub address: Option<IpAddr>,
    /// Whether it was encrypted with TLS.
    pub tls: bool,
    /// Whether it was for physical replication.
    pub replication: bool,
    /// When it was last seen, as the log has it; empty for a live session.
    pub last_seen: String,
    /// How often it was seen.
    pub count: u64,
}

/// Facts, policy and open findings.
pub struct Planning<'a> {
    /// Facts and policy, with what the checks derive from them.
    pub context: Context<'a>,
    /// The verdicts on those facts.
    pub assessment: &'a Assessment,
    /// Choices.
    pub options: &'a Options,
    /// The findings to be closed, by check and in the order of the assessment.
    wanted: Vec<Problem<'a>>,
    /// Where the findings of a check begin and end.
    of_check: HashMap<&'static str, Range<usize>>,
}

/// A finding to be closed.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    /// Identifier of its check.
    pub check: &'static str,
    /// The finding.
    pub finding: &'a Finding,
    /// Its name across audits.
    pub fingerprint: &'a Fingerprint,
}

impl<'a> Planning<'a> {
    /// What an assessment of these facts reports and the options ask to close.
    pub(crate) fn new(
        context: Context<'a>,
        assessment: &'a Assessment,
        options: &'a Options,
    ) -> Self {
        let wanted = open(assessment)
            .filter(|problem| options.wants(problem.check))
            .collect();
        Self::with(context, assessment, options, wanted)
    }

    /// Other findings than all that the assessment reports. Those of one check stand together.
    pub(crate) fn with(
        context: Context<'a>,
        assessment: &'a Assessment,
        options: &'a Options,
        wanted: Vec<Problem<'a>>,
    ) -> Self {
        let mut of_check: HashMap<&'static str, Range<usize>> = HashMap::new();
        for (at, problem) in wanted.iter().enumerate() {
            of_check.entry(problem.check).or_insert(at..at).end = at + 1;
        }
        Self {
            context,
            assessment,
            options,
            wanted,
            of_check,
        }
    }

    /// The findings to be closed: no waiver accepts them, and nobody asked to leave their check alone.
    pub fn problems(&self) -> impl Iterator<Item = Problem<'a>> + '_ {
        self.wanted.iter().copied()
    }

    /// The findings of one check to be closed.
    pub fn open(&self, check: &str) -> impl Iterator<Item = Problem<'a>> + '_ {
        let range = self.of_check.get(check).cloned().unwrap_or_default();
        let found = self.wanted.get(range).unwrap_or_default();
        found.iter().copied()
    }
}

impl Options {
    /// Whether findings of this check are to be closed.
    pub(crate) fn wants(&self, check: &str) -> bool {
        let only = self.only.as_ref();
        only.is_none_or(|only| only.contains(check)) && !self.except.contains(check)
    }
}

/// The findings that no waiver accepts, whether or not somebody asked to close them.
pub(crate) fn open(assessment: &Assessment) -> impl Iterator<Item = Problem<'_>> {
    assessment.checks.iter().flat_map(|result| {
        result
            .with_waivers()
            .zip(&result.fingerprints)
            .filter(|((_, waiver), _)| waiver.is_none())
            .map(|((finding, _), fingerprint)| Problem {
                check: result.meta.id,
                finding,
                fingerprint,
            })
    })
}
