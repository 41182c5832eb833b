//! Tests of the codec: BER violations, hostile nesting and lengths, damaged controls, and the same messages read by
//! `ldap3_proto`.

use super::controls::{self, MANAGE_DSA_IT, PAGED_RESULTS, SESSION};
use super::encode::{Outcome, put_integer, put_notice, put_result};
use super::frame::{self, Frame, FrameLimits, Operation, Refusal};
use super::{Inspected, decode, inspect, update};
use crate::base::Limits;
use crate::base::ber::{OCTET_STRING, SEQUENCE, SET, put};
use crate::directory::{Scope, Write};
use crate::model::Filter;
use bytes::BytesMut;
use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::*;
use proptest::prelude::*;
use tokio_util::codec::{Decoder, Encoder};

/// An element of these parts.
fn element(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, tag, &parts.concat());
    out
}

fn octets(content: impl AsRef<[u8]>) -> Vec<u8> {
    element(OCTET_STRING, &[content.as_ref().to_vec()])
}

fn number(tag: u8, value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    put_integer(&mut out, tag, value);
    out
}

fn message(id: i64, operation: Vec<u8>, controls: Option<Vec<Vec<u8>>>) -> Vec<u8> {
    let controls = controls.map_or_else(Vec::new, |controls| element(0xa0, &controls));
    element(SEQUENCE, &[number(2, id), operation, controls])
}

fn control(oid: &str, critical: bool, value: Option<Vec<u8>>) -> Vec<u8> {
    let critical = if critical { vec![1, 1, 0xff] } else { Vec::new() };
    element(SEQUENCE, &[octets(oid), critical, value.map_or_else(Vec::new, octets)])
}

fn delete(name: &str) -> Vec<u8> {
    element(0x4a, &[name.as_bytes().to_vec()])
}

fn search(filter: Vec<u8>) -> Vec<u8> {
    let head = [octets("dc=x"), number(0x0a, 2), number(0x0a, 0), number(2, 0), number(2, 0), vec![1, 1, 0]];
    element(0x63, &[head.concat(), filter, element(SEQUENCE, &[])])
}

fn present() -> Vec<u8> {
    element(0x87, &[b"cn".to_vec()])
}

pub(super) fn limits() -> FrameLimits {
    FrameLimits::anonymous(&Limits::default())
}

fn whole(octets: &[u8]) -> Frame<'_> {
    frame::read(octets, &limits()).unwrap().unwrap()
}

fn code(octets: &[u8]) -> LdapResultCode {
    let frame = match frame::read(octets, &limits()) {
        Ok(frame) => frame.unwrap(),
        Err(Refusal::Answer { .. }) => return LdapResultCode::ProtocolError,
        Err(Refusal::Disconnect(reason)) => panic!("{reason}"),
    };
    match super::inspect_frame(&frame, &Limits::default()) {
        Ok(()) => LdapResultCode::Success,
        Err(failure) => failure.code,
    }
}

