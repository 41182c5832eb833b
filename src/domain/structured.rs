//! Structured values (design §1.5): what SCIM has as e-mails, phone numbers, certificates and addresses is kept once, as a
//! JSON object per value in `hcEmail`, `hcPhoneNumber`, `hcCertificate` and `hcPostalAddress`. The plain attributes of LDAP
//! are a projection.
//!
//! [`reconcile`] runs on every draft before it is sealed. Where the structured side was changed, the plain side
//! follows; where it was not, the plain side is carried back: a value equal under its matching rule keeps its
//! structure and takes the new spelling, a new one gets the type of its attribute, an absent one goes.

use super::check::{Breach, Cause};
use crate::model::{AttributeId, Description, Draft};
use crate::schema::Schema;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

type Object = Map<String, Value>;

/// The plain attributes of phone numbers: SCIM's type, LDAP's attribute. The first takes what has no type of its own.
const PHONES: [(&str, &str); 5] =
    [("work", "telephoneNumber"), ("mobile", "mobile"), ("home", "homePhone"), ("fax", "facsimileTelephoneNumber"), ("pager", "pager")];

/// E-mail addresses have one plain attribute.
const MAILS: [(&str, &str); 1] = [("work", "mail")];

/// Certificates have one plain attribute, and no types.
const CERTIFICATES: [(&str, &str); 1] = [("", "userCertificate")];

/// The plain attributes of the address that counts, and SCIM's names of its parts.
const ADDRESS: [(&str, &str); 4] = [("streetAddress", "street"), ("locality", "l"), ("region", "st"), ("postalCode", "postalCode")];

/// How a value of a plain attribute is in `value` of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// DER, in base64.
    Der,
    /// As it is.
    Text,
}

impl Form {
    fn plain(self, value: &str) -> Option<Vec<u8>> {
        match self {
            Self::Text => Some(value.as_bytes().to_vec()),
            Self::Der => STANDARD.decode(value).ok(),
        }
    }

    fn structured(self, value: &[u8]) -> String {
        match self {
            Self::Text => String::from_utf8_lossy(value).into_owned(),
            Self::Der => STANDARD.encode(value),
        }
    }
}

/// A structured attribute whose values are shown one by one in plain attributes.
#[derive(Clone, Copy)]
struct Family {
    structured: AttributeId,
    form: Form,
    /// Whether SCIM keeps what LDAP cannot show: `tel:+64-4-1;ext=2` is no telephone number of RFC 4517.
    holds_more: bool,
    /// SCIM's type and LDAP's attribute; the first takes what has no type of its own.
    table: &'static [(&'static str, &'static str)],
}

fn families(schema: &Schema) -> [Family; 3] {
    let known = schema.known();
    [
        Family { structured: known.hc_email, form: Form::Text, holds_more: false, table: &MAILS },
        Family { structured: known.hc_phone_number, form: Form::Text, holds_more: true, table: &PHONES },
        Family { structured: known.hc_certificate, form: Form::Der, holds_more: true, table: &CERTIFICATES },
    ]
}

/// Brings the structured attributes of a draft and their plain projection in step.
pub fn reconcile(schema: &Schema, before: Option<&Draft>, after: &mut Draft) -> Result<(), Breach> {
    let allowed = Allowed::of(schema, after);
    for family in families(schema).into_iter().filter(|family| allowed.holds(family.structured)) {
        let plain = allowed.plain(schema, family.table);
        reconcile_values(&Values { schema, family, plain }, before, after)?;
    }
    if allowed.holds(schema.known().hc_postal_address) {
        reconcile_address(schema, before, after, &allowed.plain(schema, &ADDRESS))?;
    }
    Ok(())
}

