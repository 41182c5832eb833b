//! Who may see and do what. One decision per caller and entry; every door and every write passes here.

use crate::model::AttributeId;

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
    /// `anonymous`, `users` (anyone signed in), `self`, `dn:…`, `group:…`, `role:…`, `services`, each alone or with
    /// `address:10.0.0.0/8` and `encrypted`; all of the listed must hold.
    pub who: Vec<String>,
    /// The subtree it is about; empty for everything.
    pub subtree: String,
    /// Only entries that match.
    pub filter: Option<String>,
    /// Only these attributes; empty for all user attributes and the entry itself. `*`, `+`, `@class` and names.
    pub attributes: Vec<String>,
    /// Any of `read`, `search`, `compare`, `write`, `add`, `delete`, `rename`, `none`; `read` includes search and compare.
    pub rights: Vec<String>,
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

    /// Puts a type in.
    pub fn insert(&mut self, attribute: AttributeId) {
        let at = usize::from(attribute.0);
        if let Some(word) = self.bits.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }
}
