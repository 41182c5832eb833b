//! Search filters (RFC 4511 §4.5.1.7) and their text form (RFC 4515).
//!
//! The parser keeps the open parentheses in a list of its own and is told how many there may be, so text cannot
//! exhaust the stack; and since every filter is bounded in depth where it is made, neither can dropping one (HA1).
//! Spaces around parentheses and a missing outer pair are let through, as the tools of OpenLDAP do.

use super::dn::{hex_digit, is_attribute_description, is_descriptor, is_numeric_oid};
use crate::base::Limits;
use std::borrow::Cow;
use std::fmt::{self, Write};

/// A filter as a client sent it: attribute descriptions are not looked up, values are not normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter<'a> {
    /// All of them; an empty list is true (RFC 4526).
    And(Vec<Self>),
    /// One of them; an empty list is false (RFC 4526).
    Or(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
    /// The attribute has a value.
    Present(Cow<'a, str>),
    /// A value equals the assertion.
    Equality(Cow<'a, str>, Cow<'a, [u8]>),
    /// A value holds the parts in this order.
    Substrings(Cow<'a, str>, Substrings<'a>),
    /// A value is the assertion or after it.
    GreaterOrEqual(Cow<'a, str>, Cow<'a, [u8]>),
    /// A value is the assertion or before it.
    LessOrEqual(Cow<'a, str>, Cow<'a, [u8]>),
    /// A value is about the assertion; taken as equality (RFC 4511 §4.5.1.7.6).
    Approximate(Cow<'a, str>, Cow<'a, [u8]>),
    /// A value matches by a named rule.
    Extensible(Extensible<'a>),
}

/// The parts of a substring assertion; at least one is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Substrings<'a> {
    /// What the value begins with.
    pub initial: Option<Cow<'a, [u8]>>,
    /// What it holds, in this order.
    pub any: Vec<Cow<'a, [u8]>>,
    /// What it ends with.
    pub last: Option<Cow<'a, [u8]>>,
}

/// An extensible match assertion; rule or attribute is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensible<'a> {
    /// Name or OID of the matching rule.
    pub rule: Option<Cow<'a, str>>,
    /// The attribute description.
    pub attribute: Option<Cow<'a, str>>,
    /// The assertion value.
    pub value: Cow<'a, [u8]>,
    /// Whether the attributes of the DN are matched too.
    pub dn_attributes: bool,
}

/// Why text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad filter at octet {at}: {reason}")]
pub struct FilterError {
    /// Where in the text, in octets from its start.
    pub at: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

impl<'a> Filter<'a> {
    /// Reads the text form, within the default [`Limits`].
    pub fn parse(text: &'a str) -> Result<Self, FilterError> {
        let limits = Limits::default();
        Self::parse_within(text, limits.filter_depth, limits.filter_elements)
    }

    /// Reads the text form. At most `depth` of and, or and not may lie inside each other, and `elements` of
    /// all choices may be there.
    pub fn parse_within(text: &'a str, depth: usize, elements: usize) -> Result<Self, FilterError> {
        let mut parser = Parser { text, at: 0, depth, elements };
        parser.skip_spaces();
        let filter = match parser.peek() {
            Some(b'(') => parser.nested()?,
            _ => parser.item(text.trim_end_matches(is_space).len())?,
        };
        parser.skip_spaces();
        match parser.peek() {
            None => Ok(filter),
            Some(_) => parser.refuse("text after the filter"),
        }
    }

    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Filter<'static> {
        let all = |filters: Vec<Self>| filters.into_iter().map(Self::into_owned).collect();
        match self {
            Self::And(filters) => Filter::And(all(filters)),
            Self::Or(filters) => Filter::Or(all(filters)),
            Self::Not(filter) => Filter::Not(Box::new(filter.into_owned())),
            Self::Present(attribute) => Filter::Present(own(attribute)),
            Self::Equality(attribute, value) => Filter::Equality(own(attribute), own(value)),
            Self::Substrings(attribute, parts) => Filter::Substrings(own(attribute), parts.into_owned()),
            Self::GreaterOrEqual(attribute, value) => Filter::GreaterOrEqual(own(attribute), own(value)),
            Self::LessOrEqual(attribute, value) => Filter::LessOrEqual(own(attribute), own(value)),
            Self::Approximate(attribute, value) => Filter::Approximate(own(attribute), own(value)),
            Self::Extensible(assertion) => Filter::Extensible(assertion.into_owned()),
        }
    }
}

