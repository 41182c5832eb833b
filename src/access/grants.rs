//! What one identity may do, entry by entry.

use super::domain::{Ground, Profile, Subject};
use super::policy::{CompiledName, Rule, RuleRights, Speaking};
use super::{Access, AccessSubject, EntryAccess, Extent, Policy, Standing};
use crate::base::{EntryId, SearchLimits};
use crate::domain::content::{Content, Visibility};
use crate::domain::roles::is_organisation_admin;
use crate::domain::{AccountState, User, UserType, organisation_of};
use crate::model::{Dn, Entry, Facts, Kind, upwards};
use std::sync::{Arc, OnceLock};

/// What one identity may do. Made by [`Policy::grants`]; good as long as the authority it rests on.
pub struct Grants {
    pub(super) policy: Arc<Policy>,
    subject: AccessSubject,
    /// The rules of the config that speak of the subject.
    speaking: Speaking,
    limits: SearchLimits,
    /// Where their subtrees begin, as far as those entries exist.
    subtrees: Vec<(u64, Option<EntryId>)>,
    /// The entries above the subject's organisation.
    above: Vec<EntryId>,
    /// Answers that had to be put together. There are few.
    combined: Combined,
    /// Where attributes may be searched, once that was asked.
    pub(super) extent: OnceLock<Extent>,
}

/// A list that only grows, so that what it holds can be lent out while others add to it.
#[derive(Default)]
struct Combined(OnceLock<Box<Answer>>);

struct Answer {
    /// What it was put together from.
    profile: Profile,
    mask: u64,
    access: Access,
    next: Combined,
}

impl Combined {
    fn get(&self, profile: Profile, mask: u64, make: impl Fn() -> Access) -> &Access {
        let mut at = self;
        loop {
            let answer = at.0.get_or_init(|| Box::new(Answer { profile, mask, access: make(), next: Self::default() }));
            if answer.profile == profile && answer.mask == mask {
                return &answer.access;
            }
            at = &answer.next;
        }
    }
}

/// The entries from one up to its suffix, and the organisation it belongs to.
struct Lineage {
    ids: Vec<EntryId>,
    organisation: Option<EntryId>,
}

impl Lineage {
    fn of(facts: &dyn Facts, entry: &Entry) -> Self {
        let mut lineage = Self { ids: vec![entry.id], organisation: (entry.kind == Kind::Organisation).then_some(entry.id) };
        for above in entry.parent.into_iter().flat_map(|id| upwards(facts, id)) {
            lineage.ids.push(above.id);
            if lineage.organisation.is_none() && above.kind == Kind::Organisation {
                lineage.organisation = Some(above.id);
            }
        }
        lineage
    }
}

/// What speaks of one entry.
pub(super) struct Found {
    pub(super) profile: Profile,
    pub(super) ground: Ground,
    pub(super) mask: u64,
}

impl Grants {
    pub(super) fn new(
        policy: Arc<Policy>,
        subject: AccessSubject,
        (speaking, limits): (Speaking, SearchLimits),
        facts: &dyn Facts,
    ) -> Self {
        let chosen = policy.rules.iter().enumerate().filter(|(index, _)| speaking.mask >> index & 1 == 1);
        let subtrees = chosen.filter_map(|(index, rule)| Some((1 << index, rule.subtree.as_ref()?.resolve(facts)))).collect();
        let organisation = subject.organisation.and_then(|id| facts.entry(id));
        let mut above = organisation.map_or_else(Vec::new, |entry| Lineage::of(facts, &entry).ids);
        above.retain(|id| Some(*id) != subject.organisation);
        Self { policy, subject, speaking, limits, subtrees, above, combined: Combined::default(), extent: OnceLock::new() }
    }

    /// Who it is about.
    pub const fn subject(&self) -> &AccessSubject {
        &self.subject
    }

    /// The bounds of its searches (HD6).
    pub const fn limits(&self) -> SearchLimits {
        self.limits
    }

    /// Where what may be done with an entry rests on that entry and its place alone: what it rests on besides, to be compared
    /// with that of other grants.
    pub fn rests_on_entries_alone(&self) -> Option<(u64, u64, u64)> {
        let Speaking { mask, at_home, undecided } = self.speaking;
        matches!(self.subject.standing, Standing::Client | Standing::Operator).then_some((mask, at_home, undecided))
    }

    /// The rules of the config that speak of the subject, in their order, each with what it gives and whether it speaks on
    /// what the subject's organisation holds only.
    pub(super) fn chosen(&self) -> impl Iterator<Item = (&Rule, RuleRights, bool)> {
        let Speaking { mask, at_home, undecided } = self.speaking;
        let holds = |mask: u64, index: usize| mask >> index & 1 == 1;
        let chosen = self.policy.rules.iter().enumerate().filter(move |(index, _)| holds(mask, *index));
        chosen.map(move |(index, rule)| {
            let rights = if holds(undecided, index) { RuleRights::default() } else { rule.rights };
            (rule, rights, holds(at_home, index))
        })
    }

