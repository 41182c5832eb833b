//! Networks of addresses, as the config names them.

use std::net::{IpAddr, Ipv6Addr};

/// A network of addresses, `10.1.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

impl Network {
    /// Reads `10.1.0.0/16`, `fd00::/8` or a single address; bits beyond the prefix must be 0.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse::<IpAddr>().ok()?, Some(prefix.parse::<u8>().ok()?)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        let width = if address.is_ipv4() { 32 } else { 128 };
        let network = Self { address, prefix: prefix.unwrap_or(width) };
        (network.prefix <= width && network.masked(address) == network.masked_bits()).then_some(network)
    }

    /// Whether the address is of this network. A mapped IPv4 address counts as what it maps.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && self.masked(address) == self.masked_bits()
    }

    fn masked_bits(&self) -> u128 {
        bits(self.address)
    }

    fn masked(&self, address: IpAddr) -> u128 {
        let width: u32 = if self.address.is_ipv4() { 32 } else { 128 };
        let dropped = width.saturating_sub(u32::from(self.prefix));
        bits(address).checked_shr(dropped).and_then(|kept| kept.checked_shl(dropped)).unwrap_or(0)
    }
}

/// What a peer is counted by: an IPv4 address, or an IPv6 network of 64 bits, since one peer has all of it. A mapped IPv4
/// address is what it maps.
pub fn peer_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
        address => address,
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let network = Network::parse("10.1.0.0/16").unwrap();
        assert!(network.contains("10.1.2.3".parse().unwrap()) && network.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!network.contains("10.2.0.1".parse().unwrap()) && !network.contains("fd00::1".parse().unwrap()));
        assert!(Network::parse("0.0.0.0/0").unwrap().contains("8.8.8.8".parse().unwrap()));
        assert!(Network::parse("fd00::/8").unwrap().contains("fdff::1".parse().unwrap()));
        for refused in ["10.1.0.0/33", "10.1.0.1/16", "ten", "10.1.0.0/", "/8", ""] {
            assert_eq!(Network::parse(refused), None, "{refused}");
        }
    }
}
