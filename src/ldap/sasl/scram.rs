//! The messages of SCRAM (RFC 5802 §7), without channel binding. What is computed from them is the directory's, which holds
//! the keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Octets of the longest message that is read.
const LONGEST: usize = 4 << 10;

/// The client's first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientFirst<'a> {
    /// Who is to be acted as; empty for who signs in.
    pub(crate) authorization: String,
    /// Who signs in.
    pub(crate) name: String,
    nonce: &'a str,
    /// What the client says of channel binding, with the authorization identity.
    header: &'a str,
    /// The message without it.
    bare: &'a str,
}

/// What is kept of the first two messages until the third.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    header: String,
    nonce: String,
    /// The first two messages as they are part of what is proven.
    proven: String,
}

/// The client's last message, where it fits the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientFinal {
    /// All that is proven: `AuthMessage`.
    pub(crate) message: String,
    /// `ClientProof`.
    pub(crate) proof: Vec<u8>,
}

/// Reads the first message; `None` for what is none, for a mandatory extension, and for channel binding, which no mechanism
/// here has.
pub(crate) fn client_first(message: &[u8]) -> Option<ClientFirst<'_>> {
    let message = std::str::from_utf8(message).ok().filter(|message| message.len() <= LONGEST)?;
    let mut parts = message.splitn(3, ',');
    let (flag, authorization, bare) = (parts.next()?, parts.next()?, parts.next()?);
    if !matches!(flag, "n" | "y") {
        return None;
    }
    let authorization = match authorization {
        "" => String::new(),
        given => unescaped(given.strip_prefix("a=")?)?,
    };
    let mut attributes = bare.split(',');
    let name = unescaped(attributes.next()?.strip_prefix("n=")?)?;
    let nonce = attributes.next()?.strip_prefix("r=").filter(|nonce| is_nonce(nonce))?;
    let header = message.get(..message.len() - bare.len())?;
    (!name.is_empty() && attributes.all(is_extension)).then_some(ClientFirst { authorization, name, nonce, header, bare })
}

/// The answer to the first message, and what is to be kept until the last. `nonce` is new for each conversation.
pub(crate) fn server_first(first: &ClientFirst<'_>, nonce: &str, salt: &[u8], iterations: u32) -> (String, Conversation) {
    let nonce = format!("{}{nonce}", first.nonce);
    let message = format!("r={nonce},s={},i={iterations}", STANDARD.encode(salt));
    let proven = format!("{},{message}", first.bare);
    (message, Conversation { header: first.header.to_owned(), nonce, proven })
}

/// Reads the last message; `None` for what is none, or is of another conversation.
pub(crate) fn client_final(conversation: &Conversation, message: &[u8]) -> Option<ClientFinal> {
    let message = std::str::from_utf8(message).ok().filter(|message| message.len() <= LONGEST)?;
    let (without_proof, proof) = message.rsplit_once(",p=")?;
    let mut attributes = without_proof.split(',');
    let binding = STANDARD.decode(attributes.next()?.strip_prefix("c=")?).ok()?;
    let nonce = attributes.next()?.strip_prefix("r=")?;
    if binding != conversation.header.as_bytes() || nonce != conversation.nonce || !attributes.all(is_extension) {
        return None;
    }
    Some(ClientFinal { message: format!("{},{without_proof}", conversation.proven), proof: STANDARD.decode(proof).ok()? })
}

/// The server's last message.
pub(crate) fn server_final(signature: &[u8]) -> String {
    format!("v={}", STANDARD.encode(signature))
}

/// An attribute that may be there and that we need not know: not one that we should have read elsewhere.
fn is_extension(text: &str) -> bool {
    let known = |letter: u8| b"amncripsve".contains(&letter);
    matches!(text.as_bytes(), [letter, b'=', _, ..] if letter.is_ascii_alphabetic() && !known(*letter))
}

/// Printable ASCII without the comma.
fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b',')
}

/// A `saslname`: `=2C` for a comma and `=3D` for an equals sign, and no other use of that sign.
fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let (sign, rest) = part.split_at_checked(2)?;
        out.push(match sign {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        out.push_str(rest);
    }
    (!out.contains('\0')).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_conversation_of_rfc_7677_is_read_and_written() {
        let first = client_first(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!((first.name.as_str(), first.authorization.as_str()), ("user", ""));
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let (message, conversation) = server_first(&first, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", &salt, 4096);
        assert_eq!(message, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let read = client_final(&conversation, last).unwrap();
        assert_eq!(read.proof.len(), 32);
        assert!(read.message.ends_with(",c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"));
        for refused in [
            &b"c=biws,r=other,p=AAAA"[..],
            b"c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAA",
            b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=*",
            b"",
        ] {
            assert_eq!(client_final(&conversation, refused), None);
        }
    }

    #[test]
    fn what_is_no_first_message_is_refused() {
        for refused in [
            &b""[..],
            b"n,,",
            b"n,,n=,r=x",
            b"n,,n=x",
            b"n,,n=x,r=",
            b"n,,r=x,n=x",
            b"n,,m=x,n=x,r=x",
            b"p=tls-exporter,,n=x,r=x",
            b"x,,n=x,r=x",
            b"n,b=x,n=x,r=x",
            b"n,,n=a=b,r=x",
            b"n,,n=a=2,r=x",
            b"n,,n=x,r=a b",
            b"n,,n=x,r=x,",
            b"n,,n=x,r=x,m=x",
            b"n,,n=\xff,r=x",
            b"n,,n=a\0,r=x",
        ] {
            assert_eq!(client_first(refused), None, "{refused:?}");
        }
        assert!(client_first(b"y,a=dn:cn=x,n=x,r=x").is_none(), "an equals sign that is not escaped");
        assert_eq!(client_first(b"y,a=dn:cn=3Dx=2Co=3Dy,n=x,r=x").unwrap().authorization, "dn:cn=x,o=y");
        assert_eq!(client_first(b"y,a=u:a=2Cb=3D,n=x,r=x,z=more").unwrap().authorization, "u:a,b=");
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..64), text in "[ny]?,?(a=)?[a-z=,23CD]{0,8},?(n=)?[a-z=]{0,6},?(r=)?[ -~]{0,12}") {
            for message in [octets.as_slice(), text.as_bytes()] {
                if let Some(first) = client_first(message) {
                    prop_assert!(!first.name.is_empty());
                    let (_, conversation) = server_first(&first, "more", b"salt", 4096);
                    prop_assert!(client_final(&conversation, message).is_none());
                }
            }
        }

        #[test]
        fn names_travel_escaped(name in "[^\0]{1,12}") {
            let escaped = name.replace('=', "=3D").replace(',', "=2C");
            let message = format!("n,,n={escaped},r=abc");
            prop_assert_eq!(client_first(message.as_bytes()).unwrap().name, name);
        }
    }
}
