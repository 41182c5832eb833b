//! The groups that access rules speak of, and who is in them: what `memberOf` shows to somebody who sees everything. It is worked
//! out where an identity is, and is good as long as that; what it costs is bounded, and beyond the bound a rule denies.

use super::core::Current;
use super::dynamic::{self, DynamicGroups, Reading};
use super::filter::Context;
use super::tree;
use crate::access::{AccessSubject, Memberships, Standing};
use crate::base::EntryId;
use crate::domain::groups;
use crate::model::Level;
use std::collections::{BTreeMap, BTreeSet};

/// Memberships that are looked at for one identity.
const MOST_LINKS: usize = 50_000;
/// Questions that dynamic groups may ask for one identity.
const MOST_ASKED: usize = 5_000;

/// Which of the groups that rules speak of have `member`, which has these levels.
pub(super) fn of(current: &Current, context: Context<'_>, member: EntryId, levels: &BTreeMap<EntryId, Level>) -> Memberships {
    let Context { schema, facts, catalog, .. } = context;
    let realm = dynamic::realm(facts, member);
    let named: BTreeSet<EntryId> =
        current.policy.named_groups(facts).into_iter().filter(|group| dynamic::realm(facts, *group) == realm).collect();
    if named.is_empty() {
        return Memberships::default();
    }
    let memberships = match groups::containing_within(schema, facts, catalog, member, levels, MOST_LINKS) {
        Some(held) => by_dynamic_groups(current, context, member, named, &held),
        None => Memberships { held: BTreeSet::new(), undecided: named },
    };
    if !memberships.undecided.is_empty() {
        let groups = memberships.undecided.len();
        let account = tree::dn_of(facts, member);
        tracing::warn!(account, groups, "memberships that access rules speak of are too much work; those rules deny");
    }
    memberships
}

/// What dynamic groups add to the groups `held` by links.
fn by_dynamic_groups(
    current: &Current,
    context: Context<'_>,
    member: EntryId,
    named: BTreeSet<EntryId>,
    held: &BTreeSet<EntryId>,
) -> Memberships {
    let (held, open): (BTreeSet<EntryId>, BTreeSet<EntryId>) = named.into_iter().partition(|group| held.contains(group));
    let mut memberships = Memberships { held, undecided: BTreeSet::new() };
    // Rules are the operator's, so what they rest on is not what the member itself may search.
    let everybody = AccessSubject { standing: Standing::Operator, ..AccessSubject::anonymous(None, true) };
    let (facts, grants) = (context.facts, current.policy.grants(everybody, context.facts));
    let reading = Reading { context, memory: None, grants: &grants };
    if let Some(mut dynamic) = DynamicGroups::prepare(&reading, MOST_ASKED)
        && let Some(entry) = facts.entry(member)
    {
        dynamic.add_memberships(&reading, &entry, &open, &mut memberships);
    }
    memberships
}
