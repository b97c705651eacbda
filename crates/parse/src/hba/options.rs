//! Options of an authentication method.

use pgattest_model::ServerVersion;
use pgattest_model::facts::HbaOption;
use std::collections::BTreeMap;
use std::ops::Range;

/// Options whose values may be shown. `crates/catalog/sql/hba-rules.sql` has the same list.
const HARMLESS: [&str; 16] = [
    "clientcert",
    "clientname",
    "map",
    "ldaptls",
    "ldapscheme",
    "ldapserver",
    "include_realm",
    "krb_realm",
    "pamservice",
    "radiusservers",
    "compat_realm",
    "upn_username",
    "issuer",
    "scope",
    "validator",
    "delegate_ident_mapping",
];

/// Options whose values are passwords.
const SECRET: [&str; 2] = ["ldapbindpasswd", "radiussecrets"];

/// The order in which the server's view shows them, then those it does not show.
const ORDER: [&str; 28] = [
    "include_realm",
    "krb_realm",
    "map",
    "clientcert",
    "pamservice",
    "ldapserver",
    "ldapport",
    "ldaptls",
    "ldapprefix",
    "ldapsuffix",
    "ldapbasedn",
    "ldapbinddn",
    "ldapbindpasswd",
    "ldapsearchattribute",
    "ldapsearchfilter",
    "radiusservers",
    "radiussecrets",
    "radiusidentifiers",
    "radiusports",
    "issuer",
    "scope",
    "validator",
    "delegate_ident_mapping",
    "ldapscheme",
    "clientname",
    "pam_use_hostname",
    "compat_realm",
    "upn_username",
];

/// What is set on one line.
pub(super) struct Options<'a> {
    method: &'a str,
    kind: &'a str,
    major: u32,
    values: BTreeMap<&'static str, String>,
}

impl<'a> Options<'a> {
    pub(super) fn new(method: &'a str, kind: &'a str, version: ServerVersion) -> Self {
        let mut values = BTreeMap::new();
        if matches!(method, "gss" | "sspi") {
            values.insert("include_realm", "true".to_owned());
        }
        if method == "sspi" {
            values.insert("compat_realm", "true".to_owned());
        }
        Self {
            method,
            kind,
            major: version.major(),
            values,
        }
    }

