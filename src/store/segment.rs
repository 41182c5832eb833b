//! One file of the journal. It begins with a header that is synced before the file gets its name, so a damaged header
//! is damage and never a power cut. After it stand frames; behind the last one are zeros. Each frame is one group
//! commit, written and synced before the next is begun: so what is behind an unreadable frame tells a torn tail
//! (nothing, or rubbish) from damage (a later frame that is whole).

use super::disk::DiskFile;
use std::io;

/// Octets of the header of a segment.
pub(super) const HEADER: u64 = 40;
/// Octets of the header of a frame.
pub(super) const FRAME: usize = 24;

const SEGMENT_MAGIC: &[u8; 8] = b"hcjrnl\x00\x01";
const FRAME_MAGIC: &[u8; 4] = b"\xf2hcF";

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The sequence number of the first change set in it.
    pub first: u64,
    /// Random, and part of every checksum of the segment: what a client had us store can never pass for a frame.
    pub salt: [u8; 16],
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER as usize);
        out.extend_from_slice(SEGMENT_MAGIC);
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out
    }

    /// `None` where the octets are not a whole header.
    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let (body, sum) = octets.get(..HEADER as usize)?.split_last_chunk::<4>()?;
        let first = body.get(8..16)?.try_into().ok()?;
        let salt = body.get(16..32)?.try_into().ok()?;
        let whole = body.starts_with(SEGMENT_MAGIC) && crc32fast::hash(body) == u32::from_le_bytes(*sum);
        whole.then_some(Self { first: u64::from_le_bytes(first), salt })
    }
}

/// The header of a frame: magic, length of the payload, sequence of the first change set, count of change sets, checksum.
pub(super) fn frame_header(salt: &[u8; 16], first: u64, count: u32, payload: &[u8]) -> [u8; FRAME] {
    let mut out = [0; FRAME];
    let parts = [&FRAME_MAGIC[..], &(payload.len() as u32).to_le_bytes(), &first.to_le_bytes(), &count.to_le_bytes()];
    for (to, from) in out.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    let sum = checksum(salt, &out, payload).to_le_bytes();
    for (to, from) in out.iter_mut().rev().zip(sum.iter().rev()) {
        *to = *from;
    }
    out
}

/// The checksum covers the salt, the header up to the checksum itself, and the payload.
fn checksum(salt: &[u8; 16], header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(salt);
    hasher.update(header.get(..FRAME - 4).unwrap_or_default());
    hasher.update(payload);
    hasher.finalize()
}

/// A whole frame within the octets of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// The sequence number of its first change set.
    pub first: u64,
    /// How many change sets it has.
    pub count: u32,
    /// The change sets, each after its length in four octets.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The change sets with their sequence numbers.
    pub(super) fn change_sets(&self) -> impl Iterator<Item = (u64, &'a [u8])> + use<'a> {
        let mut rest = self.payload;
        (self.first..self.first.saturating_add(u64::from(self.count))).map_while(move |sequence| {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let (body, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = after;
            Some((sequence, body))
        })
    }

    /// How many octets it takes in the segment.
    pub(super) fn size(&self) -> usize {
        FRAME + self.payload.len()
    }
}

/// Reads the frame at the start of `octets`; `None` where there is none, or not a whole one.
fn frame<'a>(salt: &[u8; 16], octets: &'a [u8]) -> Option<Frame<'a>> {
    let (header, rest) = octets.split_first_chunk::<FRAME>()?;
    let after = header.strip_prefix(FRAME_MAGIC)?;
    let (length, after) = after.split_first_chunk::<4>()?;
    let (first, after) = after.split_first_chunk::<8>()?;
    let (count, after) = after.split_first_chunk::<4>()?;
    let (sum, _) = after.split_first_chunk::<4>()?;
    let payload = rest.get(..u32::from_le_bytes(*length) as usize)?;
    let whole = checksum(salt, header, payload) == u32::from_le_bytes(*sum);
    whole.then_some(Frame { first: u64::from_le_bytes(*first), count: u32::from_le_bytes(*count), payload })
}

/// A segment taken apart.
pub(super) struct Contents<'a> {
    /// Its header.
    pub header: Header,
    /// Its whole frames, in order.
    pub frames: Vec<Frame<'a>>,
    /// Change sets that stood before a whole frame and are damaged: the first lost, and the first whole one after it.
    pub gaps: Vec<(u64, u64)>,
    /// Where the next frame goes, in octets from the start of the file.
    pub end: u64,
    /// The sequence number of the next change set.
    pub next: u64,
    /// Whether anything but zeros stands there: a frame that was never finished.
    pub torn: bool,
}

