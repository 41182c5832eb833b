//! SCIM filters (RFC 7644 §3.4.2.2): the tree, its text form, and a parser that reads each character once and
//! nests no deeper than [`MAX_DEPTH`] (HE5). Names are not looked up here; [`super::evaluate`] does that.
//!
//! Beyond the grammar of the RFC two things are read because identity providers send them: `$ref` as a name,
//! and `emails[type eq "work"].value eq "x"`, which means `emails[type eq "work" and value eq "x"]`.

use crate::directory::client::Profile;
use serde_json::Value;
use std::fmt;

/// Octets a filter may have (HE5).
pub const MAX_OCTETS: usize = 4096;
/// How deep parentheses and brackets may nest (HE5).
pub const MAX_DEPTH: usize = 16;

/// The name of an attribute as a client wrote it: `urn:…:User:name.familyName`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttributePath {
    /// What stands before the last colon, where the path begins with `urn:`.
    pub urn: Option<String>,
    /// The attribute; the last part of the URN where the path names a whole schema.
    pub name: String,
    /// The sub-attribute.
    pub sub: Option<String>,
}

/// A comparison (RFC 7644, table 3), presence apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Contains.
    Contains,
    /// Starts with.
    StartsWith,
    /// Ends with.
    EndsWith,
    /// Greater than.
    Greater,
    /// Greater than or equal.
    GreaterOrEqual,
    /// Less than.
    Less,
    /// Less than or equal.
    LessOrEqual,
}

/// A filter as a client sent it.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of them; two at least.
    And(Vec<Self>),
    /// One of them; two at least.
    Or(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
    /// A comparison.
    Compare(AttributePath, Operator, Value),
    /// The attribute has a value.
    Present(AttributePath),
    /// One element of a multi-valued attribute matches the whole inner filter.
    Element(AttributePath, Box<Self>),
}

/// Why text is not a filter or a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at octet {at}: {reason}")]
pub struct GrammarError {
    /// Where in the text, in octets from its start.
    pub at: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

const OPERATORS: [(&str, Operator); 9] = [
    ("eq", Operator::Equal),
    ("ne", Operator::NotEqual),
    ("co", Operator::Contains),
    ("sw", Operator::StartsWith),
    ("ew", Operator::EndsWith),
    ("gt", Operator::Greater),
    ("ge", Operator::GreaterOrEqual),
    ("lt", Operator::Less),
    ("le", Operator::LessOrEqual),
];

impl Filter {
    /// Reads a filter.
    ///
    /// ```
    /// use headcount::scim::filter::Filter;
    /// let filter = Filter::parse("userName Eq \"bjensen\" and not (emails[type eq \"work\"])").unwrap();
    /// assert_eq!(filter.to_string(), "userName eq \"bjensen\" and not (emails[type eq \"work\"])");
    /// ```
    pub fn parse(text: &str) -> Result<Self, GrammarError> {
        Self::read(text, Words::Refused)
    }

    /// As [`parse`](Self::parse), where the profile says what bare words are.
    pub fn read(text: &str, words: Words) -> Result<Self, GrammarError> {
        let mut parser = Parser::new(text, words)?;
        let filter = parser.disjunction(0, Context::Resource)?;
        parser.end()?;
        Ok(filter)
    }
}

/// What a word is that stands for a value without quotes: `externalId eq jyoung` (quirk 16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// An error, as the grammar has it.
    Refused,
    /// A string.
    Strings,
}

impl Words {
    /// As a profile has it.
    pub fn of(profile: Profile) -> Self {
        if profile == Profile::Entra { Self::Strings } else { Self::Refused }
    }
}

/// Whether a filter stands at the top or inside brackets, where no other brackets may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    Resource,
    Element,
}

