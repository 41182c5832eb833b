//! Controls of a search: sorting (RFC 2891), views of a sorted list (draft-ietf-ldapext-ldapv3-vlv-09), matched values
//! (RFC 3876), subentries (RFC 3672), dereference (draft-masarati-ldap-deref), effective rights.

use super::super::decode;
use super::super::encode::{integer_size, put_control, put_integer};
use super::super::fields::{self, BOOLEAN, ENUMERATED, Fields, INTEGER};
use super::super::result::Failure;
use super::{Controls, DEREFERENCE, EFFECTIVE_RIGHTS, LIST_VIEW_RESPONSE, SORT_RESPONSE};
use crate::base::Limits;
use crate::base::ber::{OCTET_STRING, SEQUENCE, element_size, put, put_header};
use crate::directory::{LinkWish, Linked, RightsWish, SortKey, SortProblem, SortReport, ViewProblem, ViewReport, ViewTarget};
use crate::model::Filter;
use ldap3_proto::proto::LdapResultCode;

/// Keys of one sort.
const KEYS: usize = 10;

/// A list view control as sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ViewControl<'a> {
    /// Entries before the target.
    pub(crate) before: u32,
    /// Entries after the target.
    pub(crate) after: u32,
    /// The target.
    pub(crate) target: ViewTarget<'a>,
    /// What we sent with the last view, where the client gives it back.
    pub(crate) context: Option<&'a [u8]>,
}

/// Decodes a SortKeyList.
pub(super) fn sort<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    const DAMAGED: &str = "damaged sort control";
    let mut list = Fields::sequence(value, DAMAGED)?;
    while !list.is_empty() {
        let mut key = Fields::new(list.octets(SEQUENCE, DAMAGED)?);
        let attribute = key.text(OCTET_STRING, DAMAGED)?;
        let rule = key.optional(0x80, DAMAGED)?.map(|rule| fields::text(rule, DAMAGED)).transpose()?;
        let reverse = match key.optional(0x81, DAMAGED)? {
            Some(octets) => fields::boolean(octets).ok_or_else(|| Failure::protocol(DAMAGED))?,
            None => false,
        };
        if !key.is_empty() {
            return Err(Failure::protocol(DAMAGED));
        }
        if controls.sort.len() == KEYS || controls.sort.iter().any(|other| other.attribute.eq_ignore_ascii_case(attribute)) {
            let text = "at most ten sort keys, each about another attribute";
            return Err(Failure::new(LdapResultCode::UnwillingToPerform, text));
        }
        controls.sort.push(SortKey { attribute, rule, reverse });
    }
    match controls.sort.is_empty() {
        true => Err(Failure::protocol("a sort control without a key")),
        false => Ok(()),
    }
}

/// Decodes a VirtualListViewRequest. An offset or content count out of range is answered by the control itself.
pub(super) fn list_view<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    const DAMAGED: &str = "damaged virtual list view control";
    let mut parts = Fields::sequence(value, DAMAGED)?;
    let mut count = || {
        let count = parts.integer(INTEGER, DAMAGED)?;
        let count = i32::try_from(count).ok().and_then(|count| u32::try_from(count).ok());
        count.ok_or_else(|| Failure::protocol("a count of the virtual list view control is out of range"))
    };
    let (before, after) = (count()?, count()?);
    let target = match parts.any(DAMAGED)? {
        (0xa0, content) => {
            let mut target = Fields::new(content);
            ViewTarget::Offset { offset: target.integer(INTEGER, DAMAGED)?, count: target.integer(INTEGER, DAMAGED)? }
        }
        (0x81, value) => ViewTarget::AtLeast(value),
        _ => return Err(Failure::protocol(DAMAGED)),
    };
    let context = parts.optional(OCTET_STRING, DAMAGED)?.filter(|context| !context.is_empty());
    match parts.is_empty() {
        true => controls.view = Some(ViewControl { before, after, target, context }),
        false => return Err(Failure::protocol(DAMAGED)),
    }
    Ok(())
}

