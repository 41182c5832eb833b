//! Distinguished names and their text form (RFC 4514). A `Dn` is as given; its normal form needs the
//! schema and is made there.
//!
//! The reader is one pass over the octets without recursion. Besides RFC 4514 it takes what RFC 2253 §4
//! asks to take from older clients: spaces around separators, `;` as a separator, values in quotes, and
//! `OID.` before a dotted type. What is written is always plain RFC 4514.

use crate::base::ber::{self, Reader};
use std::borrow::Cow;
use std::fmt::{self, Write};

/// One attribute value assertion of an RDN.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ava {
    /// The attribute type, as given: a name or an OID.
    pub attribute: String,
    /// The value, escapes undone.
    pub value: Vec<u8>,
}

/// A relative distinguished name: one assertion, or several joined by `+`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rdn(pub Vec<Ava>);

/// A distinguished name, the leaf first. Empty for the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dn(pub Vec<Rdn>);

/// Why text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad name at octet {at}: {reason}")]
pub struct DnError {
    /// Where in the text, in octets from its start.
    pub at: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

impl Dn {
    /// Reads the text form of RFC 4514, and what RFC 2253 §4 lets through besides.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        let mut names = Vec::new();
        let mut assertions = Vec::new();
        for part in AvaReader::new(text) {
            let part = part?;
            let joined = part.joined;
            // Mostly one assertion, and a handful of names: the growth of a list is made for longer ones.
            assertions.reserve_exact(1);
            assertions.push(part.into_ava());
            if !joined {
                names.push(Rdn(std::mem::take(&mut assertions)));
            }
        }
        Ok(Self(names))
    }

    /// The name above, or `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_first().map(|(_, rest)| Self(rest.to_vec()))
    }

    /// The leaf, or `None` for the root.
    pub fn rdn(&self) -> Option<&Rdn> {
        self.0.first()
    }

    /// Whether it is the empty name.
    pub const fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl Rdn {
    /// Reads one RDN: not empty, and no second one after it.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        let mut reader = AvaReader::new(text);
        let mut assertions = Vec::with_capacity(1);
        while let Some(part) = reader.next() {
            let part = part?;
            let joined = part.joined;
            assertions.push(part.into_ava());
            if !joined && !reader.finished {
                return Err(DnError { at: reader.at, reason: "more than one RDN" });
            }
        }
        if assertions.is_empty() {
            return Err(DnError { at: 0, reason: "no RDN" });
        }
        Ok(Self(assertions))
    }
}

/// One assertion as it stands in the text, copied only where it holds escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAva<'a> {
    /// The attribute type: a name or a dotted OID.
    pub attribute: &'a str,
    /// The value, escapes undone.
    pub value: Cow<'a, [u8]>,
    /// Whether the next assertion belongs to the same RDN.
    pub joined: bool,
}

impl RawAva<'_> {
    fn into_ava(self) -> Ava {
        Ava { attribute: self.attribute.to_owned(), value: self.value.into_owned() }
    }
}

/// Reads the assertions of a name one after another, the leaf first, without building a [`Dn`].
#[derive(Clone, Debug)]
pub struct AvaReader<'a> {
    text: &'a str,
    at: usize,
    finished: bool,
}

impl<'a> Iterator for AvaReader<'a> {
    type Item = Result<RawAva<'a>, DnError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let read = self.assertion();
        self.finished |= read.is_err();
        Some(read)
    }
}

impl<'a> AvaReader<'a> {
    /// Starts at the beginning of `text`. Text of spaces only is the root, and yields nothing.
    pub fn new(text: &'a str) -> Self {
        let mut reader = Self { text, at: 0, finished: false };
        reader.skip_spaces();
        reader.finished = reader.peek().is_none();
        reader
    }

