//! HA13: our reader held against three that others wrote (`ldap3_proto`, `rasn-ldap`, `ldap-parser`), on messages that are
//! valid and on ones that were damaged. What we take, somebody else must take too, and all who do as the same message; what
//! we refuse is refused under the id that they read. (One alone may be stricter: RFC 4511 §4 has trailing components
//! ignored, which `rasn-ldap` does not.)

use super::codec_tests::{encoded, foreign_request, limits};
use super::frame::{self, Frame, Operation, Refusal};
use super::{decode, inspect_frame, update};
use crate::base::Limits;
use crate::directory::{Scope, Write};
use crate::model::ModificationKind;
use bytes::BytesMut;
use ldap_parser::FromBer;
use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{LdapModifyType, LdapOp, LdapSearchRequest, LdapSearchScope};
use proptest::prelude::*;
use rasn_ldap::ProtocolOp;
use tokio_util::codec::Decoder;

/// What we make of the octets.
#[derive(Debug, PartialEq)]
enum Verdict {
    Taken { id: i32, operation: Operation, length: usize },
    Refused { id: i32, operation: Operation },
    Disconnected,
    Incomplete,
}

fn ours(octets: &[u8]) -> Verdict {
    match frame::read(octets, &limits()) {
        Ok(None) => Verdict::Incomplete,
        Ok(Some(frame)) => verdict(&frame),
        Err(Refusal::Answer { id, operation, .. }) => Verdict::Refused { id, operation },
        Err(Refusal::Disconnect(_)) => Verdict::Disconnected,
    }
}

fn verdict(frame: &Frame<'_>) -> Verdict {
    match inspect_frame(frame, &Limits::default()) {
        Ok(()) => Verdict::Taken { id: frame.id, operation: frame.operation, length: frame.length },
        Err(_) => Verdict::Refused { id: frame.id, operation: frame.operation },
    }
}

/// Message id and operation as `rasn-ldap` reads them.
fn rasn(octets: &[u8]) -> Option<(i64, Operation)> {
    let message: rasn_ldap::LdapMessage = rasn::ber::decode(octets).ok()?;
    let operation = match message.protocol_op {
        ProtocolOp::AbandonRequest(_) => Operation::Abandon,
        ProtocolOp::AddRequest(_) => Operation::Add,
        ProtocolOp::BindRequest(_) => Operation::Bind,
        ProtocolOp::CompareRequest(_) => Operation::Compare,
        ProtocolOp::DelRequest(_) => Operation::Delete,
        ProtocolOp::ExtendedReq(_) => Operation::Extended,
        ProtocolOp::ModDnRequest(_) => Operation::ModifyDn,
        ProtocolOp::ModifyRequest(_) => Operation::Modify,
        ProtocolOp::SearchRequest(_) => Operation::Search,
        ProtocolOp::UnbindRequest(_) => Operation::Unbind,
        _ => return None,
    };
    Some((i64::from(message.message_id), operation))
}

/// Message id and operation as `ldap-parser` reads them.
fn ldap_parser(octets: &[u8]) -> Option<(i64, Operation)> {
    use ldap_parser::ldap::ProtocolOp as Op;
    let (_, message) = ldap_parser::ldap::LdapMessage::from_ber(octets).ok()?;
    let operation = match message.protocol_op {
        Op::AbandonRequest(_) => Operation::Abandon,
        Op::AddRequest(_) => Operation::Add,
        Op::BindRequest(_) => Operation::Bind,
        Op::CompareRequest(_) => Operation::Compare,
        Op::DelRequest(_) => Operation::Delete,
        Op::ExtendedRequest(_) => Operation::Extended,
        Op::ModDnRequest(_) => Operation::ModifyDn,
        Op::ModifyRequest(_) => Operation::Modify,
        Op::SearchRequest(_) => Operation::Search,
        Op::UnbindRequest => Operation::Unbind,
        _ => return None,
    };
    Some((i64::from(message.message_id.0), operation))
}

