//! Definitions that the operator adds at run time, beside those of the schema files. They are kept as one record outside
//! the tree. A type that was taken out again stays in it as a name: what was written while it was defined can still be read.

use super::load::{self, Unloadable};
use super::parse::{self, Definition};
use super::{AttributeType, Schema, SchemaError, Source};
use crate::base::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The key of the record. Records of entries are read after it.
pub const RECORD: &str = "schema";
/// Where these definitions come from, in the place of a file.
pub(super) const PLACE: &str = "cn=Subschema";
/// The form of the record; its first octet.
const FORMAT: u8 = 1;
/// The most definitions made at run time, those included that were taken out and keep the number of a type.
const MOST_DEFINITIONS: usize = 4_096;
/// The most octets of one definition, and of all of them.
const MOST_OCTETS: usize = 16 << 10;
const MOST_OCTETS_OF_ALL: usize = 1 << 20;
/// What only a schema file can say, because code rests on it.
const RESERVED: [&str; 7] = ["X-DERIVED", "X-KIND", "X-LEVEL", "X-LINK", "X-LINK-FORM", "X-MAY-LACK", "X-SECRET"];

/// What can be defined at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DefinitionKind {
    /// A value of attributeTypes.
    AttributeType,
    /// A value of objectClasses.
    ObjectClass,
    /// A value of dITContentRules.
    ContentRule,
    /// A value of nameForms.
    NameForm,
    /// A value of dITStructureRules.
    StructureRule,
}

impl DefinitionKind {
    const ALL: [Self; 5] = [Self::AttributeType, Self::ObjectClass, Self::ContentRule, Self::NameForm, Self::StructureRule];

    /// The attribute of the subschema entry that has such definitions as its values.
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::AttributeType => "attributeTypes",
            Self::ObjectClass => "objectClasses",
            Self::ContentRule => "dITContentRules",
            Self::NameForm => "nameForms",
            Self::StructureRule => "dITStructureRules",
        }
    }
}

/// A definition made at run time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Addition {
    pub(super) kind: DefinitionKind,
    /// Its OID; of a structure rule the number.
    pub(super) oid: String,
    pub(super) text: String,
    /// It was taken out; only its names are good for what was written before.
    pub(super) retired: bool,
    /// It does not fit what the schema files say now. It stays in the record, and is tried again at the next start.
    #[serde(skip)]
    pub(super) left_out: bool,
}

impl Addition {
    pub(super) const fn is_in_force(&self) -> bool {
        !self.retired && !self.left_out
    }

    /// Its names, as far as it can be read.
    pub(super) fn names(&self) -> Vec<String> {
        read(self.kind, self.text.as_bytes()).map(|definition| definition.names().to_vec()).unwrap_or_default()
    }
}

/// Everything that was defined at run time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Additions {
    /// Grows with every change.
    pub serial: u64,
    /// When the last change was.
    pub changed: Timestamp,
    pub(super) definitions: Vec<Addition>,
}

impl Additions {
    /// As the record holds them.
    pub fn to_octets(&self) -> Vec<u8> {
        // A Vec takes everything and the types are plain, so nothing is lost here.
        postcard::to_extend(self, vec![FORMAT]).unwrap_or_default()
    }

    /// Reads the record; `None` where it is none of this version.
    pub fn read(octets: &[u8]) -> Option<Self> {
        octets.strip_prefix(&[FORMAT]).and_then(|rest| postcard::from_bytes(rest).ok())
    }

    /// The definitions in force: the attribute of the subschema entry, and the value.
    pub fn in_force(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.definitions.iter().filter(|held| held.is_in_force()).map(|held| (held.kind.attribute(), held.text.as_str()))
    }

    /// What does not fit the schema files.
    pub(super) fn left_out(&self) -> impl Iterator<Item = &Addition> {
        self.definitions.iter().filter(|held| held.left_out && !held.retired)
    }

