//! As much of LDAP as the load needs, in octets.

/// The tree that `benches/run` generates.
const PEOPLE: &str = "ou=people,dc=example,dc=com";
const SUFFIX: &str = "dc=example,dc=com";

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// One entry by its name.
    Base,
    /// A bind with the password of a user, kept as argon2id.
    Bind,
    /// One entry by its uid.
    Equality,
    /// The group of a user.
    Member,
    /// A changed description.
    Modify,
    /// A hundred entries by the beginning of their cn.
    Prefix,
}

impl Operation {
    /// By its name on the command line.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "base" => Self::Base,
            "bind" => Self::Bind,
            "equality" => Self::Equality,
            "member" => Self::Member,
            "modify" => Self::Modify,
            "prefix" => Self::Prefix,
            _ => return None,
        })
    }

    /// How many entries each answer has.
    pub(crate) const fn entries(self) -> u64 {
        match self {
            Self::Base | Self::Equality | Self::Member => 1,
            Self::Bind | Self::Modify => 0,
            Self::Prefix => 100,
        }
    }

    /// Appends a request about the user of this number.
    pub(crate) fn request(self, id: u32, user: u32, out: &mut Vec<u8>) {
        let dn = || format!("uid=user{user:06},{PEOPLE}");
        let message = match self {
            Self::Base => search(id, &dn(), 0, &tlv(0x87, &[b"objectClass"])),
            Self::Bind => bind(id, &dn(), "the password of every user"),
            Self::Equality => search(id, SUFFIX, 2, &tlv(0xa3, &[&octets("uid"), &octets(&format!("user{user:06}"))])),
            Self::Member => search(id, SUFFIX, 2, &tlv(0xa3, &[&octets("member"), &octets(&dn())])),
            Self::Modify => modify(id, &dn(), &format!("description after request {id}")),
            Self::Prefix => {
                let initial = tlv(0x80, &[format!("name-{:04}-", user / 100).as_bytes()]);
                search(id, SUFFIX, 2, &tlv(0xa4, &[&octets("cn"), &tlv(0x30, &[&initial])]))
            }
        };
        out.extend_from_slice(&message);
    }
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(length as u8),
        0x80..=0xff => out.extend([0x81, length as u8]),
        _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

fn octets(text: &str) -> Vec<u8> {
    tlv(0x04, &[text.as_bytes()])
}

fn message(id: u32, operation: &[u8]) -> Vec<u8> {
    // Five octets, of which the shortest INTEGER keeps what it needs.
    let octets = (u64::from(id)).to_be_bytes();
    let start = (3..7).find(|at| octets[*at] != 0 || octets[*at + 1] & 0x80 != 0).unwrap_or(7);
    tlv(0x30, &[&tlv(0x02, &[&octets[start..]]), operation])
}

/// A BindRequest.
pub(crate) fn bind(id: u32, name: &str, password: &str) -> Vec<u8> {
    message(id, &tlv(0x60, &[&[2, 1, 3], &octets(name), &tlv(0x80, &[password.as_bytes()])]))
}

fn search(id: u32, base: &str, scope: u8, filter: &[u8]) -> Vec<u8> {
    let fixed = [0x0a, 1, scope, 0x0a, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0];
    message(id, &tlv(0x63, &[&octets(base), &fixed, filter, &[0x30, 0]]))
}

fn modify(id: u32, dn: &str, description: &str) -> Vec<u8> {
    let attribute = tlv(0x30, &[&octets("description"), &tlv(0x31, &[&octets(description)])]);
    let change = tlv(0x30, &[&[0x0a, 1, 2], &attribute]);
    message(id, &tlv(0x66, &[&octets(dn), &tlv(0x30, &[&change])]))
}

/// A message of the server, as far as it matters here.
pub(crate) struct Answer {
    /// The message id.
    pub(crate) id: u32,
    /// An entry, and not a result.
    pub(crate) is_entry: bool,
    /// The result code.
    pub(crate) code: u8,
}

/// What came and was not looked at yet.
pub(crate) struct Incoming {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Default for Incoming {
    fn default() -> Self {
        Self { buffer: vec![0; 256 << 10], start: 0, end: 0 }
    }
}

impl Incoming {
    /// Where more can be read to.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            self.buffer.resize(self.end * 2, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// So much was read.
    pub(crate) fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// The next message, where it is whole.
    pub(crate) fn take(&mut self) -> Option<Answer> {
        let (content, length) = header(&self.buffer[self.start..self.end])?;
        if self.start + content + length > self.end {
            return None;
        }
        let inner = &self.buffer[self.start + content..self.start + content + length];
        self.start += content + length;
        let (at, width) = header(inner).expect("a message id");
        let id = inner[at..at + width].iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet));
        let operation = &inner[at + width..];
        let is_entry = operation[0] == 0x64;
        let code = if is_entry { 0 } else { operation[header(operation).expect("an operation").0 + 2] };
        Some(Answer { id, is_entry, code })
    }
}

/// Length of a header and of what it announces.
fn header(octets: &[u8]) -> Option<(usize, usize)> {
    let first = *octets.get(1)?;
    if first & 0x80 == 0 {
        return Some((2, usize::from(first)));
    }
    let count = usize::from(first & 0x7f);
    let length = octets.get(2..2 + count)?.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
    Some((2 + count, length))
}

/// The same numbers in every run.
pub(crate) struct Random(u64);

impl Random {
    /// Begins a sequence.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below this one.
    pub(crate) const fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) % bound as u64) as u32
    }
}
