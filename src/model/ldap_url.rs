//! LDAP URLs (RFC 4516): where a referral leads, and what a dynamic group is made of.

use super::Dn;

/// The scope part of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlScope {
    /// `base`, which an absent scope means too.
    Base,
    /// `one`.
    One,
    /// `sub`.
    Subtree,
    /// `children` or `subordinate` (draft-sermersheim-ldap-subordinate-scope).
    Children,
}

/// An LDAP URL taken apart, percent encoding undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapUrl<'a> {
    /// Scheme, host and port as given: `ldap://host:port`; the host may be empty.
    pub server: &'a str,
    /// The DN; the empty one where it is absent.
    pub dn: Dn,
    /// The attribute descriptions asked for.
    pub attributes: Vec<String>,
    /// The scope, where given.
    pub scope: Option<UrlScope>,
    /// The filter as text, where given.
    pub filter: Option<String>,
}

/// The schemes of LDAP URLs.
const SCHEMES: [&str; 3] = ["ldap://", "ldaps://", "ldapi://"];

impl<'a> LdapUrl<'a> {
    /// Reads a URL. `None` where it is none of LDAP, is damaged, or has a critical extension, of which none is known.
    pub fn parse(text: &'a str) -> Option<Self> {
        let scheme = SCHEMES.into_iter().find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))?;
        let path = text.get(scheme.len()..)?.find(['/', '?']).map_or(text.len(), |at| scheme.len() + at);
        let (server, rest) = text.split_at_checked(path)?;
        let mut parts = rest.strip_prefix('/').unwrap_or(rest).split('?');
        let dn = Dn::parse(&decoded(parts.next().unwrap_or_default())?).ok()?;
        let attributes = parts.next().unwrap_or_default().split(',').filter(|name| !name.is_empty());
        let attributes = attributes.map(decoded).collect::<Option<Vec<_>>>()?;
        let scope = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "" => None,
            "base" => Some(UrlScope::Base),
            "one" => Some(UrlScope::One),
            "sub" => Some(UrlScope::Subtree),
            "children" | "subordinate" => Some(UrlScope::Children),
            _ => return None,
        };
        let filter = match parts.next().unwrap_or_default() {
            "" => None,
            filter => Some(decoded(filter)?),
        };
        let critical = parts.next().unwrap_or_default().split(',').any(|extension| extension.starts_with('!'));
        (!critical && parts.next().is_none()).then_some(Self { server, dn, attributes, scope, filter })
    }
}

/// Undoes percent encoding (RFC 3986 §2.1).
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |octet: &u8| char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                octets.push(digit(high)? << 4 | digit(low)?);
                rest = after;
            }
            (b'%', _) => return None,
            (octet, after) => {
                octets.push(*octet);
                rest = after;
            }
        }
    }
    String::from_utf8(octets).ok()
}

/// Puts a URL together: a server as [`LdapUrl::server`] has it, a DN, and perhaps a scope.
pub fn write_url(server: &str, dn: &Dn, scope: Option<UrlScope>) -> String {
    let mut url = format!("{server}/");
    for octet in dn.to_string().bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => url.push(char::from(octet)),
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' => {
                url.push(char::from(octet));
            }
            octet => url.push_str(&format!("%{octet:02X}")),
        }
    }
    url.push_str(match scope {
        None => "",
        Some(UrlScope::Base) => "??base",
        Some(UrlScope::One) => "??one",
        Some(UrlScope::Subtree) => "??sub",
        Some(UrlScope::Children) => "??subordinate",
    });
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4516_examples_are_read() {
        let url =
            LdapUrl::parse("ldap://ldap1.example.net/o=University%20of%20Michigan,c=US?postalAddress,cn?one?(cn=Babs%20Jensen)").unwrap();
        assert_eq!((url.server, url.dn.to_string().as_str()), ("ldap://ldap1.example.net", "o=University of Michigan,c=US"));
        assert_eq!((url.attributes.len(), url.scope, url.filter.as_deref()), (2, Some(UrlScope::One), Some("(cn=Babs Jensen)")));
        let short = LdapUrl::parse("LDAP:///").unwrap();
        assert!(short.dn.is_root() && short.scope.is_none() && short.filter.is_none());
        assert_eq!(LdapUrl::parse("ldap://host").unwrap().server, "ldap://host");
        for wrong in ["http://x/", "ldap:///o=%2", "ldap:///o=x??all", "ldap:///o=x????!x=1", "ldap:///???????", "ldap:///nonsense"] {
            assert_eq!(LdapUrl::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let dn = Dn::parse("cn=a\\,b?c %d#ü,o=x y").unwrap();
        let url = write_url("ldap://h:389", &dn, Some(UrlScope::Subtree));
        let read = LdapUrl::parse(&url).unwrap();
        assert_eq!((read.dn, read.scope, read.server), (dn, Some(UrlScope::Subtree), "ldap://h:389"));
    }
}
