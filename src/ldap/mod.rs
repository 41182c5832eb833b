//! The doors: LDAP.
