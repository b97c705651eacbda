//! What to write in one line so that one finding is gone.

use super::hba_file::Files;
use super::seen::Seen;
use crate::planning::Planning;
use crate::simulate::{Fate, Simulation, attempt};
use ipnet::IpNet;
use pgattest_access::RoleGraph;
use pgattest_access::hba::{AddressSet, Arrival, Connection, Origin, Reach, Terms};
use pgattest_model::Finding;
use pgattest_model::facts::{HbaRule, Role};
use pgattest_parse::hba::Edit;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What a remedy is chosen by.
pub(super) struct Case<'c, 'a> {
    pub(super) planning: &'c Planning<'a>,
    pub(super) graph: &'c RoleGraph,
    pub(super) seen: &'c Seen,
    /// The server as it will be when the file is written.
    pub(super) terms: Terms,
    /// The files with what was edited already.
    pub(super) files: &'c Files,
    /// Position of the line in them.
    pub(super) at: usize,
    /// What the line is reached by.
    pub(super) reach: &'c Reach,
}

/// Edits of the line, in this order; none when it was done already. The error says why a person has to do it, without a period.
pub(super) fn remedy(
    check: &str,
    finding: &Finding,
    case: &Case<'_, '_>,
) -> Result<Vec<Edit>, String> {
    let row = case.row()?;
    match check {
        "HBA-01" | "HBA-03" => case.with_scram(row),
        "HBA-02" if row.method == "password" => case.with_scram(row),
        "HBA-02" | "HBA-07" => case.encrypted(row, check),
        "HBA-05" => Ok(vec![Edit::CommentOut("HBA-05, never used".to_owned())]),
        "HBA-06" => Ok(vec![Edit::CommentOut("HBA-06, refused nobody".to_owned())]),
        "HBA-09" => Err("which roles and databases the line is for only you know".to_owned()),
        "HBA-10" => case.without_superusers(row),
        "HBA-11" if finding.cause.contains("without encryption") => case.encrypted(row, check),
        "HBA-08" | "HBA-11" => case.narrowed(row),
        _ => Err("only you know what is meant".to_owned()),
    }
}

impl Case<'_, '_> {
    fn row(&self) -> Result<&HbaRule, String> {
        let line = self.files.read.lines.get(self.at);
        line.map(|line| &line.row)
            .ok_or_else(|| "the line is not where it was".to_owned())
    }

    fn written(&self) -> Result<Vec<&str>, String> {
        self.files.read.written(self.at).ok_or_else(|| {
            "the line takes names from another file, or is broken inside a field".to_owned()
        })
    }

    /// A password that the client proves to know without sending it.
    fn with_scram(&self, row: &HbaRule) -> Result<Vec<Edit>, String> {
        if !matches!(row.method.as_str(), "trust" | "password" | "md5" | "ident") {
            return Ok(Vec::new());
        }
        if self
            .reach
            .arrivals()
            .iter()
            .all(|arrival| arrival.connection == Connection::Gss)
        {
            return Err("who comes with Kerberos tickets has them for a reason".to_owned());
        }
        if row.method == "ident" && !row.options.is_empty() {
            return Err("the line maps users of another machine to roles".to_owned());
        }
        Ok(vec![Edit::Method("scram-sha-256".to_owned())])
    }

    /// TLS only; what was seen to come in clear over the loopback keeps a line of its own.
    fn encrypted(&self, row: &HbaRule, check: &str) -> Result<Vec<Edit>, String> {
        if matches!(row.connection_type.as_str(), "hostssl" | "hostgssenc") {
            return Ok(Vec::new());
        }
        if !self.terms.tls {
            return Err(
                "ssl is off and no change of this plan turns it on, so that hostssl would let nobody in"
                    .to_owned(),
            );
        }
        if matches!(row.method.as_str(), "gss" | "sspi") {
            return Err(
                "its clients may encrypt with GSSAPI, which hostssl does not take".to_owned(),
            );
        }
        let edit = if row.connection_type == "hostnossl" {
            Edit::CommentOut(format!("{check}, without encryption only"))
        } else {
            Edit::ConnectionType("hostssl".to_owned())
        };
        let mut edits = self.kept(&edit, "comes in clear over the loopback")?;
        edits.push(edit);
        Ok(edits)
    }

