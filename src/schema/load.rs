//! From definitions as written to a schema: names looked up, what is inherited filled in.

use super::additions::{Addition, Additions, DefinitionKind, Origin, PLACE};
use super::collective;
use super::content_rule::ContentRule;
use super::definition::{AttributeDefinition, ClassDefinition, ContentRuleDefinition, Position, extension};
use super::name_form::{self, NameFormDefinition, StructureRuleDefinition};
use super::names::Names;
use super::parse::Definition;
use super::syntax::Syntax;
use super::{
    AttributeType, ClassId, ClassKind, Known, LinkForm, LinkView, MatchingRule, ObjectClass, Schema, SchemaError, Source, Usage, parse,
};
use crate::model::{AttributeId, Kind, Level};
use std::collections::HashMap;
use std::sync::Arc;

/// The most superiors that a type or a class derives from.
const MOST_SUPERIORS: usize = 32;
/// The files that come with Headcount.
const BUILT_IN: [(&str, &str); 8] = [
    ("schema/core.schema", include_str!("../../schema/core.schema")),
    ("schema/collective.schema", include_str!("../../schema/collective.schema")),
    ("schema/cosine.schema", include_str!("../../schema/cosine.schema")),
    ("schema/inetorgperson.schema", include_str!("../../schema/inetorgperson.schema")),
    ("schema/rfc2307bis.schema", include_str!("../../schema/rfc2307bis.schema")),
    ("schema/ppolicy.schema", include_str!("../../schema/ppolicy.schema")),
    ("schema/monitor.schema", include_str!("../../schema/monitor.schema")),
    ("schema/headcount.schema", include_str!("../../schema/headcount.schema")),
];

/// A definition and the file it is from.
struct Placed<T> {
    file: String,
    definition: T,
}

/// Everything read, in order, each once.
struct Loader {
    attributes: Vec<Placed<AttributeDefinition>>,
    classes: Vec<Placed<ClassDefinition>>,
    content_rules: Vec<Placed<ContentRuleDefinition>>,
    naming: name_form::Written,
    attribute_names: Names<AttributeId>,
    class_names: Names<ClassId>,
    rule_names: Names<MatchingRule>,
    retired_names: Names<AttributeId>,
    /// Those that were taken out at run time.
    retired: Vec<AttributeId>,
}

/// Why there is no schema: of what was defined at run time everything is told that is found at once.
pub(super) struct Unloadable {
    pub(super) first: SchemaError,
    pub(super) others: Vec<SchemaError>,
}

impl From<SchemaError> for Unloadable {
    fn from(first: SchemaError) -> Self {
        Self { first, others: Vec::new() }
    }
}

/// All of them, or what is wrong with those made at run time, or the first that is wrong with a file.
fn all<T>(made: impl Iterator<Item = Result<T, SchemaError>>) -> Result<Vec<T>, Unloadable> {
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for made in made {
        match made {
            Ok(made) => good.push(made),
            Err(error) if error.file == PLACE => wrong.push(error),
            Err(error) => return Err(error.into()),
        }
    }
    let mut wrong = wrong.into_iter();
    match wrong.next() {
        Some(first) => Err(Unloadable { first, others: wrong.collect() }),
        None => Ok(good),
    }
}

pub(super) fn load(extra: &Arc<[Source]>, additions: Additions) -> Result<Schema, Unloadable> {
    let mut loader = Loader {
        attributes: Vec::new(),
        classes: Vec::new(),
        content_rules: Vec::new(),
        naming: name_form::Written::default(),
        attribute_names: Names::new(),
        class_names: Names::new(),
        rule_names: rule_names(),
        retired_names: Names::new(),
        retired: Vec::new(),
    };
    let mut macros = HashMap::new();
    for (name, text) in BUILT_IN {
        loader.read(&Source { name: name.to_owned(), text: text.to_owned() }, &mut macros)?;
    }
    for source in extra.iter() {
        loader.read(source, &mut macros)?;
    }
    let origins = loader.origins();
    for (number, addition) in (1..).zip(&additions.definitions) {
        loader.read_addition(number, addition)?;
    }
    loader.finish(Arc::clone(extra), origins, additions)
}

