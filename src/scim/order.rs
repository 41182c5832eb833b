//! The order of a query (RFC 7644 §3.4.2.3): by an attribute or by creation, and equal ones by their number, so that it is the
//! same on every page. What is sorted by becomes octets that are ordered as the values are.

use super::error::ScimError;
use super::evaluate::{self, Location};
use super::json::Object;
use super::path::Path;
use super::resource::is_primary;
use super::schema::{DataType, ResourceType, Returned, Target};

/// Octets of text that count: what is alike for so long is in order of number.
const LONGEST: usize = 256;

/// What to sort by.
#[derive(Clone, Debug)]
pub struct Order {
    /// For each type of resource; `None` for one that has no such attribute.
    by: Vec<Option<By>>,
    descending: bool,
}

/// An attribute of a type.
#[derive(Clone, Debug)]
struct By {
    location: Location,
    data_type: DataType,
    case_exact: bool,
}

impl Order {
    /// Looks `sortBy` up in each type. A name that none of them has is 400 invalidPath, a secret 400 invalidFilter (HE5).
    pub fn new(sort_by: &str, descending: bool, types: &[&ResourceType]) -> Result<Self, ScimError> {
        let path = Path::parse(sort_by).map_err(|error| ScimError::path(format!("sortBy {error}")))?;
        let mut by = Vec::with_capacity(types.len());
        for resource_type in types {
            by.push(match resource_type.resolve(&path.attribute) {
                Some(Target::Attribute(extension, attribute, sub)) if path.filter.is_none() => {
                    let leaf = sub.or_else(|| attribute.sub("value")).unwrap_or(attribute);
                    if attribute.returned == Returned::Never || leaf.returned == Returned::Never {
                        return Err(ScimError::filter(format!("{sort_by} cannot be sorted by")));
                    }
                    let location = Location {
                        extension: extension.map(|extension| extension.id.clone()),
                        attribute: Some(attribute.name.clone()),
                        sub: attribute.is_complex().then(|| leaf.name.clone()),
                    };
                    Some(By { location, data_type: leaf.data_type, case_exact: leaf.case_exact })
                }
                Some(_) | None => None,
            });
        }
        match by.iter().any(Option::is_some) {
            true => Ok(Self { by, descending }),
            false => Err(ScimError::path(format!("sortBy {sort_by} is no attribute"))),
        }
    }

    /// What resources of a type are sorted by.
    pub fn location(&self, kind: usize) -> Option<&Location> {
        self.by.get(kind)?.as_ref().map(|by| &by.location)
    }

    /// The key of a resource of a type. What has no value comes last, and first where the order is descending.
    pub fn key(&self, kind: usize, resource: &Object) -> Vec<u8> {
        let value = self.by.get(kind).and_then(Option::as_ref).and_then(|by| by.value(resource));
        let mut key = Vec::new();
        match value {
            None => key.push(1),
            Some(value) => {
                key.push(0);
                for octet in value {
                    key.push(octet);
                    if octet == 0 {
                        key.push(u8::MAX);
                    }
                }
                // An end, so that in reverse the longer of two that begin alike comes first.
                key.extend_from_slice(&[0, 0]);
            }
        }
        if self.descending {
            key.iter_mut().for_each(|octet| *octet = !*octet);
        }
        key
    }
}

impl By {
    /// The value as octets that are ordered as values are. Of several the primary one counts, or else the first.
    fn value(&self, resource: &Object) -> Option<Vec<u8>> {
        let holder = match &self.location.extension {
            None => resource,
            Some(urn) => resource.get(urn)?.as_object()?,
        };
        let held = holder.get(self.location.attribute.as_ref()?)?;
        let held = held.as_array().map_or(Some(held), |values| values.iter().find(|value| is_primary(value)).or_else(|| values.first()))?;
        let held = match &self.location.sub {
            Some(sub) => held.get(sub)?,
            None => held,
        };
        match self.data_type {
            DataType::Boolean => held.as_bool().map(|value| vec![u8::from(value)]),
            DataType::DateTime => held.as_str().and_then(evaluate::instant).map(|instant| (instant ^ i128::MIN).to_be_bytes().to_vec()),
            DataType::Decimal | DataType::Integer => held.as_f64().map(number),
            DataType::Binary | DataType::Reference | DataType::String => held.as_str().map(|value| text(value, self.case_exact)),
            DataType::Complex => None,
        }
    }
}

