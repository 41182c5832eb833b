//! Who may see and do what. One decision per caller and entry; every door and every write passes here.
//!
//! [`Policy::compile`] reads the config's rules once. [`Policy::grants`] works out, once per identity, which of them
//! can speak of it at all; [`Grants::on`] then answers for one entry, and costs a few look-ups. What the rules of the
//! domain give (see `domain.rs`) is always given; the rules of the config open more: the first that matches an
//! attribute decides it, and where none does nothing is open. Two things no rule can open: secret attributes, and
//! anything of another organisation (O1).

mod domain;
mod explain;
mod extent;
mod grants;
mod limits;
#[cfg(test)]
mod matrix_tests;
mod policy;
mod provision;
mod rule_filter;
mod scope;
mod who;

pub use domain::Ground;
pub use explain::{Because, Explained, Right};
pub use extent::Extent;
pub use grants::Grants;
pub use limits::LimitSettings;
pub use policy::{Policy, PolicyError, RulePart};
pub use scope::{Scope, Scopes};

use crate::base::EntryId;
use crate::domain::roles::HeldRole;
use crate::model::AttributeId;
use crate::model::Level;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What an identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has signed in.
    Anonymous,
    /// The operator of the whole server (the config's operator DN, or a user of type `admin`).
    Operator,
    /// A provisioning client with a token of one organisation.
    Client,
    /// An application (user of type `service`).
    Service,
    /// A user of type `app`, or any other entry that can bind.
    User,
}

/// One rule of the config's policy: who may do what. First match wins, the default is deny.
#[derive(Clone, Debug, Default)]
pub struct RuleSettings {
    /// `anonymous`, `users` (anyone signed in), `self`, `dn:…`, `subtree:…` (an entry and all below it), `group:…`,
    /// `role:…` (a DN, or a name: of a system role, and else of a role of the organisation that holds the entry asked for),
    /// `services`, each alone or with `address:10.0.0.0/8`, `encrypted` and `certificate` (the peer showed one);
    /// all of the listed must hold.
    pub who: Vec<String>,
    /// The subtree it is about; empty for everything.
    pub subtree: String,
    /// Only entries that match.
    pub filter: Option<String>,
    /// Only these attributes; empty for all attributes and the entry itself. `*`, `+`, `@class` and names.
    pub attributes: Vec<String>,
    /// Any of `read`, `search`, `compare`, `write`, `add`, `delete`, `rename`, `proxy`, `none`; `read` includes search and
    /// compare. A rule that gives `proxy` alone says nothing about other rights.
    pub rights: Vec<String>,
    /// Where it stands, `headcount.toml:57`, for explanations.
    pub place: String,
}

/// A set of attribute types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeSet {
    bits: Box<[u64]>,
}

impl AttributeSet {
    /// Room for `count` types, none in it.
    pub fn none(count: usize) -> Self {
        Self { bits: vec![0; count.div_ceil(64)].into() }
    }

    /// Whether the type is in it.
    pub fn contains(&self, attribute: AttributeId) -> bool {
        let at = usize::from(attribute.0);
        self.bits.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// All of `count` types.
    pub fn all(count: usize) -> Self {
        Self { bits: vec![u64::MAX; count.div_ceil(64)].into() }
    }

    /// Whether none is in it.
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|word| *word == 0)
    }

    /// Puts in what `other` has.
    pub fn unite(&mut self, other: &Self) {
        self.bits.iter_mut().zip(&other.bits).for_each(|(word, other)| *word |= other);
    }

    /// Takes out what `other` has.
    pub fn subtract(&mut self, other: &Self) {
        self.bits.iter_mut().zip(&other.bits).for_each(|(word, other)| *word &= !other);
    }

    /// Puts a type in.
    pub fn insert(&mut self, attribute: AttributeId) {
        let at = usize::from(attribute.0);
        if let Some(word) = self.bits.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }
}

/// Groups that rules speak of and somebody is in, as `memberOf` shows it: by inheritance, nesting and URLs too.
#[derive(Clone, Debug, Default)]
pub struct Memberships {
    /// Those it is in.
    pub held: BTreeSet<EntryId>,
    /// Those of which that could not be worked out: rules for them give nothing, and nothing behind them does either.
    pub undecided: BTreeSet<EntryId>,
}

/// A provisioning client, as the rules see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisioningClient {
    /// Its id.
    pub id: std::sync::Arc<str>,
    /// Whether it changes what it made or was given only (HE2).
    pub own_only: bool,
}

