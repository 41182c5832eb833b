//! What a query finds, in its order: places, from which a page is cut and its entries read. A listing of many is kept for a
//! while, and brought up to date by looking at what has changed since: then a page costs what is on it, however deep it is and
//! however many there are, and so does the total (RFC 7644 §3.4.2.4).
//!
//! Only what rests on each entry alone can be kept: filters and orders by the entry's own attributes, for callers whose rights
//! do so too ([`Directory::state_for`](crate::directory::Directory::state_for)). The rest is looked for at each page.

use super::cursor::Position;
use super::error::{ScimError, ScimType};
use super::evaluate::{Location, Predicate};
use super::gateway::Gateway;
use super::json::Object;
use super::mapping::Computed;
use super::narrow::narrow;
use super::order::Order;
use super::schema::ResourceType;
use super::turns::Turns;
use crate::base::EntryId;
use crate::base::counts::Counter;
use crate::directory::{OwnedEntry, Seen};
use crate::model::Filter;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// A listing of fewer is looked for again rather than kept.
const WORTH_KEEPING: usize = if cfg!(test) { 4 } else { 256 };
/// Resources that are made while others on the thread wait.
const A_FEW: usize = 16;
/// Octets of places that are kept for all clients together.
const ROOM: usize = 64 << 20;
/// Listings that are kept for one organisation.
const OF_ONE: usize = 8;

/// How long a query may look: no client waits longer for its answer.
const LONGEST: Duration = Duration::from_secs(30);

/// Where one resource stands in the order of a query.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    key: Box<[u8]>,
    kind: u8,
    id: u32,
}

impl Place {
    /// The number of the type it is of, among those asked for.
    pub fn kind(&self) -> usize {
        self.kind.into()
    }

    /// Its entry.
    pub const fn id(&self) -> EntryId {
        EntryId(self.id)
    }

    /// As a cursor keeps it.
    pub fn position(&self) -> Position {
        let tie = [&[self.kind], &self.id.to_be_bytes()[..]].concat();
        Position { key: self.key.to_vec(), tie }
    }

    fn of(position: &Position) -> Option<Self> {
        let (kind, id) = position.tie.split_first()?;
        Some(Self { key: position.key.as_slice().into(), kind: *kind, id: u32::from_be_bytes(id.try_into().ok()?) })
    }
}

/// Which part of what was found.
#[derive(Clone, Debug)]
pub enum Window {
    /// From a rank on, which begins at 0.
    From(usize),
    /// What comes after a place; all where there is none.
    After(Option<Position>),
}

/// A part of what was found.
#[derive(Debug)]
pub struct Cut {
    /// How many there are in all.
    pub total: usize,
    /// Those of the part.
    pub places: Vec<Place>,
    /// Whether there are more after it.
    pub more: bool,
}

/// What is looked for, of one type.
pub struct Sought<'t> {
    /// The type.
    pub resource_type: &'t ResourceType,
    /// All of the filter.
    pub predicate: Option<Predicate>,
    /// Finds at least what is asked for, by indexes.
    pub filter: Filter<'static>,
    /// What of the filter is tested on resources.
    rest: Option<Predicate>,
    indexed: bool,
    /// What is read of entries to test and to sort them; `None` for all, where that rests on more than the entry.
    reads: Option<Vec<&'static str>>,
}

/// A query over some types, ready to be answered.
pub struct Asked<'t> {
    /// What is looked for of each type; `None` where the filter names what the type does not have.
    pub sought: Vec<Option<Sought<'t>>>,
    /// The order; that of creation where there is none.
    pub order: Option<Order>,
    /// What the listing is kept by: who asks and what.
    pub digest: [u8; 32],
}

