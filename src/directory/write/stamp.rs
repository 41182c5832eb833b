//! The operational attributes that every change keeps (RFC 4512 §3.4, RFC 4530, draft on entryCSN).

use super::Work;
use crate::base::ids;
use crate::model::{Ava, Description, Dn, Draft, Kind, Modification, Rdn};

/// What ends each entryCSN: this server, and no change within the change.
const SID_AND_REST: &str = "000#000000";

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
        default(known.entry_csn, self.csn(None));
        if let Some(client) = self.client() {
            default(known.hc_provisioned_by, client.id.clone());
        }
    }

    /// A changed entry's.
    pub(in crate::directory) fn stamp_changed(&self, draft: &mut Draft) {
        let known = *self.core.schema.known();
        draft.set_one(known.modify_timestamp, self.now.generalized());
        draft.set_one(known.modifiers_name, self.actor_name());
        let before = draft.values(known.entry_csn).first().and_then(|csn| std::str::from_utf8(csn).ok()).map(str::to_owned);
        draft.set_one(known.entry_csn, self.csn(before.as_deref()));
        // Who is let in again is there for the client that had deleted it, too.
        if draft.text(known.hc_active).is_some_and(|active| active.eq_ignore_ascii_case("TRUE")) {
            draft.remove(known.hc_deleted_by);
        }
    }

    /// The same for a modify; what the operator gives under relaxed rules stays as given.
    pub(super) fn stamp_modified(&self, draft: &mut Draft, modifications: &[Modification]) {
        let before = self.options.relax.then(|| draft.clone());
        self.stamp_changed(draft);
        let Some(before) = before else { return };
        let known = *self.core.schema.known();
        for attribute in [known.modify_timestamp, known.modifiers_name, known.entry_csn] {
            if modifications.iter().any(|modification| self.core.schema.attribute(&modification.attribute) == Some(attribute)) {
                draft.set(Description::plain(attribute), before.values(attribute).to_vec());
            }
        }
    }

    /// An entry that becomes a user or a staff record is active unless it says otherwise (U6, T2), whichever door makes it one;
    /// so every door finds it by that. An import that keeps everything keeps this too.
    pub(super) fn state_of_new_person(&self, before: Option<Kind>, draft: &mut Draft) {
        let schema = &self.core.schema;
        let known = *schema.known();
        let named = |value: &Vec<u8>| std::str::from_utf8(value).ok().and_then(|name| schema.class(name));
        let is = |class: &str| {
            let class = schema.class(class);
            class.is_some() && draft.values(known.object_class).iter().any(|value| named(value) == class)
        };
        let was = |kind| before == Some(kind);
        let begins = (is("hcUser") && !was(Kind::User)) || (is("hcStaffRecord") && !was(Kind::Staff) && !was(Kind::User));
        if begins && draft.values(known.hc_active).is_empty() && !self.options.relax {
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

    /// `20260102030405.678000Z#000000#000#000000`, as slapd writes them, and above the one the entry had before, of this time
    /// or a later one.
    fn csn(&self, before: Option<&str>) -> String {
        let time = self.now.generalized_millis();
        let now = format!("{}000Z#000000#{SID_AND_REST}", time.trim_end_matches('Z'));
        before.filter(|before| now.as_str() <= *before).and_then(next_in_time).unwrap_or(now)
    }
}

/// The next change of the same time; `None` where there were too many.
fn next_in_time(csn: &str) -> Option<String> {
    let (time, rest) = csn.split_once('#')?;
    let count = u32::from_str_radix(rest.split('#').next()?, 16).ok()?.checked_add(1).filter(|count| *count <= 0x00ff_ffff)?;
    Some(format!("{time}#{count:06x}#{SID_AND_REST}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hc5_changes_of_one_time_are_counted() {
        assert_eq!(next_in_time("20260102030405.678000Z#000000#000#000000").unwrap(), "20260102030405.678000Z#000001#000#000000");
        assert_eq!(next_in_time("20260102030405.678912Z#0000FF#001#0000ab").unwrap(), "20260102030405.678912Z#000100#000#000000");
        assert_eq!(next_in_time("20260102030405.678000Z#ffffff#000#000000"), None);
    }
}