impl Substrings<'_> {
    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Substrings<'static> {
        Substrings { initial: self.initial.map(own), any: self.any.into_iter().map(own).collect(), last: self.last.map(own) }
    }
}

impl Extensible<'_> {
    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Extensible<'static> {
        Extensible {
            rule: self.rule.map(own),
            attribute: self.attribute.map(own),
            value: own(self.value),
            dn_attributes: self.dn_attributes,
        }
    }
}

fn own<T: ToOwned + ?Sized>(text: Cow<'_, T>) -> Cow<'static, T> {
    Cow::Owned(text.into_owned())
}

/// What an open parenthesis waits for.
enum Open<'a> {
    And(Vec<Filter<'a>>),
    Or(Vec<Filter<'a>>),
    Not(Option<Filter<'a>>),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    elements: usize,
}

impl<'a> Parser<'a> {
    /// A filter that begins with a parenthesis. One round of the loop handles one parenthesis.
    fn nested(&mut self) -> Result<Filter<'a>, FilterError> {
        let mut open: Vec<Open<'a>> = Vec::new();
        loop {
            self.skip_spaces();
            let finished = match self.peek() {
                Some(b'(') => {
                    self.at += 1;
                    self.skip_spaces();
                    match self.operator() {
                        Some(operator) => {
                            self.count()?;
                            if open.len() >= self.depth {
                                return self.refuse("filter is nested too deeply");
                            }
                            self.at += 1;
                            open.push(operator);
                            continue;
                        }
                        None => self.item_in_parentheses()?,
                    }
                }
                Some(b')') => match open.pop() {
                    Some(Open::And(filters)) => self.closed(Filter::And(filters)),
                    Some(Open::Or(filters)) => self.closed(Filter::Or(filters)),
                    Some(Open::Not(Some(filter))) => self.closed(Filter::Not(Box::new(filter))),
                    Some(Open::Not(None)) => return self.refuse("not needs a filter"),
                    None => return self.refuse("parenthesis was not opened"),
                },
                Some(_) => return self.refuse("expected a parenthesis"),
                None => return self.refuse("parenthesis is not closed"),
            };
            match open.last_mut() {
                None => return Ok(finished),
                Some(Open::And(filters) | Open::Or(filters)) => filters.push(finished),
                Some(Open::Not(filter @ None)) => *filter = Some(finished),
                Some(Open::Not(Some(_))) => return self.refuse("not takes one filter only"),
            }
        }
    }

    const fn closed(&mut self, filter: Filter<'a>) -> Filter<'a> {
        self.at += 1;
        filter
    }

    fn operator(&self) -> Option<Open<'a>> {
        match self.peek()? {
            b'&' => Some(Open::And(Vec::new())),
            b'|' => Some(Open::Or(Vec::new())),
            b'!' => Some(Open::Not(None)),
            _ => None,
        }
    }

    fn item_in_parentheses(&mut self) -> Result<Filter<'a>, FilterError> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let Some(length) = memchr::memchr(b')', rest) else {
            self.at = self.text.len();
            return self.refuse("parenthesis is not closed");
        };
        let item = self.item(self.at + length)?;
        self.at += 1;
        Ok(item)
    }

    /// One comparison, from here to `end`.
    fn item(&mut self, end: usize) -> Result<Filter<'a>, FilterError> {
        self.count()?;
        let item = self.text.get(self.at..end).unwrap_or_default();
        let Some(equals) = memchr::memchr(b'=', item.as_bytes()) else {
            return self.refuse("expected a comparison");
        };
        let (left, right) = item.split_at(equals);
        let right = right.get(1..).unwrap_or_default();
        let (attribute, kind) = match left.as_bytes().last() {
            Some(sign @ (b'~' | b'>' | b'<' | b':')) => (left.get(..equals - 1).unwrap_or_default(), *sign),
            _ => (left, b'='),
        };
        if kind != b':' && !is_attribute_description(attribute) {
            return self.refuse("bad attribute description");
        }
        let name = Cow::Borrowed(attribute);
        let value_at = self.at + equals + 1;
        let filter = match kind {
            b'~' => Filter::Approximate(name, value(right, value_at)?),
            b'>' => Filter::GreaterOrEqual(name, value(right, value_at)?),
            b'<' => Filter::LessOrEqual(name, value(right, value_at)?),
            b':' => Filter::Extensible(self.extensible(attribute, value(right, value_at)?)?),
            _ if right == "*" => Filter::Present(name),
            _ if right.contains('*') => substrings(name, right, value_at)?,
            _ => Filter::Equality(name, value(right, value_at)?),
        };
        self.at = end;
        Ok(filter)
    }

    /// `attribute:dn:rule`, of which `:dn` and one of the others may be absent.
    fn extensible(&self, left: &'a str, value: Cow<'a, [u8]>) -> Result<Extensible<'a>, FilterError> {
        let mut parts = left.split(':');
        let attribute = parts.next().filter(|attribute| !attribute.is_empty());
        let mut rule = parts.next();
        let dn_attributes = rule.is_some_and(|part| part.eq_ignore_ascii_case("dn"));
        if dn_attributes {
            rule = parts.next();
        }
        let good_attribute = attribute.is_none_or(is_attribute_description);
        let good_rule = rule.is_none_or(|rule| is_descriptor(rule) || is_numeric_oid(rule));
        if !good_attribute || !good_rule || parts.next().is_some() || attribute.is_none() && rule.is_none() {
            return self.refuse("bad extensible comparison");
        }
        Ok(Extensible { rule: rule.map(Cow::Borrowed), attribute: attribute.map(Cow::Borrowed), value, dn_attributes })
    }

    fn count(&mut self) -> Result<(), FilterError> {
        match self.elements.checked_sub(1) {
            Some(left) => self.elements = left,
            None => return self.refuse("filter has too many elements"),
        }
        Ok(())
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(|octet| is_space(char::from(octet))) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    const fn refuse<T>(&self, reason: &'static str) -> Result<T, FilterError> {
        Err(FilterError { at: self.at, reason })
    }
}

const fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// The parts between asterisks. Asterisks in a row say no more than one does.
fn substrings<'a>(attribute: Cow<'a, str>, text: &'a str, at: usize) -> Result<Filter<'a>, FilterError> {
    let mut parts = Substrings::default();
    let mut start = 0;
    let mut some = false;
    for (index, part) in text.split('*').enumerate() {
        let end = start + part.len();
        if !part.is_empty() {
            some = true;
            let part = value(part, at + start)?;
            match (index, end == text.len()) {
                (0, _) => parts.initial = Some(part),
                (_, true) => parts.last = Some(part),
                (_, false) => parts.any.push(part),
            }
        }
        start = end + 1;
    }
    Ok(if some { Filter::Substrings(attribute, parts) } else { Filter::Present(attribute) })
}

/// The octets of an assertion value; `at` is where it stands in the whole text.
fn value(text: &str, at: usize) -> Result<Cow<'_, [u8]>, FilterError> {
    let is_special = |&octet: &u8| matches!(octet, 0 | b'(' | b')' | b'*' | b'\\');
    let octets = text.as_bytes();
    let Some(first) = octets.iter().position(is_special) else {
        return Ok(Cow::Borrowed(octets));
    };
    let (plain, mut rest) = octets.split_at(first);
    let mut value = plain.to_vec();
    while let Some((&octet, after)) = rest.split_first() {
        let here = at + octets.len() - rest.len();
        rest = after;
        match octet {
            b'\\' => {
                let digits = after.split_at_checked(2).and_then(|(pair, after)| match pair {
                    [high, low] => Some((hex_digit(*high)? << 4 | hex_digit(*low)?, after)),
                    _ => None,
                });
                let (octet, after) = digits.ok_or(FilterError { at: here + 1, reason: "expected two hexadecimal digits" })?;
                value.push(octet);
                rest = after;
            }
            _ if is_special(&octet) => return Err(FilterError { at: here, reason: "character must be escaped" }),
            _ => value.push(octet),
        }
    }
    Ok(Cow::Owned(value))
}

