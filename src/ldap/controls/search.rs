//! Controls of a search: sorting (RFC 2891) and views of a sorted list (draft-ietf-ldapext-ldapv3-vlv-09).

use super::super::encode::{integer_size, put_control, put_integer};
use super::super::fields::{self, ENUMERATED, Fields, INTEGER};
use super::super::result::Failure;
use super::{Controls, LIST_VIEW_RESPONSE, SORT_RESPONSE};
use crate::base::Limits;
use crate::base::ber::{OCTET_STRING, SEQUENCE, element_size, put, put_header};
use crate::directory::{SortKey, SortProblem, SortReport, ViewProblem, ViewReport, ViewTarget};
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
