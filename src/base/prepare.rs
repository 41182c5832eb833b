//! Preparation of text for comparison (RFC 4518): transcode, map, normalise, prohibit, handle what is
//! insignificant. Two texts match where their prepared forms are the same octets.
//!
//! Spaces are represented literally as RFC 4518 §2.6.1 says: a prepared value begins with one space, ends with
//! one space, and holds exactly two where spaces stand inside. So `initial`, `any` and `final` parts, prepared
//! as their kind, can be looked for octet by octet: `foo *` finds `foo  bar` but not `foobar`, and a part that
//! ends in a space and one that begins with a space can share one gap, a space each.
//!
//! One departure: code points that Unicode 3.2 had not assigned are let through (folded and normalised as
//! the Unicode of today says), because names are written with them by now.

use stringprep::tables;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A text that cannot be prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// The octets are not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// A code point that RFC 4518 §2.4 prohibits.
    #[error("the text holds a code point that must not be in text")]
    Prohibited,
}

/// Whether case counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// It does.
    Exact,
    /// It is folded away.
    Ignore,
}

/// Which characters are insignificant (RFC 4518 §2.6), and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insignificant {
    /// Spaces of a whole value.
    Spaces,
    /// Spaces of the first part of a substring assertion.
    SpacesInitial,
    /// Spaces of a middle part.
    SpacesAny,
    /// Spaces of the last part.
    SpacesFinal,
    /// All spaces, as in a numeric string.
    Numeric,
    /// All spaces and hyphens, as in a telephone number.
    Telephone,
}

