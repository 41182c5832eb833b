//! Reads the components of a request one after another, each by the tag it must have.

use super::result::Failure;
use crate::base::ber::{self, Reader};

/// Tag of a BOOLEAN.
pub(crate) const BOOLEAN: u8 = 0x01;
/// Tag of an INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// Tag of an ENUMERATED.
pub(crate) const ENUMERATED: u8 = 0x0a;

/// The components of one SEQUENCE. Trailing components with tags we do not know are left alone, as RFC 4511 §4
/// demands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(Reader<'a>);

impl<'a> Fields<'a> {
    /// Over the content of the SEQUENCE.
    pub(crate) const fn new(content: &'a [u8]) -> Self {
        Self(Reader::new(content))
    }

    /// Over the content of the one SEQUENCE that fills `octets`, as in a controlValue.
    pub(crate) fn sequence(octets: &'a [u8], otherwise: &'static str) -> Result<Self, Failure> {
        let mut outer = Self::new(octets);
        let content = outer.octets(ber::SEQUENCE, otherwise)?;
        match outer.is_empty() {
            true => Ok(Self::new(content)),
            false => Err(Failure::protocol(otherwise)),
        }
    }

    /// Whether no component is left.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tag and content of the next component, whatever it is.
    pub(crate) fn any(&mut self, otherwise: &'static str) -> Result<(u8, &'a [u8]), Failure> {
        self.0.element().map(|element| (element.tag, element.content)).map_err(|_| Failure::protocol(otherwise))
    }

    /// The content of the next component, which must have this tag.
    pub(crate) fn octets(&mut self, tag: u8, otherwise: &'static str) -> Result<&'a [u8], Failure> {
        match self.any(otherwise)? {
            (found, content) if found == tag => Ok(content),
            _ => Err(Failure::protocol(otherwise)),
        }
    }

    /// The content of the next component if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8, otherwise: &'static str) -> Result<Option<&'a [u8]>, Failure> {
        match self.0.peek() == Some(tag) {
            true => self.octets(tag, otherwise).map(Some),
            false => Ok(None),
        }
    }

    /// The next component as UTF-8 (RFC 4511 §4.1.2).
    pub(crate) fn text(&mut self, tag: u8, otherwise: &'static str) -> Result<&'a str, Failure> {
        text(self.octets(tag, otherwise)?, otherwise)
    }

    /// The next component as a whole number.
    pub(crate) fn integer(&mut self, tag: u8, otherwise: &'static str) -> Result<i64, Failure> {
        integer(self.octets(tag, otherwise)?).ok_or_else(|| Failure::protocol(otherwise))
    }

    /// The next component as a truth value.
    pub(crate) fn boolean(&mut self, tag: u8, otherwise: &'static str) -> Result<bool, Failure> {
        boolean(self.octets(tag, otherwise)?).ok_or_else(|| Failure::protocol(otherwise))
    }
}

/// UTF-8, or the failure.
pub(crate) fn text<'a>(octets: &'a [u8], otherwise: &'static str) -> Result<&'a str, Failure> {
    std::str::from_utf8(octets).map_err(|_| Failure::protocol(otherwise))
}

/// A whole number in two's complement of at most eight octets.
pub(crate) fn integer(octets: &[u8]) -> Option<i64> {
    let first = *octets.first()?;
    let start = if first > 0x7f { -1 } else { 0 };
    (octets.len() <= 8).then(|| octets.iter().fold(start, |sum: i64, &octet| sum << 8 | i64::from(octet)))
}

/// One octet; all but zero is true, as BER has it.
pub(crate) const fn boolean(octets: &[u8]) -> Option<bool> {
    match octets {
        [octet] => Some(*octet != 0),
        _ => None,
    }
}