    pub(super) fn leaves_out(&self, kind: DefinitionKind, oid: &str) -> bool {
        self.left_out().any(|held| held.kind == kind && held.oid == oid)
    }

    fn find(&mut self, kind: DefinitionKind, oid: &str) -> Option<&mut Addition> {
        self.definitions.iter_mut().find(|held| held.kind == kind && held.oid == oid)
    }
}

/// One value that is added to the subschema, or taken out of it.
#[derive(Clone, Copy, Debug)]
pub struct SchemaStep<'a> {
    /// Of which attribute.
    pub kind: DefinitionKind,
    /// Whether it is taken out.
    pub removes: bool,
    /// The definition. To take one out its OID is enough: values are equal by that (RFC 4517 §4.2.27).
    pub value: &'a [u8],
}

/// Why the schema is not changed. The text is for the client; the variant decides the result code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// Not a definition: invalidAttributeSyntax (21).
    #[error("{0}")]
    Syntax(String),
    /// That OID is defined already: attributeOrValueExists (20).
    #[error("{0}")]
    Exists(String),
    /// No such definition: noSuchAttribute (16).
    #[error("{0}")]
    Absent(String),
    /// It names what is not there, or a name that is taken: constraintViolation (19).
    #[error("{0}")]
    Unfit(String),
    /// It is not for run time, or something needs it as it is: unwillingToPerform (53).
    #[error("{0}")]
    Refused(String),
}

impl Schema {
    /// What was defined at run time.
    pub fn additions(&self) -> &Additions {
        &self.additions
    }

