//! What a door asks of the directory, and what it gets.

use super::sorted::SortedList;
use crate::base::EntryId;
use crate::base::ber::Reader;
use crate::domain::password_rules::Usability;
use crate::model::entry::Values;
use crate::model::{Filter, Kind, Modification};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use zeroize::Zeroize;

/// How far below its base a search goes (RFC 4511 §4.5.1.2; children: draft-sermersheim-ldap-subordinate-scope).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The base itself.
    Base,
    /// What is directly under it.
    One,
    /// It and everything under it.
    Subtree,
    /// Everything under it, without it.
    Children,
}

/// When aliases are followed (RFC 4511 §4.5.1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dereference {
    /// Never.
    #[default]
    Never,
    /// Below the base only.
    Searching,
    /// For the base only.
    Finding,
    /// Both.
    Always,
}

impl Dereference {
    /// Whether the base is one.
    pub(super) const fn for_base(self) -> bool {
        matches!(self, Self::Finding | Self::Always)
    }

    /// Whether those below the base are.
    pub(super) const fn for_scope(self) -> bool {
        matches!(self, Self::Searching | Self::Always)
    }
}

/// What the root DSE lists of one connection, beside what works on each.
#[derive(Clone, Debug, Default)]
pub struct Offered {
    /// SASL mechanisms.
    pub mechanisms: Vec<&'static str>,
    /// Extended operations, by OID.
    pub extensions: Vec<&'static str>,
}

/// A search (RFC 4511 §4.5.1).
#[derive(Clone, Debug)]
pub struct SearchRequest<'a> {
    /// The base DN as sent; empty for the root DSE.
    pub base: &'a str,
    /// How far.
    pub scope: Scope,
    /// Aliases.
    pub dereference: Dereference,
    /// At most this many entries; 0 for no limit of the client's own.
    pub size_limit: u32,
    /// At most this many seconds; 0 for no limit of the client's own.
    pub time_limit: u32,
    /// Descriptions without values.
    pub types_only: bool,
    /// Which entries.
    pub filter: Filter<'a>,
    /// Which attributes: descriptions, `*`, `+`, `1.1`, `@class`; empty for all user attributes.
    pub attributes: Vec<&'a str>,
    /// Referrals are shown as entries (RFC 3296).
    pub manage_dsa_it: bool,
    /// What the root DSE lists of the connection.
    pub offered: Offered,
    /// A page of at most this many entries (RFC 2696), continuing where `after` stopped.
    pub page: Option<Page>,
    /// In this order (RFC 2891); empty for any.
    pub sort: Vec<SortKey<'a>>,
    /// Whether nothing is to be sent where it cannot be sorted.
    pub sort_critical: bool,
    /// This part of what was sorted only (draft-ietf-ldapext-ldapv3-vlv-09).
    pub view: Option<ListView<'a>>,
    /// Of the values only those that one of these matches (RFC 3876).
    pub matched_values: Option<Vec<Filter<'a>>>,
    /// Subentries only, or no subentries (RFC 3672 §3); without it those that are asked for by name.
    pub subentries: Option<bool>,
    /// Entries that attributes name, to be shown with the entry (draft-masarati-ldap-deref).
    pub links: Vec<LinkWish<'a>>,
    /// Somebody's rights, to be shown with the entry.
    pub rights: Option<RightsWish<'a>>,
    /// Whether accounts can be used, to be shown with the entry to those who may set its password.
    pub usability: bool,
    /// Of the entries in scope only these; all of them where it is absent.
    pub among: Option<Vec<EntryId>>,
}

impl<'a> SearchRequest<'a> {
    /// A search for these attributes without limits or anything else of its own.
    pub const fn new(base: &'a str, scope: Scope, filter: Filter<'a>, attributes: Vec<&'a str>) -> Self {
        Self {
            base,
            scope,
            dereference: Dereference::Never,
            size_limit: 0,
            time_limit: 0,
            types_only: false,
            filter,
            attributes,
            manage_dsa_it: false,
            offered: Offered { mechanisms: Vec::new(), extensions: Vec::new() },
            page: None,
            sort: Vec::new(),
            sort_critical: false,
            view: None,
            matched_values: None,
            subentries: None,
            links: Vec::new(),
            rights: None,
            usability: false,
            among: None,
        }
    }
}

/// An attribute whose values name entries to be shown.
#[derive(Clone, Debug)]
pub struct LinkWish<'a> {
    /// The attribute type, as sent.
    pub attribute: &'a str,
    /// What to show of each entry.
    pub attributes: Vec<&'a str>,
    /// Whether an attribute whose values are no names is refused.
    pub critical: bool,
}