/// What reads filters and paths.
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    words: Words,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, words: Words) -> Result<Self, GrammarError> {
        match text.len() <= MAX_OCTETS {
            true => Ok(Self { text, at: 0, words }),
            false => Err(GrammarError { at: MAX_OCTETS, reason: "longer than 4096 octets" }),
        }
    }

    /// Refuses what is left over.
    pub(super) fn end(&mut self) -> Result<(), GrammarError> {
        self.spaces();
        if self.rest().is_empty() { Ok(()) } else { self.fail("an operator or the end was expected") }
    }

    /// `a or b or c`.
    pub(super) fn disjunction(&mut self, depth: usize, context: Context) -> Result<Filter, GrammarError> {
        let first = self.conjunction(depth, context)?;
        let mut parts = vec![first];
        while self.keyword("or") {
            parts.push(self.conjunction(depth, context)?);
        }
        Ok(single_or(parts, Filter::Or))
    }

    /// `a and b and c`.
    fn conjunction(&mut self, depth: usize, context: Context) -> Result<Filter, GrammarError> {
        let mut parts = vec![self.term(depth, context)?];
        while self.keyword("and") {
            parts.push(self.term(depth, context)?);
        }
        Ok(single_or(parts, Filter::And))
    }

    /// A comparison, a group, the opposite of a group, or an element.
    fn term(&mut self, depth: usize, context: Context) -> Result<Filter, GrammarError> {
        self.spaces();
        if self.negation() {
            return Ok(Filter::Not(Box::new(self.group(depth, context)?)));
        }
        if self.rest().starts_with('(') {
            return self.group(depth, context);
        }
        let path = self.attribute_path()?;
        if self.rest().starts_with('[') {
            if context == Context::Element {
                return self.fail("brackets inside brackets");
            }
            return self.element(path, depth);
        }
        self.comparison(path)
    }

    fn group(&mut self, depth: usize, context: Context) -> Result<Filter, GrammarError> {
        if depth == MAX_DEPTH {
            return self.fail("nested too deep");
        }
        self.expect('(')?;
        let inner = self.disjunction(depth + 1, context)?;
        self.spaces();
        self.expect(')')?;
        Ok(inner)
    }

    /// `[…]`, and what may follow it.
    fn element(&mut self, path: AttributePath, depth: usize) -> Result<Filter, GrammarError> {
        if path.sub.is_some() {
            return self.fail("brackets after a sub-attribute");
        }
        let inner = self.brackets(depth)?;
        if !self.take('.') {
            return Ok(Filter::Element(path, Box::new(inner)));
        }
        let sub = AttributePath { urn: None, name: self.name()?, sub: None };
        let condition = self.comparison(sub)?;
        let mut parts = match inner {
            Filter::And(parts) => parts,
            other => vec![other],
        };
        parts.push(condition);
        Ok(Filter::Element(path, Box::new(Filter::And(parts))))
    }

    /// A filter over one element, with its brackets.
    pub(super) fn brackets(&mut self, depth: usize) -> Result<Filter, GrammarError> {
        if depth == MAX_DEPTH {
            return self.fail("nested too deep");
        }
        self.expect('[')?;
        let inner = self.disjunction(depth + 1, Context::Element)?;
        self.spaces();
        self.expect(']')?;
        Ok(inner)
    }

    fn comparison(&mut self, path: AttributePath) -> Result<Filter, GrammarError> {
        if !self.rest().starts_with(' ') {
            return self.fail("a space and an operator were expected");
        }
        if self.keyword("pr") {
            return Ok(Filter::Present(path));
        }
        let Some(operator) = OPERATORS.iter().find(|(text, _)| self.keyword(text)).map(|(_, operator)| *operator) else {
            self.spaces();
            return self.fail("an operator was expected: eq ne co sw ew gt ge lt le pr");
        };
        if !self.rest().starts_with(' ') {
            return self.fail("a space and a value were expected");
        }
        self.spaces();
        Ok(Filter::Compare(path, operator, self.value()?))
    }

    /// A JSON string, number, `true`, `false` or `null`.
    fn value(&mut self) -> Result<Value, GrammarError> {
        let length = match self.rest().as_bytes() {
            [b'"', string @ ..] => string_length(string).map(|length| length + 1),
            rest => Some(rest.iter().take_while(|byte| !matches!(byte, b' ' | b')' | b']')).count()),
        };
        let Some(token) = length.and_then(|length| self.rest().get(..length)) else {
            return self.fail("a string without its end");
        };
        // `true`, `false` and `null` in any case: some clients write `True`.
        let word = ["true", "false", "null"].into_iter().find(|word| word.eq_ignore_ascii_case(token));
        match serde_json::from_str::<Value>(word.unwrap_or(token)) {
            Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))) => {
                self.at += token.len();
                Ok(value)
            }
            Err(_) if self.words == Words::Strings && is_word(token) => {
                self.at += token.len();
                Ok(Value::from(token))
            }
            Ok(_) | Err(_) => self.fail("a value was expected: a string in double quotes, a number, true, false or null"),
        }
    }

    /// `[URN ":"] name ["." name]`.
    pub(super) fn attribute_path(&mut self) -> Result<AttributePath, GrammarError> {
        let mut urn = None;
        if self.rest().get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:")) {
            let end = self.rest().bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"-._~:$+".contains(byte)).count();
            let colon = self.rest().get(..end).and_then(|text| text.rfind(':')).unwrap_or_default();
            urn = self.rest().get(..colon).map(str::to_owned);
            self.at += colon + 1;
        }
        let name = self.name()?;
        let sub = if self.take('.') { Some(self.name()?) } else { None };
        Ok(AttributePath { urn, name, sub })
    }

    /// `ATTRNAME`, or `$ref`.
    pub(super) fn name(&mut self) -> Result<String, GrammarError> {
        let rest = self.rest();
        let start = usize::from(rest.starts_with('$'));
        let valid = rest.as_bytes().get(start).is_some_and(u8::is_ascii_alphabetic);
        let tail = rest.bytes().skip(start).take_while(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)).count();
        match rest.get(..start + tail).filter(|_| valid) {
            Some(name) => {
                self.at += name.len();
                Ok(name.to_owned())
            }
            None => self.fail("the name of an attribute was expected"),
        }
    }

    /// Takes `not` where a group follows it.
    fn negation(&mut self) -> bool {
        let Some(after) = self.rest().get(3..).filter(|_| self.rest().get(..3).is_some_and(|word| word.eq_ignore_ascii_case("not"))) else {
            return false;
        };
        let group = after.trim_start_matches(' ');
        let found = group.starts_with('(');
        if found {
            self.at = self.text.len() - group.len();
        }
        found
    }

    /// Takes a word in any case, with spaces before it, where a space, a bracket or the end follows.
    fn keyword(&mut self, word: &str) -> bool {
        let trimmed = self.rest().trim_start_matches(' ');
        let Some((start, after)) = trimmed.split_at_checked(word.len()) else { return false };
        let ends = after.is_empty() || after.starts_with([' ', '(', ')', ']']);
        let found = ends && start.eq_ignore_ascii_case(word);
        if found {
            self.at = self.text.len() - after.len();
        }
        found
    }

    fn spaces(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches(' ').len();
    }

    pub(super) fn take(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), GrammarError> {
        let reason = match wanted {
            '(' => "( was expected",
            ')' => ") was expected",
            '[' => "[ was expected",
            _ => "] was expected",
        };
        if self.take(wanted) { Ok(()) } else { self.fail(reason) }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn fail<T>(&self, reason: &'static str) -> Result<T, GrammarError> {
        Err(GrammarError { at: self.at, reason })
    }
}

