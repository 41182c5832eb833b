//! The controls of persistent search (draft-ietf-ldapext-psearch-03).

use super::encode::{put_control, put_controlled_entry, put_integer};
use super::fields::{BOOLEAN, ENUMERATED, Fields, INTEGER};
use super::output::Output;
use super::result::Failure;
use crate::base::ber::{OCTET_STRING, SEQUENCE, put};
use crate::directory::{ChangeKinds, ChangeSink, EntryChange, Visible};

/// Persistent search.
pub(super) const PERSISTENT_SEARCH: &str = "2.16.840.1.113730.3.4.3";
/// Entry change notification, on the entries.
const ENTRY_CHANGE: &str = "2.16.840.1.113730.3.4.7";

/// The value of a persistent search control.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PersistentControl {
    /// The changes to tell.
    pub(crate) kinds: ChangeKinds,
    /// Whether what is there already is left out.
    pub(crate) changes_only: bool,
    /// Whether each entry says what was done to it.
    pub(crate) explain: bool,
}

/// Reads the value of a persistent search control.
pub(super) fn request(value: &[u8]) -> Result<PersistentControl, Failure> {
    const DAMAGED: &str = "damaged persistent search control";
    let mut fields = Fields::sequence(value, DAMAGED)?;
    let bits = fields.integer(INTEGER, DAMAGED)?;
    let kinds = ChangeKinds::from_bits(bits).ok_or_else(|| Failure::protocol("changeTypes names no change, or an unknown one"))?;
    Ok(PersistentControl { kinds, changes_only: fields.boolean(BOOLEAN, DAMAGED)?, explain: fields.boolean(BOOLEAN, DAMAGED)? })
}

/// Writes the changes that a persistent search finds.
pub(super) struct Teller<'a> {
    output: &'a mut Output,
    id: i32,
    explain: bool,
}

impl<'a> Teller<'a> {
    /// For the search with this message id.
    pub(super) const fn new(output: &'a mut Output, id: i32, explain: bool) -> Self {
        Self { output, id, explain }
    }
}

impl ChangeSink for Teller<'_> {
    fn changed(&mut self, change: &EntryChange, entry: &Visible<'_>) {
        let mut controls = Vec::new();
        if self.explain {
            let (mut content, mut value) = (Vec::new(), Vec::new());
            put_integer(&mut content, ENUMERATED, change.kind as i64);
            if let Some(previous) = &change.previous_dn {
                put(&mut content, OCTET_STRING, previous.as_bytes());
            }
            put(&mut value, SEQUENCE, &content);
            put_control(&mut controls, ENTRY_CHANGE, &value);
        }
        put_controlled_entry(&mut self.output.octets, self.id, entry, &controls);
    }

    fn is_full(&self) -> bool {
        !self.output.has_room()
    }
}
