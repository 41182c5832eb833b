//! One letter as a mail: plain text and HTML, from templates. What comes from the directory is text of strangers: no
//! line breaks, control characters or marks that turn the direction of writing get into a header or body (HF5).

use crate::base::random;
use crate::directory::activation::Letter;
use crate::domain::activation::Purpose;
use askama::Template;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

#[derive(Template)]
#[template(path = "mail/welcome.txt", escape = "none")]
struct WelcomeText<'a> {
    name: &'a str,
    organisation: &'a str,
    link: &'a str,
    until: &'a str,
    forgot: &'a str,
}

#[derive(Template)]
#[template(path = "mail/forgotten.txt", escape = "none")]
struct ForgottenText<'a> {
    name: &'a str,
    organisation: &'a str,
    link: &'a str,
    until: &'a str,
    forgot: &'a str,
}

#[derive(Template)]
#[template(path = "mail/new_address.txt", escape = "none")]
struct NewAddressText<'a> {
    name: &'a str,
    organisation: &'a str,
    link: &'a str,
    until: &'a str,
    forgot: &'a str,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct LetterPage<'a> {
    subject: &'a str,
    name: &'a str,
    organisation: &'a str,
    link: &'a str,
    until: &'a str,
    forgot: &'a str,
    purpose: Purpose,
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
    let (link, until, forgot) = (letter.link.as_str(), letter.until.as_str(), letter.forgot.as_str());
    let subject = match letter.purpose {
        Purpose::Welcome => format!("Your account at {organisation}: choose a password"),
        Purpose::Forgotten => format!("A new password for your account at {organisation}"),
        Purpose::NewAddress => format!("Your new address at {organisation}: choose a password"),
    };
    let text = match letter.purpose {
        Purpose::Welcome => WelcomeText { name: &name, organisation: &organisation, link, until, forgot }.render(),
        Purpose::Forgotten => ForgottenText { name: &name, organisation: &organisation, link, until, forgot }.render(),
        Purpose::NewAddress => NewAddressText { name: &name, organisation: &organisation, link, until, forgot }.render(),
    };
    let html =
        LetterPage { subject: &subject, name: &name, organisation: &organisation, link, until, forgot, purpose: letter.purpose }.render();
    let (Ok(text), Ok(html)) = (text, html) else { return Err(Unsendable("the template does not render".to_owned())) };
    let id = format!("<{}@{}>", random::token(), from.email.domain());
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
