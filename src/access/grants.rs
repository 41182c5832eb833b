//! What one identity may do, entry by entry.

use super::domain::{Profile, Subject};
use super::{AccessSubject, EntryAccess, Policy, Standing};
use crate::base::EntryId;
use crate::model::{Entry, Facts, Kind};
use parking_lot::RwLock;
use std::sync::Arc;

/// What one identity may do. Made by [`Policy::grants`]; good as long as the authority it rests on.
pub struct Grants {
    policy: Arc<Policy>,
    subject: AccessSubject,
    /// The rules of the config that speak of the subject, one bit each.
    mask: u64,
    /// Where their subtrees begin, as far as those entries exist.
    subtrees: Vec<(u64, Option<EntryId>)>,
    /// The entries above the subject's organisation.
    above: Vec<EntryId>,
    /// Answers that had to be put together, by what they were put together from. There are few.
    combined: RwLock<Vec<((Profile, u64), Arc<EntryAccess>)>>,
}

/// The entries from one up to its suffix, and the organisation it belongs to.
struct Lineage {
    ids: Vec<EntryId>,
    organisation: Option<EntryId>,
}

impl Lineage {
    fn of(facts: &dyn Facts, entry: &Entry) -> Self {
        let mut lineage = Self { ids: vec![entry.id], organisation: (entry.kind == Kind::Organisation).then_some(entry.id) };
        let mut parent = entry.parent;
        while let Some(above) = parent.and_then(|id| facts.entry(id)) {
            lineage.ids.push(above.id);
            if lineage.organisation.is_none() && above.kind == Kind::Organisation {
                lineage.organisation = Some(above.id);
            }
            parent = above.parent;
        }
        lineage
    }
}

impl Grants {
    pub(super) fn new(policy: Arc<Policy>, subject: AccessSubject, mask: u64, facts: &dyn Facts) -> Self {
        let chosen = policy.rules.iter().enumerate().filter(|(index, _)| mask >> index & 1 == 1);
        let subtrees = chosen.filter_map(|(index, rule)| Some((1 << index, rule.subtree.as_ref()?.resolve(facts)))).collect();
        let organisation = subject.organisation.and_then(|id| facts.entry(id));
        let mut above = organisation.map_or_else(Vec::new, |entry| Lineage::of(facts, &entry).ids);
        above.retain(|id| Some(*id) != subject.organisation);
        Self { policy, subject, mask, subtrees, above, combined: RwLock::new(Vec::new()) }
    }

    /// Who it is about.
    pub const fn subject(&self) -> &AccessSubject {
        &self.subject
    }

    /// What may be done with `entry`. For an entry that is about to be added, give it as it would be.
    pub fn on(&self, facts: &dyn Facts, entry: &Entry) -> Arc<EntryAccess> {
        let domain = &self.policy.domain;
        if self.subject.standing == Standing::Operator {
            return Arc::clone(domain.get(Profile::Everything));
        }
        if self.mask == 0 && self.subject.standing == Standing::Anonymous {
            return Arc::clone(domain.get(Profile::Nothing));
        }
        let lineage = Lineage::of(facts, entry);
        // O1, before any rule: who belongs to an organisation never sees anything of another.
        if self.subject.organisation.is_some() && lineage.organisation.is_some() && lineage.organisation != self.subject.organisation {
            return Arc::clone(domain.get(Profile::Nothing));
        }
        let asked = Subject { schema: &self.policy.schema, facts, subject: &self.subject, above: &self.above };
        let profile = asked.profile(entry, lineage.organisation);
        let mask = self.matching(facts, entry, &lineage.ids);
        if mask == 0 {
            return Arc::clone(domain.get(profile));
        }
        self.combine(profile, mask)
    }

    /// The rules that speak of the subject and of this entry.
    fn matching(&self, facts: &dyn Facts, entry: &Entry, lineage: &[EntryId]) -> u64 {
        let mut mask = self.mask;
        for (bit, base) in &self.subtrees {
            // A subtree that did not exist when the grants were made may exist now.
            let index = bit.trailing_zeros() as usize;
            let resolve = || self.policy.rules.get(index)?.subtree.as_ref()?.resolve(facts);
            if !base.or_else(resolve).is_some_and(|base| lineage.contains(&base)) {
                mask &= !bit;
            }
        }
        for (index, rule) in self.policy.rules.iter().enumerate() {
            let bit = 1_u64 << index;
            let other = rule.only_itself && self.subject.entry != Some(entry.id);
            let filtered = |filter: &super::rule_filter::RuleFilter| !filter.matches(&self.policy.schema, entry);
            if mask & bit != 0 && (other || rule.filter.as_ref().is_some_and(filtered)) {
                mask &= !bit;
            }
        }
        mask
    }

    fn combine(&self, profile: Profile, mask: u64) -> Arc<EntryAccess> {
        if let Some((_, access)) = self.combined.read().iter().find(|(key, _)| *key == (profile, mask)) {
            return Arc::clone(access);
        }
        let access = Arc::new(self.policy.domain.get(profile).united(&self.policy.combine(mask)));
        self.combined.write().push(((profile, mask), Arc::clone(&access)));
        access
    }
}
