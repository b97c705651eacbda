//! Which cipher suites a server accepts: offered again and again, each time without the one it chose.

use super::exchange::Target;
use super::hello::ClientHello;
use super::suites::{self, Suite};
use super::tls_version::{Begin, offer};
use super::transport::{Kind, Outcome, Seen};
use crate::options::TlsVersion;
use pgattest_model::facts::SuiteGrade;

/// Every suite of one grade that the server accepts in one version, one handshake each, and the refusal of the rest.
///
/// Ends after as many handshakes as there are suites: each takes one away. The last one is a refusal, unless every suite was
/// accepted; anything else is `Unknown`, and then suites may be missing.
pub(super) async fn cipher_suites(
    target: &Target,
    version: TlsVersion,
    grade: SuiteGrade,
) -> Vec<Seen> {
    let mut left: Vec<Suite> = suites::of_version(version)
        .filter(|suite| suite.grade() == grade)
        .collect();
    let mut seen = Vec::new();
    while !left.is_empty() {
        let numbers: Vec<u16> = left.iter().map(|suite| suite.number).collect();
        let asked = format!("{} {}", version.as_str(), grade.as_str());
        let hello = ClientHello {
            version,
            suites: &numbers,
            name: target.name.as_deref(),
            protocol: None,
        };
        let mut offered = offer(target, Kind::CipherSuite, &asked, &hello, Begin::Asked).await;
        let before = left.len();
        if let Some(chosen) = offered.chosen {
            left.retain(|suite| suite.number != chosen);
            if offered.seen.version != version.as_str() || left.len() == before {
                offered.seen.outcome = Outcome::Unknown;
                offered.seen.said.push_str(", which was not offered");
            }
        }
        let goes_on = offered.seen.outcome == Outcome::Accepted;
        seen.push(offered.seen);
        if !goes_on {
            break;
        }
    }
    seen
}
