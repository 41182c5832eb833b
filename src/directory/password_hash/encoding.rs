//! How hashes are written down: base64 in its two alphabets, and decimal numbers within bounds.

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Padding is left out in argon2 strings, and elsewhere by some.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The alphabet of crypt(5), whose groups of 24 bits begin with the lowest six.
const CRYPT_ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Base64 without padding.
pub(super) fn to_base64(octets: &[u8]) -> String {
    BASE64.encode(octets)
}

/// Base64 with or without padding.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// Base64 in which `+` may be written `.`, as passlib and slapd's PBKDF2 do.
pub(super) fn adapted_base64(text: &str) -> Option<Vec<u8>> {
    base64(&text.replace('.', "+"))
}

/// A decimal number from 1 to `limit`, digits only.
pub(super) fn number(digits: &str, limit: u32) -> Option<u32> {
    let plain = digits.bytes().all(|octet| octet.is_ascii_digit());
    digits.parse().ok().filter(|number| plain && (1..=limit).contains(number))
}

/// The value of one character of crypt(5).
pub(super) fn crypt_digit(octet: u8) -> Option<u32> {
    CRYPT_ALPHABET.iter().position(|digit| *digit == octet).and_then(|at| u32::try_from(at).ok())
}

/// A number in characters of crypt(5), the lowest six bits first.
pub(super) fn crypt_number(text: &str) -> Option<u64> {
    text.bytes().rev().try_fold(0_u64, |sum, octet| Some(sum.checked_mul(64)? + u64::from(crypt_digit(octet)?)))
}

/// Octets in characters of crypt(5), in groups of three.
pub(super) fn crypt_octets(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    for group in text.as_bytes().chunks(4) {
        let bits = std::str::from_utf8(group).ok().and_then(crypt_number)?;
        out.extend(bits.to_le_bytes().into_iter().take(group.len() * 6 / 8));
    }
    Some(out)
}

/// Octets as characters of crypt(5), in groups of three.
pub(super) fn to_crypt(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len().div_ceil(3) * 4);
    for group in octets.chunks(3) {
        let bits = group.iter().rev().fold(0_usize, |sum, octet| sum << 8 | usize::from(*octet));
        let digits = (0..=group.len()).filter_map(|at| CRYPT_ALPHABET.get(bits >> (6 * at) & 63));
        out.extend(digits.map(|digit| char::from(*digit)));
    }
    out
}
