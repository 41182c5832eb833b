//! The strict frame reader: finds one LDAPMessage (RFC 4511 §4.1.1) at the start of what a peer sent, and lets
//! through nothing whose elements do not nest exactly. Every decoder behind it may rely on that.
//!
//! What it refuses is answered under the message's own id where that id and the operation could be read, and
//! ends the connection where they could not (HA13).

use crate::base::Limits;
use crate::base::ber::{self, BerError, Reader};

const CONSTRUCTED: u8 = 0x20;
const CONTROLS: u8 = 0xa0;
const INTEGER: u8 = 0x02;

/// The requests of RFC 4511.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// §4.11; has no response.
    Abandon,
    /// §4.7.
    Add,
    /// §4.2.
    Bind,
    /// §4.10.
    Compare,
    /// §4.8.
    Delete,
    /// §4.12.
    Extended,
    /// §4.6.
    Modify,
    /// §4.9.
    ModifyDn,
    /// §4.5.
    Search,
    /// §4.3; has no response.
    Unbind,
}

impl Operation {
    /// The operation whose request has this tag; `None` where no request has it.
    pub const fn of_tag(tag: u8) -> Option<Self> {
        Some(match tag {
            0x60 => Self::Bind,
            0x42 => Self::Unbind,
            0x63 => Self::Search,
            0x66 => Self::Modify,
            0x68 => Self::Add,
            0x4a => Self::Delete,
            0x6c => Self::ModifyDn,
            0x6e => Self::Compare,
            0x50 => Self::Abandon,
            0x77 => Self::Extended,
            _ => return None,
        })
    }

    /// Its place in [`OPERATIONS`](crate::base::counts::OPERATIONS).
    pub const fn index(self) -> usize {
        match self {
            Self::Bind => 0,
            Self::Unbind => 1,
            Self::Search => 2,
            Self::Compare => 3,
            Self::Modify => 4,
            Self::ModifyDn => 5,
            Self::Add => 6,
            Self::Delete => 7,
            Self::Abandon => 8,
            Self::Extended => 9,
        }
    }

    /// The tag of the response that ends the operation; `None` for those that have no response.
    pub const fn response_tag(self) -> Option<u8> {
        Some(match self {
            Self::Abandon | Self::Unbind => return None,
            Self::Add => 0x69,
            Self::Bind => 0x61,
            Self::Compare => 0x6f,
            Self::Delete => 0x6b,
            Self::Extended => 0x78,
            Self::Modify => 0x67,
            Self::ModifyDn => 0x6d,
            Self::Search => 0x65,
        })
    }
}

/// One whole message. Its elements nest exactly, down to the last octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The message id, 1 to 2^31-1.
    pub id: i32,
    /// What is asked for.
    pub operation: Operation,
    /// The content of the request.
    pub content: &'a [u8],
    /// The content of the controls block; empty where there is none.
    pub controls: &'a [u8],
    /// How many octets the message takes.
    pub length: usize,
}

/// Why a message was not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The message is damaged inside; the peer is answered with protocolError and may go on.
    Answer {
        /// Its message id.
        id: i32,
        /// What it asked for.
        operation: Operation,
        /// How many octets to skip.
        length: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Nothing after this can be trusted: Notice of Disconnection, and the end (RFC 4511 §4.1.1).
    Disconnect(
        /// What is wrong with it.
        &'static str,
    ),
}

/// Bounds of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// Octets of the whole message, by the state of the connection.
    pub message: usize,
    /// How deep its elements may nest.
    pub depth: usize,
}

impl FrameLimits {
    /// The bounds before a bind.
    pub const fn anonymous(limits: &Limits) -> Self {
        Self { message: limits.message_anonymous, depth: limits.ber_depth }
    }

    /// The bounds after a bind.
    pub const fn bound(limits: &Limits) -> Self {
        Self { message: limits.message_bound, depth: limits.ber_depth }
    }
}

