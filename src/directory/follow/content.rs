//! What a followed search is about: base, scope, filter, attributes and caller, asked again and again while entries,
//! names and rights change.

use super::FollowerPlace;
use super::past::Past;
use crate::access::{Grants, Standing};
use crate::base::EntryId;
use crate::directory::collective::{Areas, Reach};
use crate::directory::dynamic::{DynamicGroups, Reading};
use crate::directory::filter::{Matcher, Truth};
use crate::directory::request::{Dereference, Scope, Visible, VisibleAttribute};
use crate::directory::search::{Base, walk};
use crate::directory::sharing::Sharing;
use crate::directory::view::{Renderer, Selection};
use crate::directory::{Caller, Directory, Error, SearchRequest, plan, tree};
use crate::model::{AttributeId, Entry, Facts, Filter};
use crate::schema::Schema;
use crate::schema::additions::RECORD;
use crate::store::{Change, Memory, Next, Subscription};
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A search that is followed.
#[derive(Clone, Debug)]
pub struct FollowRequest<'a> {
    /// The search itself.
    pub search: &'a SearchRequest<'a>,
    /// A digest of the request as it was sent, which a cookie is bound to.
    pub digest: [u8; 32],
}

/// What a caller finds of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It is of the content.
    Held,
    /// It is not, and had to be looked at for what the caller may know of it.
    Candidate,
    /// Nothing that the caller may know of.
    Nothing,
}

pub(super) struct Content {
    pub(super) directory: Arc<Directory>,
    pub(super) subscription: Subscription,
    /// The number of the base entry.
    pub(super) base: EntryId,
    pub(super) grants: Arc<Grants>,
    caller: Caller,
    scope: Scope,
    filter: Filter<'static>,
    matcher: Matcher,
    /// The attributes as they were asked for, and whether only their types were.
    requested: (Vec<String>, bool),
    selection: Arc<Selection>,
    /// The version of the schema that matcher and selection are by.
    version: usize,
    /// Whether a change of the schema made other assertions of the filter understood.
    reinterpreted: bool,
    /// The generation of names and links that the matcher was made in.
    bonds: u64,
    /// Whether entries show what they share (RFC 3671). Not where they are copied: a copy has the subentries, and what is
    /// shared changes without the entry.
    shares: bool,
    /// What is asked for names.
    pub(super) past: Past,
    _place: FollowerPlace,
}

impl Content {
    /// Follows from this moment on. Refused where too many do, and for what is no entry of the tree.
    pub(super) fn begin(directory: &Arc<Directory>, caller: &Caller, request: &SearchRequest<'_>, synced: bool) -> Result<Self, Error> {
        if matches!(request.dereference, Dereference::Searching | Dereference::Always) {
            return Err(Error::Protocol("aliases below the base cannot be followed".to_owned()));
        }
        if request.page.is_some() {
            return Err(Error::Unwilling("a search that is followed has no pages".to_owned()));
        }
        let grants = directory.grants(caller);
        let Base::Entry(base) = directory.find_base(caller, &grants, request)? else {
            return Err(Error::Unwilling("only entries of the tree can be followed".to_owned()));
        };
        let place = FollowerPlace::take(directory.core(), &caller.identity)?;
        let schema = directory.schema();
        let version = schema.version();
        let selection = select(directory, &request.attributes, request.types_only, synced);
        let subscription = directory.store().subscribe();
        let bonds = directory.memory().bonds();
        let filter = request.filter.clone().into_owned();
        let matcher = prepare(directory, &grants, &filter);
        if matcher.asks_chains() {
            return Err(Error::Unwilling("the in-chain rule cannot be followed".to_owned()));
        }
        let current = directory.current();
        let reading = Reading { context: current.context(schema, directory.memory()), memory: Some(directory.memory()), grants: &grants };
        if matcher.rests_on_links() && DynamicGroups::concern(&reading, base) {
            return Err(Error::Unwilling("a filter on memberships cannot be followed where there are dynamic groups".to_owned()));
        }
        Ok(Self {
            matcher,
            directory: Arc::clone(directory),
            subscription,
            base,
            grants,
            caller: caller.clone(),
            scope: request.scope,
            filter,
            requested: (request.attributes.iter().map(|name| (*name).to_owned()).collect(), request.types_only),
            selection,
            version,
            reinterpreted: false,
            bonds,
            shares: !synced,
            past: Past::new(directory.store().memory()),
            _place: place,
        })
    }

