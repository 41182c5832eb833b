//! HA4: normal forms of text and names are their own normal forms, and take work in proportion to what they are made of.

use super::{MatchingRule, Schema};
use crate::model::Dn;
use proptest::prelude::*;
use std::sync::LazyLock;
use unicode_normalization::char::is_combining_mark;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::load(&[]).unwrap());

/// Makes a name of so many octets or a few more.
type Shape = fn(usize) -> String;

fn repeated(text: &str, octets: usize) -> String {
    text.repeat(octets.div_ceil(text.len()))
}

fn numbered(octets: usize, mut part: impl FnMut(usize) -> String, between: &str) -> String {
    let (mut parts, mut length) = (Vec::new(), 0);
    while length < octets {
        let next = part(parts.len());
        length += next.len() + between.len();
        parts.push(next);
    }
    parts.join(between)
}

const SHAPES: [(&str, Shape); 12] = [
    ("many RDNs", |octets| numbered(octets, |at| format!("cn=a{at}"), ",")),
    ("many parts of an RDN", |octets| numbered(octets, |at| format!("cn=a{at}"), "+")),
    ("many in falling order", |octets| numbered(octets, |at| format!("cn=a{:08}", 99_999_999 - at), "+")),
    ("the same part again", |octets| numbered(octets, |_| "cn=a".to_owned(), "+")),
    ("types nobody knows", |octets| numbered(octets, |at| format!("1.2.3.{at}=a"), "+")),
    ("escaped letters", |octets| format!("cn={}", repeated("\\41", octets))),
    ("escaped commas", |octets| format!("cn={}", repeated("\\,", octets))),
    ("spaces", |octets| format!("cn=a{}b", repeated(" ", octets))),
    ("letters with marks", |octets| format!("cn={}", repeated("a\u{301}", octets))),
    ("marks in no order", |octets| format!("cn=a{}", repeated("\u{301}\u{316}", octets))),
    ("what becomes long", |octets| format!("cn={}", repeated("\u{fdfa}", octets))),
    ("octets", |octets| format!("1.2.3=#0483{octets:06x}{}", repeated("41", 2 * octets))),
];

fn key(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    MatchingRule::DistinguishedName.normalize(&SCHEMA, text.as_bytes(), &mut out).unwrap();
    out
}

#[test]
fn ha4_a_name_of_64_kib_is_read_written_and_compared() {
    for (what, shape) in SHAPES {
        let text = shape(64 << 10);
        let dn = Dn::parse(&text).unwrap_or_else(|error| panic!("{what}: {error}"));
        let written = dn.to_string();
        assert_eq!(Dn::parse(&written).as_ref(), Ok(&dn), "{what}");
        assert_eq!(key(&written), key(&text), "{what}");
    }
    let parts: Vec<String> = (0..8_000).map(|at| format!("cn=a{at}")).collect();
    let turned: Vec<&str> = parts.iter().rev().map(String::as_str).collect();
    assert_eq!(key(&parts.join("+")), key(&turned.join("+")), "the parts of an RDN have no order");
}

#[test]
fn ha4_the_normal_form_of_a_name_is_as_long_as_the_name_in_proportion() {
    for (what, shape) in SHAPES {
        let (one, two) = (key(&shape(32 << 10)).len(), key(&shape(64 << 10)).len());
        assert!(two * 2 <= one * 5, "{what}: {one} and {two} octets");
        assert!(two <= 20 * (64 << 10), "{what}: {two} octets");
    }
}

/// In the long run only, because it measures: as many octets take four times the time in names of four times the length where the
/// work is quadratic, and no 2.5 times otherwise.
#[test]
#[expect(clippy::disallowed_methods, reason = "whether this is the long run is said by tests/run")]
fn ha4_the_work_of_a_name_is_in_proportion_to_it() {
    if std::env::var("HEADCOUNT_LONG").is_err() {
        return;
    }
    // What this thread had of the processors, in nanoseconds: others on the machine count nothing.
    let spent = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let rounds = |count: usize, text: &str| {
        let began = spent();
        (0..count).for_each(|_| assert!(!key(text).is_empty()));
        // It is known to some milliseconds only.
        (spent() - began).max(20_000_000)
    };
    for (what, shape) in SHAPES {
        let (small, large) = (rounds(40, &shape(64 << 10)), rounds(10, &shape(256 << 10)));
        assert!(2 * large <= 5 * small, "{what}: {small} and {large} ns for as many octets in all");
    }
}

proptest! {
    #[test]
    fn ha4_the_normal_form_of_text_is_its_own(text in prop_oneof![".{0,24}", "[ a-zA-Z0-9+$*\\-\u{301}\u{df}\u{130}]{0,24}", "[ 0-9-]{0,12}"]) {
        for rule in MatchingRule::ALL.iter().filter(|rule| rule.is_text()) {
            let (mut once, mut twice) = (Vec::new(), Vec::new());
            // Lines have a form that is no value; numbers are ASCII, or a mark would meet what stood before a space.
            let is_taken = text.is_ascii() || rule.name().starts_with("case") || rule.name().starts_with("word");
            if !is_taken || rule.name().contains("List") || rule.normalize(&SCHEMA, text.as_bytes(), &mut once).is_err() {
                continue;
            }
            // A mark at the beginning would go together with the space that is put before it.
            let shown = std::str::from_utf8(&once).unwrap();
            if shown.trim_start_matches(' ').starts_with(is_combining_mark) {
                continue;
            }
            prop_assert_eq!(rule.normalize(&SCHEMA, &once, &mut twice), Ok(()));
            prop_assert_eq!(&twice, &once, "{}", rule.name());
        }
    }
}
