//! `attributes` and `excludedAttributes` (RFC 7644 §3.9): a resource reduced to what was asked for and to what
//! the schema lets out.

use super::error::ScimError;
use super::evaluate::Predicate;
use super::json::Object;
use super::mapping::Computed;
use super::path::Path;
use super::schema::{Attribute, ResourceType, Returned, Target};
use serde_json::Value;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    include: Option<Vec<Selected>>,
    exclude: Vec<Selected>,
    /// What is shown though it was not asked for by name.
    beside: Vec<Selected>,
}

/// One name of a projection, looked up.
#[derive(Clone, Debug)]
struct Selected {
    extension: Option<String>,
    /// `None` for all of the extension.
    attribute: Option<String>,
    sub: Option<String>,
    elements: Option<Predicate>,
}

/// What a projection says of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Say {
    Whole,
    /// Some of its parts only.
    Parts,
    Nothing,
}

impl Projection {
    /// Looks the names up. Names that no schema knows select nothing; a secret is 400 invalidFilter (HE5).
    pub fn new(attributes: &[String], excluded: &[String], resource_type: &ResourceType) -> Result<Self, ScimError> {
        let include = match attributes.is_empty() {
            true => None,
            false => Some(look_up(attributes, resource_type)?),
        };
        Ok(Self { include, exclude: look_up(excluded, resource_type)?, beside: Vec::new() })
    }

    /// Whether what is computed is in the answer at all, so that what is costly is read only then.
    pub fn wants(&self, resource_type: &ResourceType, computed: &Computed) -> bool {
        resource_type.computed(computed).is_some_and(|attribute| self.decide(computed.extension, attribute) != Say::Nothing)
    }

    /// Shows an attribute that is shown on request too: who changes it asks for it (RFC 7643 §7).
    pub fn and(&mut self, computed: &Computed) {
        self.beside.push(Selected {
            extension: computed.extension.map(str::to_owned),
            attribute: Some(computed.name.to_owned()),
            sub: None,
            elements: None,
        });
    }

    /// Whether a selection was made.
    pub fn is_default(&self) -> bool {
        self.include.is_none() && self.exclude.is_empty()
    }

    /// The resource as it is answered.
    pub fn apply(&self, mut resource: Object, resource_type: &ResourceType) -> Object {
        let mut answer = Object::new();
        for (name, value) in std::mem::take(&mut resource) {
            let shown = match resource_type.extension(&name) {
                Some(extension) => {
                    let Value::Object(members) = value else { continue };
                    let held = members.into_iter().filter_map(|(name, value)| {
                        let attribute = extension.attribute(&name)?;
                        Some((name, self.show(Some(&extension.id), attribute, value)?))
                    });
                    Some(Value::Object(held.collect())).filter(|held| held.as_object().is_some_and(|held| !held.is_empty()))
                }
                None => resource_type.core_attribute(&name).and_then(|attribute| self.show(None, attribute, value)),
            };
            if let Some(value) = shown {
                answer.insert(name, value);
            }
        }
        answer
    }

    fn show(&self, extension: Option<&str>, attribute: &Attribute, value: Value) -> Option<Value> {
        match self.decide(extension, attribute) {
            Say::Nothing => None,
            Say::Whole if attribute.is_complex() => self.parts(extension, attribute, value, false),
            Say::Whole => Some(value),
            Say::Parts => self.parts(extension, attribute, value, true),
        }
    }

    /// Whether the attribute is shown. `Parts` only where sub-attributes or elements of it were asked for.
    fn decide(&self, extension: Option<&str>, attribute: &Attribute) -> Say {
        let names = |selected: &&Selected| selected.names(extension, attribute);
        match attribute.returned {
            Returned::Always => return Say::Whole,
            Returned::Never => return Say::Nothing,
            Returned::Default | Returned::Request => {}
        }
        if let Some(include) = &self.include {
            let found: Vec<&Selected> = include.iter().filter(names).collect();
            return match found.is_empty() {
                true => Say::Nothing,
                false if found.iter().any(|selected| selected.sub.is_none() && selected.elements.is_none()) => Say::Whole,
                false => Say::Parts,
            };
        }
        let excluded = self.exclude.iter().filter(names).any(|selected| selected.sub.is_none() && selected.elements.is_none());
        let unasked = attribute.returned == Returned::Request && !self.beside.iter().any(|selected| names(&selected));
        if excluded || unasked { Say::Nothing } else { Say::Whole }
    }

