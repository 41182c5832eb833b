//! Paths of PATCH operations and of projections (RFC 7644 §3.5.2, figure 7): `attribute`, `attribute.sub`,
//! `attribute[filter]`, `attribute[filter].sub`, each with a URN before it, or the URN of a whole extension.

use super::filter::{AttributePath, Filter, GrammarError, Parser, Words};
use std::fmt;

/// A path as a client sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The attribute, and the sub-attribute.
    pub attribute: AttributePath,
    /// Which elements of a multi-valued attribute.
    pub filter: Option<Filter>,
}

impl Path {
    /// Reads a path.
    ///
    /// ```
    /// use headcount::scim::path::Path;
    /// let path = Path::parse("addresses[type eq \"work\"].streetAddress").unwrap();
    /// assert_eq!(path.attribute.sub.as_deref(), Some("streetAddress"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, GrammarError> {
        Self::read(text, Words::Refused)
    }

    /// As [`parse`](Self::parse), where the profile says what bare words are.
    pub fn read(text: &str, words: Words) -> Result<Self, GrammarError> {
        let mut parser = Parser::new(text, words)?;
        let mut attribute = parser.attribute_path()?;
        let mut filter = None;
        if attribute.sub.is_none() && parser.rest().starts_with('[') {
            filter = Some(parser.brackets(0)?);
            if parser.take('.') {
                attribute.sub = Some(parser.name()?);
            }
        }
        match parser.rest().is_empty() {
            true => Ok(Self { attribute, filter }),
            false => parser.fail("the end of the path was expected"),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(filter) = &self.filter else { return self.attribute.fmt(formatter) };
        let attribute = AttributePath { sub: None, ..self.attribute.clone() };
        write!(formatter, "{attribute}[{filter}]")?;
        self.attribute.sub.iter().try_for_each(|sub| write!(formatter, ".{sub}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_rfc7644_are_read() {
        let examples = [
            "members",
            "name.familyName",
            r#"addresses[type eq "work"]"#,
            r#"members[value eq "2819c223-7f76-453a-919d-413861904646"]"#,
            r#"members[value eq "2819c223-7f76-453a-919d-413861904646"].displayName"#,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
            r#"urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq "work"].value"#,
        ];
        for example in examples {
            assert_eq!(Path::parse(example).unwrap().to_string(), example);
        }
    }

    #[test]
    fn he4_what_is_not_a_path_is_refused() {
        let refused = [
            "",
            " ",
            "members ",
            " members",
            "a.b.c",
            "a[",
            "a[b]",
            "a[b pr",
            "a[b pr]c",
            "a[b pr].",
            "a[b pr].c.d",
            "a.b[c pr]",
            "__proto__",
            "a/b",
            "a[0]",
            "a[b pr][c pr]",
            "urn:",
            "name.",
        ];
        for text in refused {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in any::<String>()) {
            let _ = Path::parse(&text);
        }

        #[test]
        fn what_is_printed_is_read_again(text in "(urn:x:|a|\\.|b|\\[|\\]|type|value| eq | pr|\"x\"| and ){0,12}") {
            if let Ok(path) = Path::parse(&text) {
                prop_assert_eq!(Path::parse(&path.to_string()), Ok(path));
            }
        }
    }
}
