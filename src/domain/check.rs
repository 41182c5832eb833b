//! The one rule point: every write of every door passes [`check`] before anything of it is kept. The match on kind is
//! exhaustive, so that a new kind does not build until its rules exist.
//!
//! What the change does is all in the [`Proposal`]; the look-ups may show the links and the entry as before or as after
//! it. An entry that goes, and its links, must still be there to look up. The rules ask the indexes of `mail`, `uid`,
//! `hcUserType` and `hcRoleSystem`, so the directory keeps those whatever the config says.

use super::catalog::Catalog;
use super::content::{ContentRules, Visibility};
use super::groups;
use super::lens::{AccountState, Group, Licence, Role, User, UserType, may_be_opened, organisation_of};
use super::licence;
use super::packages::{Governing, Offer, had_by_in_words};
use super::password_rules::{self, PasswordNotes, PasswordRules};
use super::roles::organisation_admin_roles;
use super::shares;
use crate::base::{EntryId, Timestamp};
use crate::model::{AttributeId, Entry, Facts, Kind, Level, Link};
use crate::schema::Schema;
use std::collections::BTreeSet;

/// Who makes the change, as far as a rule asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The server itself: sessions, what a config file declares.
    Server,
    /// The operator of the whole server.
    Operator,
    /// A provisioning client.
    Client,
    /// Anybody else whom the access policy let through.
    Other,
}

impl Actor {
    const fn is_above(self) -> bool {
        matches!(self, Self::Server | Self::Operator)
    }
}

/// A change, as the rules look at it.
#[derive(Clone, Copy)]
pub struct Proposal<'a> {
    /// The entry as it is; `None` for an add.
    pub before: Option<&'a Entry>,
    /// The entry as it would be; `None` for a delete.
    pub after: Option<&'a Entry>,
    /// Links of the entry that would be set, with their new level.
    pub linked: &'a [Link],
    /// Links of the entry that would go. A delete need not list them.
    pub unlinked: &'a [Link],
    /// Who makes it.
    pub actor: Actor,
    /// Whether the config names an operator, who is there whatever becomes of the users of type admin.
    pub operator_in_config: bool,
    /// Whether a stored password can be verified, and so opens its account at all.
    pub opens: &'a dyn Fn(&[u8]) -> bool,
    /// What packages there are (R4).
    pub catalog: &'a Catalog,
    /// Whether what was once exported comes back: roles that its package did not have, too (R5).
    pub exported: bool,
    /// When it is made.
    pub now: Timestamp,
}

/// How a breach is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A value the rules do not allow.
    Constraint,
    /// A value that must be unique is in use.
    Uniqueness,
    /// Not for this actor.
    Forbidden,
    /// Others refer to what is to go.
    InUse,
    /// Understood, and refused in this state.
    Unwilling,
}

/// A rule that a change would break.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} (rule {rule})")]
pub struct Breach {
    /// How it is answered.
    pub cause: Cause,
    /// The rule of the domain, `O3`.
    pub rule: &'static str,
    /// In plain words, for the client.
    pub text: String,
}

pub(super) fn breach<T>(cause: Cause, rule: &'static str, text: impl Into<String>) -> Result<T, Breach> {
    Err(Breach { cause, rule, text: text.into() })
}

/// Checks a change against the rules of the domain.
pub fn check(schema: &Schema, facts: &dyn Facts, proposal: Proposal<'_>) -> Result<(), Breach> {
    let rules = Rules { schema, facts, proposal };
    if let Some(after) = proposal.after {
        rules.password_policy(after)?;
        match after.kind {
            Kind::Content => ContentRules { schema, facts, proposal, after }.check(),
            Kind::Generic => shares::check(schema, facts, proposal, after),
            Kind::Person => Ok(()),
            Kind::Group => rules.group(after),
            Kind::Licence => rules.licence(after),
            Kind::Organisation => rules.organisation(after),
            Kind::Role => rules.role(after),
            Kind::Session => rules.session(),
            Kind::Staff => rules.staff(after),
            Kind::User => rules.user(after),
        }?;
    }
    // What an entry stops being, by its end or by other object classes, has rules of its own.
    if let Some(before) = proposal.before {
        let stops = proposal.after.is_none_or(|after| after.kind != before.kind);
        match before.kind {
            Kind::Content | Kind::Generic | Kind::Person | Kind::Group => Ok(()),
            Kind::Licence | Kind::Organisation if stops => rules.only_operator("O4", "is removed by the operator of the server only"),
            Kind::Licence | Kind::Organisation => Ok(()),
            Kind::Role if stops => rules.role_goes(before),
            Kind::Role => Ok(()),
            // Whoever may delete it may end it (S6); it does not turn into anything else.
            Kind::Session if proposal.after.is_some() => rules.session(),
            Kind::Session => Ok(()),
            Kind::Staff if stops => rules.staff_goes(before),
            Kind::Staff => Ok(()),
            Kind::User => rules.user_before(before),
        }?;
    }
    Ok(())
}