fn single_or(mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}

/// Whether text without quotes can be taken for a string.
fn is_word(token: &str) -> bool {
    !token.is_empty() && !token.contains(['"', '\'', '(', '[', '{', '\\', ','])
}

/// How long a JSON string is after its opening quote, its closing quote included.
fn string_length(octets: &[u8]) -> Option<usize> {
    let mut escaped = false;
    octets
        .iter()
        .position(|&octet| {
            let ends = octet == b'"' && !escaped;
            escaped = octet == b'\\' && !escaped;
            ends
        })
        .map(|position| position + 1)
}

impl Operator {
    /// As it is written.
    pub fn text(self) -> &'static str {
        OPERATORS.iter().find(|(_, operator)| *operator == self).map_or("eq", |(text, _)| text)
    }
}

impl AttributePath {
    /// A name alone.
    pub fn plain(name: &str) -> Self {
        Self { urn: None, name: name.to_owned(), sub: None }
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.urn {
            write!(formatter, "{urn}:")?;
        }
        formatter.write_str(&self.name)?;
        self.sub.iter().try_for_each(|sub| write!(formatter, ".{sub}"))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => join(formatter, parts, " and ", |part| matches!(part, Self::And(_) | Self::Or(_))),
            Self::Or(parts) => join(formatter, parts, " or ", |part| matches!(part, Self::Or(_))),
            Self::Not(inner) => write!(formatter, "not ({inner})"),
            Self::Compare(path, operator, value) => write!(formatter, "{path} {} {value}", operator.text()),
            Self::Present(path) => write!(formatter, "{path} pr"),
            Self::Element(path, inner) => write!(formatter, "{path}[{inner}]"),
        }
    }
}

