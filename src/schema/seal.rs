//! Sealing: is this draft an entry the schema allows (RFC 4512 §2.4, §2.5)?

use super::{ClassId, ClassKind, ContentRule, InvalidValue, Schema, Usage};
use crate::model::entry::Place;
use crate::model::{AttributeId, Description, Dn, Draft, DraftAttribute, Entry, EntryBuilder, Kind, Rdn};

/// What is let through for the operator and for imports.
#[derive(Clone, Copy, Debug, Default)]
pub struct SealOptions {
    /// Values of attributes that only the server writes are taken as given. What is in the LDIF of other servers is let
    /// through: values of derived attributes are passed over, and groups may be empty (a required attribute that
    /// holds links may be absent).
    pub relax: bool,
}

/// Why the schema refuses an entry. The text names the attribute and the rule; the variant decides the result code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A value does not fit its syntax: invalidAttributeSyntax (21).
    #[error("{0}")]
    InvalidSyntax(String),
    /// The RDN does not agree with the attributes: namingViolation (64).
    #[error("{0}")]
    Naming(String),
    /// Classes or attributes that do not go together: objectClassViolation (65).
    #[error("{0}")]
    ObjectClass(String),
    /// More than one value where one is allowed, or a value twice: constraintViolation (19) or attributeOrValueExists (20).
    #[error("{0}")]
    SingleValue(String),
    /// The same value twice: attributeOrValueExists (20).
    #[error("{0}")]
    DuplicateValue(String),
    /// An attribute type that is not defined: undefinedAttributeType (17).
    #[error("{0}")]
    UndefinedType(String),
}

impl Schema {
    /// Checks the draft by the schema and seals it. `links` answers how many edges the entry has in a link attribute,
    /// because their values are not in the draft; it is asked for attributes that keep edges (`LinkView::edge`) only.
    pub fn seal(
        &self,
        draft: &Draft,
        place: Place,
        links: &dyn Fn(AttributeId) -> usize,
        options: SealOptions,
    ) -> Result<Entry, Violation> {
        self.reseal(None, draft, place, links, options)
    }

    /// The same for an entry that is there: values that stay as they are in `before` are not read again.
    pub fn reseal(
        &self,
        before: Option<&Entry>,
        draft: &Draft,
        place: Place,
        links: &dyn Fn(AttributeId) -> usize,
        options: SealOptions,
    ) -> Result<Entry, Violation> {
        let listed = self.listed_classes(draft)?;
        let structural = self.structural_class(&listed)?;
        self.check_values(before, draft, links, options)?;
        self.check_collective(draft, &listed)?;
        let rule = self.content_rule(structural);
        self.check_allowed(draft, &listed, rule, links)?;
        if let Some(rule) = rule {
            self.check_content(rule, draft, &listed, links)?;
        }
        self.check_required(draft, &listed, links, options)?;
        self.check_naming(draft, &place)?;
        Ok(self.build(draft, place, structural, self.kind_of(&listed)))
    }

    /// The draft of an entry, to be changed and sealed again. Edges are not in it.
    pub fn unseal(&self, entry: &Entry) -> Draft {
        let attributes = entry.attributes().map(|held| {
            let options = held.description().split_once(';').map_or_else(String::new, |(_, options)| options.to_owned());
            let description = Description { attribute: held.attribute, options };
            DraftAttribute { description, values: held.values().map(<[u8]>::to_vec).collect() }
        });
        Draft { attributes: attributes.collect() }
    }

    /// Seals what a record of the store holds, without checking it again. `None` where it is damaged.
    pub fn restore(&self, octets: &[u8], place: Place) -> Option<Entry> {
        let mut bare = false;
        let builder = EntryBuilder::from_octets(octets, |description| {
            let (name, options) = description.split_once(';').unwrap_or((description, ""));
            let attribute = self.written_attribute(name)?;
            bare |= self.syntax_of(attribute).is_binary_transfer() && options.split(';').all(|option| option != "binary");
            Some(attribute)
        })?;
        let mut entry = builder.build(place, Kind::Generic);
        if bare {
            entry = self.under_binary(entry);
        }
        let classes = entry.values(self.known.object_class).filter_map(|value| self.class(std::str::from_utf8(value).ok()?));
        let classes: Vec<ClassId> = classes.collect();
        entry.kind = self.kind_of(&classes);
        Some(entry)
    }

