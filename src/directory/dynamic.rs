//! Dynamic groups: entries of the class groupOfURLs, whose members are what the searches of `memberURL` find, within the
//! group's organisation (its suffix, where there is none). A search is made with the rights of whoever reads the group, so
//! it tells nobody what a search of their own would not (HC1). The filters of such URLs see links only, not other dynamic
//! groups, so that there are no circles, and of attributes what an entry keeps, not what it shares (RFC 3671).

use super::collective::Reach;
use super::error::Error;
use super::filter::{Context, Matcher, Truth};
use super::link_view;
use super::plan;
use super::referral::of_class;
use super::request::Scope;
use super::search::in_scope;
use super::tree::{self, Resolved};
use crate::access::{Grants, Memberships, Standing};
use crate::base::EntryId;
use crate::domain::{groups, organisation_of};
use crate::model::ldap_url::{LdapUrl, UrlScope};
use crate::model::{Entry, Facts, Filter, Kind, upwards};
use crate::schema::{LinkView, Schema};
use crate::store::Memory;
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The class of dynamic groups.
pub(super) const GROUP_OF_URLS: &str = "2.16.840.1.113730.3.2.33";
/// What has their URLs.
pub(super) const MEMBER_URL: &str = "memberURL";
/// Questions that the dynamic groups in one filter may make of entries, all together, before it is asked of any: they are
/// asked at once, before any time limit can count (HA5). Members of more are not sought: groups are asked about each entry
/// that the search looks at, as many as its look-through limit allows.
pub(super) const MOST_ASKED: usize = 20_000;
/// The same on the writer thread, where everybody waits. An assertion of memberships is about one entry there, and asks one
/// question for each group.
const MOST_ASKED_BY_WRITER: usize = 5_000;
/// The same to show dynamic groups in what one search finds, which is done in steps; the operator has no limit.
const MOST_SHOWN: usize = 200_000;
/// Entries that the indexes find of which each is sifted by its place; of more, the places are listed.
const MOST_SIFTED: u64 = 1_000;
/// Entries below one that are read at once.
const CHUNK: usize = 4_096;
/// Assertions of a filter that are as much work as one question.
const ASSERTIONS: usize = 8;

/// The dynamic groups, made ready for one reader, each when it is first asked.
pub(crate) struct DynamicGroups {
    groups: Vec<DynamicGroup>,
    grants: Arc<Grants>,
    /// Questions that may be asked in all.
    most: usize,
    budget: Budget,
}

/// What may be asked yet, and what was listed to ask it.
struct Budget {
    /// Questions that may be asked yet.
    left: usize,
    /// What stands below the bases of URLs, without other organisations.
    below: HashMap<(EntryId, Scope), RoaringBitmap>,
}

struct DynamicGroup {
    id: EntryId,
    realm: Option<EntryId>,
    searches: Option<Vec<Ready>>,
    /// The groups that have it as a member, once that was asked.
    above: Option<BTreeSet<EntryId>>,
    /// Its members, once they were sought.
    members: Option<RoaringBitmap>,
}

/// One URL.
struct Ready {
    base: EntryId,
    scope: Scope,
    matcher: Matcher,
    /// How many questions it is to ask one entry.
    weight: usize,
}

/// Who reads, and what there is to read from.
pub(super) struct Reading<'a> {
    pub(super) context: Context<'a>,
    /// The indexes, for readers of the committed state.
    pub(super) memory: Option<&'a Memory>,
    pub(super) grants: &'a Arc<Grants>,
}

/// What a search of this reader may ask while it goes on.
pub(super) fn most_shown(grants: &Grants) -> usize {
    if grants.subject().standing == Standing::Operator { usize::MAX } else { MOST_SHOWN }
}

/// The organisation of an entry, or else its suffix.
pub(crate) fn realm(facts: &dyn Facts, id: EntryId) -> Option<EntryId> {
    organisation_of(facts, id).or_else(|| upwards(facts, id).last().map(|top| top.id))
}

/// Whether an attribute shows the members of dynamic groups.
pub(super) fn shows_members(schema: &Schema, view: LinkView) -> bool {
    view.edge == schema.known().member && view.level.is_none()
}

impl DynamicGroups {
    /// All dynamic groups, with the questions that may be asked in all; `None` where there is none, which costs one look-up.
    pub(super) fn prepare(reading: &Reading<'_>, most: usize) -> Option<Self> {
        let Context { schema, facts, .. } = reading.context;
        let ids = of_class(schema, facts, GROUP_OF_URLS);
        if ids.is_empty() {
            return None;
        }
        let left = if reading.memory.is_none() { most.min(MOST_ASKED_BY_WRITER) } else { most };
        let unasked = |id| DynamicGroup { id, realm: realm(facts, id), searches: None, above: None, members: None };
        let budget = Budget { left, below: HashMap::new() };
        Some(Self { groups: ids.into_iter().map(unasked).collect(), grants: Arc::clone(reading.grants), most: left, budget })
    }