impl<'t> Sought<'t> {
    /// Works out how to look for it.
    pub fn new(
        gateway: &Gateway,
        resource_type: &'t ResourceType,
        predicate: Option<Predicate>,
        sorted: Option<&Location>,
    ) -> Result<Self, ScimError> {
        let narrowed = predicate.clone().map(|predicate| narrow(predicate, resource_type, gateway)).transpose()?;
        let (filter, rest, indexed) = narrowed.map_or((None, None, true), |found| (found.filter, found.rest, found.indexed));
        let mut locations: Vec<&Location> = sorted.into_iter().collect();
        if let Some(predicate) = &predicate {
            predicate.locations(&mut locations);
        }
        let made_of = |location: &&Location| resource_type.mapping.made_of(location.extension.as_deref(), location.attribute.as_deref()?);
        let reads = locations.iter().map(made_of).collect::<Option<Vec<_>>>().map(|found| found.into_iter().flatten().collect());
        let filter = Filter::And(resource_type.mapping.all().into_iter().chain(filter).collect());
        Ok(Self { resource_type, predicate, filter, rest, indexed, reads })
    }

    /// Whether a resource is what was asked for, as far as that can be told from it.
    pub fn still_matches(&self, resource: &Object) -> bool {
        self.reads.is_none() || self.predicate.as_ref().is_none_or(|predicate| predicate.matches(resource))
    }

    fn wants(&self, computed: &Computed, sorted: Option<&Location>) -> bool {
        let mut locations: Vec<&Location> = sorted.into_iter().collect();
        if let Some(rest) = &self.rest {
            rest.locations(&mut locations);
        }
        let is_it = |location: &&Location| {
            location.extension.as_deref() == computed.extension && location.attribute.as_deref().is_none_or(|name| name == computed.name)
        };
        locations.iter().any(is_it)
    }
}

