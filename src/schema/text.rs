//! Reading the text forms of values (RFC 4517 §3.3), and their keys.

use super::InvalidValue;
use std::borrow::Cow;
use std::io::Write;

/// Appends a key of a whole number whose order as octets is the order of numbers, however long they are: a sign, how many
/// digits, the digits; the latter two inverted below zero.
pub(super) fn put_integer(value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
    let (negative, digits) = integer(value)?;
    let length = u16::try_from(digits.len()).map_err(|_| InvalidValue("a whole number of more than 65535 digits"))?;
    if negative {
        out.push(b'-');
        out.extend(length.to_be_bytes().iter().chain(digits).map(|octet| !octet));
    } else {
        out.push(b'0');
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(digits);
    }
    Ok(())
}

/// Sign and digits of an INTEGER (RFC 4517 §3.3.16): no leading zeros, no minus zero.
pub(super) fn integer(value: &[u8]) -> Result<(bool, &[u8]), InvalidValue> {
    let (negative, digits) = value.strip_prefix(b"-").map_or((false, value), |digits| (true, digits));
    let fine = match digits {
        [] => false,
        [b'0'] => !negative,
        [first, ..] => *first != b'0' && digits.iter().all(u8::is_ascii_digit),
    };
    if fine { Ok((negative, digits)) } else { Err(InvalidValue("not a whole number")) }
}

/// A whole number as bits, for the two rules that look at them.
pub(super) fn bits(value: &[u8]) -> Result<i64, InvalidValue> {
    integer(value)?;
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(InvalidValue("a whole number of more than 64 bits"))
}

/// Appends `TRUE` or `FALSE` (RFC 4517 §3.3.3).
pub(super) fn put_boolean(value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
    match value {
        b"TRUE" | b"FALSE" => out.extend_from_slice(value),
        _ => return Err(InvalidValue("neither TRUE nor FALSE")),
    }
    Ok(())
}

/// The bits of `'0101'B`, as text.
pub(super) fn bit_string(value: &[u8]) -> Result<&[u8], InvalidValue> {
    let bits = value.strip_prefix(b"'").and_then(|rest| rest.strip_suffix(b"'B"));
    bits.filter(|bits| bits.iter().all(|octet| matches!(octet, b'0' | b'1'))).ok_or(InvalidValue("not a bit string such as '0101'B"))
}

/// The two halves of a Name And Optional UID, `cn=x#'01'B`.
pub(super) fn name_and_uid(value: &[u8]) -> (&[u8], Option<&[u8]>) {
    let hash = memchr::memrchr(b'#', value);
    let split = hash.and_then(|at| Some((value.get(..at)?, value.get(at + 1..)?)));
    match split {
        Some((name, uid)) => bit_string(uid).map_or((value, None), |bits| (name, Some(bits))),
        None => (value, None),
    }
}

/// Appends the sixteen octets of a UUID (RFC 4530).
pub(super) fn put_uuid(value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
    let uuid = if value.len() == 36 { uuid::Uuid::try_parse_ascii(value).ok() } else { None };
    out.extend_from_slice(uuid.ok_or(InvalidValue("not a UUID"))?.as_bytes());
    Ok(())
}

/// Appends a change sequence number, `20200224023755.130368Z#000000#000#000000`, hexadecimal digits in lower case.
pub(super) fn put_csn(value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
    const SHAPE: &[u8] = b"dddddddddddddd.ddddddZ#xxxxxx#xxx#xxxxxx";
    let fits = value.len() == SHAPE.len()
        && value.iter().zip(SHAPE).all(|(octet, shape)| match shape {
            b'd' => octet.is_ascii_digit(),
            b'x' => octet.is_ascii_hexdigit(),
            separator => octet == separator,
        });
    if !fits {
        return Err(InvalidValue("not a change sequence number"));
    }
    out.extend(value.iter().map(|octet| if *octet == b'Z' { b'Z' } else { octet.to_ascii_lowercase() }));
    Ok(())
}

/// Undoes the escapes of two hexadecimal digits that postal addresses and substring assertions use.
pub(super) fn unescape(value: &[u8]) -> Result<Cow<'_, [u8]>, InvalidValue> {
    if !value.contains(&b'\\') {
        return Ok(Cow::Borrowed(value));
    }
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        if octet != b'\\' {
            plain.push(octet);
            continue;
        }
        let escaped = match after {
            [b'2', b'4', ..] => b'$',
            [b'2', b'A' | b'a', ..] => b'*',
            [b'5', b'C' | b'c', ..] => b'\\',
            _ => return Err(InvalidValue("a backslash stands before 24, 2A or 5C only")),
        };
        plain.push(escaped);
        rest = after.get(2..).unwrap_or_default();
    }
    Ok(Cow::Owned(plain))
}