/// What is left to write, the next on top.
enum Step<'f, 'a> {
    Filter(&'f Filter<'a>),
    Close,
}

impl fmt::Display for Filter<'_> {
    /// The text form of RFC 4515. Octets that are no UTF-8 and what must not stand bare are escaped.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = vec![Step::Filter(self)];
        while let Some(step) = steps.pop() {
            let Step::Filter(filter) = step else {
                formatter.write_char(')')?;
                continue;
            };
            formatter.write_char('(')?;
            steps.push(Step::Close);
            match filter {
                Self::And(filters) => {
                    formatter.write_char('&')?;
                    steps.extend(filters.iter().rev().map(Step::Filter));
                }
                Self::Or(filters) => {
                    formatter.write_char('|')?;
                    steps.extend(filters.iter().rev().map(Step::Filter));
                }
                Self::Not(inner) => {
                    formatter.write_char('!')?;
                    steps.push(Step::Filter(inner));
                }
                Self::Present(attribute) => write!(formatter, "{attribute}=*")?,
                Self::Equality(attribute, value) => write!(formatter, "{attribute}={}", Escaped(value))?,
                Self::Substrings(attribute, parts) => write!(formatter, "{attribute}={parts}")?,
                Self::GreaterOrEqual(attribute, value) => write!(formatter, "{attribute}>={}", Escaped(value))?,
                Self::LessOrEqual(attribute, value) => write!(formatter, "{attribute}<={}", Escaped(value))?,
                Self::Approximate(attribute, value) => write!(formatter, "{attribute}~={}", Escaped(value))?,
                Self::Extensible(assertion) => assertion.fmt(formatter)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Substrings<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(self.initial.as_deref().unwrap_or_default()).fmt(formatter)?;
        formatter.write_char('*')?;
        for part in &self.any {
            write!(formatter, "{}*", Escaped(part))?;
        }
        Escaped(self.last.as_deref().unwrap_or_default()).fmt(formatter)
    }
}

impl fmt::Display for Extensible<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.attribute.as_deref().unwrap_or_default())?;
        if self.dn_attributes {
            formatter.write_str(":dn")?;
        }
        if let Some(rule) = &self.rule {
            write!(formatter, ":{rule}")?;
        }
        write!(formatter, ":={}", Escaped(&self.value))
    }
}

