//! Where somebody belongs: levels flow down the tree of groups (G4), members of members flow up (LDAP nesting).
//! Both walks visit each group once, so that a circle in old data ends.

use super::catalog::Catalog;
use super::packages::effective_roles;
use crate::base::EntryId;
use crate::model::{AttributeId, Facts, Level};
use crate::schema::Schema;
use std::collections::{BTreeMap, BTreeSet};

/// The groups of `member`, each with the highest of its level there and in any group above (G4).
pub fn levels(schema: &Schema, facts: &dyn Facts, member: EntryId) -> BTreeMap<EntryId, Level> {
    let mut levels = BTreeMap::new();
    let mut waiting = facts.sources(member, schema.known().member);
    let parent_group = schema.attribute("hcParentGroup");
    while let Some((group, level)) = waiting.pop() {
        if levels.get(&group).is_some_and(|held| *held >= level) {
            continue;
        }
        levels.insert(group, level);
        // Who was a member of a group above once is not one of those below.
        if let Some(parent_group) = parent_group
            && level > Level::Past
        {
            waiting.extend(facts.sources(group, parent_group).into_iter().map(|(below, _)| (below, level)));
        }
    }
    levels
}

/// The groups above `group`, whose levels flow down to it (G4), nearest first.
pub fn above(schema: &Schema, facts: &dyn Facts, group: EntryId) -> Vec<EntryId> {
    let Some(parent_group) = schema.attribute("hcParentGroup") else { return Vec::new() };
    let (mut found, mut at) = (Vec::new(), group);
    while let Some((next, _)) = facts.targets(at, parent_group, None, 1).into_iter().next()
        && next != group
        && !found.contains(&next)
    {
        found.push(next);
        at = next;
    }
    found
}

/// The groups that hold `member` as a full member or administrator, directly or through groups that are members
/// of groups, and the effective roles it holds (R5, R8): what `memberOf` shows.
pub fn containing(schema: &Schema, facts: &dyn Facts, catalog: &Catalog, member: EntryId) -> BTreeSet<EntryId> {
    containing_within(schema, facts, catalog, member, &levels(schema, facts, member), usize::MAX).unwrap_or_default()
}

/// The same for whoever has these [`levels`]; `None` where more than `most` memberships of groups would have to be looked at.
pub fn containing_within(
    schema: &Schema,
    facts: &dyn Facts,
    catalog: &Catalog,
    member: EntryId,
    levels: &BTreeMap<EntryId, Level>,
    most: usize,
) -> Option<BTreeSet<EntryId>> {
    let mut found: BTreeSet<EntryId> = levels.iter().filter(|(_, level)| **level >= Level::Full).map(|(group, _)| *group).collect();
    let mut waiting: Vec<EntryId> = found.iter().copied().collect();
    let mut left = most.checked_sub(waiting.len())?;
    found.extend(effective_roles(schema, facts, catalog, member));
    while let Some(group) = waiting.pop() {
        let above = facts.sources(group, schema.known().member);
        left = left.checked_sub(above.len())?;
        waiting.extend(above.into_iter().filter(|(above, level)| *level >= Level::Full && found.insert(*above)).map(|(above, _)| above));
    }
    Some(found)
}

/// Everybody whom [`containing`] may put into `group`: its members, or who holds the role, those of groups in it, and those of groups above it.
/// The flag says that only direct members were found, and then all of these are in.
pub fn candidates(schema: &Schema, facts: &dyn Facts, group: EntryId) -> (BTreeSet<EntryId>, bool) {
    let parent_group = schema.attribute("hcParentGroup");
    let (mut found, mut seen, mut waiting) = (BTreeSet::new(), BTreeSet::new(), vec![group]);
    let holders = facts.sources(group, schema.known().hc_role);
    // Whether a role is effective is not asked here.
    let is_role = !holders.is_empty();
    found.extend(holders.into_iter().map(|(holder, _)| holder));
    while let Some(at) = waiting.pop() {
        if !seen.insert(at) {
            continue;
        }
        for (member, level) in facts.targets(at, schema.known().member, None, usize::MAX) {
            if level >= Level::Full {
                found.insert(member);
                if facts.target_count(member, schema.known().member) > 0 {
                    waiting.push(member);
                }
            }
        }
        let above = parent_group.map(|attribute| facts.targets(at, attribute, None, usize::MAX)).unwrap_or_default();
        waiting.extend(above.into_iter().map(|(group, _)| group));
    }
    (found, seen.len() == 1 && !is_role)
}

/// Whether `start`, or what it points to by `attribute` over any number of steps, is `sought`.
pub fn leads_to(facts: &dyn Facts, attribute: AttributeId, start: EntryId, sought: EntryId) -> bool {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![start];
    while let Some(at) = waiting.pop() {
        if at == sought {
            return true;
        }
        if seen.insert(at) {
            waiting.extend(facts.targets(at, attribute, None, usize::MAX).into_iter().map(|(target, _)| target));
        }
    }
    false
}
