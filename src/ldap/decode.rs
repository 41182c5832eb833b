//! Decodes the requests. All of them borrow from the message: nothing here copies, so that a password in one is in one place.

use super::fields::{BOOLEAN, ENUMERATED, Fields, INTEGER, boolean, integer, text};
use super::result::Failure;
use crate::base::Limits;
use crate::base::ber::{OCTET_STRING, SEQUENCE, SET};
use crate::directory::{Dereference, Scope, SearchRequest};
use crate::model::filter::{Extensible, Substrings};
use crate::model::{Filter, ModificationKind};
use ldap3_proto::proto::LdapResultCode;
use std::borrow::Cow;

/// A BindRequest (RFC 4511 §4.2).
#[derive(Clone, Copy)]
pub(crate) struct Bind<'a> {
    /// The protocol version.
    pub(crate) version: i64,
    /// The DN to bind as, as sent.
    pub(crate) name: &'a str,
    /// How.
    pub(crate) authentication: Authentication<'a>,
}

/// The AuthenticationChoice of a bind.
#[derive(Clone, Copy)]
pub(crate) enum Authentication<'a> {
    /// Name and password; the password is octets.
    Simple(&'a [u8]),
    /// A SASL mechanism and its credentials.
    Sasl(&'a str, Option<&'a [u8]>),
    /// A choice that RFC 4511 does not have.
    Other,
}

/// Decodes a BindRequest.
pub(crate) fn bind(content: &[u8]) -> Result<Bind<'_>, Failure> {
    let mut fields = Fields::new(content);
    let version = fields.integer(INTEGER, "bind without a version")?;
    let name = name(fields.octets(OCTET_STRING, "bind without a name")?)?;
    let (tag, choice) = fields.any("bind without an authentication choice")?;
    let authentication = match tag {
        0x80 => Authentication::Simple(choice),
        0xa3 => {
            let mut sasl = Fields::new(choice);
            let mechanism = sasl.text(OCTET_STRING, "SASL bind without a mechanism")?;
            Authentication::Sasl(mechanism, sasl.optional(OCTET_STRING, "damaged SASL credentials")?)
        }
        _ => Authentication::Other,
    };
    Ok(Bind { version, name, authentication })
}

/// Decodes a SearchRequest (RFC 4511 §4.5.1) without its controls.
pub(crate) fn search<'a>(content: &'a [u8], limits: &Limits) -> Result<SearchRequest<'a>, Failure> {
    let mut fields = Fields::new(content);
    let base = name(fields.octets(OCTET_STRING, "search without a base")?)?;
    let scope = match fields.integer(ENUMERATED, "search without a scope")? {
        0 => Scope::Base,
        1 => Scope::One,
        2 => Scope::Subtree,
        3 => Scope::Children,
        _ => return Err(Failure::protocol("unknown search scope")),
    };
    let dereference = match fields.integer(ENUMERATED, "search without derefAliases")? {
        0 => Dereference::Never,
        1 => Dereference::Searching,
        2 => Dereference::Finding,
        3 => Dereference::Always,
        _ => return Err(Failure::protocol("unknown derefAliases")),
    };
    let size_limit = limit(&mut fields, "size limit out of range")?;
    let time_limit = limit(&mut fields, "time limit out of range")?;
    let types_only = fields.boolean(BOOLEAN, "search without typesOnly")?;
    let filter = filter(&mut fields, limits)?;
    let attributes = strings(Fields::new(fields.octets(SEQUENCE, "search without an attribute selection")?))?;
    let asked = SearchRequest::new(base, scope, filter, attributes);
    Ok(SearchRequest { dereference, size_limit, time_limit, types_only, ..asked })
}

/// INTEGER (0 .. maxInt).
fn limit(fields: &mut Fields<'_>, otherwise: &'static str) -> Result<u32, Failure> {
    let value = fields.integer(INTEGER, otherwise)?;
    i32::try_from(value).ok().and_then(|value| u32::try_from(value).ok()).ok_or_else(|| Failure::protocol(otherwise))
}

