//! Writes responses. Sizes are known before the first octet is written, so everything goes straight into the
//! output buffer of the connection.

use super::result::Failure;
use crate::base::ber::{OCTET_STRING, SEQUENCE, element_size, put, put_header};
use crate::directory::Visible;
use ldap3_proto::proto::LdapResultCode;

const CONTROLS: u8 = 0xa0;
const ENUMERATED: u8 = 0x0a;
const REFERRAL: u8 = 0xa3;
const INTEGER: u8 = 0x02;
const EXTENDED_RESPONSE: u8 = 0x78;
const INTERMEDIATE_RESPONSE: u8 = 0x79;
const SEARCH_RESULT_ENTRY: u8 = 0x64;
const SEARCH_RESULT_REFERENCE: u8 = 0x73;

/// An LDAPResult (RFC 4511 §4.1.9) with what may follow it.
#[derive(Clone, Copy)]
pub(crate) struct Outcome<'a> {
    /// The result code.
    pub(crate) code: &'a LdapResultCode,
    /// A result code that `ldap3_proto` has no name for, in its place.
    pub(crate) number: Option<u16>,
    /// The matched DN.
    pub(crate) matched: &'a str,
    /// The diagnostic message.
    pub(crate) text: &'a str,
    /// Components after the LDAPResult, encoded.
    pub(crate) extra: &'a [u8],
    /// Response controls, encoded one after another.
    pub(crate) controls: &'a [u8],
}

impl Outcome<'_> {
    /// Success, and nothing else to say.
    pub(crate) const SUCCESS: Self =
        Self { code: &LdapResultCode::Success, number: None, matched: "", text: "", extra: &[], controls: &[] };
}

impl<'a> From<&'a Failure> for Outcome<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self {
            code: &failure.code,
            number: failure.number,
            matched: &failure.matched,
            text: &failure.text,
            extra: &failure.extra,
            controls: &failure.controls,
        }
    }
}

/// How many octets the content of an INTEGER takes.
const fn integer_length(value: i64) -> usize {
    let significant = 65 - if value < 0 { value.leading_ones() } else { value.leading_zeros() };
    significant.div_ceil(8) as usize
}

/// Appends an INTEGER or ENUMERATED.
pub(crate) fn put_integer(out: &mut Vec<u8>, tag: u8, value: i64) {
    let octets = value.to_be_bytes();
    put(out, tag, octets.get(octets.len() - integer_length(value)..).unwrap_or(&octets));
}

/// How many octets an INTEGER takes.
pub(crate) const fn integer_size(value: i64) -> usize {
    element_size(integer_length(value))
}

/// Appends what stands before an operation of `size` octets (tag and length included), in a message of that id with
/// `controls` after it.
fn put_message(out: &mut Vec<u8>, id: i32, size: usize, controls: &[u8]) {
    let controls = if controls.is_empty() { 0 } else { element_size(controls.len()) };
    put_header(out, SEQUENCE, integer_size(i64::from(id)) + size + controls);
    put_integer(out, INTEGER, i64::from(id));
}

/// Appends a response that carries an LDAPResult.
pub(crate) fn put_result(out: &mut Vec<u8>, id: i32, tag: u8, outcome: &Outcome<'_>) {
    let code = outcome.number.map_or_else(|| outcome.code.clone() as i64, i64::from);
    let strings = element_size(outcome.matched.len()) + element_size(outcome.text.len());
    let content = integer_size(code) + strings + outcome.extra.len();
    put_message(out, id, element_size(content), outcome.controls);
    put_header(out, tag, content);
    put_integer(out, ENUMERATED, code);
    put(out, OCTET_STRING, outcome.matched.as_bytes());
    put(out, OCTET_STRING, outcome.text.as_bytes());
    out.extend_from_slice(outcome.extra);
    if !outcome.controls.is_empty() {
        put(out, CONTROLS, outcome.controls);
    }
}

