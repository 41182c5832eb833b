//! Subtree specifications (RFC 3672 §2.1): which entries below an administrative point a subentry is about. Written as
//! `{ base "ou=people", specificExclusions { chopBefore:"ou=x" }, minimum 1, maximum 2, specificationFilter item:2.5.6.6 }`,
//! every part optional and in this order.

use super::InvalidValue;
use super::parse::{is_descriptor, is_numeric_oid};
use crate::model::Dn;

/// How deep a refinement nests.
const DEPTH: usize = 32;
const DAMAGED: InvalidValue =
    InvalidValue("a subtree specification is { base, specificExclusions, minimum, maximum, specificationFilter } of RFC 3672");

/// The entries that a subentry is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubtreeSpecification {
    /// Where it begins, below the administrative point.
    pub base: Dn,
    /// Where it ends, below the base.
    pub exclusions: Vec<Exclusion>,
    /// RDNs below the base that an entry has at least.
    pub minimum: u32,
    /// RDNs below the base that an entry has at most.
    pub maximum: Option<u32>,
    /// By object class.
    pub filter: Option<Refinement>,
}

/// An end of a subtree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// What is below this entry is out.
    After(Dn),
    /// This entry and what is below it is out.
    Before(Dn),
}

/// Which object classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refinement {
    /// All of them.
    And(Vec<Self>),
    /// Entries of this class, by name or OID.
    Item(String),
    /// Not those.
    Not(Box<Self>),
    /// One of them.
    Or(Vec<Self>),
}

impl SubtreeSpecification {
    /// Reads one.
    pub fn parse(value: &[u8]) -> Result<Self, InvalidValue> {
        let mut reader = Reader(std::str::from_utf8(value).map_err(|_| DAMAGED)?);
        let specification = reader.specification().ok_or(DAMAGED)?;
        match reader.0.is_empty() {
            true => Ok(specification),
            false => Err(DAMAGED),
        }
    }
}

/// What is still to be read. Every method takes what it names, or answers `None`.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn specification(&mut self) -> Option<SubtreeSpecification> {
        let mut found = SubtreeSpecification::default();
        self.take("{")?;
        let mut first = true;
        for part in ["base", "specificExclusions", "minimum", "maximum", "specificationFilter"] {
            let before = self.0;
            if (!first && self.spaced(",").is_none()) || self.word(part).is_none() {
                self.0 = before;
                continue;
            }
            first = false;
            match part {
                "base" => found.base = self.name()?,
                "specificExclusions" => found.exclusions = self.list(Self::exclusion)?,
                "minimum" => found.minimum = self.number()?,
                "maximum" => found.maximum = Some(self.number()?),
                _ => found.filter = Some(self.refinement(DEPTH)?),
            }
        }
        self.spaced("}")?;
        Some(found)
    }

    fn exclusion(&mut self) -> Option<Exclusion> {
        match self.take("chopBefore:") {
            Some(()) => self.name().map(Exclusion::Before),
            None => self.take("chopAfter:").and_then(|()| self.name()).map(Exclusion::After),
        }
    }

    fn refinement(&mut self, depth: usize) -> Option<Refinement> {
        let inside = depth.checked_sub(1)?;
        if self.take("item:").is_some() {
            let end = self.0.find([',', '}', ' ']).unwrap_or(self.0.len());
            let (class, rest) = self.0.split_at(end);
            self.0 = rest;
            return (is_numeric_oid(class) || is_descriptor(class)).then(|| Refinement::Item(class.to_owned()));
        }
        if self.take("not:").is_some() {
            return Some(Refinement::Not(Box::new(self.refinement(inside)?)));
        }
        if self.take("and:").is_some() {
            return self.list(|reader| reader.refinement(inside)).map(Refinement::And);
        }
        self.take("or:")?;
        self.list(|reader| reader.refinement(inside)).map(Refinement::Or)
    }

    fn list<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.take("{")?;
        let mut found = Vec::new();
        if self.spaced("}").is_some() {
            return Some(found);
        }
        loop {
            self.spaces();
            found.push(one(self)?);
            if self.spaced(",").is_none() {
                self.spaced("}")?;
                return Some(found);
            }
        }
    }

    /// A DN in quotation marks, which are doubled inside.
    fn name(&mut self) -> Option<Dn> {
        self.take("\"")?;
        let mut text = String::new();
        loop {
            let (part, rest) = self.0.split_once('"')?;
            text.push_str(part);
            self.0 = rest;
            match rest.strip_prefix('"') {
                Some(rest) => {
                    text.push('"');
                    self.0 = rest;
                }
                None => return Dn::parse(&text).ok(),
            }
        }
    }

    /// A whole number without leading zeros.
    fn number(&mut self) -> Option<u32> {
        let end = self.0.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        (digits == "0" || !digits.starts_with('0')).then(|| digits.parse().ok()).flatten()
    }

    /// A word, after spaces or none, and before spaces.
    fn word(&mut self, word: &str) -> Option<()> {
        self.spaced(word)?;
        let rest = self.0.trim_start_matches(' ');
        (rest.len() < self.0.len()).then(|| self.0 = rest)
    }

    fn spaced(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.trim_start_matches(' ').strip_prefix(text)?;
        Some(())
    }

    fn spaces(&mut self) {
        self.0 = self.0.trim_start_matches(' ');
    }

    fn take(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<SubtreeSpecification> {
        SubtreeSpecification::parse(text.as_bytes()).ok()
    }

    #[test]
    fn a_specification_has_its_parts_in_order() {
        assert_eq!(parse("{}"), Some(SubtreeSpecification::default()));
        assert_eq!(parse("{ }"), Some(SubtreeSpecification::default()));
        let all = parse(
            r#"{ base "ou=a \""b\""", specificExclusions { chopBefore:"ou=c", chopAfter:"ou=d" }, minimum 1, maximum 20,
 specificationFilter and:{ item:2.5.6.6, not:or:{ item:person, item:device } } }"#
                .replace('\n', "")
                .as_str(),
        );
        let all = all.unwrap();
        assert_eq!(all.exclusions.len(), 2);
        assert_eq!((all.minimum, all.maximum), (1, Some(20)));
        assert!(matches!(all.filter, Some(Refinement::And(parts)) if parts.len() == 2));
        assert!(parse("{ maximum 3 }").is_some());
        assert!(parse(r#"{base "", minimum 0}"#).is_some());
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "{",
            "}",
            "{ base }",
            "{ base ou=a }",
            r#"{ base "ou" }"#,
            "{ minimum -1 }",
            "{ minimum 01 }",
            "{ minimum 99999999999 }",
            "{ maximum 1, minimum 1 }",
            "{ minimum 1 maximum 2 }",
            "{ minimum 1, }",
            "{ , minimum 1 }",
            "{ item:person }",
            "{ specificationFilter item: }",
            "{ specificationFilter item:1..2 }",
            "{ specificationFilter xor:{ item:a } }",
            r#"{ specificExclusions { "ou=a" } }"#,
            "{} x",
            "{ minimum 1, minimum 2 }",
            r#"{ base "ou=a }"#,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        let deep = |depth: usize| format!("{{ specificationFilter {}item:a }}", "not:".repeat(depth));
        assert!(parse(&deep(DEPTH - 1)).is_some());
        assert!(parse(&deep(DEPTH)).is_none());
        assert!(parse(&deep(100_000)).is_none(), "HA1");
    }
}
