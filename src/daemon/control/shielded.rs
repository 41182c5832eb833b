//! Secrets on the control socket: the form in which they travel, and buffers that keep nothing of them (HC6).

use super::Reply;
use crate::base::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use std::io::{self, BufRead, Read};
use zeroize::{Zeroize, Zeroizing};

/// A secret in a command. It travels in base64, which has nothing to escape: so no reader of JSON makes a copy of it.
#[derive(Debug)]
pub struct Shielded(pub Secret);

impl Serialize for Shielded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(self.0.expose())))
    }
}

impl<'de> Deserialize<'de> for Shielded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Base64)
    }
}

struct Base64;

impl Visitor<'_> for Base64 {
    type Value = Shielded;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a secret in base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Shielded, E> {
        // What was wrong with it is nobody's business.
        STANDARD.decode(text).map(|octets| Shielded(Secret::new(octets))).map_err(|_| E::custom("a secret that is not base64"))
    }
}

/// A buffered reader that wipes its buffer at the end.
pub(super) struct Wiping<R> {
    inner: R,
    buffer: Zeroizing<Vec<u8>>,
    at: usize,
    filled: usize,
}

impl<R: Read> Wiping<R> {
    /// Reads at most `capacity` octets at a time.
    pub(super) fn new(capacity: usize, inner: R) -> Self {
        Self { inner, buffer: Zeroizing::new(vec![0; capacity]), at: 0, filled: 0 }
    }
}

impl<R: Read> BufRead for Wiping<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.filled {
            (self.at, self.filled) = (0, 0);
            self.filled = self.inner.read(&mut self.buffer)?;
        }
        Ok(self.buffer.get(self.at..self.filled).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.filled.min(self.at + amount);
    }
}

impl<R: Read> Read for Wiping<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

/// Wipes a reply that was sent: its texts may be what is shown once.
pub(super) fn wipe(reply: Reply) {
    match reply {
        Reply::Ldif(mut text) => text.zeroize(),
        Reply::Row(mut row) => row.values_mut().for_each(|value| {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }),
        Reply::Done(_) | Reply::Failed(_) | Reply::Progress(_) | Reply::Warning(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::*;

    #[test]
    fn hc6_a_secret_travels_in_a_form_that_is_not_escaped() {
        let secret = "\"quoted\" \\ and é";
        let command = Command::UserPassword { user: "uid=a".to_owned(), password: Some(Shielded(Secret::new(secret))) };
        let line = serde_json::to_string(&command).unwrap();
        assert!(!line.contains('\\') && !line.contains("quoted"), "{line}");
        assert!(!format!("{command:?}").contains("quoted"));
        let Ok(Command::UserPassword { password: Some(read), .. }) = serde_json::from_str(&line) else { panic!("{line}") };
        assert_eq!(read.0.expose(), secret.as_bytes());
    }

    #[test]
    fn a_wiping_reader_reads_what_there_is() {
        let mut reader = Wiping::new(4, &b"one\ntwo and three\n"[..]);
        let (mut line, mut rest) = (Vec::new(), String::new());
        reader.read_until(b'\n', &mut line).unwrap();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!((&*line, &*rest), (&b"one\n"[..], "two and three\n"));
    }
}