/// Whether mail may be sent there: one name, `@`, and a domain. Whether there is such a mailbox, only its mail tells.
fn is_address(value: &[u8]) -> bool {
    let stray = |octet: &u8| octet.is_ascii_whitespace() || octet.is_ascii_control() || b"<>,;@".contains(octet);
    let whole = |part: &[u8]| !part.is_empty() && !part.iter().any(stray);
    let at = value.iter().rposition(|octet| *octet == b'@');
    at.and_then(|at| value.split_at_checked(at)).is_some_and(|(name, domain)| whole(name) && domain.get(1..).is_some_and(whole))
}

struct Rules<'a> {
    schema: &'a Schema,
    facts: &'a dyn Facts,
    proposal: Proposal<'a>,
}

impl Rules<'_> {
    fn only_operator(&self, rule: &'static str, text: &str) -> Result<(), Breach> {
        if self.proposal.actor.is_above() {
            return Ok(());
        }
        let entry = self.proposal.before.or(self.proposal.after);
        let what = match entry.map(|entry| entry.kind) {
            Some(Kind::Licence) => "a licence",
            Some(Kind::Organisation) => "an organisation",
            _ => "this entry",
        };
        breach(Cause::Forbidden, rule, format!("{what} {text}"))
    }

    /// A policy for passwords asks for nothing that would not be done.
    fn password_policy(&self, after: &Entry) -> Result<(), Breach> {
        let class = |name: &[u8]| self.schema.class(std::str::from_utf8(name).ok()?);
        let policy = self.schema.class(password_rules::POLICY);
        if !after.values(self.schema.known().object_class).any(|name| class(name) == policy) {
            return Ok(());
        }
        match PasswordRules::problem(self.schema, after) {
            Some(text) => breach(Cause::Constraint, "HB4", text),
            None => Ok(()),
        }
    }

    /// Whether the kind is new to the entry.
    fn begins(&self, kind: Kind) -> bool {
        self.proposal.before.is_none_or(|before| before.kind != kind)
    }

    /// The organisation an entry would belong to.
    fn organisation_above(&self, entry: &Entry) -> Option<EntryId> {
        entry.parent.and_then(|parent| organisation_of(self.facts, parent))
    }

    /// Whether the values of an attribute would change.
    fn changes(&self, attribute: AttributeId) -> bool {
        let values = |entry: Option<&Entry>| -> Vec<Vec<u8>> {
            entry.map(|entry| entry.values(attribute).map(<[u8]>::to_vec).collect()).unwrap_or_default()
        };
        values(self.proposal.before) != values(self.proposal.after)
    }

    /// The time zone of an organisation or a licence is one that there is (O3).
    fn time_zone(&self, after: &Entry) -> Result<(), Breach> {
        let Some(attribute) = self.schema.attribute("hcTimeZone").filter(|attribute| self.changes(*attribute)) else { return Ok(()) };
        match after.text(attribute) {
            Some(zone) if jiff::tz::TimeZone::get(zone).is_err() => {
                breach(Cause::Constraint, "O3", format!("{zone} is no time zone of the IANA database"))
            }
            _ => Ok(()),
        }
    }

    fn organisation(&self, after: &Entry) -> Result<(), Breach> {
        self.time_zone(after)?;
        if let Some(names) = self.schema.attribute("hcSelfServiceAttribute").filter(|names| self.changes(*names)) {
            let opens = |name: &[u8]| {
                let attribute = std::str::from_utf8(name).ok().and_then(|name| self.schema.attribute(name));
                attribute.is_some_and(|attribute| may_be_opened(self.schema, attribute))
            };
            if let Some(refused) = after.values(names).find(|name| !opens(name)) {
                let name = String::from_utf8_lossy(refused);
                return breach(Cause::Constraint, "U2", format!("{name} is no detail of a person that users may change of themselves"));
            }
        }
        if self.begins(Kind::Organisation) {
            return self.only_operator("O1", "is made by the operator of the server only");
        }
        Ok(())
    }

    fn session(&self) -> Result<(), Breach> {
        match self.proposal.actor {
            Actor::Server => Ok(()),
            Actor::Operator | Actor::Client | Actor::Other => {
                breach(Cause::Unwilling, "S3", "sessions are made by the server when a user signs in; they can only be ended")
            }
        }
    }

    fn licence(&self, after: &Entry) -> Result<(), Breach> {
        let Some(licence) = Licence::of(self.schema, after) else { return Ok(()) };
        licence::check_values(self.schema, after)?;
        self.time_zone(after)?;
        self.package(licence)?;
        if self.begins(Kind::Licence) {
            self.only_operator("O3", "is made by the operator of the server only")?;
        } else if !self.proposal.actor.is_above() {
            self.licence_by_administrator()?;
        }
        if licence.is_default() && self.changes(self.schema.known().hc_licence_default) {
            self.one_default(after)?;
        }
        Ok(())
    }

    /// What an Organisation Admin may change of a licence: package and limit, where it is self-service (O3).
    fn licence_by_administrator(&self) -> Result<(), Breach> {
        let before = self.proposal.before.and_then(|before| Licence::of(self.schema, before));
        let open: Vec<AttributeId> = match before {
            Some(before) if before.is_self_service() => {
                ["hcSessionLimit", "hcPackage"].iter().filter_map(|name| self.schema.attribute(name)).collect()
            }
            _ => Vec::new(),
        };
        let held = |entry: Option<&Entry>| -> Vec<AttributeId> {
            entry.map(|entry| entry.attributes().map(|held| held.attribute).collect()).unwrap_or_default()
        };
        let types: BTreeSet<AttributeId> = held(self.proposal.before).into_iter().chain(held(self.proposal.after)).collect();
        let by_server = |attribute: AttributeId| self.schema.attribute_type(attribute).usage == crate::schema::Usage::Operational;
        match types.into_iter().find(|attribute| !open.contains(attribute) && !by_server(*attribute) && self.changes(*attribute)) {
            None => Ok(()),
            Some(attribute) => {
                let name = self.schema.attribute_type(attribute).name();
                breach(Cause::Forbidden, "O3", format!("{name} of a licence is changed by the operator of the server only"))
            }
        }
    }

    /// O3: a licence costs what its package does, so the package is one of the catalog, and stays where the operator does not take it.
    fn package(&self, licence: Licence<'_>) -> Result<(), Breach> {
        let packages = &self.proposal.catalog.packages;
        let changes = self.schema.attribute("hcPackage").is_some_and(|attribute| self.changes(attribute));
        if !changes || packages.is_empty() || self.proposal.exported {
            return Ok(());
        }
        match licence.package() {
            None if self.proposal.actor.is_above() => Ok(()),
            None => breach(Cause::Forbidden, "O3", "the package of a licence is taken away by the operator of the server only"),
            Some(name) if self.proposal.catalog.package(name).is_some() => Ok(()),
            Some(name) => {
                let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
                breach(Cause::Constraint, "O3", format!("the catalog has no package {name}; there are {}", names.join(", ")))
            }
        }
    }

    /// O2: one of the licences of an organisation is the default.
    fn one_default(&self, after: &Entry) -> Result<(), Breach> {
        let Some(parent) = after.parent else { return Ok(()) };
        let siblings = self.facts.children(parent, None, usize::MAX);
        let is_other_default = |id: &EntryId| {
            let entry = self.facts.entry(*id);
            *id != after.id && entry.is_some_and(|entry| Licence::of(self.schema, &entry).is_some_and(|licence| licence.is_default()))
        };
        match siblings.iter().any(is_other_default) {
            true => breach(Cause::Constraint, "O2", "another licence of the organisation is the default one already"),
            false => Ok(()),
        }
    }

    fn group(&self, after: &Entry) -> Result<(), Breach> {
        self.external_ids(after)?;
        let Some(parent_group) = self.schema.attribute("hcParentGroup") else { return Ok(()) };
        for link in self.proposal.linked.iter().filter(|link| link.attribute == parent_group) {
            if groups::leads_to(self.facts, parent_group, link.target, after.id) {
                return breach(Cause::Constraint, "G4", "the parent group would be below the group itself");
            }
            if self.facts.entry(link.target).is_none_or(|entry| Group::of(self.schema, &entry).is_none()) {
                return breach(Cause::Constraint, "G4", "the parent of a group is a group");
            }
        }
        Ok(())
    }

    fn role(&self, after: &Entry) -> Result<(), Breach> {
        let member = self.schema.known().member;
        let shows_members = |held: AttributeId| self.schema.attribute_type(held).link.is_some_and(|view| view.edge == member);
        if self.proposal.linked.iter().any(|link| link.attribute == member) || after.attributes().any(|held| shows_members(held.attribute))
        {
            return breach(Cause::Unwilling, "R8", "the members of a role are those who hold it; give and take hcRole of the user");
        }
        self.licence_of_role(after)?;
        self.restrictions(after)?;
        let Some(system) = self.schema.attribute("hcRoleSystem") else { return Ok(()) };
        self.last_administrator_role(after)?;
        if (after.has(system) || self.proposal.before.is_some_and(|before| before.has(system))) && self.changes(system) {
            return self.only_operator("R3", "of the system is made and unmade by the operator of the server only");
        }
        self.grants_of_package(after)
    }

    /// R4: whose package governs a role costs, so the operator says it. A name that is no entry yet would be one later.
    fn licence_of_role(&self, after: &Entry) -> Result<(), Breach> {
        let licence = self.schema.known().hc_licence;
        let mut links = self.proposal.linked.iter().chain(self.proposal.unlinked);
        let mut is_linked = || links.any(|link| link.source == after.id && link.attribute == licence);
        match !self.proposal.actor.is_above() && (self.changes(licence) || is_linked()) {
            true => breach(Cause::Forbidden, "R4", "the licence that a role is for is set by the operator of the server only"),
            false => Ok(()),
        }
    }

    /// R1: what the catalog does not know restricts nothing.
    fn restrictions(&self, after: &Entry) -> Result<(), Breach> {
        let restrictions = self.schema.known().hc_role_restriction;
        let known = &self.proposal.catalog.permissions;
        if known.is_empty() || self.proposal.exported || !self.changes(restrictions) {
            return Ok(());
        }
        let had = |value: &[u8]| self.proposal.before.is_some_and(|before| before.values(restrictions).any(|held| held == value));
        let is_known = |value: &[u8]| known.iter().any(|permission| permission.name.as_bytes() == value) || had(value);
        match after.values(restrictions).find(|value| !is_known(value)) {
            None => Ok(()),
            Some(value) => {
                breach(Cause::Constraint, "R1", format!("the catalog has no permission {} to restrict", String::from_utf8_lossy(value)))
            }
        }
    }

    /// R6: the administrator role stays one, where no other has somebody in it.
    fn last_administrator_role(&self, after: &Entry) -> Result<(), Breach> {
        let is_admin = |entry: &Entry| Role::of(self.schema, entry).is_some_and(|role| role.is_organisation_admin());
        let before = self.proposal.before.filter(|before| is_admin(before));
        let Some((before, organisation)) = before.and_then(|before| Some((before, self.organisation_above(before)?))) else {
            return Ok(());
        };
        if is_admin(after) && self.organisation_above(after) == Some(organisation) {
            return Ok(());
        }
        let enabled = |id: EntryId| {
            let entry = self.facts.entry(id);
            entry.is_some_and(|entry| User::of(self.schema, &entry).is_some_and(|user| user.state() != AccountState::Disabled))
        };
        let has_holder = |role: EntryId| self.facts.sources(role, self.schema.known().hc_role).iter().any(|(user, _)| enabled(*user));
        let mut others = self.admin_roles(organisation, &[]).into_iter().filter(|role| *role != before.id);
        match others.any(|role| has_holder(role) || !has_holder(before.id)) {
            true => Ok(()),
            false => breach(Cause::Unwilling, "R6", "the only administrator role of an organisation stays one, and stays there"),
        }
    }

    /// R6: an organisation defines roles out of what its package includes, and those of the catalog as they are there.
    fn grants_of_package(&self, after: &Entry) -> Result<(), Breach> {
        let role = Role::of(self.schema, after).filter(|role| role.system().is_none() && !self.proposal.exported);
        let catalog = self.proposal.catalog;
        let governing = role.and_then(|role| Some((role, Governing::of(self.schema, self.facts, catalog, after)?)));
        let Some((role, governing)) = governing else { return Ok(()) };
        let known = role.name().and_then(|name| catalog.licensee_role(name));
        let of_catalog = |permission: &str| known.is_some_and(|known| known.grants.iter().any(|grant| grant == permission));
        let before = self.proposal.before.and_then(|before| Role::of(self.schema, before));
        let had = |permission: &str| before.is_some_and(|before| before.grants().any(|grant| grant == permission));
        let is_open = |permission: &str| catalog.includes(governing.package, permission) || of_catalog(permission) || had(permission);
        match role.grants().find(|permission| !is_open(permission)) {
            None => Ok(()),
            Some(permission) => {
                let had_by = had_by_in_words(&catalog.including(permission));
                let text = format!("the package {} does not include the permission {permission}; {had_by}", governing.name);
                breach(Cause::Constraint, "R6", text)
            }
        }
    }

    fn role_goes(&self, before: &Entry) -> Result<(), Breach> {
        match Role::of(self.schema, before) {
            Some(role) if role.is_organisation_admin() && self.organisation_above(before).is_some() => {
                breach(Cause::Unwilling, "R6", "the administrator role of an organisation cannot be deleted")
            }
            _ => Ok(()),
        }
    }

    /// T3: others refer to staff by their number.
    fn staff(&self, after: &Entry) -> Result<(), Breach> {
        let Some(number) = self.schema.attribute("employeeNumber") else { return Ok(()) };
        match self.organisation_above(after) {
            Some(organisation) if self.changes(number) || self.begins(Kind::Staff) || self.moves() => {
                self.unique(after, organisation, number, "T3", "the employee number")
            }
            _ => Ok(()),
        }
    }

    fn staff_goes(&self, before: &Entry) -> Result<(), Breach> {
        let kept = |link: &crate::schema::LinkView, id| link.edge == id;
        let edges = self.schema.attribute_types().iter().filter(|of| of.link.as_ref().is_some_and(|link| kept(link, of.id)));
        for definition in edges {
            if self.facts.sources(before.id, definition.id).iter().any(|(source, _)| *source != before.id) {
                let text = format!("the staff record is referred to by {}; make it inactive instead", definition.name());
                return breach(Cause::InUse, "T2", text);
            }
        }
        Ok(())
    }

    fn user(&self, after: &Entry) -> Result<(), Breach> {
        let known = self.schema.known();
        if let Some(given) = after.text(known.hc_user_type) {
            let Some(given) = UserType::parse(given) else {
                return breach(Cause::Constraint, "U1", format!("{given} is no user type; the types are app, service and admin"));
            };
            if given == UserType::Admin && !self.proposal.actor.is_above() {
                return breach(Cause::Forbidden, "U1", "a user of type admin is made and changed by the operator of the server only");
            }
            // It takes no seat (S7), so who pays for seats must not make it.
            let was = self.proposal.before.and_then(|before| User::of(self.schema, before)).map(|user| user.user_type());
            if given == UserType::Service && was != Some(UserType::Service) && !self.proposal.actor.is_above() {
                return breach(Cause::Forbidden, "U1", "a service account takes no seat, so the operator of the server makes it");
            }
        }
        if let Some(organisation) = self.organisation_above(after) {
            // Two users of one number would be one to every machine of the organisation.
            let unique = [(known.mail, "the e-mail address"), (known.uid, "the user name"), (known.uid_number, "the uidNumber")];
            for (attribute, what) in unique {
                if self.changes(attribute) || self.begins(Kind::User) || self.moves() {
                    self.unique(after, organisation, attribute, "U3", what)?;
                }
            }
        }
        if self.schema.attribute("hcIncreaseSessionLimit").is_some_and(|attribute| after.has(attribute)) {
            return breach(Cause::Unwilling, "U3", "hcIncreaseSessionLimit goes with adding a user; change hcSessionLimit of the licence");
        }
        self.networks(after)?;
        self.address(after)?;
        self.default_visibility(after)?;
        self.external_ids(after)?;
        self.staff_link(after)?;
        if self.proposal.actor == Actor::Client {
            self.roles_by_client()?;
        }
        self.roles_of_package()
    }

    fn moves(&self) -> bool {
        self.proposal.before.map(|before| before.parent) != self.proposal.after.map(|after| after.parent)
    }

    /// Unique among the entries of its kind in the organisation; what other organisations hold is neither asked nor told (O1).
    fn unique(&self, after: &Entry, organisation: EntryId, attribute: AttributeId, rule: &'static str, what: &str) -> Result<(), Breach> {
        let mut key = Vec::new();
        for value in after.values(attribute) {
            key.clear();
            if self.schema.normalize(attribute, value, &mut key).is_err() {
                continue;
            }
            let taken = |id: EntryId| {
                let alike = self.facts.entry(id).is_some_and(|entry| entry.kind == after.kind);
                id != after.id && alike && organisation_of(self.facts, id) == Some(organisation)
            };
            if self.facts.equal(attribute, &key).into_iter().any(taken) {
                let value = String::from_utf8_lossy(value);
                return breach(Cause::Uniqueness, rule, format!("{what} {value} is in use in the organisation"));
            }
        }
        Ok(())
    }

    /// U3: links go to the address. What provisioning clients and exports bring is kept as it is.
    fn address(&self, after: &Entry) -> Result<(), Breach> {
        let mail = self.schema.known().mail;
        if !self.changes(mail) || self.proposal.actor == Actor::Client || self.proposal.exported {
            return Ok(());
        }
        let had = |value: &[u8]| self.proposal.before.is_some_and(|before| before.values(mail).any(|held| held == value));
        match after.values(mail).find(|value| !is_address(value) && !had(value)) {
            None => Ok(()),
            Some(value) => breach(Cause::Constraint, "U3", format!("{} is no e-mail address", String::from_utf8_lossy(value))),
        }
    }

    /// U1: a network that is none would let in nobody.
    fn networks(&self, after: &Entry) -> Result<(), Breach> {
        let user = User::of(self.schema, after).filter(|_| self.changes(self.schema.known().hc_allowed_address));
        match user.and_then(|user| user.no_network()) {
            None => Ok(()),
            Some(value) => {
                let text = format!("hcAllowedAddress: {} is no address and no network as 10.1.0.0/16", String::from_utf8_lossy(value));
                breach(Cause::Constraint, "U1", text)
            }
        }
    }

    /// C2: there is no group that a default could be about.
    fn default_visibility(&self, after: &Entry) -> Result<(), Breach> {
        let attribute = self.schema.known().hc_default_visibility;
        let Some(given) = after.text(attribute).filter(|_| self.changes(attribute)) else { return Ok(()) };
        match Visibility::parse(given) {
            Some(Visibility::Anyone | Visibility::JustMe) => Ok(()),
            Some(Visibility::Group) | None => breach(Cause::Constraint, "C2", "hcDefaultVisibility is just-me or anyone"),
        }
    }

    /// HE1: what a client calls an entry is one of a kind among those of the kind in the organisation; each client is by itself.
    fn external_ids(&self, after: &Entry) -> Result<(), Breach> {
        let external = self.schema.known().hc_external_id;
        let Some(organisation) = self.organisation_above(after) else { return Ok(()) };
        let normal = |value: &[u8]| {
            let mut key = Vec::new();
            self.schema.normalize(external, value, &mut key).ok().map(|()| key)
        };
        for own in after.get(external).filter(|held| held.has_options()) {
            let mut before = self.proposal.before.into_iter().flat_map(|before| before.get(external));
            if before.any(|held| held.encoded() == own.encoded()) && !self.moves() {
                continue;
            }
            for (value, key) in own.values().filter_map(|value| Some((value, normal(value)?))) {
                let same = |held: crate::model::entry::Attribute<'_>| {
                    held.options() == own.options() && held.values().any(|value| normal(value).as_ref() == Some(&key))
                };
                let taken = |id: EntryId| {
                    let other = self.facts.entry(id).filter(|other| other.kind == after.kind && id != after.id);
                    other.is_some_and(|other| other.get(external).any(same) && organisation_of(self.facts, id) == Some(organisation))
                };
                if self.facts.equal(external, &key).into_iter().any(taken) {
                    let value = String::from_utf8_lossy(value);
                    return breach(Cause::Uniqueness, "HE1", format!("the externalId {value} is in use"));
                }
            }
        }
        Ok(())
    }

    /// U7: one user, one staff record.
    fn staff_link(&self, after: &Entry) -> Result<(), Breach> {
        let staff = self.schema.known().hc_staff;
        for link in self.proposal.linked.iter().filter(|link| link.attribute == staff) {
            if self.facts.entry(link.target).is_none_or(|entry| entry.kind != Kind::Staff) {
                return breach(Cause::Constraint, "U7", "a user is linked to a staff record and to nothing else");
            }
            if self.facts.sources(link.target, staff).iter().any(|(user, _)| *user != after.id) {
                return breach(Cause::Uniqueness, "U7", "the staff record is linked to another user");
            }
        }
        Ok(())
    }

    /// R4: roles of other packages cannot be chosen. What somebody has of them stays (R5).
    fn roles_of_package(&self) -> Result<(), Breach> {
        let role = self.schema.known().hc_role;
        for link in self.proposal.linked.iter().filter(|link| link.attribute == role && !self.proposal.exported) {
            let Some(entry) = self.facts.entry(link.target) else { continue };
            if let Offer::Other { package, had_by } = Offer::of(self.schema, self.facts, self.proposal.catalog, &entry) {
                let name = Role::of(self.schema, &entry).and_then(|role| role.name()).unwrap_or_default();
                let had_by = had_by_in_words(&had_by);
                return breach(Cause::Constraint, "R4", format!("the package {package} does not have the role {name}; {had_by}"));
            }
        }
        Ok(())
    }

    /// A provisioning client gives and takes licensee roles only: it neither makes an Organisation Admin nor unmakes one (HE2, HE3).
    fn roles_by_client(&self) -> Result<(), Breach> {
        let role = self.schema.known().hc_role;
        let mut changed = self.proposal.linked.iter().chain(self.proposal.unlinked).filter(|link| link.attribute == role);
        let is_system =
            |role| self.facts.entry(role).is_some_and(|entry| Role::of(self.schema, &entry).is_some_and(|role| role.system().is_some()));
        match changed.any(|link| is_system(link.target)) {
            true => breach(Cause::Forbidden, "U2", "system roles are given and taken by administrators of the organisation only"),
            false => Ok(()),
        }
    }

    /// What must hold of a user that is changed or goes.
    fn user_before(&self, before: &Entry) -> Result<(), Breach> {
        let Some(user) = User::of(self.schema, before) else { return Ok(()) };
        if user.user_type() == UserType::Admin && !self.proposal.actor.is_above() {
            return breach(Cause::Forbidden, "U1", "a user of type admin is made and changed by the operator of the server only");
        }
        self.last_operator(before)?;
        let Some(organisation) = self.organisation_above(before) else { return Ok(()) };
        let roles = self.admin_roles_held(before.id);
        if roles.is_empty() {
            return Ok(());
        }
        let known = self.schema.known();
        let locks = self.changes(known.mail)
            || self.changes(known.uid)
            || self.changes(known.user_password)
            || self.changes(known.hc_active)
            || self.changes(known.hc_allowed_address)
            || self.changes(known.hc_one_time_secret)
            || self.changes(known.hc_application_password);
        if self.proposal.actor == Actor::Client && (self.proposal.after.is_none() || locks) {
            return breach(Cause::Forbidden, "U2", "a provisioning client cannot lock out or remove an administrator of the organisation");
        }
        self.last_administrator(before, organisation, &roles)
    }

    /// Whether an account is active, and has a password that opens it by now.
    fn signs_in(&self, entry: &Entry) -> bool {
        let active = User::of(self.schema, entry).is_some_and(|user| user.state() == AccountState::Active);
        let (noted, now) = (PasswordNotes::of(self.schema, entry), self.proposal.now);
        let in_time = noted.starts.is_none_or(|starts| starts <= now) && noted.ends.is_none_or(|ends| now < ends);
        active && in_time && entry.values(self.schema.known().user_password).any(self.proposal.opens)
    }

    /// Whether the change sets no earlier end to the password.
    fn ends_no_sooner(&self, before: &Entry, after: &Entry) -> bool {
        let [before, after] = [before, after].map(|entry| PasswordNotes::of(self.schema, entry).ends);
        after.is_none_or(|after| before.is_some_and(|before| before <= after))
    }

    /// U5: somebody must be left who can administer the server (HC8).
    fn last_operator(&self, before: &Entry) -> Result<(), Breach> {
        let is_admin = |entry: &Entry| User::of(self.schema, entry).is_some_and(|user| user.user_type() == UserType::Admin);
        let able = |entry: &Entry| is_admin(entry) && self.signs_in(entry);
        let stays = |after: &Entry| able(after) && self.ends_no_sooner(before, after);
        if self.proposal.operator_in_config || !able(before) || self.proposal.after.is_some_and(stays) {
            return Ok(());
        }
        let (user_type, mut key) = (self.schema.known().hc_user_type, Vec::new());
        let admins = match self.schema.normalize(user_type, b"admin", &mut key) {
            Ok(()) => self.facts.equal(user_type, &key),
            Err(_) => Vec::new(),
        };
        let others = admins.into_iter().filter(|id| *id != before.id).filter_map(|id| self.facts.entry(id));
        match others.into_iter().any(|entry| able(&entry)) {
            true => Ok(()),
            false => {
                breach(Cause::Unwilling, "U5", "the last user of type admin cannot be removed, disabled, locked out, or made anything else")
            }
        }
    }

    /// R6 and U5: somebody must be left who can administer the organisation. An organisation that has nobody yet, or
    /// whose entry was made an ordinary one, is not held up by this.
    fn last_administrator(&self, before: &Entry, organisation: EntryId, roles: &[EntryId]) -> Result<(), Breach> {
        // A service account administers nothing, whatever its roles.
        let counts = |entry: &Entry, state: fn(AccountState) -> bool| {
            User::of(self.schema, entry).is_some_and(|user| user.user_type() != UserType::Service && state(user.state()))
        };
        let able = |entry: &Entry| counts(entry, |state| state == AccountState::Active) && self.signs_in(entry);
        let enabled = |entry: &Entry| counts(entry, |state| state != AccountState::Disabled);
        let was_able = able(before);
        let keeps_role = roles
            .iter()
            .any(|role| !self.proposal.unlinked.iter().any(|link| link.attribute == self.schema.known().hc_role && link.target == *role));
        let stays = self.proposal.after.is_some_and(|after| {
            let same_place = self.organisation_above(after) == Some(organisation);
            let lasts = able(after) && self.ends_no_sooner(before, after);
            keeps_role && same_place && if was_able { lasts } else { enabled(after) || !enabled(before) }
        });
        if stays || !enabled(before) {
            return Ok(());
        }
        // Where the one who goes could sign in, another must be able to; else one who can still be sent a link will do.
        let other = |id: EntryId| {
            let Some(entry) = self.facts.entry(id) else { return false };
            let fit = if was_able { able(&entry) } else { enabled(&entry) };
            id != before.id && fit && organisation_of(self.facts, id) == Some(organisation)
        };
        let holders =
            self.admin_roles(organisation, roles).into_iter().flat_map(|role| self.facts.sources(role, self.schema.known().hc_role));
        if holders.into_iter().any(|(user, level)| level >= Level::Full && other(user)) {
            return Ok(());
        }
        breach(
            Cause::Unwilling,
            "R6",
            "the last administrator of an organisation cannot be removed, disabled, locked out, or lose the role",
        )
    }

    fn is_admin_role(&self, role: EntryId) -> bool {
        self.facts.entry(role).is_some_and(|entry| Role::of(self.schema, &entry).is_some_and(|role| role.is_organisation_admin()))
    }

    /// The administrator roles the user had before the change.
    fn admin_roles_held(&self, user: EntryId) -> Vec<EntryId> {
        let hc_role = self.schema.known().hc_role;
        let in_list = |links: &[Link], role: EntryId| links.iter().any(|link| link.attribute == hc_role && link.target == role);
        let now = self.facts.targets(user, hc_role, None, usize::MAX).into_iter().map(|(role, _)| role);
        let gone = self.proposal.unlinked.iter().filter(|link| link.attribute == hc_role).map(|link| link.target);
        let held: BTreeSet<EntryId> = now.filter(|role| !in_list(self.proposal.linked, *role)).chain(gone).collect();
        held.into_iter().filter(|role| self.is_admin_role(*role)).collect()
    }

    /// All administrator roles of the organisation, `held` among them.
    fn admin_roles(&self, organisation: EntryId, held: &[EntryId]) -> BTreeSet<EntryId> {
        held.iter().copied().chain(organisation_admin_roles(self.schema, self.facts, organisation)).collect()
    }
}
