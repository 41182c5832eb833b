//! One-time codes (RFC 6238, RFC 4226): six digits that an authenticator app shows for thirty seconds, given behind the
//! password.
//!
//! Whoever has a secret (`hcOneTimeSecret`) signs in with a password by both only, and by SCRAM not at all. A code is good
//! once: the step it was made for is kept outside the entry, `code/<entry>`, before the answer. A wrong code is a wrong
//! password in what it costs, what is answered, and what is counted (HB1, HB2).

use crate::base::{EntryId, Secret, Timestamp, random};
use crate::directory::bind::Candidate;
use crate::directory::lockout::Account;
use crate::directory::password_hash::Match;
use crate::directory::write::Work;
use crate::directory::{Directory, Error, Origin};
use crate::model::{Entry, Facts};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// Digits of a code.
const DIGITS: usize = 6;
/// Milliseconds for which a code is shown.
const STEP: u64 = 30_000;
/// Octets of a secret: at least the 128 bits of RFC 4226 §4 R6.
const SECRET_LENGTH: std::ops::RangeInclusive<usize> = 16..=64;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// What an export shows in place of a secret. It is taken back by an import, and lets nobody in by password until there is
/// a new secret: an account does not lose its codes by being moved.
pub(crate) const WITHHELD: &[u8] = b"{withheld}";

/// What was given to sign in with.
struct Given {
    /// The password, without the code.
    password: Secret,
    /// The step of the code, where one is asked for.
    step: Option<u64>,
    /// Whether there is nothing wrong but perhaps the password.
    acceptable: bool,
}

/// A new secret in base32 (RFC 4648 §6), and what an authenticator app reads it from.
pub struct NewCodeSecret {
    /// The value of `hcOneTimeSecret`.
    pub value: Secret,
    /// The `otpauth:` URI.
    pub uri: Secret,
}

impl NewCodeSecret {
    /// Makes one of 160 random bits (RFC 4226 §4 R6) for a user of this name.
    pub fn make(name: &str) -> Self {
        let value = base32(&random::bytes::<20>());
        let label = percent_encoded(name);
        let uri = format!("otpauth://totp/Headcount:{label}?secret={value}&issuer=Headcount&algorithm=SHA1&digits={DIGITS}&period=30");
        Self { value: Secret::new(value), uri: Secret::new(uri) }
    }
}

/// Everything but the unreserved characters of RFC 3986 §2.3.
fn percent_encoded(text: &str) -> String {
    let mut out = String::new();
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(octet)),
            other => out.extend(format!("%{other:02X}").chars()),
        }
    }
    out
}

/// Base32 without padding, as authenticator apps take it; of whole groups of five octets.
fn base32(octets: &[u8]) -> String {
    let mut out = String::new();
    for group in octets.chunks(5) {
        let bits = group.iter().fold(0_u64, |bits, octet| bits << 8 | u64::from(*octet)) << (8 * (5 - group.len()));
        let characters = (8 * group.len()).div_ceil(5);
        let digits = (0..characters).filter_map(|at| ALPHABET.get(usize::try_from(bits >> (35 - 5 * at) & 31).ok()?));
        out.extend(digits.map(|digit| char::from(*digit)));
    }
    out
}