/// Decodes a ValuesReturnFilter: items alone.
pub(super) fn matched_values<'a>(controls: &mut Controls<'a>, value: &'a [u8], limits: &Limits) -> Result<(), Failure> {
    const DAMAGED: &str = "damaged matched values control";
    let mut list = Fields::sequence(value, DAMAGED)?;
    let mut items = Vec::new();
    while !list.is_empty() {
        let item = decode::filter(&mut list, limits)?;
        let simple = match &item {
            Filter::And(_) | Filter::Not(_) | Filter::Or(_) => false,
            Filter::Extensible(assertion) => !assertion.dn_attributes,
            Filter::Approximate(..) | Filter::Equality(..) | Filter::GreaterOrEqual(..) => true,
            Filter::LessOrEqual(..) | Filter::Present(_) | Filter::Substrings(..) => true,
        };
        if !simple {
            return Err(Failure::protocol("a matched values control holds filter items only"));
        }
        if items.len() >= limits.filter_elements {
            return Err(Failure::new(LdapResultCode::AdminLimitExceeded, "the matched values control has too many items"));
        }
        items.push(item);
    }
    controls.matched_values = Some(items);
    Ok(())
}

/// Decodes the BOOLEAN of a subentries control (RFC 3672 §3).
pub(super) fn subentries<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    const DAMAGED: &str = "damaged subentries control";
    let mut parts = Fields::new(value);
    controls.subentries = Some(parts.boolean(BOOLEAN, DAMAGED)?);
    match parts.is_empty() {
        true => Ok(()),
        false => Err(Failure::protocol(DAMAGED)),
    }
}

/// Decodes a list of derefSpec.
pub(super) fn dereference<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    const DAMAGED: &str = "damaged dereference control";
    let critical = controls.is_critical(DEREFERENCE);
    let mut list = Fields::sequence(value, DAMAGED)?;
    while !list.is_empty() {
        let mut one = Fields::new(list.octets(SEQUENCE, DAMAGED)?);
        let attribute = one.text(OCTET_STRING, DAMAGED)?;
        let attributes = decode::strings(Fields::new(one.octets(SEQUENCE, DAMAGED)?))?;
        if !one.is_empty() || attributes.is_empty() {
            return Err(Failure::protocol(DAMAGED));
        }
        if controls.links.len() == KEYS || controls.links.iter().any(|other| other.attribute.eq_ignore_ascii_case(attribute)) {
            return Err(Failure::protocol("at most ten attributes are dereferenced, each once"));
        }
        controls.links.push(LinkWish { attribute, attributes, critical });
    }
    match controls.links.is_empty() {
        true => Err(Failure::protocol(DAMAGED)),
        false => Ok(()),
    }
}

/// Decodes whose rights are asked for: a GetRightsControl, or the authorization identity alone, as clients of 389 send it.
pub(super) fn effective_rights<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    const DAMAGED: &str = "damaged effective rights control";
    let (subject, attributes) = match value {
        [] | [b'd', b'n', b':', ..] => (fields::text(value, DAMAGED)?, Vec::new()),
        value => {
            let mut parts = Fields::sequence(value, DAMAGED)?;
            let subject = parts.text(OCTET_STRING, DAMAGED)?;
            let attributes = parts.optional(SEQUENCE, DAMAGED)?.map(|list| decode::strings(Fields::new(list))).transpose()?;
            (subject, attributes.unwrap_or_default())
        }
    };
    let subject = match subject {
        "" => "",
        subject => subject.strip_prefix("dn:").ok_or_else(|| Failure::protocol("an authorization identity is dn: and a name"))?,
    };
    controls.rights = Some(RightsWish { subject: subject.trim(), attributes });
    Ok(())
}

/// Appends the control that tells an entry's rights were shown.
pub(crate) fn put_effective_rights(out: &mut Vec<u8>) {
    let mut value = Vec::new();
    put_header(&mut value, SEQUENCE, integer_size(0));
    put_integer(&mut value, ENUMERATED, 0);
    put_control(out, EFFECTIVE_RIGHTS, &value);
}

