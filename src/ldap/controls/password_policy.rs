//! What the policy for passwords says: its control (draft-behera-ldap-password-policy-10 §6), and the two of Netscape that
//! older clients know (draft-vchu-ldap-pwd-policy).

use super::super::encode::{integer_size, put_control, put_integer};
use super::super::result::Failure;
use super::{ACCOUNT_USABILITY, Controls, PASSWORD_POLICY};
use crate::base::Limits;
use crate::base::ber::{SEQUENCE, put, put_header};
use crate::domain::password_rules::{PasswordProblem, PasswordUse, Usability};

/// The password has expired or must be changed; the value is `0`.
const NETSCAPE_EXPIRED: &str = "2.16.840.1.113730.3.4.4";
/// The password expires in so many seconds, in digits.
const NETSCAPE_EXPIRING: &str = "2.16.840.1.113730.3.4.5";
const TIME_BEFORE_EXPIRATION: u8 = 0x80;
const GRACE_AUTHENTICATIONS_REMAINING: u8 = 0x81;
const WARNING: u8 = 0xa0;
const ERROR: u8 = 0x81;

pub(super) fn password_policy<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    controls.password_policy = true;
    match value.is_empty() {
        true => Ok(()),
        false => Err(Failure::protocol("the password policy control has no value")),
    }
}

pub(super) fn usability<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    controls.usability = true;
    match value.is_empty() {
        true => Ok(()),
        false => Err(Failure::protocol("the account usability control has no value")),
    }
}

/// Appends whether an account can be used:
///
/// ```asn1
/// ACCOUNT_USABLE_RESPONSE ::= CHOICE {
///      is_available      [0] INTEGER,            -- seconds before expiration, -1 for never
///      is_not_available  [1] SEQUENCE {
///          inactive               [0] BOOLEAN DEFAULT FALSE,
///          reset                  [1] BOOLEAN DEFAULT FALSE,
///          expired                [2] BOOLEAN DEFAULT FALSE,
///          remaining_grace        [3] INTEGER OPTIONAL,
///          seconds_before_unlock  [4] INTEGER OPTIONAL } }
/// ```
pub(crate) fn put_usability(out: &mut Vec<u8>, usability: Usability) {
    let most = |value: u64| i64::from(i32::try_from(value).unwrap_or(i32::MAX));
    let mut value = Vec::new();
    match usability {
        Usability::Usable { expires } => put_integer(&mut value, 0x80, expires.map_or(-1, most)),
        Usability::Restricted { inactive, reset, expired, grace, unlock } => {
            let mut content = Vec::new();
            for (tag, holds) in [(0x80, inactive), (0x81, reset), (0x82, expired)] {
                if holds {
                    put(&mut content, tag, &[0xff]);
                }
            }
            if let Some(grace) = grace {
                put_integer(&mut content, 0x83, most(grace as u64));
            }
            if let Some(unlock) = unlock {
                put_integer(&mut content, 0x84, most(unlock));
            }
            put(&mut value, 0xa1, &content);
        }
    }
    put_control(out, ACCOUNT_USABILITY, &value);
}

/// Appends the control with an error.
pub(crate) fn put_password_problem(out: &mut Vec<u8>, problem: PasswordProblem) {
    put_response(out, None, Some(problem));
}

/// Appends what a bind that succeeded met: the control to a client that `asked`, and those of Netscape where there is
/// something to say.
pub(crate) fn put_password_use(out: &mut Vec<u8>, met: PasswordUse, asked: bool) {
    let most = |value: u64| i64::from(i32::try_from(value).unwrap_or(i32::MAX));
    let (warning, error) = match met {
        PasswordUse::Free => (None, None),
        PasswordUse::Grace { left } => (Some((GRACE_AUTHENTICATIONS_REMAINING, most(left as u64))), None),
        PasswordUse::Expires { seconds } => (Some((TIME_BEFORE_EXPIRATION, most(seconds))), None),
        PasswordUse::Expired => (None, Some(PasswordProblem::Expired)),
        PasswordUse::Locked => (None, Some(PasswordProblem::AccountLocked)),
        PasswordUse::MustChange => (None, Some(PasswordProblem::ChangeAfterReset)),
    };
    if asked {
        put_response(out, warning, error);
    }
    match met {
        PasswordUse::Free | PasswordUse::Locked => {}
        PasswordUse::Expires { seconds } => put_control(out, NETSCAPE_EXPIRING, seconds.to_string().as_bytes()),
        PasswordUse::Grace { .. } | PasswordUse::Expired | PasswordUse::MustChange => put_control(out, NETSCAPE_EXPIRED, b"0"),
    }
}

fn put_response(out: &mut Vec<u8>, warning: Option<(u8, i64)>, error: Option<PasswordProblem>) {
    let mut content = Vec::new();
    if let Some((tag, number)) = warning {
        put_header(&mut content, WARNING, integer_size(number));
        put_integer(&mut content, tag, number);
    }
    if let Some(error) = error {
        put_integer(&mut content, ERROR, number_of(error));
    }
    let mut value = Vec::new();
    put(&mut value, SEQUENCE, &content);
    put_control(out, PASSWORD_POLICY, &value);
}

/// The number of an error (draft §6.2).
const fn number_of(problem: PasswordProblem) -> i64 {
    match problem {
        PasswordProblem::Expired => 0,
        PasswordProblem::AccountLocked => 1,
        PasswordProblem::ChangeAfterReset => 2,
        PasswordProblem::ModificationNotAllowed => 3,
        PasswordProblem::MustSupplyOld => 4,
        PasswordProblem::InsufficientQuality => 5,
        PasswordProblem::TooShort => 6,
        PasswordProblem::TooYoung => 7,
        PasswordProblem::InHistory => 8,
    }
}