/// The octets of a secret in base32, in any case, with the blanks, dashes and padding that apps show it with.
fn secret_octets(text: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for octet in text.iter().filter(|octet| !b" -=".contains(octet)) {
        let digit = ALPHABET.iter().position(|known| *known == octet.to_ascii_uppercase())?;
        bits = bits << 5 & 0xfff | u32::try_from(digit).ok()?;
        held += 5;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(out).filter(|octets| SECRET_LENGTH.contains(&octets.len()))
}

/// The code of a counter (RFC 4226 §5.3).
fn code(secret: &[u8], counter: u64) -> Option<String> {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).ok()?;
    mac.update(&counter.to_be_bytes());
    let mac: [u8; 20] = mac.finalize().into_bytes().into();
    let offset = usize::from(mac.last()? & 0xf);
    let four = <[u8; 4]>::try_from(mac.get(offset..offset + 4)?).ok()?;
    let number = (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000;
    Some(format!("{number:06}"))
}

/// The step whose code was given: this one, the one before or the next (RFC 6238 §5.2), and none that was used or is older
/// than one that was.
fn step_of(secret: &[u8], given: &[u8], now: Timestamp, used: Option<u64>) -> Option<u64> {
    let current = now.millis() / STEP;
    let steps = [current.checked_sub(1), Some(current), current.checked_add(1)];
    let right = |step: &u64| code(secret, *step).is_some_and(|code| bool::from(code.as_bytes().ct_eq(given)));
    let fitting: Vec<u64> = steps.into_iter().flatten().filter(right).collect();
    fitting.into_iter().find(|step| used.is_none_or(|used| *step > used))
}

/// Where the last step that was used is kept.
fn record(entry: EntryId) -> String {
    format!("code/{:08x}", entry.0)
}

/// The last step that was used. One that is yet to come is of a clock that was ahead, and holds nobody up.
fn used_step(facts: &dyn Facts, entry: EntryId, now: Timestamp) -> Option<u64> {
    let used = u64::from_be_bytes(facts.meta(&record(entry))?.as_ref().try_into().ok()?);
    Some(used).filter(|used| is_near(*used, now))
}

/// Whether the step has been, is now, or is the next.
const fn is_near(step: u64, now: Timestamp) -> bool {
    step <= now.millis() / STEP + 1
}

/// A value of `hcOneTimeSecret` as it is kept.
pub(crate) fn taken(value: &[u8]) -> Result<Vec<u8>, Error> {
    match secret_octets(value) {
        Some(octets) => Ok(base32(&octets).into_bytes()),
        None if value == WITHHELD => Ok(WITHHELD.to_vec()),
        None => Err(Error::Constraint("hcOneTimeSecret: a secret is 16 to 64 octets in base32".to_owned())),
    }
}

impl Directory {
    /// Checks what was given to sign in with as this candidate, where the account may be tried now. Answers which stored
    /// password was right, and the password without the code.
    pub(in crate::directory) async fn prove_candidate(
        &self,
        origin: &Origin,
        account: Account,
        candidate: &Candidate,
        password: &Secret,
    ) -> Result<Option<(Match, Secret)>, Error> {
        let given = self.given(candidate.entry.as_deref(), password);
        let given = &given;
        let locked = self.is_locked_out(candidate);
        let proof = |held: bool| async move {
            let stored = if held { &[] } else { candidate.hashes.as_slice() };
            let found = self.match_password(origin, stored, &given.password).await?;
            let found = found.filter(|_| given.acceptable && (candidate.usable || locked));
            match (found, candidate.entry.as_deref(), given.step) {
                (Some(found), Some(entry), Some(step)) if !locked => Ok(self.use_code(entry.id, step).await?.then_some(found)),
                (found, _, _) => Ok(found),
            }
        };
        let found = self.count_unless(locked, origin, account, proof).await?;
        Ok(found.map(|found| (found, given.password.clone())))
    }

    fn given(&self, entry: Option<&Entry>, password: &Secret) -> Given {
        let secret = entry.and_then(|entry| entry.values(self.schema().known().hc_one_time_secret).next().zip(Some(entry.id)));
        let Some((secret, entry)) = secret else {
            return Given { password: password.clone(), step: None, acceptable: true };
        };
        let (octets, now) = (password.expose(), self.clock().now());
        let parts = octets.len().checked_sub(DIGITS).and_then(|at| octets.split_at_checked(at));
        let right = parts.and_then(|(password, code)| {
            let step = step_of(&secret_octets(secret)?, code, now, used_step(self.memory(), entry, now))?;
            Some(Given { password: Secret::new(password), step: Some(step), acceptable: true })
        });
        // Something is checked all the same, and it is wrong: the answer comes no sooner, and tells nothing of the password.
        right.unwrap_or_else(|| Given { password: Secret::new(random::token().as_bytes()), step: None, acceptable: false })
    }

    /// Uses a code up, durably; false where somebody else was first.
    async fn use_code(&self, entry: EntryId, step: u64) -> Result<bool, Error> {
        let now = self.clock().now();
        self.store()
            .write(move |txn| {
                txn.may_use_reserve();
                let free = used_step(&*txn, entry, now).is_none_or(|used| used < step);
                if free {
                    txn.put_meta(&record(entry), Some(step.to_be_bytes().to_vec()));
                }
                Ok(free)
            })
            .await
    }

    /// Whether one-time codes are asked of the entry.
    pub(super) fn has_codes(&self, entry: &Entry) -> bool {
        entry.has(self.schema().known().hc_one_time_secret)
    }
}

impl Work<'_, '_> {
    /// The secret is another one, or gone, and what was used of its codes counts no more.
    pub(in crate::directory) fn forget_codes(&mut self, entry: EntryId) {
        self.txn.put_meta(&record(entry), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    /// RFC 4226 appendix D.
    #[test]
    fn the_codes_of_rfc_4226() {
        let expected = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (counter, expected) in (0..).zip(expected) {
            assert_eq!(code(SECRET, counter).unwrap(), expected);
        }
    }

    /// RFC 6238 appendix B, SHA-1; six digits are the last of the eight there.
    #[test]
    fn the_codes_of_rfc_6238() {
        let examples =
            [(59, "287082"), (1_111_111_109, "081804"), (1_111_111_111, "050471"), (1_234_567_890, "005924"), (2_000_000_000, "279037")];
        for (seconds, expected) in examples.into_iter().chain([(20_000_000_000, "353130")]) {
            let now = Timestamp::from_millis(seconds * 1_000);
            assert_eq!(step_of(SECRET, expected.as_bytes(), now, None), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_one_step_early_or_late_and_once() {
        let at = |step: u64| Timestamp::from_millis(step * STEP + 7);
        let shown = code(SECRET, 100).unwrap();
        let good = |now: u64, used: Option<u64>| step_of(SECRET, shown.as_bytes(), at(now), used);
        assert_eq!([98, 99, 100, 101, 102].map(|now| good(now, None).is_some()), [false, true, true, true, false]);
        assert_eq!((good(100, Some(99)), good(100, Some(100)), good(100, Some(101))), (Some(100), None, None));
        assert_eq!(step_of(SECRET, b"75522", at(0), None), None);
        assert_eq!(step_of(SECRET, code(SECRET, 0).unwrap().as_bytes(), at(0), None), Some(0));
    }

    #[test]
    fn a_step_that_a_clock_ahead_has_used_holds_nobody_up() {
        let now = Timestamp::from_millis(100 * STEP + 7);
        assert_eq!([99, 100, 101, 102, 2_980].map(|step| is_near(step, now)), [true, true, true, false, false]);
    }

    #[test]
    fn secrets_are_base32_as_apps_show_them() {
        assert_eq!(base32(SECRET), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(secret_octets(b"gezd gnbv-GY3TQOJQ GEZDGNBVGY3TQOJQ==").unwrap(), SECRET);
        for length in 16..=64_u8 {
            let octets: Vec<u8> = (0..length).map(|at| at.wrapping_mul(37)).collect();
            assert_eq!(secret_octets(base32(&octets).as_bytes()).unwrap(), octets);
        }
        for refused in ["", "GEZDGNBV", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", "{withheld}"] {
            assert!(secret_octets(refused.as_bytes()).is_none(), "{refused}");
        }
        assert_eq!(taken(WITHHELD).unwrap(), WITHHELD);
        assert!(taken(b"secret").is_err());
    }

    #[test]
    fn the_uri_is_what_apps_read() {
        let made = NewCodeSecret::make("anna b\u{e9}");
        let uri = String::from_utf8(made.uri.expose().to_vec()).unwrap();
        let value = String::from_utf8(made.value.expose().to_vec()).unwrap();
        assert_eq!(value.len(), 32);
        assert!(uri.starts_with(&format!("otpauth://totp/Headcount:anna%20b%C3%A9?secret={value}&issuer=Headcount&")), "{uri}");
    }
}