    /// Whether any dynamic group may have members among the entries below `base`: one of its own realm, or of a realm
    /// below it that the reader knows of.
    pub(super) fn concern(reading: &Reading<'_>, base: EntryId) -> bool {
        let Context { schema, facts, .. } = reading.context;
        let own = realm(facts, base);
        let known = |id: EntryId| facts.entry(id).is_some_and(|entry| reading.grants.on(facts, &entry).disclosed);
        let concerns = |realm: EntryId| own == Some(realm) || (tree::is_within(facts, realm, base) && known(realm));
        of_class(schema, facts, GROUP_OF_URLS).into_iter().filter_map(|group| realm(facts, group)).any(concerns)
    }

    /// Questions asked until now.
    pub(super) const fn asked(&self) -> usize {
        self.most.saturating_sub(self.budget.left)
    }

    /// The dynamic groups that have the entry as a member.
    pub(super) fn of(&mut self, reading: &Reading<'_>, entry: &Entry) -> Result<Vec<EntryId>, Error> {
        let realm = realm(reading.context.facts, entry.id);
        let mut found = Vec::new();
        for group in self.groups.iter_mut().filter(|group| group.realm == realm) {
            if group.has(reading, &self.grants, entry, &mut self.budget)? {
                found.push(group.id);
            }
        }
        Ok(found)
    }

    /// The dynamic groups that have the entry as a member, and the groups that these are members of.
    pub(super) fn containing(&mut self, reading: &Reading<'_>, entry: &Entry) -> Result<Vec<EntryId>, Error> {
        let mut found = self.of(reading, entry)?;
        let direct: BTreeSet<EntryId> = found.iter().copied().collect();
        for group in self.groups.iter_mut().filter(|group| direct.contains(&group.id)) {
            found.extend(group.above(reading));
        }
        Ok(found)
    }

