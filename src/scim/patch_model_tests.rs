//! PATCH beside a model of RFC 7644 §3.5.2 that is written to be read: it knows a small table of attributes and works on plain
//! JSON, one rule after another, and shares nothing with `patch.rs`. Whatever the operations are, both make the same of a
//! resource, or both refuse it for the same reason.

use super::patch;
use super::schema::{Catalogue, ResourceType};
use crate::directory::client::Profile;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use std::sync::{Arc, LazyLock};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

static USER: LazyLock<Arc<ResourceType>> = LazyLock::new(|| Catalogue::load().unwrap().user);

/// How many cases are tried: in a long run (`HEADCOUNT_LONG`), and otherwise.
#[expect(clippy::disallowed_methods, reason = "whether this is the long run is said by tests/run")]
pub(super) fn cases(usual: u32, long: u32) -> ProptestConfig {
    let cases = if std::env::var("HEADCOUNT_LONG").is_ok() { long } else { usual };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// What an attribute of the table is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Text,
    Flag,
    Parts(&'static [&'static str]),
    List(&'static [&'static str]),
    ReadOnly,
}

/// Extension, attribute, and what it is. Parts are text, but for `primary`.
const TABLE: &[(bool, &str, Shape)] = &[
    (false, "title", Shape::Text),
    (false, "active", Shape::Flag),
    (false, "name", Shape::Parts(&["givenName", "familyName"])),
    (false, "emails", Shape::List(&["value", "type", "display", "primary"])),
    (false, "addresses", Shape::List(&["locality", "region", "type", "primary"])),
    (false, "groups", Shape::ReadOnly),
    (true, "department", Shape::Text),
    (true, "division", Shape::Text),
];

/// An operation as the model takes it; [`Step::text`] is what a client would send for it.
#[derive(Clone, Debug)]
struct Step {
    op: &'static str,
    /// The row of the table; `None`: the value is an object of attributes.
    row: Option<usize>,
    /// Parts of an element and what they must be.
    filter: Option<Vec<(&'static str, Value)>>,
    part: Option<&'static str>,
    value: Value,
}

fn key(row: usize) -> String {
    let (extended, name, _) = TABLE[row];
    if extended { format!("{ENTERPRISE}:{name}") } else { name.to_owned() }
}

impl Step {
    fn text(&self) -> Value {
        let Some(row) = self.row else { return json!({"op": self.op, "value": self.value}) };
        let terms = |terms: &Vec<(&str, Value)>| {
            let terms: Vec<String> = terms.iter().map(|(part, value)| format!("{part} eq {value}")).collect();
            format!("[{}]", terms.join(" and "))
        };
        let filter = self.filter.as_ref().map(terms).unwrap_or_default();
        let part = self.part.map(|part| format!(".{part}")).unwrap_or_default();
        json!({"op": self.op, "path": format!("{}{filter}{part}", key(row)), "value": self.value})
    }
}

// ---- The model. Errors are the names of RFC 7644, table 9.

type Outcome<T> = Result<T, &'static str>;

fn empty(value: &Value) -> bool {
    [json!(null), json!(""), json!([]), json!({})].contains(value)
}

fn lower(value: Option<&Value>) -> Option<String> {
    value.map(|value| value.to_string().to_lowercase())
}

/// Whether two elements of a list are the same value: value and type, or everything where they have no value.
fn same(left: &Value, right: &Value) -> bool {
    match (left.get("value"), right.get("value")) {
        (Some(_), Some(_)) => ["value", "type"].iter().all(|part| lower(left.get(part)) == lower(right.get(part))),
        _ => left == right,
    }
}

/// A list in which the same value is there once; a later one adds what the first did not say.
fn once(list: Vec<Value>) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::new();
    for element in list {
        let Some(held) = kept.iter_mut().find(|held| same(held, &element)) else {
            kept.push(element);
            continue;
        };
        for (part, value) in element.as_object().unwrap() {
            if held.get(part).is_none() || (part == "primary" && *value == json!(true)) {
                held[part] = value.clone();
            }
        }
    }
    kept
}

