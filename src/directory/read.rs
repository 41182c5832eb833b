//! Reading beside searches: compare, members of large groups, the organisation of a caller.

use super::dynamic::Reading;
use super::filter::{Matcher, Truth};
use super::referral;
use super::tree::{self, Resolved};
use super::{Caller, Directory, Error, Identity, Membership, Offered, root};
use crate::access::Grants;
use crate::base::EntryId;
use crate::model::{Facts, Filter, Kind, Level};
use std::borrow::Cow;

impl Directory {
    /// Compares (RFC 4511 §4.10); with `manage_dsa_it` a referral is an entry. An attribute the caller may not compare is as if it were not there.
    pub fn compare(&self, caller: &Caller, dn: &str, attribute: &str, value: &[u8], manage_dsa_it: bool) -> Result<bool, Error> {
        let current = self.current();
        let memory = self.memory();
        let _isolation = memory.isolated();
        let schema = self.schema();
        let grants = self.grants(caller);
        let name = tree::parse_dn(dn)?;
        let resolved = tree::resolve(schema, &current.suffixes, memory, &name);
        if !manage_dsa_it
            && self.specials().referrals()
            && let Some(referral) = referral::referred(schema, memory, &grants, (&name, &resolved), None)
        {
            return Err(referral);
        }
        let entry = match &resolved {
            Resolved::Found(id) => memory.entry(*id).filter(|entry| grants.on(memory, entry).is_within_reach()),
            Resolved::Missing { .. } | Resolved::Outside => None,
        };
        let entry = entry.ok_or_else(|| self.no_such_object(&grants, &resolved))?;
        let named = schema.description(attribute);
        let Some(description) = named else {
            return Err(Error::UndefinedType(format!("attribute type \"{}\" is not defined", tree::shorten(attribute))));
        };
        let access = grants.on(memory, &entry);
        let missing = || Error::NoSuchAttribute(format!("the entry has no attribute \"{}\"", tree::shorten(attribute)));
        if !access.compare.contains(description.attribute) {
            return Err(missing());
        }
        let shared = self.sharing(&grants).and_then(|mut sharing| sharing.of(schema, memory, &entry));
        let entry = shared.as_ref().unwrap_or(&entry);
        let reading = Reading { context: current.context(schema, memory), memory: Some(memory), grants: &grants };
        let ask = |filter: Filter<'_>| {
            let mut matcher = Matcher::prepare(&reading.context, &filter);
            matcher.follow(&reading, Some(entry))?;
            Ok::<Truth, Error>(matcher.matches(schema, memory, entry, access.compare))
        };
        let holds_any = || Ok::<bool, Error>(ask(Filter::Present(Cow::Borrowed(attribute)))? == Truth::True);
        match ask(Filter::Equality(Cow::Borrowed(attribute), Cow::Borrowed(value)))? {
            Truth::True => Ok(true),
            Truth::False if holds_any()? => Ok(false),
            Truth::False => Err(missing()),
            Truth::Undefined if schema.attribute_type(description.attribute).equality.is_none() => {
                Err(Error::InappropriateMatching(format!("{attribute} has no equality rule")))
            }
            Truth::Undefined => Err(Error::InvalidSyntax(format!("the assertion does not fit the syntax of {attribute}"))),
        }
    }

    /// Compares the root DSE or the subschema (RFC 4512 §5.1, §4.2); `None` where the name is of neither. `offered` is
    /// what the root DSE lists of this connection.
    pub fn compare_virtual(
        &self,
        caller: &Caller,
        offered: &Offered,
        dn: &str,
        attribute: &str,
        value: &[u8],
    ) -> Result<Option<bool>, Error> {
        let Some(entry) = root::virtual_entry(self, caller, offered, &tree::parse_dn(dn)?) else { return Ok(None) };
        let (current, memory, schema) = (self.current(), self.memory(), self.schema());
        let context = current.context(schema, memory);
        let ask = |filter: Filter<'_>| entry.matches(schema, memory, &Matcher::prepare(&context, &filter));
        let known = schema.attribute(attribute).is_some();
        match ask(Filter::Equality(Cow::Borrowed(attribute), Cow::Borrowed(value))) {
            Truth::True => Ok(Some(true)),
            Truth::False if ask(Filter::Present(Cow::Borrowed(attribute))) == Truth::True => Ok(Some(false)),
            Truth::Undefined if known => {
                Err(Error::InvalidSyntax(format!("the assertion does not fit the syntax of {}", tree::shorten(attribute))))
            }
            Truth::False | Truth::Undefined => {
                Err(Error::NoSuchAttribute(format!("the entry has no attribute \"{}\"", tree::shorten(attribute))))
            }
        }
    }

    /// The DN of the organisation an identity belongs to.
    pub fn organisation_dn(&self, identity: &Identity) -> Option<String> {
        identity.organisation.map(|id| tree::dn_of(self.memory(), id)).filter(|dn| !dn.is_empty())
    }

    /// The direct members of a group of every level that the caller may see, in order of number: those above `after` only, out of the next
    /// `limit` links, and the last of those links where there may be more. Answers without making names of them, so that
    /// large groups stay cheap.
    pub fn members(
        &self,
        caller: &Caller,
        group: EntryId,
        after: Option<EntryId>,
        limit: usize,
    ) -> Result<(Vec<Membership>, Option<EntryId>), Error> {
        let memory = self.memory();
        let known = self.schema().known();
        let grants = self.grants(caller);
        let links = {
            let _isolation = memory.isolated();
            self.may_read_members(&grants, group)?;
            memory.targets(group, known.member, after, limit)
        };
        let last = links.last().map(|(id, _)| *id).filter(|_| links.len() >= limit);
        // There may be many, and the writer is not to wait for their names.
        Ok((links.into_iter().filter_map(|link| self.described(&grants, link)).collect(), last))
    }

    /// Somebody as a direct member of a group, of whatever level.
    pub fn membership(&self, caller: &Caller, group: EntryId, member: EntryId) -> Result<Option<Membership>, Error> {
        let level = self.member_level(caller, group, member)?;
        let grants = self.grants(caller);
        Ok(level.and_then(|level| self.described(&grants, (member, level))))
    }

    fn described(&self, grants: &Grants, (id, level): (EntryId, Level)) -> Option<Membership> {
        let (memory, known) = (self.memory(), self.schema().known());
        let entry = memory.entry(id)?;
        // A client does not meet those again that it has deleted.
        if entry.has(known.hc_deleted_by) && !grants.on(memory, &entry).disclosed {
            return None;
        }
        let names = [known.display_name, known.cn, known.uid];
        let display = names.into_iter().find_map(|attribute| entry.text(attribute)).unwrap_or_default();
        let uuid = entry.text(known.entry_uuid)?.to_owned();
        Some(Membership { id, uuid, kind: entry.kind, display: display.to_owned(), level })
    }

    /// The member with which as many end, in order of number; `None` for none, or where there are not so many.
    pub fn member_at(&self, caller: &Caller, group: EntryId, count: usize) -> Result<Option<EntryId>, Error> {
        let memory = self.memory();
        let grants = self.grants(caller);
        let _isolation = memory.isolated();
        self.may_read_members(&grants, group)?;
        let links = memory.targets(group, self.schema().known().member, None, count);
        Ok(links.last().map(|(id, _)| *id).filter(|_| links.len() == count))
    }

    /// The level of one direct member of a group; `None` where it is none.
    pub fn member_level(&self, caller: &Caller, group: EntryId, member: EntryId) -> Result<Option<Level>, Error> {
        let memory = self.memory();
        let grants = self.grants(caller);
        let _isolation = memory.isolated();
        self.may_read_members(&grants, group)?;
        Ok(memory.link(group, self.schema().known().member, member))
    }

    /// The groups that an entry is a direct member of, past memberships left out, as far as the caller may search them by their
    /// members; each with its DN. By the edges alone, so it costs what there are of them.
    pub fn groups_of(&self, caller: &Caller, member: EntryId) -> Vec<(Membership, String)> {
        let (memory, grants) = (self.memory(), self.grants(caller));
        let known = self.schema().known();
        let _isolation = memory.isolated();
        let describe = |(id, level): (EntryId, Level)| {
            let entry = memory.entry(id).filter(|entry| entry.kind == Kind::Group && level > Level::Past)?;
            let access = grants.on(memory, &entry);
            if !access.disclosed || !access.search.contains(known.member) {
                return None;
            }
            let display = entry.text(known.cn).unwrap_or_default().to_owned();
            let uuid = entry.text(known.entry_uuid)?.to_owned();
            Some((Membership { id, uuid, kind: entry.kind, display, level }, tree::dn_of(memory, id)))
        };
        memory.sources(member, known.member).into_iter().filter_map(describe).collect()
    }

    /// How many direct members of any level a group has, those counted that the caller may not see.
    pub fn member_count(&self, group: EntryId) -> usize {
        self.memory().target_count(group, self.schema().known().member)
    }

    fn may_read_members(&self, grants: &Grants, group: EntryId) -> Result<(), Error> {
        let memory = self.memory();
        let member = self.schema().known().member;
        match memory.entry(group).is_some_and(|entry| grants.on(memory, &entry).read.contains(member)) {
            true => Ok(()),
            false => Err(Error::NoSuchObject { matched: String::new() }),
        }
    }
}
