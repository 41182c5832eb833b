//! Queries (RFC 7644 §3.4.2): filter, sort, page, by index or by cursor (RFC 9865).
//!
//! What a query finds is a listing ([`super::listing`]) in an order that does not change between pages: that of creation, or
//! that of `sortBy`. A page is a part of it, from a rank on or after the place that a cursor says, so with cursors nothing that
//! stays is lost or comes twice, whatever comes and goes. Only what is on the page is made into resources.

use super::cursor::{Cursors, Position};
use super::error::{ScimError, ScimType};
use super::evaluate::Predicate;
use super::filter::{Filter as ScimFilter, Words};
use super::gateway::Gateway;
use super::json::{self, Object};
use super::licensing;
use super::listing::{self, Asked, Place, Sought, Window};
use super::mapping::Computed;
use super::memberships;
use super::narrow;
use super::order::Order;
use super::project::Projection;
use super::schema::{ResourceType, Source};
use super::sessions;
use crate::base::EntryId;
use crate::directory::client::Profile;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Resources on a page where the client names no number.
pub const DEFAULT_RESULTS: usize = 100;
/// Resources on a page at most.
pub const MAX_RESULTS: usize = 1_000;
/// Octets of resources after which a page ends, so that none of large groups takes the memory of the machine (HD1).
const PAGE_OCTETS: usize = 4 << 20;
/// Resources that are made at one time.
const AT_ONCE: usize = 64;

/// What a query asks for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The filter as text.
    pub filter: Option<String>,
    /// The attribute to sort by.
    pub sort_by: Option<String>,
    /// From the greatest to the least.
    pub descending: bool,
    /// The first result of the page, from 1.
    pub start_index: usize,
    /// Results on the page at most.
    pub count: usize,
    /// Where the page begins, where the client pages by cursor: empty for the first page.
    pub cursor: Option<String>,
    /// `attributes`.
    pub attributes: Vec<String>,
    /// `excludedAttributes`.
    pub excluded: Vec<String>,
    /// How the filter is read.
    pub profile: Profile,
}

impl Query {
    /// Out of the parameters of a GET.
    pub fn of_parameters(parameters: &[(String, String)]) -> Result<Self, ScimError> {
        let body = parameters.iter().rev().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        Self::of_body(&body)
    }

    /// Out of a SearchRequest (RFC 7644 §3.4.3).
    pub fn of_body(body: &Object) -> Result<Self, ScimError> {
        let text = |name: &str| -> Result<Option<String>, ScimError> {
            match json::get(body, name) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) => Ok(Some(text.clone())),
                Some(_) => Err(ScimError::value(format!("{name} is not a string"))),
            }
        };
        let descending = match text("sortOrder")?.map(|order| order.to_ascii_lowercase()).as_deref() {
            None | Some("ascending") => false,
            Some("descending") => true,
            Some(_) => return Err(ScimError::value("sortOrder is ascending or descending")),
        };
        let cursor = text("cursor")?;
        let count = number(body, "count").map_err(|error| match cursor {
            Some(_) => ScimError::of(ScimType::InvalidCount, error.detail),
            None => error,
        })?;
        Ok(Self {
            filter: text("filter")?,
            sort_by: text("sortBy")?.filter(|name| !name.is_empty()),
            descending,
            start_index: number(body, "startIndex")?.unwrap_or(1).max(1),
            count: count.unwrap_or(DEFAULT_RESULTS).min(MAX_RESULTS),
            cursor,
            attributes: names(body, "attributes")?,
            excluded: names(body, "excludedAttributes")?,
            profile: Profile::default(),
        })
    }

    /// As a profile has it: `strict` selects no elements by `attributes` (quirk 24).
    pub fn under(self, profile: Profile) -> Result<Self, ScimError> {
        let selects = |name: &&String| name.contains('[');
        match self.attributes.iter().chain(&self.excluded).find(selects).filter(|_| profile == Profile::Strict) {
            Some(name) => Err(ScimError::value(format!("{name} is not the name of an attribute"))),
            None => Ok(Self { profile, ..self }),
        }
    }
}

