//! Structured values (design §1.5): what SCIM has as e-mails, phone numbers and addresses is kept once, as a JSON
//! object per value in `hcEmail`, `hcPhoneNumber` and `hcPostalAddress`. The plain attributes of LDAP are a projection.
//!
//! [`reconcile`] runs on every draft before it is sealed. Where the structured side was changed, the plain side
//! follows; where it was not, the plain side is carried back: a value equal under its matching rule keeps its
//! structure and takes the new spelling, a new one gets the type of its attribute, an absent one goes.

use super::check::{Breach, Cause};
use crate::model::{AttributeId, Draft};
use crate::schema::Schema;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

type Object = Map<String, Value>;

/// The plain attributes of phone numbers: SCIM's type, LDAP's attribute. The first takes what has no type of its own.
const PHONES: [(&str, &str); 5] =
    [("work", "telephoneNumber"), ("mobile", "mobile"), ("home", "homePhone"), ("fax", "facsimileTelephoneNumber"), ("pager", "pager")];

/// E-mail addresses have one plain attribute.
const MAILS: [(&str, &str); 1] = [("work", "mail")];

/// The plain attributes of the address that counts, and SCIM's names of its parts.
const ADDRESS: [(&str, &str); 4] = [("streetAddress", "street"), ("locality", "l"), ("region", "st"), ("postalCode", "postalCode")];

/// Brings the structured attributes of a draft and their plain projection in step.
pub fn reconcile(schema: &Schema, before: Option<&Draft>, after: &mut Draft) -> Result<(), Breach> {
    let known = schema.known();
    let allowed = Allowed::of(schema, after);
    for (structured, table) in [(known.hc_email, &MAILS[..]), (known.hc_phone_number, &PHONES[..])] {
        if allowed.holds(structured) {
            reconcile_values(schema, before, after, structured, &allowed.plain(schema, table))?;
        }
    }
    if allowed.holds(known.hc_postal_address) {
        reconcile_address(schema, before, after, &allowed.plain(schema, &ADDRESS))?;
    }
    Ok(())
}

/// The attributes that hold the same as this one in another form: the plain ones of a structured one, and the other way round.
pub fn other_forms(schema: &Schema, attribute: AttributeId) -> Vec<AttributeId> {
    let known = schema.known();
    let families = [(known.hc_email, &MAILS[..]), (known.hc_phone_number, &PHONES[..]), (known.hc_postal_address, &ADDRESS[..])];
    let mut found = Vec::new();
    for (structured, table) in families {
        let plain = table.iter().filter_map(|(_, name)| schema.attribute(name));
        match structured == attribute {
            true => found.extend(plain),
            false => found.extend(plain.filter(|plain| *plain == attribute).map(|_| structured)),
        }
    }
    found
}

/// The attributes that the object classes of a draft allow.
struct Allowed {
    all: bool,
    attributes: BTreeSet<AttributeId>,
}

impl Allowed {
    fn of(schema: &Schema, draft: &Draft) -> Self {
        let mut allowed = Self { all: false, attributes: BTreeSet::new() };
        for name in draft.values(schema.known().object_class) {
            let Some(class) = std::str::from_utf8(name).ok().and_then(|name| schema.class(name)) else { continue };
            let class = schema.object_class(class);
            // It allows every plain attribute, but makes nobody a person of ours.
            allowed.all |= class.names.iter().any(|name| name.eq_ignore_ascii_case("extensibleObject"));
            allowed.attributes.extend(class.must.iter().chain(&class.may));
        }
        allowed
    }

    fn holds(&self, attribute: AttributeId) -> bool {
        self.attributes.contains(&attribute)
    }