fn rule_names() -> Names<MatchingRule> {
    let mut names = Names::new();
    for &rule in MatchingRule::ALL {
        names.insert(rule.name(), rule);
        names.insert(rule.oid(), rule);
    }
    names
}

fn error(file: &str, at: Position, message: String) -> SchemaError {
    SchemaError { file: file.to_owned(), line: at.line, column: at.column, message }
}

impl Loader {
    fn read(&mut self, source: &Source, macros: &mut HashMap<String, String>) -> Result<(), SchemaError> {
        let found = parse::parse(source, macros)?;
        for definition in found.attributes {
            self.add_attribute(source, definition)?;
        }
        for definition in found.classes {
            self.add_class(source, definition)?;
        }
        for definition in found.content_rules {
            self.add_content_rule(source, definition)?;
        }
        let problem = |(at, message)| error(&source.name, at, message);
        found.name_forms.into_iter().try_for_each(|definition| self.naming.add_form(&source.name, definition)).map_err(problem)?;
        found.structure_rules.into_iter().try_for_each(|definition| self.naming.add_rule(&source.name, definition)).map_err(problem)?;
        Ok(())
    }

    /// Which file has which definition.
    fn origins(&self) -> Vec<Origin> {
        let origin = |kind, oid: &str, file: &str| Origin { kind, oid: oid.to_owned(), file: file.into() };
        let attributes = self.attributes.iter().map(|held| origin(DefinitionKind::AttributeType, &held.definition.oid, &held.file));
        let classes = self.classes.iter().map(|held| origin(DefinitionKind::ObjectClass, &held.definition.oid, &held.file));
        let rules = self.content_rules.iter().map(|held| origin(DefinitionKind::ContentRule, &held.definition.oid, &held.file));
        let forms = self.naming.forms().map(|(oid, file)| origin(DefinitionKind::NameForm, oid, file));
        let structure = self.naming.rules().map(|(id, file)| origin(DefinitionKind::StructureRule, &id.to_string(), file));
        attributes.chain(classes).chain(rules).chain(forms).chain(structure).collect()
    }

    /// Reads what was defined at run time. Its number, from 1, stands for the line in messages. Each type takes the next
    /// number, also one that was taken out again, so that numbers stay.
    fn read_addition(&mut self, number: usize, addition: &Addition) -> Result<(), SchemaError> {
        let source = Source { name: PLACE.to_owned(), text: addition.text.clone() };
        let at = Position { line: number, column: 1 };
        let read = parse::one(addition.kind, &source).map_err(|problem| error(PLACE, at, problem.message));
        if !addition.is_in_force() {
            return if addition.kind == DefinitionKind::AttributeType { self.add_retired(&source, read) } else { Ok(()) };
        }
        let problem = |(at, message)| error(PLACE, at, message);
        let twice = |file: &str| error(PLACE, at, format!("{} is defined in {file} already", addition.oid));
        match read? {
            Definition::Attribute(definition) => {
                if let Some(held) = self.attribute_names.get(&definition.oid).and_then(|id| self.attributes.get(usize::from(id.0))) {
                    return Err(twice(&held.file));
                }
                self.add_attribute(&source, AttributeDefinition { at, ..definition })
            }
            Definition::Class(definition) => self.add_class(&source, ClassDefinition { at, ..definition }),
            Definition::ContentRule(definition) => self.add_content_rule(&source, ContentRuleDefinition { at, ..definition }),
            Definition::NameForm(definition) => self.naming.add_form(PLACE, NameFormDefinition { at, ..definition }).map_err(problem),
            Definition::StructureRule(definition) => {
                self.naming.add_rule(PLACE, StructureRuleDefinition { at, ..definition }).map_err(problem)
            }
        }
    }