    /// Takes over the rights of now, and what the names in the filter mean now. Answers whether the rights were looked at.
    pub(super) fn refresh(&mut self, caller: &Caller) -> bool {
        self.follow_schema();
        let same = Arc::ptr_eq(&self.caller.identity, &caller.identity);
        if !same {
            self.caller = caller.clone();
            self.grants = self.directory.grants(caller);
        }
        if !same || self.directory.memory().bonds() != self.bonds {
            self.prepare();
        }
        !same
    }

    fn prepare(&mut self) {
        self.bonds = self.directory.memory().bonds();
        let matcher = prepare(&self.directory, &self.grants, &self.filter);
        self.reinterpreted |= matcher.understood() != self.matcher.understood();
        self.matcher = matcher;
    }

    fn follow_schema(&mut self) {
        if self.directory.schema().version() != self.version {
            self.read_by_schema();
        }
    }

    /// Reads filter, attributes and rights by the schema of now.
    fn read_by_schema(&mut self) {
        self.version = self.directory.schema().version();
        self.grants = self.directory.grants(&self.caller);
        self.prepare();
        let (attributes, types_only) = &self.requested;
        let attributes: Vec<&str> = attributes.iter().map(String::as_str).collect();
        self.selection = select(&self.directory, &attributes, *types_only, !self.shares);
    }

    /// Whether the filter has come to mean something else, so that entries may be found that did not change.
    pub(super) const fn is_reinterpreted(&self) -> bool {
        self.reinterpreted
    }

    /// Whether the caller is the operator, who may know of everything.
    pub(super) fn is_of_operator(&self) -> bool {
        self.caller.identity.is_operator()
    }

    /// Takes the next change set; names are as they were after it from then on.
    pub(super) fn take(&mut self) -> Next {
        let next = self.subscription.take();
        if let Next::Event(event) = &next {
            // Only now the rights are by it as well.
            if event.changes.iter().any(|change| matches!(change, Change::Meta(key) if key == RECORD)) {
                self.read_by_schema();
            }
            self.past.advance(event, &self.subscription);
        }
        next
    }

    pub(super) fn memory(&self) -> &Memory {
        self.directory.memory()
    }

    pub(super) fn schema(&self) -> &Schema {
        self.directory.schema()
    }

    /// The entry as it is at this place of the feed.
    pub(super) fn entry(&mut self, id: EntryId) -> Option<Arc<Entry>> {
        self.follow_schema();
        self.past.read(&self.subscription, |past| past.entry(id))
    }

    /// Whether the caller finds the entry by this search.
    pub(super) fn holds(&mut self, entry: &Entry) -> bool {
        self.look(entry) == Found::Held
    }

    /// What the caller finds of the entry.
    pub(super) fn look(&mut self, entry: &Entry) -> Found {
        let (base, scope, grants, matcher) = (self.base, self.scope, &self.grants, &self.matcher);
        let (schema, memory) = (self.directory.schema(), self.directory.memory());
        let areas = self.areas().filter(|_| matcher.asks_shared(schema));
        self.past.read(&self.subscription, |past| {
            if !is_placed(past, entry, base, scope) {
                return Found::Nothing;
            }
            let access = grants.on(past, entry);
            let shared = areas.as_ref().and_then(|areas| Sharing::new(Arc::clone(areas), grants).of(schema, past, entry));
            let entry = shared.as_ref().unwrap_or(entry);
            if !access.disclosed {
                Found::Nothing
            } else if matcher.matches(schema, past, entry, access.search) == Truth::True {
                Found::Held
            } else if matcher.is_candidate((schema, memory), past, entry, access.search) {
                Found::Candidate
            } else {
                Found::Nothing
            }
        })
    }