    /// Sets one option; the error is the server's message.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let is_known = match name {
            "ldapurl" => true,
            "clientname" => self.major >= 14,
            "issuer" | "scope" | "validator" | "delegate_ident_mapping" => self.major >= 18,
            name => ORDER.contains(&name),
        };
        let slot = ORDER.iter().find(|known| **known == name);
        if !is_known {
            return Err(format!(
                "unrecognized authentication option name: \"{name}\""
            ));
        }
        self.belongs(name)?;
        let Some(slot) = slot else {
            return self.ldap_url(value);
        };
        let value = match *slot {
            "clientcert" => {
                let Some(value) = self.client_certificate(value)? else {
                    self.values.remove(slot);
                    return Ok(());
                };
                value.to_owned()
            }
            "clientname" if !matches!(value, "CN" | "DN") => {
                return Err(format!("invalid value for clientname: \"{value}\""));
            }
            "include_realm"
            | "compat_realm"
            | "upn_username"
            | "ldaptls"
            | "pam_use_hostname"
            | "delegate_ident_mapping" => {
                if value != "1" {
                    self.values.remove(slot);
                    return Ok(());
                }
                "true".to_owned()
            }
            "ldapport" => match leading_number(value) {
                0 => return Err(format!("invalid LDAP port number: \"{value}\"")),
                port => port.to_string(),
            },
            "radiusservers" | "radiussecrets" | "radiusidentifiers" | "radiusports" => {
                radius_list(slot, value)?;
                value.to_owned()
            }
            _ => value.to_owned(),
        };
        self.values.insert(slot, value);
        Ok(())
    }

    /// Whether everything the method needs is there, and nothing contradicts.
    pub(super) fn complete(&mut self) -> Result<(), String> {
        match self.method {
            "ldap" => self.complete_ldap(),
            "radius" => self.complete_radius(),
            "oauth" => self.complete_oauth(),
            "cert" => {
                self.values.insert("clientcert", "verify-full".to_owned());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// As the facts of a live audit have them.
    pub(super) fn into_facts(mut self) -> Vec<HbaOption> {
        let all = ORDER
            .iter()
            .filter_map(|name| Some((*name, self.values.remove(name)?)));
        all.map(|(name, value)| {
            let harmless = HARMLESS.contains(&name);
            HbaOption {
                name: name.to_owned(),
                withheld: !harmless && !value.is_empty(),
                value: if harmless { value } else { String::new() },
            }
        })
        .collect()
    }

    fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Whether the option goes with the method and the kind of line.
    fn belongs(&self, name: &str) -> Result<(), String> {
        let (methods, called): (&[&str], _) = match name {
            "map" if self.major >= 18 => (
                &["ident", "peer", "gss", "sspi", "cert", "oauth"],
                "ident, peer, gssapi, sspi, cert, and oauth",
            ),
            "map" => (
                &["ident", "peer", "gss", "sspi", "cert"],
                "ident, peer, gssapi, sspi, and cert",
            ),
            "clientcert" | "clientname" if self.kind == "hostssl" => return Ok(()),
            "clientcert" | "clientname" => {
                return Err(format!(
                    "{name} can only be configured for \"hostssl\" rows"
                ));
            }
            "pamservice" | "pam_use_hostname" => (&["pam"], "pam"),
            "krb_realm" | "include_realm" => (&["gss", "sspi"], "gssapi and sspi"),
            "compat_realm" | "upn_username" => (&["sspi"], "sspi"),
            "issuer" | "scope" | "validator" | "delegate_ident_mapping" => (&["oauth"], "oauth"),
            name if name.starts_with("ldap") => (&["ldap"], "ldap"),
            _ => (&["radius"], "radius"),
        };
        if methods.contains(&self.method) {
            Ok(())
        } else {
            Err(format!(
                "authentication option \"{name}\" is only valid for authentication methods {called}"
            ))
        }
    }

    /// The level that a value means; `None` for none at all.
    fn client_certificate(&self, value: &str) -> Result<Option<&'static str>, String> {
        let cert = self.method == "cert";
        match value {
            "verify-full" => Ok(Some("verify-full")),
            "verify-ca" if cert && self.major >= 14 => Err(
                "clientcert can only be set to \"verify-full\" when using \"cert\" authentication"
                    .to_owned(),
            ),
            "verify-ca" => Ok(Some("verify-ca")),
            "1" if self.major < 14 => Ok(Some("verify-ca")),
            "0" | "no-verify" if self.major < 14 && cert => Err(
                "clientcert cannot be set to \"no-verify\" when using \"cert\" authentication"
                    .to_owned(),
            ),
            "0" | "no-verify" if self.major < 14 => Ok(None),
            value => Err(format!("invalid value for clientcert: \"{value}\"")),
        }
    }

    /// `ldap[s]://host[:port]/basedn[?[attribute][?[scope][?[filter]]]]`
    fn ldap_url(&mut self, url: &str) -> Result<(), String> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(format!("could not parse LDAP URL \"{url}\""));
        };
        if matches!(scheme, "ldapi" | "cldap") {
            return Err(format!("unsupported LDAP URL scheme: {scheme}"));
        }
        if !matches!(scheme, "ldap" | "ldaps") {
            return Err(format!("could not parse LDAP URL \"{url}\""));
        }
        let (authority, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
            _ => (authority, ""),
        };
        let port = match port {
            "" if scheme == "ldaps" => "636",
            "" => "389",
            port => port,
        };
        self.values.insert("ldapscheme", scheme.to_owned());
        self.values.insert("ldapport", port.to_owned());
        let mut parts = rest.split('?');
        let mut part = || parts.next().unwrap_or_default();
        let (base, attribute, _scope, filter) = (part(), part(), part(), part());
        let set = [
            ("ldapserver", host),
            ("ldapbasedn", base),
            (
                "ldapsearchattribute",
                attribute.split(',').next().unwrap_or_default(),
            ),
            ("ldapsearchfilter", filter),
        ];
        for (name, value) in set {
            if !value.is_empty() {
                self.values.insert(name, value.to_owned());
            }
        }
        Ok(())
    }

    fn complete_ldap(&self) -> Result<(), String> {
        const SEARCH: [&str; 5] = [
            "ldapbasedn",
            "ldapbinddn",
            "ldapbindpasswd",
            "ldapsearchattribute",
            "ldapsearchfilter",
        ];
        if self.has("ldapprefix") || self.has("ldapsuffix") {
            if SEARCH.iter().any(|name| self.has(name)) {
                let message = if self.major >= 18 {
                    "cannot mix options for simple bind and search+bind modes"
                } else {
                    "cannot use ldapbasedn, ldapbinddn, ldapbindpasswd, ldapsearchattribute, ldapsearchfilter, or ldapurl together with ldapprefix"
                };
                return Err(message.to_owned());
            }
        } else if !self.has("ldapbasedn") {
            return Err(
                "authentication method \"ldap\" requires argument \"ldapbasedn\", \"ldapprefix\", or \"ldapsuffix\" to be set"
                    .to_owned(),
            );
        }
        if self.has("ldapsearchattribute") && self.has("ldapsearchfilter") {
            return Err("cannot use ldapsearchattribute together with ldapsearchfilter".to_owned());
        }
        Ok(())
    }

    fn complete_radius(&self) -> Result<(), String> {
        self.require("radiusservers")?;
        self.require("radiussecrets")?;
        let count = |name: &str| {
            self.values
                .get(name)
                .and_then(|value| list_length(value))
                .unwrap_or(0)
        };
        let servers = count("radiusservers");
        for (name, called, may_be_empty) in [
            ("radiusservers", "servers", false),
            ("radiussecrets", "secrets", false),
            ("radiusports", "ports", true),
            ("radiusidentifiers", "identifiers", true),
        ] {
            let entries = count(name);
            if entries == 0 && !may_be_empty {
                return Err(self.missing(name));
            }
            if entries > 1 && entries != servers {
                return Err(format!(
                    "the number of RADIUS {called} ({entries}) must be 1 or the same as the number of RADIUS servers ({servers})"
                ));
            }
        }
        Ok(())
    }

    fn complete_oauth(&self) -> Result<(), String> {
        self.require("scope")?;
        self.require("issuer")?;
        if self.has("delegate_ident_mapping") && self.has("map") {
            return Err("map cannot be used in combination with delegate_ident_mapping".to_owned());
        }
        Ok(())
    }

    fn require(&self, name: &str) -> Result<(), String> {
        if self.has(name) {
            Ok(())
        } else {
            Err(self.missing(name))
        }
    }

    fn missing(&self, name: &str) -> String {
        format!(
            "authentication method \"{}\" requires argument \"{name}\" to be set",
            self.method
        )
    }
}

