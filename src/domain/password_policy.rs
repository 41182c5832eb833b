//! Whether a password that somebody chose is good enough (hardening §2.1): long enough, and not easy to guess. No
//! rules of composition, and a reason for every refusal.
//!
//! The 30 000 most common passwords come with the estimator, which gives each of them a score below the bar. The
//! list beside this file holds the long ones it does not know: phrases, rows of keys and repetitions that reach the
//! minimum length and stand high in breach lists all the same.

use crate::base::Secret;
use unicode_normalization::{UnicodeNormalization, is_nfc};
use zxcvbn::Score;

/// No setting makes the minimum length smaller than this.
const LENGTH_FLOOR: usize = 8;
/// Octets of the longest password that is hashed.
const OCTETS_LIMIT: usize = 1_024;
/// Characters of a password that are estimated, since the cost grows faster than the length.
const ESTIMATED_CHARACTERS: usize = 100;
/// Words about the user that are looked at.
const WORDS_LIMIT: usize = 64;

const LONG_COMMON: &str = include_str!("common_passwords.txt");

/// What a password must be.
#[derive(Clone, Copy, Debug)]
pub struct Demands<'a> {
    /// Code points at least; taken as 8 where it is less.
    pub minimum_length: usize,
    /// Code points at most; 0 for as many as are hashed.
    pub maximum_length: usize,
    /// Words that are no password, from the settings.
    pub blocked: &'a [String],
    /// The user's own names, mail addresses, organisation and the like.
    pub own_words: &'a [&'a str],
}

/// Why a password was refused; the text is for the one who chose it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// On the list of the settings.
    #[error("this password is blocked here")]
    Blocked,
    /// Known from lists of common passwords.
    #[error("this is a common password")]
    Common,
    /// Would be found in too few guesses.
    #[error("this password is easy to guess: {0}")]
    Guessable(String),
    /// Is one of the user's own names.
    #[error("a password must not be your own name or address")]
    OwnWord,
    /// Longer than what is hashed.
    #[error("a password must not be longer than {OCTETS_LIMIT} octets")]
    TooLong,
    /// Longer than the maximum.
    #[error("a password must have at most {0} characters")]
    TooManyCharacters(usize),
    /// Shorter than the minimum.
    #[error("a password must have at least {0} characters")]
    TooShort(usize),
}

/// Checks a password that somebody chose. Takes a few milliseconds.
pub fn check(password: &Secret, demands: &Demands<'_>) -> Result<(), Weakness> {
    let password = normalise(password);
    if password.expose().len() > OCTETS_LIMIT {
        return Err(Weakness::TooLong);
    }
    // Octets that are no text are judged by what is left of them as text.
    let text = zeroize::Zeroizing::new(String::from_utf8_lossy(password.expose()).into_owned());
    let minimum = demands.minimum_length.max(LENGTH_FLOOR);
    let length = text.chars().count();
    if length < minimum {
        return Err(Weakness::TooShort(minimum));
    }
    if demands.maximum_length > 0 && length > demands.maximum_length {
        return Err(Weakness::TooManyCharacters(demands.maximum_length));
    }
    let folded = zeroize::Zeroizing::new(text.to_lowercase());
    if demands.blocked.iter().any(|word| word.to_lowercase() == *folded) {
        return Err(Weakness::Blocked);
    }
    if demands.own_words.iter().any(|word| word.to_lowercase() == *folded) {
        return Err(Weakness::OwnWord);
    }
    if LONG_COMMON.lines().any(|common| common == folded.as_str()) {
        return Err(Weakness::Common);
    }
    estimate(&text, demands)
}

fn estimate(text: &str, demands: &Demands<'_>) -> Result<(), Weakness> {
    let end = text.char_indices().nth(ESTIMATED_CHARACTERS).map_or(text.len(), |(end, _)| end);
    let own = demands.own_words.iter().copied();
    // A mail address counts by its parts too.
    let parts = own.clone().flat_map(|word| word.split(|character: char| !character.is_alphanumeric()));
    let blocked = demands.blocked.iter().map(String::as_str);
    let words: Vec<&str> = own.chain(parts).chain(blocked).filter(|word| word.chars().count() > 2).take(WORDS_LIMIT).collect();
    let estimated = zxcvbn::zxcvbn(text.get(..end).unwrap_or_default(), &words);
    if estimated.score() >= Score::Three {
        return Ok(());
    }
    let warning = estimated.feedback().and_then(|feedback| feedback.warning());
    let reason = warning.map_or_else(|| "Add another word or two.".to_owned(), |warning| warning.to_string());
    Err(Weakness::Guessable(reason))
}