/// Whose rights to show.
#[derive(Clone, Debug)]
pub struct RightsWish<'a> {
    /// The DN of who it is about; empty for anonymous.
    pub subject: &'a str,
    /// On these attributes; on all that an entry has where there is none.
    pub attributes: Vec<&'a str>,
}

/// An entry that an attribute of another names, reduced to what the caller may see.
#[derive(Clone, Debug)]
pub struct Linked {
    /// The attribute, as it was asked for.
    pub attribute: String,
    /// The DN that it holds.
    pub dn: String,
    /// The attributes, each a PartialAttribute as it travels.
    pub attributes: Vec<Vec<u8>>,
}

/// One key to sort by (RFC 2891 §1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey<'a> {
    /// The attribute description, as sent.
    pub attribute: &'a str,
    /// A matching rule by OID or name; the attribute's own where absent.
    pub rule: Option<&'a str>,
    /// Whether the largest comes first.
    pub reverse: bool,
}

/// Why a search was not sorted (RFC 2891 §1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortProblem {
    /// Other sorts take all the room there is.
    Busy,
    /// No rule, or none that orders the values.
    InappropriateMatching,
    /// Not defined, or not to be asserted about by the caller: nobody can tell which (HC1).
    NoSuchAttribute,
    /// More than one sort may hold.
    TooLarge,
}

/// How a sort went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SortReport {
    /// Why it was not sorted; `None` where it was.
    pub problem: Option<SortProblem>,
    /// The attribute to blame, as it was sent.
    pub attribute: Option<String>,
}

impl SortReport {
    /// From a problem and who is to blame.
    pub(super) fn of(found: Option<(SortProblem, Option<String>)>) -> Self {
        found.map_or_else(Self::default, |(problem, attribute)| Self { problem: Some(problem), attribute })
    }
}

/// A part of a sorted search (draft-ietf-ldapext-ldapv3-vlv-09 §6.1).
#[derive(Clone, Debug)]
pub struct ListView<'a> {
    /// Entries before the target.
    pub before: u32,
    /// Entries after the target.
    pub after: u32,
    /// What it is about.
    pub target: ViewTarget<'a>,
    /// The list of an earlier view of the same search, to be used again where nothing has changed since.
    pub list: Option<Arc<SortedList>>,
}

/// The entry that a view is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewTarget<'a> {
    /// The first that is not before this value of the first sort key.
    AtLeast(&'a [u8]),
    /// By its rank from 1, out of `count` as the client believes; 0 for not known.
    Offset {
        /// The rank.
        offset: i64,
        /// Of how many.
        count: i64,
    },
}

/// Why a view cannot be given (draft §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewProblem {
    /// The rule of the first sort key cannot take the value.
    InappropriateMatching,
    /// The list could not be sorted.
    NotSorted,
    /// There is no such offset.
    OffsetRange,
}

/// What a view shows.
#[derive(Clone, Debug)]
pub struct ViewReport {
    /// The rank of the target from 1; one more than `count` where there is none.
    pub position: usize,
    /// How many entries the list has.
    pub count: usize,
    /// Why it cannot be given; `None` where it was.
    pub problem: Option<ViewProblem>,
    /// The list, to be given with the next view.
    pub list: Option<Arc<SortedList>>,
}

/// A page of a search.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// At most this many entries on this page.
    pub size: usize,
    /// The position the last page ended at, as [`Progress::Paged`] gave it.
    pub after: Option<Position>,
}

/// Where a page ended.
#[derive(Clone, Debug)]
pub struct Position {
    /// The number of the last entry, or the rank of the next one in `list`.
    pub(super) at: u32,
    /// Entries sent until then, on all pages.
    pub(super) sent: usize,
    /// What was sorted.
    pub(super) list: Option<Arc<SortedList>>,
}

#[cfg(test)]
impl Position {
    /// After the entry of that number, of nothing that was sorted.
    pub(crate) const fn at(at: u32) -> Self {
        Self { at, sent: 0, list: None }
    }
}

/// Places of one search are compared, which has one list.
impl PartialEq for Position {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sent) == (other.at, other.sent)
    }
}

/// How a step of a search ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// There is more; ask again when the sink has room.
    More,
    /// All has been found.
    Done,
    /// The page is full; the next page continues after this entry. `estimate`: about how many there are in all.
    Paged {
        /// Where to continue.
        after: Position,
        /// About how many entries the whole search finds; 0 for unknown.
        estimate: usize,
    },
}