/// A message whose length fields were set by hand.
fn raw(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn ha2_violations_that_end_the_connection() {
    let cases = [
        ("31 05 020101 4200", "not a SEQUENCE"),
        ("30 80 020101 4200 0000", "indefinite length of the message"),
        ("30 85 0000000005 020101 4200", "length in five octets"),
        ("30 89 000000000000000005 020101 4200", "length in nine octets"),
        ("30 ff", "length 0xff"),
        ("30 84 80000000", "2 GiB"),
        ("30 84 7fffffff", "2 GiB less one"),
        ("30 83 010000", "one octet too many with the header"),
        ("30 00", "empty message"),
        ("30 05 020100 4200", "message id 0"),
        ("30 05 0201ff 4200", "message id -1"),
        ("30 08 020480000000 4200", "message id -2^31"),
        ("30 09 02050080000000 4200", "message id 2^31"),
        ("30 09 02050100000001 4200", "message id 2^32+1, 1 where truncated"),
        ("30 04 0200 4200", "message id without octets"),
        ("30 05 0a0101 4200", "message id is an ENUMERATED"),
        ("30 05 020201 4200", "message id swallows the request"),
        ("30 05 028001 4200", "message id of indefinite length"),
        ("30 03 020101", "no request"),
        ("30 05 020101 6100", "a response"),
        ("30 05 020101 7f00", "tag of more than one octet"),
        ("30 05 020101 7900", "an intermediate response"),
        ("30 05 020101 3000", "a request of no application"),
    ];
    for (hex, what) in cases {
        let read = frame::read(&raw(hex), &limits()).map(|frame| frame.map(|frame| frame.operation));
        assert!(matches!(read, Err(Refusal::Disconnect(_))), "{what}: {read:?}");
    }
}

#[test]
fn ha13_violations_that_are_answered_under_their_id() {
    let cases = [
        ("30 05 02012a 4a01", "the request ends after the message", Operation::Delete),
        ("30 05 02012a 4a80", "indefinite length of the request", Operation::Delete),
        ("30 09 02012a 6304 0404 6463", "an element ends after the request", Operation::Search),
        ("30 09 02012a 6304 0480 0000", "indefinite length inside", Operation::Search),
        ("30 0a 02012a 6305 1f01 020101", "tag of two octets inside", Operation::Search),
        ("30 0b 02012a 6306 0485 00000000", "length in five octets inside", Operation::Search),
        ("30 09 02012a 4a0178 a002 30", "controls end after the message", Operation::Delete),
        ("30 0a 02012a 4a0178 a102 3000", "controls with a damaged tag", Operation::Delete),
        ("30 0a 02012a 4a0178 8002 3000", "controls that are primitive", Operation::Delete),
        ("30 0a 02012a 4a0178 a002 3001", "a control ends after the block", Operation::Delete),
        ("30 0a 02012a 4a0178 a000 a000", "two blocks of controls", Operation::Delete),
        ("30 09 02012a 4a0178 a0 00 00", "an octet after the controls", Operation::Delete),
    ];
    for (hex, what, expected) in cases {
        let octets = raw(hex);
        match frame::read(&octets, &limits()) {
            Err(Refusal::Answer { id: 42, operation, length, .. }) => assert_eq!((operation, length), (expected, octets.len()), "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn ha2_lengths_that_are_longer_than_needed_are_taken() {
    for hex in [
        "30 84 00000006 020101 4a 01 78",
        "30 83 000006 020101 4a0178",
        "30 84 0000000a 020101 4a 84 00000001 78",
        "30 09 0204 00000001 4a 01 78",
    ] {
        let octets = raw(hex);
        let frame = whole(&octets);
        assert_eq!((frame.id, frame.operation, frame.content, frame.length), (1, Operation::Delete, &b"x"[..], octets.len()), "{hex}");
    }
    let highest = raw("30 08 02047fffffff 4200");
    assert_eq!(whole(&highest).id, i32::MAX);
}

#[test]
fn ha2_a_length_is_refused_on_the_header_by_the_state_of_the_connection() {
    let header = raw("30 83 020000");
    assert!(matches!(frame::read(&header, &limits()), Err(Refusal::Disconnect(_))));
    assert_eq!(frame::read(&header, &FrameLimits::bound(&Limits::default())), Ok(None));
}

#[test]
fn every_beginning_of_a_message_waits_for_the_rest() {
    let octets = message(7, search(present()), Some(vec![control(MANAGE_DSA_IT, true, None)]));
    for end in 0..octets.len() {
        assert_eq!(frame::read(&octets[..end], &limits()), Ok(None), "{end} octets");
    }
    let two = [octets.clone(), octets.clone()].concat();
    assert_eq!(whole(&two).length, octets.len());
}

#[test]
fn ha1_nesting_is_refused_however_deep() {
    let nested = |tag: u8, depth: usize| (0..depth).fold(present(), |inner, _| element(tag, &[inner]));
    let wide = FrameLimits { message: 4 << 20, depth: 64 };
    for tag in [0xa0, 0xa1, 0xa2] {
        for depth in [1, 31, 32, 33, 60, 64, 100, 1_000, 5_002, 20_000] {
            let octets = message(9, search(nested(tag, depth)), None);
            let read = frame::read(&octets, &wide);
            let refused = match &read {
                Ok(frame) => super::inspect_frame(&frame.unwrap(), &Limits::default()).is_err(),
                Err(Refusal::Answer { id, .. }) => *id == 9,
                Err(Refusal::Disconnect(_)) => false,
            };
            assert_eq!(refused, depth > 32, "tag {tag:x}, depth {depth}: {read:?}");
        }
    }
    // In a control's value it is an octet string, and nothing goes down into it but the control's own decoder.
    let assertion = message(9, delete("dc=x"), Some(vec![control(controls::ASSERTION, true, Some(nested(0xa2, 10_000)))]));
    assert_eq!(frame::read(&assertion, &wide).map(|_| ()), Ok(()));
    let frame = frame::read(&assertion, &wide).unwrap().unwrap();
    assert_eq!(super::inspect_frame(&frame, &Limits::default()).unwrap_err().code, LdapResultCode::AdminLimitExceeded);
    // In place of SASL credentials, of an attribute, and of a control.
    for octets in [
        message(9, element(0x60, &[number(2, 3), octets(""), element(0xa3, &[octets("PLAIN"), nested(0x30, 5_000)])]), None),
        message(9, element(0x68, &[octets("dc=x"), nested(0x30, 5_000)]), None),
        message(9, delete("dc=x"), Some(vec![nested(0x30, 5_000)])),
    ] {
        assert!(matches!(frame::read(&octets, &wide), Err(Refusal::Answer { id: 9, .. })));
    }
}

#[test]
fn ha1_a_filter_has_so_many_items_and_no_more() {
    let or = |count: usize| message(1, search(element(0xa1, &vec![present(); count])), None);
    assert_eq!(code(&or(511)), LdapResultCode::Success);
    assert_eq!(code(&or(512)), LdapResultCode::AdminLimitExceeded);
}

#[test]
fn filter_values_are_octets() {
    let filter = element(0xa3, &[octets("objectGUID"), octets([0xff, 0x01])]);
    let octets = message(1, search(filter), None);
    let request = decode::search(whole(&octets).content, &Limits::default()).unwrap();
    assert_eq!((request.base, request.scope), ("dc=x", Scope::Subtree));
    assert_eq!(request.filter, Filter::Equality("objectGUID".into(), (&[0xff, 0x01][..]).into()));
}

#[test]
fn absolute_true_and_false_filters_are_read() {
    for (tag, expected) in [(0xa0, Filter::And(Vec::new())), (0xa1, Filter::Or(Vec::new()))] {
        let octets = message(1, search(element(tag, &[])), None);
        assert_eq!(decode::search(whole(&octets).content, &Limits::default()).unwrap().filter, expected);
    }
}

#[test]
fn damaged_requests_get_protocol_error() {
    let part = |tag, text: &str| element(tag, &[text.as_bytes().to_vec()]);
    let substring = |parts: &[Vec<u8>]| element(0xa4, &[octets("cn"), element(SEQUENCE, parts)]);
    let filters = [
        ("unknown choice", element(0xaa, &[octets("cn")])),
        ("primitive and", element(0x80, &[])),
        ("not without filter", element(0xa2, &[])),
        ("not with two filters", element(0xa2, &[present(), present()])),
        ("equality without value", element(0xa3, &[octets("cn")])),
        ("equality with a number", element(0xa3, &[octets("cn"), number(2, 1)])),
        ("attribute not UTF-8", element(0xa3, &[octets([0xff]), octets("x")])),
        ("no substring", substring(&[])),
        ("final before initial", substring(&[part(0x82, "x"), part(0x80, "y")])),
        ("two finals", substring(&[part(0x82, "x"), part(0x82, "y")])),
        ("two initials", substring(&[part(0x80, "x"), part(0x80, "y")])),
        ("unknown part", substring(&[part(0x83, "x")])),
        ("extensible without rule and attribute", element(0xa9, &[part(0x83, "x")])),
        ("extensible without value", element(0xa9, &[part(0x82, "cn")])),
        ("extensible with a long truth value", element(0xa9, &[part(0x82, "cn"), part(0x83, "x"), part(0x84, "xx")])),
    ];
    for (what, filter) in filters {
        assert_eq!(code(&message(1, search(filter), None)), LdapResultCode::ProtocolError, "{what}");
    }
    let requests = [
        ("empty bind", element(0x60, &[])),
        ("bind with a text as version", element(0x60, &[octets("3"), octets(""), element(0x80, &[])])),
        ("search without scope", element(0x63, &[octets("")])),
        ("compare without value", element(0x6e, &[octets(""), element(SEQUENCE, &[octets("cn")])])),
        ("modifyDN with a damaged newSuperior", element(0x6c, &[octets("a=b"), octets("a=c"), vec![1, 1, 0], octets("dc=x")])),
        ("extended with a damaged value", element(0x77, &[part(0x80, "1.2"), octets("x")])),
        ("add without attributes", element(0x68, &[octets("dc=x")])),
        ("modify with an unknown kind", modify(number(0x0a, 9))),
        ("modify with a number as kind", modify(number(2, 0))),
    ];
    for (what, request) in requests {
        assert_eq!(code(&message(1, request, None)), LdapResultCode::ProtocolError, "{what}");
    }
    assert_eq!(code(&message(1, element(0x4a, &[vec![0xff]]), None)), LdapResultCode::InvalidDNSyntax);
}

fn modify(kind: Vec<u8>) -> Vec<u8> {
    let attribute = element(SEQUENCE, &[octets("cn"), element(SET, &[octets("x")])]);
    element(0x66, &[octets("dc=x"), element(SEQUENCE, &[element(SEQUENCE, &[kind, attribute])])])
}

#[test]
fn counts_out_of_range_are_refused() {
    let limited = |size: i64, time: i64| {
        let head = [octets(""), number(0x0a, 0), number(0x0a, 0), number(2, size), number(2, time), vec![1, 1, 0]];
        message(1, element(0x63, &[head.concat(), present(), element(SEQUENCE, &[])]), None)
    };
    assert_eq!(code(&limited(i64::from(i32::MAX), 0)), LdapResultCode::Success);
    for (size, time) in [(-1, 0), (0, -1), (1 << 31, 0), (0, i64::MIN)] {
        assert_eq!(code(&limited(size, time)), LdapResultCode::ProtocolError, "{size} {time}");
    }
}

#[test]
fn ha6_controls() {
    let with = |controls: Vec<Vec<u8>>| code(&message(1, delete("dc=x"), Some(controls)));
    let known = control(MANAGE_DSA_IT, true, None);
    let unknown = |n: usize| control(&format!("1.2.3.{n}"), false, None);
    assert_eq!(with(vec![known.clone()]), LdapResultCode::Success);
    assert_eq!(with(vec![known.clone(), known.clone()]), LdapResultCode::ProtocolError);
    assert_eq!(with((0..10).map(unknown).collect()), LdapResultCode::Success);
    assert_eq!(with((0..11).map(unknown).collect()), LdapResultCode::ProtocolError);
    assert_eq!(with(vec![control("1.2.3", true, None)]), LdapResultCode::UnavailableCriticalExtension);
    assert_eq!(with(vec![control(PAGED_RESULTS, true, None)]), LdapResultCode::UnavailableCriticalExtension);
    assert_eq!(with(vec![control(PAGED_RESULTS, false, Some(b"ignored".to_vec()))]), LdapResultCode::Success);
    assert_eq!(with(vec![control(SESSION, true, None)]), LdapResultCode::UnavailableCriticalExtension);
    let damaged = [
        element(SEQUENCE, &[]),
        element(SET, &[octets(MANAGE_DSA_IT)]),
        element(SEQUENCE, &[octets([0xff])]),
        element(SEQUENCE, &[octets(MANAGE_DSA_IT), vec![1, 2, 0, 0]]),
        element(SEQUENCE, &[octets(MANAGE_DSA_IT), vec![1, 0]]),
        element(SEQUENCE, &[octets(MANAGE_DSA_IT), number(2, 1)]),
        element(SEQUENCE, &[octets(MANAGE_DSA_IT), octets(""), octets("")]),
        element(SEQUENCE, &[octets(MANAGE_DSA_IT), octets(""), vec![1, 1, 0xff]]),
        control(MANAGE_DSA_IT, true, Some(b"x".to_vec())),
    ];
    for (number, control) in damaged.into_iter().enumerate() {
        assert_eq!(with(vec![control]), LdapResultCode::ProtocolError, "case {number}");
    }
}

#[test]
fn ha13_a_truncated_critical_control_never_vanishes() {
    let block = vec![control("1.2.3.4", true, None)];
    let octets = message(5, delete("dc=x"), Some(block));
    // Cut the last octets and mend the lengths around, so that only the control is short.
    for cut in 1..=14 {
        let mut short = octets[..octets.len() - cut].to_vec();
        short[1] -= cut as u8;
        assert_ne!(code(&short), LdapResultCode::Success, "cut by {cut}");
    }
}

#[test]
fn ha7_page_sizes() {
    let page = |size: i64, cookie: &[u8]| {
        let value = element(SEQUENCE, &[number(2, size), octets(cookie)]);
        message(1, search(present()), Some(vec![control(PAGED_RESULTS, true, Some(value))]))
    };
    for size in [0, 1, i64::from(i32::MAX)] {
        let octets = page(size, b"x");
        let frame = whole(&octets);
        let found = controls::decode(frame.operation, frame.controls, &Limits::default()).unwrap().page.unwrap();
        assert_eq!((i64::from(found.size), found.cookie), (size, &b"x"[..]));
    }
    for size in [-1, 1 << 31, i64::MIN] {
        assert_eq!(code(&page(size, b"")), LdapResultCode::ProtocolError, "{size}");
    }
}

#[test]
fn the_session_control_names_application_and_client() {
    let bind = element(0x60, &[number(2, 3), octets(""), element(0x80, &[])]);
    let value = element(SEQUENCE, &[element(0x80, &[b"till".to_vec()]), element(0x81, &[b"till-7".to_vec()])]);
    let octets = message(1, bind, Some(vec![control(SESSION, false, Some(value))]));
    let frame = whole(&octets);
    let session = controls::decode(frame.operation, frame.controls, &Limits::default()).unwrap().session.unwrap();
    assert_eq!((session.application.as_deref(), session.client.as_deref()), (Some("till"), Some("till-7")));
}

#[test]
fn responses_are_read_by_another_decoder() {
    let mut out = Vec::new();
    let mut controls = Vec::new();
    controls::put_page(&mut controls, 300, b"cookie");
    let outcome = Outcome {
        code: &LdapResultCode::NoSuchObject,
        number: None,
        matched: "dc=x",
        text: "no such entry",
        extra: &[],
        controls: &controls,
    };
    put_result(&mut out, 70_000, 0x65, &outcome);
    put_notice(&mut out, &LdapResultCode::Unavailable, "the server stops");
    let mut buffer = BytesMut::from(&out[..]);
    let mut codec = LdapCodec::default();
    let first = codec.decode(&mut buffer).unwrap().unwrap();
    assert_eq!(first.msgid, 70_000);
    assert_eq!(first.ctrl, [LdapControl::SimplePagedResults { size: 300, cookie: b"cookie".to_vec() }]);
    let LdapOp::SearchResultDone(result) = first.op else { panic!("{:?}", first.op) };
    assert_eq!((result.code, &*result.matcheddn, &*result.message), (LdapResultCode::NoSuchObject, "dc=x", "no such entry"));
    let second = codec.decode(&mut buffer).unwrap().unwrap();
    let LdapOp::ExtendedResponse(notice) = second.op else { panic!("{:?}", second.op) };
    assert_eq!((second.msgid, notice.res.code, notice.name.as_deref()), (0, LdapResultCode::Unavailable, Some("1.3.6.1.4.1.1466.20036")));
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 =,;\u{e9}\u{4e2d}]{0,20}"
}

fn foreign_filter() -> impl Strategy<Value = LdapFilter> {
    let leaf = prop_oneof![
        text().prop_map(LdapFilter::Present),
        (text(), text()).prop_map(|(attribute, value)| LdapFilter::Equality(attribute, value)),
        (text(), text()).prop_map(|(attribute, value)| LdapFilter::GreaterOrEqual(attribute, value)),
        (text(), text()).prop_map(|(attribute, value)| LdapFilter::LessOrEqual(attribute, value)),
        (text(), text()).prop_map(|(attribute, value)| LdapFilter::Approx(attribute, value)),
        (text(), text(), prop::collection::vec(text(), 0..3), text()).prop_map(|(attribute, initial, any, last)| {
            LdapFilter::Substring(attribute, LdapSubstringFilter { initial: Some(initial), any, final_: Some(last) })
        }),
        (text(), text(), any::<bool>()).prop_map(|(type_, match_value, dn_attributes)| {
            LdapFilter::Extensible(LdapMatchingRuleAssertion { matching_rule: None, type_: Some(type_), match_value, dn_attributes })
        }),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(LdapFilter::And),
            prop::collection::vec(inner.clone(), 1..4).prop_map(LdapFilter::Or),
            inner.prop_map(|inner| LdapFilter::Not(Box::new(inner))),
        ]
    })
}

/// The filter that `ldap3_proto` was given, in our form.
fn ours(filter: &LdapFilter) -> Filter<'_> {
    let octets = |value: &'_ String| value.clone().into_bytes().into();
    match filter {
        LdapFilter::And(inner) => Filter::And(inner.iter().map(ours).collect()),
        LdapFilter::Or(inner) => Filter::Or(inner.iter().map(ours).collect()),
        LdapFilter::Not(inner) => Filter::Not(Box::new(ours(inner))),
        LdapFilter::Present(attribute) => Filter::Present(attribute.into()),
        LdapFilter::Equality(attribute, value) => Filter::Equality(attribute.into(), octets(value)),
        LdapFilter::GreaterOrEqual(attribute, value) => Filter::GreaterOrEqual(attribute.into(), octets(value)),
        LdapFilter::LessOrEqual(attribute, value) => Filter::LessOrEqual(attribute.into(), octets(value)),
        LdapFilter::Approx(attribute, value) => Filter::Approximate(attribute.into(), octets(value)),
        LdapFilter::Substring(attribute, parts) => Filter::Substrings(
            attribute.into(),
            crate::model::filter::Substrings {
                initial: parts.initial.as_ref().map(octets),
                any: parts.any.iter().map(octets).collect(),
                last: parts.final_.as_ref().map(octets),
            },
        ),
        LdapFilter::Extensible(held) => Filter::Extensible(crate::model::filter::Extensible {
            rule: held.matching_rule.as_ref().map(Into::into),
            attribute: held.type_.as_ref().map(Into::into),
            value: octets(&held.match_value),
            dn_attributes: held.dn_attributes,
        }),
    }
}