    /// The schema with these steps done in order, all or none; the same version where they change nothing. Whether entries
    /// can stand under it is another question ([`Schema::difference`]).
    pub fn changed(&self, steps: &[SchemaStep<'_>], permissive: bool, now: Timestamp) -> Result<Self, ChangeRefused> {
        let mut additions = self.additions.clone();
        let mut touched = Vec::new();
        for step in steps {
            let oid = match step.removes {
                true => self.take_out(&mut additions, step, permissive)?,
                false => self.put_in(&mut additions, step, permissive)?,
            };
            touched.push((step.kind, oid));
        }
        if additions == self.additions {
            return Ok(self.clone());
        }
        refuse_too_much(&self.additions, &additions)?;
        additions.serial += 1;
        additions.changed = now;
        let definitions = additions.definitions.clone();
        let next = load::load(&self.sources, additions).map_err(|Unloadable { first: error, .. }| {
            let guilty = definitions.get(error.line.saturating_sub(1)).filter(|_| error.file == PLACE);
            match guilty.is_some_and(|guilty| touched.iter().any(|(kind, oid)| guilty.kind == *kind && guilty.oid == *oid)) {
                true => ChangeRefused::Unfit(error.message),
                false => ChangeRefused::Refused(format!("something else rests on it: {}", error.message)),
            }
        })?;
        for (_, oid) in touched.iter().filter(|(kind, _)| *kind == DefinitionKind::AttributeType) {
            next.refuse_special_superior(oid)?;
        }
        Ok(next)
    }

    /// Subtypes of what code treats in its own way would not be treated so.
    fn refuse_special_superior(&self, oid: &str) -> Result<(), ChangeRefused> {
        let Some(attribute) = self.attribute(oid).map(|id| self.attribute_type(id)) else { return Ok(()) };
        let what = |above: &AttributeType| match above {
            above if above.secret => Some("a secret"),
            above if above.derived || above.link.is_some() => Some("made by the server or a link"),
            above if self.known().is_special(above.id) => Some("read by the server"),
            _ => None,
        };
        let above = std::iter::successors(attribute.superior, |id| self.attribute_type(*id).superior).map(|id| self.attribute_type(id));
        match above.into_iter().find_map(|above| Some((above.name(), what(above)?))) {
            Some((above, what)) => {
                Err(ChangeRefused::Refused(format!("{}: {above} is {what}, and has no subtypes at run time", attribute.name())))
            }
            None => Ok(()),
        }
    }

    fn take_out(&self, additions: &mut Additions, step: &SchemaStep<'_>, permissive: bool) -> Result<String, ChangeRefused> {
        let SchemaStep { kind, value, .. } = *step;
        let oid = oid_of(kind, value)?;
        match additions.find(kind, &oid) {
            Some(held) if !held.retired && self.origin(kind, &oid).is_none() => held.retired = true,
            Some(_) | None => match self.origin(kind, &oid) {
                Some(file) => return Err(from_file(kind, &oid, file)),
                None if permissive => {}
                None => return Err(ChangeRefused::Absent(format!("{}: there is no definition {oid}", kind.attribute()))),
            },
        }
        // Only types are read by name from what was written before.
        additions.definitions.retain(|held| held.kind == DefinitionKind::AttributeType || !held.retired);
        Ok(oid)
    }

    fn put_in(&self, additions: &mut Additions, step: &SchemaStep<'_>, permissive: bool) -> Result<String, ChangeRefused> {
        let SchemaStep { kind, value, .. } = *step;
        let definition = read(kind, value)?;
        if let Some(reserved) = RESERVED.iter().find(|name| definition.has_extension(name)) {
            let text = format!("{}: {reserved} is for schema files, which the server reads at its start", kind.attribute());
            return Err(ChangeRefused::Refused(text));
        }
        let (oid, text) = (definition.oid(), definition.to_string());
        if text.len() > MOST_OCTETS {
            return Err(ChangeRefused::Refused(format!("{}: {oid} is longer than {MOST_OCTETS} octets", kind.attribute())));
        }
        self.refuse_as_left_out(kind, &definition)?;
        let from_file = self.origin(kind, &oid).is_some();
        match additions.find(kind, &oid) {
            Some(held) if held.retired && !from_file => (held.text, held.retired) = (text, false),
            None if !from_file => {
                additions.definitions.push(Addition { kind, oid: oid.clone(), text, retired: false, left_out: false });
            }
            Some(_) | None if permissive => {}
            Some(_) | None => return Err(ChangeRefused::Exists(format!("{}: {oid} is defined already", kind.attribute()))),
        }
        Ok(oid)
    }

    /// What is left out until the next start keeps its OID and its names: entries may hold values of it.
    fn refuse_as_left_out(&self, kind: DefinitionKind, definition: &Definition) -> Result<(), ChangeRefused> {
        let oid = definition.oid();
        let is_taken = |name: &String| definition.names().iter().any(|new| new.eq_ignore_ascii_case(name));
        let same = |held: &&Addition| held.kind == kind && (held.oid == oid || held.names().iter().any(is_taken));
        match self.additions.left_out().filter(|held| self.origin(kind, &held.oid).is_none()).find(same) {
            Some(held) => Err(ChangeRefused::Refused(format!(
                "{}: {} was defined before, and is left out as long as the schema files do not go with it; see the log of the start",
                kind.attribute(),
                held.text
            ))),
            None => Ok(()),
        }
    }

    /// The schema with the additions of a record. What does not fit any more, because a schema file now says otherwise, is
    /// left out until the next start, and said in the log. `None` where the record is no newer than the schema.
    pub fn with_record(&self, octets: &[u8]) -> Result<Option<Self>, String> {
        let mut additions = Additions::read(octets).ok_or("the record of schema changes cannot be read")?;
        if additions.serial <= self.additions.serial {
            return Ok(None);
        }
        for held in additions.definitions.iter_mut().filter(|held| !held.retired) {
            held.left_out = self.additions.leaves_out(held.kind, &held.oid);
        }
        loop {
            let Unloadable { first, others } = match load::load(&self.sources, additions.clone()) {
                Ok(schema) => return Ok(Some(schema)),
                Err(wrong) => wrong,
            };
            let message = first.to_string();
            let mut found = false;
            for error in std::iter::once(first).chain(others).filter(|error| error.file == PLACE) {
                let guilty = additions.definitions.get_mut(error.line.saturating_sub(1)).filter(|held| held.is_in_force());
                let Some(guilty) = guilty else { continue };
                tracing::warn!(definition = %guilty.text, why = %error.message, "a definition made at run time is left out");
                guilty.left_out = true;
                found = true;
            }
            if !found {
                return Err(message);
            }
        }
    }

    /// The schema file that has a definition.
    fn origin(&self, kind: DefinitionKind, oid: &str) -> Option<&str> {
        self.origins.iter().find(|origin| origin.kind == kind && origin.oid == oid).map(|origin| &*origin.file)
    }
}

/// Each version of the schema holds all of it. What became no more is not refused.
fn refuse_too_much(before: &Additions, after: &Additions) -> Result<(), ChangeRefused> {
    let count = |additions: &Additions| additions.definitions.len();
    let octets = |additions: &Additions| additions.definitions.iter().map(|held| held.text.len()).sum::<usize>();
    let exceeds = |most: usize, of: &dyn Fn(&Additions) -> usize| of(after) > most && of(after) > of(before);
    let what = match (exceeds(MOST_DEFINITIONS, &count), exceeds(MOST_OCTETS_OF_ALL, &octets)) {
        (true, _) => format!("{MOST_DEFINITIONS} definitions"),
        (false, true) => format!("{MOST_OCTETS_OF_ALL} octets of definitions"),
        (false, false) => return Ok(()),
    };
    Err(ChangeRefused::Refused(format!("there can be {what} made at run time, with types that are gone; a schema file has room for more")))
}

/// Which file has a definition.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) kind: DefinitionKind,
    pub(super) oid: String,
    pub(super) file: Arc<str>,
}