    /// Reduces the entry to what the caller may see of it.
    pub(super) fn show<T>(&mut self, entry: &Entry, take: impl FnOnce(&Visible<'_>) -> T) -> T {
        let (grants, schema, selection) = (&self.grants, self.directory.schema(), &self.selection);
        let areas = self.areas().filter(|_| selection.takes_shared(schema));
        let catalog = &self.directory.current().catalog;
        let owned = self.past.read(&self.subscription, |past| {
            let access = grants.on(past, entry);
            let shared = areas.as_ref().and_then(|areas| Sharing::new(Arc::clone(areas), grants).of(schema, past, entry));
            let entry = shared.as_ref().unwrap_or(entry);
            // Names remembered from an earlier entry may be older than the change.
            Renderer::new(Arc::clone(catalog)).render(schema, past, entry, selection, access.read, |visible| visible.to_owned())
        });
        let attributes: Vec<VisibleAttribute<'_>> = owned.attributes.iter().map(|encoded| VisibleAttribute { encoded }).collect();
        take(&Visible {
            id: owned.id,
            kind: owned.kind,
            csn: entry.text(schema.known().entry_csn).unwrap_or_default(),
            dn: &owned.dn,
            attributes: &attributes,
            linked: &[],
            usability: None,
        })
    }

    fn areas(&self) -> Option<Arc<Areas>> {
        if self.shares { self.directory.areas() } else { None }
    }

    /// Every entry of the content is among these.
    pub(super) fn candidates(&self) -> RoaringBitmap {
        if self.scope == Scope::Base {
            return std::iter::once(self.base.0).collect();
        }
        let areas = self.areas();
        let reach = Reach { areas: areas.as_deref(), organisation: self.grants.subject().organisation, base: Some(self.base) };
        match plan::plan(self.schema(), self.memory(), &self.matcher, &reach) {
            Some(plan) => plan.ids,
            None if self.scope == Scope::One => self.memory().children(self.base, None, usize::MAX).iter().map(|id| id.0).collect(),
            None => walk(self.memory(), self.base, self.scope),
        }
    }

    /// Whether the attributes asked for include any that is made from other entries.
    pub(super) fn shows_derived(&self) -> bool {
        self.selection.shows_derived()
    }

    /// Whether what is found rests on nothing but an entry itself and its place: no membership, neither in the filter nor
    /// in the rights.
    pub(super) fn rests_on_entries_alone(&self) -> bool {
        let standing = self.grants.subject().standing;
        matches!(standing, Standing::Operator | Standing::Service) && !self.matcher.rests_on_links()
    }

    /// What the caller may do, in short: another one means that other entries may be seen.
    pub(super) fn rights(&self) -> [u8; 32] {
        if self.caller.identity.is_operator() {
            return [0; 32];
        }
        let settings = self.directory.settings();
        Sha256::digest(format!("{:?} {:?}", self.grants.subject(), settings.access)).into()
    }

    /// What a cookie is bound to.
    pub(super) fn context(&self, request: &[u8; 32]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(request);
        hasher.update(self.rights());
        hasher.update(self.base.0.to_be_bytes());
        hasher.update(Sha256::digest(self.matcher.understood().into_iter().map(u8::from).collect::<Vec<_>>()));
        hasher.update(self.caller.identity.name.as_bytes());
        hasher.finalize().into()
    }
}

/// Whether the entry stands in the scope. It need not be in the store any more.
fn is_placed(facts: &dyn Facts, entry: &Entry, base: EntryId, scope: Scope) -> bool {
    let below = || entry.parent.is_some_and(|parent| tree::is_within(facts, parent, base));
    match scope {
        Scope::Base => entry.id == base,
        Scope::One => entry.parent == Some(base),
        Scope::Subtree => entry.id == base || below(),
        Scope::Children => entry.id != base && below(),
    }
}

fn select(directory: &Directory, attributes: &[&str], types_only: bool, synced: bool) -> Arc<Selection> {
    match synced {
        true => Arc::new(Selection::kept(directory.schema(), attributes, types_only)),
        false => directory.core().selection(attributes, types_only),
    }
}

fn prepare(directory: &Directory, grants: &Grants, filter: &Filter<'_>) -> Matcher {
    let mut matcher = Matcher::prepare(&directory.current().context(directory.schema(), directory.memory()), filter);
    matcher.confine(grants, directory.memory());
    matcher
}

/// The entryUUID as 16 octets.
pub(super) fn uuid_of(entry: &Entry, attribute: AttributeId) -> Option<[u8; 16]> {
    entry.text(attribute).and_then(read_uuid)
}

/// A UUID in text as 16 octets.
pub(super) fn read_uuid(text: &str) -> Option<[u8; 16]> {
    uuid::Uuid::try_parse(text).ok().map(uuid::Uuid::into_bytes)
}
