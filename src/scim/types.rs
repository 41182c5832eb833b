//! The types of resources: what each is called, where its resources are, and how those are kept.

use super::content;
use super::mapping::{self, Codec, Computed, EXTERNAL_ID, Finds, Link, Mapping, Naming, Part, Row, Searchable, row};
use super::schema::{ResourceType, Schema, Source, Verbs};
use crate::model::Kind;

const STAFF_ROWS: &[Row] = &[
    row(&[], "externalId", "hcExternalId", Codec::Text),
    row(&[], "displayName", "displayName", Codec::Text),
    row(&["name"], "formatted", "hcFormattedName", Codec::Text),
    row(&["name"], "familyName", "sn", Codec::Text),
    row(&["name"], "givenName", "givenName", Codec::Text),
    row(&["name"], "middleName", "hcMiddleName", Codec::Text),
    row(&["name"], "honorificPrefix", "hcHonorificPrefix", Codec::Text),
    row(&["name"], "honorificSuffix", "hcHonorificSuffix", Codec::Text),
    row(&[], "emails", "hcEmail", Codec::Structured),
    row(&[], "phoneNumbers", "hcPhoneNumber", Codec::Structured),
    row(&[], "employeeNumber", "employeeNumber", Codec::Text),
    row(&[], "title", "title", Codec::Text),
    row(&[], "department", "departmentNumber", Codec::Text),
    row(&[], "startDate", "hcStartDate", Codec::Time),
    row(&[], "endDate", "hcEndDate", Codec::Time),
    row(&[], "active", "hcActive", Codec::Boolean),
];

/// Staff (T1 to T3). Two may have one name, so the name is made one of a kind for the entry.
static STAFF: Mapping = Mapping {
    rows: STAFF_ROWS,
    links: &[Link { holder: &[], name: "manager", ldap: "manager", display: "display" }],
    follows: &[("cn", mapping::common_name), ("sn", mapping::surname)],
    also_read: &["cn", "mail"],
    stands_in: &[("displayName", "cn")],
    object_class: "hcStaffRecord",
    object_classes: &["inetOrgPerson", "hcStaffRecord"],
    fixed: &[],
    naming: Naming { name: "displayName", ldap: "cn", container: "ou=staff", is_unique: false },
    true_by_default: &["active"],
    computed: &[
        Computed { extension: None, name: "user", part: Part::Login, reads: &[] },
        Computed { extension: None, name: "hasLogin", part: Part::HasLogin, reads: &[] },
    ],
    searchable: &[
        EXTERNAL_ID,
        Searchable { extension: None, name: "employeeNumber", sub: None, ldap: &["employeeNumber"], finds: Finds::Text, by_prefix: false },
        Searchable { extension: None, name: "emails", sub: Some("value"), ldap: &["mail"], finds: Finds::Ascii, by_prefix: false },
        Searchable { extension: None, name: "displayName", sub: None, ldap: &["displayName", "cn"], finds: Finds::Text, by_prefix: true },
        Searchable { extension: None, name: "manager", sub: Some("value"), ldap: &["manager"], finds: Finds::Link, by_prefix: false },
    ],
};

/// Of types whose resources are no entries by themselves.
static NOT_STORED: Mapping = Mapping {
    rows: &[],
    links: &[],
    follows: &[],
    also_read: &[],
    stands_in: &[],
    object_class: "",
    object_classes: &[],
    fixed: &[],
    naming: Naming { name: "id", ldap: "", container: "", is_unique: true },
    true_by_default: &[],
    computed: &[],
    searchable: &[],
};

/// A type as it is defined, before its schemas are read.
pub struct Definition {
    /// Its id and name.
    pub name: &'static str,
    /// Where its resources are, under the base URL.
    pub endpoint: &'static str,
    description: &'static str,
    kind: Kind,
    schema: &'static str,
    extensions: &'static [&'static str],
    verbs: Verbs,
    source: Source,
    mapping: &'static Mapping,
}

const ALL_VERBS: Verbs = Verbs { create: true, change: true, delete: true };

const READ_ONLY: Verbs = Verbs { create: false, change: false, delete: false };