fn join(formatter: &mut fmt::Formatter<'_>, parts: &[Filter], word: &str, grouped: fn(&Filter) -> bool) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        let before = if at == 0 { "" } else { word };
        match grouped(part) {
            true => write!(formatter, "{before}({part})")?,
            false => write!(formatter, "{before}{part}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_to_the_last_bit() {
        for text in ["n ge -2.1555555555555554", "n eq 5.0072007849189284e+20"] {
            let filter = Filter::parse(text).unwrap();
            assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
            assert_eq!(filter.to_string(), text);
        }
    }

    #[test]
    fn the_examples_of_rfc7644_are_read() {
        let examples = [
            r#"userName eq "bjensen""#,
            r#"name.familyName co "O'Malley""#,
            r#"userName sw "J""#,
            r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
            "title pr",
            r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
            r#"title pr and userType eq "Employee""#,
            r#"title pr or userType eq "Intern""#,
            r#"schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User""#,
            r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
            r#"userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")"#,
            r#"userType eq "Employee" and (emails.type eq "work")"#,
            r#"userType eq "Employee" and emails[type eq "work" and value co "@example.com"]"#,
            r#"emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]"#,
        ];
        for example in examples {
            let filter = Filter::parse(example).unwrap_or_else(|error| panic!("{example}: {error}"));
            assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter, "{example}");
        }
    }

    #[test]
    fn and_binds_tighter_than_or_and_not_tightest() {
        let filter = Filter::parse("a pr or b pr AND NOT(c pr) and d pr").unwrap();
        assert_eq!(filter.to_string(), "a pr or b pr and not (c pr) and d pr");
        let Filter::Or(parts) = filter else { panic!("not a disjunction") };
        assert!(matches!(parts.as_slice(), [Filter::Present(_), Filter::And(inner)] if inner.len() == 3));
    }

    #[test]
    fn what_identity_providers_send_beyond_the_grammar_is_read() {
        let entra = Filter::parse(r#"emails[type eq "work"].value eq "x""#).unwrap();
        assert_eq!(entra.to_string(), r#"emails[type eq "work" and value eq "x"]"#);
        assert!(Filter::parse(r#"members[$ref eq "https://h/Users/1"]"#).is_ok());
        assert_eq!(Filter::parse("active eq True").unwrap(), Filter::parse("active eq true").unwrap());
    }

    #[test]
    fn what_is_not_a_filter_is_refused() {
        let refused = [
            "",
            " ",
            "userName",
            "userName eq",
            "userName eq bjensen",
            "userName eq 'bjensen'",
            r#"userName eq "bjensen"#,
            r#"userName eq "a" and"#,
            r#"userName eq "a" userName eq "b""#,
            r#"(userName eq "a""#,
            r#"userName eq "a")"#,
            r#"not userName eq "a""#,
            r#"emails[type eq "work""#,
            r#"emails[ims[type eq "x"]]"#,
            r#"emails.value[type eq "x"]"#,
            r#"userName xx "a""#,
            r#"userName eq ["a"]"#,
            r#"userName eq "\ud800""#,
            r#"userName eq "\x""#,
            r#"1name eq "a""#,
            r#"name..sub eq "a""#,
            "urn: pr",
            "a eq 01",
        ];
        for text in refused {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn he5_depth_and_length_are_limited() {
        let nested = |depth: usize| format!("{}a pr{}", "(".repeat(depth), ")".repeat(depth));
        assert!(Filter::parse(&nested(MAX_DEPTH)).is_ok());
        assert!(Filter::parse(&nested(MAX_DEPTH + 1)).is_err());
        assert!(Filter::parse(&"(".repeat(4096)).is_err());
        assert!(Filter::parse(&"not(".repeat(1024)).is_err());
        assert!(Filter::parse(&format!("a eq \"{}\"", "x".repeat(MAX_OCTETS))).is_err());
    }

    fn path() -> impl Strategy<Value = AttributePath> {
        let name = "[a-z][a-zA-Z0-9_-]{0,6}".prop_filter("a keyword", |name| name != "not");
        (proptest::option::of("urn:[a-z]{1,4}:[0-9]\\.[0-9]:[A-Z][a-z]{1,5}"), name.clone(), proptest::option::of(name))
            .prop_map(|(urn, name, sub)| AttributePath { urn, name, sub })
    }

    fn comparison(path: impl Strategy<Value = AttributePath>) -> impl Strategy<Value = Filter> {
        let value = prop_oneof![
            any::<String>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null)
        ];
        let operator = proptest::sample::select(OPERATORS.map(|(_, operator)| operator).to_vec());
        (path, operator, proptest::option::of(value)).prop_map(|(path, operator, value)| match value {
            Some(value) => Filter::Compare(path, operator, value),
            None => Filter::Present(path),
        })
    }

    fn nested(leaf: impl Strategy<Value = Filter> + 'static) -> impl Strategy<Value = Filter> {
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
                proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
                inner.prop_map(|filter| Filter::Not(Box::new(filter))),
            ]
        })
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let element = ("[a-z]{1,5}x", nested(comparison(path()).boxed()))
            .prop_map(|(name, inner)| Filter::Element(AttributePath::plain(&name), Box::new(inner)));
        nested(prop_oneof![3 => comparison(path()), 1 => element].boxed())
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in any::<String>()) {
            let _ = Filter::parse(&text);
        }

        #[test]
        fn text_like_a_filter_is_answered(text in "(not|and|or|a|b\\.c|eq|pr|\"x\"|\\(|\\)|\\[|\\]| |\\\\|\"|1){0,40}") {
            if let Ok(filter) = Filter::parse(&text) {
                prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
            }
        }

        #[test]
        fn what_is_printed_is_read_again(filter in filter()) {
            let text = filter.to_string();
            if text.len() <= MAX_OCTETS {
                prop_assert_eq!(Filter::parse(&text), Ok(filter));
            }
        }
    }
}