/// A SEQUENCE OF LDAPString.
pub(crate) fn strings(mut fields: Fields<'_>) -> Result<Vec<&str>, Failure> {
    let mut found = Vec::new();
    while !fields.is_empty() {
        found.push(fields.text(OCTET_STRING, "damaged attribute selection")?);
    }
    Ok(found)
}

/// A CompareRequest (RFC 4511 §4.10).
#[derive(Clone, Copy)]
pub(crate) struct Compare<'a> {
    /// The DN of the entry.
    pub(crate) name: &'a str,
    /// The attribute description.
    pub(crate) attribute: &'a str,
    /// The assertion value.
    pub(crate) value: &'a [u8],
}

/// Decodes a CompareRequest.
pub(crate) fn compare(content: &[u8]) -> Result<Compare<'_>, Failure> {
    let mut fields = Fields::new(content);
    let name = name(fields.octets(OCTET_STRING, "compare without a name")?)?;
    let (attribute, value) = assertion(fields.octets(SEQUENCE, "compare without an assertion")?)?;
    Ok(Compare { name, attribute, value })
}

/// An Attribute or PartialAttribute (RFC 4511 §4.1.7): description and values.
pub(crate) type Attribute<'a> = (&'a str, Vec<&'a [u8]>);

/// An AddRequest (RFC 4511 §4.7).
pub(crate) struct Add<'a> {
    /// The DN of the new entry.
    pub(crate) name: &'a str,
    /// Its attributes.
    pub(crate) attributes: Vec<Attribute<'a>>,
}

/// Decodes an AddRequest.
pub(crate) fn add(content: &[u8]) -> Result<Add<'_>, Failure> {
    let mut fields = Fields::new(content);
    let name = name(fields.octets(OCTET_STRING, "add without a name")?)?;
    let mut list = Fields::new(fields.octets(SEQUENCE, "add without attributes")?);
    let mut attributes = Vec::new();
    while !list.is_empty() {
        attributes.push(attribute(&mut list)?);
    }
    Ok(Add { name, attributes })
}

/// A ModifyRequest (RFC 4511 §4.6).
pub(crate) struct Modify<'a> {
    /// The DN of the entry.
    pub(crate) name: &'a str,
    /// What to do, with which attribute.
    pub(crate) changes: Vec<(ModificationKind, Attribute<'a>)>,
}

/// Decodes a ModifyRequest, with increments (RFC 4525).
pub(crate) fn modify(content: &[u8]) -> Result<Modify<'_>, Failure> {
    let mut fields = Fields::new(content);
    let name = name(fields.octets(OCTET_STRING, "modify without a name")?)?;
    let mut list = Fields::new(fields.octets(SEQUENCE, "modify without changes")?);
    let mut changes = Vec::new();
    while !list.is_empty() {
        let mut change = Fields::new(list.octets(SEQUENCE, "damaged change")?);
        let kind = match change.integer(ENUMERATED, "change without an operation")? {
            0 => ModificationKind::Add,
            1 => ModificationKind::Delete,
            2 => ModificationKind::Replace,
            3 => ModificationKind::Increment,
            _ => return Err(Failure::protocol("unknown operation of a change")),
        };
        changes.push((kind, attribute(&mut change)?));
    }
    Ok(Modify { name, changes })
}

/// The attribute that comes next.
fn attribute<'a>(fields: &mut Fields<'a>) -> Result<Attribute<'a>, Failure> {
    const DAMAGED: &str = "damaged attribute";
    let mut attribute = Fields::new(fields.octets(SEQUENCE, DAMAGED)?);
    let description = attribute.text(OCTET_STRING, DAMAGED)?;
    let mut set = Fields::new(attribute.octets(SET, DAMAGED)?);
    let mut values = Vec::new();
    while !set.is_empty() {
        values.push(set.octets(OCTET_STRING, DAMAGED)?);
    }
    Ok((description, values))
}

