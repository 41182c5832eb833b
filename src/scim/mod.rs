//! The doors: SCIM 2.0 (RFC 7643, 7644).
//!
//! A request is read strictly ([`json`]), brought into the form of the schema data in `schema/scim/`
//! ([`schema`], [`resource`]), changed where it is a PATCH ([`patch`], [`path`]), and carried to LDAP attributes
//! by one table ([`mapping`]); the difference of two resources is then the difference of their attributes. An answer
//! goes the other way, is reduced to what was asked for ([`project`]) and found by filters
//! ([`filter`], [`evaluate`]) that are tested again on the resource, whatever the directory's indexes narrowed it to.

pub mod bulk;
pub mod content;
pub mod cursor;
pub mod discovery;
pub mod error;
pub mod evaluate;
pub mod events;
pub mod exchange;
pub mod explain;
pub mod external_id;
pub mod filter;
pub mod gateway;
pub mod json;
mod licensing;
pub mod list;
pub mod listing;
pub mod mapping;
mod me;
pub mod members;
mod memberships;
pub mod narrow;
mod oauth;
pub mod order;
pub mod patch;
pub mod path;
mod pending;
pub mod project;
pub mod reference;
pub mod request;
pub mod resource;
pub mod resources;
pub mod routes;
pub mod schema;
pub mod scopes;
pub mod server;
mod sessions;
mod stream;
mod turns;
pub mod types;

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod characteristics_tests;
#[cfg(test)]
mod filter_model_tests;
#[cfg(test)]
mod header_tests;
#[cfg(test)]
mod lifecycle_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod parting_tests;
#[cfg(test)]
mod patch_model_tests;
#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json! makes values")]
mod patch_tests;
#[cfg(test)]
mod pending_tests;
#[cfg(test)]
mod query_tests;
#[cfg(test)]
mod signed_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod types_tests;
