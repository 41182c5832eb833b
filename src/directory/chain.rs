//! The in-chain rule (LDAP_MATCHING_RULE_IN_CHAIN): which entries lead to another one by any number of links of one
//! attribute. The walk goes from the entry asked for against the links, so it costs as many steps as links lead there,
//! visits each entry once, and so ends in circles too.

use super::dynamic::{self, DynamicGroups, MOST_ASKED, Reading};
use super::error::Error;
use super::filter::{Context, Item, Matcher, Test};
use super::link_view;
use crate::base::EntryId;
use crate::model::{AttributeId, Entry};
use crate::schema::Schema;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

/// Links that one search follows at most.
pub(crate) const MOST_LINKS: usize = 500_000;

/// An assertion of the in-chain rule.
#[derive(Debug)]
pub(crate) struct Chain {
    /// The entries asked for.
    pub(super) targets: Vec<EntryId>,
    /// The normal form of the value: references kept as text.
    pub(super) key: Vec<u8>,
    /// The entries that lead there, for each attribute of the item; `None` until they were sought.
    pub(super) reached: Option<Vec<(AttributeId, RoaringBitmap)>>,
}

impl Chain {
    /// Whether the entry leads there; `None` where nobody sought.
    pub(super) fn holds(&self, attribute: AttributeId, entry: EntryId) -> Option<bool> {
        self.found(attribute).map(|reached| reached.contains(entry.0))
    }

    /// All entries that lead there.
    pub(super) fn found(&self, attribute: AttributeId) -> Option<&RoaringBitmap> {
        self.reached.as_ref()?.iter().find(|(held, _)| *held == attribute).map(|(_, reached)| reached)
    }
}

/// What a walk needs to know.
struct Walk<'a> {
    reading: &'a Reading<'a>,
    dynamic: Option<DynamicGroups>,
    /// What dynamic groups have answered: equal assertions ask once.
    answered: BTreeMap<(AttributeId, EntryId), RoaringBitmap>,
    /// Links that may still be followed.
    left: usize,
}

impl Matcher {
    /// Follows the chains that in-chain assertions ask for; until then those are Undefined. A chain goes on only through
    /// entries whose attribute the caller may assert about (HC1). Finds out about dynamic groups too, and answers whether
    /// some are to be asked about each entry ([`Matcher::ask`]), since their members are too many to be sought. Of a filter
    /// that is asked of `one` entry only that costs a question for each group it is about, however many members this has.
    pub(super) fn follow(&mut self, reading: &Reading<'_>, one: Option<&Entry>) -> Result<bool, Error> {
        let schema = reading.context.schema;
        if !self.any(&|item| matches!(item.test, Test::Link { .. } | Test::Chain(_)) || item.asks_for_members(schema)) {
            return Ok(false);
        }
        self.walk(&mut Walk::of(reading), one)?;
        Ok(self.any(&|item| item.dynamic.each))
    }

    fn walk(&mut self, walk: &mut Walk<'_>, one: Option<&Entry>) -> Result<(), Error> {
        self.try_each(&mut |item| item.walk(walk, one))
    }

    /// Whether it asks what dynamic groups were asked about beforehand, when chains were followed.
    pub(super) fn is_foretold(&self, schema: &Schema) -> bool {
        self.any(&|item| !item.dynamic.each && (matches!(item.test, Test::Link { .. } | Test::Chain(_)) || item.asks_for_members(schema)))
    }

    /// Asks dynamic groups about the entry that the filter is to be asked of next, as far as they were not asked beforehand;
    /// `anew` where the entry has changed since.
    pub(super) fn ask(&mut self, reading: &Reading<'_>, groups: &mut DynamicGroups, entry: &Entry, anew: bool) -> Result<(), Error> {
        let schema = reading.context.schema;
        self.try_each(&mut |item| {
            if item.dynamic.each || (anew && item.is_of_entries(schema)) {
                match item.dynamic.each {
                    true => item.dynamic.ids.clear(),
                    false => drop(item.dynamic.ids.remove(entry.id.0)),
                }
                if item.holds_by(reading, groups, entry)? {
                    item.dynamic.ids.insert(entry.id.0);
                }
            }
            Ok(())
        })
    }
}

