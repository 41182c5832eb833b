//! "What can this user do, and why?" (R9): the decision of `access` in words, for the operator.

use super::identity::{Caller, Identity, Origin};
use super::tree::{self, Resolved};
use super::{Directory, Error};
use crate::access::{Because, Explained, Grants, Ground, Right};
use crate::base::EntryId;
use crate::domain::Rights;
use crate::domain::packages::had_by_in_words;
use crate::domain::roles::PermissionGround;
use crate::model::{AttributeId, Entry, Facts};
use std::net::IpAddr;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The DN of who it is about; empty for anonymous.
    pub who: String,
    /// The DN of the entry.
    pub entry: String,
    /// Only this attribute; those the classes of the entry allow where absent.
    pub attribute: Option<String>,
    /// Only this right.
    pub right: Option<Right>,
    /// From where it asks.
    pub address: Option<IpAddr>,
    /// Whether it asks without TLS.
    pub cleartext: bool,
    /// Whether it has proved a client certificate.
    pub certificate: bool,
}

/// One right with what decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The right.
    pub right: Right,
    /// The attributes it is about; empty for a right on the entry itself.
    pub attributes: Vec<String>,
    /// Whether it is given.
    pub given: bool,
    /// What decided, in words.
    pub because: String,
}

impl Directory {
    /// What somebody may do with an entry, and which rule decided. The operator may ask.
    pub fn explain_access(&self, caller: &Caller, question: &Question) -> Result<Vec<Answer>, Error> {
        super::operator::only_operator(caller)?;
        let (schema, memory) = (self.schema(), self.memory());
        let entry = self.entry_named(&question.entry)?;
        let identity = self.identity_named(&question.who)?;
        let origin =
            Origin { address: question.address, encrypted: !question.cleartext, certificate: question.certificate, ..Origin::system() };
        let asker = Caller { identity: identity.into(), origin: origin.into() };
        let grants = self.grants(&asker);
        let attributes = match &question.attribute {
            Some(name) => {
                let undefined = || Error::UndefinedType(format!("attribute type \"{}\" is not defined", tree::shorten(name)));
                vec![schema.attribute(name).ok_or_else(undefined)?]
            }
            None => self.attributes_of(&entry),
        };
        let mut answers: Vec<Answer> = Vec::new();
        for right in Right::ALL.into_iter().filter(|right| question.right.is_none_or(|asked| asked == *right)) {
            let about: Vec<Option<AttributeId>> = match right.is_of_attributes() {
                true => attributes.iter().copied().map(Some).collect(),
                false if question.attribute.is_some() && question.right.is_none() => Vec::new(),
                false => vec![None],
            };
            for attribute in about {
                let Explained { given, because } = grants.explain(memory, &entry, right, attribute);
                let because = self.in_words(&grants, because);
                let name = attribute.map(|attribute| schema.attribute_type(attribute).name().to_owned());
                match answers.iter_mut().find(|answer| answer.right == right && answer.given == given && answer.because == because) {
                    Some(answer) => answer.attributes.extend(name),
                    None => answers.push(Answer { right, attributes: name.into_iter().collect(), given, because }),
                }
            }
        }
        Ok(answers)
    }

    /// The permissions that roles of a user speak of, and which role decides each (R2, R9). The operator may ask.
    pub fn explain_user(&self, caller: &Caller, who: &str) -> Result<Vec<PermissionGround>, Error> {
        super::operator::only_operator(caller)?;
        let entry = self.entry_named(who)?;
        Ok(Rights::explain(self.schema(), self.memory(), &self.settings().catalog, entry.id))
    }

    /// The same, to who may read `hcPermission` of the user.
    pub fn permission_grounds(&self, caller: &Caller, user: EntryId) -> Vec<PermissionGround> {
        let (schema, memory, grants) = (self.schema(), self.memory(), self.grants(caller));
        let may = memory.entry(user).is_some_and(|entry| grants.on(memory, &entry).read.contains(schema.known().hc_permission));
        if may { Rights::explain(schema, memory, &self.settings().catalog, user) } else { Vec::new() }
    }

    fn entry_named(&self, dn: &str) -> Result<std::sync::Arc<Entry>, Error> {
        let memory = self.memory();
        let resolved = tree::resolve(self.schema(), &self.current().suffixes, memory, &tree::parse_dn(dn)?);
        let found = match &resolved {
            Resolved::Found(id) => memory.entry(*id),
            Resolved::Missing { .. } | Resolved::Outside => None,
        };
        found.ok_or_else(|| tree::no_such_object(memory, &resolved, |_| true))
    }