/// Decodes a DelRequest (RFC 4511 §4.8).
pub(crate) fn delete(content: &[u8]) -> Result<&str, Failure> {
    name(content)
}

/// Decodes an AbandonRequest (RFC 4511 §4.11); `None` where it names no message.
pub(crate) fn abandon(content: &[u8]) -> Option<i32> {
    integer(content).and_then(|id| i32::try_from(id).ok())
}

/// A ModifyDNRequest (RFC 4511 §4.9).
#[derive(Clone, Copy)]
pub(crate) struct ModifyDn<'a> {
    /// The DN of the entry.
    pub(crate) name: &'a str,
    /// The new RDN.
    pub(crate) new_rdn: &'a str,
    /// Whether the values of the old RDN go.
    pub(crate) delete_old_rdn: bool,
    /// The new parent.
    pub(crate) new_superior: Option<&'a str>,
}

/// Decodes a ModifyDNRequest.
pub(crate) fn modify_dn(content: &[u8]) -> Result<ModifyDn<'_>, Failure> {
    let mut fields = Fields::new(content);
    let entry = name(fields.octets(OCTET_STRING, "modifyDN without a name")?)?;
    let new_rdn = name(fields.octets(OCTET_STRING, "modifyDN without a new RDN")?)?;
    let delete_old_rdn = fields.boolean(BOOLEAN, "modifyDN without deleteoldrdn")?;
    // A component that is no newSuperior would be a move that silently becomes a rename.
    let new_superior = match fields.is_empty() {
        true => None,
        false => Some(name(fields.octets(0x80, "damaged newSuperior")?)?),
    };
    Ok(ModifyDn { name: entry, new_rdn, delete_old_rdn, new_superior })
}

/// An ExtendedRequest (RFC 4511 §4.12).
#[derive(Clone, Copy)]
pub(crate) struct Extended<'a> {
    /// The OID of the extended operation.
    pub(crate) name: &'a str,
    /// Its value.
    pub(crate) value: Option<&'a [u8]>,
}

/// Decodes an ExtendedRequest.
pub(crate) fn extended(content: &[u8]) -> Result<Extended<'_>, Failure> {
    let mut fields = Fields::new(content);
    let name = fields.text(0x80, "extended request without a name")?;
    let value = match fields.is_empty() {
        true => None,
        false => Some(fields.octets(0x81, "damaged value of the extended request")?),
    };
    Ok(Extended { name, value })
}

/// A DN in UTF-8; its grammar is looked at by the directory.
fn name(octets: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(octets).map_err(|_| Failure::new(LdapResultCode::InvalidDNSyntax, "the name is not UTF-8"))
}

/// An AttributeValueAssertion.
fn assertion(content: &[u8]) -> Result<(&str, &[u8]), Failure> {
    let mut fields = Fields::new(content);
    let attribute = fields.text(OCTET_STRING, "assertion without an attribute")?;
    Ok((attribute, fields.octets(OCTET_STRING, "assertion without a value")?))
}

/// Decodes the Filter (RFC 4511 §4.5.1.7) that comes next.
pub(crate) fn filter<'a>(fields: &mut Fields<'a>, limits: &Limits) -> Result<Filter<'a>, Failure> {
    let mut elements = limits.filter_elements;
    let (tag, content) = fields.any("search without a filter")?;
    filter_choice(tag, content, limits.filter_depth, &mut elements)
}

