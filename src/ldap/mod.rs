//! The LDAP door (RFC 4511). A message passes the strict frame [reader](frame), is decoded borrowing from the input
//! buffer, asks the directory, and is answered straight into the output buffer. `ldap3_proto` names the result codes, and
//! tests hold the decoders against it.
//!
//! Invariants: an operation that was refused is answered under its own message id, and one whose id is unknown
//! ends the connection; a damaged controls block is never taken for none; a search result is written from a
//! [`Visible`](crate::directory::Visible) entry and from nothing else.

mod bind;
mod cancel;
mod compare;
mod connection;
pub mod controls;
mod decode;
mod encode;
pub mod extended;
mod fields;
mod follow;
pub mod frame;
mod listener;
mod output;
mod paging;
mod persistent;
mod result;
mod sasl;
mod search;
mod sync;
mod transaction;
mod transport;
mod update;

#[cfg(test)]
mod codec_tests;
#[cfg(test)]
mod connection_tests;
#[cfg(test)]
mod drift_tests;

pub use listener::{Door, Endpoint};

use crate::base::Limits;
use frame::{Frame, FrameLimits, Operation, Refusal};
use result::Failure;

/// All operational attributes by `+` (RFC 3673), those of a class by `@` (RFC 4529), true and false filters (RFC 4526), languages and
/// their ranges (RFC 3866),
/// modify-increment (RFC 4525).
const FEATURES: &[&str] = &[
    "1.3.6.1.4.1.4203.1.5.1",
    "1.3.6.1.4.1.4203.1.5.2",
    "1.3.6.1.4.1.4203.1.5.3",
    "1.3.6.1.4.1.4203.1.5.4",
    "1.3.6.1.4.1.4203.1.5.5",
    "1.3.6.1.1.14",
];

/// What this door can do on every connection, for the root DSE (RFC 4512 §5.1): attribute and values.
pub fn features() -> Vec<(String, Vec<String>)> {
    let feature = |attribute: &str, values: Vec<&str>| (attribute.to_owned(), values.into_iter().map(str::to_owned).collect());
    vec![
        feature("supportedControl", controls::supported().collect()),
        feature("supportedExtension", extended::supported().collect()),
        feature("supportedFeatures", FEATURES.to_vec()),
        feature("supportedLDAPVersion", vec!["3"]),
    ]
}

/// What became of the messages that [`inspect`] was handed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Requests that were read and decoded.
    pub decoded: usize,
    /// Requests that are refused under their own message id.
    pub refused: usize,
    /// Whether the connection ends with a Notice of Disconnection.
    pub disconnected: bool,
}

/// Reads and decodes all that a peer sent as a connection would, without doing any of it. For fuzzing.
pub fn inspect(mut octets: &[u8], limits: &Limits) -> Inspected {
    let mut found = Inspected::default();
    loop {
        let length = match frame::read(octets, &FrameLimits::anonymous(limits)) {
            Ok(None) => return found,
            Ok(Some(frame)) => {
                match inspect_frame(&frame, limits) {
                    Ok(()) => found.decoded += 1,
                    Err(_) => found.refused += 1,
                }
                frame.length
            }
            Err(Refusal::Answer { length, .. }) => {
                found.refused += 1;
                length
            }
            Err(Refusal::Disconnect(_)) => return Inspected { disconnected: true, ..found },
        };
        octets = octets.get(length..).unwrap_or_default();
    }
}

fn inspect_frame(frame: &Frame<'_>, limits: &Limits) -> Result<(), Failure> {
    controls::decode(frame.operation, frame.controls, limits)?;
    match frame.operation {
        Operation::Abandon => decode::abandon(frame.content).map(drop).ok_or_else(|| Failure::protocol("damaged abandon")),
        Operation::Bind => decode::bind(frame.content).map(drop),
        Operation::Compare => decode::compare(frame.content).map(drop),
        Operation::Extended => decode::extended(frame.content).map(drop),
        Operation::Search => decode::search(frame.content, limits).map(drop),
        Operation::Unbind => Ok(()),
        Operation::Add | Operation::Delete | Operation::Modify | Operation::ModifyDn => update::decode(frame).map(drop),
    }
}