/// The form in which a password is hashed: where it is text with every kind of space as the plain one and in NFC (RFC 8265
/// §4.2.2), otherwise as it is.
pub fn normalise(password: &Secret) -> Secret {
    match std::str::from_utf8(password.expose()) {
        Ok(text) if !is_nfc(text) || text.contains(is_other_space) => {
            // Room for the longest form, so that no copy is left behind where the buffer grew.
            let mut normal = Vec::with_capacity(text.len() * 3);
            for character in text.chars().map(|held| if is_other_space(held) { ' ' } else { held }).nfc() {
                normal.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Secret::new(normal)
        }
        Ok(_) | Err(_) => password.clone(),
    }
}

/// Of the general category Zs, but not the space of ASCII.
fn is_other_space(character: char) -> bool {
    matches!(character, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(password: &str, minimum_length: usize, own_words: &[&str]) -> Result<(), Weakness> {
        let blocked = ["Frobozz Magic Company".to_owned()];
        check(&Secret::new(password), &Demands { minimum_length, maximum_length: 700, blocked: &blocked, own_words })
    }

    #[test]
    fn length_is_counted_in_code_points_and_has_a_floor() {
        assert_eq!(judge("vN8$kq2-Zm5!Tq", 15, &[]), Err(Weakness::TooShort(15)));
        assert_eq!(judge("vN8$kq2", 1, &[]), Err(Weakness::TooShort(8)));
        assert_eq!(judge("vN8$kq2-Zm5!TqL", 15, &[]), Ok(()));
        assert_eq!(judge("üöäßÿŷŵẅ", 15, &[]), Err(Weakness::TooShort(15)), "16 octets are not 15 characters");
        assert_eq!(judge("e\u{301}e\u{301}e\u{301}e\u{301}", 8, &[]), Err(Weakness::TooShort(8)), "counted after composing");
        assert_eq!(judge(&"x7".repeat(600), 15, &[]), Err(Weakness::TooLong));
        assert_eq!(judge(&"x7".repeat(400), 15, &[]), Err(Weakness::TooManyCharacters(700)));
        assert_eq!(
            check(&Secret::new([0xff; 4]), &Demands { minimum_length: 8, maximum_length: 0, blocked: &[], own_words: &[] }),
            Err(Weakness::TooShort(8))
        );
    }

    #[test]
    fn passwords_are_hashed_in_one_form() {
        for (typed, form) in [
            ("caf\u{e9} au lait", "caf\u{e9} au lait"),
            ("cafe\u{301} au lait", "caf\u{e9} au lait"),
            ("cafe\u{301}\u{a0}au\u{3000}lait\u{2003}", "caf\u{e9} au lait "),
            ("a\u{200b}b\tC", "a\u{200b}b\tC"),
        ] {
            assert_eq!(normalise(&Secret::new(typed)).expose(), form.as_bytes(), "{typed:?}");
        }
        let no_text = [0xff, b'u', 0xcc, 0x88, 0xc2, 0xa0];
        assert_eq!(normalise(&Secret::new(no_text)).expose(), no_text, "it stays as it is");
    }

    #[test]
    fn common_blocked_and_own_words_are_no_passwords() {
        assert_eq!(judge("CorrectHorseBatteryStaple", 15, &[]), Err(Weakness::Common));
        assert_eq!(judge("frobozz magic company", 15, &[]), Err(Weakness::Blocked));
        assert_eq!(judge("barbara.jensen@airius.example", 15, &["Barbara.Jensen@airius.example"]), Err(Weakness::OwnWord));
        for common in ["password", "1234567890", "qwertyuiop", "iloveyou", "trustno1", "letmein!", "aaaaaaaaaaaaaaaaaaaa", "Summer2026"] {
            assert!(matches!(judge(common, 8, &[]), Err(Weakness::Guessable(_) | Weakness::Common)), "{common}");
        }
    }

    #[test]
    fn own_words_make_a_password_easier_to_guess() {
        let password = "zwarfelijn2026!";
        assert_eq!(judge(password, 15, &[]), Ok(()));
        assert!(matches!(judge(password, 15, &["zwarfelijn"]), Err(Weakness::Guessable(_))));
        assert!(matches!(judge(password, 15, &["a.zwarfelijn@example.com"]), Err(Weakness::Guessable(_))), "parts of addresses count");
    }

    #[test]
    fn a_phrase_of_own_words_is_good_and_a_long_one_is_quick() {
        assert_eq!(judge("seven purple otters juggle kettles", 15, &[]), Ok(()));
        assert_eq!(judge(&"Kq7$".repeat(20), 15, &[]).is_err(), judge(&"Kq7$".repeat(250), 15, &[]).is_err());
    }

    #[test]
    fn the_list_is_ready_for_comparison() {
        assert!(LONG_COMMON.lines().count() > 100);
        for line in LONG_COMMON.lines() {
            assert!(line == line.trim().to_lowercase() && line.chars().count() >= LENGTH_FLOOR, "{line}");
        }
    }
}