/// The words of prepared text: letters and digits without a break.
pub(super) fn words(prepared: &[u8]) -> impl Iterator<Item = &[u8]> {
    prepared.split(|octet| octet.is_ascii() && !octet.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

/// A Generalized Time (RFC 4517 §3.3.13) taken apart.
struct Parts<'a> {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: Option<i8>,
    second: Option<i8>,
    fraction: &'a [u8],
    /// Minutes east of Greenwich.
    offset: i64,
}

/// Appends a key of a Generalized Time: UTC, `YYYYMMDDHHMMSS`, then `.` and the fraction without trailing zeros.
/// Its order as octets is the order of time. Exact for fractions of a second of any length, to the nanosecond for
/// fractions of a minute or an hour.
pub(super) fn put_time(value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
    time_key(value, out).ok_or(InvalidValue("not a generalized time such as 20260102030405Z"))
}

fn time_key(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let parts = time_parts(value)?;
    let second = parts.second.unwrap_or(0);
    let (second, leap) = if second == 60 { (59, 1) } else { (second, 0) };
    let civil = jiff::civil::DateTime::new(parts.year, parts.month, parts.day, parts.hour, parts.minute.unwrap_or(0), second, 0).ok()?;
    let (nanos, digits) = match (parts.minute, parts.second) {
        (_, Some(_)) => (0, Cow::Borrowed(parts.fraction)),
        (minute, None) => {
            let unit = if minute.is_some() { 60 } else { 3600 };
            let digits = parts.fraction.iter().take(9);
            let (sum, scale) = digits.fold((0_i64, 1_i64), |(sum, scale), digit| (sum * 10 + i64::from(digit - b'0'), scale * 10));
            let nanos = i128::from(sum) * i128::from(unit) * 1_000_000_000 / i128::from(scale);
            let nanos = i64::try_from(nanos).ok()?;
            (nanos, Cow::Owned(format!("{:09}", nanos % 1_000_000_000).into_bytes()))
        }
    };
    let shift = jiff::SignedDuration::from_secs(leap + nanos / 1_000_000_000 - parts.offset * 60);
    let utc = civil.checked_add(shift).ok().filter(|utc| (0..=9999).contains(&utc.year()))?;
    let (year, month, day) = (utc.year(), utc.month(), utc.day());
    write!(out, "{year:04}{month:02}{day:02}{:02}{:02}{:02}", utc.hour(), utc.minute(), utc.second()).ok()?;
    let kept = digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
    if kept > 0 {
        out.push(b'.');
        out.extend_from_slice(digits.get(..kept)?);
    }
    Some(())
}

fn time_parts(value: &[u8]) -> Option<Parts<'_>> {
    let number = |from: usize, to: usize| -> Option<i16> {
        let digits = value.get(from..to).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    };
    let pair = |from: usize| number(from, from + 2).and_then(|number| i8::try_from(number).ok());
    let minute = pair(10);
    let second = minute.and_then(|_| pair(12));
    let mut rest = value.get(10 + 2 * (usize::from(minute.is_some()) + usize::from(second.is_some()))..)?;
    let mut fraction = &[][..];
    if let [b'.' | b',', after @ ..] = rest {
        let digits = after.iter().take_while(|octet| octet.is_ascii_digit()).count();
        (fraction, rest) = after.split_at_checked(digits).filter(|(digits, _)| !digits.is_empty())?;
    }
    let offset = time_zone(rest)?;
    Some(Parts { year: number(0, 4)?, month: pair(4)?, day: pair(6)?, hour: pair(8)?, minute, second, fraction, offset })
}

/// `Z`, `+hh` or `+hhmm`, in minutes.
fn time_zone(zone: &[u8]) -> Option<i64> {
    let (sign, digits) = match zone {
        [b'Z'] => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()))?;
    let (hours, minutes) = match text.len() {
        2 => (text.parse::<i64>().ok()?, 0),
        4 => (text.get(..2)?.parse().ok()?, text.get(2..)?.parse::<i64>().ok()?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// Whether it is a UTC Time (RFC 4517 §3.3.34), `YYMMDDhhmm[ss]` and perhaps a zone.
pub(super) fn is_utc_time(value: &[u8]) -> bool {
    let digits = value.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let Some((digits, zone)) = value.split_at_checked(digits).filter(|(digits, _)| matches!(digits.len(), 10 | 12)) else { return false };
    // The century does not matter to the calendar but for 29 February of 1900, which nobody means.
    let full = [b"20", digits, b"Z"].concat();
    let zoned = zone.is_empty() || (zone.len() != 3 && time_zone(zone).is_some());
    zoned && time_key(&full, &mut Vec::new()).is_some()
}