/// Appends the prepared form of `text` to `out`. On an error `out` is as it was.
pub fn prepare(text: &[u8], case: Case, insignificant: Insignificant, out: &mut Vec<u8>) -> Result<(), PrepareError> {
    let start = out.len();
    out.reserve(text.len() + 4);
    if prepare_ascii(text, case, insignificant, out) {
        return Ok(());
    }
    out.truncate(start);
    let text = std::str::from_utf8(text).map_err(|_| PrepareError::NotUtf8)?;
    let text = map_and_normalize(text, case);
    if text.chars().any(is_prohibited) {
        return Err(PrepareError::Prohibited);
    }
    let mut writer = Writer::new(insignificant, out);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        // A space that carries a combining mark is a letter of its own (§2.6.1).
        if c == ' ' && !rest.peek().is_some_and(|&next| is_combining_mark(next)) {
            writer.space();
        } else if insignificant != Insignificant::Telephone || !is_hyphen(c) {
            writer.text(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    writer.finish();
    Ok(())
}

/// The same for ASCII alone, without a look at any table, in runs between spaces. Answers false at the first octet
/// that is not ASCII.
fn prepare_ascii(text: &[u8], case: Case, insignificant: Insignificant, out: &mut Vec<u8>) -> bool {
    let mut writer = Writer::new(insignificant, out);
    let telephone = insignificant == Insignificant::Telephone;
    let mut rest = text;
    while let Some(&octet) = rest.first() {
        let length = rest.iter().take_while(|octet| octet.is_ascii_graphic() && !(telephone && **octet == b'-')).count();
        if let Some((run, after)) = rest.split_at_checked(length).filter(|_| length > 0) {
            writer.run(run, case);
            rest = after;
            continue;
        }
        match octet {
            b' ' | b'\t'..=b'\r' => writer.space(),
            b'-' | 0..=0x1f | 0x7f => (),
            _ => return false,
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    writer.finish();
    true
}

/// Writes text with its spaces as `insignificant` has them.
struct Writer<'a> {
    insignificant: Insignificant,
    out: &'a mut Vec<u8>,
    /// Whether something that is no space was written.
    begun: bool,
    /// Whether spaces were read since.
    space: bool,
}

impl<'a> Writer<'a> {
    const fn new(insignificant: Insignificant, out: &'a mut Vec<u8>) -> Self {
        Self { insignificant, out, begun: false, space: false }
    }

    const fn space(&mut self) {
        self.space = true;
    }

    fn run(&mut self, octets: &[u8], case: Case) {
        self.text(octets);
        let start = self.out.len() - octets.len();
        if let (Case::Ignore, Some(written)) = (case, self.out.get_mut(start..)) {
            written.make_ascii_lowercase();
        }
    }

    fn text(&mut self, octets: &[u8]) {
        if self.space || !self.begun {
            self.gap();
        }
        self.out.extend_from_slice(octets);
    }

    /// What stands before the next character: the start of the text, or spaces within.
    fn gap(&mut self) {
        use Insignificant::{Numeric, Spaces, SpacesAny, SpacesFinal, SpacesInitial, Telephone};
        let spaces = match (self.insignificant, self.begun) {
            (Numeric | Telephone, _) => 0,
            (Spaces | SpacesInitial, false) => 1,
            (SpacesAny | SpacesFinal, false) => usize::from(self.space),
            (Spaces | SpacesInitial | SpacesAny | SpacesFinal, true) => 2,
        };
        self.out.extend_from_slice(b"  ".get(..spaces).unwrap_or_default());
        self.begun = true;
        self.space = false;
    }

    fn finish(self) {
        use Insignificant::{Numeric, Spaces, SpacesAny, SpacesFinal, SpacesInitial, Telephone};
        let spaces = match (self.insignificant, self.begun) {
            (Numeric | Telephone, _) => 0,
            (Spaces, false) => 2,
            (SpacesInitial | SpacesAny | SpacesFinal, false) => 1,
            (Spaces | SpacesFinal, true) => 1,
            (SpacesInitial | SpacesAny, true) => usize::from(self.space),
        };
        self.out.extend_from_slice(b"  ".get(..spaces).unwrap_or_default());
    }
}

/// Steps two and three: map, and normalise to form KC. Repeated while folding still changes something, because
/// some letters of today's Unicode are upper case only after they were decomposed.
fn map_and_normalize(text: &str, case: Case) -> String {
    let mut text: String = text.chars().filter_map(map).collect();
    loop {
        let next: String = match case {
            Case::Exact => text.nfkc().filter_map(map).collect(),
            Case::Ignore => text.chars().flat_map(Folded::of).nfkc().filter_map(map).collect(),
        };
        if next == text {
            return next;
        }
        text = next;
    }
}

/// RFC 4518 §2.2: the character, a space in its place, or nothing.
fn map(c: char) -> Option<char> {
    match c {
        '\t'..='\r' | '\u{85}' => Some(' '),
        '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' => None,
        '\u{ad}' | '\u{34f}' | '\u{6dd}' | '\u{70f}' | '\u{1806}' | '\u{180b}'..='\u{180e}' => None,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2063}' | '\u{206a}'..='\u{206f}' => None,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}' => None,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}' => None,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Some(' '),
        _ => Some(c),
    }
}

/// Case folding for form KC (RFC 3454 B.2); what Unicode 3.2 did not know is made lower case.
enum Folded {
    Table(tables::CaseFoldForNfkc),
    Lower(std::char::ToLowercase),
}

impl Folded {
    fn of(c: char) -> Self {
        // No table is needed for ASCII.
        if c.is_ascii() || tables::unassigned_code_point(c) {
            Self::Lower(c.to_lowercase())
        } else {
            Self::Table(tables::case_fold_for_nfkc(c))
        }
    }
}

impl Iterator for Folded {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self {
            Self::Table(chars) => chars.next(),
            Self::Lower(chars) => chars.next(),
        }
    }
}

/// RFC 4518 §2.4 but for unassigned code points: private use, what is no character, and U+FFFD.
fn is_prohibited(c: char) -> bool {
    !c.is_ascii()
        && (tables::private_use(c) || tables::non_character_code_point(c) || c == '\u{fffd}' || matches!(c, '\u{340}' | '\u{341}'))
}