/// Appends the dereference control of an entry: a list of derefRes.
pub(crate) fn put_linked(out: &mut Vec<u8>, linked: &[Linked]) {
    let mut list = Vec::new();
    for link in linked {
        let attributes: usize = link.attributes.iter().map(Vec::len).sum();
        let shown = if attributes == 0 { 0 } else { element_size(attributes) };
        put_header(&mut list, SEQUENCE, element_size(link.attribute.len()) + element_size(link.dn.len()) + shown);
        put(&mut list, OCTET_STRING, link.attribute.as_bytes());
        put(&mut list, OCTET_STRING, link.dn.as_bytes());
        if attributes > 0 {
            put_header(&mut list, 0xa0, attributes);
            link.attributes.iter().for_each(|attribute| list.extend_from_slice(attribute));
        }
    }
    let mut value = Vec::new();
    put(&mut value, SEQUENCE, &list);
    put_control(out, DEREFERENCE, &value);
}

/// Appends the sort control of a search's answer.
pub(crate) fn put_sort(out: &mut Vec<u8>, report: &SortReport) {
    let code = match report.problem {
        None => LdapResultCode::Success,
        Some(SortProblem::Busy) => LdapResultCode::Busy,
        Some(SortProblem::InappropriateMatching) => LdapResultCode::InappropriateMatching,
        Some(SortProblem::NoSuchAttribute) => LdapResultCode::NoSuchAttribute,
        Some(SortProblem::TooLarge) => LdapResultCode::AdminLimitExceeded,
    };
    let mut content = Vec::new();
    put_integer(&mut content, ENUMERATED, code as i64);
    if let Some(attribute) = &report.attribute {
        put(&mut content, 0x80, attribute.as_bytes());
    }
    let mut value = Vec::new();
    put(&mut value, SEQUENCE, &content);
    put_control(out, SORT_RESPONSE, &value);
}

/// What a view control is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ViewCode {
    /// It shows what it says.
    Success = 0,
    /// The context is none of ours.
    Protocol = 2,
    /// The value does not fit the first sort key.
    InappropriateMatching = 18,
    /// It does not go with paging, or the list could not be sorted.
    Unwilling = 53,
    /// There is no sort control.
    SortMissing = 60,
    /// There is no such offset.
    OffsetRange = 61,
}

impl ViewCode {
    /// That of a report.
    pub(crate) const fn of(report: &ViewReport) -> Self {
        match report.problem {
            None => Self::Success,
            Some(ViewProblem::InappropriateMatching) => Self::InappropriateMatching,
            Some(ViewProblem::NotSorted) => Self::Unwilling,
            Some(ViewProblem::OffsetRange) => Self::OffsetRange,
        }
    }

    /// The failure of a search that has no view to show at all.
    pub(crate) fn failure(self, text: &'static str) -> Failure {
        let mut failure = Failure::new(LdapResultCode::VirtualListViewError, text);
        put_view(&mut failure.controls, self, 0, 0, &[]);
        failure
    }
}

/// Appends the list view control of a search's answer; `context` is to be given with the next view.
pub(crate) fn put_view(out: &mut Vec<u8>, code: ViewCode, position: usize, count: usize, context: &[u8]) {
    let number = |count: usize| i64::from(i32::try_from(count).unwrap_or(i32::MAX));
    let (position, count, code) = (number(position), number(count), code as i64);
    let context_size = if context.is_empty() { 0 } else { element_size(context.len()) };
    let mut value = Vec::new();
    put_header(&mut value, SEQUENCE, integer_size(position) + integer_size(count) + integer_size(code) + context_size);
    put_integer(&mut value, INTEGER, position);
    put_integer(&mut value, INTEGER, count);
    put_integer(&mut value, ENUMERATED, code);
    if !context.is_empty() {
        put(&mut value, OCTET_STRING, context);
    }
    put_control(out, LIST_VIEW_RESPONSE, &value);
}
