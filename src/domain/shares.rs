//! Shares of a licence (S14): seats that are reserved for a group or role, and how many of them it may take at most. A share is
//! an entry of class `hcSeatShare` that refers to the licence and to the group or role.

use super::catalog::Catalog;
use super::check::{Breach, Cause, Proposal};
use super::groups;
use super::lens::number;
use crate::base::EntryId;
use crate::model::{AttributeId, Entry, Facts, Kind};
use crate::schema::Schema;
use std::sync::Arc;

/// The class of such entries.
const SEAT_SHARE: &str = "hcSeatShare";
/// Memberships that are looked at to find out whether somebody is in a group; beyond that nobody is.
const MOST_MEMBERSHIPS: usize = 50_000;

/// A share of the seats of a licence.
pub struct Share<'f> {
    /// The name of the group or role, for messages.
    pub name: Box<str>,
    /// Seats that nobody else takes.
    pub reserved: u32,
    /// Seats that it takes at most.
    pub most: Option<u32>,
    has: Box<dyn Fn(EntryId) -> bool + 'f>,
}

impl<'f> Share<'f> {
    /// A share of those of whom `has` is true.
    pub fn new(name: &str, reserved: u32, most: Option<u32>, has: impl Fn(EntryId) -> bool + 'f) -> Self {
        Self { name: name.into(), reserved, most, has: Box::new(has) }
    }

    /// Whether the user is of those whose share it is.
    pub fn has(&self, user: EntryId) -> bool {
        (self.has)(user)
    }

    /// The shares of a licence. One whose group or role is gone counts for nobody.
    pub fn of_licence(schema: &'f Schema, facts: &'f dyn Facts, catalog: &'f Catalog, licence: EntryId) -> Vec<Self> {
        let [Some(shared), Some(with)] = ["hcSharedLicence", "hcSharedWith"].map(|name| schema.attribute(name)) else { return Vec::new() };
        let read = |share: EntryId| {
            let entry = facts.entry(share)?;
            let (whose, _) = *facts.targets(share, with, None, 1).first()?;
            let of = facts.entry(whose)?;
            let count = |name| schema.attribute(name).and_then(|attribute| number(&entry, attribute)).map(small);
            let has = move |user| match of.kind {
                Kind::Role => facts.link(user, schema.known().hc_role, whose).is_some(),
                _ => {
                    let levels = groups::levels(schema, facts, user);
                    groups::containing_within(schema, facts, catalog, user, &levels, MOST_MEMBERSHIPS)
                        .is_some_and(|groups| groups.contains(&whose))
                }
            };
            let name = facts.entry(whose)?.text(schema.known().cn).unwrap_or_default().to_owned();
            Some(Self::new(&name, count("hcReservedSeats").unwrap_or(0), count("hcSeatLimit"), has))
        };
        facts.sources(licence, shared).into_iter().filter_map(|(share, _)| read(share)).collect()
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Checks an entry of that class; others are none of this.
pub(super) fn check(schema: &Schema, facts: &dyn Facts, proposal: Proposal<'_>, after: &Entry) -> Result<(), Breach> {
    if !schema.entry_is(after, SEAT_SHARE) {
        return Ok(());
    }
    let refuse = |text: &str| Err(Breach { cause: Cause::Constraint, rule: "S14", text: text.to_owned() });
    for (name, least) in [("hcReservedSeats", 0), ("hcSeatLimit", 1)] {
        let held = schema.attribute(name).filter(|attribute| after.has(*attribute));
        if held.is_some_and(|attribute| number(after, attribute).is_none_or(|number| !(least..=u64::from(u32::MAX)).contains(&number))) {
            return refuse(&format!("{name} must be a whole number, at least {least}"));
        }
    }
    let seats = |name: &str| schema.attribute(name).and_then(|attribute| number(after, attribute));
    match (seats("hcReservedSeats"), seats("hcSeatLimit")) {
        // An export comes back as it was.
        _ if proposal.exported => {}
        (None, None) => {
            return refuse("a share says how many seats are reserved (hcReservedSeats), or how many may be taken (hcSeatLimit)");
        }
        (Some(reserved), Some(most)) if reserved > most => return refuse("hcReservedSeats is more than hcSeatLimit lets anybody take"),
        _ => {}
    }
    let target = |attribute: AttributeId| {
        let new = proposal.linked.iter().find(|link| link.source == after.id && link.attribute == attribute).map(|link| link.target);
        let target = new.or_else(|| facts.targets(after.id, attribute, None, 1).first().map(|(target, _)| *target))?;
        facts.entry(target)
    };
    let [licence, with] = ["hcSharedLicence", "hcSharedWith"].map(|name| schema.attribute(name).and_then(target));
    let limit = licence.as_ref().and_then(|licence| number(licence, schema.known().hc_session_limit));
    let kind = |target: Option<Arc<Entry>>| target.map(|entry| entry.kind);
    match (kind(licence), kind(with)) {
        (Some(Kind::Licence), Some(Kind::Group | Kind::Role)) if proposal.exported => Ok(()),
        (Some(Kind::Licence), Some(Kind::Group | Kind::Role)) => within_limit(schema, proposal, after, limit),
        (Some(Kind::Licence), _) => refuse("hcSharedWith names a group or role of the organisation"),
        _ => refuse("hcSharedLicence names a licence of the organisation"),
    }
}

/// No more seats are reserved than there are. A session limit that was lowered since (S9) keeps nobody from changing the rest.
fn within_limit(schema: &Schema, proposal: Proposal<'_>, after: &Entry, limit: Option<u64>) -> Result<(), Breach> {
    let count = |entry: &Entry| number(entry, schema.attribute("hcReservedSeats")?);
    let (before, reserved) = (proposal.before.and_then(count), count(after));
    let is_new = reserved != before || proposal.linked.iter().any(|link| Some(link.attribute) == schema.attribute("hcSharedLicence"));
    match (reserved, limit) {
        (Some(reserved), Some(limit)) if is_new && reserved > limit => {
            let text = format!("{reserved} seats are reserved, and the session limit of the licence is {limit}");
            Err(Breach { cause: Cause::Constraint, rule: "S14", text })
        }
        (Some(_) | None, _) => Ok(()),
    }
}