/// The hyphens of RFC 4518 §2.6.3.
const fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{58a}' | '\u{2010}' | '\u{2011}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prepared(text: &str, case: Case, insignificant: Insignificant) -> String {
        let mut out = Vec::new();
        prepare(text.as_bytes(), case, insignificant, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn spaces_are_handled_as_rfc4518_2_6_1_shows() {
        use Insignificant::*;
        let cases = [
            ("foo bar  ", Spaces, " foo  bar "),
            ("   ", Spaces, "  "),
            ("", Spaces, "  "),
            ("foo ", SpacesInitial, " foo "),
            (" foo", SpacesInitial, " foo"),
            ("foo bar", SpacesAny, "foo  bar"),
            (" foo ", SpacesAny, " foo "),
            (" ", SpacesAny, " "),
            (" foo", SpacesFinal, " foo "),
            ("foo", SpacesFinal, "foo "),
            ("12 34 ", Numeric, "1234"),
            ("+1 (555) 12-34", Telephone, "+1(555)1234"),
        ];
        for (given, insignificant, expected) in cases {
            assert_eq!(prepared(given, Case::Ignore, insignificant), expected, "{given:?} {insignificant:?}");
        }
    }

    #[test]
    fn text_beyond_ascii_is_mapped_folded_and_normalised() {
        let cases = [
            ("Straße", " strasse "),
            ("STRASSE", " strasse "),
            ("A\u{308}pfel", " \u{e4}pfel "),
            ("a\u{ad}b\u{200b}c", " abc "),
            ("a\u{a0}\u{3000}b", " a  b "),
            ("\u{ff21}\u{ff22}", " ab "),
            ("\u{fb01}sh", " fish "),
            ("\u{1f130}", " a "),
            ("\u{1f600} smile", " \u{1f600}  smile "),
            ("\u{130}", " i\u{307} "),
        ];
        for (given, expected) in cases {
            assert_eq!(prepared(given, Case::Ignore, Insignificant::Spaces), expected, "{given:?}");
        }
        assert_eq!(prepared("Äpfel", Case::Exact, Insignificant::Spaces), " Äpfel ");
        assert_eq!(prepared("12\u{2011}3", Case::Ignore, Insignificant::Telephone), "123");
    }

    #[test]
    fn what_is_prohibited_is_refused_and_leaves_the_output_alone() {
        let mut out = b"before".to_vec();
        for text in ["a\u{fffd}", "\u{e000}", "\u{ffff}"] {
            assert_eq!(prepare(text.as_bytes(), Case::Ignore, Insignificant::Spaces, &mut out), Err(PrepareError::Prohibited));
        }
        assert_eq!(prepare(b"a\xff", Case::Ignore, Insignificant::Spaces, &mut out), Err(PrepareError::NotUtf8));
        assert_eq!(out, b"before");
    }

    proptest! {
        #[test]
        fn preparing_twice_changes_nothing(text in "\\PC{0,20}") {
            for case in [Case::Exact, Case::Ignore] {
                let mut once = Vec::new();
                if prepare(text.as_bytes(), case, Insignificant::Spaces, &mut once).is_err() {
                    continue;
                }
                // A text that begins with a combining mark would carry it on the space put before it.
                let inner = std::str::from_utf8(&once).unwrap().trim_start_matches(' ');
                prop_assume!(!inner.chars().next().is_some_and(is_combining_mark));
                let mut twice = Vec::new();
                prepare(&once, case, Insignificant::Spaces, &mut twice).unwrap();
                prop_assert_eq!(once, twice);
            }
        }

        #[test]
        fn ascii_takes_the_short_way_to_the_same_place(text in "[\\x00-\\x7f]{0,24}") {
            let (mut short, mut long) = (Vec::new(), Vec::new());
            prop_assert!(prepare_ascii(text.as_bytes(), Case::Ignore, Insignificant::Spaces, &mut short));
            // U+200B is mapped to nothing, and forces the long way.
            prepare(format!("{text}\u{200b}").as_bytes(), Case::Ignore, Insignificant::Spaces, &mut long).unwrap();
            prop_assert_eq!(short, long);
        }

        #[test]
        fn every_split_of_a_text_is_found_in_it(text in "[a-c ]{2,12}", at in 1usize..11) {
            prop_assume!(at < text.len());
            let whole = prepared(&text, Case::Ignore, Insignificant::Spaces);
            let first = prepared(&text[..at], Case::Ignore, Insignificant::SpacesInitial);
            let last = prepared(&text[at..], Case::Ignore, Insignificant::SpacesFinal);
            // A text of spaces alone has no beginning apart from its end.
            prop_assume!(!text[..at].trim().is_empty() && !text[at..].trim().is_empty());
            prop_assert!(whole.starts_with(&first), "{:?} {:?}", whole, first);
            prop_assert!(whole[first.len()..].ends_with(&last), "{:?} {:?}", whole, last);
        }
    }
}
