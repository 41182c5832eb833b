//! Subtree specifications (RFC 3672 §2.1): which entries below an administrative point a subentry is about. Written as
//! `{ base "ou=people", specificExclusions { chopBefore:"ou=x" }, minimum 1, maximum 2, specificationFilter item:2.5.6.6 }`,
//! every part optional and in this order.

use super::InvalidValue;
use super::parse::{is_descriptor, is_numeric_oid};
use crate::model::Dn;

/// How deep a refinement nests.
const DEPTH: usize = 32;
/// Parts of a refinement: all of them may be asked of each entry (HA5).
const REFINEMENTS: usize = 256;
/// The same for exclusions.
const EXCLUSIONS: usize = 256;
/// RDNs of the name of a base or an exclusion.
const NAMES: usize = 64;
const DAMAGED: InvalidValue = InvalidValue(
    "a subtree specification is { base, specificExclusions, minimum, maximum, specificationFilter } of RFC 3672, each of at most 256 parts",
);

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
        let mut reader = Reader { rest: std::str::from_utf8(value).map_err(|_| DAMAGED)?, refinements: REFINEMENTS };
        let specification = reader.specification().ok_or(DAMAGED)?;
        match reader.rest.is_empty() {
            true => Ok(specification),
            false => Err(DAMAGED),
        }
    }
}

/// What is still to be read. Every method takes what it names, or answers `None`.
struct Reader<'a> {
    rest: &'a str,
    /// Parts of the refinement that there may be yet.
    refinements: usize,
}

impl<'a> Reader<'a> {
    fn specification(&mut self) -> Option<SubtreeSpecification> {
        let mut found = SubtreeSpecification::default();
        self.take("{")?;
        let mut first = true;
        for part in ["base", "specificExclusions", "minimum", "maximum", "specificationFilter"] {
            let before = self.rest;
            if (!first && self.spaced(",").is_none()) || self.word(part).is_none() {
                self.rest = before;
                continue;
            }
            first = false;
            match part {
                "base" => found.base = self.name()?,
                "specificExclusions" => found.exclusions = self.list(EXCLUSIONS, Self::exclusion)?,
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
        self.refinements = self.refinements.checked_sub(1)?;
        if self.take("item:").is_some() {
            let end = self.rest.find([',', '}', ' ']).unwrap_or(self.rest.len());
            let (class, rest) = self.rest.split_at(end);
            self.rest = rest;
            return (is_numeric_oid(class) || is_descriptor(class)).then(|| Refinement::Item(class.to_owned()));
        }
        if self.take("not:").is_some() {
            return Some(Refinement::Not(Box::new(self.refinement(inside)?)));
        }
        if self.take("and:").is_some() {
            return self.list(REFINEMENTS, |reader| reader.refinement(inside)).map(Refinement::And);
        }
        self.take("or:")?;
        self.list(REFINEMENTS, |reader| reader.refinement(inside)).map(Refinement::Or)
    }

    /// A list of no more than `most`.
    fn list<T>(&mut self, most: usize, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.take("{")?;
        let mut found = Vec::new();
        if self.spaced("}").is_some() {
            return Some(found);
        }
        loop {
            self.spaces();
            found.push(one(self).filter(|_| found.len() < most)?);
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
            let (part, rest) = self.rest.split_once('"')?;
            text.push_str(part);
            self.rest = rest;
            match rest.strip_prefix('"') {
                Some(rest) => {
                    text.push('"');
                    self.rest = rest;
                }
                None => return Dn::parse(&text).ok().filter(|name| name.0.len() <= NAMES),
            }
        }
    }

    /// A whole number without leading zeros.
    fn number(&mut self) -> Option<u32> {
        let end = self.rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        (digits == "0" || !digits.starts_with('0')).then(|| digits.parse().ok()).flatten()
    }

    /// A word, after spaces or none, and before spaces.
    fn word(&mut self, word: &str) -> Option<()> {
        self.spaced(word)?;
        let rest = self.rest.trim_start_matches(' ');
        (rest.len() < self.rest.len()).then(|| self.rest = rest)
    }

    fn spaced(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.trim_start_matches(' ').strip_prefix(text)?;
        Some(())
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn take(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
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
        let list = |count: usize, part: &str| vec![part; count].join(", ");
        let excluding = |count: usize| format!("{{ specificExclusions {{ {} }} }}", list(count, r#"chopBefore:"ou=a""#));
        assert!(parse(&excluding(EXCLUSIONS)).is_some());
        assert!(parse(&excluding(EXCLUSIONS + 1)).is_none(), "HA5");
        // The last of two lists is too much, in whatever they stand.
        let refining = |count: usize| format!("{{ specificationFilter and:{{ item:a, or:{{ {} }} }} }}", list(count, "not:item:a"));
        assert!(parse(&refining((REFINEMENTS - 3) / 2)).is_some());
        assert!(parse(&refining((REFINEMENTS - 3) / 2 + 1)).is_none(), "HA5");
        let based = |depth: usize| format!(r#"{{ base "{}" }}"#, vec!["ou=a"; depth].join(","));
        assert!(parse(&based(NAMES)).is_some());
        assert!(parse(&based(NAMES + 1)).is_none(), "HA5");
        let deep = |depth: usize| format!("{{ specificationFilter {}item:a }}", "not:".repeat(depth));
        assert!(parse(&deep(DEPTH - 1)).is_some());
        assert!(parse(&deep(DEPTH)).is_none());
        assert!(parse(&deep(100_000)).is_none(), "HA1");
    }
}