impl Item {
    /// Whether it asks for members of any kind (`(member=*)`), which a dynamic group has without a link.
    fn asks_for_members(&self, schema: &Schema) -> bool {
        let shows =
            |attribute: &AttributeId| schema.attribute_type(*attribute).link.is_some_and(|view| dynamic::shows_members(schema, view));
        matches!(self.test, Test::Present) && self.attributes.iter().any(shows)
    }

    /// Whether dynamic groups answer it for one entry by one question.
    fn is_of_entries(&self, schema: &Schema) -> bool {
        let member_of = schema.known().member_of;
        self.asks_for_members(schema) || (matches!(self.test, Test::Link { .. }) && self.attributes.contains(&member_of))
    }

    fn walk(&mut self, walk: &mut Walk<'_>, one: Option<&Entry>) -> Result<(), Error> {
        let schema = walk.reading.context.schema;
        let member_of = schema.known().member_of;
        let is_of_entries = self.is_of_entries(schema);
        if one.is_none() && is_of_entries && self.is_near() {
            // The few entries that count are asked, and not for members that nobody may hear of.
            self.dynamic.each = walk.dynamic.is_some();
            return Ok(());
        }
        let near = &self.near;
        match (&mut self.test, one) {
            (Test::Chain(chain), _) => {
                let near = |attribute| near.as_ref().and_then(|near| near.entries(attribute));
                let reached = self.attributes.iter().map(|&attribute| Ok((attribute, walk.sources(chain, attribute, near(attribute))?)));
                chain.reached = Some(reached.collect::<Result<_, Error>>()?);
            }
            (_, Some(entry)) if is_of_entries => {
                if let Some(groups) = &mut walk.dynamic
                    && self.holds_by(walk.reading, groups, entry)?
                {
                    self.dynamic.ids.insert(entry.id.0);
                }
            }
            (Test::Present, None) if is_of_entries => self.dynamic.each = walk.dynamic.is_some(),
            (Test::Link { targets, .. }, _) => {
                for (attribute, target) in self.attributes.iter().flat_map(|attribute| targets.iter().map(|target| (*attribute, *target))) {
                    match walk.dynamic(attribute, target) {
                        Ok(found) => self.dynamic.ids |= found,
                        Err(Error::AdminLimit(_)) if attribute == member_of => self.dynamic.each = true,
                        Err(error) => return Err(error),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether it holds for the entry by a dynamic group.
    fn holds_by(&self, reading: &Reading<'_>, groups: &mut DynamicGroups, entry: &Entry) -> Result<bool, Error> {
        let Test::Link { targets, .. } = &self.test else { return groups.has_any(reading, entry.id) };
        for target in targets {
            if groups.has_under(reading, *target, entry)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl<'a> Walk<'a> {
    fn of(reading: &'a Reading<'a>) -> Self {
        Self { reading, dynamic: DynamicGroups::prepare(reading, MOST_ASKED), answered: BTreeMap::new(), left: MOST_LINKS }
    }

    /// Every entry that leads to the targets by the attribute, of those on which that may be searched: others are neither
    /// found nor counted, and no chain goes on through them (HC1).
    fn sources(&mut self, chain: &Chain, attribute: AttributeId, near: Option<&RoaringBitmap>) -> Result<RoaringBitmap, Error> {
        let mut reached = RoaringBitmap::new();
        let reading = self.reading;
        let Context { schema, facts, .. } = reading.context;
        let Some(view) = schema.attribute_type(attribute).link else { return Ok(reached) };
        let may = |source: EntryId| facts.entry(source).is_some_and(|entry| reading.grants.on(facts, &entry).search.contains(attribute));
        let mut waiting = chain.targets.clone();
        for source in facts.equal(attribute, &chain.key).into_iter().filter(|source| may(*source)) {
            reached.insert(source.0);
            waiting.push(source);
        }
        while let Some(at) = waiting.pop() {
            for source in self.dynamic(attribute, at)?.into_iter().map(EntryId).filter(|source| may(*source)) {
                if reached.insert(source.0) {
                    waiting.push(source);
                }
            }
            let sources: Vec<EntryId> = match near {
                Some(near) => near.iter().map(EntryId).collect(),
                None => link_view::sources(schema, facts, view, at).collect(),
            };
            for source in sources.into_iter().filter(|source| may(*source)) {
                self.left = self.left.checked_sub(1).ok_or_else(too_much)?;
                if !reached.contains(source.0) && self.shows(source, attribute, at) {
                    reached.insert(source.0);
                    waiting.push(source);
                }
            }
        }
        Ok(reached)
    }

    /// What dynamic groups add to the answer for a link to `target`: the groups, or the members for what shows groups.
    fn dynamic(&mut self, attribute: AttributeId, target: EntryId) -> Result<RoaringBitmap, Error> {
        let Context { schema, facts, .. } = self.reading.context;
        let Some(groups) = &mut self.dynamic else { return Ok(RoaringBitmap::new()) };
        if let Some(answer) = self.answered.get(&(attribute, target)) {
            return Ok(answer.clone());
        }
        let known = schema.known();
        let found = if attribute == known.member_of {
            groups.members_under(self.reading, target)?
        } else {
            let Some(entry) = facts.entry(target) else { return Ok(RoaringBitmap::new()) };
            let found = match schema.attribute_type(attribute).link {
                Some(view) if dynamic::shows_members(schema, view) => groups.of(self.reading, &entry)?,
                None if attribute == known.hc_effective_member => groups.containing(self.reading, &entry)?,
                Some(_) | None => Vec::new(),
            };
            found.into_iter().map(|group| group.0).collect()
        };
        self.answered.insert((attribute, target), found.clone());
        Ok(found)
    }

    fn shows(&self, source: EntryId, attribute: AttributeId, target: EntryId) -> bool {
        let Context { schema, facts, catalog, .. } = self.reading.context;
        let Some(view) = schema.attribute_type(attribute).link else { return false };
        facts.entry(source).is_some_and(|entry| {
            let links = link_view::ShownLinks { schema, facts, catalog, entry: &entry, view };
            schema.shows_link(&entry, attribute) && links.shows(target)
        })
    }
}

fn too_much() -> Error {
    Error::AdminLimit(format!("the chain of links is longer than {MOST_LINKS}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{AccessSubject, Policy, Standing};
    use crate::directory::tree::Suffix;
    use crate::domain::Catalog;
    use crate::domain::world::{World, schema};
    use crate::model::{Filter, Level};
    use std::sync::Arc;

    /// How many links the walk of a filter follows, and how many entries it reaches.
    fn work(world: &World, filter: &str) -> (usize, u64) {
        let subject = AccessSubject { standing: Standing::Operator, ..AccessSubject::anonymous(None, true) };
        let grants = Arc::new(Policy::compile(schema(), &[]).unwrap()).grants(subject, world);
        let suffixes = [Suffix::parse(schema(), "dc=example,dc=com").unwrap()];
        let context = Context { schema: schema(), suffixes: &suffixes, facts: world, catalog: &Arc::new(Catalog::default()) };
        let reading = Reading { context, memory: None, grants: &grants };
        let mut matcher = Matcher::prepare(&reading.context, &Filter::parse(filter).unwrap());
        let mut walk = Walk::of(&reading);
        matcher.walk(&mut walk, None).unwrap();
        let Matcher::Item(Item { test: Test::Chain(chain), .. }) = &matcher else { panic!("{matcher:?}") };
        (MOST_LINKS - walk.left, chain.found(schema().known().member).unwrap().len())
    }

    /// How many questions the dynamic groups of a world ask for a filter; `None` where that is more than they may, and they are
    /// left to be asked about each entry.
    fn questions(groups: usize, filter: &str) -> Option<usize> {
        let mut world = World::default();
        let top = world.add(None, "dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]);
        let all = world.add(Some(top), "cn=all", &[("objectClass", "groupOfNames"), ("cn", "all")]);
        for number in 0..groups {
            let (name, url) = (format!("d{number}"), "ldap:///dc=example,dc=com??sub?(description=*zz*)");
            let values = [("objectClass", "groupOfURLs"), ("cn", &name), ("memberURL", url)];
            let group = world.add(Some(top), &format!("cn={name}"), &values);
            world.join(all, "member", group, Level::Full);
        }
        for number in 0..100 {
            world.add(Some(top), &format!("cn=e{number}"), &[("objectClass", "device"), ("cn", &format!("e{number}"))]);
        }
        let subject = AccessSubject { standing: Standing::Operator, ..AccessSubject::anonymous(None, true) };
        let grants = Arc::new(Policy::compile(schema(), &[]).unwrap()).grants(subject, &world);
        let suffixes = [Suffix::parse(schema(), "dc=example,dc=com").unwrap()];
        let context = Context { schema: schema(), suffixes: &suffixes, facts: &world, catalog: &Arc::new(Catalog::default()) };
        let reading = Reading { context, memory: None, grants: &grants };
        let mut matcher = Matcher::prepare(&reading.context, &Filter::parse(filter).unwrap());
        let mut walk = Walk::of(&reading);
        match matcher.walk(&mut walk, None) {
            Ok(()) if matcher.any(&|item| item.dynamic.each) => None,
            Ok(()) => walk.dynamic.map(|groups| groups.asked()),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn ha5_dynamic_groups_have_one_budget_for_a_filter_and_answer_each_question_once() {
        let one = "(memberOf=cn=all,dc=example,dc=com)";
        // The base, the two groups, the one they are in, and a hundred entries, for each group.
        assert_eq!(questions(2, one), Some(2 * 104));
        assert_eq!(questions(2, &format!("(|{})", one.repeat(100))), Some(2 * 104), "equal assertions ask once");
        let others = "(memberOf=cn=d0,dc=example,dc=com)(memberOf=cn=d1,dc=example,dc=com)";
        assert_eq!(questions(2, &format!("(&{one}{others})")), Some(2 * 104), "a group is asked once for all assertions");
        assert_eq!(questions(60, one), None, "all groups together ask no more than the budget");
    }

    #[test]
    fn ha5_a_chain_is_walked_once_and_a_circle_ends() {
        let mut world = World::default();
        let top = world.add(None, "dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]);
        let first = world.add(Some(top), "cn=g0", &[("objectClass", "groupOfNames")]);
        let mut below = world.add(Some(top), "uid=ann", &[("objectClass", "inetOrgPerson"), ("cn", "ann"), ("sn", "ann")]);
        world.join(first, "member", below, Level::Full);
        below = first;
        for depth in 1..50 {
            let group = world.add(Some(top), &format!("cn=g{depth}"), &[("objectClass", "groupOfNames")]);
            world.join(group, "member", below, Level::Full);
            below = group;
        }
        let filter = "(member:1.2.840.113556.1.4.1941:=uid=ann,dc=example,dc=com)";
        assert_eq!(work(&world, filter), (50, 50), "one step for each link");
        world.join(first, "member", below, Level::Full);
        assert_eq!(work(&world, filter), (51, 50), "the link that closes the circle is one step more");
    }

    #[test]
    fn ha5_other_members_of_a_large_group_cost_nothing() {
        let mut world = World::default();
        let top = world.add(None, "dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]);
        let group = world.add(Some(top), "cn=large", &[("objectClass", "groupOfNames")]);
        let ann = world.add(Some(top), "uid=ann", &[("objectClass", "inetOrgPerson"), ("cn", "ann"), ("sn", "ann")]);
        for number in ann.0..ann.0 + 10_000 {
            world.join(group, "member", EntryId(number), Level::Full);
        }
        assert_eq!(work(&world, "(member:1.2.840.113556.1.4.1941:=uid=ann,dc=example,dc=com)"), (1, 1));
    }
}
