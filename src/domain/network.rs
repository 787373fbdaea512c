//! Networks in CIDR form, of both families.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The bits of an IPv4 address that is written as an IPv6 one.
const MAPPED_BITS: u8 = 96;

/// Some addresses that begin alike. IPv4 ones stand as `::ffff:a.b.c.d`, so that both ways to write one are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: u128,
    /// How many bits are the same, of 128.
    bits: u8,
}

/// A text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseNetworkError {
    /// It has another form.
    #[error("not of the form 10.0.0.0/8 or 2001:db8::/32")]
    Form,
    /// There are bits after the prefix.
    #[error("bits after the prefix are set; is a single address meant, or a wider network?")]
    Bits,
}

impl Network {
    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        (number(address) ^ self.base) & mask(self.bits) == 0
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(short) => short.to_ipv6_mapped().to_bits(),
        IpAddr::V6(long) => long.to_bits(),
    }
}

fn mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0)
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    /// An address and the length of its prefix; without a length it is the one address.
    fn from_str(text: &str) -> Result<Network, ParseNetworkError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ParseNetworkError::Form)?;
        let (whole, before) = if address.is_ipv4() { (32, MAPPED_BITS) } else { (128, 0) };
        let digits =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u8>().ok()).flatten();
        let length = match length {
            Some(text) => digits(text).filter(|length| *length <= whole).ok_or(ParseNetworkError::Form)?,
            None => whole,
        };
        let network = Network { base: number(address), bits: before + length };
        if network.base & !mask(network.bits) != 0 {
            return Err(ParseNetworkError::Bits);
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from_bits(self.base);
        match (address.to_ipv4_mapped(), self.bits.checked_sub(MAPPED_BITS)) {
            (Some(short), Some(bits)) => write!(f, "{short}/{bits}"),
            _ => write!(f, "{address}/{}", self.bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn an_address_lies_in_the_networks_that_it_begins_like() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
            ("0.0.0.0/0", "255.255.255.255", "2001:db8::1"),
        ] {
            assert!(contains(network, inside) && !contains(network, outside), "{network}");
        }
        assert!(contains("::/0", "10.0.0.1") && contains("::/0", "2001:db8::1"));
    }

    #[test]
    fn a_network_reads_back_and_what_is_none_is_refused() {
        for text in ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "::/0", "0.0.0.0/0"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!("10.1.2.3/8".parse::<Network>(), Err(ParseNetworkError::Bits));
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "::/129",
            "campus",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(ParseNetworkError::Form), "{bad}");
        }
    }
}