/// One element as it is kept: without parts that have no value, and without names that are no parts.
fn element(value: &Value, parts: &[&str]) -> Outcome<Value> {
    let Value::Object(given) = value else { return Err("invalidValue") };
    let mut kept = Map::new();
    for (part, value) in given.iter().filter(|(part, value)| parts.contains(&part.as_str()) && !empty(value)) {
        kept.insert(part.clone(), leaf(part == "primary", value)?);
    }
    Ok(Value::Object(kept))
}

/// Text, or a boolean that may come as text.
fn leaf(flag: bool, value: &Value) -> Outcome<Value> {
    match (flag, value) {
        (false, Value::String(_)) | (true, Value::Bool(_)) => Ok(value.clone()),
        (true, Value::String(text)) => text.to_lowercase().parse::<bool>().map(Value::from).map_err(|_| "invalidValue"),
        _ => Err("invalidValue"),
    }
}

fn elements(value: &Value, parts: &[&str]) -> Outcome<Vec<Value>> {
    let given = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let mut list = Vec::new();
    for value in given.iter().filter(|value| !empty(value)) {
        list.push(element(value, parts)?);
    }
    list.retain(|element| !empty(element));
    if list.iter().filter(|element| element["primary"] == json!(true)).count() > 1 {
        return Err("invalidValue");
    }
    Ok(once(list))
}

/// Sets one value, or takes it away; `add` of nothing changes nothing.
fn assign(holder: &mut Map<String, Value>, name: &str, op: &str, value: &Value, flag: bool) -> Outcome<()> {
    if op == "remove" || (op == "replace" && empty(value)) {
        holder.shift_remove(name);
    } else if !empty(value) {
        holder.insert(name.to_owned(), leaf(flag, value)?);
    }
    Ok(())
}

/// Of the elements that an operation touched one may be primary, and then no other is.
fn one_primary(list: &mut [Value], touched: &[usize]) -> Outcome<()> {
    let primary: Vec<usize> = touched.iter().copied().filter(|&at| list[at]["primary"] == json!(true)).collect();
    if primary.len() > 1 {
        return Err("invalidValue");
    }
    for (at, element) in list.iter_mut().enumerate() {
        if primary.first().is_some_and(|&new| new != at) && element["primary"] == json!(true) {
            element["primary"] = json!(false);
        }
    }
    Ok(())
}

/// A list without a filter and without a part: `add` appends or brings up to date, `replace` replaces all.
fn whole_list(list: Vec<Value>, step: &Step, parts: &[&str]) -> Outcome<Vec<Value>> {
    match step.op {
        "remove" if empty(&step.value) => Ok(Vec::new()),
        "remove" => {
            let gone = elements(&step.value, parts)?;
            let covers = |gone: &Value, held: &Value| {
                let telling: &[&str] = if gone.get("value").is_some() { &["value", "type"] } else { parts };
                telling.iter().all(|part| gone.get(part).is_none() || lower(gone.get(part)) == lower(held.get(part)))
            };
            Ok(list.into_iter().filter(|held| !gone.iter().any(|gone| covers(gone, held))).collect())
        }
        "replace" => elements(&step.value, parts),
        _ => {
            let (mut list, mut touched) = (list, Vec::new());
            for new in elements(&step.value, parts)? {
                let any_use = new.get("value").is_some() && new.get("type").is_none();
                let found = list
                    .iter()
                    .position(|held| if any_use { lower(held.get("value")) == lower(new.get("value")) } else { same(held, &new) });
                let at = found.unwrap_or_else(|| {
                    list.push(json!({}));
                    list.len() - 1
                });
                list[at].as_object_mut().unwrap().extend(new.as_object().unwrap().clone());
                touched.push(at);
            }
            touched.sort_unstable();
            touched.dedup();
            one_primary(&mut list, &touched)?;
            Ok(list)
        }
    }
}