/// Takes what a search finds.
pub trait EntrySink {
    /// An entry, reduced to what the caller may see.
    fn entry(&mut self, entry: &Visible<'_>);
    /// A continuation reference (RFC 4511 §4.5.3).
    fn reference(&mut self, urls: &[String]);
    /// Whether the search should pause and let the sink be emptied.
    fn is_full(&self) -> bool {
        false
    }
}

/// An entry reduced by the access decision and the selection of attributes: the only thing an encoder takes.
/// Only the directory makes one.
#[derive(Debug)]
pub struct Visible<'a> {
    pub(super) id: EntryId,
    pub(super) kind: Kind,
    /// The entryCSN; empty where there is none.
    pub(super) csn: &'a str,
    pub(super) dn: &'a str,
    pub(super) attributes: &'a [VisibleAttribute<'a>],
    pub(super) linked: &'a [Linked],
    pub(super) usability: Option<Usability>,
}

/// One attribute of a visible entry.
#[derive(Clone, Copy, Debug)]
pub struct VisibleAttribute<'a> {
    /// The PartialAttribute as it travels (RFC 4511 §4.1.7).
    pub encoded: &'a [u8],
}

impl<'a> Visible<'a> {
    /// The number of the entry.
    pub const fn id(&self) -> EntryId {
        self.id
    }

    /// What it is to the domain.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Its DN.
    pub const fn dn(&self) -> &'a str {
        self.dn
    }

    /// Its attributes.
    pub const fn attributes(&self) -> &'a [VisibleAttribute<'a>] {
        self.attributes
    }

    /// The entries that its attributes name, where they were asked for.
    pub const fn linked(&self) -> &'a [Linked] {
        self.linked
    }

    /// Whether it can be signed in with, where that was asked for and it is an account.
    pub const fn usability(&self) -> Option<Usability> {
        self.usability
    }

    /// A copy that outlives the search.
    pub fn to_owned(&self) -> OwnedEntry {
        OwnedEntry {
            id: self.id,
            kind: self.kind,
            version: version_of(self.csn),
            dn: self.dn.to_owned(),
            attributes: self.attributes.iter().map(|attribute| attribute.encoded.to_vec()).collect(),
        }
    }
}

impl<'a> VisibleAttribute<'a> {
    /// The description.
    pub fn description(&self) -> &'a str {
        split_attribute(self.encoded).0
    }

    /// The values; none under types-only.
    pub fn values(&self) -> Values<'a> {
        split_attribute(self.encoded).1
    }
}

/// The version of an entry with this entryCSN, which is another after each change (`write/stamp.rs`). A revision would be
/// that too, but tells how much others change.
pub(super) fn version_of(csn: &str) -> u64 {
    Sha256::digest(csn.as_bytes()).iter().take(8).fold(0, |sum, octet| sum << 8 | u64::from(*octet))
}

pub(super) fn split_attribute(encoded: &[u8]) -> (&str, Values<'_>) {
    let mut outer = Reader::new(encoded);
    let mut inner = Reader::new(outer.element().map_or(&[][..], |element| element.content));
    let name = inner.element().map_or(&[][..], |element| element.content);
    let values = inner.element().map_or(&[][..], |element| element.content);
    (std::str::from_utf8(name).unwrap_or_default(), Values::of(values))
}

fn name_of(encoded: &[u8]) -> &[u8] {
    let content = Reader::new(encoded).element().map_or(&[][..], |element| element.content);
    Reader::new(content).element().map_or(&[][..], |element| element.content)
}

/// A visible entry that was kept: pre-read and post-read, SCIM, the command line.
#[derive(Clone, Debug)]
pub struct OwnedEntry {
    /// The number of the entry.
    pub id: EntryId,
    /// What it is to the domain.
    pub kind: Kind,
    /// The version of the entry's own attributes: another after each change, and nothing of how many there were (HC5).
    pub version: u64,
    /// Its DN.
    pub dn: String,
    /// Its attributes, each a PartialAttribute as it travels.
    pub attributes: Vec<Vec<u8>>,
}

impl OwnedEntry {
    /// The octets of its name and attributes.
    pub fn size(&self) -> usize {
        self.dn.len() + self.attributes.iter().map(Vec::len).sum::<usize>()
    }

    /// The attributes: description and values.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, Values<'_>)> {
        self.attributes.iter().map(|encoded| split_attribute(encoded))
    }

    /// The values of a description, in any case.
    pub fn values(&self, description: &str) -> impl Iterator<Item = &[u8]> {
        // Asked for each attribute of a resource, so what has another name is not read further.
        let is_it = move |encoded: &&Vec<u8>| name_of(encoded).eq_ignore_ascii_case(description.as_bytes());
        self.attributes.iter().filter(is_it).flat_map(|encoded| split_attribute(encoded).1)
    }

    /// The first value of a description, where it is text.
    pub fn text(&self, description: &str) -> Option<&str> {
        self.values(description).next().and_then(|value| std::str::from_utf8(value).ok())
    }
}

