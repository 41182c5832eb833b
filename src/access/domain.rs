//! What the rules of the domain give without any rule of the config: the operator everything, an Organisation Admin
//! and a provisioning client their organisation, a user itself, its sessions, its groups and the people it may see.

use super::provision::Provision;
use super::{Access, AccessSubject, AttributeSet, Scope, Standing};
use crate::base::EntryId;
use crate::domain::catalog::DIRECTORY_ONLY;
use crate::domain::content::{self, Audience, Content, Visibility};
use crate::domain::groups;
use crate::domain::lens::{AccountState, Group, Licence, Role, User, UserType, organisation_of};
use crate::domain::password_rules::POLICY;
use crate::model::{AttributeId, Entry, Facts, Kind, Level};
use crate::schema::{Schema, Usage};
use std::sync::Arc;

/// The permission to read what anyone may read (C4).
const READ_CONTENT: &str = "content.read";
/// The permission to write notes, to-dos and communications.
const WRITE_CONTENT: &str = "content.write";
/// The permission to keep the records of staff (T2).
const KEEPS_STAFF: &str = "staff.maintain";

/// The answers there are. Each is worked out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    /// Nothing.
    Nothing,
    /// Everything but reading secrets.
    Everything,
    /// The same, but for what the operator keeps for itself: which password policy holds.
    Keep,
    /// Reading.
    View,
    /// Reading, and setting the password (U2).
    Own,
    /// The same, and writing what its organisation opens (U2).
    Opened,
    /// Reading, and entries may be added under it.
    Hold,
    /// The same, and saying what users change of themselves.
    Govern,
    /// Reading and writing the entry, and adding under it.
    Tend,
    /// Reading, package and limit.
    SelfService,
    /// Reading, and ending by deleting.
    End,
    /// What it is and what it is called: containers on the way.
    Signpost,
    /// A role one holds: reading, but not who else holds it, whom §8 may hide.
    HeldRole,
    /// Another person's details.
    Person,
    /// Those for staff only as well.
    StaffPerson,
    /// No more of another person than a directory has.
    ListedPerson,
    /// A group one runs: reading, members, names, where it stands, and whether it is locked (G3, G4).
    RunGroup,
    /// Everything of a group but whether it is locked, which its own administrators say (G3).
    KeepGroup,
    /// A user, as far as a provisioning client keeps it.
    Provision(Provision),
    /// What somebody wrote, but for its completion note.
    Content,
    /// What somebody wrote, whole.
    WholeContent,
    /// What one wrote oneself.
    OwnContent,
    /// What its author alone saw, who is gone: that it is there, and who is to be its author (C8).
    LeftContent,
    /// What rules of the config let one write, and nobody but its author reads.
    Unread,
    /// The container of content, under which one may write.
    ContentHolder,
}