    /// The entry with the values under `binary` that a release before kept without it: one attribute, each value once.
    fn under_binary(&self, entry: Entry) -> Entry {
        let form = |attribute: AttributeId, value: &[u8]| {
            let mut key = Vec::new();
            self.normalize(attribute, value, &mut key).map_or_else(|_| value.to_vec(), |()| key)
        };
        let (mut builder, mut moved) = (EntryBuilder::default(), Draft::default());
        for held in entry.attributes() {
            let attribute = held.attribute;
            let binary = self.syntax_of(attribute).is_binary_transfer();
            let Some(description) = self.description(held.description()).filter(|_| binary) else {
                builder.push(attribute, held.description(), &held.values().collect::<Vec<_>>());
                continue;
            };
            for value in held.values() {
                let is_it = |other: &Vec<u8>| form(attribute, other) == form(attribute, value);
                if !moved.get(&description).is_some_and(|values| values.iter().any(is_it)) {
                    moved.append(description.clone(), vec![value.to_vec()]);
                }
            }
        }
        for held in &moved.attributes {
            builder.push(held.description.attribute, &self.describe(&held.description), &held.values);
        }
        let Entry { id, parent, rdn, rdn_key, revision, kind, .. } = entry;
        builder.build(Place { id, parent, rdn, rdn_key, revision }, kind)
    }

    /// What the classes make of an entry; the first in this order where several speak.
    fn kind_of(&self, listed: &[ClassId]) -> Kind {
        const PRECEDENCE: [Kind; 9] = [
            Kind::Session,
            Kind::Content,
            Kind::Licence,
            Kind::Role,
            Kind::Group,
            Kind::Organisation,
            Kind::User,
            Kind::Staff,
            Kind::Person,
        ];
        let rank = |kind: &Kind| PRECEDENCE.iter().position(|held| held == kind);
        let said = self.closure(listed).filter_map(|class| self.object_class(class).entry_kind);
        said.min_by_key(|kind| rank(kind).unwrap_or(PRECEDENCE.len())).unwrap_or(Kind::Generic)
    }

    /// The classes and all they derive from; some more than once.
    fn closure<'a>(&'a self, listed: &'a [ClassId]) -> impl Iterator<Item = ClassId> + 'a {
        listed.iter().filter_map(|class| self.ancestors.get(usize::from(class.0))).flatten().copied()
    }

    fn listed_classes(&self, draft: &Draft) -> Result<Vec<ClassId>, Violation> {
        let values = draft.values(self.known.object_class);
        if values.is_empty() {
            return Err(Violation::ObjectClass("objectClass: an entry must have at least one".to_owned()));
        }
        let class = |value: &Vec<u8>| {
            let name = std::str::from_utf8(value).ok();
            let class = name.and_then(|name| self.class(name));
            class.ok_or_else(|| Violation::ObjectClass(format!("objectClass: {} is not a class the schema knows", shown(value))))
        };
        values.iter().map(class).collect()
    }

    /// The structural class of the entry (RFC 4512 §2.4.2): the most derived one of a single chain.
    fn structural_class(&self, listed: &[ClassId]) -> Result<ClassId, Violation> {
        let name = |class: ClassId| self.object_class(class).names.first().map_or("", String::as_str);
        let of_kind = |kind: ClassKind| listed.iter().copied().filter(move |class| self.object_class(*class).kind == kind);
        for class in of_kind(ClassKind::Abstract) {
            let used = listed
                .iter()
                .any(|other| *other != class && self.object_class(*other).kind != ClassKind::Abstract && self.derives_from(*other, class));
            if !used && listed.iter().any(|other| self.object_class(*other).kind != ClassKind::Abstract) {
                let message = format!("objectClass: {} is abstract, and no class of the entry derives from it", name(class));
                return Err(Violation::ObjectClass(message));
            }
        }
        let covers = |class: &ClassId| of_kind(ClassKind::Structural).all(|other| self.derives_from(*class, other));
        let deepest = of_kind(ClassKind::Structural).find(covers);
        if let (None, Some(first)) = (deepest, of_kind(ClassKind::Structural).next()) {
            let apart = |class: &ClassId| !self.derives_from(*class, first) && !self.derives_from(first, *class);
            let other = of_kind(ClassKind::Structural).find(apart).map_or("another", name);
            let message = format!("objectClass: {} and {other} are both structural, and neither derives from the other", name(first));
            return Err(Violation::ObjectClass(message));
        }
        let alone = || of_kind(ClassKind::Auxiliary).find(|class| self.object_class(*class).stands_alone);
        deepest.or_else(alone).ok_or_else(|| Violation::ObjectClass("objectClass: an entry must have a structural class".to_owned()))
    }