/// Message id and operation as `ldap3_proto` reads them.
fn ldap3_proto(octets: &[u8]) -> Option<(i64, Operation)> {
    let message = LdapCodec::default().decode(&mut BytesMut::from(octets)).ok().flatten()?;
    let operation = match message.op {
        LdapOp::AbandonRequest(_) => Operation::Abandon,
        LdapOp::AddRequest(_) => Operation::Add,
        LdapOp::BindRequest(_) => Operation::Bind,
        LdapOp::CompareRequest(_) => Operation::Compare,
        LdapOp::DelRequest(_) => Operation::Delete,
        LdapOp::ExtendedRequest(_) => Operation::Extended,
        LdapOp::ModifyDNRequest(_) => Operation::ModifyDn,
        LdapOp::ModifyRequest(_) => Operation::Modify,
        LdapOp::SearchRequest(_) => Operation::Search,
        LdapOp::UnbindRequest => Operation::Unbind,
        _ => return None,
    };
    Some((i64::from(message.msgid), operation))
}

/// What RFC 4511 has and nothing more: `rasn-ldap` knows neither the scope of subordinates nor version numbers below 1.
fn standard(op: LdapOp) -> LdapOp {
    match op {
        LdapOp::SearchRequest(search) => LdapOp::SearchRequest(LdapSearchRequest { scope: LdapSearchScope::Subtree, ..search }),
        LdapOp::ModifyRequest(mut modify) => {
            for change in &mut modify.changes {
                if change.operation == LdapModifyType::Increment {
                    change.operation = LdapModifyType::Replace;
                }
            }
            LdapOp::ModifyRequest(modify)
        }
        op => op,
    }
}

/// Whether we take the message for the sake of a better answer than "damaged": another version is told so under its own
/// code, and the scope of subordinates is an extension.
fn goes_beyond(octets: &[u8]) -> bool {
    let Ok(Some(frame)) = frame::read(octets, &limits()) else { return false };
    match frame.operation {
        Operation::Bind => decode::bind(frame.content).is_ok_and(|bind| bind.version != 3),
        Operation::Search => decode::search(frame.content, &Limits::default()).is_ok_and(|search| search.scope == Scope::Children),
        Operation::Modify => matches!(&update::decode(&frame), Ok(Write::Modify { modifications, .. })
            if modifications.is_empty() || modifications.iter().any(|modification| modification.kind == ModificationKind::Increment)),
        _ => false,
    }
}

proptest! {
    #[test]
    fn ha13_valid_messages_are_read_alike_by_rasn_and_ldap_parser(id in 1..=i32::MAX, op in foreign_request()) {
        let octets = encoded(id, standard(op));
        if goes_beyond(&octets) {
            return Ok(());
        }
        let Verdict::Taken { id, operation, length } = ours(&octets) else { return Err(TestCaseError::fail("refused")) };
        prop_assert_eq!(length, octets.len());
        prop_assert_eq!(rasn(&octets), Some((i64::from(id), operation)));
        prop_assert_eq!(ldap_parser(&octets), Some((i64::from(id), operation)));
    }

    #[test]
    fn ha13_what_we_take_of_damaged_messages_others_take_alike(
        op in foreign_request(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..3),
    ) {
        let mut octets = encoded(7, standard(op));
        for (index, octet, how) in damage {
            let at = index.index(octets.len());
            match how {
                0 => octets[at] = octet,
                1 => octets[at] ^= 1 << (octet & 7),
                _ => octets.insert(at, octet),
            }
        }
        match ours(&octets) {
            Verdict::Taken { id, operation, length } if !goes_beyond(&octets) => {
                let message = &octets[..length];
                let others = [rasn(message), ldap_parser(message), ldap3_proto(message)];
                prop_assert!(others.iter().any(Option::is_some), "nobody else reads {:02x?}", message);
                for read in others.into_iter().flatten() {
                    prop_assert_eq!(read, (i64::from(id), operation), "{:02x?}", message);
                }
            }
            // A refusal goes to the message the others see there.
            Verdict::Refused { id, operation } => {
                for read in [rasn(&octets), ldap_parser(&octets)].into_iter().flatten() {
                    prop_assert_eq!(read, (i64::from(id), operation), "{:02x?}", octets);
                }
            }
            Verdict::Taken { .. } | Verdict::Disconnected | Verdict::Incomplete => {}
        }
    }
}
