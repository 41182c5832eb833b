//! What a modify operation asks for (RFC 4511 §4.6).

use zeroize::Zeroize;

/// What to do with the values of one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModificationKind {
    /// Add the values; each must be new.
    Add,
    /// Take the values away, or all where none is given; each must be there.
    Delete,
    /// Put the values in the place of what is there; none given removes the attribute if it is there.
    Replace,
    /// Add one whole number to each value (RFC 4525).
    Increment,
}

/// One change of a modify operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modification {
    /// What to do.
    pub kind: ModificationKind,
    /// The attribute description as the client sent it.
    pub attribute: String,
    /// The values as the client sent them.
    pub values: Vec<Vec<u8>>,
}

impl Zeroize for Modification {
    fn zeroize(&mut self) {
        self.values.zeroize();
    }
}