pub(super) fn foreign_request() -> impl Strategy<Value = LdapOp> {
    let attribute = || {
        (text(), prop::collection::vec(prop::collection::vec(any::<u8>(), 0..10), 0..3))
            .prop_map(|(atype, vals)| LdapPartialAttribute { atype, vals })
    };
    let kind = prop_oneof![
        Just(LdapModifyType::Add),
        Just(LdapModifyType::Delete),
        Just(LdapModifyType::Replace),
        Just(LdapModifyType::Increment)
    ];
    let change = (kind, attribute()).prop_map(|(operation, modification)| LdapModify { operation, modification });
    prop_oneof![
        // Its encoder cuts some negative numbers short; RFC 4511 has 1 to 127 here.
        (1..=127_i64, text(), text()).prop_map(|(version, dn, password)| LdapOp::BindRequest(LdapBindRequest {
            version,
            dn,
            cred: LdapBindCred::Simple(password)
        })),
        (text(), 0..=i32::MAX, 0..=i32::MAX, any::<bool>(), foreign_filter(), prop::collection::vec(text(), 0..4)).prop_map(
            |(base, sizelimit, timelimit, typesonly, filter, attrs)| LdapOp::SearchRequest(LdapSearchRequest {
                base,
                scope: LdapSearchScope::Children,
                aliases: LdapDerefAliases::Always,
                sizelimit,
                timelimit,
                typesonly,
                filter,
                attrs
            })
        ),
        (text(), prop::collection::vec(change, 0..3)).prop_map(|(dn, changes)| LdapOp::ModifyRequest(LdapModifyRequest { dn, changes })),
        (text(), prop::collection::vec(attribute(), 0..3))
            .prop_map(|(dn, attributes)| LdapOp::AddRequest(LdapAddRequest { dn, attributes })),
        text().prop_map(LdapOp::DelRequest),
        (text(), text(), any::<bool>(), prop::option::of(text())).prop_map(|(dn, newrdn, deleteoldrdn, new_superior)| {
            LdapOp::ModifyDNRequest(LdapModifyDNRequest { dn, newrdn, deleteoldrdn, new_superior })
        }),
        (text(), text(), prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(dn, atype, val)| LdapOp::CompareRequest(LdapCompareRequest { dn, atype, val })),
        (text(), prop::option::of(prop::collection::vec(any::<u8>(), 0..20)))
            .prop_map(|(name, value)| LdapOp::ExtendedRequest(LdapExtendedRequest { name, value })),
    ]
}

