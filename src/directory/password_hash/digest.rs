//! Plain and salted digests (RFC 2307 §5.3, and salted SHA as everybody writes it): the digest and then the salt, in base64.

use super::encoding::base64;
use sha2::Digest;
use subtle::ConstantTimeEq;

/// The digests there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Kind {
    const fn size(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A stored digest.
pub(super) struct DigestHash {
    kind: Kind,
    octets: Vec<u8>,
}

impl DigestHash {
    /// Reads what stands behind the scheme, which is given in capitals.
    pub(super) fn parse(scheme: &str, value: &str) -> Option<Self> {
        let (kind, salted) = match scheme {
            "MD5" => (Kind::Md5, false),
            "SHA" => (Kind::Sha1, false),
            "SHA256" => (Kind::Sha256, false),
            "SHA384" => (Kind::Sha384, false),
            "SHA512" => (Kind::Sha512, false),
            "SMD5" => (Kind::Md5, true),
            "SSHA" => (Kind::Sha1, true),
            "SSHA256" => (Kind::Sha256, true),
            "SSHA384" => (Kind::Sha384, true),
            "SSHA512" => (Kind::Sha512, true),
            _ => return None,
        };
        let octets = base64(value)?;
        // A salted value has a salt, and one without salt nothing after the digest.
        let fits = if salted { octets.len() > kind.size() } else { octets.len() == kind.size() };
        fits.then_some(Self { kind, octets })
    }

    /// Whether the password is the one that was hashed.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        fn same<D: Digest>(password: &[u8], salt: &[u8], digest: &[u8]) -> bool {
            let made = D::new().chain_update(password).chain_update(salt).finalize();
            made.as_slice().ct_eq(digest).into()
        }
        let (digest, salt) = self.octets.split_at(self.kind.size().min(self.octets.len()));
        match self.kind {
            Kind::Md5 => same::<md5::Md5>(password, salt, digest),
            Kind::Sha1 => same::<sha1::Sha1>(password, salt, digest),
            Kind::Sha256 => same::<sha2::Sha256>(password, salt, digest),
            Kind::Sha384 => same::<sha2::Sha384>(password, salt, digest),
            Kind::Sha512 => same::<sha2::Sha512>(password, salt, digest),
        }
    }
}