    fn add_retired(&mut self, source: &Source, read: Result<Definition, SchemaError>) -> Result<(), SchemaError> {
        let definition = match read {
            Ok(Definition::Attribute(definition)) => definition,
            Ok(_) => return Ok(()),
            Err(_) => AttributeDefinition::default(),
        };
        let id = AttributeId(number(source, definition.at, self.attributes.len())?);
        for name in definition.names.iter().chain([&definition.oid]) {
            self.retired_names.insert(name, id);
        }
        self.retired.push(id);
        self.attributes.push(Placed { file: source.name.clone(), definition });
        Ok(())
    }

    fn add_attribute(&mut self, source: &Source, definition: AttributeDefinition) -> Result<(), SchemaError> {
        if let Some(held) = self.attribute_names.get(&definition.oid).and_then(|id| self.attributes.get(usize::from(id.0))) {
            let bare = |definition: &AttributeDefinition| {
                AttributeDefinition { description: None, extensions: Vec::new(), ..definition.clone() }.to_string()
            };
            return repeated(source, definition.at, &definition.oid, bare(&definition) == bare(&held.definition), &held.file);
        }
        let id = AttributeId(number(source, definition.at, self.attributes.len())?);
        for name in definition.names.iter().chain([&definition.oid]) {
            if self.attribute_names.insert(name, id).is_some_and(|held| held != id) {
                return Err(error(&source.name, definition.at, format!("attribute type {name}: another one has that name")));
            }
        }
        self.attributes.push(Placed { file: source.name.clone(), definition });
        Ok(())
    }

    fn add_class(&mut self, source: &Source, definition: ClassDefinition) -> Result<(), SchemaError> {
        if let Some(held) = self.class_names.get(&definition.oid).and_then(|id| self.classes.get(usize::from(id.0))) {
            let bare = |definition: &ClassDefinition| {
                ClassDefinition { description: None, extensions: Vec::new(), ..definition.clone() }.to_string()
            };
            return repeated(source, definition.at, &definition.oid, bare(&definition) == bare(&held.definition), &held.file);
        }
        let id = ClassId(number(source, definition.at, self.classes.len())?);
        for name in definition.names.iter().chain([&definition.oid]) {
            if self.class_names.insert(name, id).is_some_and(|held| held != id) {
                return Err(error(&source.name, definition.at, format!("object class {name}: another one has that name")));
            }
        }
        self.classes.push(Placed { file: source.name.clone(), definition });
        Ok(())
    }

    fn add_content_rule(&mut self, source: &Source, definition: ContentRuleDefinition) -> Result<(), SchemaError> {
        if let Some(held) = self.content_rules.iter().find(|held| held.definition.oid == definition.oid) {
            let same = held.definition.to_string() == definition.to_string();
            return repeated(source, definition.at, &definition.oid, same, &held.file);
        }
        self.content_rules.push(Placed { file: source.name.clone(), definition });
        Ok(())
    }

    fn content_rule(&self, Placed { file, definition }: &Placed<ContentRuleDefinition>) -> Result<ContentRule, SchemaError> {
        let class = |name: &str| {
            let id = self.class_names.get(name)?;
            Some((id, self.classes.get(usize::from(id.0))?.definition.kind))
        };
        let name = definition.names.first().unwrap_or(&definition.oid);
        ContentRule::of(definition, &class, &|name| self.attribute_names.get(name))
            .map_err(|problem| error(file, definition.at, format!("DIT content rule {name}: {problem}")))
    }