pub(super) fn encoded(id: i32, op: LdapOp) -> Vec<u8> {
    let mut buffer = BytesMut::new();
    LdapCodec::default().encode(LdapMsg::new(id, op), &mut buffer).unwrap();
    buffer.to_vec()
}

/// Holds what we decode against what `ldap3_proto` was given.
fn check_same(frame: &Frame<'_>, op: &LdapOp) {
    let limits = Limits::default();
    match op {
        LdapOp::BindRequest(given) => {
            let found = decode::bind(frame.content).unwrap();
            let decode::Authentication::Simple(password) = found.authentication else { panic!("not simple") };
            let LdapBindCred::Simple(expected) = &given.cred else { panic!("not simple") };
            assert_eq!((found.version, found.name, password), (given.version, &*given.dn, expected.as_bytes()));
        }
        LdapOp::SearchRequest(given) => {
            let found = decode::search(frame.content, &limits).unwrap();
            assert_eq!(found.filter, ours(&given.filter));
            assert_eq!(
                (found.base, found.types_only, found.attributes),
                (&*given.base, given.typesonly, given.attrs.iter().map(String::as_str).collect())
            );
            assert_eq!((found.size_limit, found.time_limit), (given.sizelimit as u32, given.timelimit as u32));
        }
        LdapOp::CompareRequest(given) => {
            let found = decode::compare(frame.content).unwrap();
            assert_eq!((found.name, found.attribute, found.value), (&*given.dn, &*given.atype, &*given.val));
        }
        LdapOp::ExtendedRequest(given) => {
            let found = decode::extended(frame.content).unwrap();
            assert_eq!((found.name, found.value), (&*given.name, given.value.as_deref()));
        }
        LdapOp::AddRequest(given) => {
            let write = update::decode(frame).unwrap();
            let Write::Add { dn, attributes } = &write else { panic!("not an add") };
            let expected: Vec<_> = given.attributes.iter().map(|held| (held.atype.clone(), held.vals.clone())).collect();
            assert_eq!((dn, attributes), (&given.dn, &expected));
        }
        LdapOp::ModifyRequest(given) => {
            let write = update::decode(frame).unwrap();
            let Write::Modify { dn, modifications } = &write else { panic!("not a modify") };
            assert_eq!((dn, modifications.len()), (&given.dn, given.changes.len()));
            for (found, given) in modifications.iter().zip(&given.changes) {
                assert_eq!(format!("{:?}", found.kind), format!("{:?}", given.operation));
                assert_eq!((&found.attribute, &found.values), (&given.modification.atype, &given.modification.vals));
            }
        }
        LdapOp::DelRequest(given) => assert_eq!(decode::delete(frame.content).unwrap(), given),
        LdapOp::ModifyDNRequest(given) => {
            let found = decode::modify_dn(frame.content).unwrap();
            assert_eq!((found.name, found.new_rdn, found.delete_old_rdn), (&*given.dn, &*given.newrdn, given.deleteoldrdn));
            assert_eq!(found.new_superior, given.new_superior.as_deref());
        }
        other => panic!("{other:?} is no request"),
    }
}

