//! The only source of randomness: the operating system's generator, seeded into a CSPRNG per thread.

use aws_lc_rs::rand::SystemRandom;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore;
use zeroize::Zeroizing;

/// `N` random bytes.
#[expect(clippy::disallowed_methods, reason = "the one place that draws random numbers")]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    rand::rng().fill_bytes(&mut out);
    out
}

/// A random value of 256 bits in unpadded base64url (43 characters): links, tokens, cookies. It is wiped when dropped.
pub fn token() -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(Zeroizing::new(bytes::<32>())))
}

/// For the keys and signatures of `aws_lc_rs`, which draw numbers themselves.
pub fn source() -> SystemRandom {
    SystemRandom::new()
}