    fn assertion(&mut self) -> Result<RawAva<'a>, DnError> {
        self.skip_spaces();
        let attribute = self.attribute_type()?;
        self.skip_spaces();
        if self.peek() != Some(b'=') {
            return self.refuse("expected = after the attribute type");
        }
        self.at += 1;
        self.skip_spaces();
        let value = match self.peek() {
            Some(b'#') => self.hex_value()?,
            Some(b'"') => self.quoted_value()?,
            _ => self.string_value()?,
        };
        self.skip_spaces();
        let joined = match self.peek() {
            None => {
                self.finished = true;
                false
            }
            Some(b',' | b';') => false,
            Some(b'+') => true,
            Some(_) => return self.refuse("expected a separator after the value"),
        };
        self.at += usize::from(!self.finished);
        Ok(RawAva { attribute, value, joined })
    }

    /// A descr or a numericoid (RFC 4512 §1.4), without the `OID.` of RFC 2253.
    fn attribute_type(&mut self) -> Result<&'a str, DnError> {
        let rest = self.rest();
        let length = rest.bytes().position(|octet| !is_type_octet(octet)).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        let (skipped, kind) = match word.get(..4) {
            Some(prefix) if prefix.eq_ignore_ascii_case("oid.") => (4, word.get(4..).unwrap_or_default()),
            _ => (0, word),
        };
        if !(is_numeric_oid(kind) || skipped == 0 && is_descriptor(kind)) {
            return self.refuse(if word.is_empty() { "expected an attribute type" } else { "bad attribute type" });
        }
        self.at += length;
        Ok(kind)
    }

    /// A value without quotes, to the separator or the end; spaces at its end that are not escaped do not count.
    fn string_value(&mut self) -> Result<Cow<'a, [u8]>, DnError> {
        let rest = self.rest().as_bytes();
        let length = rest.iter().position(|&octet| is_special(octet)).unwrap_or(rest.len());
        let plain = rest.get(..length).unwrap_or_default();
        self.at += length;
        if self.peek() != Some(b'\\') {
            return Ok(Cow::Borrowed(trim_end_spaces(plain)));
        }
        let mut value = plain.to_vec();
        // What stands up to here ends in something escaped, and no space of it is cut.
        let mut kept = 0;
        while let Some(octet) = self.peek() {
            match octet {
                b'\\' => {
                    value.push(self.pair()?);
                    kept = value.len();
                }
                b',' | b';' | b'+' => break,
                _ if is_special(octet) => return self.refuse("character must be escaped"),
                _ => {
                    value.push(octet);
                    self.at += 1;
                }
            }
        }
        let end = trim_end_spaces(&value).len().max(kept);
        value.truncate(end);
        Ok(Cow::Owned(value))
    }

    /// A value in quotes (RFC 2253 §4).
    fn quoted_value(&mut self) -> Result<Cow<'a, [u8]>, DnError> {
        self.at += 1;
        let mut value = Vec::new();
        loop {
            match self.peek() {
                None => return self.refuse("quote is not closed"),
                Some(0) => return self.refuse("character must be escaped"),
                Some(b'"') => break,
                Some(b'\\') => value.push(self.pair()?),
                Some(octet) => {
                    value.push(octet);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Ok(Cow::Owned(value))
    }

    /// `#` and the BER of the value in hexadecimal digits. The value is what the element holds; only types whose
    /// content is the value itself are taken.
    fn hex_value(&mut self) -> Result<Cow<'a, [u8]>, DnError> {
        let start = self.at;
        self.at += 1;
        let mut encoded = Vec::new();
        while self.peek().is_some_and(|octet| octet.is_ascii_hexdigit()) {
            encoded.push(self.hex_pair()?);
        }
        let mut reader = Reader::new(&encoded);
        match reader.element() {
            Ok(element) if reader.is_empty() && is_text_tag(element.tag) => Ok(Cow::Owned(element.content.to_vec())),
            Ok(_) if reader.is_empty() => Err(DnError { at: start, reason: "value after # is neither a string nor octets" }),
            Ok(_) | Err(_) => Err(DnError { at: start, reason: "value after # is not one BER element" }),
        }
    }

    /// The octet that an escape stands for: a special character, or two hexadecimal digits.
    fn pair(&mut self) -> Result<u8, DnError> {
        self.at += 1;
        match self.peek() {
            Some(octet @ (b'\\' | b'"' | b'+' | b',' | b';' | b'<' | b'>' | b' ' | b'#' | b'=')) => {
                self.at += 1;
                Ok(octet)
            }
            _ => self.hex_pair(),
        }
    }

    fn hex_pair(&mut self) -> Result<u8, DnError> {
        let octets = self.text.as_bytes();
        let pair = octets.get(self.at).zip(octets.get(self.at + 1));
        let digits = pair.and_then(|(&high, &low)| Some(hex_digit(high)? << 4 | hex_digit(low)?));
        let Some(octet) = digits else {
            return self.refuse("expected two hexadecimal digits");
        };
        self.at += 2;
        Ok(octet)
    }

    fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    const fn refuse<T>(&self, reason: &'static str) -> Result<T, DnError> {
        Err(DnError { at: self.at, reason })
    }
}