/// Takes a segment apart; `None` where its header is damaged.
pub(super) fn parse(octets: &[u8]) -> Option<Contents<'_>> {
    let header = Header::decode(octets)?;
    let mut rest = octets.get(HEADER as usize..).unwrap_or_default();
    let mut next = header.first;
    let (mut frames, mut gaps) = (Vec::new(), Vec::new());
    loop {
        let found = match frame(&header.salt, rest).filter(|frame| frame.first == next) {
            Some(frame) => frame,
            None => {
                let Some((at, frame)) = later(&header.salt, next, rest) else { break };
                gaps.push((next, frame.first));
                rest = rest.get(at..).unwrap_or_default();
                frame
            }
        };
        next = found.first.saturating_add(u64::from(found.count));
        rest = rest.get(found.size()..).unwrap_or_default();
        frames.push(found);
    }
    let (end, torn) = ((octets.len() - rest.len()) as u64, rest.iter().any(|&octet| octet != 0));
    Some(Contents { header, frames, gaps, end, next, torn })
}

/// The first whole frame further on, and where it is: what stands before it was synced, and is damaged.
fn later<'a>(salt: &[u8; 16], next: u64, rest: &'a [u8]) -> Option<(usize, Frame<'a>)> {
    let all = memchr::memmem::find_iter(rest, FRAME_MAGIC).filter_map(|at| Some((at, frame(salt, rest.get(at..)?)?)));
    all.into_iter().find(|(_, frame)| frame.first > next)
}

/// Makes a file of `size` octets all written as zeros and synced, so that a later write into it needs no room and
/// changes no file metadata.
pub(super) fn fill(file: &dyn DiskFile, size: u64) -> io::Result<()> {
    const CHUNK: usize = 1 << 20;
    file.allocate(size)?;
    let zeros = vec![0; CHUNK];
    let mut at = 0;
    while at < size {
        let count = usize::try_from(size - at).unwrap_or(CHUNK).min(CHUNK);
        file.write_at(at, zeros.get(..count).unwrap_or_default())?;
        at += count as u64;
    }
    file.sync()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 16] = [7; 16];

    fn payload(bodies: &[&[u8]]) -> Vec<u8> {
        bodies.iter().flat_map(|body| [&(body.len() as u32).to_le_bytes()[..], body].concat()).collect()
    }

    fn segment(frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let mut octets = Header { first: 5, salt: SALT }.encode();
        for (first, payload) in frames {
            octets.extend_from_slice(&frame_header(&SALT, *first, 1, payload));
            octets.extend_from_slice(payload);
        }
        octets.extend_from_slice(&[0; 100]);
        octets
    }

    #[test]
    fn frames_are_read_as_written() {
        let octets = segment(&[(5, payload(&[b"one"])), (6, payload(&[b"two"]))]);
        let contents = parse(&octets).unwrap();
        assert_eq!((contents.frames.len(), contents.next, contents.torn), (2, 7, false));
        assert!(contents.gaps.is_empty());
        let read: Vec<_> = contents.frames.iter().flat_map(Frame::change_sets).collect();
        assert_eq!(read, [(5, &b"one"[..]), (6, &b"two"[..])]);
        assert_eq!(contents.end, octets.len() as u64 - 100);
    }

    #[test]
    fn a_damaged_last_frame_is_a_torn_tail_and_an_earlier_one_is_damage() {
        let whole = segment(&[(5, payload(&[b"one"])), (6, payload(&[b"two"]))]);
        let frames_end = whole.len() - 100;
        for at in HEADER as usize..frames_end {
            for bit in 0..8 {
                let mut octets = whole.clone();
                octets[at] ^= 1 << bit;
                let contents = parse(&octets).unwrap();
                let first_frame = at < HEADER as usize + FRAME + 7;
                let expected = if first_frame { (vec![(5, 6)], 7, false) } else { (vec![], 6, true) };
                assert_eq!((contents.gaps, contents.next, contents.torn), expected, "octet {at}, bit {bit}");
            }
        }
        for at in 0..HEADER as usize {
            let mut octets = whole.clone();
            octets[at] ^= 1;
            assert!(parse(&octets).is_none(), "octet {at}");
        }
    }

    #[test]
    fn a_stored_value_cannot_pass_for_a_frame() {
        // The client knows the format but not the salt.
        let inner = [&frame_header(&[0; 16], 99, 1, b"xx")[..], b"xx"].concat();
        let mut octets = segment(&[(5, payload(&[&inner]))]);
        octets[HEADER as usize + FRAME + 1] ^= 1;
        let contents = parse(&octets).unwrap();
        assert!(contents.torn && contents.gaps.is_empty() && contents.frames.is_empty());
    }
}