/// One choice of a filter; `depth` of and, or and not may still lie inside each other, and `elements` items come.
fn filter_choice<'a>(tag: u8, content: &'a [u8], depth: usize, elements: &mut usize) -> Result<Filter<'a>, Failure> {
    let too_much = |text| Failure::new(LdapResultCode::AdminLimitExceeded, text);
    let inside = || depth.checked_sub(1).ok_or_else(|| too_much("the filter nests too deeply"));
    *elements = elements.checked_sub(1).ok_or_else(|| too_much("the filter has too many items"))?;
    let pair = |content| assertion(content).map(|(attribute, value)| (Cow::Borrowed(attribute), Cow::Borrowed(value)));
    Ok(match tag {
        0xa0 => Filter::And(filter_set(content, inside()?, elements)?),
        0xa1 => Filter::Or(filter_set(content, inside()?, elements)?),
        0xa2 => {
            let mut inner = Fields::new(content);
            let (tag, content) = inner.any("not-filter without a filter")?;
            if !inner.is_empty() {
                return Err(Failure::protocol("not-filter with more than one filter"));
            }
            Filter::Not(Box::new(filter_choice(tag, content, inside()?, elements)?))
        }
        0xa3 => pair(content).map(|(attribute, value)| Filter::Equality(attribute, value))?,
        0xa4 => substrings(content)?,
        0xa5 => pair(content).map(|(attribute, value)| Filter::GreaterOrEqual(attribute, value))?,
        0xa6 => pair(content).map(|(attribute, value)| Filter::LessOrEqual(attribute, value))?,
        0x87 => Filter::Present(Cow::Borrowed(text(content, "attribute description is not UTF-8")?)),
        0xa8 => pair(content).map(|(attribute, value)| Filter::Approximate(attribute, value))?,
        0xa9 => Filter::Extensible(extensible(content)?),
        _ => return Err(Failure::protocol("unknown filter choice")),
    })
}

fn filter_set<'a>(content: &'a [u8], depth: usize, elements: &mut usize) -> Result<Vec<Filter<'a>>, Failure> {
    let mut fields = Fields::new(content);
    let mut found = Vec::new();
    while !fields.is_empty() {
        let (tag, content) = fields.any("damaged filter")?;
        found.push(filter_choice(tag, content, depth, elements)?);
    }
    Ok(found)
}

fn substrings(content: &[u8]) -> Result<Filter<'_>, Failure> {
    const DAMAGED: &str = "damaged substring filter";
    let mut fields = Fields::new(content);
    let attribute = fields.text(OCTET_STRING, DAMAGED)?;
    let mut parts = Fields::new(fields.octets(SEQUENCE, DAMAGED)?);
    let mut found = Substrings::default();
    if parts.is_empty() {
        return Err(Failure::protocol("substring filter without a substring"));
    }
    while !parts.is_empty() {
        let (tag, part) = parts.any(DAMAGED)?;
        // Initial comes first and final last, each at most once.
        match tag {
            0x80 if found == Substrings::default() => found.initial = Some(Cow::Borrowed(part)),
            0x81 if found.last.is_none() => found.any.push(Cow::Borrowed(part)),
            0x82 if found.last.is_none() => found.last = Some(Cow::Borrowed(part)),
            _ => return Err(Failure::protocol("substrings in the wrong order")),
        }
    }
    Ok(Filter::Substrings(Cow::Borrowed(attribute), found))
}

fn extensible(content: &[u8]) -> Result<Extensible<'_>, Failure> {
    const DAMAGED: &str = "damaged extensible match";
    let mut fields = Fields::new(content);
    let rule = fields.optional(0x81, DAMAGED)?.map(|rule| text(rule, DAMAGED)).transpose()?;
    let attribute = fields.optional(0x82, DAMAGED)?.map(|attribute| text(attribute, DAMAGED)).transpose()?;
    let value = fields.octets(0x83, "extensible match without a value")?;
    let dn_attributes = match fields.optional(0x84, DAMAGED)? {
        Some(octets) => boolean(octets).ok_or_else(|| Failure::protocol(DAMAGED))?,
        None => false,
    };
    if rule.is_none() && attribute.is_none() {
        return Err(Failure::protocol("extensible match without rule and attribute"));
    }
    Ok(Extensible { rule: rule.map(Cow::Borrowed), attribute: attribute.map(Cow::Borrowed), value: Cow::Borrowed(value), dn_attributes })
}
