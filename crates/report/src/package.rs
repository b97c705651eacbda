//! What a reader needs to know to verify the evidence package that a report came in.

/// How the package around a report is signed. The public key is not here on purpose: a key that arrives only with what it
/// signs proves nothing, so the reader gets it another way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Package<'a> {
    /// The principal that the reader writes into the `allowed_signers` file.
    pub signer: &'a str,
    /// The SSHSIG namespace of the signature.
    pub namespace: &'a str,
    /// Fingerprint of the signing key, for comparing with the one that the reader got another way.
    pub key_fingerprint: Option<&'a str>,
}

impl Package<'_> {
    /// The commands that check the manifest's signature with OpenSSH and none of our code: the first says whose signatures
    /// to take, the second checks.
    pub(crate) fn openssh(&self) -> [String; 4] {
        let Self {
            signer, namespace, ..
        } = self;
        [
            format!("echo '{signer} namespaces=\"{namespace}\"' \"$(cat pgattest.pub)\" \\"),
            "    > allowed_signers".to_owned(),
            format!("ssh-keygen -Y verify -f allowed_signers -I {signer} -n {namespace} \\"),
            "    -s manifest.sshsig < manifest.json".to_owned(),
        ]
    }

    /// The commands of both verifiers of ours.
    pub(crate) const VERIFY: &'static str = "pgattest verify PACKAGE --key pgattest.pub";
    pub(crate) const INDEPENDENT: &'static str =
        "python3 pgattest_verify.py PACKAGE --key pgattest.pub";
}
