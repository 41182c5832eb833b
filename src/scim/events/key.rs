//! The key that events are signed with: made when it is first needed, and kept in the data folder for its owner only. Receivers
//! find its public half at `/SecurityEvents/keys`.

use crate::base::random;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const FILE: &str = "event-key";

/// Signs by ES256 (RFC 7518 §3.4).
pub(super) struct Signer {
    pair: EcdsaKeyPair,
    /// The public key as a JWK (RFC 7517).
    public: Value,
    /// Its name: the thumbprint (RFC 7638).
    id: String,
}

impl Signer {
    /// The key of the folder; a new one where there is none.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        let held = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(folder, &path)?;
                std::fs::read(&path)?
            }
            held => held?,
        };
        Self::read(&held).ok_or_else(|| io::Error::other(format!("{} is no key", path.display())))
    }

    fn read(held: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, held).ok()?;
        // An uncompressed point: 4, and both coordinates.
        let point = pair.public_key().as_ref().get(1..65)?;
        let (x, y) = point.split_at_checked(32)?;
        let mut public = json!({"crv": "P-256", "kty": "EC", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)});
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(public.to_string()));
        let members = public.as_object_mut()?;
        members.extend([("kid", id.as_str()), ("alg", "ES256"), ("use", "sig")].map(|(name, value)| (name.to_owned(), value.into())));
        Some(Self { pair, public, id })
    }

    /// The public keys (RFC 7517 §5).
    pub(super) fn keys(&self) -> Value {
        json!({"keys": [self.public]})
    }

    /// A SET (RFC 8417 §2) of these claims; `None` where the machine has no randomness.
    pub(super) fn sign(&self, claims: &Value) -> Option<String> {
        let header = json!({"typ": "secevent+jwt", "alg": "ES256", "kid": self.id});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.pair.sign(&random::source(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// There under its name only when it is whole; the first of several that make one wins.
fn make(folder: &Path, path: &Path) -> io::Result<()> {
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random::source());
    let key = key.map_err(|_| io::Error::other("no key could be made"))?;
    let unfinished = folder.join(format!(".{FILE}-{}", *random::token()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(key.as_ref())?;
    file.sync_data()?;
    let linked = std::fs::hard_link(&unfinished, path);
    std::fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_key_is_made_once_kept_secret_and_signs_what_its_public_half_verifies() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (Signer::of(folder.path()).unwrap(), Signer::of(folder.path()).unwrap());
        assert_eq!(first.keys(), second.keys());
        assert_eq!(std::fs::metadata(folder.path().join(FILE)).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let set = first.sign(&json!({"jti": "1"})).unwrap();
        let parts: Vec<&str> = set.split('.').collect();
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let header: Value = serde_json::from_slice(&decode(parts[0])).unwrap();
        assert_eq!((&header["typ"], &header["kid"]), (&json!("secevent+jwt"), &second.keys()["keys"][0]["kid"]));
        let key = &second.keys()["keys"][0];
        let point = [vec![4], decode(key["x"].as_str().unwrap()), decode(key["y"].as_str().unwrap())].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        key.verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &decode(parts[2])).unwrap();
        std::fs::write(folder.path().join(FILE), "x").unwrap();
        assert!(Signer::of(folder.path()).is_err(), "a damaged key is not replaced behind the receivers' backs");
    }
}
