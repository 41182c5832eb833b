//! Lenses: an entry read as what it is to the domain, without copying.

use crate::base::{EntryId, Network, Timestamp};
use crate::model::{AttributeId, Entry, Facts, Kind, upwards};
use crate::schema::Schema;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The value of `hcRoleSystem` that makes a role the Organisation Admin role; its name may be any.
pub const ORGANISATION_ADMIN: &str = "organisation-admin";

/// Whether a Boolean attribute is TRUE (RFC 4517 §3.3.3); `None` where it is absent.
pub(super) fn boolean(entry: &Entry, attribute: AttributeId) -> Option<bool> {
    entry.text(attribute).map(|text| text.eq_ignore_ascii_case("TRUE"))
}

/// A whole number; `None` where it is absent or is none.
pub(super) fn number(entry: &Entry, attribute: AttributeId) -> Option<u64> {
    entry.text(attribute)?.parse().ok()
}

/// A generalizedTime; `None` where it is absent or is none.
pub(super) fn time(entry: &Entry, attribute: AttributeId) -> Option<Timestamp> {
    Timestamp::parse_generalized(entry.text(attribute)?)
}

/// The values of an attribute that are text.
fn texts(entry: &Entry, attribute: AttributeId) -> impl Iterator<Item = &str> {
    entry.values(attribute).filter_map(|value| std::str::from_utf8(value).ok())
}

/// The types of users (U1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserType {
    /// A person; takes a seat.
    #[default]
    App,
    /// An application; takes none.
    Service,
    /// The operator of the whole server.
    Admin,
}

impl UserType {
    /// The type of a value of `hcUserType`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "app" => Some(Self::App),
            "service" => Some(Self::Service),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

/// The states of an account (U4–U6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// Has no password yet: it waits for its link to be used.
    NotActivated,
    /// May sign in.
    Active,
    /// Locked; its data stays.
    Disabled,
}

impl AccountState {
    /// The value of `hcAccountState`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotActivated => "not-activated",
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

macro_rules! lens {
    ($(#[$doc:meta])* $name:ident, $kind:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name<'a> {
            schema: &'a Schema,
            /// The entry itself.
            pub entry: &'a Entry,
        }

        impl<'a> $name<'a> {
            /// Reads the entry so, if it is one.
            pub fn of(schema: &'a Schema, entry: &'a Entry) -> Option<Self> {
                (entry.kind == Kind::$kind).then_some(Self { schema, entry })
            }
        }
    };
}

lens!(
    /// A user.
    User,
    User
);
lens!(
    /// A licence.
    Licence,
    Licence
);
lens!(
    /// A group.
    Group,
    Group
);
lens!(
    /// A role.
    Role,
    Role
);
lens!(
    /// The entry of a session.
    Session,
    Session
);

fn network(value: &[u8]) -> Option<Network> {
    std::str::from_utf8(value).ok().and_then(Network::parse)
}

impl<'a> User<'a> {
    /// The name to sign in with (`uid`).
    pub fn name(&self) -> Option<&'a str> {
        self.entry.text(self.schema.known().uid)
    }

    /// What to call the person: `displayName`, else `cn`, else `uid`.
    pub fn display_name(&self) -> &'a str {
        let known = self.schema.known();
        [known.display_name, known.cn, known.uid].into_iter().find_map(|attribute| self.entry.text(attribute)).unwrap_or_default()
    }

    /// The e-mail that counts: the first of `mail`, where the projection puts the primary one (U5).
    pub fn mail(&self) -> Option<&'a str> {
        self.entry.text(self.schema.known().mail)
    }

    /// The type; `app` where none is given.
    pub fn user_type(&self) -> UserType {
        self.entry.text(self.schema.known().hc_user_type).and_then(UserType::parse).unwrap_or_default()
    }

    /// Whether the server may write to it (`hcNoMail`).
    pub fn takes_mail(&self) -> bool {
        self.schema.attribute("hcNoMail").and_then(|attribute| boolean(self.entry, attribute)) != Some(true)
    }

    /// Whether it may sign in from this address (U1): from any where it has no networks. What comes over a local socket has no
    /// address, and comes from this machine.
    pub fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        let mut networks = self.entry.values(self.schema.known().hc_allowed_address).map(network).peekable();
        let here = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let holds = |network: Network| address.map_or_else(|| here.iter().any(|own| network.contains(*own)), |from| network.contains(from));
        networks.peek().is_none() || networks.flatten().any(holds)
    }

    /// The first of its networks that is none.
    pub fn no_network(&self) -> Option<&'a [u8]> {
        self.entry.values(self.schema.known().hc_allowed_address).find(|value| network(value).is_none())
    }

    /// The password hashes.
    pub(super) fn password_hashes(&self) -> impl Iterator<Item = &'a [u8]> {
        self.entry.values(self.schema.known().user_password)
    }

    /// The state of the account (U6).
    pub fn state(&self) -> AccountState {
        let known = self.schema.known();
        match boolean(self.entry, known.hc_active) {
            Some(false) => AccountState::Disabled,
            _ if self.entry.has(known.user_password) => AccountState::Active,
            _ => AccountState::NotActivated,
        }
    }
}