    /// Who that name is when it has signed in.
    pub(super) fn identity_named(&self, who: &str) -> Result<Identity, Error> {
        if who.is_empty() {
            return Ok(Identity::anonymous());
        }
        let key = self.schema().name_key(&tree::parse_dn(who)?);
        if self.current().operator.as_ref() == Some(&key) {
            return Ok(Identity::operator(who));
        }
        let entry = self.entry_named(who)?;
        self.core().identity(self.memory(), entry.id).ok_or(Error::Internal)
    }

    /// What the classes of an entry allow, and what it has besides, each once, in order of name.
    fn attributes_of(&self, entry: &Entry) -> Vec<AttributeId> {
        let schema = self.schema();
        let classes = entry.values(schema.known().object_class).filter_map(|name| schema.class(std::str::from_utf8(name).ok()?));
        let mut found: Vec<AttributeId> = entry.attributes().map(|held| held.attribute).collect();
        for class in classes.map(|class| schema.object_class(class)) {
            found.extend(class.must.iter().chain(&class.may));
        }
        found.sort_unstable_by_key(|attribute| schema.attribute_type(*attribute).name().to_ascii_lowercase());
        found.dedup();
        found
    }

    fn in_words(&self, grants: &Grants, because: Because) -> String {
        match because {
            Because::Domain(ground) => self.ground_in_words(grants, ground),
            Because::NothingGives(ground) => format!("default: no rule gives it ({})", self.ground_in_words(grants, ground)),
            Because::Rule(number) => match grants.place_of_rule(number) {
                "" => format!("access rule {number}"),
                place => format!("access rule {number} ({place})"),
            },
            Because::Secret => "secret: nobody reads, searches or compares it".to_owned(),
        }
    }

    fn ground_in_words(&self, grants: &Grants, ground: Ground) -> String {
        let permission = |name: &str| match grants.subject().entry {
            Some(user) => self.permission_in_words(user, name),
            None => name.to_owned(),
        };
        match ground {
            Ground::Author => "wrote it (C2)".to_owned(),
            Ground::AuthorOnly => "it is for its author alone (C2)".to_owned(),
            Ground::GroupOnly => "it is for members of a group (C3)".to_owned(),
            Ground::HiddenPerson => "it is about somebody who may not be seen (C5)".to_owned(),
            Ground::LeftBehind => "its author is gone, and an Organisation Admin may take it over (C8)".to_owned(),
            Ground::Anonymous => "nobody has signed in".to_owned(),
            Ground::Client => "provisioning client of the organisation".to_owned(),
            Ground::GroupAdministrator => "administrator of the group (G2)".to_owned(),
            Ground::Itself => "its own entry".to_owned(),
            Ground::Lacks(name) => format!("{} would open it", permission(name)),
            Ground::LockedGroup => format!("{}, but the group is for its own administrators only (G3)", permission("groups.maintain-all")),
            Ground::NoRule => "nothing in the domain opens it".to_owned(),
            Ground::OnTheWay => "a container on the way shows its name".to_owned(),
            Ground::Operator => "the operator".to_owned(),
            Ground::OrganisationAdmin => "Organisation Admin".to_owned(),
            Ground::OtherOrganisation => "another organisation is never seen (O1)".to_owned(),
            Ground::OwnRole => "holds the role".to_owned(),
            Ground::OwnSession => "its own session".to_owned(),
            Ground::Permission(name) => permission(name),
            Ground::VisibleGroup(group) => format!("member of {} (C3)", tree::dn_of(self.memory(), group)),
            Ground::SharedGroup(group) => {
                format!("{}, both in {}", permission("people.search"), tree::dn_of(self.memory(), group))
            }
        }
    }

    /// `people.search by role Clerk`, or why it is not in effect.
    fn permission_in_words(&self, user: EntryId, name: &str) -> String {
        let grounds = Rights::explain(self.schema(), self.memory(), &self.settings().catalog, user);
        let Some(ground) = grounds.into_iter().find(|ground| *ground.permission == *name) else {
            return format!("{name}, which no role grants,");
        };
        let by = |(role, what): &(Box<str>, Box<str>)| match **what == *name {
            true => role.to_string(),
            false => format!("{role}, which grants {what},"),
        };
        let granted = ground.granted_by.iter().map(by).collect::<Vec<_>>().join(", ");
        match ground.restricted_by.first() {
            Some((role, what)) if **what == *name => format!("{name}, which role {role} restricts,"),
            Some((role, what)) => format!("{name}, which needs {what}, which role {role} restricts,"),
            None if granted.is_empty() => match ground.of_other_packages.first() {
                Some((role, had_by)) => {
                    format!("{name}, which role {role} of another package would grant ({}),", had_by_in_words(had_by))
                }
                None => format!("{name}, which no role grants,"),
            },
            None => format!("{name} by role {granted}"),
        }
    }
}
