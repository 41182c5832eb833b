//! The tree of names: from a DN to an entry and back. Entries keep only their own RDN, so renaming a subtree
//! costs nothing; a DN is put together on the way up.

use super::error::Error;
use super::request::Write;
use crate::base::EntryId;
use crate::model::{Dn, Entry, Facts, Rdn, upwards};
use crate::schema::Schema;

/// A naming context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suffix {
    /// Its DN as the config spells it.
    pub(crate) text: String,
    /// The normal form of the whole DN: the key of its entry at the top.
    pub(crate) key: Vec<u8>,
    /// The normal forms of its RDNs, the leaf first.
    rdns: Vec<Box<[u8]>>,
}

impl Suffix {
    /// Reads the DN of a naming context.
    pub(crate) fn parse(schema: &Schema, text: &str) -> Result<Self, Error> {
        let dn = parse_dn(text)?;
        if dn.is_root() {
            return Err(Error::InvalidName("a suffix must not be the empty name".to_owned()));
        }
        Ok(Self { text: text.to_owned(), key: schema.name_key(&dn), rdns: keys(schema, &dn) })
    }

    /// Whether the name is that of the suffix itself.
    pub(crate) fn is(&self, dn: &Dn) -> bool {
        self.rdns.len() == dn.0.len()
    }

    /// What makes its entry, where the name says by itself what it is.
    pub(crate) fn entry(&self) -> Result<Write, Error> {
        let attribute = parse_dn(&self.text)?.rdn().and_then(|rdn| rdn.0.first()).map(|ava| ava.attribute.to_lowercase());
        let class = match attribute.as_deref() {
            Some("dc") => "domain",
            Some("o") => "organization",
            Some("ou") => "organizationalUnit",
            Some("c") => "country",
            Some(_) | None => return Err(Error::Unwilling(format!("add the entry of the suffix {} first", self.text))),
        };
        let attributes = vec![("objectClass".to_owned(), vec![class.as_bytes().to_vec()])];
        Ok(Write::Add { dn: self.text.clone(), attributes })
    }
}

fn keys(schema: &Schema, dn: &Dn) -> Vec<Box<[u8]>> {
    dn.0.iter().map(|rdn| schema.rdn_key(rdn)).collect()
}

/// A name looked up as far as entries go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// The entry is there.
    Found(EntryId),
    /// It is not; the nearest entry above it is, with the number of RDNs that are missing below that.
    Missing {
        /// The nearest entry above; `None` where not even the suffix has an entry.
        nearest: Option<EntryId>,
        /// How many RDNs stand below it, at least one.
        missing: usize,
    },
    /// The name is under no naming context.
    Outside,
}

/// Reads a DN; the error names the text.
pub(crate) fn parse_dn(text: &str) -> Result<Dn, Error> {
    Dn::parse(text).map_err(|error| Error::InvalidName(format!("{error}: \"{}\"", shorten(text))))
}

/// Client text in a message: cut, so that a long name does not make a long answer.
pub(crate) fn shorten(text: &str) -> &str {
    match text.char_indices().nth(200) {
        Some((at, _)) => text.get(..at).unwrap_or(text),
        None => text,
    }
}

/// The naming context that holds the name.
pub(crate) fn suffix_of<'s>(schema: &Schema, suffixes: &'s [Suffix], dn: &Dn) -> Option<&'s Suffix> {
    let keys = keys(schema, dn);
    suffixes.iter().find(|suffix| keys.ends_with(&suffix.rdns))
}

/// Looks a name up.
pub(crate) fn resolve(schema: &Schema, suffixes: &[Suffix], facts: &dyn Facts, dn: &Dn) -> Resolved {
    let keys = keys(schema, dn);
    let Some(suffix) = suffixes.iter().find(|suffix| keys.ends_with(&suffix.rdns)) else { return Resolved::Outside };
    let below = keys.get(..keys.len() - suffix.rdns.len()).unwrap_or_default();
    let Some(mut current) = facts.child(None, &suffix.key) else {
        return Resolved::Missing { nearest: None, missing: below.len() + 1 };
    };
    for (done, key) in below.iter().rev().enumerate() {
        match facts.child(Some(current), key) {
            Some(child) => current = child,
            None => return Resolved::Missing { nearest: Some(current), missing: below.len() - done },
        }
    }
    Resolved::Found(current)
}

/// Appends the DN of an entry.
pub(crate) fn write_dn(facts: &dyn Facts, id: EntryId, out: &mut String) {
    for entry in upwards(facts, id) {
        if !out.is_empty() && !out.ends_with(',') {
            out.push(',');
        }
        out.push_str(&entry.rdn);
    }
}

/// The DN of an entry.
pub(crate) fn dn_of(facts: &dyn Facts, id: EntryId) -> String {
    let mut out = String::with_capacity(96);
    write_dn(facts, id, &mut out);
    out
}

/// Whether `id` is `ancestor` or stands somewhere below it.
pub(crate) fn is_within(facts: &dyn Facts, id: EntryId, ancestor: EntryId) -> bool {
    id == ancestor || upwards(facts, id).any(|entry| entry.parent == Some(ancestor))
}

/// The answer for what is not there or not visible, with the nearest entry above that the caller may know of (HC2).
pub(crate) fn no_such_object(facts: &dyn Facts, resolved: &Resolved, disclosed: impl Fn(&Entry) -> bool) -> Error {
    let nearest = match resolved {
        Resolved::Found(id) => facts.entry(*id).and_then(|entry| entry.parent),
        Resolved::Missing { nearest, .. } => *nearest,
        Resolved::Outside => None,
    };
    let seen = nearest.and_then(|id| upwards(facts, id).find(|entry| disclosed(entry)));
    Error::NoSuchObject { matched: seen.map_or_else(String::new, |entry| dn_of(facts, entry.id)) }
}

/// The RDN of an entry out of what it keeps, which for a suffix is the whole DN.
pub(crate) fn own_rdn(entry: &Entry) -> Option<Rdn> {
    match entry.parent {
        Some(_) => Rdn::parse(&entry.rdn).ok(),
        None => Dn::parse(&entry.rdn).ok()?.0.into_iter().next(),
    }
}

/// One RDN of a client.
pub(crate) fn parse_rdn(text: &str) -> Result<Rdn, Error> {
    let rdn = Rdn::parse(text).map_err(|error| Error::InvalidName(format!("{error}: \"{}\"", shorten(text))))?;
    if rdn.0.is_empty() {
        return Err(Error::InvalidName("a relative name must not be empty".to_owned()));
    }
    Ok(rdn)
}