fn from_file(kind: DefinitionKind, oid: &str, file: &str) -> ChangeRefused {
    ChangeRefused::Refused(format!("{}: {oid} is defined in {file}, and can only be changed there", kind.attribute()))
}

/// Reads one value of the subschema entry.
fn read(kind: DefinitionKind, value: &[u8]) -> Result<Definition, ChangeRefused> {
    let wrong = |what: String| ChangeRefused::Syntax(format!("{}: {what}", kind.attribute()));
    let text = std::str::from_utf8(value).map_err(|_| wrong("a definition is text in UTF-8".to_owned()))?;
    parse::one(kind, &Source { name: PLACE.to_owned(), text: text.to_owned() }).map_err(|SchemaError { line, column, message, .. }| {
        let line = if line > 1 { format!("line {line}, ") } else { String::new() };
        wrong(format!("{line}character {column}: {message}"))
    })
}

/// The OID of a definition to be taken out; the number of a structure rule.
fn oid_of(kind: DefinitionKind, value: &[u8]) -> Result<String, ChangeRefused> {
    let first = super::matching::first_component(value).ok().and_then(|first| std::str::from_utf8(first).ok());
    let is_oid = |first: &&str| match kind {
        DefinitionKind::StructureRule => parse::number_of(first).is_some(),
        DefinitionKind::AttributeType | DefinitionKind::ObjectClass | DefinitionKind::ContentRule | DefinitionKind::NameForm => {
            parse::is_numeric_oid(first)
        }
    };
    match first.filter(is_oid) {
        Some(oid) => Ok(oid.to_owned()),
        None => read(kind, value).map(|definition| definition.oid()),
    }
}

/// The kind of definitions that an attribute of the subschema entry holds, where they can be changed.
pub fn definition_kind(schema: &Schema, attribute: &str) -> Option<DefinitionKind> {
    let asked = schema.attribute(attribute)?;
    DefinitionKind::ALL.into_iter().find(|kind| schema.attribute(kind.attribute()) == Some(asked))
}
