//! Controls that are there or not, most of them of updates.

use super::super::fields::{self, Fields};
use super::super::result::Failure;
use super::Controls;
use crate::base::Limits;
use crate::base::ber::OCTET_STRING;

/// Octets of each part of a session tracking control that are kept.
const TRACKED: usize = 256;

fn no_value(value: &[u8]) -> Result<(), Failure> {
    match value.is_empty() {
        true => Ok(()),
        false => Err(Failure::protocol("a control has a value and takes none")),
    }
}

pub(super) fn authorization_identity<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    controls.authorization_identity = true;
    no_value(value)
}

/// There is one copy only, so that it is not used is easily done; a client that can do with a copy has misread RFC 6171 §3.
pub(super) fn no_copy<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    match controls.is_critical(super::NO_COPY) {
        true => no_value(value),
        false => Err(Failure::protocol("the don't use copy control must be critical")),
    }
}

pub(super) fn no_operation<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    controls.no_operation = true;
    no_value(value)
}

pub(super) fn permissive<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    controls.permissive = true;
    no_value(value)
}

pub(super) fn relax<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    controls.relax = true;
    no_value(value)
}

pub(super) fn tree_delete<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    controls.tree_delete = true;
    no_value(value)
}

/// Decodes a SessionIdentifierControlValue (draft-wahl-ldap-session §2): address, name, what kind of identifier, and the
/// identifier. What is kept fits a line of a log.
pub(super) fn tracking<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    const DAMAGED: &str = "damaged session tracking control";
    let mut parts = Fields::sequence(value, DAMAGED)?;
    let mut kept = Vec::new();
    for _ in 0..4 {
        kept.push(printable(fields::text(parts.octets(OCTET_STRING, DAMAGED)?, DAMAGED)?));
    }
    if !parts.is_empty() {
        return Err(Failure::protocol(DAMAGED));
    }
    controls.tracking = Some(kept.join(" "));
    Ok(())
}

/// One word that no log takes for more: bounded, nothing that moves a cursor or ends a line (HG1), `-` for nothing.
fn printable(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() || letter.is_whitespace() || is_invisible(letter) { '_' } else { letter };
    let mut word: String = text.chars().map(plain).take(TRACKED).collect();
    while word.len() > TRACKED {
        word.pop();
    }
    if word.is_empty() { "-".to_owned() } else { word }
}

/// Marks of direction and order, and code points of no width.
const fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hg1_what_is_tracked_stays_on_its_line() {
        assert_eq!(printable("10.0.0.7"), "10.0.0.7");
        assert_eq!(printable("a\r\nb\u{1b}[2J\u{2028}c\u{202e}d e"), "a__b_[2J_c_d_e");
        assert_eq!(printable(""), "-");
        assert_eq!(printable(&"x".repeat(100_000)).len(), TRACKED);
        assert!(printable(&"\u{1f600}".repeat(100_000)).len() <= TRACKED);
    }
}
