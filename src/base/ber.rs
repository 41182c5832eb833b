//! BER primitives (X.690 §8, as RFC 4511 §5.1 restricts them: definite lengths only), shared by the
//! stored form of entries and the LDAP door.

/// Tag of an OCTET STRING.
pub const OCTET_STRING: u8 = 0x04;
/// Tag of a SEQUENCE.
pub const SEQUENCE: u8 = 0x30;
/// Tag of a SET.
pub const SET: u8 = 0x31;

/// Why octets are not BER.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BerError {
    /// A length of indefinite form.
    #[error("indefinite length")]
    Indefinite,
    /// A length in more than four octets.
    #[error("length in more than four octets")]
    LengthOfLength,
    /// A tag number above 30.
    #[error("tag of more than one octet")]
    LongTag,
    /// The element does not end within its surroundings.
    #[error("truncated element")]
    Truncated,
}

/// How many octets the length field of `length` takes.
pub const fn length_size(length: usize) -> usize {
    match length {
        0..=0x7f => 1,
        0x80..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xff_ffff => 4,
        _ => 5,
    }
}

/// How many octets an element with `length` octets of content takes.
pub const fn element_size(length: usize) -> usize {
    1 + length_size(length) + length
}

/// Appends tag and length; the content must follow.
pub fn put_header(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    let octets = length.to_be_bytes();
    match length_size(length) {
        1 => out.push(length as u8),
        size => {
            let count = size - 1;
            out.push(0x80 | count as u8);
            out.extend_from_slice(octets.get(octets.len() - count..).unwrap_or_default());
        }
    }
}

/// Appends a whole element.
pub fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    put_header(out, tag, content.len());
    out.extend_from_slice(content);
}

/// One element: its tag, its content, and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// The content octets.
    pub content: &'a [u8],
}

/// Reads elements one after another out of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `octets`.
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The tag of the next element, where there is one.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Reads the next element.
    pub fn element(&mut self) -> Result<Element<'a>, BerError> {
        let (&tag, after) = self.rest.split_first().ok_or(BerError::Truncated)?;
        if tag & 0x1f == 0x1f {
            return Err(BerError::LongTag);
        }
        let (length, after) = length(after)?;
        if length > after.len() {
            return Err(BerError::Truncated);
        }
        let (content, rest) = after.split_at(length);
        self.rest = rest;
        Ok(Element { tag, content })
    }
}

/// Reads a length field; answers the length and what follows the field. Lengths that take more octets
/// than needed are accepted (Windows sends them), more than four octets are not.
pub fn length(octets: &[u8]) -> Result<(usize, &[u8]), BerError> {
    let (&first, rest) = octets.split_first().ok_or(BerError::Truncated)?;
    match first {
        0..=0x7f => Ok((usize::from(first), rest)),
        0x80 => Err(BerError::Indefinite),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let (field, rest) = rest.split_at_checked(count).ok_or(BerError::Truncated)?;
            Ok((field.iter().fold(0, |sum, &octet| sum << 8 | usize::from(octet)), rest))
        }
        _ => Err(BerError::LengthOfLength),
    }
}