/// Numbers, by the bits of their floating point form.
fn number(value: f64) -> Vec<u8> {
    let bits = value.to_bits();
    let ordered = if value.is_sign_negative() && value != 0.0 { !bits } else { bits | 1 << 63 };
    ordered.to_be_bytes().to_vec()
}

fn text(value: &str, case_exact: bool) -> Vec<u8> {
    let folded = evaluate::folded(value, case_exact);
    folded.as_bytes().get(..LONGEST).unwrap_or(folded.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::schema::Catalogue;
    use serde_json::{Value, json};
    use std::cmp::Ordering;

    fn object(value: Value) -> Object {
        match value {
            Value::Object(object) => object,
            other => panic!("{other} is no object"),
        }
    }

    fn compare(sort_by: &str, descending: bool, left: Value, right: Value) -> Ordering {
        let catalogue = Catalogue::load().unwrap();
        let order = Order::new(sort_by, descending, &[&catalogue.types[0]]).unwrap();
        order.key(0, &object(left)).cmp(&order.key(0, &object(right)))
    }

    #[test]
    fn keys_are_ordered_as_rfc7644_orders_values() {
        const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let user = |name: &str| json!({"userName": name});
        let mails = |values: Value| json!({"emails": values});
        let time = |text: &str| json!({"meta": {"lastModified": text}});
        let number = |number: &str| json!({ENTERPRISE: {"employeeNumber": number}});
        let rising = [
            ("userName", user("a"), user("B")),
            ("USERNAME", user("b"), user("bc")),
            ("userName", user("b"), user("b!")),
            ("externalId", json!({"externalId": "B"}), json!({"externalId": "a"})),
            ("title", json!({"title": "z"}), json!({})),
            ("name.familyName", json!({"name": {"familyName": "a"}}), json!({"name": {"givenName": "a"}})),
            ("urn:ietf:params:scim:schemas:core:2.0:User:userName", user("a"), user("b")),
            (&format!("{ENTERPRISE}:employeeNumber"), number("1"), number("2")),
            // The primary one counts, or else the first.
            ("emails", mails(json!([{"value": "z"}, {"value": "a", "primary": true}])), mails(json!([{"value": "b"}, {"value": "a"}]))),
            ("emails.type", mails(json!([{"type": "home"}])), mails(json!([{"type": "work"}]))),
            ("active", json!({"active": false}), json!({"active": true})),
            ("meta.lastModified", time("0001-01-01T00:00:00Z"), time("2026-01-01T00:00:00Z")),
            ("meta.lastModified", time("2026-01-01T01:00:00+02:00"), time("2026-01-01T00:00:00Z")),
        ];
        for (sort_by, less, greater) in rising {
            assert_eq!(compare(sort_by, false, less.clone(), greater.clone()), Ordering::Less, "{sort_by}: {less} {greater}");
            assert_eq!(compare(sort_by, true, less.clone(), greater.clone()), Ordering::Greater, "{sort_by}: {less} {greater}");
        }
        for pair in [-2.5, -1.0, -0.5, 0.0, 0.25, 1.0, 300.0].windows(2) {
            assert!(super::number(pair[0]) < super::number(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn he5_what_cannot_be_sorted_by_is_refused() {
        let catalogue = Catalogue::load().unwrap();
        for name in ["password", "nothing", "emails[type eq \"work\"]", "urn:x:y", ""] {
            assert!(Order::new(name, false, &[&catalogue.types[0]]).is_err(), "{name}");
        }
    }
}
