//! Attributes that are made when they are asked for: links shown as DNs, memberOf, the place in the tree, the
//! state of an account. They are never stored, so they cannot be wrong.

use super::tree;
use crate::base::EntryId;
use crate::domain::{User, groups};
use crate::model::{AttributeId, Entry, Facts, Level};
use crate::schema::{LinkView, Schema};

/// The DN of the subschema entry (RFC 4512 §4.2).
pub(crate) const SUBSCHEMA: &str = "cn=Subschema";

/// How many links are read at a time.
const CHUNK: usize = 1024;

/// The values of a derived attribute.
pub(crate) fn values(schema: &Schema, facts: &dyn Facts, entry: &Entry, attribute: AttributeId) -> Vec<Vec<u8>> {
    let known = schema.known();
    if attribute == known.entry_dn {
        return vec![tree::dn_of(facts, entry.id).into_bytes()];
    }
    if attribute == known.has_subordinates {
        return vec![if facts.child_count(entry.id) > 0 { b"TRUE".to_vec() } else { b"FALSE".to_vec() }];
    }
    if attribute == known.num_subordinates {
        return vec![facts.child_count(entry.id).to_string().into_bytes()];
    }
    if attribute == known.subschema_subentry {
        return vec![SUBSCHEMA.as_bytes().to_vec()];
    }
    if attribute == known.member_of {
        return groups::containing(schema, facts, entry.id).into_iter().map(|group| tree::dn_of(facts, group).into_bytes()).collect();
    }
    if attribute == known.hc_account_state {
        return User::of(schema, entry).map(|user| user.state().name().as_bytes().to_vec()).into_iter().collect();
    }
    if attribute == known.hc_effective_role {
        return role_names(schema, facts, entry);
    }
    if attribute == known.hc_effective_member {
        return effective_members(schema, facts, entry.id);
    }
    Vec::new()
}

fn role_names(schema: &Schema, facts: &dyn Facts, entry: &Entry) -> Vec<Vec<u8>> {
    let known = schema.known();
    let roles = facts.targets(entry.id, known.hc_role, None, usize::MAX);
    let name = |(role, _): &(EntryId, Level)| facts.entry(*role)?.text(known.cn).map(|name| name.as_bytes().to_vec());
    roles.iter().filter_map(name).collect()
}

/// The members of a group by inheritance and nesting too (G6): those who show it in their memberOf.
fn effective_members(schema: &Schema, facts: &dyn Facts, group: EntryId) -> Vec<Vec<u8>> {
    let (candidates, all) = groups::candidates(schema, facts, group);
    let is_in = |member: &EntryId| all || groups::containing(schema, facts, *member).contains(&group);
    let (mut names, mut found) = (Names::default(), NameList::default());
    for entry in candidates.iter().filter(|member| is_in(member)).filter_map(|member| facts.entry(*member)) {
        found.push(facts, &entry, &mut names);
    }
    found.iter().map(<[u8]>::to_vec).collect()
}

/// The levels a link attribute shows.
const fn shown(view: LinkView) -> std::ops::RangeInclusive<Level> {
    match view.level {
        Some(level) => level..=level,
        None => Level::Full..=Level::Administrator,
    }
}

/// Whether the entry shows a link to `target` in this attribute.
pub(crate) fn link_shows(facts: &dyn Facts, entry: &Entry, view: LinkView, target: EntryId) -> bool {
    facts.link(entry.id, view.edge, target).is_some_and(|level| shown(view).contains(&level))
}

/// Whether the entry has a link that this attribute shows.
pub(crate) fn has_links(facts: &dyn Facts, entry: &Entry, view: LinkView) -> bool {
    let mut after = None;
    loop {
        let chunk = facts.targets(entry.id, view.edge, after, CHUNK);
        if chunk.iter().any(|(_, level)| shown(view).contains(level)) {
            return true;
        }
        match chunk.last() {
            Some((last, _)) if chunk.len() == CHUNK => after = Some(*last),
            _ => return false,
        }
    }
}

/// The DNs that a link attribute of the entry shows.
pub(crate) fn link_names(facts: &dyn Facts, entry: &Entry, view: LinkView, names: &mut Names, out: &mut NameList) {
    targets(facts, entry.id, view.edge, &shown(view), names, out);
}

fn targets(
    facts: &dyn Facts,
    source: EntryId,
    edge: AttributeId,
    levels: &std::ops::RangeInclusive<Level>,
    names: &mut Names,
    out: &mut NameList,
) {
    let mut after = None;
    loop {
        let chunk = facts.targets(source, edge, after, CHUNK);
        for entry in chunk.iter().filter(|(_, level)| levels.contains(level)).filter_map(|(target, _)| facts.entry(*target)) {
            out.push(facts, &entry, names);
        }
        match chunk.last() {
            Some((last, _)) if chunk.len() == CHUNK => after = Some(*last),
            _ => return,
        }
    }
}

/// Names one after another in one text, because a large group has many.
#[derive(Default)]
pub(crate) struct NameList {
    text: String,
    ends: Vec<usize>,
}

impl NameList {
    /// Takes all names out.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Puts the DN of an entry in.
    fn push(&mut self, facts: &dyn Facts, entry: &Entry, names: &mut Names) {
        names.write(facts, entry, &mut self.text);
        self.ends.push(self.text.len());
    }

    /// The names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.text.as_bytes().get(start..*end).unwrap_or_default())
    }
}

/// Puts DNs together, remembering the DN of the last parent: members of a group mostly share one.
#[derive(Default)]
pub(crate) struct Names {
    parent: Option<(EntryId, String)>,
}

impl Names {
    /// Appends the DN of an entry.
    pub(crate) fn write(&mut self, facts: &dyn Facts, entry: &Entry, out: &mut String) {
        out.push_str(&entry.rdn);
        let Some(parent) = entry.parent else { return };
        if self.parent.as_ref().is_none_or(|(id, _)| *id != parent) {
            self.parent = Some((parent, tree::dn_of(facts, parent)));
        }
        if let Some((_, name)) = &self.parent {
            out.push(',');
            out.push_str(name);
        }
    }
}