/// The attributes that hold the same as this one in another form: the plain ones of a structured one, and the other way round.
pub fn other_forms(schema: &Schema, attribute: AttributeId) -> Vec<AttributeId> {
    let tables = families(schema).map(|family| (family.structured, family.table));
    let mut found = Vec::new();
    for (structured, table) in tables.into_iter().chain([(schema.known().hc_postal_address, &ADDRESS[..])]) {
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
    fn plain(&self, schema: &Schema, table: &[(&'static str, &str)]) -> Vec<(&'static str, Description)> {
        let found = table.iter().filter_map(|(kind, name)| Some((*kind, schema.description(name)?)));
        found.filter(|(_, plain)| self.all || self.attributes.contains(&plain.attribute)).collect()
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
    draft.set(Description::plain(structured), values);
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

fn normal(schema: &Schema, attribute: AttributeId, value: &[u8]) -> Vec<u8> {
    let mut key = Vec::new();
    match schema.normalize(attribute, value, &mut key) {
        Ok(()) => key,
        // Sealing will refuse it, and say why.
        Err(_) => value.to_vec(),
    }
}

/// A family as far as an entry may have it.
struct Values<'s> {
    schema: &'s Schema,
    family: Family,
    /// SCIM's type and the plain attribute, of those rows that the entry may have.
    plain: Vec<(&'static str, Description)>,
}

impl Values<'_> {
    /// Where an object is shown, and its value there; `None` where the entry may not have that.
    fn shown(&self, object: &Object) -> Option<(&Description, Vec<u8>)> {
        let kind = text(object, "type").unwrap_or_default();
        let own = self.family.table.iter().map(|(known, _)| *known).find(|known| known.eq_ignore_ascii_case(kind));
        let kind = own.or_else(|| self.family.table.first().map(|(first, _)| *first))?;
        let (_, description) = self.plain.iter().find(|(known, _)| *known == kind)?;
        let value = self.family.form.plain(text(object, "value")?)?;
        (!self.family.holds_more || self.fits(description, &value)).then_some((description, value))
    }

    fn fits(&self, description: &Description, value: &[u8]) -> bool {
        self.schema.syntax_of(description.attribute).check(value).is_ok()
    }

    /// Whether the plain side has values that sealing will refuse, and say why.
    fn is_unfit(&self, draft: &Draft) -> bool {
        let fits = |description: &Description| draft.get(description).unwrap_or_default().iter().all(|value| self.fits(description, value));
        !self.plain.iter().all(|(_, description)| fits(description))
    }

    /// The value and its normal form, where the object is shown in that attribute.
    fn shown_in(&self, object: &Object, wanted: &Description) -> Option<(Vec<u8>, Vec<u8>)> {
        let (_, value) = self.shown(object).filter(|(description, _)| *description == wanted)?;
        let key = normal(self.schema, wanted.attribute, &value);
        Some((key, value))
    }

    /// The objects as the plain attributes have them.
    fn carry_back(&self, after: &Draft, mut objects: Vec<Object>) -> Vec<Object> {
        for (kind, description) in &self.plain {
            let given: Vec<(Vec<u8>, &Vec<u8>)> = (after.get(description).unwrap_or_default().iter())
                .map(|value| (normal(self.schema, description.attribute, value), value))
                .collect();
            let mut spellings: HashMap<&[u8], &Vec<u8>> = HashMap::with_capacity(given.len());
            for (key, spelling) in &given {
                spellings.entry(key).or_insert(spelling);
            }
            // Of values that are equal under the rule one is shown; the others keep their own spelling.
            let shown: BTreeSet<Vec<u8>> = (objects.iter().filter_map(|object| self.shown_in(object, description)))
                .filter(|(key, value)| spellings.get(key.as_slice()).is_some_and(|spelling| value == *spelling))
                .map(|(key, _)| key)
                .collect();
            let mut found = BTreeSet::new();
            objects.retain_mut(|object| {
                let Some((key, value)) = self.shown_in(object, description) else { return true };
                let Some(&spelling) = spellings.get(key.as_slice()) else { return false };
                if value != *spelling && !shown.contains(&key) && !found.contains(&key) {
                    object.insert("value".to_owned(), Value::String(self.family.form.structured(spelling)));
                }
                found.insert(key);
                true
            });
            for (key, spelling) in given {
                if found.insert(key) {
                    let mut object = Object::new();
                    object.insert("value".to_owned(), Value::String(self.family.form.structured(spelling)));
                    if !kind.is_empty() {
                        object.insert("type".to_owned(), Value::String((*kind).to_owned()));
                    }
                    objects.push(object);
                }
            }
        }
        objects
    }
}

fn reconcile_values(values: &Values<'_>, before: Option<&Draft>, after: &mut Draft) -> Result<(), Breach> {
    let structured = values.family.structured;
    let mut objects = parse(values.schema, after, structured)?;
    let changed = before.map_or(&[][..], |before| before.values(structured)) != after.values(structured);
    if !changed {
        if values.is_unfit(after) {
            return Ok(());
        }
        let carried = values.carry_back(after, objects.clone());
        if carried != objects {
            objects = carried;
            store(after, structured, objects.clone());
        }
    }
    objects.sort_by_key(weight);
    for (_, description) in &values.plain {
        let mut seen = BTreeSet::new();
        let shown = objects.iter().filter_map(|object| values.shown_in(object, description));
        let shown = shown.filter(|(key, _)| seen.insert(key.clone())).map(|(_, value)| value).collect();
        after.set(description.clone(), shown);
    }
    Ok(())
}

/// The address that counts is shown in the first values of the plain attributes; further plain values stay as they are.
fn reconcile_address(
    schema: &Schema,
    before: Option<&Draft>,
    after: &mut Draft,
    plain: &[(&'static str, Description)],
) -> Result<(), Breach> {
    let structured = schema.known().hc_postal_address;
    let mut objects = parse(schema, after, structured)?;
    let changed = before.map_or(&[][..], |before| before.values(structured)) != after.values(structured);
    let counts = objects.iter().enumerate().min_by_key(|(_, object)| weight(object)).map(|(at, _)| at);
    if changed {
        let shown = counts.and_then(|at| objects.get(at));
        for (part, description) in plain {
            let value = shown.and_then(|object| text(object, part));
            let mut values = after.get(description).unwrap_or_default().to_vec();
            match value {
                Some(value) if values.first().is_some_and(|first| *first == value.as_bytes()) => continue,
                Some(value) if values.is_empty() => values.push(value.into()),
                Some(value) => values.splice(..1, [value.into()]).for_each(drop),
                None if values.is_empty() => continue,
                None => values.remove(0).clear(),
            }
            after.set(description.clone(), values);
        }
        return Ok(());
    }
    let mut object = counts.and_then(|at| objects.get(at).cloned()).unwrap_or_default();
    for (part, description) in plain {
        match after.text(description.attribute) {
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
