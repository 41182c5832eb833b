//! Bytes that must not be printed, and are wiped when dropped.

use zeroize::Zeroizing;

/// A password or token on its way through the daemon. It has no `Debug` that shows it (HG2).
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves; name the reason where you call it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether it holds no byte at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(…)")
    }
}
