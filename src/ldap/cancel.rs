//! Cancel (RFC 3909): as abandon, but both operations are answered. Searches can be cancelled at any time; what was
//! handed to the writer or to a hash cannot any more.

use super::connection::Connection;
use super::encode::Outcome;
use super::fields::{Fields, INTEGER};
use super::frame::Operation;
use super::result::Failure;
use ldap3_proto::proto::LdapResultCode;

/// Cancel (RFC 3909).
pub(super) const CANCEL: &str = "1.3.6.1.1.8";

impl Connection {
    pub(super) fn cancel(&mut self, id: i32, value: Option<&[u8]>) -> Result<(), Failure> {
        const DAMAGED: &str = "damaged cancel request";
        let mut fields = Fields::sequence(value.ok_or_else(|| Failure::protocol(DAMAGED))?, DAMAGED)?;
        let other = fields.integer(INTEGER, DAMAGED)?;
        let other = i32::try_from(other).map_err(|_| Failure::protocol("there is no such message id"))?;
        if self.stop_search(other) {
            let canceled = Failure::new(LdapResultCode::Canceled, "cancelled by the client");
            self.answer(other, Operation::Search, &Outcome::from(&canceled));
            self.answer(id, Operation::Extended, &Outcome::SUCCESS);
            return Ok(());
        }
        Err(match self.under_way.iter().find(|(under_way, _)| *under_way == other) {
            Some((_, Operation::Abandon | Operation::Bind | Operation::Unbind)) => {
                Failure::new(LdapResultCode::CannotCancel, "the operation cannot be cancelled")
            }
            Some(_) => Failure::new(LdapResultCode::TooLate, "the operation may be done already"),
            None => Failure::new(LdapResultCode::NoSuchOperation, "no such operation is under way"),
        })
    }

    /// Stops a search under way, or one that is followed, and answers whether there was one of that message id.
    pub(super) fn stop_search(&mut self, id: i32) -> bool {
        let count = self.searches.len() + self.followers.len();
        self.searches.retain(|search| search.id != id);
        self.followers.retain(|following| following.id != id);
        self.searches.len() + self.followers.len() < count
    }
}