/// Some elements of a list, or a part of them.
fn some_of_list(mut list: Vec<Value>, step: &Step, parts: &[&str]) -> Outcome<Vec<Value>> {
    let terms = step.filter.clone().unwrap_or_default();
    let matches = |held: &Value| terms.iter().all(|(part, value)| lower(held.get(part)) == lower(Some(value)));
    let mut touched: Vec<usize> = (0..list.len()).filter(|&at| matches(&list[at])).collect();
    if touched.is_empty() {
        match (step.op, step.part) {
            ("remove", _) if step.filter.is_none() => return Ok(list),
            ("remove", _) | ("replace", None) => return Err("noTarget"),
            // It is made of what the filter asks for.
            _ => list.push(Value::Object(terms.iter().map(|(part, value)| ((*part).to_owned(), value.clone())).collect())),
        }
        touched.push(list.len() - 1);
    }
    if step.op == "remove" && step.part.is_none() {
        return Ok(list.into_iter().filter(|held| !matches(held)).collect());
    }
    for &at in &touched {
        match (step.part, step.op) {
            (Some(part), op) => assign(list[at].as_object_mut().unwrap(), part, op, &step.value, part == "primary")?,
            (None, "add") if step.value.is_object() => {
                for part in parts {
                    let value = step.value.get(part).cloned().unwrap_or_default();
                    assign(list[at].as_object_mut().unwrap(), part, "add", &value, *part == "primary")?;
                }
            }
            (None, "add") if empty(&step.value) => {}
            (None, "add") => list[at].as_object_mut().unwrap().extend(element(&step.value, parts)?.as_object().unwrap().clone()),
            _ if empty(&step.value) => list[at] = json!({}),
            _ => list[at] = element(&step.value, parts)?,
        }
    }
    one_primary(&mut list, &touched)?;
    list.retain(|element| !empty(element));
    Ok(once(list))
}

fn apply(resource: &mut Map<String, Value>, step: &Step) -> Outcome<()> {
    let Some(row) = step.row else {
        let rows = |name: &String| (0..TABLE.len()).find(|&row| key(row) == *name);
        for (name, value) in step.value.as_object().unwrap() {
            if let Some(row) = rows(name) {
                apply(resource, &Step { row: Some(row), value: value.clone(), ..step.clone() })?;
            }
        }
        return Ok(());
    };
    let (extended, name, shape) = TABLE[row];
    let mut holder = if extended { resource.get(ENTERPRISE).cloned().unwrap_or(json!({})) } else { Value::Object(resource.clone()) };
    let held = holder.get(name).cloned();
    let holder_map = holder.as_object_mut().unwrap();
    match (shape, step.part) {
        (Shape::ReadOnly, _) => return Err("mutability"),
        (Shape::Text | Shape::Flag, _) => assign(holder_map, name, step.op, &step.value, shape == Shape::Flag)?,
        (Shape::Parts(_), None) if step.op == "remove" || (step.op == "replace" && empty(&step.value)) => {
            drop(holder_map.shift_remove(name))
        }
        (Shape::Parts(parts), part) => {
            let mut members = held.unwrap_or(json!({})).as_object().unwrap().clone();
            match (part, &step.value) {
                (Some(part), value) => assign(&mut members, part, step.op, value, false)?,
                (None, Value::Object(given)) => {
                    for (part, value) in given.iter().filter(|(part, _)| parts.contains(&part.as_str())) {
                        assign(&mut members, part, step.op, value, false)?;
                    }
                }
                (None, value) if empty(value) => {}
                (None, _) => return Err("invalidValue"),
            }
            holder_map.insert(name.to_owned(), Value::Object(members));
        }
        (Shape::List(parts), _) => {
            let list = held.unwrap_or(json!([])).as_array().unwrap().clone();
            let whole = step.filter.is_none() && step.part.is_none();
            let list = if whole { whole_list(list, step, parts)? } else { some_of_list(list, step, parts)? };
            holder_map.insert(name.to_owned(), Value::Array(list));
        }
    }
    holder_map.retain(|_, value| !empty(value));
    match extended {
        true => drop(resource.insert(ENTERPRISE.to_owned(), holder)),
        false => *resource = holder.as_object().unwrap().clone(),
    }
    resource.retain(|_, value| !empty(value));
    Ok(())
}

// ---- What is tried.

fn text() -> impl Strategy<Value = Value> {
    select(vec![json!("a"), json!("A"), json!("b"), json!("work"), json!("home")])
}