    /// The networks that the policy trusts, in the place of a wide address.
    fn narrowed(&self, row: &HbaRule) -> Result<Vec<Edit>, String> {
        let Some(wide) = addresses(row) else {
            return Err(format!(
                "which networks the clients are in only you know: {} is not a network",
                pgattest_model::ident::visible(&row.address)
            ));
        };
        let trusted = &self.planning.context.policy.transport.trusted_networks;
        let mut networks: Vec<IpNet> = trusted
            .iter()
            .filter_map(|network| network.parse::<IpNet>().ok())
            .map(|network| network.trunc())
            .filter(|network| AddressSet::network(*network).difference(&wide).is_empty())
            .collect();
        networks = IpNet::aggregate(&networks);
        networks.sort();
        let Some((first, more)) = networks.split_first() else {
            return Err(
                "which networks the clients are in only you know: transport.trusted_networks of pgattest.toml names none in it"
                    .to_owned(),
            );
        };
        let fields = self.written()?;
        let edit = Edit::Address(first.to_string());
        let mut edits = self.kept(&edit, "comes in over the loopback")?;
        if !more.is_empty() {
            let lines: Option<Vec<String>> = more
                .iter()
                .map(|network| {
                    line(
                        row,
                        &fields,
                        &Written {
                            address: Some(&network.to_string()),
                            ..Written::default()
                        },
                    )
                })
                .collect();
            edits.push(Edit::After(lines.ok_or("the line is not understood")?));
        }
        edits.push(edit);
        Ok(edits)
    }

    /// A refusal before the line, for each superuser that it lets in from another machine. On the machine itself nothing changes.
    fn without_superusers(&self, row: &HbaRule) -> Result<Vec<Edit>, String> {
        let approved = self.planning.context.policy.access.break_glass.as_ref();
        let is_approved = |role: &Role| approved.is_some_and(|names| names.contains(&role.name));
        let superusers = |arrival: &Arrival| -> Vec<&Role> {
            arrival
                .roles
                .iter()
                .filter_map(|&oid| self.graph.role(oid))
                .filter(|role| role.superuser)
                .collect()
        };
        let arrivals = self.reach.arrivals();
        let remote = || {
            arrivals
                .iter()
                .filter(|arrival| arrival.origin == Origin::Remote)
        };
        let names: BTreeSet<&str> = remote()
            .flat_map(superusers)
            .filter(|role| !is_approved(role))
            .map(|role| role.name.as_str())
            .collect();
        if names.is_empty() {
            // Those for emergencies may come, and only encrypted.
            return self.encrypted(row, "HBA-10");
        }
        let at_home: BTreeSet<(IpAddr, Vec<&str>)> = arrivals
            .iter()
            .filter(|arrival| arrival.origin == Origin::Loopback)
            .flat_map(|arrival| {
                let here: Vec<&str> = superusers(arrival)
                    .into_iter()
                    .map(|role| role.name.as_str())
                    .filter(|name| names.contains(name))
                    .collect();
                LOOPBACK
                    .into_iter()
                    .filter(|&address| arrival.addresses.contains(address))
                    .map(move |address| (address, here.clone()))
                    .collect::<Vec<_>>()
            })
            .filter(|(_, names)| !names.is_empty())
            .collect();
        // A refusal would leave nothing to decide for a line that lets only them in.
        let only_them = arrivals
            .iter()
            .flat_map(|arrival| &arrival.roles)
            .all(|&oid| {
                self.graph
                    .role(oid)
                    .is_some_and(|role| names.contains(role.name.as_str()))
            });
        if at_home.is_empty() && only_them {
            return Ok(vec![Edit::CommentOut(
                "HBA-10, superusers from another machine".to_owned(),
            )]);
        }
        let fields = self.written()?;
        let list = |names: &mut dyn Iterator<Item = &str>| -> Result<String, String> {
            let names: Option<Vec<String>> = names.map(|name| self.quoted(name)).collect();
            Ok(names
                .ok_or("a superuser has a name that pg_hba.conf cannot hold")?
                .join(","))
        };
        let not_understood = || "the line is not understood".to_owned();
        let mut lines = vec!["# HBA-10: superusers do not come from another machine".to_owned()];
        for (address, names) in at_home {
            let users = list(&mut names.into_iter())?;
            let written = Written {
                users: Some(&users),
                address: Some(&IpNet::from(address).to_string()),
                ..Written::default()
            };
            lines.push(line(row, &fields, &written).ok_or_else(not_understood)?);
        }
        let users = list(&mut names.into_iter())?;
        let written = Written {
            users: Some(&users),
            method: Some("reject"),
            ..Written::default()
        };
        lines.push(line(row, &fields, &written).ok_or_else(not_understood)?);
        Ok(vec![Edit::Before(lines)])
    }

