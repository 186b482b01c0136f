//! The header of the PROXY protocol, versions 1 and 2, in which a load balancer names the client of
//! a connection (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Maximum length of a header, in bytes: 16 bytes and the largest block of addresses and extensions
/// that is accepted. A header of version 1 has at most `MAX_LINE_BYTES`.
pub const MAX_HEADER_BYTES: usize = 536;

/// The signature of version 2 (section 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Length of the fixed part of version 2, in bytes.
const FIXED_BYTES: usize = 16;
/// Maximum length of a line of version 1 with its line end, in bytes (section 2.1).
const MAX_LINE_BYTES: usize = 107;
/// The shortest header of all, `PROXY UNKNOWN` with its line end, is longer than the signature.
const MIN_HEADER_BYTES: usize = SIGNATURE.len();

/// What is known after some bytes of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The header has at least this many bytes. Reading exactly as many never takes a byte of what
    /// follows the header.
    AtLeast(usize),
    /// The header is complete. It names a client, or none: the connection is the load balancer's
    /// own, or from a client without an address.
    Complete(Option<SocketAddr>),
}

/// The bytes are not a header that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no valid PROXY protocol header")]
pub struct InvalidProxyHeader;

/// Reads the beginning of a connection, without what follows the header.
///
/// # Errors
/// The bytes cannot become a valid header.
pub fn parse(bytes: &[u8]) -> Result<ProxyHeader, InvalidProxyHeader> {
    let (begins_first, begins_second) = (starts(bytes, b"PROXY "), starts(bytes, SIGNATURE));
    match bytes.len() < MIN_HEADER_BYTES {
        true if begins_first || begins_second => Ok(ProxyHeader::AtLeast(MIN_HEADER_BYTES)),
        false if begins_first => line(bytes),
        false if begins_second => binary(bytes),
        _ => Err(InvalidProxyHeader),
    }
}

/// Whether one of the two begins with the other.
fn starts(bytes: &[u8], with: &[u8]) -> bool {
    bytes.iter().zip(with).all(|(one, other)| one == other)
}

/// Version 1: one line of text (section 2.1).
fn line(bytes: &[u8]) -> Result<ProxyHeader, InvalidProxyHeader> {
    if let Some(text) = bytes.strip_suffix(b"\r\n") {
        let text = std::str::from_utf8(text).map_err(|_| InvalidProxyHeader)?;
        return addresses(text).map(ProxyHeader::Complete);
    }
    let (before, last) = bytes.split_last().map_or((bytes, b' '), |it| (it.1, *it.0));
    if before.iter().any(|it| matches!(it, b'\r' | b'\n')) || last == b'\n' {
        return Err(InvalidProxyHeader);
    }
    let needed = bytes.len() + if last == b'\r' { 1 } else { 2 };
    if needed > MAX_LINE_BYTES {
        return Err(InvalidProxyHeader);
    }
    let shortest: &[u8] = match bytes.get(..11) {
        Some(b"PROXY TCP4 ") => b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
        Some(b"PROXY TCP6 ") => b"PROXY TCP6 :: :: 1 1\r\n",
        _ => b"PROXY UNKNOWN\r\n",
    };
    Ok(ProxyHeader::AtLeast(needed.max(shortest.len())))
}

fn addresses(text: &str) -> Result<Option<SocketAddr>, InvalidProxyHeader> {
    let mut words = text.split(' ').skip(1);
    let source = match words.next() {
        // The rest of the line has no meaning (section 2.1).
        Some("UNKNOWN") => return Ok(None),
        Some("TCP4") => pair::<Ipv4Addr>(&mut words),
        Some("TCP6") => pair::<Ipv6Addr>(&mut words),
        _ => None,
    };
    let (source, _destination) = source.ok_or(InvalidProxyHeader)?;
    let ports = (words.next().and_then(port), words.next().and_then(port), words.next());
    match ports {
        (Some(port), Some(_), None) => Ok(Some(SocketAddr::new(source, port))),
        _ => Err(InvalidProxyHeader),
    }
}

fn pair<'a, T: FromStr + Into<IpAddr>>(
    words: &mut impl Iterator<Item = &'a str>,
) -> Option<(IpAddr, IpAddr)> {
    let mut next = || words.next()?.parse::<T>().ok().map(Into::into);
    Some((next()?, next()?))
}

