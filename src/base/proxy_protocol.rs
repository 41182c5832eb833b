//! The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): a proxy in front of a listener says, before any
//! other octet, whose connection it passes on. Exactly the header is read, so what follows is the client's own.

use super::Network;
use ppp::{v1, v2};
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How long a proxy may take to say it.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a header of version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Octets of a header of version 2 before its addresses.
const FIXED: usize = 16;
/// Octets of the longest header of version 1, its line end included.
const LONGEST_LINE: usize = 107;
/// Octets after the fixed part of a header of version 2 that are taken: addresses, and notes that we do not read.
const LONGEST_REST: usize = 2 << 10;

/// The client of a connection that comes from `peer`, on a listener that trusts `proxies`: what a trusted proxy says, or
/// the peer itself where none is expected (`proxies` is empty) or the proxy speaks for itself. From others, and where
/// the header is absent, damaged or late, an error: the connection must end (HB3).
pub async fn client_of(stream: &mut (impl AsyncRead + Unpin), peer: IpAddr, proxies: &[Network]) -> io::Result<IpAddr> {
    if proxies.is_empty() {
        return Ok(peer);
    }
    if !proxies.iter().any(|network| network.contains(peer)) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the peer is no proxy that the listener trusts"));
    }
    let header = tokio::time::timeout(PATIENCE, read(stream)).await??;
    let said = parse(&header).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a header of the PROXY protocol"))?;
    Ok(match said {
        // What is loopback to the proxy is not loopback here: a password in plain did travel.
        Said::Client(address) if address.is_loopback() && !peer.is_loopback() => peer,
        Said::Client(address) => address,
        Said::Itself => peer,
    })
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// Whose connection it is.
    Client(IpAddr),
    /// It is the proxy's own, or it does not know.
    Itself,
}

/// Reads one header and not an octet more.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut header = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut header).await?;
    if header.as_slice() != SIGNATURE {
        while !header.ends_with(b"\n") && header.len() < LONGEST_LINE && header.starts_with(b"PROXY ") {
            header.push(stream.read_u8().await?);
        }
        return Ok(header);
    }
    let mut fixed = [0; FIXED - SIGNATURE.len()];
    stream.read_exact(&mut fixed).await?;
    let [_, _, high, low] = fixed;
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > LONGEST_REST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    header.extend(fixed);
    header.resize(FIXED + rest, 0);
    stream.read_exact(header.get_mut(FIXED..).unwrap_or_default()).await?;
    Ok(header)
}

/// What a whole header says; `None` where it is none.
fn parse(header: &[u8]) -> Option<Said> {
    let client = |address: IpAddr| Said::Client(address.to_canonical());
    if header.starts_with(SIGNATURE) {
        let header = v2::Header::try_from(header).ok()?;
        return Some(match (header.command, header.addresses) {
            (v2::Command::Local, _) | (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => Said::Itself,
            (v2::Command::Proxy, v2::Addresses::IPv4(pair)) => client(pair.source_address.into()),
            (v2::Command::Proxy, v2::Addresses::IPv6(pair)) => client(pair.source_address.into()),
        });
    }
    match v1::Header::try_from(header).ok()?.addresses {
        v1::Addresses::Unknown => Some(Said::Itself),
        v1::Addresses::Tcp4(pair) => Some(client(pair.source_address.into())),
        v1::Addresses::Tcp6(pair) => Some(client(pair.source_address.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRUSTED: &str = "10.0.0.0/8";

    async fn client(peer: &str, octets: &[u8]) -> (io::Result<IpAddr>, Vec<u8>) {
        let mut stream = octets;
        let found = client_of(&mut stream, peer.parse().unwrap(), &[Network::parse(TRUSTED).unwrap()]).await;
        (found, stream.to_vec())
    }

    fn version_2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[0x20 | command, family][..], &length, addresses, b"rest"].concat()
    }

    #[tokio::test]
    async fn both_versions_name_the_client_and_leave_the_rest() {
        let four = [192, 0, 2, 7, 10, 0, 0, 1, 0, 80, 1, 133];
        let mut six = [0; 36];
        six[..2].copy_from_slice(&[0x20, 0x01]);
        six[15] = 9;
        let mapped = [&[0; 10][..], &[0xff, 0xff, 192, 0, 2, 8], &[0; 20]].concat();
        for (octets, expected) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 389\r\nrest".to_vec(), "192.0.2.7"),
            (b"PROXY TCP6 2001::9 2001::1 5000 389\r\nrest".to_vec(), "2001::9"),
            (b"PROXY UNKNOWN\r\nrest".to_vec(), "10.1.1.1"),
            (b"PROXY UNKNOWN ff ff 1 2\r\nrest".to_vec(), "10.1.1.1"),
            (version_2(1, 0x11, &four), "192.0.2.7"),
            (version_2(1, 0x11, &[&four[..], &[0x04, 0, 1, 0]].concat()), "192.0.2.7"),
            (version_2(1, 0x21, &six), "2001::9"),
            (version_2(1, 0x21, &mapped), "192.0.2.8"),
            (version_2(0, 0x11, &four), "10.1.1.1"),
            (version_2(0, 0, &[]), "10.1.1.1"),
            (b"PROXY TCP4 127.0.0.1 10.0.0.1 5000 389\r\nrest".to_vec(), "10.1.1.1"),
        ] {
            let (found, rest) = client("10.1.1.1", &octets).await;
            assert_eq!((found.unwrap().to_string().as_str(), rest.as_slice()), (expected, &b"rest"[..]), "{octets:?}");
        }
    }

    #[tokio::test]
    async fn hb3_an_untrusted_peer_never_changes_its_address() {
        let header = b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 389\r\nrest";
        let (found, rest) = client("192.0.2.1", header).await;
        assert_eq!((found.unwrap_err().kind(), rest.as_slice()), (io::ErrorKind::PermissionDenied, &header[..]));
        let mut stream = &header[..];
        let found = client_of(&mut stream, "192.0.2.1".parse().unwrap(), &[]).await.unwrap();
        assert_eq!((found.to_string().as_str(), stream), ("192.0.2.1", &header[..]), "a listener without proxies reads no header");
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200], b"\r\n"].concat();
        let mut longer = version_2(1, 0x11, &[0; 12]);
        longer[14] = 0xff;
        for refused in [
            &b""[..],
            b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00",
            b"PROXY TCP4 1.2.3.4\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 389\n",
            b"proxy TCP4 192.0.2.7 10.0.0.1 5000 389\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 389",
            &long,
            &longer,
            &version_2(3, 0x11, &[0; 12]),
            &version_2(1, 0x11, &[0; 3]),
        ] {
            assert!(client("10.1.1.1", refused).await.0.is_err(), "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(signed: bool, octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let octets = if signed { [SIGNATURE, octets.as_slice()].concat() } else { [b"PROXY ", octets.as_slice()].concat() };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let (found, rest) = runtime.block_on(client("10.1.1.1", &octets));
            prop_assert!(rest.len() < octets.len() || found.is_err());
        }
    }
}
