//! PLAIN (RFC 4616): one message with who acts, who signs in, and the password, a NUL between each two.

/// The message of PLAIN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plain<'a> {
    /// Who is to be acted as; empty for who signs in.
    pub(crate) authorization: &'a str,
    /// Who signs in; not empty.
    pub(crate) authentication: &'a str,
    /// The password. RFC 4616 §2 has none that is empty; it is left to who answers that (HA11).
    pub(crate) password: &'a [u8],
}

/// Reads the message; `None` for what RFC 4616 §2 does not allow. The password is octets: it is looked at by who checks it.
pub(crate) fn parse(message: &[u8]) -> Option<Plain<'_>> {
    let mut parts = message.split(|octet| *octet == 0);
    let (authorization, authentication, password) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || authentication.is_empty() {
        return None;
    }
    Some(Plain {
        authorization: std::str::from_utf8(authorization).ok()?,
        authentication: std::str::from_utf8(authentication).ok()?,
        password,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_put_together_is_taken_apart(authorization in "[^\0]{0,9}", authentication in "[^\0]{1,9}", password in "[^\0]{0,9}") {
            let message = [&authorization, &authentication, &password].map(String::as_str).join("\0");
            let plain = parse(message.as_bytes()).unwrap();
            prop_assert_eq!((plain.authorization, plain.authentication), (&*authorization, &*authentication));
            prop_assert_eq!(plain.password, password.as_bytes());
        }

        #[test]
        fn any_octets_are_read_or_refused(message in proptest::collection::vec(any::<u8>(), 0..64)) {
            let zeros = message.iter().filter(|octet| **octet == 0).count();
            prop_assert!(parse(&message).is_none() || zeros == 2);
        }
    }

    #[test]
    fn incomplete_messages_are_refused() {
        for refused in [&b""[..], b"x", b"\0x", b"\0\0", b"\0\0x", b"\0x\0y\0", b"\xff\0x\0y", b"\0\xff\0y"] {
            assert!(parse(refused).is_none(), "{refused:?}");
        }
        assert!(parse(b"\0x\0\xff").is_some(), "a password is octets");
    }
}
