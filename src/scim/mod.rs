//! The doors: SCIM 2.0.