    fn finish(self, sources: Arc<[Source]>, origins: Vec<Origin>, additions: Additions) -> Result<Schema, Unloadable> {
        let known = Known::of(&|name| self.attribute_names.get(name))?;
        let (attributes, syntaxes): (Vec<_>, Vec<_>) = all((0..self.attributes.len()).map(|at| self.attribute(at)))?.into_iter().unzip();
        let subtypes = subtypes(&attributes);
        let ancestors = self.ancestors()?;
        let mut descendants = vec![Vec::new(); ancestors.len()];
        for (at, above) in ancestors.iter().enumerate() {
            for class in above {
                if let Some(below) = descendants.get_mut(usize::from(class.0)) {
                    below.push(ClassId(at as u16));
                }
            }
        }
        let classes = all(ancestors.iter().enumerate().map(|(at, above)| self.class(at, above)))?;
        let mut edges: Vec<(AttributeId, Vec<AttributeId>)> = Vec::new();
        for attribute in &attributes {
            let Some(link) = attribute.link else { continue };
            match edges.iter_mut().find(|(edge, _)| *edge == link.edge) {
                Some((_, views)) => views.push(attribute.id),
                None => edges.push((link.edge, vec![attribute.id])),
            }
        }
        let content_rules = self.content_rules.iter().map(|rule| self.content_rule(rule)).collect::<Result<Vec<_>, _>>()?;
        let kind_of = |name: &str| {
            let id = self.class_names.get(name)?;
            Some((id, self.classes.get(usize::from(id.0))?.definition.kind))
        };
        let naming = self.naming.finish(&kind_of, &|name| self.attribute_names.get(name));
        let naming = naming.map_err(|(file, at, message)| error(&file, at, message))?;
        let extensible = self.class_names.get("extensibleObject");
        let Self { attribute_names, class_names, rule_names, retired_names, .. } = self;
        Ok(Schema {
            attributes,
            syntaxes,
            subtypes,
            classes,
            ancestors,
            descendants,
            content_rules,
            naming,
            attribute_names,
            class_names,
            rule_names,
            edges,
            extensible,
            known,
            sources,
            origins,
            additions,
            retired_names,
            unknown: unseen(AttributeId(u16::MAX), &AttributeDefinition::default()),
        })
    }

    fn attribute(&self, at: usize) -> Result<(AttributeType, Syntax), SchemaError> {
        let Some(Placed { file, definition }) = self.attributes.get(at) else {
            return Err(error("schema", Position::default(), String::new()));
        };
        let id = AttributeId(at as u16);
        if self.retired.contains(&id) {
            return Ok((unseen(id, definition), Syntax::OctetString));
        }
        let name = definition.names.first().unwrap_or(&definition.oid).clone();
        let fail = |message: String| error(file, definition.at, format!("attribute type {name}: {message}"));
        let lineage = self.lineage(definition).map_err(fail)?;
        let rule = |pick: fn(&AttributeDefinition) -> &Option<String>| -> Result<Option<MatchingRule>, SchemaError> {
            let Some(given) = lineage.iter().find_map(|definition| pick(definition).as_deref()) else { return Ok(None) };
            self.rule_names.get(given).map(Some).ok_or_else(|| fail(format!("the matching rule {given} is not known")))
        };
        let syntax = lineage.iter().find_map(|definition| definition.syntax.as_deref());
        let syntax = syntax.ok_or_else(|| fail("it has no SYNTAX, and no superior to take it from".to_owned()))?;
        let known = Syntax::of(syntax).ok_or_else(|| fail(format!("the syntax {syntax} is not known")))?;
        let flag = |name: &str| {
            extension(&definition.extensions, name).is_some_and(|values| values.iter().any(|value| value.eq_ignore_ascii_case("true")))
        };
        let attribute = AttributeType {
            id,
            oid: definition.oid.clone(),
            names: if definition.names.is_empty() { vec![definition.oid.clone()] } else { definition.names.clone() },
            description: definition.description.clone(),
            superior: definition.superior.as_deref().and_then(|superior| self.attribute_names.get(superior)),
            equality: rule(|definition| &definition.equality)?,
            ordering: rule(|definition| &definition.ordering)?,
            substring: rule(|definition| &definition.substring)?,
            syntax: syntax.to_owned(),
            single_value: definition.single_value,
            collective: definition.collective,
            no_user_modification: definition.no_user_modification,
            usage: definition.usage.usage(),
            link: self.link(definition).map_err(fail)?,
            secret: flag("X-SECRET"),
            staff_only: flag("X-STAFF-ONLY"),
            in_directory: flag("X-DIRECTORY"),
            derived: flag("X-DERIVED"),
            retired: false,
            text: definition.to_string(),
        };
        let superior = lineage.get(1).is_some_and(|above| above.collective);
        collective::check_type(&attribute, superior).map_err(fail)?;
        Ok((attribute, known))
    }