/// Whether a word sets an option whose value is a password.
pub(super) fn is_secret(word: &str) -> bool {
    SECRET.iter().any(|name| word.starts_with(name))
}

/// What follows the name of an option that holds a password, each to the end of its line.
pub(super) fn secrets_in(text: &str) -> Vec<Range<usize>> {
    let named = SECRET.iter().flat_map(|name| {
        text.match_indices(name)
            .map(|(start, name)| start + name.len())
    });
    named
        .map(|start| {
            let rest = text.get(start..).unwrap_or_default();
            start..start + rest.find('\n').unwrap_or(rest.len())
        })
        .collect()
}

fn radius_list(name: &str, value: &str) -> Result<(), String> {
    let called = match name {
        "radiusservers" => "server",
        "radiusports" => "port",
        "radiussecrets" => "secret",
        _ => "identifiers",
    };
    let Some(entries) = list(value) else {
        return Err(format!("could not parse RADIUS {called} list \"{value}\""));
    };
    if name == "radiusports" && entries.iter().any(|port| leading_number(port) == 0) {
        return Err(format!("invalid RADIUS port number: \"{value}\""));
    }
    Ok(())
}

fn list_length(value: &str) -> Option<usize> {
    list(value).map(|entries| entries.len())
}

/// A list as in a setting: commas, blanks around entries, quotes around those with commas. `None` when it is none.
fn list(value: &str) -> Option<Vec<String>> {
    const SPACE: [char; 6] = [' ', '\t', '\n', '\r', '\x0b', '\x0c'];
    let mut entries = Vec::new();
    let mut rest = value.trim_start_matches(SPACE);
    if rest.is_empty() {
        return Some(entries);
    }
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut entry = String::new();
            let mut after = quoted;
            loop {
                let (text, more) = after.split_once('"')?;
                entry.push_str(text);
                let Some(more) = more.strip_prefix('"') else {
                    rest = more;
                    break;
                };
                entry.push('"');
                after = more;
            }
            entries.push(entry);
        } else {
            let end = rest
                .find(|c| c == ',' || SPACE.contains(&c))
                .unwrap_or(rest.len());
            let (entry, more) = rest.split_at_checked(end)?;
            if entry.is_empty() {
                return None;
            }
            entries.push(entry.to_owned());
            rest = more;
        }
        rest = rest.trim_start_matches(SPACE);
        if rest.is_empty() {
            return Some(entries);
        }
        rest = rest.strip_prefix(',')?.trim_start_matches(SPACE);
    }
}

/// The number that a text begins with, as C's `atoi` reads it; 0 for none.
fn leading_number(text: &str) -> i64 {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let (digits, sign) = match text.strip_prefix('-') {
        Some(digits) => (digits, -1),
        None => (text.strip_prefix('+').unwrap_or(text), 1),
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let digits = digits.get(..end).unwrap_or_default();
    if digits.is_empty() {
        return 0;
    }
    sign * digits.parse::<i64>().unwrap_or(i64::from(i32::MAX))
}
