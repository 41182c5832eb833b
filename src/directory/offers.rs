//! What of the catalog is open to an organisation, as doors show it (R4).

use super::Directory;
use crate::base::EntryId;
use crate::domain::Role;
use crate::domain::packages::Offer;
use crate::model::Facts;

/// Where a role stands with the packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleOffer {
    /// Whether it is of the current package, or governed by none, and has an effect.
    pub is_current: bool,
    /// The packages that have it, in order of the catalog; a role of the system comes with none.
    pub packages: Vec<String>,
}

impl Directory {
    /// Where a role stands that the caller has found; `None` where the entry is no role.
    pub fn role_offer(&self, role: EntryId) -> Option<RoleOffer> {
        let (schema, memory, settings) = (self.schema(), self.memory(), self.settings());
        let entry = memory.entry(role)?;
        let packages = settings.catalog.having(Role::of(schema, &entry)?).map(|package| package.name.clone()).collect();
        Some(RoleOffer { is_current: Offer::of(schema, memory, &settings.catalog, &entry) == Offer::Current, packages })
    }
}
