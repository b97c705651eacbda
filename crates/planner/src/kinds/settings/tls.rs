//! TLS: whether there is any, how old it may be, and with which ciphers.

use super::alter::alter;
use super::measured::Measured;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::Planning;
use pgattest_checks::transport::listening::{Listening, is_loopback};
use pgattest_model::facts::Session;
use pgattest_model::ident::{quote_literal, visible};
use pgattest_model::plan::{
    Action, Closes, Impact, ImpactKind, Need, Risk, SettingValue, Stage, Undo,
};
use pgattest_model::{Collected, Missing};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// `ssl`, `ssl_min_protocol_version`, `ssl_ciphers`, and a certificate for who has none.
#[derive(Clone, Copy, Debug)]
pub struct Tls;

const FLOOR: &str = "ssl_min_protocol_version";
const CEILING: &str = "ssl_max_protocol_version";
const CIPHERS: &str = "ssl_ciphers";

/// Forward secrecy and authenticated encryption; what every client library of the last ten years has.
const SOUND: &str = "ECDHE+AESGCM:ECDHE+CHACHA20";

/// Days that a certificate of one's own is valid: nobody renews it unasked.
const DAYS: u32 = 365;

impl Kind for Tls {
    fn name(&self) -> &'static str {
        "tls"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["TLS-01", "TLS-02", "TLS-03", "TLS-05"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let (ssl, _) = planning.context.setting("ssl")?;
        if !ssl.is_on() {
            return switched_on(planning);
        }
        let mut drafts = Vec::new();
        let floor = closes(planning, "TLS-02");
        if !floor.is_empty() {
            drafts.push(raised(planning)?.closing(floor));
        }
        let suites = closes(planning, "TLS-03");
        if !suites.is_empty() {
            drafts.push(narrowed(planning)?.closing(suites));
        }
        let certificate = closes(planning, "TLS-05");
        if !certificate.is_empty() {
            drafts.push(issued(planning, certificate)?);
        }
        Ok(drafts)
    }
}

fn closes(planning: &Planning<'_>, check: &str) -> Vec<Closes> {
    planning
        .open(check)
        .map(|problem| problem.closes())
        .collect()
}

/// A certificate of one's own, the paths to it, and `ssl = on`: in this order, so that the server never looks for a file that is
/// not there. With `ssl = on` and no certificate it would not start again.
fn switched_on(planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
    let mut wanted = closes(planning, "TLS-01");
    wanted.extend(closes(planning, "TLS-02"));
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let by_hand = |what: String| {
        vec![Draft::by_hand(
            "switch TLS on",
            Stage::Settings,
            what,
            wanted.clone(),
        )]
    };
    let (file, _) = planning.context.setting("ssl_cert_file")?;
    if file.source != "default" {
        return Ok(by_hand(format!(
            "ssl_cert_file names {}, and whether a certificate is there cannot be seen from the database: look that it and ssl_key_file are in place, then ALTER SYSTEM SET ssl = on; and SELECT pg_reload_conf();",
            visible(quote_literal(&file.value).trim_start())
        )));
    }
    let Some(names) = names(planning)? else {
        return Ok(by_hand(
            "the server listens for other machines, and by which names they connect is not known: declare transport.certificate_names in pgattest.toml and make a new plan, or install a certificate of your CA".to_owned(),
        ));
    };
    let (data, _) = planning.context.setting("data_directory")?;
    let path = |name: &str| format!("{}/{name}", data.value.trim_end_matches('/'));
    let (certificate, key) = (path("pgattest-server.crt"), path("pgattest-server.key"));
    let one = |value: &str| SettingValue::One(value.to_owned());
    let mut settings = vec![
        alter(planning, "ssl_cert_file", one(&certificate))?,
        alter(planning, "ssl_key_file", one(&key))?,
    ];
    let (floor, _) = planning.context.setting(FLOOR)?;
    if rank(&floor.value) < rank(lowest(planning)) {
        settings.push(raised(planning)?);
    }
    settings.push(alter(planning, "ssl", one("on"))?);
    if let Some(Action::ByHand(what)) = settings
        .iter()
        .map(|draft| &draft.action)
        .find(|action| matches!(action, Action::ByHand(_)))
    {
        return Ok(by_hand(format!(
            "put a certificate and its key where the server finds them, then name both and switch ssl on; the first of these settings: {what}"
        )));
    }
    let days = planning
        .context
        .policy
        .transport
        .certificate_days
        .unwrap_or_default()
        .saturating_add(90)
        .clamp(DAYS, 3_650);
    let files = Draft::new(
        format!(
            "make a certificate of an own, self-made authority for {}",
            visible(&names.join(", "))
        ),
        Stage::Files,
        Action::Certificate {
            names,
            days,
            certificate,
            key,
            authority: path("pgattest-ca.crt"),
        },
        Undo::Restore,
    )
    .note("a certificate of your organisation's CA is better: clients know it already, and it can be renewed and revoked; put it in the place of this one")
    .note(format!(
        "it ends after {days} days, and the authority's private key is thrown away once it has signed: the next certificate needs a new authority, or your CA"
    ))
    .note("give pgattest-ca.crt to clients as sslrootcert with sslmode=verify-full; without it they are encrypted, and anybody may pose as the server")
    .note("base backups copy the key with the data directory, as they do the server's own server.key");
    let affected = affected(planning);
    let mut drafts = vec![files];
    drafts.extend(settings);
    if let Some(last) = drafts.last_mut() {
        last.impact.extend(affected);
        last.needs.push(Need::NewSessions);
    }
    Ok(drafts
        .into_iter()
        .map(|draft| draft.approval().closing(wanted.clone()))
        .collect())
}

