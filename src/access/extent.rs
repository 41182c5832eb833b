//! Where somebody may search for an attribute at all, known before any entry is looked at: what may be searched nowhere is
//! then as unknown to the planning of a search as it is to its answer (HC1).

use super::{AttributeSet, Grants, Standing};
use crate::base::EntryId;
use crate::model::{AttributeId, Facts};

/// Where attributes may be searched, at the most; on a single entry it may be fewer ([`Grants::on`]). What is neither near nor
/// far may be searched nowhere.
#[derive(Debug)]
pub struct Extent {
    near: AttributeSet,
    far: AttributeSet,
}

impl Extent {
    /// Whether there may be entries beyond those of [`Grants::near`] on which it may be searched.
    pub fn is_far(&self, attribute: AttributeId) -> bool {
        self.far.contains(attribute)
    }

    /// Whether it may be searched on an entry of [`Grants::near`].
    pub fn is_near(&self, attribute: AttributeId) -> bool {
        self.near.contains(attribute)
    }
}

impl Grants {
    /// Where the subject may search for what.
    pub fn extent(&self) -> &Extent {
        self.extent.get_or_init(|| {
            let domain = &self.policy.domain;
            let mut near = domain.near(self.subject()).clone();
            let mut far = AttributeSet::none(self.policy.schema.attribute_types().len());
            domain.far(self.subject()).for_each(|open| far.unite(open));
            if self.subject().standing != Standing::Operator {
                self.add_rules(&mut near, &mut far);
            }
            Extent { near, far }
        })
    }

    /// What the rules of the config open for searching, as far as none before them speaks of it on every entry.
    fn add_rules(&self, near: &mut AttributeSet, far: &mut AttributeSet) {
        let mut decided = self.policy.secret.clone();
        for (rule, rights, at_home) in self.chosen() {
            let mut open = rule.attributes.clone();
            open.subtract(&decided);
            match (rights.search, rule.only_itself) {
                (true, true) => near.unite(&open),
                (true, false) => far.unite(&open),
                (false, _) => {}
            }
            if rule.subtree.is_none() && rule.filter.is_none() && !rule.only_itself && !at_home {
                decided.unite(&open);
            }
        }
    }

    /// The few entries on which what is near may be searched: the subject, and what is its own.
    pub fn near(&self, facts: &dyn Facts) -> Vec<EntryId> {
        let known = self.policy.schema.known();
        let Some(entry) = self.subject().entry else { return Vec::new() };
        let mut found = vec![entry];
        if self.subject().standing == Standing::User {
            found.extend(facts.sources(entry, known.hc_session_user).into_iter().map(|(session, _)| session));
            found.extend(facts.sources(entry, known.hc_author).into_iter().map(|(content, _)| content));
            found.extend(facts.targets(entry, known.hc_role, None, usize::MAX).into_iter().map(|(role, _)| role));
            found.extend(self.subject().groups.keys());
        }
        found
    }
}
