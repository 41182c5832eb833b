//! LDIF (RFC 2849): records in and out, streaming.
//!
//! The reader takes what the RFC allows and what files in the wild hold besides: octets of UTF-8 where base64 is
//! asked for, and a last `-` left out where it cannot mean a file that was cut off. It never follows a `:<` URL, which could name any file of this machine (HG5).
//! After a damaged record it goes on with the next one. The writer keeps to the letter.

mod reader;
mod writer;

pub use reader::LdifReader;
pub use writer::LdifWriter;

use super::{DnError, Modification};

/// Attributes as they stand in a record: each description once, in the order of its first value.
pub type LdifAttributes = Vec<(String, Vec<Vec<u8>>)>;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdifRecord {
    /// The line on which it begins, counted from 1; the writer does not look at it.
    pub line: u64,
    /// The DN as given; it is one.
    pub dn: String,
    /// The controls of a change record.
    pub controls: Vec<LdifControl>,
    /// What it says.
    pub body: LdifBody,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LdifBody {
    /// An entry as it is.
    Content(LdifAttributes),
    /// `changetype: add`.
    Add(LdifAttributes),
    /// `changetype: delete`.
    Delete,
    /// `changetype: modify`.
    Modify(Vec<Modification>),
    /// `changetype: modrdn` or `moddn`.
    Rename {
        /// The new RDN; it is one.
        new_rdn: String,
        /// Whether the values of the old RDN go.
        delete_old_rdn: bool,
        /// The new parent, where it moves; it is a DN.
        new_superior: Option<String>,
    },
}

/// A control of a change record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdifControl {
    /// Its dotted OID.
    pub oid: String,
    /// Whether the change must not happen without it.
    pub critical: bool,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct LdifError {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong there.
    pub fault: LdifFault,
}

/// What can be wrong in LDIF.
#[derive(Debug, thiserror::Error)]
pub enum LdifFault {
    /// The name before the colon is no attribute description.
    #[error("bad attribute description")]
    Attribute,
    /// The value after `::` is not base64.
    #[error("value is not base64")]
    Base64,
    /// A changetype RFC 2849 does not have.
    #[error("changetype is none of add, delete, modify, modrdn and moddn")]
    ChangeType,
    /// A `control:` line that is none.
    #[error("bad control")]
    Control,
    /// The DN is none.
    #[error(transparent)]
    Dn(#[from] DnError),
    /// Something else must stand here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// The input cannot be read on; nothing follows.
    #[error("cannot read: {0}")]
    Io(#[from] std::io::Error),
    /// A line with all its continuations is longer than the bound.
    #[error("line is longer than {0} octets")]
    LineTooLong(usize),
    /// A value that is not UTF-8 and not base64, or holds a NUL or a carriage return.
    #[error("value must be given in base64")]
    NotText,
    /// A record is longer than the bound.
    #[error("record is longer than {0} octets")]
    RecordTooLong(usize),
    /// More different attributes than an entry can have.
    #[error("record has more than {0} attributes")]
    TooManyAttributes(usize),
    /// A value by URL.
    #[error("values by URL (:<) are not read, because they could name any file of this machine; give the value itself")]
    Url,
    /// A version other than 1.
    #[error("only version 1 of LDIF is known")]
    Version,
}