/// A decimal number without sign and leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_plain =
        text.bytes().all(|it| it.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// Version 2: a fixed part, addresses, and extensions, which are not read (section 2.2).
fn binary(bytes: &[u8]) -> Result<ProxyHeader, InvalidProxyHeader> {
    let Some((fixed, block)) = bytes.split_first_chunk::<FIXED_BYTES>() else {
        return Ok(ProxyHeader::AtLeast(FIXED_BYTES));
    };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let total = FIXED_BYTES + length;
    if total > MAX_HEADER_BYTES || block.len() > length {
        return Err(InvalidProxyHeader);
    }
    if block.len() < length {
        return Ok(ProxyHeader::AtLeast(total));
    }
    let client = match (command, family) {
        // LOCAL: the load balancer's own connection, for example a health check.
        (0x20, _) => None,
        // PROXY with TCP over IPv4 or IPv6, a unix socket, or an unspecified family.
        (0x21, 0x11) => Some(source::<4, 12>(block)?),
        (0x21, 0x21) => Some(source::<16, 36>(block)?),
        (0x21, 0x31) if block.len() >= 216 => None,
        (0x21, 0x00) => None,
        _ => return Err(InvalidProxyHeader),
    };
    Ok(ProxyHeader::Complete(client))
}

/// Source and destination address, then source and destination port.
fn source<const ADDRESS: usize, const BLOCK: usize>(
    block: &[u8],
) -> Result<SocketAddr, InvalidProxyHeader>
where
    IpAddr: From<[u8; ADDRESS]>,
{
    let addresses = block.first_chunk::<BLOCK>().ok_or(InvalidProxyHeader)?;
    let address = addresses.first_chunk::<ADDRESS>().ok_or(InvalidProxyHeader)?;
    let [high, low, ..] = *addresses.get(2 * ADDRESS..).unwrap_or_default() else {
        return Err(InvalidProxyHeader);
    };
    Ok(SocketAddr::new(IpAddr::from(*address), u16::from_be_bytes([high, low])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads as a connection is read: never more than the parser asks for. Returns the bytes taken.
    fn read(stream: &[u8]) -> Result<(usize, Option<SocketAddr>), InvalidProxyHeader> {
        let mut taken = 0;
        loop {
            match parse(&stream[..taken])? {
                ProxyHeader::Complete(client) => return Ok((taken, client)),
                ProxyHeader::AtLeast(count) => {
                    assert!(count > taken && count <= MAX_HEADER_BYTES, "{count} after {taken}");
                    if count > stream.len() {
                        return Err(InvalidProxyHeader);
                    }
                    // Whatever arrives in smaller parts is no fault.
                    for part in taken..count {
                        assert!(matches!(parse(&stream[..part])?, ProxyHeader::AtLeast(_)));
                    }
                    taken = count;
                }
            }
        }
    }

    fn second(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, block].concat()
    }

    const FOUR: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 4, 1, 187];

    #[test]
    fn a_header_names_the_client_and_nothing_behind_it_is_taken() {
        let six: Vec<u8> = [
            &"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets()[..],
            &[0; 16],
            &[0x10, 0x92, 1, 187],
        ]
        .concat();
        let long = [FOUR, &[4; 508]].concat();
        for (header, client) in [
            (b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec(), Some("192.0.2.1:56324")),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n".to_vec(), Some("1.1.1.1:1")),
            (b"PROXY TCP6 2001:db8::7 :: 4242 443\r\n".to_vec(), Some("[2001:db8::7]:4242")),
            (b"PROXY TCP6 :: :: 0 0\r\n".to_vec(), Some("[::]:0")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff:f...f:ffff 65535 65535\r\n".to_vec(), None),
            (second(0x21, 0x11, FOUR), Some("192.0.2.1:56324")),
            (second(0x21, 0x11, &long), Some("192.0.2.1:56324")),
            (second(0x21, 0x21, &six), Some("[2001:db8::7]:4242")),
            (second(0x21, 0x31, &[b'/'; 216]), None),
            (second(0x21, 0x00, b""), None),
            (second(0x20, 0x11, FOUR), None),
            (second(0x20, 0x00, b""), None),
        ] {
            let stream = [&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
            let client = client.map(|it| it.parse().unwrap());
            let shown = String::from_utf8_lossy(&header).into_owned();
            assert_eq!(read(&stream), Ok((header.len(), client)), "{shown}");
        }
    }

    #[test]
    fn whatever_is_no_header_is_refused() {
        let too_long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
        for bytes in [
            &b"GET / HTTP/1.1\r\nhost: app.example.com\r\n\r\n"[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaa",
            b"proxy TCP4 192.0.2.1 198.51.100.1 56324 443\r\n",
            b"PROXY  TCP4 192.0.2.1 198.51.100.1 56324 443\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 \r\n",
            b"PROXY TCP4 192.0.2.1  198.51.100.1 56324 443\r\n",
            b"PROXY TCP4 192.0.2.1\r198.51.100.1 56324 443\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n        ",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 +80 443\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 080 443\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n",
            b"PROXY TCP4 192.0.2.01 198.51.100.1 80 443\r\n",
            b"PROXY TCP4 192.0.2.256 198.51.100.1 80 443\r\n",
            b"PROXY TCP4 2001:db8::7 :: 80 443           \r\n",
            b"PROXY TCP6 192.0.2.1 198.51.100.1 80 443\r\n",
            b"PROXY TCP6 fe80::1%eth0 :: 80 443\r\n",
            b"PROXY UDP4 192.0.2.1 198.51.100.1 80 443\r\n",
            b"PROXY UNKNOWN\xff\r\n",
            too_long.as_bytes(),
            &second(0x21, 0x12, FOUR),
            &second(0x21, 0x11, &FOUR[..11]),
            &second(0x21, 0x21, &[0; 35]),
            &second(0x21, 0x31, &[0; 215]),
            &second(0x22, 0x11, FOUR),
            &second(0x11, 0x11, FOUR),
            &second(0x21, 0x11, &[0; 521]),
        ] {
            let shown = String::from_utf8_lossy(bytes);
            assert_eq!(read(bytes), Err(InvalidProxyHeader), "{shown}");
        }
    }
}