/// All types of resources, in the order in which they are listed.
pub(super) static DEFINITIONS: &[Definition] = &[
    Definition {
        name: "User",
        endpoint: "/Users",
        description: "People who may sign in",
        kind: Kind::User,
        schema: include_str!("../../schema/scim/user.json"),
        extensions: &[include_str!("../../schema/scim/enterprise_user.json"), include_str!("../../schema/scim/headcount_user.json")],
        verbs: ALL_VERBS,
        source: Source::Entries,
        mapping: &mapping::USERS,
    },
    Definition {
        name: "Group",
        endpoint: "/Groups",
        description: "Groups of users",
        kind: Kind::Group,
        schema: include_str!("../../schema/scim/group.json"),
        extensions: &[include_str!("../../schema/scim/headcount_group.json")],
        verbs: ALL_VERBS,
        source: Source::Entries,
        mapping: &mapping::GROUPS,
    },
    Definition {
        name: "Staff",
        endpoint: "/Staff",
        description: "People who work for the organisation, whether or not they sign in",
        kind: Kind::Staff,
        schema: include_str!("../../schema/scim/staff.json"),
        extensions: &[],
        verbs: ALL_VERBS,
        source: Source::Entries,
        mapping: &STAFF,
    },
    Definition {
        name: "Note",
        endpoint: "/Notes",
        description: "Notes about people, which show to whom they are for",
        kind: Kind::Content,
        schema: include_str!("../../schema/scim/note.json"),
        extensions: &[],
        verbs: ALL_VERBS,
        source: Source::Entries,
        mapping: &content::NOTES,
    },
    Definition {
        name: "Todo",
        endpoint: "/Todos",
        description: "What is to be done about people",
        kind: Kind::Content,
        schema: include_str!("../../schema/scim/todo.json"),
        extensions: &[],
        verbs: ALL_VERBS,
        source: Source::Entries,
        mapping: &content::TODOS,
    },
    Definition {
        name: "Communication",
        endpoint: "/Communications",
        description: "E-mails, letters and calls with people",
        kind: Kind::Content,
        schema: include_str!("../../schema/scim/communication.json"),
        extensions: &[],
        verbs: ALL_VERBS,
        source: Source::Entries,
        mapping: &content::COMMUNICATIONS,
    },
    Definition {
        name: "Membership",
        endpoint: "/Memberships",
        description: "What binds somebody to a group, directly, with a level; a large group is paged through by them",
        kind: Kind::Group,
        schema: include_str!("../../schema/scim/membership.json"),
        extensions: &[],
        verbs: ALL_VERBS,
        source: Source::Memberships,
        mapping: &NOT_STORED,
    },
    Definition {
        name: "Role",
        endpoint: "/Roles",
        description: "Roles of the organisation and of the packages, with which of them can be given",
        kind: Kind::Role,
        schema: include_str!("../../schema/scim/role.json"),
        extensions: &[include_str!("../../schema/scim/headcount_role.json")],
        verbs: READ_ONLY,
        source: Source::Roles,
        mapping: &NOT_STORED,
    },
    Definition {
        name: "Licence",
        endpoint: "/Licences",
        description: "Licences of the organisation, with the seats in use and what they cost",
        kind: Kind::Licence,
        schema: include_str!("../../schema/scim/licence.json"),
        extensions: &[],
        verbs: READ_ONLY,
        source: Source::Licences,
        mapping: &NOT_STORED,
    },
    Definition {
        name: "Entitlement",
        endpoint: "/Licenses",
        description: "The licences, as Okta looks for entitlements",
        kind: Kind::Licence,
        schema: include_str!("../../schema/scim/okta_entitlement.json"),
        extensions: &[],
        verbs: READ_ONLY,
        source: Source::Licences,
        mapping: &NOT_STORED,
    },
    Definition {
        name: "Package",
        endpoint: "/Packages",
        description: "Packages of the catalog, with their roles and fees",
        kind: Kind::Licence,
        schema: include_str!("../../schema/scim/package.json"),
        extensions: &[],
        verbs: READ_ONLY,
        source: Source::Packages,
        mapping: &NOT_STORED,
    },
    Definition {
        name: "Session",
        endpoint: "/Sessions",
        description: "Sessions, each of which holds a seat; they can be listed, read and ended",
        kind: Kind::Session,
        schema: include_str!("../../schema/scim/session.json"),
        extensions: &[],
        verbs: Verbs { create: false, change: false, delete: true },
        source: Source::Sessions,
        mapping: &NOT_STORED,
    },
];

/// The type that serves entries of a kind; the first, where another is about parts of them.
pub fn of_kind(kind: Kind) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.kind == kind)
}

impl Definition {
    /// Reads its schemas; fails only where the data is damaged.
    pub(super) fn load(&self, common: &Schema) -> Result<ResourceType, serde_json::Error> {
        Ok(ResourceType {
            name: self.name,
            endpoint: self.endpoint,
            description: self.description,
            common: common.clone(),
            schema: Schema::load(self.schema)?,
            extensions: self.extensions.iter().map(|text| Schema::load(text)).collect::<Result<_, _>>()?,
            verbs: self.verbs,
            source: self.source,
            in_base_query: self.source == Source::Entries && self.kind != Kind::Content,
            mapping: self.mapping,
            kind: self.kind,
        })
    }
}