/// Cuts spaces only: other white space is part of a value.
fn trim_end_spaces(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|&octet| octet != b' ').map_or(0, |last| last + 1);
    value.get(..end).unwrap_or_default()
}

/// Must be escaped wherever it stands in a value.
const fn is_special(octet: u8) -> bool {
    matches!(octet, 0 | b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\')
}

const fn is_type_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.')
}

/// OCTET STRING and the character string types whose content is UTF-8 or a part of it.
const fn is_text_tag(tag: u8) -> bool {
    matches!(tag, ber::OCTET_STRING | 0x0c | 0x12 | 0x13 | 0x16 | 0x17 | 0x18 | 0x1a)
}

/// The value of a hexadecimal digit of either case.
pub(super) const fn hex_digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

/// Whether it is a descr (RFC 4512 §1.4): a letter, then letters, digits and hyphens.
pub fn is_descriptor(text: &str) -> bool {
    let mut octets = text.bytes();
    octets.next().is_some_and(|first| first.is_ascii_alphabetic()) && octets.all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}

/// Whether it is a numericoid (RFC 4512 §1.4): at least two numbers with dots between, none with a leading zero.
pub fn is_numeric_oid(text: &str) -> bool {
    let mut numbers = 0;
    let all_good = text.split('.').all(|number| {
        numbers += 1;
        let digits = !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit());
        digits && (number.len() == 1 || !number.starts_with('0'))
    });
    all_good && numbers > 1
}

/// Whether it is an attribute description (RFC 4512 §2.5): a descr or numericoid, and options after `;`.
pub fn is_attribute_description(text: &str) -> bool {
    let mut parts = text.split(';');
    let kind = parts.next().unwrap_or_default();
    let is_option = |option: &str| !option.is_empty() && option.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    (is_descriptor(kind) || is_numeric_oid(kind)) && parts.all(is_option)
}