/// A change. Its values may be passwords, so those that nobody took over are wiped when it is dropped (HC6).
#[derive(Clone, Debug)]
pub enum Write {
    /// Add an entry (RFC 4511 §4.7).
    Add {
        /// Its DN.
        dn: String,
        /// Its attributes: description and values. Link values are DNs.
        attributes: Vec<(String, Vec<Vec<u8>>)>,
    },
    /// Delete an entry (RFC 4511 §4.8).
    Delete {
        /// Its DN.
        dn: String,
    },
    /// Change an entry (RFC 4511 §4.6).
    Modify {
        /// Its DN.
        dn: String,
        /// What to do, in this order, all or nothing.
        modifications: Vec<Modification>,
    },
    /// Set a password (RFC 3062): by its owner with the old one, or by who may. The old sessions end.
    Password {
        /// Whose; `None` for the caller's own.
        dn: Option<String>,
        /// The old password, where the client sent it.
        old: Option<crate::base::Secret>,
        /// The new one; made up and answered where it is absent.
        new: Option<crate::base::Secret>,
    },
    /// Rename or move an entry with all below it (RFC 4511 §4.9).
    Rename {
        /// Its DN.
        dn: String,
        /// The new RDN.
        new_rdn: String,
        /// Whether the values of the old RDN go.
        delete_old_rdn: bool,
        /// The new parent, where it moves.
        new_superior: Option<String>,
    },
}

impl Write {
    /// As audit records call it.
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add",
            Self::Delete { .. } => "delete",
            Self::Modify { .. } => "modify",
            Self::Password { .. } => "password",
            Self::Rename { .. } => "rename",
        }
    }

    /// The DN it is about, as it was sent; empty for the caller's own password.
    pub fn target(&self) -> &str {
        match self {
            Self::Add { dn, .. } | Self::Delete { dn } | Self::Modify { dn, .. } | Self::Rename { dn, .. } => dn,
            Self::Password { dn, .. } => dn.as_deref().unwrap_or_default(),
        }
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        match self {
            Self::Add { attributes, .. } => attributes.iter_mut().for_each(|(_, values)| values.zeroize()),
            Self::Modify { modifications, .. } => modifications.zeroize(),
            // A secret wipes itself, and a name is none.
            Self::Delete { .. } | Self::Password { .. } | Self::Rename { .. } => {}
        }
    }
}

/// Conditions and extras of a change.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// The entry must match (RFC 4528).
    pub assertion: Option<Filter<'static>>,
    /// The entry before, with these attributes (RFC 4527).
    pub pre_read: Option<Vec<String>>,
    /// The entry after, with these attributes (RFC 4527).
    pub post_read: Option<Vec<String>>,
    /// Referrals are entries (RFC 3296).
    pub manage_dsa_it: bool,
    /// Operational attributes are taken as given: the operator and imports only.
    pub relax: bool,
    /// As an export gives it: what is referred to may come later, or be gone where a class asks for it.
    pub exported: bool,
    /// Adding what is there and deleting what is not is no error.
    pub permissive: bool,
    /// Everything is checked, and nothing is done: [`Error::NoOperation`](super::Error::NoOperation) says that it could be.
    pub no_operation: bool,
    /// With [`Write::Delete`]: all that is below goes too, all or nothing.
    pub tree: bool,
    /// Every reference is to an entry that is there, as where the config says `strict_references`.
    pub strict_references: bool,
    /// The entry's version must still be this (If-Match).
    pub expected_version: Option<u64>,
    /// It must be this entry that the DN names, and not one that has come in its place.
    pub expected_entry: Option<EntryId>,
    /// The client gives what the entry is to be as a whole (PUT), and not what changes of it; that is what receivers of events are told.
    pub replaces: bool,
    /// With [`Write::Rename`]: changes made to the renamed entry in the same step, all or nothing with it.
    pub modifications: Vec<Modification>,
    /// References that are to wait for whom they name, or to wait no more (quirk 48); of provisioning clients only.
    pub pending: Vec<PendingChange>,
    /// No welcome mail, whatever the policy says.
    pub no_mail: bool,
    /// What the person who ends a session says to its user (S16).
    pub message: Option<String>,
}

/// What a client wants of a reference to somebody it names and who is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingChange {
    /// The LDAP attribute that it is to show in.
    pub attribute: String,
    /// Whom it names.
    pub value: String,
    /// Whether it is to wait.
    pub is_wanted: bool,
}

/// What a change did.
#[derive(Clone, Debug)]
pub struct WriteOutcome {
    /// The entry.
    pub id: EntryId,
    /// As asked for by `pre_read`.
    pub pre_read: Option<OwnedEntry>,
    /// As asked for by `post_read`.
    pub post_read: Option<OwnedEntry>,
    /// The password that was made up.
    pub generated_password: Option<crate::base::Secret>,
}