    /// The value with those parts that are shown.
    fn parts(&self, extension: Option<&str>, attribute: &Attribute, value: Value, asked: bool) -> Option<Value> {
        let selected: Vec<&Selected> =
            self.include.iter().flatten().filter(|selected| asked && selected.names(extension, attribute)).collect();
        let one = |element: Value| -> Option<Value> {
            let chosen: Vec<&&Selected> = selected
                .iter()
                .filter(|selected| selected.elements.as_ref().is_none_or(|filter| filter.matches_element(&element)))
                .collect();
            if asked && chosen.is_empty() {
                return None;
            }
            let Value::Object(members) = element else { return Some(element) };
            let all = !asked || chosen.iter().any(|selected| selected.sub.is_none());
            let kept = members.into_iter().filter(|(name, _)| {
                let sub = attribute.sub(name);
                match sub.map(|sub| sub.returned) {
                    Some(Returned::Always) => true,
                    Some(Returned::Never) | None => false,
                    Some(returned) => {
                        let named = chosen.iter().any(|selected| selected.sub.as_ref() == Some(name));
                        (named || (all && returned == Returned::Default)) && !self.excludes_part(extension, attribute, name)
                    }
                }
            });
            Some(Value::Object(kept.collect())).filter(|kept| kept.as_object().is_some_and(|kept| !kept.is_empty()))
        };
        match value {
            Value::Array(elements) => {
                let kept: Vec<Value> = elements.into_iter().filter_map(one).collect();
                Some(Value::Array(kept)).filter(|kept| kept.as_array().is_some_and(|kept| !kept.is_empty()))
            }
            single => one(single),
        }
    }

    fn excludes_part(&self, extension: Option<&str>, attribute: &Attribute, sub: &str) -> bool {
        self.include.is_none()
            && self.exclude.iter().any(|selected| selected.names(extension, attribute) && selected.sub.as_deref() == Some(sub))
    }
}

impl Selected {
    fn names(&self, extension: Option<&str>, attribute: &Attribute) -> bool {
        self.extension.as_deref() == extension && self.attribute.as_ref().is_none_or(|name| *name == attribute.name)
    }
}

fn look_up(names: &[String], resource_type: &ResourceType) -> Result<Vec<Selected>, ScimError> {
    let mut found = Vec::new();
    for name in names {
        // A name that is none selects nothing, as one that no schema knows does.
        let Ok(path) = Path::parse(name) else { continue };
        match resource_type.resolve(&path.attribute) {
            None => {}
            Some(Target::Extension(extension)) => {
                found.push(Selected { extension: Some(extension.id.clone()), attribute: None, sub: None, elements: None });
            }
            Some(Target::Attribute(_, attribute, _)) if attribute.returned == Returned::Never => {
                return Err(ScimError::filter(format!("{name} is never shown")));
            }
            Some(Target::Attribute(extension, attribute, sub)) => {
                let elements = path.filter.as_ref().map(|filter| Predicate::compile_element(filter, attribute)).transpose()?;
                found.push(Selected {
                    extension: extension.map(|extension| extension.id.clone()),
                    attribute: Some(attribute.name.clone()),
                    sub: sub.map(|sub| sub.name.clone()),
                    elements,
                });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::schema::Catalogue;
    use serde_json::json;

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn projected(attributes: &[&str], excluded: &[&str]) -> Value {
        let catalogue = Catalogue::load().unwrap();
        let resource = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "1", "userName": "b", "password": "secret",
            "name": {"familyName": "Jensen", "givenName": "Barbara"},
            "emails": [{"value": "w", "type": "work"}, {"value": "h", "type": "home"}],
            ENTERPRISE: {"department": "Tour", "division": "Theme"}
        });
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let projection = Projection::new(&list(attributes), &list(excluded), &catalogue.user).unwrap();
        let Value::Object(mut answer) = Value::Object(projection.apply(resource.as_object().unwrap().clone(), &catalogue.user)) else {
            unreachable!()
        };
        assert!(answer.shift_remove("schemas").is_some() && answer.shift_remove("id").is_some(), "always returned");
        Value::Object(answer)
    }

    #[test]
    fn what_is_asked_for_is_answered() {
        assert_eq!(projected(&["USERNAME"], &[]), json!({"userName": "b"}));
        assert_eq!(projected(&["name.givenName"], &[]), json!({"name": {"givenName": "Barbara"}}));
        assert_eq!(projected(&["emails.value"], &[]), json!({"emails": [{"value": "w"}, {"value": "h"}]}));
        assert_eq!(projected(&["emails[type eq \"work\"]"], &[]), json!({"emails": [{"value": "w", "type": "work"}]}));
        assert_eq!(projected(&[ENTERPRISE], &[]), json!({ENTERPRISE: {"department": "Tour", "division": "Theme"}}));
        assert_eq!(projected(&[&format!("{ENTERPRISE}:division")], &[]), json!({ENTERPRISE: {"division": "Theme"}}));
        assert_eq!(projected(&["nothing"], &[]), json!({}));
    }

    #[test]
    fn what_is_excluded_is_not_answered() {
        assert_eq!(
            projected(&[], &["emails", "name.familyName", ENTERPRISE, "id"]),
            json!({"userName": "b", "name": {"givenName": "Barbara"}})
        );
        assert!(projected(&[], &[]).get("password").is_none());
        let catalogue = Catalogue::load().unwrap();
        assert!(Projection::new(&["password".to_owned()], &[], &catalogue.user).is_err());
    }
}
