//! The messages of content sync (RFC 4533 §2): what a consumer asks, and how it is told.

use super::encode::{put_boolean, put_control, put_controlled_entry, put_integer, put_intermediate};
use super::fields::{BOOLEAN, ENUMERATED, Fields, boolean};
use super::output::Output;
use super::result::Failure;
use crate::base::ber::{OCTET_STRING, SEQUENCE, SET, put};
use crate::directory::{SyncRequest, SyncSink, SyncState, Uuid, Visible};

/// Sync Request (RFC 4533 §2.2).
pub(super) const SYNC_REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";
/// Sync State (RFC 4533 §2.3), on the entries.
const SYNC_STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
/// Sync Done (RFC 4533 §2.4), on the result.
const SYNC_DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
/// Sync Info (RFC 4533 §2.5), an intermediate message.
const SYNC_INFO: &str = "1.3.6.1.4.1.4203.1.9.1.4";

/// Reads the value of a Sync Request control.
pub(super) fn request(value: &[u8]) -> Result<SyncRequest<'_>, Failure> {
    const DAMAGED: &str = "damaged sync request control";
    let mut fields = Fields::sequence(value, DAMAGED)?;
    let persist = match fields.integer(ENUMERATED, DAMAGED)? {
        1 => false,
        3 => true,
        _ => return Err(Failure::protocol("unknown mode of content sync")),
    };
    let cookie = fields.optional(OCTET_STRING, DAMAGED)?;
    let reload_hint = match fields.optional(BOOLEAN, DAMAGED)? {
        Some(octets) => boolean(octets).ok_or_else(|| Failure::protocol(DAMAGED))?,
        None => false,
    };
    Ok(SyncRequest { cookie, persist, reload_hint })
}

/// Appends the Sync Done control.
pub(super) fn put_done(out: &mut Vec<u8>, cookie: &str, deletes: bool) {
    let mut content = Vec::new();
    put(&mut content, OCTET_STRING, cookie.as_bytes());
    if deletes {
        put_boolean(&mut content, true);
    }
    put_control(out, SYNC_DONE, &sequence(&content));
}

fn sequence(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    put(&mut out, SEQUENCE, content);
    out
}

/// Writes what a sync tells.
pub(super) struct Teller<'a> {
    output: &'a mut Output,
    id: i32,
}

impl<'a> Teller<'a> {
    /// For the search with this message id.
    pub(super) const fn new(output: &'a mut Output, id: i32) -> Self {
        Self { output, id }
    }

    fn inform(&mut self, tag: u8, content: &[u8]) {
        let mut value = Vec::with_capacity(content.len() + 6);
        put(&mut value, tag, content);
        put_intermediate(&mut self.output.octets, self.id, SYNC_INFO, &value);
    }
}

impl SyncSink for Teller<'_> {
    fn entry(&mut self, state: SyncState, uuid: &Uuid, cookie: Option<&str>, entry: &Visible<'_>) {
        let mut content = Vec::new();
        let state = match state {
            SyncState::Add => 1,
            SyncState::Modify => 2,
        };
        put_integer(&mut content, ENUMERATED, state);
        put(&mut content, OCTET_STRING, uuid);
        if let Some(cookie) = cookie {
            put(&mut content, OCTET_STRING, cookie.as_bytes());
        }
        let mut controls = Vec::new();
        put_control(&mut controls, SYNC_STATE, &sequence(&content));
        put_controlled_entry(&mut self.output.octets, self.id, entry, &controls);
    }

    fn set(&mut self, deleted: bool, uuids: &[Uuid], cookie: Option<&str>) {
        let (mut content, mut set) = (Vec::new(), Vec::new());
        if let Some(cookie) = cookie {
            put(&mut content, OCTET_STRING, cookie.as_bytes());
        }
        if deleted {
            put_boolean(&mut content, true);
        }
        uuids.iter().for_each(|uuid| put(&mut set, OCTET_STRING, uuid));
        put(&mut content, SET, &set);
        self.inform(0xa3, &content);
    }

    fn refreshed(&mut self, deletes: bool, cookie: &str) {
        let mut content = Vec::new();
        put(&mut content, OCTET_STRING, cookie.as_bytes());
        self.inform(if deletes { 0xa1 } else { 0xa2 }, &content);
    }

    fn cookie(&mut self, cookie: &str) {
        self.inform(0x80, cookie.as_bytes());
    }

    fn is_full(&self) -> bool {
        !self.output.has_room()
    }
}
