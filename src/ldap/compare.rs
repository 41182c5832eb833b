//! Compare (RFC 4511 §4.10).

use super::connection::Connection;
use super::controls::Controls;
use super::decode;
use super::encode::Outcome;
use super::frame::{Frame, Operation};
use super::result::Failure;
use crate::directory::Offered;
use ldap3_proto::proto::LdapResultCode;

impl Connection {
    /// Compares and answers at once.
    pub(super) fn compare(&mut self, frame: &Frame<'_>, controls: Controls<'_>) -> Result<(), Failure> {
        let request = decode::compare(frame.content)?;
        if let Some(filter) = controls.assertion {
            self.assert(request.name, filter)?;
        }
        let offered = if request.name.is_empty() { self.offered() } else { Offered::default() };
        let directory = &self.door.directory;
        let made = directory.compare_virtual(&self.caller, &offered, request.name, request.attribute, request.value)?;
        let holds = match made {
            Some(holds) => holds,
            None => directory.compare(&self.caller, request.name, request.attribute, request.value, controls.manage_dsa_it)?,
        };
        let code = if holds { LdapResultCode::CompareTrue } else { LdapResultCode::CompareFalse };
        self.answer(frame.id, Operation::Compare, &Outcome { code: &code, ..Outcome::SUCCESS });
        Ok(())
    }
}