proptest! {
    #[test]
    fn ha13_valid_messages_mean_the_same_to_ldap3_proto(id in 1..=i32::MAX, op in foreign_request()) {
        let octets = encoded(id, op.clone());
        let frame = whole(&octets);
        prop_assert_eq!((frame.id, frame.length), (id, octets.len()));
        check_same(&frame, &op);
    }

    #[test]
    fn ha3_arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        inspect(&octets, &Limits::default());
    }

    #[test]
    fn ha3_mutations_of_valid_messages_never_panic(
        ops in prop::collection::vec(foreign_request(), 1..3),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..4),
    ) {
        let count = ops.len();
        let mut octets: Vec<u8> = ops.into_iter().flat_map(|op| encoded(1, op)).collect();
        let whole = damage.is_empty();
        for (index, octet, how) in damage {
            let at = index.index(octets.len());
            match how {
                0 => octets[at] = octet,
                1 => octets[at] ^= 1 << (octet & 7),
                2 => octets.insert(at, octet),
                _ => octets.truncate(at.max(1)),
            }
        }
        let found = inspect(&octets, &Limits::default());
        if whole {
            prop_assert_eq!(found, Inspected { decoded: count, refused: 0, disconnected: false });
        }
    }

    #[test]
    fn whole_numbers_are_read_as_written(value in any::<i64>()) {
        let octets = number(2, value);
        prop_assert_eq!(super::fields::integer(&octets[2..]), Some(value));
        prop_assert!(octets.len() == 3 || !matches!((octets[2], octets[3]), (0, ..=0x7f) | (0xff, 0x80..)), "not minimal");
    }
}
