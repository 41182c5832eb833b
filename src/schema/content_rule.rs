//! DIT content rules (RFC 4512 §4.1.6): what entries of one structural class may have beside it.

use super::definition::{ContentRuleDefinition, put_extensions, put_head, put_oids};
use super::seal::Violation;
use super::{ClassId, ClassKind, Schema};
use crate::model::{AttributeId, Draft};
use std::fmt;

/// A DIT content rule, names looked up.
#[derive(Clone, Debug)]
pub struct ContentRule {
    /// The structural class it governs.
    pub class: ClassId,
    /// The auxiliary classes that may be added, and no others.
    pub auxiliary: Vec<ClassId>,
    /// Attributes an entry must have besides.
    pub must: Vec<AttributeId>,
    /// Attributes an entry may have besides.
    pub may: Vec<AttributeId>,
    /// Attributes an entry must not have, although a class allows them.
    pub not: Vec<AttributeId>,
    /// The definition as published in the subschema.
    pub text: String,
}

impl ContentRule {
    /// Looks the names of a definition up; the error says what is wrong.
    pub(super) fn of(
        definition: &ContentRuleDefinition,
        class: &dyn Fn(&str) -> Option<(ClassId, ClassKind)>,
        attribute: &dyn Fn(&str) -> Option<AttributeId>,
    ) -> Result<Self, String> {
        let Some((structural, ClassKind::Structural)) = class(&definition.oid) else {
            return Err(format!("{} is not a structural class that is defined", definition.oid));
        };
        let auxiliary = |name: &String| match class(name) {
            Some((id, ClassKind::Auxiliary)) => Ok(id),
            Some(_) | None => Err(format!("AUX: {name} is not an auxiliary class that is defined")),
        };
        let all = |names: &[String]| -> Result<Vec<AttributeId>, String> {
            names.iter().map(|name| attribute(name).ok_or_else(|| format!("the attribute type {name} is not defined"))).collect()
        };
        Ok(Self {
            class: structural,
            auxiliary: definition.auxiliary.iter().map(auxiliary).collect::<Result<_, _>>()?,
            must: all(&definition.must)?,
            may: all(&definition.may)?,
            not: all(&definition.not)?,
            text: definition.to_string(),
        })
    }

    /// Whether it allows an attribute that no class does.
    pub(super) fn allows(&self, attribute: AttributeId) -> bool {
        self.must.contains(&attribute) || self.may.contains(&attribute)
    }
}

impl Schema {
    /// The rule that governs entries of a structural class.
    pub(super) fn content_rule(&self, structural: ClassId) -> Option<&ContentRule> {
        self.content_rules.iter().find(|rule| rule.class == structural)
    }

    /// Checks classes and attributes of a draft by the content rule of its structural class.
    pub(super) fn check_content(
        &self,
        rule: &ContentRule,
        draft: &Draft,
        listed: &[ClassId],
        links: &dyn Fn(AttributeId) -> usize,
    ) -> Result<(), Violation> {
        let class_name = |class: ClassId| self.object_class(class).names.first().map_or("", String::as_str);
        let refused = |text: String| Err(Violation::ObjectClass(format!("{text} (content rule of {})", class_name(rule.class))));
        let auxiliary = |class: &&ClassId| self.object_class(**class).kind == ClassKind::Auxiliary;
        let named = |class: ClassId| rule.auxiliary.iter().any(|allowed| self.derives_from(*allowed, class));
        if let Some(class) = listed.iter().filter(auxiliary).find(|class| !named(**class)) {
            return refused(format!("objectClass: {} cannot be added", class_name(*class)));
        }
        let has = |attribute: AttributeId| {
            let held = draft.attributes.iter().any(|held| held.description.attribute == attribute && !held.values.is_empty());
            held || self.attribute_type(attribute).link.is_some_and(|view| links(view.edge) > 0)
        };
        if let Some(missing) = rule.must.iter().find(|attribute| !has(**attribute)) {
            return refused(format!("{}: it must be there", self.attribute_type(*missing).name()));
        }
        match rule.not.iter().find(|attribute| has(**attribute)) {
            Some(wrong) => refused(format!("{}: it must not be there", self.attribute_type(*wrong).name())),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ContentRuleDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "( {}", self.oid)?;
        put_head(f, &self.names, self.description.as_deref(), self.obsolete)?;
        for (word, names) in [("AUX", &self.auxiliary), ("MUST", &self.must), ("MAY", &self.may), ("NOT", &self.not)] {
            put_oids(f, word, names)?;
        }
        put_extensions(f, &self.extensions)?;
        f.write_str(" )")
    }
}