/// Reads the message at the start of `octets`; `None` where more octets must come first. A length above the limit is
/// refused on the header, before anything is kept for it (HA2).
pub fn read<'a>(octets: &'a [u8], limits: &FrameLimits) -> Result<Option<Frame<'a>>, Refusal> {
    let Some((&tag, after)) = octets.split_first() else { return Ok(None) };
    if tag != ber::SEQUENCE {
        return Err(Refusal::Disconnect("not an LDAP message"));
    }
    let (length, body) = match ber::length(after) {
        Ok(read) => read,
        Err(BerError::Truncated) => return Ok(None),
        Err(error) => return Err(Refusal::Disconnect(describe(error))),
    };
    let header = octets.len() - body.len();
    if length > limits.message.saturating_sub(header) {
        return Err(Refusal::Disconnect("the message is longer than the limit"));
    }
    let Some(body) = body.get(..length) else { return Ok(None) };
    message(body, header + length, limits.depth).map(Some)
}

/// Reads the components of a message that is all there.
fn message(body: &[u8], length: usize, depth: usize) -> Result<Frame<'_>, Refusal> {
    let mut reader = Reader::new(body);
    let id = reader.element().ok().filter(|element| element.tag == INTEGER).and_then(|element| message_id(element.content));
    let id = id.ok_or(Refusal::Disconnect("no message id between 1 and 2147483647"))?;
    let operation = reader.peek().and_then(Operation::of_tag).ok_or(Refusal::Disconnect("not a request that LDAP knows"))?;
    let refuse = |reason| Refusal::Answer { id, operation, length, reason };

    let request = reader.element().map_err(|error| refuse(describe(error)))?;
    // Whatever follows must be a whole controls block: one with a damaged tag could be a critical control (HA13).
    let controls = match reader.is_empty() {
        true => &[][..],
        false => reader.element().ok().filter(|found| found.tag == CONTROLS).ok_or_else(|| refuse("damaged controls"))?.content,
    };
    if !reader.is_empty() {
        return Err(refuse("something follows the controls"));
    }
    if operation == Operation::Unbind && !request.content.is_empty() {
        return Err(refuse("an unbind has no content"));
    }
    // The message itself and the request or the controls block are two levels.
    let room = depth.checked_sub(2).ok_or_else(|| refuse(TOO_DEEP))?;
    if request.tag & CONSTRUCTED != 0 {
        nests(request.content, room).map_err(refuse)?;
    }
    nests(controls, room).map_err(refuse)?;
    Ok(Frame { id, operation, content: request.content, controls, length })
}

/// A whole number from 1 to 2^31-1 in at most four octets.
fn message_id(octets: &[u8]) -> Option<i32> {
    if octets.len() > 4 || octets.first().is_none_or(|first| *first > 0x7f) {
        return None;
    }
    let value = octets.iter().fold(0_i32, |sum, &octet| sum << 8 | i32::from(octet));
    (value > 0).then_some(value)
}

const TOO_DEEP: &str = "elements nest too deeply";

/// Whether elements fill `octets` exactly, and theirs do, at most `room` levels down. The recursion is as deep as
/// the limit lets the peer go, never as deep as the peer wants (HA1).
fn nests(octets: &[u8], room: usize) -> Result<(), &'static str> {
    let mut reader = Reader::new(octets);
    while !reader.is_empty() {
        let element = reader.element().map_err(describe)?;
        if element.tag & CONSTRUCTED != 0 {
            nests(element.content, room.checked_sub(1).ok_or(TOO_DEEP)?)?;
        }
    }
    Ok(())
}

const fn describe(error: BerError) -> &'static str {
    match error {
        BerError::Indefinite => "a length of indefinite form",
        BerError::LengthOfLength => "a length in more than four octets",
        BerError::LongTag => "a tag of more than one octet",
        BerError::Truncated => "an element does not end within its surroundings",
    }
}