/// Who asks, as the rules see it. The directory makes it where it makes an identity.
#[derive(Clone, Debug)]
pub struct AccessSubject {
    /// What it is.
    pub standing: Standing,
    /// The entry it is, where it is one.
    pub entry: Option<EntryId>,
    /// The normal form of its DN ([`Schema::name_key`](crate::schema::Schema::name_key)); empty where it has none.
    pub name_key: Vec<u8>,
    /// The organisation it belongs to.
    pub organisation: Option<EntryId>,
    /// The provisioning client it is, where it is one.
    pub client: Option<ProvisioningClient>,
    /// Whether it holds the Organisation Admin role.
    pub organisation_admin: bool,
    /// The permissions in effect, sorted.
    pub permissions: std::sync::Arc<[Box<str>]>,
    /// The groups it belongs to, by [`domain::groups`](crate::domain::groups), with its level in each.
    pub groups: BTreeMap<EntryId, Level>,
    /// Which of the groups that rules speak of ([`Policy::named_groups`]) it is in.
    pub memberships: Memberships,
    /// Its roles.
    pub roles: Vec<HeldRole>,
    /// What a provisioning client may do.
    pub scopes: Scopes,
    /// What its organisation lets it change of itself (U2).
    pub opened: Vec<AttributeId>,
    /// Where it comes from; `None` for local sockets.
    pub address: Option<IpAddr>,
    /// Whether nobody on the way can read along.
    pub encrypted: bool,
    /// Whether the peer has proved a client certificate.
    pub certificate: bool,
}

impl AccessSubject {
    /// Nobody, from somewhere.
    pub fn anonymous(address: Option<IpAddr>, encrypted: bool) -> Self {
        Self {
            standing: Standing::Anonymous,
            entry: None,
            name_key: Vec::new(),
            organisation: None,
            client: None,
            organisation_admin: false,
            permissions: std::sync::Arc::from([]),
            groups: BTreeMap::new(),
            memberships: Memberships::default(),
            roles: Vec::new(),
            scopes: Scopes::default(),
            opened: Vec::new(),
            address,
            encrypted,
            certificate: false,
        }
    }

    /// Whether a permission is in effect.
    fn may(&self, permission: &str) -> bool {
        self.permissions.iter().any(|held| **held == *permission)
    }
}

/// What somebody may do with one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryAccess<'a> {
    /// Attributes whose values may be seen.
    pub read: &'a AttributeSet,
    /// Attributes that may be filtered on; any other is as if it were unknown.
    pub search: &'a AttributeSet,
    /// Attributes that may be compared.
    pub compare: &'a AttributeSet,
    /// Attributes that may be changed. A secret one may be here, and is never in the others.
    pub write: &'a AttributeSet,
    /// Whether an entry may be added under it.
    pub may_add_children: bool,
    /// Whether it may be deleted.
    pub may_delete: bool,
    /// Whether it may be renamed or moved away.
    pub may_rename: bool,
    /// Whether a rule lets one act for it; ask [`Grants::may_proxy_as`].
    may_proxy: bool,
    /// Whether its existence may be known.
    pub disclosed: bool,
}

impl EntryAccess<'_> {
    /// Whether anything may be done with it by whoever names it. No search finds it, unless its existence may be known.
    pub fn is_within_reach(&self) -> bool {
        let of_entry = self.may_add_children || self.may_delete || self.may_rename;
        self.disclosed || of_entry || !self.compare.is_empty() || !self.write.is_empty()
    }
}

/// The same, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Access {
    read: AttributeSet,
    search: AttributeSet,
    compare: AttributeSet,
    write: AttributeSet,
    may_add_children: bool,
    may_delete: bool,
    may_rename: bool,
    may_proxy: bool,
    disclosed: bool,
}

impl Access {
    /// Nothing at all, for a schema of `count` attribute types.
    fn none(count: usize) -> Self {
        let none = AttributeSet::none(count);
        Self {
            read: none.clone(),
            search: none.clone(),
            compare: none.clone(),
            write: none,
            may_add_children: false,
            may_delete: false,
            may_rename: false,
            may_proxy: false,
            disclosed: false,
        }
    }

    const fn view(&self) -> EntryAccess<'_> {
        let Self { read, search, compare, write, may_add_children, may_delete, may_rename, may_proxy, disclosed } = self;
        EntryAccess {
            read,
            search,
            compare,
            write,
            may_add_children: *may_add_children,
            may_delete: *may_delete,
            may_rename: *may_rename,
            may_proxy: *may_proxy,
            disclosed: *disclosed,
        }
    }

    /// The same, with nothing of it to be seen.
    fn without_reading(self) -> Self {
        let none = AttributeSet { bits: vec![0; self.read.bits.len()].into() };
        Self { read: none.clone(), search: none.clone(), compare: none, disclosed: false, ..self }
    }

    /// Everything that this or `other` gives.
    fn united(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.read.unite(&other.read);
        both.search.unite(&other.search);
        both.compare.unite(&other.compare);
        both.write.unite(&other.write);
        both.may_add_children |= other.may_add_children;
        both.may_delete |= other.may_delete;
        both.may_rename |= other.may_rename;
        both.may_proxy |= other.may_proxy;
        both.disclosed |= other.disclosed;
        both
    }
}
