//! LDIF (RFC 2849): records in and out, streaming.