    /// A line before an edited one for each loopback address that logins were seen to come from, and would no longer.
    fn kept(&self, edit: &Edit, why: &str) -> Result<Vec<Edit>, String> {
        let Ok(after) = self.files.edited(self.at, edit) else {
            return Ok(Vec::new());
        };
        let (before, after) = (self.files.rules(self.terms), after.rules(self.terms));
        // How passwords are stored is the same before and after.
        let before = Simulation::new(&before, self.graph, None);
        let after = Simulation::new(&after, self.graph, None);
        let addresses: BTreeSet<IpAddr> = self
            .seen
            .all()
            .filter(|login| {
                login
                    .address
                    .is_some_and(|address| address.to_canonical().is_loopback())
            })
            .filter(|login| {
                let attempt = attempt(login);
                !matches!(before.fate(&attempt), Fate::Refused(_))
                    && matches!(after.fate(&attempt), Fate::Refused(_))
            })
            .filter_map(|login| Some(login.address?.to_canonical()))
            .collect();
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let (row, fields) = (self.row()?, self.written()?);
        let mut lines = vec![format!("# kept for what {why}")];
        for address in addresses {
            let written = Written {
                address: Some(&IpNet::from(address).to_string()),
                ..Written::default()
            };
            lines.push(line(row, &fields, &written).ok_or("the line is not understood")?);
        }
        Ok(vec![Edit::Before(lines)])
    }

    /// A role's name as `pg_hba.conf` holds it; `None` when it cannot.
    fn quoted(&self, name: &str) -> Option<String> {
        let pattern = name.starts_with('/') && self.terms.version.major() >= 16;
        if pattern || name.is_empty() || name.chars().any(char::is_control) {
            return None;
        }
        let plain = name != "all" && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        Some(if plain {
            name.to_owned()
        } else {
            format!("\"{}\"", name.replace('"', "\"\""))
        })
    }
}

/// Where the machine itself comes from.
const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
];

/// What a copy of a line has in the place of its own.
#[derive(Default)]
struct Written<'w> {
    users: Option<&'w str>,
    address: Option<&'w str>,
    /// Without options then.
    method: Option<&'w str>,
}

/// A copy of a line for another machine, with some fields replaced.
fn line(row: &HbaRule, fields: &[&str], written: &Written<'_>) -> Option<String> {
    let [kind, databases, users, address, rest @ ..] = fields else {
        return None;
    };
    // The mask in a field of its own.
    let (mask, rest) = if !row.netmask.is_empty() && !address.contains('/') {
        let (mask, rest) = rest.split_first()?;
        (Some(*mask), rest)
    } else {
        (None, rest)
    };
    let (method, options) = rest.split_first()?;
    let mut line = vec![*kind, *databases, written.users.unwrap_or(users)];
    if let Some(address) = written.address {
        line.push(address);
    } else {
        line.push(address);
        line.extend(mask);
    }
    if let Some(method) = written.method {
        line.push(method);
    } else {
        line.push(method);
        line.extend(options);
    }
    Some(line.join("  "))
}

/// The addresses of a line whose address is `all` or a network.
fn addresses(row: &HbaRule) -> Option<AddressSet> {
    if row.netmask.is_empty() {
        return (row.address == "all").then(AddressSet::all);
    }
    let network = IpNet::with_netmask(row.address.parse().ok()?, row.netmask.parse().ok()?).ok()?;
    Some(AddressSet::network(network.trunc()))
}