    /// The definition and those it derives from, the nearest first.
    fn lineage<'a>(&'a self, definition: &'a AttributeDefinition) -> Result<Vec<&'a AttributeDefinition>, String> {
        let mut lineage = vec![definition];
        let mut at = definition;
        while let Some(superior) = &at.superior {
            let above = self.attribute_names.get(superior).and_then(|id| self.attributes.get(usize::from(id.0)));
            at = &above.ok_or_else(|| format!("its superior {superior} is not defined"))?.definition;
            if lineage.iter().any(|held| held.oid == at.oid) {
                return Err("it is its own superior".to_owned());
            }
            if lineage.len() > MOST_SUPERIORS {
                return Err(format!("it derives from more than {MOST_SUPERIORS} others"));
            }
            lineage.push(at);
        }
        Ok(lineage)
    }

    fn link(&self, definition: &AttributeDefinition) -> Result<Option<LinkView>, String> {
        let Some(edge) = extension(&definition.extensions, "X-LINK").and_then(<[String]>::first) else { return Ok(None) };
        let edge = self.attribute_names.get(edge).ok_or_else(|| format!("X-LINK names {edge}, which is not defined"))?;
        let level = match extension(&definition.extensions, "X-LEVEL").and_then(<[String]>::first).map(String::as_str) {
            None => None,
            Some("administrator") => Some(Level::Administrator),
            Some("full") => Some(Level::Full),
            Some("past") => Some(Level::Past),
            Some("view-only") => Some(Level::ViewOnly),
            Some(other) => return Err(format!("X-LEVEL is administrator, full, view-only or past, not {other}")),
        };
        let form = match extension(&definition.extensions, "X-LINK-FORM").and_then(<[String]>::first).map(String::as_str) {
            None | Some("name") => LinkForm::Name,
            Some("uid") => LinkForm::Uid,
            Some(other) => return Err(format!("X-LINK-FORM is name or uid, not {other}")),
        };
        Ok(Some(LinkView { edge, level, form }))
    }

    /// Per class: itself and all it derives from, in order of number.
    fn ancestors(&self) -> Result<Vec<Vec<ClassId>>, SchemaError> {
        let mut all = Vec::new();
        for (at, Placed { file, definition }) in self.classes.iter().enumerate() {
            let mut found = vec![ClassId(at as u16)];
            let mut next = 0;
            while let Some(class) = found.get(next).copied() {
                next += 1;
                let Some(Placed { definition: of, .. }) = self.classes.get(usize::from(class.0)) else { continue };
                for superior in &of.superiors {
                    let fail = |problem: &str| {
                        let name = definition.names.first().unwrap_or(&definition.oid);
                        error(file, definition.at, format!("object class {name}: its superior {superior} {problem}"))
                    };
                    let above = self.class_names.get(superior).ok_or_else(|| fail("is not defined"))?;
                    if above == ClassId(at as u16) {
                        return Err(fail("leads back to it"));
                    }
                    let kind = self.classes.get(usize::from(above.0)).map(|above| above.definition.kind);
                    if kind.is_some_and(|kind| kind != ClassKind::Abstract && kind != of.kind) {
                        return Err(fail("is of another kind (RFC 4512 §2.4)"));
                    }
                    if found.len() > MOST_SUPERIORS {
                        return Err(fail(&format!("is one of more than {MOST_SUPERIORS} that it derives from")));
                    }
                    if !found.contains(&above) {
                        found.push(above);
                    }
                }
            }
            found.sort_unstable();
            all.push(found);
        }
        Ok(all)
    }

