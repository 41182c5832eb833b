//! Headcount: a licensed identity directory. ARCHITECTURE.md is the map; the layers, from the bottom up:
//! [`base`], [`model`] and [`schema`], [`store`], [`domain`] and [`access`], [`directory`], the doors
//! [`ldap`], [`scim`], [`console`] and [`mail`], and on top [`daemon`] and [`cli`]. Imports point down only.

pub mod access;
pub mod base;
pub mod cli;
pub mod console;
pub mod daemon;
pub mod directory;
pub mod domain;
pub mod ldap;
pub mod mail;
pub mod model;
pub mod schema;
pub mod scim;
pub mod store;