impl Asked<'_> {
    /// Looks for what is asked for, among these entries or all. Answers the places and how many entries were looked at.
    fn find(&self, gateway: &Gateway, among: Option<&[EntryId]>) -> Result<(Vec<Place>, usize), ScimError> {
        let (mut places, mut looked_at) = (Vec::new(), 0);
        let until = gateway.directory.clock().monotonic().saturating_add(LONGEST);
        for (kind, sought) in self.sought.iter().enumerate() {
            let Some(sought) = sought else { continue };
            let sorted = self.order.as_ref().and_then(|order| order.location(kind));
            let wants = |computed: &Computed| sought.wants(computed, sorted);
            let mapping = sought.resource_type.mapping;
            let attributes = match &sought.reads {
                _ if sought.rest.is_none() && self.order.is_none() => vec!["1.1"],
                Some(reads) => reads.clone(),
                None => mapping.attributes_to_read().into_iter().chain(mapping.also(&wants)).collect(),
            };
            let most = if sought.indexed { usize::MAX } else { gateway.directory.look_through(&gateway.caller) };
            let mut seen = 0;
            let clock = gateway.directory.clock();
            let mut take = |entries: Vec<OwnedEntry>| {
                seen += entries.len();
                if seen > most {
                    return Err(ScimError::of(ScimType::TooMany, "the filter selects too many entries to look at: narrow it"));
                }
                for entry in entries {
                    if clock.monotonic() > until {
                        return Err(ScimError::of(ScimType::TooMany, "the query takes too long: narrow it"));
                    }
                    places.extend(self.place(gateway, (kind, sought), &entry, &wants)?);
                }
                Ok(())
            };
            gateway.take_each(&sought.filter, &attributes, among, &mut take).map_err(too_many)?;
            looked_at += seen;
        }
        Ok((places, looked_at))
    }

    fn place(
        &self,
        gateway: &Gateway,
        (kind, sought): (usize, &Sought<'_>),
        entry: &OwnedEntry,
        wants: &dyn Fn(&Computed) -> bool,
    ) -> Result<Option<Place>, ScimError> {
        if sought.rest.is_none() && self.order.is_none() {
            return Ok(Some(Place { key: Box::default(), kind: u8::try_from(kind).unwrap_or(u8::MAX), id: entry.id.0 }));
        }
        match gateway.resource(sought.resource_type, entry, wants) {
            // It has gone meanwhile.
            Err(error) if error == ScimError::not_found() => Ok(None),
            made => Ok(self.place_of((kind, sought), entry.id, &made?)),
        }
    }

    /// Where a resource stands; `None` where it is not what is asked for.
    fn place_of(&self, (kind, sought): (usize, &Sought<'_>), id: EntryId, resource: &Object) -> Option<Place> {
        if sought.rest.as_ref().is_some_and(|rest| !rest.matches(resource)) {
            return None;
        }
        let key = self.order.as_ref().map(|order| order.key(kind, resource)).unwrap_or_default();
        Some(Place { key: key.into(), kind: u8::try_from(kind).unwrap_or(u8::MAX), id: id.0 })
    }

    /// Looks for what is asked for and makes all of it, for a query that finds a few; `None` where it finds more. `wants` says
    /// what of them is to be made beside what the query rests on.
    pub fn look_up(
        &self,
        gateway: &Gateway,
        wants: &dyn Fn(&Computed) -> bool,
        write: &dyn Fn(&Sought<'_>, Object) -> String,
    ) -> Result<Option<Vec<(Place, String)>>, ScimError> {
        let (mut found, mut is_few) = (Vec::new(), true);
        for (kind, sought) in self.sought.iter().enumerate() {
            let Some(sought) = sought else { continue };
            let sorted = self.order.as_ref().and_then(|order| order.location(kind));
            let wants = |computed: &Computed| wants(computed) || sought.wants(computed, sorted);
            let mapping = sought.resource_type.mapping;
            let attributes: Vec<&str> = mapping.attributes_to_read().into_iter().chain(mapping.also(&wants)).collect();
            let mut take = |entries: Vec<OwnedEntry>| {
                for entry in entries {
                    let resource = match gateway.resource(sought.resource_type, &entry, &wants) {
                        Err(error) if error == ScimError::not_found() => continue,
                        made => made?,
                    };
                    let place = self.place_of((kind, sought), entry.id, &resource);
                    found.extend(place.map(|place| (place, write(sought, resource))));
                    is_few &= found.len() <= A_FEW;
                }
                // Anything ends the search.
                is_few.then_some(()).ok_or_else(ScimError::not_found)
            };
            match gateway.take_each(&sought.filter, &attributes, None, &mut take).map_err(too_many) {
                Err(_) if !is_few => return Ok(None),
                looked => looked?,
            }
        }
        found.sort();
        Ok(Some(found))
    }

    fn can_be_kept(&self) -> bool {
        self.sought.iter().flatten().all(|sought| sought.reads.is_some())
    }
}

/// A bound of the directory's searches, as SCIM tells it.
fn too_many(error: ScimError) -> ScimError {
    match error.status {
        axum::http::StatusCode::PAYLOAD_TOO_LARGE => ScimError::of(ScimType::TooMany, error.detail),
        _ => error,
    }
}

/// All that a query found, in order.
#[derive(Debug)]
struct Listing {
    places: Vec<Place>,
    /// The state that it is of.
    seen: Seen,
}

impl Listing {
    /// Brings it up to date. Where too much has changed everything is looked for again.
    fn refresh(&mut self, gateway: &Gateway, asked: &Asked<'_>, now: Seen) -> Result<(), ScimError> {
        match gateway.directory.changed_since(&self.seen, &now) {
            None => self.places = sorted(asked.find(gateway, None)?.0),
            Some(changed) if changed.is_empty() => {}
            Some(changed) => {
                let found = asked.find(gateway, Some(&changed))?.0;
                let changed: HashSet<u32> = changed.into_iter().map(|id| id.0).collect();
                self.places.retain(|place| !changed.contains(&place.id));
                self.places.extend(found);
                // Two runs that are in order already: that is quick.
                self.places.sort();
            }
        }
        self.seen = now;
        Ok(())
    }

    fn octets(&self) -> usize {
        self.places.iter().map(|place| size_of::<Place>() + place.key.len()).sum()
    }
}

fn sorted(mut places: Vec<Place>) -> Vec<Place> {
    places.sort_unstable();
    places
}

/// Cuts a part out of what was found.
pub fn cut(places: &[Place], window: &Window, count: usize) -> Cut {
    let from = match window {
        Window::From(rank) => (*rank).min(places.len()),
        Window::After(None) => 0,
        Window::After(Some(position)) => {
            let after = Place::of(position);
            places.partition_point(|place| after.as_ref().is_some_and(|after| place <= after))
        }
    };
    let end = from.saturating_add(count).min(places.len());
    Cut { total: places.len(), places: places.get(from..end).unwrap_or_default().to_vec(), more: end < places.len() }
}

/// The listings that are kept.
#[derive(Debug, Default)]
pub struct Listings {
    held: Mutex<HashMap<[u8; 32], Held>>,
    /// Entries and members that were read, for listings and for all else: what answers cost.
    pub looked_at: Counter,
    uses: Counter,
    /// Who may look now.
    pub turns: Turns,
}

#[derive(Debug)]
struct Held {
    listing: Arc<Mutex<Listing>>,
    octets: usize,
    organisation: String,
    /// When it was used last, counted in uses.
    used: u64,
}

impl Listings {
    /// A part of what a query finds now.
    pub fn cut(&self, gateway: &Gateway, asked: &Asked<'_>, window: &Window, count: usize) -> Result<Cut, ScimError> {
        let seen = if asked.can_be_kept() { gateway.directory.state_for(&gateway.caller) } else { None };
        let Some(seen) = seen else { return Ok(cut(&sorted(asked.find(gateway, None)?.0), window, count)) };
        if let Some(listing) = self.find(&asked.digest) {
            let mut listing = listing.lock();
            // Who waited for another's look need not look at the same again.
            let now = gateway.directory.state_for(&gateway.caller).unwrap_or(seen);
            listing.refresh(gateway, asked, now)?;
            return Ok(cut(&listing.places, window, count));
        }
        let (places, looked_at) = asked.find(gateway, None)?;
        let listing = Listing { places: sorted(places), seen };
        let part = cut(&listing.places, window, count);
        if looked_at >= WORTH_KEEPING {
            self.keep(asked.digest, listing, &gateway.organisation);
        }
        Ok(part)
    }

    fn find(&self, digest: &[u8; 32]) -> Option<Arc<Mutex<Listing>>> {
        self.uses.one();
        let mut held = self.held.lock();
        let held = held.get_mut(digest)?;
        held.used = self.uses.get();
        Some(Arc::clone(&held.listing))
    }

    /// Keeps a listing; those of the same organisation, and then all others, make room for it in the order of their last use.
    fn keep(&self, digest: [u8; 32], listing: Listing, organisation: &str) {
        let octets = listing.octets();
        let mut held = self.held.lock();
        let own = |held: &Held| held.organisation == organisation;
        while held.values().filter(|held| own(held)).count() >= OF_ONE && forget(&mut held, own) {}
        while held.values().map(|held| held.octets).sum::<usize>() + octets > ROOM && forget(&mut held, |_| true) {}
        if octets <= ROOM {
            let listing = Arc::new(Mutex::new(listing));
            held.insert(digest, Held { listing, octets, organisation: organisation.to_owned(), used: self.uses.get() });
        }
    }
}

/// Forgets the one of some that was not used for longest. Whether there was one.
fn forget(held: &mut HashMap<[u8; 32], Held>, which: impl Fn(&Held) -> bool) -> bool {
    let oldest = held.iter().filter(|(_, held)| which(held)).min_by_key(|(_, held)| held.used).map(|(digest, _)| *digest);
    oldest.is_some_and(|digest| held.remove(&digest).is_some())
}
