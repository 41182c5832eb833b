//! The operational attributes that every change keeps (RFC 4512 §3.4, RFC 4530, draft on entryCSN).

use super::Work;
use crate::base::ids;
use crate::model::{Ava, Description, Dn, Draft, Kind, Modification, Rdn};

impl Work<'_, '_> {
    /// A new entry's: what the import gave stays where that is allowed.
    pub(crate) fn stamp_new(&self, draft: &mut Draft) {
        let known = *self.core.schema.known();
        let mut default = |attribute, value: String| {
            if draft.values(attribute).is_empty() {
                draft.set_one(attribute, value);
            }
        };
        default(known.entry_uuid, ids::new_uuid(self.now).to_string());
        default(known.create_timestamp, self.now.generalized());
        default(known.creators_name, self.actor_name());
        default(known.modify_timestamp, self.now.generalized());
        default(known.modifiers_name, self.actor_name());
        default(known.entry_csn, self.csn());
    }

    /// A changed entry's.
    pub(super) fn stamp_changed(&self, draft: &mut Draft) {
        let known = *self.core.schema.known();
        draft.set_one(known.modify_timestamp, self.now.generalized());
        draft.set_one(known.modifiers_name, self.actor_name());
        draft.set_one(known.entry_csn, self.csn());
    }

    /// The same for a modify; what the operator gives under relaxed rules stays as given.
    pub(super) fn stamp_modified(&self, draft: &mut Draft, modifications: &[Modification]) {
        let before = draft.clone();
        self.stamp_changed(draft);
        if !self.options.relax {
            return;
        }
        let known = *self.core.schema.known();
        for attribute in [known.modify_timestamp, known.modifiers_name, known.entry_csn] {
            if modifications.iter().any(|modification| self.core.schema.attribute(&modification.attribute) == Some(attribute)) {
                draft.set(Description::plain(attribute), before.values(attribute).to_vec());
            }
        }
    }

    /// An entry that becomes a user is active unless it says otherwise (U6), whichever door makes it one; so every door
    /// finds it by that. An import that keeps everything keeps this too.
    pub(super) fn state_of_new_user(&self, before: Option<Kind>, draft: &mut Draft) {
        let known = *self.core.schema.known();
        let user = self.core.schema.class("hcUser");
        let named = |value: &Vec<u8>| std::str::from_utf8(value).ok().and_then(|name| self.core.schema.class(name));
        let is_user = draft.values(known.object_class).iter().any(|value| named(value) == user && user.is_some());
        if is_user && before != Some(Kind::User) && draft.values(known.hc_active).is_empty() && !self.options.relax {
            draft.set_one(known.hc_active, "TRUE");
        }
    }

    /// A DN, as the attribute wants; tokens act under a name of their own.
    fn actor_name(&self) -> String {
        let name = &self.caller.identity.name;
        match Dn::parse(name) {
            Ok(dn) if !dn.is_root() => name.clone(),
            _ => Rdn(vec![Ava { attribute: "cn".to_owned(), value: name.clone().into_bytes() }]).to_string(),
        }
    }

    /// `20260102030405.678000Z#000000#000#000000`, as slapd writes them.
    fn csn(&self) -> String {
        let time = self.now.generalized_millis();
        format!("{}000Z#000000#000#000000", time.trim_end_matches('Z'))
    }
}