/// Names for a certificate: those of the policy, or of the machine itself where only that can connect. `None`: not known.
fn names(planning: &Planning<'_>) -> Result<Option<Vec<String>>, Missing> {
    let declared: BTreeSet<&String> = planning
        .context
        .policy
        .transport
        .certificate_names
        .iter()
        .filter(|name| !name.is_empty())
        .collect();
    if !declared.is_empty() {
        return Ok(Some(declared.into_iter().cloned().collect()));
    }
    if Listening::of(&planning.context) != Listening::Network {
        let own = ["localhost", "127.0.0.1", "::1"];
        return Ok(Some(own.map(str::to_owned).into()));
    }
    // Addresses that somebody wrote down one by one are names, too; `*` and `0.0.0.0` are none.
    let (listen, _) = planning.context.setting("listen_addresses")?;
    let listed: Vec<&str> = listen.list().collect();
    let is_one = |name: &&str| {
        name.parse::<IpAddr>()
            .is_ok_and(|address| !address.is_unspecified())
            || is_loopback(name)
    };
    let named: Vec<String> = listed
        .iter()
        .filter(|name| is_one(name))
        .map(|&name| name.to_owned())
        .collect();
    Ok((named.len() == listed.len() && !named.is_empty()).then_some(named))
}

/// Whom TLS affects: rules of `pg_hba.conf` begin or cease to match, and sessions are in clear today.
fn affected(planning: &Planning<'_>) -> Vec<Impact> {
    let mut impacts = Vec::new();
    if let Collected::Here { value, from } = &planning.context.facts.hba_rules {
        for rule in value {
            let detail = match rule.connection_type.as_str() {
                "hostnossl" => {
                    "matches no client any more that asks for TLS, which libpq does by itself (sslmode=prefer): such a client falls through to the next rule, or is refused and tries again in clear"
                }
                "hostssl" => "matched nobody before and does now",
                _ => continue,
            };
            impacts.push(Impact {
                kind: if rule.connection_type == "hostnossl" {
                    ImpactKind::LoginRefused
                } else {
                    ImpactKind::Unknown
                },
                subject: visible(&rule.place()),
                detail: format!("this {} rule {detail}", rule.connection_type),
                observations: vec![from.clone()],
            });
        }
    }
    if let Collected::Here { value, from } = &planning.context.facts.sessions {
        let clear = value
            .iter()
            .filter(|session| {
                session.is_client() && !session.own && !session.client_address.is_empty()
            })
            .filter(|session| !session.tls && !session.gss_encrypted)
            .count();
        impacts.push(Impact {
            kind: ImpactKind::Unknown,
            subject: "sessions over TCP".to_owned(),
            detail: format!(
                "{clear} client sessions are in clear now and stay so until they reconnect; clients with sslmode=disable stay in clear"
            ),
            observations: vec![from.clone()],
        });
    }
    impacts
}

/// The oldest version that is accepted: 1.2, or what the policy asks for above it.
fn lowest<'a>(planning: &Planning<'a>) -> &'a str {
    const ACCEPTED: &str = "TLSv1.2";
    let wanted = planning.context.policy.transport.minimum_tls.as_deref();
    wanted
        .filter(|wanted| rank(wanted) > rank(ACCEPTED))
        .unwrap_or(ACCEPTED)
}

/// Position among the versions that the settings can name. The server ignores case.
fn rank(version: &str) -> Option<usize> {
    ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
        .iter()
        .position(|known| known.eq_ignore_ascii_case(version))
}