/// A whole number as JSON or text; what is out of range is brought into it (HE8).
fn number(body: &Object, name: &str) -> Result<Option<usize>, ScimError> {
    let wrong = || ScimError::value(format!("{name} is not a whole number"));
    let text = match json::get(body, name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => return Err(wrong()),
    };
    let (negative, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |digits| (true, digits));
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong());
    }
    Ok(Some(if negative { 0 } else { digits.parse().unwrap_or(usize::MAX) }))
}

/// Names as an array, or as text with commas between them, but not those inside brackets or quotes.
fn names(body: &Object, name: &str) -> Result<Vec<String>, ScimError> {
    let wrong = || ScimError::value(format!("{name} is not a list of names"));
    let text = match json::get(body, name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(names)) => return names.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(wrong)).collect(),
        Some(Value::String(text)) => text,
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => return Err(wrong()),
    };
    let mut depth = 0_usize;
    let parts = text.split(|character| {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    Ok(parts.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// The filter of a query, with its names looked up.
pub fn predicate(query: &Query, resource_type: &ResourceType) -> Result<Option<Predicate>, ScimError> {
    parsed(query)?.map(|filter| Predicate::compile(&filter, resource_type)).transpose()
}

fn parsed(query: &Query) -> Result<Option<ScimFilter>, ScimError> {
    let read = |text: &String| ScimFilter::read(text, Words::of(query.profile));
    query.filter.as_ref().map(read).transpose().map_err(|error| ScimError::filter(format!("filter {error}")))
}

/// Answers a query of the endpoint of a type. Runs as long as the search takes.
pub fn of_type(gateway: &Gateway, resource_type: &ResourceType, query: &Query) -> Result<String, ScimError> {
    let resource_type = gateway.served(resource_type);
    match resource_type.source {
        Source::Entries => stored(gateway, &[resource_type], query),
        Source::Memberships => memberships::list(gateway, resource_type, query),
        Source::Licences | Source::Packages | Source::Roles => {
            let cursors = cursors(gateway, &[resource_type], query)?;
            let made = licensing::all(gateway, resource_type, query)?.into_iter().map(|made| made.resource);
            at_hand(made.collect(), resource_type, query, cursors.as_ref())
        }
        Source::Sessions => {
            let cursors = cursors(gateway, &[resource_type], query)?;
            at_hand(sessions::all(gateway, resource_type), resource_type, query, cursors.as_ref())
        }
    }
}

/// Whether the query is for one resource or a few, found by an index, that are no larger than people are.
pub fn is_look_up(resource_type: &ResourceType, query: &Query) -> Result<bool, ScimError> {
    let is_small = resource_type.source == Source::Entries && !resource_type.mapping.has_members();
    let predicate = if is_small { predicate(query, resource_type)? } else { None };
    Ok(predicate.is_some_and(|predicate| narrow::is_look_up(&predicate, resource_type)))
}

/// Answers a query that [`is_look_up`]: what it finds is read in the same step. `None` where that is many.
pub fn look_up(gateway: &Gateway, resource_type: &ResourceType, query: &Query) -> Result<Option<String>, ScimError> {
    let resource_type = gateway.served(resource_type);
    let asked = ask(gateway, &[resource_type], query)?;
    let cursors = cursors(gateway, &[resource_type], query)?;
    let projection = Projection::new(&query.attributes, &query.excluded, resource_type)?;
    let wants = |computed: &Computed| projection.wants(resource_type, computed);
    let write = |sought: &Sought<'_>, resource| Value::Object(projection.apply(resource, sought.resource_type)).to_string();
    let Some(found) = asked.look_up(gateway, &wants, &write)? else { return Ok(None) };
    let (places, written): (Vec<Place>, Vec<String>) = found.into_iter().unzip();
    let cut = listing::cut(&places, &window(query, cursors.as_ref())?, query.count);
    let mut written: HashMap<EntryId, String> = places.iter().map(Place::id).zip(written).collect();
    let (mut resources, mut octets) = (Vec::new(), 0);
    for text in cut.places.iter().filter_map(|place| written.remove(&place.id())) {
        if octets >= PAGE_OCTETS {
            break;
        }
        octets += text.len();
        resources.push(text);
    }
    let more = cut.more || resources.len() < cut.places.len();
    let last = cut.places.get(..resources.len()).and_then(<[Place]>::last).filter(|_| more).map(Place::position);
    Ok(Some(Page { total: cut.total, resources, last }.written(query, cursors.as_ref())))
}

/// Answers a query over one type, or over several as one list (RFC 7644 §3.4.2.1). Runs as long as the search takes.
pub fn stored(gateway: &Gateway, types: &[&ResourceType], query: &Query) -> Result<String, ScimError> {
    let asked = ask(gateway, types, query)?;
    let cursors = cursors(gateway, types, query)?;
    let cut = gateway.listings.cut(gateway, &asked, &window(query, cursors.as_ref())?, query.count)?;
    let (resources, taken) = render(gateway, &asked, query, &cut.places)?;
    let more = cut.more || taken < cut.places.len();
    let last = cut.places.get(..taken).and_then(<[Place]>::last).filter(|_| more).map(Place::position);
    Ok(Page { total: cut.total, resources, last }.written(query, cursors.as_ref()))
}

/// Works out what is looked for of each type, and in which order.
fn ask<'t>(gateway: &Gateway, types: &[&'t ResourceType], query: &Query) -> Result<Asked<'t>, ScimError> {
    let order = query.sort_by.as_ref().map(|sort_by| Order::new(sort_by, query.descending, types)).transpose()?;
    let compile = if types.len() > 1 { Predicate::compile_among } else { Predicate::compile };
    let mut sought = Vec::with_capacity(types.len());
    for (kind, resource_type) in types.iter().enumerate() {
        let predicate = parsed(query)?.map(|filter| compile(&filter, resource_type)).transpose()?;
        let sorted = order.as_ref().and_then(|order| order.location(kind));
        sought.push(Some(Sought::new(gateway, resource_type, predicate, sorted)?));
    }
    let digest = digest(&context(gateway, types, query));
    Ok(Asked { sought, order, digest })
}

