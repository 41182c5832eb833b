//! The input of a command on the control socket, in parts: so that an end is known from a sender that died, after which
//! half a record must not be taken for a whole one. A part is its length in four octets, the highest first, and so many
//! octets. Length 0 is the end; [`UNREADABLE`] stands before the reason why the sender itself cannot read on.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use zeroize::Zeroizing;

/// The longest part, in octets: what claims more is no part.
const PART: usize = 64 << 10;
/// In place of a length: what follows up to the end is why there is no more.
const UNREADABLE: u32 = u32::MAX;
/// Octets of such a reason.
const REASON: u64 = 4 << 10;

/// Sends all of the input. Where that cannot be read its reason goes with it, and only the sending itself can fail.
pub(super) fn send(input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
    let mut buffer = Zeroizing::new(vec![0; PART]);
    loop {
        match input.read(&mut buffer) {
            Ok(count) => {
                let part = buffer.get(..count).unwrap_or_default();
                output.write_all(&u32::try_from(part.len()).unwrap_or(UNREADABLE).to_be_bytes())?;
                output.write_all(part)?;
                if part.is_empty() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                output.write_all(&UNREADABLE.to_be_bytes())?;
                return output.write_all(error.to_string().as_bytes());
            }
        }
    }
}

/// The other side: the input as it was, and an error where it ends before its end.
pub(super) struct Parts<R> {
    inner: R,
    left: usize,
    ended: bool,
}

impl<R: BufRead> Parts<R> {
    pub(super) const fn new(inner: R) -> Self {
        Self { inner, left: 0, ended: false }
    }

    fn begin(&mut self) -> io::Result<()> {
        let mut length = [0; 4];
        self.inner.read_exact(&mut length).map_err(gone)?;
        match u32::from_be_bytes(length) {
            0 => self.ended = true,
            UNREADABLE => {
                let mut reason = String::new();
                self.inner.by_ref().take(REASON).read_to_string(&mut reason)?;
                return Err(io::Error::other(reason));
            }
            length => self.left = usize::try_from(length).ok().filter(|length| *length <= PART).ok_or(ErrorKind::InvalidData)?,
        }
        Ok(())
    }
}

/// What it means that a part breaks off.
fn gone(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => io::Error::new(ErrorKind::UnexpectedEof, "the command line went away before the end of the input"),
        _ => error,
    }
}

impl<R: BufRead> BufRead for Parts<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 && !self.ended {
            self.begin()?;
        }
        if self.ended {
            return Ok(&[]);
        }
        let available = self.inner.fill_buf()?;
        if available.is_empty() {
            return Err(gone(ErrorKind::UnexpectedEof.into()));
        }
        Ok(available.get(..self.left).unwrap_or(available))
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount.min(self.left));
        self.left = self.left.saturating_sub(amount);
    }
}

impl<R: BufRead> Read for Parts<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn sent(input: &mut dyn Read) -> Vec<u8> {
        let mut sent = Vec::new();
        send(input, &mut sent).unwrap();
        sent
    }

    fn read(sent: &[u8]) -> (Vec<u8>, io::Result<usize>) {
        let mut read = Vec::new();
        // A tiny buffer puts its seams everywhere.
        let ended = Parts::new(BufReader::with_capacity(3, sent)).read_to_end(&mut read);
        (read, ended)
    }

    #[test]
    fn an_input_of_any_length_arrives_as_it_was() {
        for length in [0, 1, PART, 3 * PART + 7] {
            let input: Vec<u8> = (0..length).map(|number| number as u8).collect();
            let (read, ended) = read(&sent(&mut input.as_slice()));
            assert!(ended.is_ok() && read == input, "{length}: {ended:?}");
        }
    }

    #[test]
    fn what_breaks_off_before_the_end_is_no_end() {
        let whole = sent(&mut &b"dn: cn=a\n"[..]);
        for length in 0..whole.len() {
            let (_, ended) = read(&whole[..length]);
            assert!(ended.unwrap_err().to_string().contains("went away before the end of the input"), "{length}");
        }
        assert_eq!(read(b"dn: cn=a\n").1.unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn an_input_that_cannot_be_read_says_why() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("/tmp: is a directory"))
            }
        }
        let (read, ended) = read(&sent(&mut b"before".chain(Failing)));
        assert_eq!((read.as_slice(), ended.unwrap_err().to_string().as_str()), (&b"before"[..], "/tmp: is a directory"));
    }
}