impl<'a> Group<'a> {
    /// The name.
    pub fn name(&self) -> Option<&'a str> {
        self.entry.text(self.schema.known().cn)
    }

    /// Whether only its own administrators change it (G3).
    pub fn admin_only(&self) -> bool {
        self.schema.attribute("hcAdminOnly").and_then(|attribute| boolean(self.entry, attribute)) == Some(true)
    }
}

impl<'a> Role<'a> {
    /// The name.
    pub fn name(&self) -> Option<&'a str> {
        self.entry.text(self.schema.known().cn)
    }

    /// What it grants (R2).
    pub fn grants(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        texts(self.entry, self.schema.known().hc_role_permission)
    }

    /// What it restricts (R2).
    pub fn restricts(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        texts(self.entry, self.schema.known().hc_role_restriction)
    }

    /// The system role it is, where it is one (R3).
    pub fn system(&self) -> Option<&'a str> {
        self.entry.text(self.schema.attribute("hcRoleSystem")?)
    }

    /// Whether it is the Organisation Admin role.
    pub fn is_organisation_admin(&self) -> bool {
        self.system().is_some_and(|system| system.eq_ignore_ascii_case(ORGANISATION_ADMIN))
    }
}

impl<'a> Session<'a> {
    /// Its id.
    pub fn id(&self) -> Option<&'a str> {
        self.entry.text(self.schema.known().hc_session_id)
    }

    /// Client address or id; empty where it is not known.
    pub fn client(&self) -> &'a str {
        self.entry.text(self.schema.known().hc_session_client).unwrap_or_default()
    }

    /// The application, where known.
    pub fn application(&self) -> Option<&'a str> {
        self.entry.text(self.schema.known().hc_session_application)
    }

    /// When it began.
    pub fn started(&self) -> Option<Timestamp> {
        time(self.entry, self.schema.known().hc_session_started)
    }

    /// When it was last active, as last saved; its begin where that is all there is.
    pub fn last_activity(&self) -> Option<Timestamp> {
        time(self.entry, self.schema.known().hc_last_activity).or_else(|| self.started())
    }

    /// Whose it is.
    pub fn user(&self, facts: &dyn Facts) -> Option<EntryId> {
        first_target(facts, self.entry.id, self.schema.known().hc_session_user)
    }

    /// The licence it draws on.
    pub fn licence(&self, facts: &dyn Facts) -> Option<EntryId> {
        first_target(facts, self.entry.id, self.schema.known().hc_session_licence)
    }
}

impl<'a> Licence<'a> {
    /// The schema it is read by.
    pub(super) const fn schema(&self) -> &'a Schema {
        self.schema
    }
}

/// Details that decide who somebody is, where mail goes, or who works for whom: no organisation leaves them to the user (U2).
const KEPT_FROM_USERS: [&str; 13] = [
    "uid",
    "mail",
    "hcEmail",
    "hcActive",
    "hcExternalId",
    "employeeNumber",
    "employeeType",
    "manager",
    "userCertificate",
    "userSMIMECertificate",
    "userPKCS12",
    "hcCertificate",
    "hcEmploymentType",
];

/// Whether an organisation may let its users change this of themselves: a detail of a person.
pub fn may_be_opened(schema: &Schema, attribute: AttributeId) -> bool {
    let person = schema.class("hcPerson").map(|class| schema.object_class(class));
    let kept = KEPT_FROM_USERS.iter().any(|name| schema.attribute(name) == Some(attribute));
    !kept && person.is_some_and(|person| person.may.contains(&attribute))
}

/// What users of the organisation change of themselves (U2).
pub fn opened_to_users(schema: &Schema, organisation: &Entry) -> Vec<AttributeId> {
    let Some(names) = schema.attribute("hcSelfServiceAttribute") else { return Vec::new() };
    let opened = texts(organisation, names).filter_map(|name| schema.attribute(name));
    let mut opened: Vec<AttributeId> = opened.filter(|attribute| may_be_opened(schema, *attribute)).collect();
    // By SCIM `cn` follows `displayName`.
    if schema.attribute("displayName").is_some_and(|display_name| opened.contains(&display_name)) {
        opened.extend(schema.attribute("cn"));
    }
    opened
}

fn first_target(facts: &dyn Facts, source: EntryId, attribute: AttributeId) -> Option<EntryId> {
    facts.targets(source, attribute, None, 1).first().map(|(target, _)| *target)
}

/// The organisation that `id` is, or that is the nearest above it (O1).
pub fn organisation_of(facts: &dyn Facts, id: EntryId) -> Option<EntryId> {
    upwards(facts, id).find(|entry| entry.kind == Kind::Organisation).map(|entry| entry.id)
}
