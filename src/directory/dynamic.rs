//! Dynamic groups: entries of the class groupOfURLs, whose members are what the searches of `memberURL` find, within the
//! group's organisation (its suffix, where there is none). A search is made with the rights of whoever reads the group, so
//! it tells nobody what a search of their own would not (HC1). The filters of such URLs see links only, not other dynamic
//! groups, so that there are no circles.

use super::error::Error;
use super::filter::{Context, Matcher, Truth};
use super::link_view;
use super::plan;
use super::referral::{is_of_class, of_class};
use super::request::Scope;
use super::search::in_scope;
use super::tree::{self, Resolved};
use crate::access::Grants;
use crate::base::EntryId;
use crate::domain::{groups, organisation_of};
use crate::model::ldap_url::{LdapUrl, UrlScope};
use crate::model::{Entry, Facts, Filter, upwards};
use crate::schema::{LinkView, Schema};
use crate::store::Memory;
use roaring::RoaringBitmap;
use std::sync::Arc;

/// The class of dynamic groups.
pub(super) const GROUP_OF_URLS: &str = "2.16.840.1.113730.3.2.33";
/// Entries that are looked at for the members of dynamic groups by one search.
const MOST_ENTRIES: usize = 200_000;

/// The dynamic groups, made ready for one reader.
pub(crate) struct DynamicGroups {
    groups: Vec<DynamicGroup>,
    grants: Arc<Grants>,
}

struct DynamicGroup {
    id: EntryId,
    realm: Option<EntryId>,
    searches: Vec<Ready>,
}

/// One URL.
struct Ready {
    base: EntryId,
    scope: Scope,
    matcher: Matcher,
}

/// Who reads, and what there is to read from.
pub(super) struct Reading<'a> {
    pub(super) context: Context<'a>,
    /// The indexes, for readers of the committed state.
    pub(super) memory: Option<&'a Memory>,
    pub(super) grants: &'a Arc<Grants>,
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
    /// All dynamic groups; `None` where there is none, which costs one look-up.
    pub(super) fn prepare(reading: &Reading<'_>) -> Option<Self> {
        let context = &reading.context;
        let ids = of_class(context.schema, context.facts, GROUP_OF_URLS);
        if ids.is_empty() {
            return None;
        }
        let groups = ids.into_iter().filter_map(|id| context.facts.entry(id)).map(|entry| DynamicGroup::of(context, &entry));
        Some(Self { groups: groups.collect(), grants: Arc::clone(reading.grants) })
    }

    /// This dynamic group alone; `None` where it is none.
    pub(super) fn only(reading: &Reading<'_>, entry: &Entry) -> Option<Self> {
        let context = &reading.context;
        is_of_class(context.schema, entry, GROUP_OF_URLS)
            .then(|| Self { groups: vec![DynamicGroup::of(context, entry)], grants: Arc::clone(reading.grants) })
    }

    fn group(&self, id: EntryId) -> Option<&DynamicGroup> {
        self.groups.iter().find(|group| group.id == id)
    }

    /// The dynamic groups that have the entry as a member.
    pub(super) fn of(&self, schema: &Schema, facts: &dyn Facts, entry: &Entry) -> Vec<EntryId> {
        let realm = realm(facts, entry.id);
        let holds = |group: &&DynamicGroup| {
            group.realm == realm && group.searches.iter().any(|search| self.finds(schema, facts, search, group.id, entry))
        };
        self.groups.iter().filter(holds).map(|group| group.id).collect()
    }

    /// The dynamic groups that have the entry as a member, and the groups that these are members of.
    pub(super) fn containing(&self, schema: &Schema, facts: &dyn Facts, entry: &Entry) -> Vec<EntryId> {
        let direct = self.of(schema, facts, entry);
        let above = direct.iter().flat_map(|group| groups::containing(schema, facts, *group));
        direct.iter().copied().chain(above).collect()
    }

    /// The members of one dynamic group; none where it is not one.
    pub(super) fn members(&self, reading: &Reading<'_>, id: EntryId) -> Result<RoaringBitmap, Error> {
        let Context { schema, facts, .. } = reading.context;
        let mut found = RoaringBitmap::new();
        let Some(group) = self.group(id) else { return Ok(found) };
        let mut left = MOST_ENTRIES;
        for search in &group.searches {
            let ids = search.candidates(reading, &mut left)?;
            for id in ids {
                let Some(entry) = facts.entry(EntryId(id)).filter(|_| !found.contains(id)) else { continue };
                if realm(facts, entry.id) == group.realm && self.finds(schema, facts, search, group.id, &entry) {
                    found.insert(id);
                }
            }
        }
        Ok(found)
    }

    /// The members of `group` where it is dynamic, and those of dynamic groups in it.
    pub(super) fn members_under(&self, reading: &Reading<'_>, group: EntryId) -> Result<RoaringBitmap, Error> {
        let Context { schema, facts, .. } = reading.context;
        let mut found = RoaringBitmap::new();
        for dynamic in &self.groups {
            if dynamic.id == group || groups::containing(schema, facts, dynamic.id).contains(&group) {
                found |= self.members(reading, dynamic.id)?;
            }
        }
        Ok(found)
    }

    fn finds(&self, schema: &Schema, facts: &dyn Facts, search: &Ready, group: EntryId, entry: &Entry) -> bool {
        if entry.id == group || !in_scope(facts, entry, search.base, search.scope) {
            return false;
        }
        let access = self.grants.on(facts, entry);
        access.disclosed && search.matcher.matches(schema, facts, entry, access.search) == Truth::True
    }
}

impl DynamicGroup {
    fn of(context: &Context<'_>, entry: &Entry) -> Self {
        let realm = realm(context.facts, entry.id);
        let attribute = context.schema.attribute("memberURL");
        let urls = attribute.into_iter().flat_map(|attribute| entry.values(attribute));
        let urls = urls.filter_map(|value| LdapUrl::parse(std::str::from_utf8(value).ok()?));
        let searches = urls.filter_map(|url| Ready::of(context, &url, realm)).collect();
        Self { id: entry.id, realm, searches }
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
        Some(Self { base, scope, matcher })
    }

    /// Entries among which the members are: by the indexes, or by walking the scope.
    fn candidates(&self, reading: &Reading<'_>, left: &mut usize) -> Result<RoaringBitmap, Error> {
        let mut take = |count: usize| {
            *left = left.checked_sub(count).ok_or_else(too_much)?;
            Ok::<(), Error>(())
        };
        if self.scope == Scope::Base {
            return Ok(RoaringBitmap::from_iter([self.base.0]));
        }
        if let Some(plan) = reading.memory.and_then(|memory| plan::plan(reading.context.schema, memory, &self.matcher)) {
            take(usize::try_from(plan.ids.len()).unwrap_or(usize::MAX))?;
            return Ok(plan.ids);
        }
        let mut found = RoaringBitmap::from_iter([self.base.0]);
        let mut waiting = vec![self.base];
        while let Some(parent) = waiting.pop() {
            let children = reading.context.facts.children(parent, None, MOST_ENTRIES);
            take(children.len())?;
            found.extend(children.iter().map(|child| child.0));
            if self.scope != Scope::One {
                waiting.extend(children);
            }
        }
        Ok(found)
    }
}

fn too_much() -> Error {
    Error::AdminLimit(format!("the members of dynamic groups are sought among more than {MOST_ENTRIES} entries"))
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