fn object(parts: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let part = select(parts).prop_flat_map(|part| {
        let value =
            if part == "primary" { select(vec![json!(true), json!(true), json!(false), json!("True")]).boxed() } else { text().boxed() };
        (Just(part.to_owned()), prop_oneof![9 => value, 1 => Just(json!(null)), 1 => Just(json!(""))])
    });
    proptest::collection::vec(part, 0..4).prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn value(shape: Shape) -> BoxedStrategy<Value> {
    let nothing = select(vec![json!(null), json!(""), json!([]), json!({})]);
    let fitting = match shape {
        Shape::Text | Shape::ReadOnly => text().boxed(),
        Shape::Flag => select(vec![json!(true), json!(false), json!("False"), json!("TRUE"), json!("x")]).boxed(),
        Shape::Parts(parts) => object(parts).boxed(),
        Shape::List(parts) => prop_oneof![object(parts), proptest::collection::vec(object(parts), 0..3).prop_map(Value::Array)].boxed(),
    };
    prop_oneof![8 => fitting, 1 => nothing].boxed()
}

fn filter(parts: &'static [&'static str]) -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let term = select(parts).prop_flat_map(|part| {
        let value = if part == "primary" { any::<bool>().prop_map(Value::from).boxed() } else { text().boxed() };
        (Just(part), value)
    });
    proptest::collection::vec(term, 1..3).prop_map(|mut terms| {
        // The same part twice matches nothing and makes one of them.
        terms.dedup_by_key(|(part, _)| *part);
        terms
    })
}

fn step() -> impl Strategy<Value = Step> {
    let op = select(vec!["add", "replace", "remove"]);
    let by_path = (op, 0..TABLE.len(), any::<bool>(), any::<bool>()).prop_flat_map(|(op, row, filtered, parted)| {
        let shape = TABLE[row].2;
        let (filter, part): (BoxedStrategy<_>, BoxedStrategy<Option<&'static str>>) = match shape {
            Shape::List(parts) if filtered => {
                (filter(parts).prop_map(Some).boxed(), if parted { select(parts).prop_map(Some).boxed() } else { Just(None).boxed() })
            }
            Shape::List(parts) | Shape::Parts(parts) if parted => (Just(None).boxed(), select(parts).prop_map(Some).boxed()),
            _ => (Just(None).boxed(), Just(None).boxed()),
        };
        (filter, part).prop_flat_map(move |(filter, part)| {
            let value = match (part, &filter, shape) {
                (Some("primary"), ..) => value(Shape::Flag),
                (Some(_), ..) => value(Shape::Text),
                (None, Some(_), Shape::List(parts)) => prop_oneof![8 => object(parts), 1 => Just(json!(null))].boxed(),
                _ => value(shape),
            };
            (Just(filter), value).prop_map(move |(filter, value)| Step { op, row: Some(row), filter, part, value })
        })
    });
    let pair = (0..TABLE.len()).prop_flat_map(|row| (Just(key(row)), value(TABLE[row].2)));
    let whole = (select(vec!["add", "replace"]), proptest::collection::vec(pair, 0..3)).prop_map(|(op, pairs)| Step {
        op,
        row: None,
        filter: None,
        part: None,
        value: Value::Object(pairs.into_iter().collect()),
    });
    prop_oneof![4 => by_path, 1 => whole]
}

fn start() -> Map<String, Value> {
    let start = json!({
        "title": "a", "name": {"familyName": "b"},
        "emails": [{"value": "a", "type": "work", "primary": true}, {"value": "b", "type": "home"}],
    });
    start.as_object().unwrap().clone()
}

fn real(steps: &[Step]) -> Result<Map<String, Value>, String> {
    let texts: Vec<Value> = steps.iter().map(Step::text).collect();
    let operations = patch::parse(json!({"Operations": texts}).as_object().unwrap(), Profile::Rfc);
    let mut resource = start();
    let done = operations.and_then(|operations| patch::apply(&mut resource, &operations, &USER, Profile::Rfc));
    done.map(|()| resource).map_err(|error| error.kind.map(|kind| kind.text().to_owned()).unwrap_or_default())
}

fn model(steps: &[Step]) -> Result<Map<String, Value>, String> {
    let mut resource = start();
    steps.iter().try_for_each(|step| apply(&mut resource, step)).map(|()| resource).map_err(str::to_owned)
}

proptest! {
    #![proptest_config(cases(2_000, 100_000))]

    #[test]
    fn any_patch_makes_what_the_model_makes(steps in proptest::collection::vec(step(), 1..8)) {
        let texts: Vec<Value> = steps.iter().map(Step::text).collect();
        prop_assert_eq!(real(&steps), model(&steps), "{}", Value::Array(texts));
    }
}
