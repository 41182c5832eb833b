//! One letter as a mail: plain text and HTML, from templates. What comes from the directory is text of strangers: no
//! line breaks, control characters or marks that turn the direction of writing get into a header or body (HF5).

use crate::base::random;
use crate::directory::activation::Letter;
use crate::domain::activation::Purpose;
use askama::Template;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

/// What a letter says.
struct Words<'a> {
    subject: &'a str,
    name: &'a str,
    organisation: &'a str,
    link: &'a str,
    until: &'a str,
    forgot: &'a str,
    about: &'a str,
    purpose: Purpose,
}

#[derive(Template)]
#[template(path = "mail/letter.txt", escape = "none")]
struct LetterText<'a> {
    words: &'a Words<'a>,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct LetterPage<'a> {
    words: &'a Words<'a>,
}

/// Tells machines that no person wrote it (RFC 3834), so that none answers.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Why a letter cannot be made into a mail; it never will be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unsendable(String);

/// Text of a stranger on one line, without what steers a terminal, a mail program or the direction of writing.
fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    let cleaned: String = text.chars().filter(|c| !turns(*c)).map(|c| if breaks(c) { ' ' } else { c }).take(200).collect();
    cleaned.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Makes the mail.
pub(super) fn compose(from: &Mailbox, letter: &Letter) -> Result<Message, Unsendable> {
    // One address and nothing else: `a@b, c@d` is none (HB8).
    let address: Address = letter.to.parse().map_err(|error| Unsendable(format!("the address cannot be written to: {error}")))?;
    let (name, organisation) = (plain(&letter.name), plain(&letter.organisation));
    let name = if name.is_empty() { letter.to.clone() } else { name };
    let subject = match letter.purpose {
        Purpose::Welcome => format!("Your account at {organisation}: choose a password"),
        Purpose::Forgotten => format!("A new password for your account at {organisation}"),
        Purpose::NewAddress => format!("Your new address at {organisation}: choose a password"),
        Purpose::AddressLeft | Purpose::AddressTaken => format!("The address of your account at {organisation} has changed"),
        Purpose::ClientPaused => format!("{organisation}: a provisioning client was paused"),
        Purpose::SeatsScarce => format!("{organisation}: few seats are left"),
        Purpose::SeatRefused => format!("{organisation}: somebody was refused for want of a seat"),
    };
    let words = Words {
        subject: &subject,
        name: &name,
        organisation: &organisation,
        link: &letter.link,
        until: &letter.until,
        forgot: &letter.forgot,
        about: &plain(&letter.about),
        purpose: letter.purpose,
    };
    let (text, html) = (LetterText { words: &words }.render(), LetterPage { words: &words }.render());
    let (Ok(text), Ok(html)) = (text, html) else { return Err(Unsendable("the template does not render".to_owned())) };
    let id = format!("<{}@{}>", *random::token(), from.email.domain());
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(Some(name), address))
        .subject(subject)
        .message_id(Some(id))
        .header(AutoSubmitted)
        .multipart(MultiPart::alternative_plain_html(text, html))
        .map_err(|error| Unsendable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            to: "ann@example.com".to_owned(),
            name: "Ann Example".to_owned(),
            organisation: "Example Ltd".to_owned(),
            purpose: Purpose::Welcome,
            about: String::new(),
            link: "https://id.example.com/activate/abc".to_owned(),
            until: "2 January 2026, 03:04 UTC".to_owned(),
            forgot: "https://id.example.com/forgot".to_owned(),
        }
    }

    fn sent(letter: &Letter) -> String {
        let from = "Directory <directory@example.com>".parse().unwrap();
        String::from_utf8(compose(&from, letter).unwrap().formatted()).unwrap()
    }

    #[test]
    fn u4_a_letter_carries_the_link_in_both_forms() {
        let mail = sent(&letter());
        assert_eq!(mail.matches("https://id.example.com/activate/abc").count(), 3, "{mail}");
        for header in ["From: ", "To: ", "Subject: ", "Date: ", "Message-ID: <", "Auto-Submitted: auto-generated"] {
            assert!(mail.contains(header), "{header} in {mail}");
        }
    }

    #[test]
    fn the_text_has_its_paragraphs_whatever_it_is_for() {
        for (purpose, what) in [
            (Purpose::Welcome, "Example Ltd has made an account for you. To use it, choose a password here:"),
            (
                Purpose::Forgotten,
                "somebody, we hope you, has asked for a new password for your account at Example Ltd. To choose one, go here:",
            ),
            (
                Purpose::NewAddress,
                "the e-mail address of your account at Example Ltd is now this one. The old password does not work any more; choose a new one here:",
            ),
        ] {
            let given = letter();
            let words = Words {
                subject: "",
                name: &given.name,
                organisation: &given.organisation,
                link: &given.link,
                until: &given.until,
                forgot: &given.forgot,
                about: "",
                purpose,
            };
            let text = LetterText { words: &words }.render().unwrap();
            let paragraphs: Vec<&str> = text.split("\n\n").collect();
            let expected = [
                "Hello Ann Example,",
                what,
                &given.link,
                "The link works once, until 2 January 2026, 03:04 UTC. If it has run out, ask for a new one here:",
                &given.forgot,
            ];
            assert_eq!(paragraphs[..5], expected, "{text}");
            assert!(paragraphs.len() == 6 && paragraphs[5].contains("you need not do anything"), "{text}");
            assert!(!paragraphs[5].contains('\n'), "{text}");
        }
    }

    #[test]
    fn he2_a_notice_has_no_link_and_its_paragraphs() {
        for (purpose, what) in [
            (Purpose::AddressLeft, "the e-mail address of your account at Example Ltd is not this one any more."),
            (Purpose::AddressTaken, "the e-mail address of your account at Example Ltd is now this one."),
            (Purpose::SeatsScarce, "entra of Example Ltd."),
            (Purpose::SeatRefused, "somebody could not sign in to an application of Example Ltd: entra."),
            (Purpose::ClientPaused, "the provisioning client \"entra\" of Example Ltd wanted to disable or delete more users than it may"),
        ] {
            let given = Letter { purpose, about: "entra".to_owned(), link: String::new(), ..letter() };
            let mail = sent(&given);
            assert!(!mail.contains("/activate/") && !mail.contains("works once"), "{mail}");
            let words = Words {
                subject: "",
                name: &given.name,
                organisation: &given.organisation,
                link: "",
                until: "",
                forgot: &given.forgot,
                about: &given.about,
                purpose,
            };
            let text = LetterText { words: &words }.render().unwrap();
            let paragraphs: Vec<&str> = text.trim().split("\n\n").collect();
            assert!(paragraphs.len() == 3 && paragraphs[1].starts_with(what), "{text}");
            assert!(paragraphs.iter().all(|paragraph| !paragraph.contains('\n')), "{text}");
        }
    }

    #[test]
    fn hf5_names_cannot_add_headers_recipients_or_markup() {
        let hostile = "Ann\r\nBcc: all@example.com\u{202e}\0<script>alert(1)</script>";
        let given = Letter { name: hostile.to_owned(), organisation: hostile.to_owned(), ..letter() };
        let from = "Directory <directory@example.com>".parse().unwrap();
        let message = compose(&from, &given).unwrap();
        assert_eq!(message.envelope().to().len(), 1);
        let mail = String::from_utf8(message.formatted()).unwrap();
        let (head, body) = mail.split_once("\r\n\r\n").unwrap();
        assert!(head.lines().all(|line| !line.to_ascii_lowercase().starts_with("bcc")), "{head}");
        assert!(!mail.contains('\u{202e}') && !mail.contains('\0'));
        let html = body.split("text/html").nth(1).unwrap().replace("=\r\n", "");
        assert!(!html.contains("<script"), "{html}");
    }

    #[test]
    fn hb8_an_address_is_one_address() {
        let from = "directory@example.com".parse().unwrap();
        for to in ["a@example.com, b@example.com", "a@example.com\r\nBcc: b@example.com", "", "nobody", "<a@example.com>"] {
            assert!(compose(&from, &Letter { to: to.to_owned(), ..letter() }).is_err(), "{to:?}");
        }
    }
}
