//! Writing a `ClientHello`.
//!
//! By hand, because no maintained library still speaks TLS 1.0: a first message is all that it takes to learn whether a server
//! would.

use super::exchange::NoAnswer;
use crate::options::TlsVersion;

/// What one `ClientHello` asks for.
pub(super) struct ClientHello<'a> {
    /// The one version that is offered; older ones a server may answer with nevertheless, before TLS 1.3.
    pub(super) version: TlsVersion,
    /// Cipher suites by number, best first.
    pub(super) suites: &'a [u16],
    /// The server's name.
    pub(super) name: Option<&'a str>,
    /// The protocol inside, which direct TLS must name.
    pub(super) protocol: Option<&'a [u8]>,
}

/// x25519, P-256, P-384, P-521, x448, and the finite fields of 2048 to 8192 bits.
const GROUPS: [u16; 10] = [
    0x001d, 0x0017, 0x0018, 0x0019, 0x001e, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104,
];

/// Every signature that a server of any age may want to make, the old ones too: the question is what it accepts.
const SIGNATURES: [u16; 18] = [
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401,
    0x0501, 0x0601, 0x0402, 0x0203, 0x0201, 0x0202,
];

impl ClientHello<'_> {
    /// The message in its record, with randomness of its own.
    pub(super) fn encode(&self) -> Result<Vec<u8>, NoAnswer> {
        let mut random = [0_u8; 96];
        rustls::crypto::ring::default_provider()
            .secure_random
            .fill(&mut random)
            .map_err(|_| NoAnswer::NotSent("the system has no randomness"))?;
        Ok(self.encode_with(&random))
    }

    fn encode_with(&self, random: &[u8; 96]) -> Vec<u8> {
        let (random, rest) = random.split_at(32);
        let (session, share) = rest.split_at(32);
        let mut body = Vec::with_capacity(512);
        body.extend(self.legacy_version().to_be_bytes());
        body.extend(random);
        body.push(32);
        body.extend(session);
        with_length_16(&mut body, |body| {
            for suite in self.suites {
                body.extend(suite.to_be_bytes());
            }
            if self.version != TlsVersion::V1_3 {
                // Secure renegotiation, which some servers insist on (RFC 5746).
                body.extend([0x00, 0xff]);
            }
        });
        body.extend([1, 0]);
        with_length_16(&mut body, |body| self.extensions(body, share));

        let mut message = vec![1];
        message.extend(
            u32::try_from(body.len())
                .unwrap_or(u32::MAX)
                .to_be_bytes()
                .iter()
                .skip(1),
        );
        message.extend(body);
        // The record layer of a first message says TLS 1.0 whatever follows.
        let mut record = vec![22, 3, 1];
        with_length_16(&mut record, |record| record.extend(message));
        record
    }

    /// TLS 1.3 calls itself 1.2 here, and says the truth in an extension.
    const fn legacy_version(&self) -> u16 {
        match self.version {
            TlsVersion::V1_0 => 0x0301,
            TlsVersion::V1_1 => 0x0302,
            TlsVersion::V1_2 | TlsVersion::V1_3 => 0x0303,
        }
    }

    fn extensions(&self, body: &mut Vec<u8>, share: &[u8]) {
        if let Some(name) = self.name.filter(|name| name.len() <= 255) {
            extension(body, 0, |body| {
                with_length_16(body, |body| {
                    body.push(0);
                    with_length_16(body, |body| body.extend(name.as_bytes()));
                });
            });
        }
        extension(body, 10, |body| numbers(body, &GROUPS));
        if self.version >= TlsVersion::V1_2 {
            extension(body, 13, |body| numbers(body, &SIGNATURES));
        }
        if let Some(protocol) = self.protocol {
            extension(body, 16, |body| {
                with_length_16(body, |body| {
                    body.push(u8::try_from(protocol.len()).unwrap_or(u8::MAX));
                    body.extend(protocol);
                });
            });
        }
        if self.version == TlsVersion::V1_3 {
            extension(body, 43, |body| body.extend([2, 0x03, 0x04]));
            // Any 32 bytes are a public key of x25519. Nobody has the private one: the handshake ends with the answer.
            extension(body, 51, |body| {
                with_length_16(body, |body| {
                    body.extend([0x00, 0x1d]);
                    with_length_16(body, |body| body.extend(share));
                });
            });
        } else {
            extension(body, 11, |body| body.extend([1, 0]));
        }
    }
}

fn extension(body: &mut Vec<u8>, number: u16, content: impl FnOnce(&mut Vec<u8>)) {
    body.extend(number.to_be_bytes());
    with_length_16(body, content);
}

fn numbers(body: &mut Vec<u8>, numbers: &[u16]) {
    with_length_16(body, |body| {
        for number in numbers {
            body.extend(number.to_be_bytes());
        }
    });
}

/// What `content` writes, after its length in two bytes.
fn with_length_16(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    content(&mut inner);
    out.extend(u16::try_from(inner.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(inner);
}

#[cfg(test)]
mod tests {
    use super::ClientHello;
    use crate::options::TlsVersion;

    #[test]
    fn a_hello_of_tls_1_0_byte_for_byte() {
        let hello = ClientHello {
            version: TlsVersion::V1_0,
            suites: &[0x002f],
            name: None,
            protocol: None,
        }
        .encode_with(&[7; 96]);
        let mut expected = vec![22, 3, 1, 0, 113, 1, 0, 0, 109, 3, 1];
        expected.extend([7; 32]);
        expected.push(32);
        expected.extend([7; 32]);
        expected.extend([0, 4, 0x00, 0x2f, 0x00, 0xff, 1, 0, 0, 32]);
        expected.extend([
            0, 10, 0, 22, 0, 20, 0, 0x1d, 0, 0x17, 0, 0x18, 0, 0x19, 0, 0x1e,
        ]);
        expected.extend([1, 0, 1, 1, 1, 2, 1, 3, 1, 4]);
        expected.extend([0, 11, 0, 2, 1, 0]);
        assert_eq!(hello, expected);
    }

    #[test]
    fn lengths_add_up_for_every_version() {
        for version in [
            TlsVersion::V1_0,
            TlsVersion::V1_1,
            TlsVersion::V1_2,
            TlsVersion::V1_3,
        ] {
            let hello = ClientHello {
                version,
                suites: &[1, 2, 3],
                name: Some("db.example.com"),
                protocol: Some(b"postgresql"),
            }
            .encode()
            .unwrap();
            let length = |at: usize| usize::from(hello[at]) << 8 | usize::from(hello[at + 1]);
            assert_eq!(length(3), hello.len() - 5);
            assert_eq!(length(7), hello.len() - 9);
        }
    }
}
