//! rsyslog: syslog over TLS with certificates on both sides, RELP plain and over TLS.

use crate::certificate::Authority;
use crate::tools::{Program, ending_with_us, free_port};
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// What rsyslog listens for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// RFC 5424 with octet counting; the client shows the certificate `collector`.
    SyslogTls,
    /// RELP without TLS.
    RelpPlain,
    /// RELP; the client shows the certificate `collector`.
    RelpTls,
}

/// rsyslog with a configuration of its own. It answers for a message when the message is in its file.
#[derive(Debug)]
pub struct Rsyslog {
    place: tempfile::TempDir,
    address: SocketAddr,
    program: Option<Program>,
}

impl Rsyslog {
    /// Makes certificates and a configuration, and starts it.
    pub fn start(protocol: Protocol) -> Result<Self> {
        let place = tempfile::tempdir()?;
        let address = free_port()?;
        let authority = Authority::new("syslog")?;
        let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text);
        write("ca.pem", &authority.pem())?;
        for (name, issued) in [
            ("server", authority.issue_server(&["localhost"])?),
            ("client", authority.issue_client("collector")?),
        ] {
            write(&format!("{name}.pem"), &issued.certificate)?;
            write(&format!("{name}.key"), &issued.key)?;
        }
        write(
            "rsyslog.conf",
            &configuration(place.path(), address.port(), protocol)?,
        )?;
        let mut rsyslog = Self {
            place,
            address,
            program: None,
        };
        rsyslog.again()?;
        Ok(rsyslog)
    }

    /// Starts it again after [`Self::kill`], and waits until it listens.
    pub fn again(&mut self) -> Result<()> {
        let child = ending_with_us(Path::new("/usr/sbin/rsyslogd"))
            .arg("-n")
            .arg("-f")
            .arg(self.path("rsyslog.conf"))
            .arg("-i")
            .arg(self.path("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start rsyslog: run script/bootstrap")?;
        self.program = Some(Program(child));
        let deadline = Instant::now() + Duration::from_mins(1);
        while TcpStream::connect(self.address).is_err() {
            ensure!(Instant::now() < deadline, "rsyslog does not listen");
            #[expect(clippy::disallowed_methods, reason = "asked again, with a deadline")]
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.program = None;
        // The next one refuses to start where this one seems to run.
        let _ = std::fs::remove_file(self.path("pid"));
    }

    /// `host:port` by the name that its certificate has.
    pub fn address(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// A file of it: `ca.pem`, `client.pem`, `client.key`, `arrived`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The table of a sink of this kind, in TOML: its keys with `more` among them, and its table `tls`.
    pub fn sink(&self, kind: &str, more: &str) -> String {
        let path = |name: &str| self.path(name).display().to_string();
        format!(
            "kind = \"{kind}\"\naddress = \"{}\"\n{more}\n\
             tls = {{ ca_file = \"{}\", certificate_file = \"{}\", key_file = \"{}\" }}\n",
            self.address(),
            path("ca.pem"),
            path("client.pem"),
            path("client.key"),
        )
    }

    /// What arrived, in order: each message's number (`seq` of its structured data) and the whole line.
    pub fn arrived(&self) -> Vec<(u64, String)> {
        let text = std::fs::read(self.path("arrived")).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| {
                let (_, rest) = line.split_once("seq=\"")?;
                let (number, _) = rest.split_once('"')?;
                Some((number.parse().ok()?, line.to_owned()))
            })
            .collect()
    }

    /// The numbers of the records that arrived, in order, each as often as it came. Checkpoints are none.
    pub fn numbers(&self) -> Vec<u64> {
        self.arrived()
            .into_iter()
            .filter(|(_, line)| !line.contains("kind=\"checkpoint\""))
            .map(|(number, _)| number)
            .collect()
    }

    /// The numbers of the records that arrived.
    pub fn different(&self) -> BTreeSet<u64> {
        self.numbers().into_iter().collect()
    }
}

fn configuration(place: &Path, port: u16, protocol: Protocol) -> Result<String> {
    let place = place.display();
    let mut text = format!("global(workDirectory=\"{place}\" maxMessageSize=\"64k\"");
    if protocol == Protocol::SyslogTls {
        write!(
            text,
            "\n defaultNetstreamDriver=\"gtls\"\n defaultNetstreamDriverCAFile=\"{place}/ca.pem\"\n defaultNetstreamDriverCertFile=\"{place}/server.pem\"\n defaultNetstreamDriverKeyFile=\"{place}/server.key\""
        )?;
    }
    text.push_str(")\n");
    let relp = "module(load=\"imrelp\" ruleset=\"audit\")\n";
    let input = match protocol {
        Protocol::SyslogTls => {
            text.push_str("module(load=\"imtcp\" streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"x509/name\" permittedPeer=[\"collector\"])\n");
            format!("input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\" ruleset=\"audit\")")
        }
        Protocol::RelpPlain => {
            text.push_str(relp);
            format!(
                "input(type=\"imrelp\" address=\"127.0.0.1\" port=\"{port}\" maxDataSize=\"64k\")"
            )
        }
        Protocol::RelpTls => {
            text.push_str(relp);
            format!(
                "input(type=\"imrelp\" address=\"127.0.0.1\" port=\"{port}\" maxDataSize=\"64k\" tls=\"on\" tls.caCert=\"{place}/ca.pem\" tls.myCert=\"{place}/server.pem\" tls.myPrivKey=\"{place}/server.key\" tls.authMode=\"name\" tls.permittedPeer=[\"collector\"])"
            )
        }
    };
    // A direct queue: what is answered is in the file, not in a queue in memory.
    writeln!(
        text,
        "template(name=\"line\" type=\"string\" string=\"%structured-data% %procid% %msg%\\n\")\n\
         ruleset(name=\"audit\" queue.type=\"direct\") {{\n action(type=\"omfile\" file=\"{place}/arrived\" template=\"line\")\n}}\n{input}"
    )?;
    Ok(text)
}
