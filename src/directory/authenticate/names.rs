//! From the names that SASL mechanisms carry to entries.

use crate::base::EntryId;
use crate::directory::Directory;
use crate::directory::tree::{self, Resolved};
use crate::model::dn::{Ava, Rdn};
use crate::model::{AttributeId, Dn, Facts};

impl Directory {
    /// The DN that an authentication or authorization identity stands for (RFC 4513 §5.2.1.8): `dn:` and a DN, `u:` and
    /// a name in these places, or either of them bare. `None` for what is neither, and for a name that none or several have.
    pub(super) fn dn_of_identity(&self, identity: &str, places: &[String]) -> Option<Dn> {
        if let Some(name) = strip_prefix(identity, "u:") {
            return self.dn_of_name(name, places);
        }
        let (dn, certain) = strip_prefix(identity, "dn:").map_or((identity, false), |dn| (dn, true));
        match Dn::parse(dn) {
            Ok(dn) if !dn.is_root() => Some(dn),
            Ok(_) | Err(_) if certain => None,
            Ok(_) | Err(_) => self.dn_of_name(identity, places),
        }
    }

    /// The DN of the one account in these places that has this `uid` or `mail`.
    fn dn_of_name(&self, name: &str, places: &[String]) -> Option<Dn> {
        let known = self.schema().known();
        let found = [known.uid, known.mail].into_iter().flat_map(|attribute| self.holders(places, attribute, name.as_bytes()));
        let account = only(found.filter(|id| self.memory().entry(*id).is_some_and(|entry| self.may_sign_in(&entry))))?;
        Dn::parse(&tree::dn_of(self.memory(), account)).ok()
    }

    /// The entries in these places that hold the value in an indexed attribute.
    pub(super) fn holders(&self, places: &[String], attribute: AttributeId, value: &[u8]) -> Vec<EntryId> {
        let memory = self.memory();
        let mut key = Vec::new();
        if self.schema().normalize(attribute, value, &mut key).is_err() {
            return Vec::new();
        }
        self.within(places, memory.equal(attribute, &key))
    }

    /// Those of the entries that stand in these places.
    pub(super) fn within(&self, places: &[String], mut found: Vec<EntryId>) -> Vec<EntryId> {
        let (memory, current) = (self.memory(), self.current());
        let place = |text: &String| match tree::resolve(self.schema(), &current.suffixes, memory, &Dn::parse(text).ok()?) {
            Resolved::Found(id) => Some(id),
            Resolved::Missing { .. } | Resolved::Outside => None,
        };
        let places: Vec<EntryId> = places.iter().filter_map(place).collect();
        found.retain(|id| places.iter().any(|place| tree::is_within(memory, *id, *place)));
        found
    }
}

/// The prefix in any case: some clients write `DN:`.
pub(super) fn strip_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The one there is, and nothing where there are several.
pub(super) fn only(mut found: impl Iterator<Item = EntryId>) -> Option<EntryId> {
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

/// A DN that no entry has, under no naming context: what a name that leads nowhere is checked and counted as.
pub(super) fn nobody(name: &str) -> Dn {
    Dn(vec![Rdn(vec![Ava { attribute: "uid".to_owned(), value: name.as_bytes().to_vec() }])])
}
