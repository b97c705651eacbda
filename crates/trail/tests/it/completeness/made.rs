//! A log made for the purpose.

use super::track;
use pgattest_parse::audit_log::Record;
use pgattest_trail::completeness::{Completeness, Kind, Options};
use std::borrow::Cow;

/// Seconds since 1970 at which the made log begins.
pub(super) const BEGIN: i64 = 1_795_000_000;

/// A record of the made log.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) session: String,
    pub(super) pid: u32,
    pub(super) line: u64,
    pub(super) time: i64,
    pub(super) state: &'static str,
    pub(super) backend: &'static str,
    pub(super) message: String,
}

impl Made {
    pub(super) fn record(&self) -> Record<'_> {
        let bytes = |text: &'static str| Some(Cow::Borrowed(text.as_bytes()));
        Record {
            time_ms: Some(self.time),
            user: bytes("app"),
            database: if self.backend == "postmaster" {
                None
            } else {
                bytes("shop")
            },
            host: bytes("10.0.0.1"),
            pid: Some(self.pid),
            session: Some(Cow::Borrowed(self.session.as_bytes())),
            line: Some(self.line),
            command_tag: bytes(if self.state == "28P01" {
                "authentication"
            } else {
                "SELECT"
            }),
            severity: bytes(if self.state == "00000" {
                "LOG"
            } else {
                "FATAL"
            }),
            sqlstate: bytes(self.state),
            message: Cow::Borrowed(self.message.as_bytes()),
            backend_type: bytes(self.backend),
            ..Record::default()
        }
    }
}

/// Writes sessions into a log.
#[derive(Default)]
pub(super) struct Log(pub(super) Vec<Made>);

impl Log {
    pub(super) fn say(&mut self, start: i64, pid: u32, line: u64, time: i64, message: &str) {
        self.0.push(Made {
            session: format!("{:x}.{pid:x}", BEGIN + start),
            pid,
            line,
            time: (BEGIN + time) * 1000,
            state: "00000",
            backend: "client backend",
            message: message.to_owned(),
        });
    }

    /// A session from beginning to end, with this many statements.
    pub(super) fn session(&mut self, start: i64, pid: u32, statements: u64) {
        self.say(
            start,
            pid,
            1,
            start,
            "connection received: host=10.0.0.1 port=1",
        );
        self.say(
            start,
            pid,
            2,
            start,
            "connection authorized: user=app database=shop",
        );
        for statement in 1..=statements {
            self.say(
                start,
                pid,
                2 + statement,
                start,
                &format!(
                    "AUDIT: SESSION,{statement},1,WRITE,INSERT,TABLE,public.t,insert,<none>,10"
                ),
            );
        }
        self.say(
            start,
            pid,
            3 + statements,
            start,
            "disconnection: session time: 0:00:00.1",
        );
    }

    pub(super) fn server(&mut self, start: i64, pid: u32, message: &str) {
        self.say(start, pid, 1, start, message);
        if let Some(last) = self.0.last_mut() {
            last.backend = "postmaster";
        }
    }

    pub(super) fn track(&self, options: Options) -> Completeness {
        track(options, self.0.iter().map(Made::record))
    }
}

pub(super) fn kinds(result: &Completeness) -> Vec<Kind> {
    result.findings.iter().map(|finding| finding.kind).collect()
}