    fn class(&self, at: usize, above: &[ClassId]) -> Result<ObjectClass, SchemaError> {
        let Some(Placed { file, definition }) = self.classes.get(at) else {
            return Err(error("schema", Position::default(), String::new()));
        };
        let name = definition.names.first().unwrap_or(&definition.oid).clone();
        let fail = |message: String| error(file, definition.at, format!("object class {name}: {message}"));
        let (mut must, mut may, mut may_lack) = (Vec::new(), Vec::new(), Vec::new());
        for class in above.iter().filter_map(|class| self.classes.get(usize::from(class.0))) {
            let waived = extension(&class.definition.extensions, "X-MAY-LACK").unwrap_or_default();
            let written = [(&*class.definition.must, &mut must), (&*class.definition.may, &mut may), (waived, &mut may_lack)];
            for (names, ids) in written {
                for attribute in names {
                    let id = self.attribute_names.get(attribute);
                    let id = id.ok_or_else(|| fail(format!("the attribute type {attribute} is not defined")))?;
                    if self.attributes.get(usize::from(id.0)).is_some_and(|held| held.definition.collective) {
                        return Err(fail(format!("{attribute} is collective, so no class can require or allow it (RFC 3671)")));
                    }
                    ids.push(id);
                }
            }
        }
        must.sort_unstable();
        must.dedup();
        must.retain(|attribute| !may_lack.contains(attribute));
        may.extend(&may_lack);
        may.sort_unstable();
        may.dedup();
        may.retain(|attribute| must.binary_search(attribute).is_err());
        let entry_kind = match extension(&definition.extensions, "X-KIND").and_then(<[String]>::first) {
            Some(word) => Some(kind(word).ok_or_else(|| fail(format!("X-KIND {word} is not a kind of entry")))?),
            None => None,
        };
        let stands_alone = extension(&definition.extensions, "X-STRUCTURAL")
            .is_some_and(|values| values.iter().any(|value| value.eq_ignore_ascii_case("true")));
        Ok(ObjectClass {
            id: ClassId(at as u16),
            oid: definition.oid.clone(),
            names: if definition.names.is_empty() { vec![definition.oid.clone()] } else { definition.names.clone() },
            superiors: definition.superiors.iter().filter_map(|superior| self.class_names.get(superior)).collect(),
            kind: definition.kind,
            must,
            may,
            may_lack,
            entry_kind,
            stands_alone,
            text: definition.to_string(),
        })
    }
}

/// A type that nobody sees, whatever an entry holds of it.
fn unseen(id: AttributeId, definition: &AttributeDefinition) -> AttributeType {
    AttributeType {
        id,
        oid: definition.oid.clone(),
        names: definition.names.clone(),
        description: None,
        superior: None,
        equality: None,
        ordering: None,
        substring: None,
        syntax: Syntax::OctetString.oid().to_owned(),
        single_value: false,
        collective: false,
        no_user_modification: true,
        usage: Usage::Operational,
        link: None,
        secret: true,
        staff_only: false,
        in_directory: false,
        derived: false,
        retired: true,
        text: String::new(),
    }
}

/// The same definition again is nothing new; another one under the same OID is an error.
fn repeated(source: &Source, at: Position, oid: &str, same: bool, held: &str) -> Result<(), SchemaError> {
    if same { Ok(()) } else { Err(error(&source.name, at, format!("{oid} is defined otherwise in {held}; leave it out here"))) }
}

fn number(source: &Source, at: Position, count: usize) -> Result<u16, SchemaError> {
    u16::try_from(count).map_err(|_| error(&source.name, at, "more than 65536 definitions".to_owned()))
}

/// Per type: itself, and after it all that derive from it.
fn subtypes(attributes: &[AttributeType]) -> Vec<Vec<AttributeId>> {
    let above = |id: AttributeId| attributes.get(usize::from(id.0)).and_then(|attribute| attribute.superior);
    let mut all: Vec<Vec<AttributeId>> = attributes.iter().map(|attribute| vec![attribute.id]).collect();
    for attribute in attributes {
        for superior in std::iter::successors(attribute.superior, |id| above(*id)) {
            if let Some(below) = all.get_mut(usize::from(superior.0)) {
                below.push(attribute.id);
            }
        }
    }
    all
}

fn kind(word: &str) -> Option<Kind> {
    Some(match word {
        "content" => Kind::Content,
        "generic" => Kind::Generic,
        "group" => Kind::Group,
        "licence" => Kind::Licence,
        "organisation" => Kind::Organisation,
        "person" => Kind::Person,
        "role" => Kind::Role,
        "session" => Kind::Session,
        "staff" => Kind::Staff,
        "user" => Kind::User,
        _ => return None,
    })
}
