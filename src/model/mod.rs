//! What a directory is made of, free of any schema: names, entries as they are kept, what a client
//! sent, filters, changes, links between entries, and the small trait through which rules look things up.

pub mod change;
pub mod dn;
pub mod draft;
pub mod entry;
pub mod facts;
pub mod filter;
pub mod ldap_url;
pub mod ldif;
pub mod link;

pub use change::{Modification, ModificationKind};
pub use dn::{Ava, AvaReader, Dn, DnError, RawAva, Rdn};
pub use draft::{Description, Draft, DraftAttribute};
pub use entry::{Attribute, Entry, EntryBuilder, Kind};
pub use facts::{Facts, upwards};
pub use filter::{Extensible, Filter, FilterError, Substrings};
pub use link::{Level, Link};

/// The number of an attribute type within the loaded schema. It is good for the life of that schema
/// object only, and is never stored: records keep names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeId(pub u16);
