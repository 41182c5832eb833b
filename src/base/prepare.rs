//! Preparation of text for comparison (RFC 4518).
