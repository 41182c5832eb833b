//! The daemon from outside: a demo is started for each test and spoken to over real sockets, by raw octets that no
//! encoder of ours made and by the `ldap3` crate, a client nobody here wrote.
//!
//! One binary for all of it: every further file in `tests/` would be linked on its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panic")]
#![allow(clippy::disallowed_methods, reason = "a black box test has no clock of ours")]

mod access;
mod access_rules;
mod allowed_addresses;
mod application_passwords;
mod applications;
mod audit;
mod certificates;
mod commands;
mod config;
mod content;
mod credentials;
mod declared;
mod demo;
mod durability;
mod dynamic_groups;
mod floods;
mod follow;
mod framing;
mod group_rules;
mod hidden_values;
mod house;
mod imports;
mod isolation;
mod lockout;
mod logs;
mod monitor;
mod non_interference;
mod one_time_codes;
mod oracle_matrix;
mod oracle_values;
mod oracles;
mod packages;
mod password_policy;
mod passwords;
mod people;
mod policy_links;
mod policy_lockout;
mod proxied;
mod proxy;
mod references;
mod reload;
mod reset;
mod rights;
mod role_levels;
mod round;
mod sasl;
mod schema;
mod scram;
mod seat_shares;
mod seats;
mod seats_settings;
mod security_log;
mod self_service;
mod server;
mod staff;
mod tls;
mod transactions;
mod webhook;
mod wire;