impl fmt::Display for Ava {
    /// The type as given and the value as a string of RFC 4514 §2.4. That section wants the BER after a dotted
    /// type, but its ASN.1 type is only known with the schema; the string is understood in both places.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.attribute)?;
        formatter.write_char('=')?;
        let mut at = 0;
        for chunk in self.value.utf8_chunks() {
            for character in chunk.valid().chars() {
                let outermost = at == 0 || at + 1 == self.value.len();
                match character {
                    '\0' => formatter.write_str("\\00")?,
                    '#' if at == 0 => formatter.write_str("\\#")?,
                    '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(formatter, "\\{character}")?,
                    ' ' if outermost => formatter.write_str("\\ ")?,
                    _ => formatter.write_char(character)?,
                }
                at += character.len_utf8();
            }
            for octet in chunk.invalid() {
                write!(formatter, "\\{octet:02X}")?;
                at += 1;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Rdn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, ava) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_char('+')?;
            }
            ava.fmt(formatter)?;
        }
        Ok(())
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rdn) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_char(',')?;
            }
            rdn.fmt(formatter)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ava(attribute: &str, value: impl AsRef<[u8]>) -> Ava {
        Ava { attribute: attribute.to_owned(), value: value.as_ref().to_vec() }
    }

    fn single(value: impl AsRef<[u8]>) -> Dn {
        Dn(vec![Rdn(vec![ava("cn", value)])])
    }

    #[test]
    fn rfc4514_section_4_examples() {
        let cases: [(&str, Vec<Vec<Ava>>); 7] = [
            ("UID=jsmith,DC=example,DC=net", vec![vec![ava("UID", "jsmith")], vec![ava("DC", "example")], vec![ava("DC", "net")]]),
            (
                "OU=Sales+CN=J.  Smith,DC=example,DC=net",
                vec![vec![ava("OU", "Sales"), ava("CN", "J.  Smith")], vec![ava("DC", "example")], vec![ava("DC", "net")]],
            ),
            (
                r#"CN=James \"Jim\" Smith\, III,DC=example,DC=net"#,
                vec![vec![ava("CN", r#"James "Jim" Smith, III"#)], vec![ava("DC", "example")], vec![ava("DC", "net")]],
            ),
            (
                r"CN=Before\0dAfter,DC=example,DC=net",
                vec![vec![ava("CN", "Before\rAfter")], vec![ava("DC", "example")], vec![ava("DC", "net")]],
            ),
            ("1.3.6.1.4.1.1466.0=#04024869", vec![vec![ava("1.3.6.1.4.1.1466.0", "Hi")]]),
            (r"CN=Lu\C4\8Di\C4\87", vec![vec![ava("CN", "Lučić")]]),
            ("", vec![]),
        ];
        for (text, expected) in cases {
            let expected = Dn(expected.into_iter().map(Rdn).collect());
            let read = Dn::parse(text).unwrap();
            assert_eq!(read, expected, "{text}");
            assert_eq!(Dn::parse(&read.to_string()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn rfc2253_section_4_is_let_through() {
        let expected = Dn::parse("cn=a b,o=c").unwrap();
        for text in ["cn = a b , o = c", "cn=a b;o=c", " cn=a b;  o=c ", r#"cn="a b",o="c""#, r#"cn= "a b" ;o=c"#] {
            assert_eq!(Dn::parse(text).unwrap(), expected, "{text}");
        }
        assert_eq!(Dn::parse("OID.2.5.4.3=x").unwrap(), Dn::parse("2.5.4.3=x").unwrap());
        assert_eq!(Dn::parse("oid.2.5.4.3=#0C0178").unwrap(), Dn::parse("2.5.4.3=x").unwrap());
        assert_eq!(Dn::parse(r#"cn="a,\"b\"\2c""#).unwrap(), single(r#"a,"b","#));
        assert_eq!(Dn::parse("cn=a + o=b").unwrap(), Dn::parse("cn=a+o=b").unwrap());
        assert_eq!(Dn::parse("   ").unwrap(), Dn::default());
    }

    #[test]
    fn spaces_and_hashes_are_escaped_where_they_must_be() {
        let cases = [
            (" a ", r"cn=\ a\ "),
            ("  ", r"cn=\ \ "),
            (" ", r"cn=\ "),
            ("a  ", r"cn=a \ "),
            ("#a#", r"cn=\#a#"),
            ("a=b", "cn=a=b"),
            ("", "cn="),
            ("\0", r"cn=\00"),
            (r#""+,;<>\"#, r#"cn=\"\+\,\;\<\>\\"#),
        ];
        for (value, text) in cases {
            assert_eq!(single(value).to_string(), text);
            assert_eq!(Dn::parse(text).unwrap(), single(value), "{text}");
        }
        assert_eq!(single([0xff, b'a', 0xc3]).to_string(), r"cn=\FFa\C3");
        assert_eq!(Dn::parse(r"cn=\ffa\c3").unwrap(), single([0xff, b'a', 0xc3]));
        assert_eq!(Dn::parse(r"cn=a\  ").unwrap(), single("a "), "an escaped space stays, the one after it goes");
    }

    #[test]
    fn refusals_say_where() {
        let cases = [
            ("cn", 2),
            ("=a", 0),
            ("cn=a,", 5),
            (",cn=a", 0),
            ("cn=a,,o=b", 5),
            ("cn=a+", 5),
            ("cn=a<b", 4),
            ("cn=a\"b", 4),
            (r"cn=a\,<", 6),
            (r"cn=a\zz", 5),
            (r"cn=a\", 5),
            ("cn=\"a", 5),
            ("cn=\"a\"b", 6),
            ("cn=#", 3),
            ("cn=#0", 4),
            ("cn=#0402", 3),
            ("cn=#0101ff", 3),
            ("cn=#040141zz", 10),
            ("c n=a", 2),
            ("1=a", 0),
            ("1.02=a", 0),
            ("1..2=a", 0),
            ("oid.cn=a", 0),
            ("-cn=a", 0),
            ("cn=a\0b", 4),
        ];
        for (text, at) in cases {
            let refused = Dn::parse(text).unwrap_err();
            assert_eq!(refused.at, at, "{text}: {refused}");
        }
        assert!(Rdn::parse("").is_err());
        assert!(Rdn::parse("cn=a,o=b").is_err());
        assert!(Rdn::parse("cn=a,").is_err());
        assert_eq!(Rdn::parse(r"cn=a\,b+o=c").unwrap(), Rdn(vec![ava("cn", "a,b"), ava("o", "c")]));
    }

    #[test]
    fn the_raw_reader_borrows_what_holds_no_escape() {
        let read: Vec<_> = AvaReader::new(r"cn=a+sn=b\2c,o=c").map(Result::unwrap).collect();
        assert!(matches!(read[0].value, Cow::Borrowed(b"a")) && read[0].joined);
        assert!(matches!(&read[1].value, Cow::Owned(value) if value == b"b,") && !read[1].joined);
        assert!(matches!(read[2].value, Cow::Borrowed(b"c")) && !read[2].joined);
    }

    #[test]
    fn attribute_descriptions() {
        for good in ["cn", "cn;lang-de", "2.5.4.3;binary;x-1", "userCertificate;binary"] {
            assert!(is_attribute_description(good), "{good}");
        }
        for bad in ["", ";binary", "cn;", "c_n", "1", "cn;;x", "cn;lang_de", "1a", "cn "] {
            assert!(!is_attribute_description(bad), "{bad}");
        }
    }

    fn any_type() -> impl Strategy<Value = String> {
        prop_oneof!["[A-Za-z][A-Za-z0-9-]{0,8}", "[1-9][0-9]{0,2}(\\.(0|[1-9][0-9]{0,3})){1,4}"]
    }

    fn any_value() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..12),
            "[ #a,+\"\\\\<>;=\u{0}ü]{0,8}".prop_map(String::into_bytes),
            ".{0,8}".prop_map(String::into_bytes),
        ]
    }

    fn any_dn() -> impl Strategy<Value = Dn> {
        let ava = (any_type(), any_value()).prop_map(|(attribute, value)| Ava { attribute, value });
        let rdn = proptest::collection::vec(ava, 1..4).prop_map(Rdn);
        proptest::collection::vec(rdn, 0..5).prop_map(Dn)
    }

    proptest! {
        #[test]
        fn ha4_every_name_is_read_as_it_was_written(dn in any_dn()) {
            let text = dn.to_string();
            prop_assert_eq!(Dn::parse(&text).unwrap(), dn);
        }

        #[test]
        fn ha4_writing_is_canonical(text in r#"(cn|o|1\.2|OID\.1\.2) ?= ?["\\#,+; a-f0-9ü]{0,12}"#) {
            if let Ok(dn) = Dn::parse(&text) {
                let written = dn.to_string();
                let again = Dn::parse(&written).unwrap();
                prop_assert_eq!(&again, &dn);
                prop_assert_eq!(again.to_string(), written);
            }
        }

        #[test]
        fn ha3_any_text_is_answered(text in ".{0,64}") {
            if let Err(refused) = Dn::parse(&text) {
                prop_assert!(refused.at <= text.len());
            }
        }
    }
}