    /// The rows of a table whose plain attribute the entry may have.
    fn plain(&self, schema: &Schema, table: &[(&'static str, &str)]) -> Vec<(&'static str, AttributeId)> {
        let found = table.iter().filter_map(|(kind, name)| Some((*kind, schema.attribute(name)?)));
        found.filter(|(_, attribute)| self.all || self.attributes.contains(attribute)).collect()
    }
}

fn refuse<T>(schema: &Schema, attribute: AttributeId, reason: &str) -> Result<T, Breach> {
    let text = format!("{}: {reason}", schema.attribute_type(attribute).name());
    Err(Breach { cause: Cause::Constraint, rule: "U5", text })
}

fn parse(schema: &Schema, draft: &Draft, structured: AttributeId) -> Result<Vec<Object>, Breach> {
    let mut objects = Vec::new();
    for value in draft.values(structured) {
        let Ok(Value::Object(object)) = serde_json::from_slice(value) else {
            return refuse(schema, structured, "a value is a JSON object such as {\"value\":\"…\",\"type\":\"work\"}");
        };
        if ["value", "type", "display"].iter().any(|name| object.get(*name).is_some_and(|held| !held.is_string())) {
            return refuse(schema, structured, "value, type and display are strings");
        }
        objects.push(object);
    }
    if objects.iter().filter(|object| is_primary(object)).count() > 1 {
        return refuse(schema, structured, "only one value is the primary one");
    }
    Ok(objects)
}

fn store(draft: &mut Draft, structured: AttributeId, objects: Vec<Object>) {
    let values = objects.into_iter().map(|object| Value::Object(object).to_string().into_bytes()).collect();
    draft.set(crate::model::Description::plain(structured), values);
}

fn text<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn is_primary(object: &Object) -> bool {
    object.get("primary").and_then(Value::as_bool) == Some(true)
}

/// What counts comes first: the primary value, then those of type work, then the others in their order (U5).
fn weight(object: &Object) -> u8 {
    match (is_primary(object), text(object, "type")) {
        (true, _) => 0,
        (false, Some(kind)) if kind.eq_ignore_ascii_case("work") => 1,
        (false, _) => 2,
    }
}

/// The plain attribute an object is shown in, or `None` where the entry may not have that.
fn shown_in(schema: &Schema, structured: AttributeId, object: &Object, plain: &[(&'static str, AttributeId)]) -> Option<AttributeId> {
    let kind = text(object, "type").unwrap_or_default();
    let own = |table: &[(&'static str, &str)]| table.iter().any(|(known, _)| known.eq_ignore_ascii_case(kind));
    let of_kind = |wanted: &str| plain.iter().find(|(known, _)| known.eq_ignore_ascii_case(wanted)).map(|(_, attribute)| *attribute);
    if structured == schema.known().hc_phone_number && own(&PHONES) { of_kind(kind) } else { of_kind("work") }
}

fn normal(schema: &Schema, attribute: AttributeId, value: &[u8]) -> Vec<u8> {
    let mut key = Vec::new();
    match schema.normalize(attribute, value, &mut key) {
        Ok(()) => key,
        // Sealing will refuse it, and say why.
        Err(_) => value.to_vec(),
    }
}

fn reconcile_values(
    schema: &Schema,
    before: Option<&Draft>,
    after: &mut Draft,
    structured: AttributeId,
    plain: &[(&'static str, AttributeId)],
) -> Result<(), Breach> {
    let mut objects = parse(schema, after, structured)?;
    let changed = before.map_or(&[][..], |before| before.values(structured)) != after.values(structured);
    if !changed {
        let carried = carry_back(schema, after, structured, objects.clone(), plain);
        if carried != objects {
            objects = carried;
            store(after, structured, objects.clone());
        }
    }
    objects.sort_by_key(weight);
    for (_, attribute) in plain {
        let mut seen = BTreeSet::new();
        let shown = objects.iter().filter(|object| shown_in(schema, structured, object, plain) == Some(*attribute));
        let values =
            shown.filter_map(|object| text(object, "value")).filter(|value| seen.insert(normal(schema, *attribute, value.as_bytes())));
        let values = values.map(|value| value.as_bytes().to_vec()).collect();
        after.set(crate::model::Description::plain(*attribute), values);
    }
    Ok(())
}

fn carry_back(
    schema: &Schema,
    after: &Draft,
    structured: AttributeId,
    mut objects: Vec<Object>,
    plain: &[(&'static str, AttributeId)],
) -> Vec<Object> {
    for (kind, attribute) in plain {
        let given: Vec<(Vec<u8>, String)> = (after.values(*attribute).iter())
            .map(|value| (normal(schema, *attribute, value), String::from_utf8_lossy(value).into_owned()))
            .collect();
        let mut spellings: HashMap<&[u8], &String> = HashMap::with_capacity(given.len());
        for (key, spelling) in &given {
            spellings.entry(key).or_insert(spelling);
        }
        let mut found = BTreeSet::new();
        objects.retain_mut(|object| {
            if shown_in(schema, structured, object, plain) != Some(*attribute) {
                return true;
            }
            let Some(held) = text(object, "value").map(|value| normal(schema, *attribute, value.as_bytes())) else { return true };
            let Some(&spelling) = spellings.get(held.as_slice()) else { return false };
            if text(object, "value") != Some(spelling) {
                object.insert("value".to_owned(), Value::String(spelling.clone()));
            }
            found.insert(held);
            true
        });
        for (key, spelling) in given {
            if found.insert(key) {
                let mut object = Object::new();
                object.insert("value".to_owned(), Value::String(spelling));
                object.insert("type".to_owned(), Value::String((*kind).to_owned()));
                objects.push(object);
            }
        }
    }
    objects
}

/// The address that counts is shown in the first values of the plain attributes; further plain values stay as they are.
fn reconcile_address(
    schema: &Schema,
    before: Option<&Draft>,
    after: &mut Draft,
    plain: &[(&'static str, AttributeId)],
) -> Result<(), Breach> {
    let structured = schema.known().hc_postal_address;
    let mut objects = parse(schema, after, structured)?;
    let changed = before.map_or(&[][..], |before| before.values(structured)) != after.values(structured);
    let counts = objects.iter().enumerate().min_by_key(|(_, object)| weight(object)).map(|(at, _)| at);
    if changed {
        let shown = counts.and_then(|at| objects.get(at));
        for (part, attribute) in plain {
            let value = shown.and_then(|object| text(object, part));
            let mut values = after.values(*attribute).to_vec();
            match value {
                Some(value) if values.first().is_some_and(|first| *first == value.as_bytes()) => continue,
                Some(value) if values.is_empty() => values.push(value.into()),
                Some(value) => values.splice(..1, [value.into()]).for_each(drop),
                None if values.is_empty() => continue,
                None => values.remove(0).clear(),
            }
            after.set(crate::model::Description::plain(*attribute), values);
        }
        return Ok(());
    }
    let mut object = counts.and_then(|at| objects.get(at).cloned()).unwrap_or_default();
    for (part, attribute) in plain {
        match after.text(*attribute) {
            Some(value) if text(&object, part) == Some(value) => {}
            Some(value) => {
                object.insert((*part).to_owned(), Value::String(value.to_owned()));
                // It was put together from the parts as they were.
                object.shift_remove("formatted");
            }
            None if object.contains_key(*part) => {
                object.shift_remove(*part);
                object.shift_remove("formatted");
            }
            None => {}
        }
    }
    let is_empty = object.keys().all(|name| name == "type" || name == "primary");
    match counts {
        Some(at) if is_empty => drop(objects.remove(at)),
        Some(at) => objects.get_mut(at).into_iter().for_each(|held| *held = object.clone()),
        None if is_empty => return Ok(()),
        None => {
            object.insert("type".to_owned(), Value::String("work".to_owned()));
            objects.push(object);
        }
    }
    if parse(schema, after, structured)? != objects {
        store(after, structured, objects);
    }
    Ok(())
}