/// Why the rules of the domain give what they give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Nobody has signed in.
    Anonymous,
    /// It wrote this (C2).
    Author,
    /// It is content, and for its author alone (C2).
    AuthorOnly,
    /// It is content for members of a group in which it is none (C3).
    GroupOnly,
    /// It is content about somebody it may not see (C5).
    HiddenPerson,
    /// It is content whose author is gone, for an Organisation Admin to take over (C8).
    LeftBehind,
    /// It is administrator or full member of the group that sees it (C3).
    VisibleGroup(EntryId),
    /// A provisioning client keeps the people and groups of its organisation.
    Client,
    /// It is an administrator of the group (G2, G5).
    GroupAdministrator,
    /// The entry is its own.
    Itself,
    /// This permission would open it, and is not in effect.
    Lacks(&'static str),
    /// `groups.maintain-all` does not change a group that is for its own administrators only (G3).
    LockedGroup,
    /// No rule of the domain opens such an entry to such a subject.
    NoRule,
    /// A container on the way to what it may see.
    OnTheWay,
    /// The operator may do everything.
    Operator,
    /// It holds the Organisation Admin role.
    OrganisationAdmin,
    /// Another organisation is never seen (O1).
    OtherOrganisation,
    /// It holds the role.
    OwnRole,
    /// The session is its own.
    OwnSession,
    /// This permission is in effect.
    Permission(&'static str),
    /// `people.search` shows who is in this group with it.
    SharedGroup(EntryId),
}

/// What there is of an item of content: what the server keeps of it, what its author writes, and what is said of its
/// completion, which shows to whom that says (C6).
const CONTENT: [&[&str]; 3] = [
    &["entryUUID", "entryDN", "structuralObjectClass", "createTimestamp", "modifyTimestamp", "subschemaSubentry"],
    &[
        "objectClass",
        "cn",
        "displayName",
        "description",
        "hcContentType",
        "hcVisibility",
        "hcVisibleTo",
        "hcAuthor",
        "hcSubject",
        "hcBody",
        "hcDue",
        "hcCompleted",
        "hcChannel",
        "hcDirection",
        "hcExternalId",
    ],
    &["hcCompletionNote", "hcCompletionVisibility", "hcCompletionVisibleTo"],
];

/// What an Organisation Admin sees of what somebody left behind.
const LEFT_CONTENT: &[&str] =
    &["objectClass", "structuralObjectClass", "entryUUID", "entryDN", "hcContentType", "createTimestamp", "hcAuthor"];

/// What a user may do and how it gets in: its own matter, and that of who manages users (U2).
const ACCOUNT: &[&str] = &[
    "hcExternalId",
    "hcRole",
    "hcPrimaryRole",
    "hcLicence",
    "hcEntitlement",
    "hcUserType",
    "hcNoMail",
    "hcAllowedAddress",
    "hcDefaultVisibility",
];

/// The profiles for one schema.
pub(super) struct DomainAccess {
    nothing: Access,
    everything: Access,
    keep: Access,
    keep_group: Access,
    view: Access,
    own: Access,
    hold: Access,
    govern: Access,
    tend: Access,
    self_service: Access,
    end: Access,
    signpost: Access,
    held_role: Access,
    person: Access,
    staff_person: Access,
    listed_person: Access,
    run_group: Access,
    content: Access,
    whole_content: Access,
    own_content: Access,
    left_content: Access,
    content_holder: Access,
    provision: Vec<Access>,
}

impl DomainAccess {
    pub(super) fn new(schema: &Schema, secret: &AttributeSet) -> Self {
        let count = schema.attribute_types().len();
        let all = AttributeSet::all(count);
        let mut open = all.clone();
        open.subtract(secret);
        let reading = |set: &AttributeSet| Access {
            read: set.clone(),
            search: set.clone(),
            compare: set.clone(),
            disclosed: true,
            ..Access::none(count)
        };
        let named = |names: &[&str]| {
            let mut set = AttributeSet::none(count);
            names.iter().filter_map(|name| schema.attribute(name)).for_each(|attribute| set.insert(attribute));
            set
        };
        let view = reading(&open);
        let own = Access { write: named(&["userPassword", "hcDefaultVisibility"]), ..view.clone() };
        let hold = Access { may_add_children: true, ..view.clone() };
        let mut kept = all.clone();
        kept.subtract(&named(&["pwdPolicySubentry"]));
        let tend = Access { write: kept, ..hold.clone() };
        let keep = Access { may_delete: true, may_rename: true, ..tend.clone() };
        let everything = Access { write: all, ..keep.clone() };
        let mut unlocked = keep.write.clone();
        unlocked.subtract(&named(&["hcAdminOnly"]));
        let mut person = user_attributes(schema);
        person.unite(&named(&["entryUUID", "entryDN", "structuralObjectClass", "createTimestamp", "modifyTimestamp", "subschemaSubentry"]));
        person.subtract(secret);
        person.subtract(&named(ACCOUNT));
        let mut staff_only = AttributeSet::none(count);
        let mut listed = named(&["objectClass", "structuralObjectClass", "entryUUID", "entryDN", "subschemaSubentry"]);
        for definition in schema.attribute_types() {
            match (definition.staff_only, definition.in_directory) {
                (true, _) => staff_only.insert(definition.id),
                (false, true) => listed.insert(definition.id),
                (false, false) => {}
            }
        }
        listed.subtract(secret);
        let staff_person = reading(&person);
        person.subtract(&staff_only);
        let mut held_role = open.clone();
        held_role.subtract(&named(&["hcEffectiveMember"]));
        let mut run = named(&["cn", "displayName", "description", "hcParentGroup", "hcAdminOnly"]);
        let mut members = AttributeSet::none(count);
        member_views(schema).into_iter().for_each(|attribute| members.insert(attribute));
        run.unite(&members);
        held_role.subtract(&members);
        let signpost =
            named(&["objectClass", "structuralObjectClass", "o", "ou", "dc", "description", "entryDN", "entryUUID", "subschemaSubentry"]);
        let whole_content = named(&CONTENT.concat());
        let mut content = whole_content.clone();
        content.subtract(&named(CONTENT[2]));
        let mut written = named(CONTENT[1]);
        written.unite(&named(CONTENT[2]));
        Self {
            nothing: Access::none(count),
            provision: Provision::all().map(|provision| provision.access(&view, &keep, &named)).collect(),
            content: reading(&content),
            own_content: Access { write: written, may_delete: true, ..reading(&whole_content) },
            whole_content: reading(&whole_content),
            left_content: Access { write: named(&["hcAuthor"]), ..reading(&named(LEFT_CONTENT)) },
            content_holder: Access { may_add_children: true, ..reading(&signpost) },
            everything,
            keep_group: Access { write: unlocked, ..keep.clone() },
            keep,
            self_service: Access { write: named(&["hcSessionLimit", "hcPackage"]), ..view.clone() },
            end: Access { may_delete: true, ..view.clone() },
            run_group: Access { write: run, may_rename: true, ..view.clone() },
            view,
            own,
            govern: Access { write: named(&["hcSelfServiceAttribute"]), ..hold.clone() },
            hold,
            tend,
            signpost: reading(&signpost),
            held_role: reading(&held_role),
            person: reading(&person),
            staff_person,
            listed_person: reading(&listed),
        }
    }

    pub(super) fn get(&self, profile: Profile) -> &Access {
        match profile {
            Profile::Content => &self.content,
            Profile::WholeContent => &self.whole_content,
            Profile::OwnContent => &self.own_content,
            Profile::LeftContent => &self.left_content,
            Profile::ContentHolder => &self.content_holder,
            Profile::Nothing | Profile::Unread => &self.nothing,
            Profile::Everything => &self.everything,
            Profile::Keep => &self.keep,
            Profile::KeepGroup => &self.keep_group,
            Profile::View => &self.view,
            Profile::Own | Profile::Opened => &self.own,
            Profile::Hold => &self.hold,
            Profile::Govern => &self.govern,
            Profile::Tend => &self.tend,
            Profile::SelfService => &self.self_service,
            Profile::End => &self.end,
            Profile::Signpost => &self.signpost,
            Profile::HeldRole => &self.held_role,
            Profile::Person => &self.person,
            Profile::StaffPerson => &self.staff_person,
            Profile::ListedPerson => &self.listed_person,
            Profile::RunGroup => &self.run_group,
            Profile::Provision(provision) => self.provision.get(provision.number()).unwrap_or(&self.nothing),
        }
    }

    /// What the rules of the domain open for searching on entries that are more than a few, for each kind of them: what
    /// [`Subject::profile`] may answer there.
    pub(super) fn far<'a>(&'a self, subject: &'a AccessSubject) -> impl Iterator<Item = &'a AttributeSet> {
        let member = subject.organisation.is_some();
        let person = subject.may("people.search") || subject.may("people.search-any");
        let group = subject.may("groups.search-any") || subject.may("groups.maintain-all");
        let staff = subject.may(KEEPS_STAFF);
        let profiles = match subject.standing {
            Standing::Operator => [Some(Profile::Everything), None, None, None, None],
            Standing::Anonymous => [None; 5],
            Standing::Client => [Some(Profile::Everything), None, None, None, None],
            Standing::User if subject.organisation_admin => [Some(Profile::Everything), None, None, None, None],
            // Content of others is about people one may see.
            Standing::User => [
                Some(Profile::Signpost),
                person.then(|| subject.person_profile()),
                group.then_some(Profile::View),
                person.then_some(Profile::WholeContent),
                staff.then_some(Profile::Keep),
            ],
            Standing::Service => [Some(Profile::Signpost), None, None, None, None],
        };
        profiles
            .into_iter()
            .flatten()
            .filter(move |profile| member || *profile == Profile::Everything)
            .map(|profile| &self.get(profile).search)
    }

    /// The same on the subject itself and what is its own.
    pub(super) fn near(&self, subject: &AccessSubject) -> &AttributeSet {
        let profile = if subject.entry.is_some() { Profile::View } else { Profile::Nothing };
        &self.get(profile).search
    }
}

impl AccessSubject {
    /// Whether it may write content at all.
    pub(super) fn may_write_content(&self) -> bool {
        self.may(WRITE_CONTENT) || self.scopes.has(Scope::Content)
    }

    /// Whether it may be the first to put something there, under an organisation that has no such container yet.
    pub(super) fn may_begin(&self, container: &str) -> bool {
        match container {
            "content" => self.may_write_content(),
            "staff" => self.may(KEEPS_STAFF),
            _ => false,
        }
    }

    /// What it may see of other people, of those it may see (§8).
    fn person_profile(&self) -> Profile {
        match (self.may(DIRECTORY_ONLY), self.may("people.staff-view")) {
            (true, _) => Profile::ListedPerson,
            (false, true) => Profile::StaffPerson,
            (false, false) => Profile::Person,
        }
    }
}

fn user_attributes(schema: &Schema) -> AttributeSet {
    let types = schema.attribute_types();
    let mut set = AttributeSet::none(types.len());
    types.iter().filter(|definition| definition.usage == Usage::User).for_each(|definition| set.insert(definition.id));
    set
}

/// The attributes that show the edges of `member`: those of every level, and other names of the same edges.
fn member_views(schema: &Schema) -> Vec<AttributeId> {
    let member = schema.known().member;
    let shows = |link: &crate::schema::LinkView| link.edge == member;
    schema
        .attribute_types()
        .iter()
        .filter(|definition| definition.link.as_ref().is_some_and(shows))
        .map(|definition| definition.id)
        .collect()
}

/// An entry as the rules of the domain look at it.
pub(super) struct Subject<'a> {
    pub(super) schema: &'a Schema,
    pub(super) facts: &'a dyn Facts,
    pub(super) subject: &'a AccessSubject,
    /// The entries above the subject's organisation.
    pub(super) above: &'a [EntryId],
}