    /// What may be done with `entry`. For an entry that is about to be added, give it as it would be.
    pub fn on(&self, facts: &dyn Facts, entry: &Entry) -> EntryAccess<'_> {
        let domain = &self.policy.domain;
        if self.subject.standing == Standing::Operator {
            return domain.get(Profile::Everything).view();
        }
        if self.speaking.mask == 0 && self.subject.standing == Standing::Anonymous {
            return domain.get(Profile::Nothing).view();
        }
        let found = self.look(facts, entry);
        let by_domain = self.by_domain(&found);
        if found.mask == 0 {
            return by_domain.view();
        }
        let make = || {
            let both = by_domain.united(&self.policy.combine(found.mask, self.speaking.undecided));
            if found.profile == Profile::Unread { both.without_reading() } else { both }
        };
        self.combined.get(found.profile, found.mask, make).view()
    }

    /// What the rules of the domain give, with what the organisation lets its users change of themselves (U2).
    pub(super) fn by_domain(&self, found: &Found) -> &Access {
        let given = self.policy.domain.get(found.profile);
        if found.profile != Profile::Opened {
            return given;
        }
        let make = || {
            let mut given = given.clone();
            self.subject.opened.iter().for_each(|attribute| given.write.insert(*attribute));
            given
        };
        self.combined.get(Profile::Opened, 0, make)
    }

    /// What the domain says about the entry and why, and which rules of the config speak of it.
    pub(super) fn look(&self, facts: &dyn Facts, entry: &Entry) -> Found {
        if self.subject.standing == Standing::Operator {
            return Found { profile: Profile::Everything, ground: Ground::Operator, mask: 0 };
        }
        let lineage = Lineage::of(facts, entry);
        // O1, before any rule: who belongs to an organisation never sees anything of another.
        if self.subject.organisation.is_some() && lineage.organisation.is_some() && lineage.organisation != self.subject.organisation {
            return Found { profile: Profile::Nothing, ground: Ground::OtherOrganisation, mask: 0 };
        }
        let asked = Subject { schema: &self.policy.schema, facts, subject: &self.subject, above: &self.above };
        let (profile, ground) = asked.profile(entry, lineage.organisation);
        if entry.kind == Kind::Content {
            return self.look_at_content(facts, entry, &lineage, Found { profile, ground, mask: 0 });
        }
        Found { profile, ground, mask: self.matching(facts, entry, &lineage) }
    }

    /// No rule shows content to more people than C1 to C8 do; rules open it to applications, but for what is its author's
    /// alone: that a form may write, and never read (C6).
    fn look_at_content(&self, facts: &dyn Facts, entry: &Entry, lineage: &Lineage, found: Found) -> Found {
        let schema = &self.policy.schema;
        if self.subject.standing != Standing::Service {
            return found;
        }
        let mask = self.matching(facts, entry, lineage);
        let audience = Content::of(schema, entry).map(|content| content.audience(facts).visibility);
        if audience != Some(Visibility::JustMe) {
            return Found { mask, ..found };
        }
        let creator = entry.text(schema.known().creators_name).and_then(|name| Dn::parse(name).ok());
        match creator.is_some_and(|name| schema.name_key(&name) == self.subject.name_key) {
            true => Found { profile: Profile::Unread, ground: found.ground, mask },
            false => found,
        }
    }

    /// Whether the subject may act for the user `entry` (RFC 4370): a service account that a rule names, for a user of its own
    /// organisation, and never for a service account, the operator or an Organisation Admin (HB7).
    pub fn may_proxy_as(&self, facts: &dyn Facts, entry: &Entry) -> bool {
        let schema = &self.policy.schema;
        let organisation = organisation_of(facts, entry.id);
        // Whoever could sign in as a person, as the bind has it.
        let person = match entry.kind {
            Kind::User => {
                let may_sign_in = |user: User<'_>| user.user_type() == UserType::App && user.state() == AccountState::Active;
                User::of(schema, entry).is_some_and(may_sign_in)
            }
            Kind::Generic | Kind::Person => organisation.is_none(),
            Kind::Content | Kind::Group | Kind::Licence | Kind::Organisation | Kind::Role | Kind::Session | Kind::Staff => false,
        };
        self.subject.standing == Standing::Service
            && person
            && organisation == self.subject.organisation
            && !is_organisation_admin(schema, facts, entry.id)
            && self.on(facts, entry).may_proxy
    }

    /// Whether the subject may be the first to put something into that container of its organisation.
    pub fn may_begin(&self, organisation: &Entry, container: &str) -> bool {
        self.subject.organisation == Some(organisation.id) && self.subject.may_begin(container)
    }

    /// Whether the subject may read `cn=Monitor`: the operator, and whom a rule for that subtree lets.
    pub fn may_monitor(&self) -> bool {
        let monitor = |rule: &Rule| rule.subtree.as_ref().is_some_and(CompiledName::is_monitor);
        let mut rules = self.chosen().filter(|(rule, _, at_home)| monitor(rule) && !at_home);
        self.subject.standing == Standing::Operator || rules.next().is_some_and(|(_, rights, _)| rights.read)
    }

    /// The rules that speak of the subject and of this entry.
    fn matching(&self, facts: &dyn Facts, entry: &Entry, lineage: &Lineage) -> u64 {
        let mut mask = self.speaking.mask;
        if lineage.organisation.is_none() || lineage.organisation != self.subject.organisation {
            mask &= !self.speaking.at_home;
        }
        for (bit, base) in &self.subtrees {
            // A subtree that did not exist when the grants were made may exist now.
            let index = bit.trailing_zeros() as usize;
            let resolve = || self.policy.rules.get(index)?.subtree.as_ref()?.resolve(facts);
            if !base.or_else(resolve).is_some_and(|base| lineage.ids.contains(&base)) {
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
}
