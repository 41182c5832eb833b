//! Definitions as written (RFC 4512 §4.1), before names are looked up, and their published text.

use super::{ClassKind, Usage};
use std::fmt::{self, Write};

/// Where a definition begins, for messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// From 1.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
}

/// An extension: its name `X-…` and its values.
pub(super) type Extension = (String, Vec<String>);

/// An AttributeTypeDescription (RFC 4512 §4.1.2).
#[derive(Clone, Debug, Default)]
pub(super) struct AttributeDefinition {
    pub(super) at: Position,
    pub(super) oid: String,
    pub(super) names: Vec<String>,
    pub(super) description: Option<String>,
    pub(super) obsolete: bool,
    pub(super) superior: Option<String>,
    pub(super) equality: Option<String>,
    pub(super) ordering: Option<String>,
    pub(super) substring: Option<String>,
    pub(super) syntax: Option<String>,
    /// The least upper bound that RFC 4517 §4.1 lets be noted beside the syntax; it limits nothing.
    pub(super) bound: Option<u32>,
    pub(super) single_value: bool,
    pub(super) collective: bool,
    pub(super) no_user_modification: bool,
    pub(super) usage: UsageWord,
    pub(super) extensions: Vec<Extension>,
}

/// The four words of USAGE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum UsageWord {
    DirectoryOperation,
    DistributedOperation,
    DsaOperation,
    #[default]
    UserApplications,
}

impl UsageWord {
    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::DirectoryOperation, Self::DistributedOperation, Self::DsaOperation, Self::UserApplications]
            .into_iter()
            .find(|usage| usage.as_str().eq_ignore_ascii_case(word))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::DirectoryOperation => "directoryOperation",
            Self::DistributedOperation => "distributedOperation",
            Self::DsaOperation => "dSAOperation",
            Self::UserApplications => "userApplications",
        }
    }

    pub(super) const fn usage(self) -> Usage {
        match self {
            Self::UserApplications => Usage::User,
            Self::DirectoryOperation | Self::DistributedOperation | Self::DsaOperation => Usage::Operational,
        }
    }
}

/// An ObjectClassDescription (RFC 4512 §4.1.1).
#[derive(Clone, Debug)]
pub(super) struct ClassDefinition {
    pub(super) at: Position,
    pub(super) oid: String,
    pub(super) names: Vec<String>,
    pub(super) description: Option<String>,
    pub(super) obsolete: bool,
    pub(super) superiors: Vec<String>,
    pub(super) kind: ClassKind,
    pub(super) must: Vec<String>,
    pub(super) may: Vec<String>,
    pub(super) extensions: Vec<Extension>,
}

impl Default for ClassDefinition {
    fn default() -> Self {
        Self {
            at: Position::default(),
            oid: String::new(),
            names: Vec::new(),
            description: None,
            obsolete: false,
            superiors: Vec::new(),
            kind: ClassKind::Structural,
            must: Vec::new(),
            may: Vec::new(),
            extensions: Vec::new(),
        }
    }
}

/// A DITContentRuleDescription (RFC 4512 §4.1.6).
#[derive(Clone, Debug, Default)]
pub(super) struct ContentRuleDefinition {
    pub(super) at: Position,
    /// That of the structural class.
    pub(super) oid: String,
    pub(super) names: Vec<String>,
    pub(super) description: Option<String>,
    pub(super) obsolete: bool,
    pub(super) auxiliary: Vec<String>,
    pub(super) must: Vec<String>,
    pub(super) may: Vec<String>,
    pub(super) not: Vec<String>,
    pub(super) extensions: Vec<Extension>,
}

/// The values of an extension, where it is there.
pub(super) fn extension<'a>(extensions: &'a [Extension], name: &str) -> Option<&'a [String]> {
    extensions.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, values)| values.as_slice())
}

impl fmt::Display for AttributeDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "( {}", self.oid)?;
        put_head(f, &self.names, self.description.as_deref(), self.obsolete)?;
        let parts = [
            ("SUP", &self.superior),
            ("EQUALITY", &self.equality),
            ("ORDERING", &self.ordering),
            ("SUBSTR", &self.substring),
            ("SYNTAX", &self.syntax),
        ];
        for (word, value) in parts {
            if let Some(value) = value {
                write!(f, " {word} {value}")?;
            }
        }
        if let Some(bound) = self.bound {
            write!(f, "{{{bound}}}")?;
        }
        let flags =
            [("SINGLE-VALUE", self.single_value), ("COLLECTIVE", self.collective), ("NO-USER-MODIFICATION", self.no_user_modification)];
        for (word, _) in flags.into_iter().filter(|(_, set)| *set) {
            write!(f, " {word}")?;
        }
        if self.usage != UsageWord::UserApplications {
            write!(f, " USAGE {}", self.usage.as_str())?;
        }
        put_extensions(f, &self.extensions)?;
        f.write_str(" )")
    }
}

impl fmt::Display for ClassDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "( {}", self.oid)?;
        put_head(f, &self.names, self.description.as_deref(), self.obsolete)?;
        put_oids(f, "SUP", &self.superiors)?;
        f.write_str(match self.kind {
            ClassKind::Abstract => " ABSTRACT",
            ClassKind::Auxiliary => " AUXILIARY",
            ClassKind::Structural => " STRUCTURAL",
        })?;
        put_oids(f, "MUST", &self.must)?;
        put_oids(f, "MAY", &self.may)?;
        put_extensions(f, &self.extensions)?;
        f.write_str(" )")
    }
}

pub(super) fn put_head(f: &mut fmt::Formatter<'_>, names: &[String], description: Option<&str>, obsolete: bool) -> fmt::Result {
    if !names.is_empty() {
        f.write_str(" NAME ")?;
        put_strings(f, names)?;
    }
    if let Some(description) = description {
        f.write_str(" DESC ")?;
        put_string(f, description)?;
    }
    if obsolete {
        f.write_str(" OBSOLETE")?;
    }
    Ok(())
}

pub(super) fn put_oids(f: &mut fmt::Formatter<'_>, word: &str, oids: &[String]) -> fmt::Result {
    match oids {
        [] => Ok(()),
        [one] => write!(f, " {word} {one}"),
        many => write!(f, " {word} ( {} )", many.join(" $ ")),
    }
}

pub(super) fn put_extensions(f: &mut fmt::Formatter<'_>, extensions: &[Extension]) -> fmt::Result {
    for (name, values) in extensions {
        write!(f, " {name} ")?;
        put_strings(f, values)?;
    }
    Ok(())
}

fn put_strings(f: &mut fmt::Formatter<'_>, strings: &[String]) -> fmt::Result {
    if let [one] = strings {
        return put_string(f, one);
    }
    f.write_char('(')?;
    for string in strings {
        f.write_char(' ')?;
        put_string(f, string)?;
    }
    f.write_str(" )")
}

/// A qdstring (RFC 4512 §4.1): quote and backslash are escaped.
fn put_string(f: &mut fmt::Formatter<'_>, string: &str) -> fmt::Result {
    f.write_char('\'')?;
    for c in string.chars() {
        match c {
            '\'' => f.write_str("\\27")?,
            '\\' => f.write_str("\\5C")?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('\'')
}