/// An assertion value with its escapes.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\0' | '(' | ')' | '*' | '\\' => write!(formatter, "\\{:02x}", u32::from(character))?,
                    _ => formatter.write_char(character)?,
                }
            }
            for octet in chunk.invalid() {
                write!(formatter, "\\{octet:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn equality<'a>(attribute: &'a str, value: &'a [u8]) -> Filter<'a> {
        Filter::Equality(attribute.into(), value.into())
    }

    fn extensible<'a>(attribute: Option<&'a str>, dn_attributes: bool, rule: Option<&'a str>, value: &'a str) -> Filter<'a> {
        Filter::Extensible(Extensible {
            rule: rule.map(Cow::Borrowed),
            attribute: attribute.map(Cow::Borrowed),
            value: value.as_bytes().into(),
            dn_attributes,
        })
    }

    #[test]
    fn rfc4515_section_4_examples() {
        let cases = [
            ("(cn=Babs Jensen)", equality("cn", b"Babs Jensen")),
            ("(!(cn=Tim Howes))", Filter::Not(Box::new(equality("cn", b"Tim Howes")))),
            (
                "(&(objectClass=Person)(|(sn=Jensen)(cn=Babs J*)))",
                Filter::And(vec![
                    equality("objectClass", b"Person"),
                    Filter::Or(vec![
                        equality("sn", b"Jensen"),
                        Filter::Substrings("cn".into(), Substrings { initial: Some(b"Babs J".into()), ..Substrings::default() }),
                    ]),
                ]),
            ),
            (
                "(o=univ*of*mich*)",
                Filter::Substrings(
                    "o".into(),
                    Substrings { initial: Some(b"univ".into()), any: vec![b"of".into(), b"mich".into()], last: None },
                ),
            ),
            ("(seeAlso=)", equality("seeAlso", b"")),
            ("(cn:caseExactMatch:=Fred Flintstone)", extensible(Some("cn"), false, Some("caseExactMatch"), "Fred Flintstone")),
            ("(cn:=Betty Rubble)", extensible(Some("cn"), false, None, "Betty Rubble")),
            ("(sn:dn:2.4.6.8.10:=Barney Rubble)", extensible(Some("sn"), true, Some("2.4.6.8.10"), "Barney Rubble")),
            ("(o:dn:=Ace Industry)", extensible(Some("o"), true, None, "Ace Industry")),
            ("(:1.2.3:=Wilma Flintstone)", extensible(None, false, Some("1.2.3"), "Wilma Flintstone")),
            ("(:DN:2.4.6.8.10:=Dino)", extensible(None, true, Some("2.4.6.8.10"), "Dino")),
            (r"(o=Parens R Us \28for all your parenthetical needs\29)", equality("o", b"Parens R Us (for all your parenthetical needs)")),
            (r"(cn=*\2A*)", Filter::Substrings("cn".into(), Substrings { any: vec![b"*".into()], ..Substrings::default() })),
            (r"(filename=C:\5cMyFile)", equality("filename", br"C:\MyFile")),
            (r"(bin=\00\00\00\04)", equality("bin", &[0, 0, 0, 4])),
            (r"(sn=Lu\c4\8di\c4\87)", equality("sn", "Lučić".as_bytes())),
            (r"(1.3.6.1.4.1.1466.0=\04\02\48\69)", equality("1.3.6.1.4.1.1466.0", &[4, 2, b'H', b'i'])),
        ];
        for (text, expected) in cases {
            let read = Filter::parse(text).unwrap();
            assert_eq!(read, expected, "{text}");
            assert_eq!(Filter::parse(&read.to_string()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn absolute_true_and_false_and_the_other_signs() {
        assert_eq!(Filter::parse("(&)").unwrap(), Filter::And(vec![]));
        assert_eq!(Filter::parse("( | )").unwrap(), Filter::Or(vec![]));
        assert_eq!(Filter::parse("(cn=*)").unwrap(), Filter::Present("cn".into()));
        assert_eq!(Filter::parse("(cn=**)").unwrap(), Filter::Present("cn".into()));
        assert_eq!(Filter::parse("(cn>=a)").unwrap(), Filter::GreaterOrEqual("cn".into(), b"a".into()));
        assert_eq!(Filter::parse("(cn<=a)").unwrap(), Filter::LessOrEqual("cn".into(), b"a".into()));
        assert_eq!(Filter::parse("(cn;lang-de~=a=b)").unwrap(), Filter::Approximate("cn;lang-de".into(), b"a=b".into()));
        assert_eq!(
            Filter::parse("(cn=a**b)").unwrap(),
            Filter::Substrings("cn".into(), Substrings { initial: Some(b"a".into()), any: vec![], last: Some(b"b".into()) })
        );
    }

    #[test]
    fn what_the_tools_of_openldap_let_through() {
        assert_eq!(Filter::parse("cn=a b ").unwrap(), equality("cn", b"a b"));
        assert_eq!(Filter::parse(" ( & (cn=a)\n\t(sn= b )) ").unwrap(), Filter::parse("(&(cn=a)(sn= b ))").unwrap());
        assert_eq!(Filter::parse("objectClass=*").unwrap(), Filter::Present("objectClass".into()));
    }

    #[test]
    fn refusals_say_where() {
        let cases = [
            ("", 0),
            ("()", 1),
            ("(cn)", 1),
            ("(cn=a", 5),
            ("(cn=a))", 6),
            ("(cn=a)(sn=b)", 6),
            ("(&(cn=a)", 8),
            ("(&cn=a)", 2),
            ("(!)", 2),
            ("(!(cn=a)(cn=b))", 14),
            ("(cn=a(b)", 5),
            ("(cn>=*)", 5),
            (r"(cn=\2)", 5),
            (r"(cn=\zz)", 5),
            (r"(cn=a*b\)", 8),
            ("(=a)", 1),
            ("(c n=a)", 1),
            ("(cn =a)", 1),
            ("(:=a)", 1),
            ("(:dn:=a)", 1),
            ("(cn:dn:x:y:=a)", 1),
            ("(cn::=a)", 1),
            ("(cn=a\0)", 5),
            (")", 0),
        ];
        for (text, at) in cases {
            let refused = Filter::parse(text).unwrap_err();
            assert_eq!(refused.at, at, "{text}: {refused}");
        }
    }

    #[test]
    fn ha1_depth_and_elements_are_bounded() {
        let nested = |depth: usize| format!("{}(cn=a){}", "(!".repeat(depth), ")".repeat(depth));
        assert!(Filter::parse(&nested(32)).is_ok());
        for depth in [33, 1_000, 100_000] {
            assert_eq!(Filter::parse(&nested(depth)).unwrap_err().reason, "filter is nested too deeply");
        }
        let wide = |count: usize| format!("(|{})", "(a=b)".repeat(count));
        assert!(Filter::parse(&wide(511)).is_ok());
        assert_eq!(Filter::parse(&wide(512)).unwrap_err().reason, "filter has too many elements");
        assert!(Filter::parse_within(&wide(512), 1, 513).is_ok());
        assert!(Filter::parse_within(&"(&".repeat(100), 1_000, 50).is_err());
    }

    fn any_octets(least: usize) -> impl Strategy<Value = Cow<'static, [u8]>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), least..10).prop_map(Cow::Owned),
            "[ ()*\\\\=a:]{1,6}".prop_map(|text| Cow::Owned(text.into_bytes())),
        ]
    }

    fn any_name() -> impl Strategy<Value = Cow<'static, str>> {
        prop_oneof!["[a-z][a-zA-Z0-9-]{0,6}(;x-[a-z])?", "[0-2](\\.[1-9][0-9]{0,2}){1,3}"].prop_map(Cow::Owned)
    }

    fn any_rule() -> impl Strategy<Value = Cow<'static, str>> {
        "([a-z][a-zA-Z]{2,6}|2\\.5\\.13\\.[1-9])".prop_map(Cow::Owned)
    }

    fn any_item() -> impl Strategy<Value = Filter<'static>> {
        let parts =
            (proptest::option::of(any_octets(1)), proptest::collection::vec(any_octets(1), 0..3), proptest::option::of(any_octets(1)))
                .prop_filter("a part is there", |(initial, any, last)| initial.is_some() || !any.is_empty() || last.is_some())
                .prop_map(|(initial, any, last)| Substrings { initial, any, last });
        let extensible = (proptest::option::of(any_name()), proptest::option::of(any_rule()), any_octets(0), any::<bool>())
            .prop_filter("rule or attribute is there", |(attribute, rule, ..)| attribute.is_some() || rule.is_some())
            .prop_map(|(attribute, rule, value, dn_attributes)| Extensible { rule, attribute, value, dn_attributes });
        prop_oneof![
            any_name().prop_map(Filter::Present),
            (any_name(), any_octets(0)).prop_map(|(name, value)| Filter::Equality(name, value)),
            (any_name(), parts).prop_map(|(name, parts)| Filter::Substrings(name, parts)),
            (any_name(), any_octets(0)).prop_map(|(name, value)| Filter::GreaterOrEqual(name, value)),
            (any_name(), any_octets(0)).prop_map(|(name, value)| Filter::LessOrEqual(name, value)),
            (any_name(), any_octets(0)).prop_map(|(name, value)| Filter::Approximate(name, value)),
            extensible.prop_map(Filter::Extensible),
        ]
    }

    fn any_filter() -> impl Strategy<Value = Filter<'static>> {
        any_item().prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::Or),
                inner.prop_map(|filter| Filter::Not(Box::new(filter))),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_filter_is_read_as_it_was_written(filter in any_filter()) {
            let text = filter.to_string();
            prop_assert_eq!(Filter::parse(&text).unwrap().into_owned(), filter);
        }

        #[test]
        fn ha3_any_text_is_answered(text in prop_oneof![".{0,40}", "[()&|!*=<>~:a\\\\0]{0,40}"]) {
            match Filter::parse(&text) {
                Ok(filter) => {
                    let written = filter.to_string();
                    prop_assert_eq!(Filter::parse(&written).unwrap(), filter);
                }
                Err(refused) => prop_assert!(refused.at <= text.len()),
            }
        }
    }
}
