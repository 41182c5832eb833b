//! From the names that SASL mechanisms carry to entries.

use super::scram::mac;
use crate::base::EntryId;
use crate::directory::Directory;
use crate::directory::tree::{self, Resolved};
use crate::model::dn::{Ava, Rdn};
use crate::model::{AttributeId, Dn, Facts};

/// Addresses with the same beginning that are looked at.
const ALIKE: usize = 1_000;

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

    /// What a DN is taken for where nobody signs in by it: the one that its bare name would be taken for, if that could be it.
    pub(in crate::directory) fn taken_for(&self, dn: &Dn) -> Dn {
        let uid = dn.rdn().and_then(|rdn| rdn.0.first()).and_then(|part| String::from_utf8(part.value.clone()).ok());
        let key = |dn: &Dn| self.schema().name_key(dn);
        let signs_in = || self.candidate(dn).entry.is_some_and(|entry| self.may_sign_in(&entry));
        let bare = uid.filter(|uid| key(&self.imagined_dn(uid)) == key(dn) && !signs_in());
        bare.map_or_else(|| dn.clone(), |uid| self.taken_for_name(&uid))
    }

    /// What a bare name is taken for that leads to nobody. As a rule `uid` is what stands before the `@` of `mail`, so both are
    /// one name here whether there is such a user or not: who has another's `uid` in its address is taken for that one, in the
    /// salt that is shown and in what failures count for, and never let in as that one.
    pub(super) fn taken_for_name(&self, name: &str) -> Dn {
        let bare = strip_prefix(name, "u:").unwrap_or(name);
        let local = bare.split_once('@').map_or(bare, |(local, _)| local);
        self.dn_alike(local).unwrap_or_else(|| self.imagined_dn(local))
    }

    /// The user of the places of the config whose `uid`, or else the beginning of whose `mail`, is this name.
    fn dn_alike(&self, local: &str) -> Option<Dn> {
        let (known, memory, settings) = (self.schema().known(), self.memory(), self.settings());
        let signs_in = |id: &EntryId| memory.entry(*id).is_some_and(|entry| self.may_sign_in(&entry));
        let by_uid = self.holders(&settings.sasl.names, known.uid, local.as_bytes()).into_iter().find(signs_in);
        let by_mail = || {
            let mut key = Vec::new();
            self.schema().normalize(known.mail, format!("{local}@").as_bytes(), &mut key).ok()?;
            let found = memory.prefix(known.mail, key.trim_ascii_end(), ALIKE)?;
            let found = found.ids.iter().map(EntryId).collect();
            self.within(&settings.sasl.names, found).into_iter().find(signs_in)
        };
        Dn::parse(&tree::dn_of(memory, by_uid.or_else(by_mail)?)).ok()
    }

    /// The DN that a bare name which leads nowhere would have if there were such a user, in one of the places of the config.
    fn imagined_dn(&self, name: &str) -> Dn {
        let settings = self.settings();
        let mut imagined = Dn(vec![Rdn(vec![Ava { attribute: "uid".to_owned(), value: name.as_bytes().to_vec() }])]);
        // The place stays the same as long as salts do.
        let secret = self.salt_secret().unwrap_or_else(|| self.core().lockouts.secret().into());
        let drawn = mac(&secret, &[b"place\0", self.schema().name_key(&imagined).as_slice()].concat());
        let at = drawn.first().map_or(0, |octet| usize::from(*octet)).checked_rem(settings.sasl.names.len());
        let place = at.and_then(|at| settings.sasl.names.get(at)).and_then(|place| {
            let users = Dn::parse(&format!("ou=users,{place}")).ok().filter(|users| self.candidate(users).entry.is_some());
            users.or_else(|| Dn::parse(place).ok())
        });
        imagined.0.extend(place.into_iter().flat_map(|place| place.0));
        imagined
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