/// Who asks, and what decides on which resources come in which order.
fn context(gateway: &Gateway, types: &[&ResourceType], query: &Query) -> Vec<Vec<u8>> {
    let identity = &gateway.caller.identity;
    let actor = identity.client.as_ref().map_or(identity.name.as_str(), |client| client.id.as_str());
    let mut context: Vec<Vec<u8>> = [&gateway.organisation, actor].map(|text| text.as_bytes().to_vec()).into();
    context.extend(types.iter().map(|held| held.name.as_bytes().to_vec()));
    for text in [&query.filter, &query.sort_by] {
        context.push(text.as_ref().map_or_else(Vec::new, |text| [b"=", text.as_bytes()].concat()));
    }
    context.push(vec![query.descending.into()]);
    context
}

fn digest(parts: &[Vec<u8>]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// The cursors of the query, where it is paged by them. They are good as long as it stays the same in everything (RFC 9865 §2).
pub(super) fn cursors(gateway: &Gateway, types: &[&ResourceType], query: &Query) -> Result<Option<Cursors>, ScimError> {
    if query.cursor.is_none() {
        return Ok(None);
    }
    let mut context = context(gateway, types, query);
    for names in [&query.attributes, &query.excluded] {
        context.push(names.join(",").into_bytes());
    }
    let key = gateway.directory.cookie_key()?;
    Ok(Some(Cursors::new(key, digest(&context), gateway.directory.clock().now())))
}

/// Which part of what was found the query asks for.
pub(super) fn window(query: &Query, cursors: Option<&Cursors>) -> Result<Window, ScimError> {
    Ok(match (query.cursor.as_deref(), cursors) {
        (Some(""), _) => Window::After(None),
        (Some(cursor), Some(cursors)) => Window::After(Some(cursors.redeem(cursor, query.count)?)),
        (None, _) | (Some(_), None) => Window::From(query.start_index - 1),
    })
}

/// The resources at these places, each as it is written, and how many of the places that are: enough for one page.
fn render(gateway: &Gateway, asked: &Asked<'_>, query: &Query, places: &[Place]) -> Result<(Vec<String>, usize), ScimError> {
    let (mut resources, mut taken, mut octets) = (Vec::new(), 0, 0);
    for some in places.chunks(AT_ONCE) {
        let mut made = HashMap::new();
        for (kind, sought) in asked.sought.iter().enumerate() {
            let of_kind: Vec<EntryId> = some.iter().filter(|place| place.kind() == kind).map(Place::id).collect();
            if let Some(sought) = sought.as_ref().filter(|_| !of_kind.is_empty()) {
                make(gateway, sought, query, &of_kind, &mut |id, written| drop(made.insert((kind, id), written)))?;
            }
        }
        for place in some {
            // What has gone meanwhile leaves a gap.
            if let Some(written) = made.remove(&(place.kind(), place.id())) {
                if octets >= PAGE_OCTETS {
                    return Ok((resources, taken));
                }
                octets += written.len();
                resources.push(written);
            }
            taken += 1;
        }
    }
    Ok((resources, taken))
}

/// Makes the resources of some entries, as far as they are still what was asked for.
fn make(
    gateway: &Gateway,
    sought: &Sought<'_>,
    query: &Query,
    among: &[EntryId],
    take: &mut dyn FnMut(EntryId, String),
) -> Result<(), ScimError> {
    let resource_type = sought.resource_type;
    let projection = Projection::new(&query.attributes, &query.excluded, resource_type)?;
    let wants = |computed: &Computed| projection.wants(resource_type, computed);
    let mapping = resource_type.mapping;
    let attributes: Vec<&str> = mapping.attributes_to_read().into_iter().chain(mapping.also(&wants)).collect();
    gateway.take_each(&sought.filter, &attributes, Some(among), &mut |entries| {
        for entry in entries {
            let resource = match gateway.resource(resource_type, &entry, &wants) {
                Err(error) if error == ScimError::not_found() => continue,
                made => made?,
            };
            if sought.still_matches(&resource) {
                take(entry.id, Value::Object(projection.apply(resource, resource_type)).to_string());
            }
        }
        Ok(())
    })
}

/// Answers a query over resources that are at hand, in order of their ids.
pub fn at_hand(
    resources: Vec<Object>,
    resource_type: &ResourceType,
    query: &Query,
    cursors: Option<&Cursors>,
) -> Result<String, ScimError> {
    let predicate = predicate(query, resource_type)?;
    let order = query.sort_by.as_ref().map(|sort_by| Order::new(sort_by, query.descending, &[resource_type])).transpose()?;
    let place = |resource: &Object| {
        let key = order.as_ref().map(|order| order.key(0, resource)).unwrap_or_default();
        (key, resource.get("id").and_then(Value::as_str).unwrap_or_default().as_bytes().to_vec())
    };
    let found = resources.into_iter().filter(|resource| predicate.as_ref().is_none_or(|predicate| predicate.matches(resource)));
    let mut placed: Vec<_> = found.map(|resource| (place(&resource), resource)).collect();
    placed.sort_by(|one, other| one.0.cmp(&other.0));
    let from = match window(query, cursors)? {
        Window::From(rank) => rank,
        Window::After(None) => 0,
        Window::After(Some(Position { key, tie })) => placed.partition_point(|(place, _)| *place <= (key.clone(), tie.clone())),
    };
    let (total, more) = (placed.len(), from.saturating_add(query.count) < placed.len());
    let projection = Projection::new(&query.attributes, &query.excluded, resource_type)?;
    let (mut resources, mut last) = (Vec::new(), None);
    for ((key, tie), resource) in placed.into_iter().skip(from).take(query.count) {
        last = Some(Position { key, tie }).filter(|_| more);
        resources.push(Value::Object(projection.apply(resource, resource_type)).to_string());
    }
    Ok(Page { total, resources, last }.written(query, cursors))
}

/// What a ListResponse says.
pub(super) struct Page {
    /// How many there are in all.
    pub(super) total: usize,
    /// Each as it is written.
    pub(super) resources: Vec<String>,
    /// Where it ended, if there is more.
    pub(super) last: Option<Position>,
}

impl Page {
    /// As it is sent.
    pub(super) fn written(&self, query: &Query, cursors: Option<&Cursors>) -> String {
        let mut head = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": self.total,
            "itemsPerPage": self.resources.len(),
        });
        let place = match (cursors, &self.last) {
            (None, _) => Some(("startIndex", query.start_index.into())),
            (Some(cursors), Some(last)) => Some(("nextCursor", cursors.issue(last, query.count).into())),
            (Some(_), None) => None,
        };
        if let (Some((name, value)), Some(members)) = (place, head.as_object_mut()) {
            members.insert(name.to_owned(), value);
        }
        let mut text = head.to_string();
        text.pop();
        text.reserve(self.resources.iter().map(String::len).sum::<usize>() + self.resources.len() + 16);
        text.push_str(",\"Resources\":[");
        for (number, resource) in self.resources.iter().enumerate() {
            if number > 0 {
                text.push(',');
            }
            text.push_str(resource);
        }
        text.push_str("]}");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::schema::Catalogue;

    fn listed(parameters: &[(&str, &str)]) -> Result<Value, ScimError> {
        let catalogue = Catalogue::load().unwrap();
        let parameters: Vec<(String, String)> = parameters.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let resources = [("a", Some("Zoe")), ("B", None), ("c", Some("adam"))].map(|(name, title)| {
            let mut resource = json!({"id": name, "userName": name, "meta": {"resourceType": "User"}});
            if let Some(title) = title {
                resource["title"] = title.into();
            }
            resource.as_object().unwrap().clone()
        });
        let text = at_hand(resources.to_vec(), &catalogue.user, &Query::of_parameters(&parameters)?, None)?;
        Ok(serde_json::from_str(&text).unwrap())
    }

    fn ids(list: &Value) -> Vec<&str> {
        list["Resources"].as_array().unwrap().iter().map(|resource| resource["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn he8_pages_are_clamped_and_counted() {
        let page = listed(&[("startIndex", "2"), ("count", "1")]).unwrap();
        assert_eq!((ids(&page), &page["totalResults"], &page["itemsPerPage"]), (vec!["a"], &json!(3), &json!(1)));
        assert_eq!(listed(&[("count", "0")]).unwrap()["totalResults"], json!(3));
        assert_eq!(ids(&listed(&[("count", "-5")]).unwrap()), Vec::<&str>::new());
        assert_eq!(ids(&listed(&[("startIndex", "-9223372036854775809")]).unwrap()).len(), 3);
        assert_eq!(ids(&listed(&[("startIndex", "99999999999999999999999")]).unwrap()).len(), 0);
        assert_eq!(ids(&listed(&[("startIndex", "3"), ("sortBy", "userName")]).unwrap()), ["c"]);
        assert_eq!(listed(&[("count", "x")]).unwrap_err().kind, Some(ScimType::InvalidValue));
        assert_eq!(listed(&[("count", "x"), ("cursor", "")]).unwrap_err().kind, Some(ScimType::InvalidCount));
    }

    #[test]
    fn what_has_no_value_sorts_last_and_first_in_reverse() {
        assert_eq!(ids(&listed(&[("sortBy", "userName")]).unwrap()), ["a", "B", "c"]);
        assert_eq!(ids(&listed(&[("sortBy", "title")]).unwrap()), ["c", "a", "B"]);
        assert_eq!(ids(&listed(&[("sortBy", "TITLE"), ("sortOrder", "descending")]).unwrap()), ["B", "a", "c"]);
        assert!(listed(&[("sortBy", "password")]).is_err());
        assert!(listed(&[("sortBy", "nothing")]).is_err());
    }
}