impl Subject<'_> {
    /// What the domain gives on `entry`, which belongs to `organisation`, and why.
    pub(super) fn profile(&self, entry: &Entry, organisation: Option<EntryId>) -> (Profile, Ground) {
        let own = self.subject.entry == Some(entry.id);
        let same = organisation.is_some() && organisation == self.subject.organisation;
        match self.subject.standing {
            Standing::Operator => (Profile::Everything, Ground::Operator),
            Standing::Anonymous => (Profile::Nothing, Ground::Anonymous),
            _ if !same && self.above.contains(&entry.id) => (Profile::Signpost, Ground::OnTheWay),
            Standing::Client if same => (self.client(entry), Ground::Client),
            Standing::User if same && entry.kind == Kind::Content => self.content(entry),
            Standing::User if same && self.subject.organisation_admin => match self.administrator(entry) {
                Profile::View if entry.kind == Kind::Group => (Profile::View, Ground::LockedGroup),
                profile => (profile, Ground::OrganisationAdmin),
            },
            Standing::User if same => self.user(entry, own),
            Standing::Service if same && (entry.kind == Kind::Organisation || self.is_container(entry)) => {
                (Profile::Signpost, Ground::OnTheWay)
            }
            Standing::Client | Standing::User | Standing::Service if own => (Profile::Own, Ground::Itself),
            Standing::Client | Standing::User | Standing::Service => (Profile::Nothing, Ground::NoRule),
        }
    }

    /// An Organisation Admin: everything of the organisation but what belongs to the operator.
    fn administrator(&self, entry: &Entry) -> Profile {
        match entry.kind {
            Kind::User if self.user_type(entry) == UserType::Admin => Profile::View,
            // What an operator demands of passwords is not the organisation's to change.
            Kind::Generic | Kind::Person if self.schema.entry_is(entry, POLICY) => Profile::View,
            Kind::Group if self.runs(entry) => Profile::Keep,
            Kind::Group if self.is_locked(entry) => Profile::View,
            Kind::Group => Profile::KeepGroup,
            Kind::User | Kind::Staff | Kind::Person | Kind::Role => Profile::Keep,
            Kind::Generic if self.is_container(entry) && entry.parent == self.subject.organisation => Profile::Tend,
            Kind::Generic => Profile::Keep,
            Kind::Organisation => Profile::Govern,
            Kind::Licence if Licence::of(self.schema, entry).is_some_and(|licence| licence.is_self_service()) => Profile::SelfService,
            Kind::Licence => Profile::View,
            Kind::Session => Profile::End,
            Kind::Content => Profile::Nothing,
        }
    }

    /// A provisioning client: people and groups of the organisation, or those of them it made or was given (HE2), as far as
    /// its scopes go (HE3).
    fn client(&self, entry: &Entry) -> Profile {
        let known = self.schema.known();
        let scopes = self.subject.scopes;
        let may = |scope| scopes.has(scope);
        let keeps = scopes.any(&Scope::CHANGES);
        let seen = |given: &[Scope]| if may(Scope::Read) || scopes.any(given) { Profile::View } else { Profile::Nothing };
        let own_only = self.subject.client.as_ref().is_none_or(|client| client.own_only);
        let reached = !own_only || self.names_client(entry, known.hc_provisioned_by);
        match entry.kind {
            Kind::User if self.names_client(entry, known.hc_deleted_by) => Profile::Nothing,
            Kind::User if self.user_type(entry) != UserType::App || self.administers(entry) => seen(&[]),
            Kind::User if reached && keeps => Profile::Provision(Provision::of(scopes)),
            Kind::User => seen(&Scope::CHANGES),
            Kind::Staff | Kind::Person if reached && may(Scope::Users) => Profile::Keep,
            Kind::Staff | Kind::Person => seen(&[Scope::Users]),
            Kind::Group if reached && may(Scope::Groups) && !self.is_locked(entry) => Profile::KeepGroup,
            Kind::Group => seen(&[Scope::Groups]),
            Kind::Role if may(Scope::Roles) => Profile::Keep,
            Kind::Role => seen(&[]),
            Kind::Organisation if keeps => Profile::Hold,
            Kind::Organisation => seen(&Scope::ALL),
            Kind::Generic if self.is_container(entry) => {
                if keeps {
                    Profile::Hold
                } else if self.may_write_under(entry) {
                    Profile::ContentHolder
                } else {
                    seen(&Scope::ALL)
                }
            }
            Kind::Generic | Kind::Licence => seen(&[]),
            Kind::Session if may(Scope::Sessions) => Profile::End,
            Kind::Content if may(Scope::Content) => self.client_content(entry),
            Kind::Session | Kind::Content => Profile::Nothing,
        }
    }

    /// What anyone may read, about people whom it sees: what is for some is for people (C3), and what is for one is nobody else's.
    fn client_content(&self, entry: &Entry) -> Profile {
        let Some(content) = Content::of(self.schema, entry) else { return Profile::Nothing };
        let open = |audience: Audience| audience.visibility == Visibility::Anyone;
        if !open(content.audience(self.facts)) || !self.sees_subjects(content) {
            return Profile::Nothing;
        }
        let whole = !entry.has(self.schema.known().hc_completion_note) || open(content.completion_audience(self.facts));
        if whole { Profile::OwnContent } else { Profile::Content }
    }

    /// Whether it is an administrator of the group, by a group above too (G2, G4).
    fn runs(&self, group: &Entry) -> bool {
        self.subject.groups.get(&group.id) == Some(&Level::Administrator)
    }

    /// Whether only its own administrators change the group (G3).
    fn is_locked(&self, group: &Entry) -> bool {
        Group::of(self.schema, group).is_some_and(|group| group.admin_only())
    }

    /// A user: itself, its sessions, its groups, and people by its permissions (§8).
    fn user(&self, entry: &Entry, own: bool) -> (Profile, Ground) {
        match entry.kind {
            _ if own && !self.subject.opened.is_empty() => (Profile::Opened, Ground::Itself),
            _ if own => (Profile::Own, Ground::Itself),
            Kind::User | Kind::Staff | Kind::Person => self.person(entry),
            Kind::Group => self.group(entry),
            Kind::Session => {
                let of = |user| self.facts.link(entry.id, self.schema.known().hc_session_user, user).is_some();
                if self.subject.entry.is_some_and(of) { (Profile::End, Ground::OwnSession) } else { (Profile::Nothing, Ground::NoRule) }
            }
            Kind::Role => {
                let held = |user| self.facts.link(user, self.schema.known().hc_role, entry.id).is_some();
                if self.subject.entry.is_some_and(held) { (Profile::HeldRole, Ground::OwnRole) } else { (Profile::Nothing, Ground::NoRule) }
            }
            Kind::Organisation => (Profile::Signpost, Ground::OnTheWay),
            Kind::Generic if self.is_container(entry) && self.may_write_under(entry) => {
                (Profile::ContentHolder, Ground::Permission(WRITE_CONTENT))
            }
            Kind::Generic if self.holds_staff(entry) && self.subject.may(KEEPS_STAFF) => (Profile::Hold, Ground::Permission(KEEPS_STAFF)),
            Kind::Generic if self.is_container(entry) => (Profile::Signpost, Ground::OnTheWay),
            Kind::Generic | Kind::Licence | Kind::Content => (Profile::Nothing, Ground::NoRule),
        }
    }

    fn person(&self, entry: &Entry) -> (Profile, Ground) {
        let known = self.schema.known();
        if entry.kind == Kind::Staff && self.subject.may(KEEPS_STAFF) {
            return (Profile::Keep, Ground::Permission(KEEPS_STAFF));
        }
        let disabled = User::of(self.schema, entry).is_some_and(|user| user.state() == AccountState::Disabled);
        let inactive = disabled || entry.text(known.hc_active).is_some_and(|text| text.eq_ignore_ascii_case("FALSE"));
        if inactive && !self.subject.may("people.archived") {
            return (Profile::Nothing, Ground::Lacks("people.archived"));
        }
        if self.subject.may("people.search-any") {
            return (self.subject.person_profile(), Ground::Permission("people.search-any"));
        }
        if !self.subject.may("people.search") {
            return (Profile::Nothing, Ground::Lacks("people.search"));
        }
        // Who shares a group sees one; those who only look on or have left do not (§8, G5).
        let has = |group: EntryId| self.facts.link(group, known.member, entry.id).is_some_and(|level| level > Level::Past);
        let share = |group: &EntryId| has(*group) || groups::above(self.schema, self.facts, *group).into_iter().any(has);
        let belongs = self.subject.groups.iter().filter(|(_, level)| **level >= Level::Full).map(|(group, _)| *group);
        match belongs.into_iter().find(share) {
            Some(group) => (self.subject.person_profile(), Ground::SharedGroup(group)),
            None => (Profile::Nothing, Ground::Lacks("people.search-any")),
        }
    }

    /// G2, G3, G5, G7.
    fn group(&self, entry: &Entry) -> (Profile, Ground) {
        let level = self.subject.groups.get(&entry.id).copied();
        let locked = self.is_locked(entry);
        let maintains = self.subject.may("groups.maintain-all");
        if self.runs(entry) {
            return (if maintains { Profile::Keep } else { Profile::RunGroup }, Ground::GroupAdministrator);
        }
        if maintains {
            let ground = if locked { Ground::LockedGroup } else { Ground::Permission("groups.maintain-all") };
            return (if locked { Profile::View } else { Profile::KeepGroup }, ground);
        }
        if level == Some(Level::Full) && self.subject.may("groups.search-own") {
            return (Profile::View, Ground::Permission("groups.search-own"));
        }
        match (self.subject.may("groups.search-any"), level) {
            (true, _) => (Profile::View, Ground::Permission("groups.search-any")),
            (false, Some(Level::Full)) => (Profile::Nothing, Ground::Lacks("groups.search-own")),
            (false, _) => (Profile::Nothing, Ground::Lacks("groups.search-any")),
        }
    }

    /// C1-C8. What others wrote shows to whom it is for, as far as they may see all whom it is about (C5).
    fn content(&self, entry: &Entry) -> (Profile, Ground) {
        let Some(content) = Content::of(self.schema, entry) else { return (Profile::Nothing, Ground::NoRule) };
        let author = content.author(self.facts);
        if author.is_some() && author == self.subject.entry {
            return (Profile::OwnContent, Ground::Author);
        }
        let audience = content.audience(self.facts);
        if audience.visibility == Visibility::JustMe && author.is_none() && self.subject.organisation_admin {
            return (Profile::LeftContent, Ground::LeftBehind);
        }
        let (seen, ground) = self.is_for(audience);
        if !seen {
            return (Profile::Nothing, ground);
        }
        if !self.sees_subjects(content) {
            return (Profile::Nothing, Ground::HiddenPerson);
        }
        let (whole, _) = self.is_for(content.completion_audience(self.facts));
        (if whole { Profile::WholeContent } else { Profile::Content }, ground)
    }

    /// Whether the subject, who is not the author, is of an audience.
    fn is_for(&self, audience: Audience) -> (bool, Ground) {
        match (audience.visibility, audience.group) {
            (Visibility::Anyone, _) if self.subject.may(READ_CONTENT) => (true, Ground::Permission(READ_CONTENT)),
            (Visibility::Anyone, _) => (false, Ground::Lacks(READ_CONTENT)),
            (Visibility::Group, Some(group)) if self.subject.groups.get(&group).is_some_and(|level| *level >= Level::Full) => {
                (true, Ground::VisibleGroup(group))
            }
            (Visibility::Group, _) => (false, Ground::GroupOnly),
            (Visibility::JustMe, _) => (false, Ground::AuthorOnly),
        }
    }

    /// C5.
    fn sees_subjects(&self, content: Content<'_>) -> bool {
        content.subjects(self.facts).is_some_and(|people| people.into_iter().all(|person| self.sees_person(person)))
    }

    fn sees_person(&self, person: EntryId) -> bool {
        let Some(person) = self.facts.entry(person) else { return false };
        let (profile, _) = self.profile(&person, organisation_of(self.facts, person.id));
        profile != Profile::Nothing
    }

    fn may_write_under(&self, entry: &Entry) -> bool {
        self.subject.may_write_content() && content::is_container(self.schema, self.facts, entry)
    }

    /// Whether the client that asks is among the ids that the attribute holds.
    fn names_client(&self, entry: &Entry, attribute: AttributeId) -> bool {
        let Some(client) = &self.subject.client else { return false };
        entry.values(attribute).any(|id| id.eq_ignore_ascii_case(client.id.as_bytes()))
    }

    /// Whether the user holds a role of the system (R3).
    fn administers(&self, entry: &Entry) -> bool {
        let roles = self.facts.targets(entry.id, self.schema.known().hc_role, None, usize::MAX);
        let is_of_system = |role: Arc<Entry>| Role::of(self.schema, &role).is_some_and(|role| role.system().is_some());
        roles.into_iter().any(|(role, _)| self.facts.entry(role).is_some_and(is_of_system))
    }

    fn user_type(&self, entry: &Entry) -> UserType {
        User::of(self.schema, entry).map(|user| user.user_type()).unwrap_or_default()
    }

    /// Whether it is the container for staff records of the organisation.
    fn holds_staff(&self, entry: &Entry) -> bool {
        let named = entry.text(self.schema.known().ou).is_some_and(|name| name.eq_ignore_ascii_case("staff"));
        named && entry.parent == self.subject.organisation && self.is_container(entry)
    }

    fn is_container(&self, entry: &Entry) -> bool {
        entry.values(self.schema.known().object_class).any(|class| class.eq_ignore_ascii_case(b"organizationalUnit"))
    }
}
