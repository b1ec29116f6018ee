//! Networks in CIDR notation: who is answered at all.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An IP network such as `192.0.2.0/24`, `2001:db8::/32`, or one address (RFC 4632 §3.1, RFC 4291 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix_len: u8,
}

/// Text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The part before the slash is no IP address.
    #[error("not an IP address")]
    Address,
    /// The part after the slash is no number, or more than the address has bits.
    #[error("the prefix length must be a number from 0 to {max}")]
    PrefixLen {
        /// Bits of an address of this family.
        max: u8,
    },
    /// Bits below the prefix are set: `192.0.2.7/24` is more likely a slip than a network.
    #[error("the address has bits below its prefix")]
    HostBits,
}

impl Network {
    /// Whether `address` lies within. An IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2) counts as IPv4: that is how
    /// a dual-stack socket reports it.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(host)) => {
                let shift = 32 - u32::from(self.prefix_len);
                (net.to_bits() ^ host.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(host)) => {
                let shift = 128 - u32::from(self.prefix_len);
                (net.to_bits() ^ host.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| NetworkError::Address)?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_len = match prefix {
            Some(text) => text.trim().parse().ok().filter(|len| *len <= max).ok_or(NetworkError::PrefixLen { max })?,
            None => max,
        };
        let host_bits = match address {
            IpAddr::V4(a) => {
                u128::from(a.to_bits()) & !(u128::MAX.checked_shl(u32::from(32 - prefix_len)).unwrap_or(0))
            }
            IpAddr::V6(a) => a.to_bits() & !(u128::MAX.checked_shl(u32::from(128 - prefix_len)).unwrap_or(0)),
        };
        if host_bits != 0 {
            return Err(NetworkError::HostBits);
        }
        Ok(Self { address, prefix_len })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(network: &str, within: &[&str], outside: &[&str]) {
        let network: Network = network.parse().expect("a network");
        for host in within {
            assert!(network.contains(host.parse().expect("an address")), "{host} in {network}");
        }
        for host in outside {
            assert!(!network.contains(host.parse().expect("an address")), "{host} not in {network}");
        }
    }

    #[test]
    fn holds_its_own_addresses_only() {
        check("192.0.2.0/24", &["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.1"], &["192.0.3.0", "::1"]);
        check("127.0.0.1", &["127.0.0.1"], &["127.0.0.2"]);
        check("0.0.0.0/0", &["8.8.8.8"], &["::1"]);
        check("2001:db8::/33", &["2001:db8:7fff::1"], &["2001:db8:8000::1", "32.1.13.184"]);
        check("::/0", &["::1"], &["127.0.0.1"]);
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!("trunk".parse::<Network>(), Err(NetworkError::Address));
        assert_eq!("10.0.0.0/33".parse::<Network>(), Err(NetworkError::PrefixLen { max: 32 }));
        assert_eq!("10.0.0.0/x".parse::<Network>(), Err(NetworkError::PrefixLen { max: 32 }));
        assert_eq!("10.0.0.1/8".parse::<Network>(), Err(NetworkError::HostBits));
    }
}