    /// Syntax, single value, and no value twice.
    fn check_values(
        &self,
        before: Option<&Entry>,
        draft: &Draft,
        links: &dyn Fn(AttributeId) -> usize,
        options: SealOptions,
    ) -> Result<(), Violation> {
        let mut scratch = Vec::new();
        for held in &draft.attributes {
            let kind = self.attribute_type(held.description.attribute);
            if kind.derived && !options.relax {
                return Err(Violation::ObjectClass(format!("{}: the server makes its values, none can be stored", kind.name())));
            }
            let edges = kind.link.map_or(0, |link| links(link.edge));
            if kind.single_value && held.values.len() + edges > 1 {
                return Err(Violation::SingleValue(format!("{}: only one value is allowed", kind.name())));
            }
            if before.is_some_and(|before| has_the_same(before, held)) {
                continue;
            }
            let syntax = self.syntax_of(kind.id);
            let mut forms = Vec::with_capacity(held.values.len());
            for value in &held.values {
                scratch.clear();
                let checked = syntax.check(value).and_then(|()| self.normalize(kind.id, value, &mut scratch));
                if let Err(InvalidValue(reason)) = checked {
                    let value = if kind.secret { String::new() } else { format!(" {}", shown(value)) };
                    return Err(Violation::InvalidSyntax(format!("{}: bad value{value}: {reason}", kind.name())));
                }
                if held.values.len() > 1 {
                    forms.push((scratch.clone(), value));
                }
            }
            forms.sort_by(|(left, _), (right, _)| left.cmp(right));
            let twice = forms.iter().zip(forms.iter().skip(1)).find(|((left, _), (right, _))| left == right);
            if let Some((_, (_, value))) = twice {
                let value = if kind.secret { "a value".to_owned() } else { shown(value) };
                return Err(Violation::DuplicateValue(format!("{}: {value} is there twice", kind.name())));
            }
        }
        Ok(())
    }

    /// Every user attribute is one that a class of the entry allows (RFC 4512 §2.4), edges included.
    fn check_allowed(
        &self,
        draft: &Draft,
        listed: &[ClassId],
        rule: Option<&ContentRule>,
        links: &dyn Fn(AttributeId) -> usize,
    ) -> Result<(), Violation> {
        if self.extensible.is_some_and(|extensible| listed.contains(&extensible)) {
            return Ok(());
        }
        let allows = |attribute: AttributeId| {
            let definition = self.attribute_type(attribute);
            let in_class = |class: &ClassId| {
                let class = self.object_class(*class);
                class.may.binary_search(&attribute).is_ok() || class.must.binary_search(&attribute).is_ok()
            };
            attribute == self.known.object_class
                || (definition.usage == Usage::Operational && !definition.retired)
                || definition.collective
                || listed.iter().any(in_class)
                || rule.is_some_and(|rule| rule.allows(attribute))
        };
        let refused = |attribute: AttributeId| {
            let definition = self.attribute_type(attribute);
            let why = match definition.retired {
                // A file is missing; the class that allows it is not to go before it is back, nor the values with it.
                true => "the entry has values of it, and the schema does not define it now",
                false => "no object class of the entry allows it",
            };
            Err(Violation::ObjectClass(format!("{}: {why}", definition.name())))
        };
        if let Some(held) = draft.attributes.iter().find(|held| !held.values.is_empty() && !allows(held.description.attribute)) {
            return refused(held.description.attribute);
        }
        for (edge, views) in &self.edges {
            if !views.iter().any(|view| allows(*view)) && links(*edge) > 0 {
                return refused(*edge);
            }
        }
        Ok(())
    }

    /// Every attribute that a class asks for is there, with or without options, or as edges.
    fn check_required(
        &self,
        draft: &Draft,
        listed: &[ClassId],
        links: &dyn Fn(AttributeId) -> usize,
        options: SealOptions,
    ) -> Result<(), Violation> {
        let present =
            |attribute: AttributeId| draft.attributes.iter().any(|held| held.description.attribute == attribute && !held.values.is_empty());
        for (class, attribute) in self.required(listed) {
            let kind = self.attribute_type(attribute);
            if !present(attribute) && kind.link.is_none_or(|link| !options.relax && links(link.edge) == 0) {
                let class = class.names.first().map_or("", String::as_str);
                return Err(Violation::ObjectClass(format!("{}: object class {class} requires it", kind.name())));
            }
        }
        Ok(())
    }