    /// Whether the entry is a member of `group`, by that or another dynamic group in it.
    pub(super) fn has_under(&mut self, reading: &Reading<'_>, group: EntryId, entry: &Entry) -> Result<bool, Error> {
        let realm = realm(reading.context.facts, entry.id);
        for dynamic in self.groups.iter_mut().filter(|dynamic| dynamic.realm == realm) {
            let counts = dynamic.id == group || dynamic.above(reading).contains(&group);
            if counts && dynamic.has(reading, &self.grants, entry, &mut self.budget)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds those of `groups` that have the entry as a member by a dynamic group, and those of which the budget does not tell.
    pub(super) fn add_memberships(
        &mut self,
        reading: &Reading<'_>,
        entry: &Entry,
        groups: &BTreeSet<EntryId>,
        memberships: &mut Memberships,
    ) {
        let realm = realm(reading.context.facts, entry.id);
        for dynamic in self.groups.iter_mut().filter(|dynamic| dynamic.realm == realm) {
            let id = dynamic.id;
            let Some(above) = dynamic.above_within(reading, &mut self.budget) else {
                memberships.undecided.extend(groups);
                return;
            };
            let concerned: Vec<EntryId> = groups.iter().copied().filter(|group| *group == id || above.contains(group)).collect();
            if concerned.is_empty() {
                continue;
            }
            let affordable = self.budget.take(dynamic.urls(&reading.context));
            match affordable.and_then(|()| dynamic.has(reading, &self.grants, entry, &mut self.budget)) {
                Ok(true) => memberships.held.extend(concerned),
                Ok(false) => {}
                Err(_) => memberships.undecided.extend(concerned),
            }
        }
    }

    /// Whether one dynamic group has any member; it has none where it is not one.
    pub(super) fn has_any(&mut self, reading: &Reading<'_>, id: EntryId) -> Result<bool, Error> {
        match self.groups.iter_mut().find(|group| group.id == id) {
            Some(group) => group.has_any(reading, &self.grants, &mut self.budget),
            None => Ok(false),
        }
    }

    /// The members of one dynamic group; none where it is not one.
    pub(super) fn members(&mut self, reading: &Reading<'_>, id: EntryId) -> Result<RoaringBitmap, Error> {
        match self.groups.iter_mut().find(|group| group.id == id) {
            Some(group) => group.members(reading, &self.grants, &mut self.budget).cloned(),
            None => Ok(RoaringBitmap::new()),
        }
    }

    /// The members of `group` where it is dynamic, and those of dynamic groups in it.
    pub(super) fn members_under(&mut self, reading: &Reading<'_>, group: EntryId) -> Result<RoaringBitmap, Error> {
        let mut found = RoaringBitmap::new();
        for dynamic in &mut self.groups {
            if dynamic.id == group || dynamic.above(reading).contains(&group) {
                found |= dynamic.members(reading, &self.grants, &mut self.budget)?;
            }
        }
        Ok(found)
    }
}

impl DynamicGroup {
    fn above(&mut self, reading: &Reading<'_>) -> &BTreeSet<EntryId> {
        let Context { schema, facts, catalog, .. } = reading.context;
        self.above.get_or_insert_with(|| groups::containing(schema, facts, catalog, self.id))
    }

    /// The same, for no more than the budget allows; `None` where that does not do.
    fn above_within(&mut self, reading: &Reading<'_>, budget: &mut Budget) -> Option<&BTreeSet<EntryId>> {
        let Context { schema, facts, catalog, .. } = reading.context;
        if self.above.is_none() {
            let found = groups::containing_within(schema, facts, catalog, self.id, &groups::levels(schema, facts, self.id), budget.left)?;
            budget.take(found.len()).ok()?;
            self.above = Some(found);
        }
        self.above.as_ref()
    }

    /// How many URLs it has, which are all made ready when it is first asked.
    fn urls(&self, context: &Context<'_>) -> usize {
        let entry = context.facts.entry(self.id);
        let attribute = context.schema.attribute(MEMBER_URL);
        entry.zip(attribute).map_or(0, |(entry, attribute)| entry.values(attribute).count())
    }

    /// What its URLs ask for.
    fn searches(&mut self, context: &Context<'_>) -> &[Ready] {
        let (id, realm) = (self.id, self.realm);
        self.searches.get_or_insert_with(|| {
            let entry = context.facts.entry(id);
            let attribute = context.schema.attribute(MEMBER_URL);
            let values = entry.iter().flat_map(|entry| attribute.into_iter().flat_map(|attribute| entry.values(attribute)));
            let urls = values.filter_map(|value| LdapUrl::parse(std::str::from_utf8(value).ok()?));
            urls.filter_map(|url| Ready::of(context, &url, realm)).collect()
        })
    }

    /// Whether an entry of its realm is a member.
    fn has(&mut self, reading: &Reading<'_>, grants: &Grants, entry: &Entry, budget: &mut Budget) -> Result<bool, Error> {
        if let Some(members) = &self.members {
            return Ok(members.contains(entry.id.0));
        }
        let group = self.id;
        for search in self.searches(&reading.context) {
            budget.take(search.weight)?;
            if search.finds(reading, grants, group, entry) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn members(&mut self, reading: &Reading<'_>, grants: &Grants, budget: &mut Budget) -> Result<&RoaringBitmap, Error> {
        let place = (self.id, self.realm);
        let mut found = RoaringBitmap::new();
        if self.members.is_none() {
            for search in self.searches(&reading.context) {
                search.seek(reading, grants, place, budget, &mut |id| {
                    found.insert(id.0);
                    false
                })?;
            }
        }
        Ok(self.members.get_or_insert(found))
    }

    fn has_any(&mut self, reading: &Reading<'_>, grants: &Grants, budget: &mut Budget) -> Result<bool, Error> {
        if let Some(members) = &self.members {
            return Ok(!members.is_empty());
        }
        let place = (self.id, self.realm);
        for search in self.searches(&reading.context) {
            if search.seek(reading, grants, place, budget, &mut |_| true)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Ready {
    /// A URL that asks for other servers, for attributes, or for a place outside finds nothing.
    fn of(context: &Context<'_>, url: &LdapUrl<'_>, within: Option<EntryId>) -> Option<Self> {
        if !url.server.ends_with("//") || !url.attributes.is_empty() {
            return None;
        }
        let Resolved::Found(base) = tree::resolve(context.schema, context.suffixes, context.facts, &url.dn) else { return None };
        if realm(context.facts, base) != within {
            return None;
        }
        let matcher = match &url.filter {
            Some(text) => Matcher::prepare(context, &Filter::parse(text).ok()?),
            None => Matcher::Constant(Truth::True),
        };
        let scope = match url.scope {
            None | Some(UrlScope::Base) => Scope::Base,
            Some(UrlScope::One) => Scope::One,
            Some(UrlScope::Subtree) => Scope::Subtree,
            Some(UrlScope::Children) => Scope::Children,
        };
        let weight = matcher.assertions().div_ceil(ASSERTIONS).max(1);
        Some(Self { base, scope, matcher, weight })
    }

    fn finds(&self, reading: &Reading<'_>, grants: &Grants, group: EntryId, entry: &Entry) -> bool {
        let Context { schema, facts, .. } = reading.context;
        if entry.id == group || !in_scope(facts, entry, self.base, self.scope) {
            return false;
        }
        let access = grants.on(facts, entry);
        access.disclosed && self.matcher.matches(schema, facts, entry, access.search) == Truth::True
    }

    /// Tells of the members that a group of the realm `within` has by it, until `take` has enough, and answers whether it
    /// had: by the indexes, or by walking the scope. Only entries of the realm are asked and counted, since what belongs to
    /// others must not show (HC5).
    fn seek(
        &self,
        reading: &Reading<'_>,
        grants: &Grants,
        (group, within): (EntryId, Option<EntryId>),
        budget: &mut Budget,
        enough: &mut dyn FnMut(EntryId) -> bool,
    ) -> Result<bool, Error> {
        let facts = reading.context.facts;
        let mut asks = |id: EntryId| facts.entry(id).is_some_and(|entry| self.finds(reading, grants, group, &entry)) && enough(id);
        if self.scope == Scope::Base {
            budget.take(self.weight)?;
            return Ok(asks(self.base));
        }
        if let Some(candidates) = self.candidates(reading, within, &mut budget.below) {
            for id in candidates.iter().map(EntryId) {
                budget.take(self.weight)?;
                if asks(id) {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let mut ask = |id| {
            budget.take(self.weight)?;
            Ok(asks(id))
        };
        each_below(facts, self.base, self.scope, &mut ask)
    }

    /// What the indexes leave of its scope; `None` where they cannot narrow it. It is the same however it is sifted, so that
    /// what belongs to others shows neither in how much is asked nor in when that is too much (HC5).
    fn candidates(
        &self,
        reading: &Reading<'_>,
        within: Option<EntryId>,
        below: &mut HashMap<(EntryId, Scope), RoaringBitmap>,
    ) -> Option<RoaringBitmap> {
        let Context { schema, facts, .. } = reading.context;
        let found = plan::plan(schema, reading.memory?, &self.matcher, &Reach::NONE)?.ids;
        if found.len() > MOST_SIFTED {
            let list = || {
                let mut list = RoaringBitmap::new();
                let listed = each_below(facts, self.base, self.scope, &mut |id| {
                    list.insert(id.0);
                    Ok(false)
                });
                listed.map(|_| list).unwrap_or_default()
            };
            return Some(found & &*below.entry((self.base, self.scope)).or_insert_with(list));
        }
        let is_own = |id: EntryId| {
            let is_placed = facts.entry(id).is_some_and(|entry| in_scope(facts, &entry, self.base, self.scope));
            is_placed && realm(facts, id) == within
        };
        Some(found.iter().filter(|id| is_own(EntryId(*id))).collect())
    }
}

impl Budget {
    /// Counts questions.
    fn take(&mut self, count: usize) -> Result<(), Error> {
        let too_much = || Error::AdminLimit("the dynamic groups that this asks for are more work than one operation may make".to_owned());
        self.left = self.left.checked_sub(count).ok_or_else(too_much)?;
        Ok(())
    }
}

/// Visits the entries of a scope that belong to no organisation further down, until one is enough, and answers whether one was.
fn each_below(
    facts: &dyn Facts,
    base: EntryId,
    scope: Scope,
    visit: &mut dyn FnMut(EntryId) -> Result<bool, Error>,
) -> Result<bool, Error> {
    if matches!(scope, Scope::Base | Scope::Subtree) && visit(base)? {
        return Ok(true);
    }
    let mut waiting = vec![base];
    while let Some(parent) = waiting.pop() {
        let mut after = None;
        loop {
            let children = facts.children(parent, after, CHUNK);
            for &child in &children {
                if facts.entry(child).is_none_or(|entry| entry.kind == Kind::Organisation) {
                    continue;
                }
                if visit(child)? {
                    return Ok(true);
                }
                if scope != Scope::One && facts.child_count(child) > 0 {
                    waiting.push(child);
                }
            }
            if children.len() < CHUNK {
                break;
            }
            after = children.last().copied();
        }
    }
    Ok(false)
}

/// The values by which a link attribute shows members of a dynamic group that are no links.
pub(super) fn show_members(
    (schema, facts, view): (&Schema, &dyn Facts, LinkView),
    group: &Entry,
    members: &RoaringBitmap,
    names: &mut super::derived::Names,
    out: &mut super::derived::NameList,
) {
    let unlinked = members.iter().map(EntryId).filter(|member| facts.link(group.id, view.edge, *member).is_none());
    for entry in unlinked.filter_map(|member| facts.entry(member)) {
        match view.form {
            crate::schema::LinkForm::Name => out.push(facts, &entry, names),
            crate::schema::LinkForm::Uid => {
                if let Some(uid) = link_view::shown_uid(schema, &entry) {
                    out.push_text(uid);
                }
            }
        }
    }
}