/// Appends a SearchResultEntry (RFC 4511 §4.5.2): slices of the entry as it is kept.
pub(crate) fn put_entry(out: &mut Vec<u8>, id: i32, entry: &Visible<'_>) {
    put_controlled_entry(out, id, entry, &[]);
}

/// Appends a SearchResultEntry with controls, encoded one after another.
pub(crate) fn put_controlled_entry(out: &mut Vec<u8>, id: i32, entry: &Visible<'_>, controls: &[u8]) {
    let attributes = entry.attributes().iter().map(|attribute| attribute.encoded.len()).sum();
    let mut controls = controls.to_vec();
    if !entry.linked().is_empty() {
        super::controls::put_linked(&mut controls, entry.linked());
    }
    if let Some(usability) = entry.usability() {
        super::controls::put_usability(&mut controls, usability);
    }
    put_message(out, id, element_size(entry_size(entry.dn(), attributes)), &controls);
    put_entry_body(out, entry.dn(), attributes, entry.attributes().iter().map(|attribute| attribute.encoded));
    if !controls.is_empty() {
        put(out, CONTROLS, &controls);
    }
}

/// Appends an IntermediateResponse (RFC 4511 §4.13).
pub(crate) fn put_intermediate(out: &mut Vec<u8>, id: i32, name: &str, value: &[u8]) {
    let content = element_size(name.len()) + element_size(value.len());
    put_message(out, id, element_size(content), &[]);
    put_header(out, INTERMEDIATE_RESPONSE, content);
    put(out, 0x80, name.as_bytes());
    put(out, 0x81, value);
}

/// Appends a BOOLEAN.
pub(crate) fn put_boolean(out: &mut Vec<u8>, value: bool) {
    put(out, 0x01, &[if value { 0xff } else { 0x00 }]);
}

const fn entry_size(dn: &str, attributes: usize) -> usize {
    element_size(dn.len()) + element_size(attributes)
}

/// Appends the SearchResultEntry itself, as messages and read controls (RFC 4527 §3) carry it. `size` is that of all
/// attributes together.
pub(crate) fn put_entry_body<'a>(out: &mut Vec<u8>, dn: &str, size: usize, attributes: impl Iterator<Item = &'a [u8]>) {
    put_header(out, SEARCH_RESULT_ENTRY, entry_size(dn, size));
    put(out, OCTET_STRING, dn.as_bytes());
    put_header(out, SEQUENCE, size);
    for attribute in attributes {
        out.extend_from_slice(attribute);
    }
}

/// Appends a SearchResultReference (RFC 4511 §4.5.3).
pub(crate) fn put_reference(out: &mut Vec<u8>, id: i32, urls: &[String]) {
    let size = urls.iter().map(|url| element_size(url.len())).sum();
    put_message(out, id, element_size(size), &[]);
    put_header(out, SEARCH_RESULT_REFERENCE, size);
    for url in urls {
        put(out, OCTET_STRING, url.as_bytes());
    }
}

/// Appends the Referral component of an LDAPResult (RFC 4511 §4.1.10).
pub(crate) fn put_referral(out: &mut Vec<u8>, urls: &[String]) {
    put_header(out, REFERRAL, urls.iter().map(|url| element_size(url.len())).sum());
    for url in urls {
        put(out, OCTET_STRING, url.as_bytes());
    }
}

/// Appends a Notice of Disconnection (RFC 4511 §4.4.1).
pub(crate) fn put_notice(out: &mut Vec<u8>, code: &LdapResultCode, text: &str) {
    let mut extra = Vec::new();
    put(&mut extra, 0x8a, b"1.3.6.1.4.1.1466.20036");
    put_result(out, 0, EXTENDED_RESPONSE, &Outcome { code, text, extra: &extra, ..Outcome::SUCCESS });
}

/// Appends a Control (RFC 4511 §4.1.11) that is not critical.
pub(crate) fn put_control(out: &mut Vec<u8>, oid: &str, value: &[u8]) {
    put_header(out, SEQUENCE, element_size(oid.len()) + element_size(value.len()));
    put(out, OCTET_STRING, oid.as_bytes());
    put(out, OCTET_STRING, value);
}