    /// The values of the RDN are values of the entry (RFC 4512 §2.3.1).
    fn check_naming(&self, draft: &Draft, place: &Place) -> Result<(), Violation> {
        let rdn = if place.parent.is_some() { Rdn::parse(&place.rdn).map(Some) } else { Dn::parse(&place.rdn).map(|dn| dn.rdn().cloned()) };
        let rdn = rdn.map_err(|error| Violation::Naming(error.to_string()))?;
        let mut seen = Vec::new();
        for assertion in rdn.iter().flat_map(|rdn| &rdn.0) {
            let name = &assertion.attribute;
            let attribute = self
                .attribute(name)
                .ok_or_else(|| Violation::UndefinedType(format!("{name}: the attribute type of the RDN is not defined")))?;
            let kind = self.attribute_type(attribute);
            let problem = if kind.usage == Usage::Operational {
                Some("an operational attribute cannot name an entry")
            } else if kind.secret {
                Some("a secret attribute cannot name an entry")
            } else if kind.collective {
                Some("a collective attribute cannot name an entry (RFC 3671)")
            } else if kind.equality.is_none() {
                Some("an attribute without an equality rule cannot name an entry")
            } else if seen.contains(&attribute) {
                Some("an RDN holds each attribute type once")
            } else if !self.holds(draft, attribute, &assertion.value)? {
                Some("the value in the RDN is not a value of the entry")
            } else {
                None
            };
            if let Some(problem) = problem {
                return Err(Violation::Naming(format!("{name}: {problem}")));
            }
            seen.push(attribute);
        }
        Ok(())
    }

    /// Whether the draft holds a value that equals `value`.
    fn holds(&self, draft: &Draft, attribute: AttributeId, value: &[u8]) -> Result<bool, Violation> {
        if draft.values(attribute).iter().any(|held| held == value) {
            return Ok(true);
        }
        let (mut wanted, mut form) = (Vec::new(), Vec::new());
        let normalized = self.normalize(attribute, value, &mut wanted);
        normalized.map_err(|InvalidValue(reason)| Violation::Naming(format!("{}: {reason}", self.attribute_type(attribute).name())))?;
        Ok(draft.values(attribute).iter().any(|held| {
            form.clear();
            self.normalize(attribute, held, &mut form).is_ok() && form == wanted
        }))
    }

    fn build(&self, draft: &Draft, place: Place, structural: ClassId, kind: Kind) -> Entry {
        let mut builder = EntryBuilder::default();
        let structural = self.object_class(structural).names.first().map_or("", String::as_str);
        let mut written = false;
        for held in draft.attributes.iter().filter(|held| !held.values.is_empty()) {
            let attribute = self.attribute_type(held.description.attribute);
            if attribute.derived {
                continue;
            }
            if attribute.id == self.known.structural_object_class {
                builder.push(attribute.id, attribute.name(), &[structural]);
                written = true;
            } else if held.description.options.is_empty() {
                builder.push(attribute.id, attribute.name(), &held.values);
            } else {
                builder.push(attribute.id, &self.describe(&held.description), &held.values);
            }
        }
        if !written {
            let attribute = self.attribute_type(self.known.structural_object_class);
            builder.push(attribute.id, attribute.name(), &[structural]);
        }
        builder.build(place, kind)
    }
}

/// Whether the entry has the very values that the draft has of this description.
fn has_the_same(before: &Entry, held: &DraftAttribute) -> bool {
    let mut of_type = before.get(held.description.attribute);
    of_type.any(|was| was.options() == held.description.options && was.values().eq(held.values.iter().map(Vec::as_slice)))
}

/// A value for a message: text in quotes, cut where it is long.
fn shown(value: &[u8]) -> String {
    const LONGEST: usize = 64;
    match std::str::from_utf8(value) {
        Ok(text) if text.chars().count() <= LONGEST => format!("\"{text}\""),
        Ok(text) => format!("\"{}…\"", text.chars().take(LONGEST).collect::<String>()),
        Err(_) => format!("of {} octets", value.len()),
    }
}
