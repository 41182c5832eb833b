//! Users and groups that an administrator gives to a client, so that it changes them too (HE2).

use super::super::error::Error;
use super::super::identity::Caller;
use super::super::request::WriteOptions;
use super::super::write::Work;
use super::super::{Directory, tree};
use super::names;
use crate::domain::organisation_of;
use crate::model::{Description, Kind};
use std::sync::Arc;

impl Directory {
    /// Gives the entries to a client, all or none; answers how many it had not.
    pub async fn give_to_client(
        &self,
        caller: &Caller,
        organisation: Option<&str>,
        name: &str,
        entries: &[String],
    ) -> Result<usize, Error> {
        let client = self.kept_client(caller, organisation, name)?;
        let core = Arc::clone(self.core());
        let (caller, entries) = (caller.clone(), entries.to_vec());
        self.store()
            .write(move |txn| {
                let options = WriteOptions::default();
                let mut work = Work::begin(&core, txn, &caller, &options)?;
                let mut given = 0;
                for dn in &entries {
                    given += usize::from(work.give(dn, &client.id, client.organisation)?);
                }
                Ok::<_, Error>(given)
            })
            .await
    }
}

impl Work<'_, '_> {
    fn give(&mut self, dn: &str, client: &str, organisation: crate::base::EntryId) -> Result<bool, Error> {
        let entry = self.find(dn)?;
        let attribute = self.core.schema.known().hc_provisioned_by;
        let served = matches!(entry.kind, Kind::Group | Kind::Person | Kind::Staff | Kind::User);
        if !served || organisation_of(&*self.txn, entry.id) != Some(organisation) {
            let text = format!("\"{}\" is no user, staff record or group of the client's organisation", tree::shorten(dn));
            return Err(Error::Constraint(text));
        }
        if names(&entry, attribute, client) {
            return Ok(false);
        }
        let mut draft = self.core.schema.unseal(&entry);
        draft.append(Description::plain(attribute), vec![client.as_bytes().to_vec()]);
        self.stamp_changed(&mut draft);
        let place = self.place_of(&entry);
        let after = self.put(Some(&entry), &draft, place)?;
        self.audit_change_with("client-give", (Some(&entry), Some(&after)), Vec::new(), format!("client:{client}"));
        Ok(true)
    }
}