fn raised(planning: &Planning<'_>) -> Result<Draft, Missing> {
    let wanted = lowest(planning);
    let title = format!("refuse what is older than {wanted}");
    let (ceiling, _) = planning.context.setting(CEILING)?;
    // Empty: no ceiling. The server takes a floor above it for an error and keeps what it had.
    if rank(&ceiling.value).is_some_and(|ceiling| Some(ceiling) < rank(wanted)) {
        return Ok(Draft::by_hand(
            title,
            Stage::Settings,
            format!(
                "{CEILING} is '{}', below the floor that is needed: find out which client needs that, then ALTER SYSTEM RESET {CEILING}; and ALTER SYSTEM SET {FLOOR} = '{wanted}';",
                visible(&ceiling.value)
            ),
            Vec::new(),
        ));
    }
    let is_older = |session: &Session| {
        let version = rank(&session.tls_version);
        version.is_some() && version < rank(wanted)
    };
    let impacts = Measured::of(planning).refused(is_older, |session| {
        format!(
            "is connected with {} now, and could not connect again",
            visible(&session.tls_version)
        )
    });
    Ok(weighed(
        alter(planning, FLOOR, SettingValue::One(wanted.to_owned()))?,
        impacts,
    ))
}

fn narrowed(planning: &Planning<'_>) -> Result<Draft, Missing> {
    // The server loads its certificate before it looks at the ciphers, so a lowered level of OpenSSL's security that stands there
    // (`@SECLEVEL=0`) did not help a weak certificate in, and going back to the default does not put it out.
    let (_, from) = planning.context.setting(CIPHERS)?;
    let impacts = Measured::of(planning).refused(
        |session| !is_sound(&session.tls_cipher),
        |session| {
            format!(
                "is connected with {} now, and can only connect again if it knows a sound suite, too",
                visible(&session.tls_cipher)
            )
        },
    );
    let mut draft = weighed(
        alter(planning, CIPHERS, SettingValue::One(SOUND.to_owned()))?,
        impacts,
    );
    draft.impact.push(Impact {
        kind: ImpactKind::Unknown,
        subject: "clients that are not connected now".to_owned(),
        detail: "which suites they know cannot be seen; every client library of the last ten years knows these".to_owned(),
        observations: vec![from.clone()],
    });
    Ok(draft)
}

/// A suite, by OpenSSL's name, that goes on being accepted.
fn is_sound(cipher: &str) -> bool {
    cipher.starts_with("TLS_")
        || (cipher.starts_with("ECDHE-")
            && (cipher.contains("-GCM-") || cipher.contains("CHACHA20")))
}

/// Somebody approves what refuses a session that is open now.
fn weighed(draft: Draft, impacts: Vec<Impact>) -> Draft {
    let refuses = impacts
        .iter()
        .any(|impact| impact.kind == ImpactKind::LoginRefused);
    let draft = draft.affecting(impacts);
    if draft.risk == Risk::ByHand {
        return draft;
    }
    let draft = draft.needing(Need::NewSessions);
    if refuses { draft.approval() } else { draft }
}

/// A certificate that somebody trusts is somebody's to issue.
fn issued(planning: &Planning<'_>, closes: Vec<Closes>) -> Result<Draft, Missing> {
    let (certificate, _) = planning.context.setting("ssl_cert_file")?;
    let (key, _) = planning.context.setting("ssl_key_file")?;
    let quoted = |value: &str| visible(quote_literal(value).trim_start());
    let names = &planning.context.policy.transport.certificate_names;
    let names = if names.is_empty() {
        "every name that clients connect by".to_owned()
    } else {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        visible(&names.join(", "))
    };
    Ok(Draft::by_hand(
        "replace the server's certificate",
        Stage::Files,
        format!(
            "have your CA issue a certificate for {names} (EC P-256 or RSA of 2048 bits or more, SHA-256), put it with its chain into {} and its key into {}, then SELECT pg_reload_conf();",
            quoted(&certificate.value),
            quoted(&key.value)
        ),
        closes,
    ))
}

#[cfg(test)]
mod tests {
    use super::is_sound;

    #[test]
    fn suites_that_stay_are_known_by_openssl_s_names() {
        for cipher in [
            "TLS_AES_256_GCM_SHA384",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-ECDSA-CHACHA20-POLY1305",
        ] {
            assert!(is_sound(cipher), "{cipher}");
        }
        for cipher in [
            "",
            "AES256-GCM-SHA384",
            "DHE-RSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES256-SHA384",
            "AECDH-AES128-SHA",
        ] {
            assert!(!is_sound(cipher), "{cipher}");
        }
    }
}
