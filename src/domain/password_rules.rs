//! When a password may be used and changed (draft-behera-ldap-password-policy-10, a subset): pure decisions over the
//! policy that applies to an account and what is noted on its entry. How good a password must be is said by
//! [`password_policy`](super::password_policy).

use super::lockout::{Lockout, PolicyLockouts};
use crate::base::Timestamp;
use crate::model::Entry;
use crate::schema::Schema;
use std::time::Duration;

/// The class of a policy.
pub const POLICY: &str = "pwdPolicy";
/// Former passwords that are remembered at most: each of them costs a hash when a new one is chosen.
const HISTORY_LIMIT: usize = 24;
/// No lock and no delay is longer, so that nobody is kept out for good (HB4).
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3_600);
/// What the numbers of a policy may be: what is beyond would not be done. Of former passwords more would cost too many hashes,
/// and nobody is locked for good (HB4).
const BOUNDS: [(&str, i64, i64); 15] = [
    ("pwdMinAge", 0, MAXIMUM),
    ("pwdMaxAge", 0, MAXIMUM),
    ("pwdInHistory", 0, HISTORY_LIMIT as i64),
    ("pwdCheckQuality", 0, 2),
    ("pwdMinLength", 0, 1_024),
    ("pwdMaxLength", 0, 1_024),
    ("pwdExpireWarning", 0, MAXIMUM),
    ("pwdGraceAuthNLimit", 0, MAXIMUM),
    ("pwdGraceExpiry", 0, MAXIMUM),
    ("pwdLockoutDuration", 1, LONGEST_WAIT.as_secs() as i64),
    ("pwdMaxFailure", 0, MAXIMUM),
    ("pwdFailureCountInterval", 0, MAXIMUM),
    ("pwdMinDelay", 0, LONGEST_WAIT.as_secs() as i64),
    ("pwdMaxDelay", 0, LONGEST_WAIT.as_secs() as i64),
    ("pwdMaxIdle", 0, MAXIMUM),
];
/// `maxInt` of RFC 4511 §4.1.1.
const MAXIMUM: i64 = 2_147_483_647;
/// What a value of `pwdHistory` says it holds: octets (draft §5.3.7).
const OCTETS_SYNTAX: &str = "1.3.6.1.4.1.1466.115.121.1.40";

/// What a policy entry says (draft §5.2). The default is what holds where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordRules {
    /// `pwdMinLength`: code points at least. It only ever adds to what the settings demand.
    pub minimum_length: usize,
    /// `pwdMaxLength`: code points at most; 0 for as many as are hashed.
    pub maximum_length: usize,
    /// `pwdCheckQuality` 2: what cannot be checked, because it came as a hash, is refused. The checks of the settings hold
    /// whatever it says.
    pub must_check_quality: bool,
    /// `pwdInHistory`: former passwords that are not taken again.
    pub in_history: usize,
    /// `pwdMinAge`: how long a password stays before its user may change it.
    pub minimum_age: Duration,
    /// `pwdMaxAge`: when it expires; zero for never.
    pub maximum_age: Duration,
    /// `pwdExpireWarning`: how long before that a bind warns.
    pub expire_warning: Duration,
    /// `pwdGraceAuthNLimit`: how often an expired password still works.
    pub grace_limit: usize,
    /// `pwdGraceExpiry`: for how long it does; zero for ever.
    pub grace_expiry: Duration,
    /// `pwdMaxIdle`: after so long without use an account is locked, until its password is set anew; zero for never.
    pub maximum_idle: Duration,
    /// `pwdMustChange`: whether what an administrator has set must be changed first.
    pub must_change: bool,
    /// `pwdSafeModify`: whether the old password comes with the new one.
    pub safe_modify: bool,
    /// `pwdAllowUserChange`: whether users change their own passwords.
    pub allow_user_change: bool,
    /// `pwdMaxFailure` where `pwdLockout` is set: failures in a row after which the account is locked; 0 for never.
    pub maximum_failures: u32,
    /// `pwdLockoutDuration`: for how long; `None` for the rising waits of the settings.
    pub lockout_duration: Option<Duration>,
    /// `pwdFailureCountInterval`: failures are forgotten after so long without another; zero for never.
    pub failure_interval: Option<Duration>,
    /// `pwdMinDelay`: how long the next attempt waits after the first failure; zero for no such waits.
    pub minimum_delay: Duration,
    /// `pwdMaxDelay`: the wait doubles with each failure, up to this.
    pub maximum_delay: Duration,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self {
            minimum_length: 0,
            maximum_length: 0,
            must_check_quality: false,
            in_history: 0,
            minimum_age: Duration::ZERO,
            maximum_age: Duration::ZERO,
            expire_warning: Duration::ZERO,
            grace_limit: 0,
            grace_expiry: Duration::ZERO,
            maximum_idle: Duration::ZERO,
            must_change: false,
            safe_modify: false,
            allow_user_change: true,
            maximum_failures: 0,
            lockout_duration: None,
            failure_interval: None,
            minimum_delay: Duration::ZERO,
            maximum_delay: Duration::ZERO,
        }
    }
}

impl PasswordRules {
    /// As a policy entry says. What it does not say, and what is no sensible number, is as by default.
    pub fn of(schema: &Schema, policy: &Entry) -> Self {
        let text = |name: &str| schema.attribute(name).and_then(|attribute| policy.text(attribute));
        let number = |name: &str| text(name).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let count = |name: &str| usize::try_from(number(name)).unwrap_or(usize::MAX);
        let seconds = |name: &str| Duration::from_secs(number(name).into());
        let wait = |name: &str| seconds(name).min(LONGEST_WAIT);
        let is = |name: &str, value: &str| text(name).is_some_and(|text| text.eq_ignore_ascii_case(value));
        Self {
            minimum_length: count("pwdMinLength"),
            maximum_length: count("pwdMaxLength"),
            must_check_quality: is("pwdCheckQuality", "2"),
            in_history: count("pwdInHistory").min(HISTORY_LIMIT),
            minimum_age: seconds("pwdMinAge"),
            maximum_age: seconds("pwdMaxAge"),
            expire_warning: seconds("pwdExpireWarning"),
            grace_limit: count("pwdGraceAuthNLimit"),
            grace_expiry: seconds("pwdGraceExpiry"),
            maximum_idle: seconds("pwdMaxIdle"),
            must_change: is("pwdMustChange", "TRUE"),
            safe_modify: is("pwdSafeModify", "TRUE"),
            allow_user_change: !is("pwdAllowUserChange", "FALSE"),
            maximum_failures: if is("pwdLockout", "TRUE") { number("pwdMaxFailure") } else { 0 },
            lockout_duration: Some(wait("pwdLockoutDuration")).filter(|duration| !duration.is_zero()),
            failure_interval: text("pwdFailureCountInterval").map(|_| seconds("pwdFailureCountInterval")),
            minimum_delay: wait("pwdMinDelay"),
            maximum_delay: wait("pwdMaxDelay"),
        }
    }

    /// The waits after failures that it adds to those of the settings (draft §5.2.9 to §5.2.12, §5.2.17, §5.2.18). Nobody is
    /// locked for good (HB4): where it says no duration, the waits rise as in the settings.
    pub fn lockouts(&self, settings: &Lockout) -> PolicyLockouts {
        let forget_after = match self.failure_interval {
            None => settings.forget_after,
            Some(Duration::ZERO) => Duration::MAX,
            Some(interval) => interval,
        };
        let rules = |failures, first_wait, longest_wait| Lockout {
            failures,
            first_wait,
            longest_wait,
            forget_after,
            known_for: settings.known_for,
        };
        let (first, longest) = self.lockout_duration.map_or((settings.first_wait, settings.longest_wait), |wait| (wait, wait));
        let locks = self.maximum_failures > 0;
        let delays = !self.minimum_delay.is_zero();
        [
            locks.then(|| rules(self.maximum_failures, first, longest)),
            delays.then(|| rules(1, self.minimum_delay, self.maximum_delay.max(self.minimum_delay))),
        ]
    }

    /// What is wrong with a policy entry: what it asks for and would not get.
    pub fn problem(schema: &Schema, policy: &Entry) -> Option<String> {
        let text = |name: &str| schema.attribute(name).and_then(|attribute| policy.text(attribute));
        let number = |name: &str| text(name).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        let beyond = |(name, least, most): &(&str, i64, i64)| text(name).is_some() && !(*least..=*most).contains(&number(name));
        if let Some((name, least, most)) = BOUNDS.iter().find(|bounds| beyond(bounds)) {
            return Some(format!("{name}: from {least} to {most} here"));
        }
        let (least, most) = (number("pwdMinLength"), number("pwdMaxLength"));
        let (first, longest) = (number("pwdMinDelay"), number("pwdMaxDelay"));
        match text("pwdAttribute") {
            Some(name) if !["userpassword", "2.5.4.35"].contains(&&*name.to_ascii_lowercase()) => {
                Some("pwdAttribute: policies are for userPassword here".to_owned())
            }
            _ if most > 0 && most < least => Some("pwdMaxLength: not less than pwdMinLength".to_owned()),
            _ if (first == 0) != (longest == 0) || first > longest => {
                Some("pwdMinDelay and pwdMaxDelay: both or none, and the first is not the longer one".to_owned())
            }
            _ => None,
        }
    }

    /// What a bind with the right password meets (draft §8.1.2).
    pub fn at_bind(&self, noted: &PasswordNotes, now: Timestamp) -> PasswordUse {
        let idle = noted.used.is_some_and(|used| !self.maximum_idle.is_zero() && used.plus(self.maximum_idle) <= now);
        if idle || noted.starts.is_some_and(|starts| now < starts) || noted.ends.is_some_and(|ends| ends <= now) {
            return PasswordUse::Locked;
        }
        if self.must_change && noted.reset {
            return PasswordUse::MustChange;
        }
        let Some(expires) = self.expires(noted) else { return PasswordUse::Free };
        if expires <= now {
            let over = !self.grace_expiry.is_zero() && expires.plus(self.grace_expiry) <= now;
            return match self.grace_limit.saturating_sub(noted.grace_used) {
                _ if over => PasswordUse::Expired,
                0 => PasswordUse::Expired,
                left => PasswordUse::Grace { left: left - 1 },
            };
        }
        let left = expires.since(now);
        match left <= self.expire_warning {
            true => PasswordUse::Expires { seconds: left.as_secs() },
            false => PasswordUse::Free,
        }
    }

    /// When the password expires; `None` for never, and where nobody noted when it was set.
    pub fn expires(&self, noted: &PasswordNotes) -> Option<Timestamp> {
        noted.changed.filter(|_| !self.maximum_age.is_zero()).map(|changed| changed.plus(self.maximum_age))
    }

    /// Whether users may now change their own passwords, `with_old` saying that the old one came with the request (draft
    /// §8.2). Whoever has to change it need not wait.
    pub fn own_change(&self, noted: &PasswordNotes, with_old: bool, now: Timestamp) -> Result<(), PasswordProblem> {
        let must = self.must_change && noted.reset;
        // One that a clock ahead has set is as old as need be: nobody waits until that day.
        let too_young = noted.changed.is_some_and(|changed| changed <= now && now < changed.plus(self.minimum_age));
        match () {
            () if !self.allow_user_change => Err(PasswordProblem::ModificationNotAllowed),
            () if self.safe_modify && !with_old => Err(PasswordProblem::MustSupplyOld),
            () if too_young && !must => Err(PasswordProblem::TooYoung),
            () => Ok(()),
        }
    }
}

/// What is noted on the entry of an account (draft §5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PasswordNotes {
    /// `pwdChangedTime`.
    pub changed: Option<Timestamp>,
    /// How many values `pwdGraceUseTime` has.
    pub grace_used: usize,
    /// `pwdReset`: somebody else has set the password.
    pub reset: bool,
    /// `pwdStartTime`: it does not work before.
    pub starts: Option<Timestamp>,
    /// `pwdEndTime`: it does not work from then on.
    pub ends: Option<Timestamp>,
    /// When the account was used last, or its password was set; `None` for one that is never locked for being idle.
    pub used: Option<Timestamp>,
}

impl PasswordNotes {
    /// As the entry has them; when it was used is noted elsewhere.
    pub fn of(schema: &Schema, entry: &Entry) -> Self {
        let known = schema.known();
        let time = |attribute| entry.text(attribute).and_then(Timestamp::parse_generalized);
        Self {
            changed: time(known.pwd_changed_time),
            starts: time(known.pwd_start_time),
            ends: time(known.pwd_end_time),
            used: None,
            grace_used: entry.values(known.pwd_grace_use_time).count(),
            reset: entry.text(known.pwd_reset).is_some_and(|text| text.eq_ignore_ascii_case("TRUE")),
        }
    }
}

/// What a bind with the right password meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PasswordUse {
    /// Nothing to say.
    #[default]
    Free,
    /// It has expired, and works this time and `left` times more.
    Grace {
        /// Further times.
        left: usize,
    },
    /// It will expire in so many seconds.
    Expires {
        /// Seconds.
        seconds: u64,
    },
    /// It has expired, and does not work any more.
    Expired,
    /// The account was not used for too long, or the time of its password has not come or is over (draft §7.1).
    Locked,
    /// It works for nothing but changing it.
    MustChange,
}

/// Whether an account can sign in with its password now, and what stands against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usability {
    /// It can.
    Usable {
        /// Seconds until the password expires; `None` for never.
        expires: Option<u64>,
    },
    /// It cannot, or not for everything.
    Restricted {
        /// The account is not active, or locked.
        inactive: bool,
        /// The password has to be changed first.
        reset: bool,
        /// The password has expired.
        expired: bool,
        /// How often it works all the same.
        grace: Option<usize>,
        /// Seconds until an attempt from anywhere is admitted again, where some have to wait.
        unlock: Option<u64>,
    },
}

impl Usability {
    /// Of an account with these rules and notes; `waits` is how long attempts have to wait yet.
    pub fn of(rules: &PasswordRules, noted: &PasswordNotes, active: bool, waits: Option<Duration>, now: Timestamp) -> Self {
        let expires = rules.expires(noted);
        let met = rules.at_bind(noted, now);
        let expired = expires.is_some_and(|expires| expires <= now);
        let reset = met == PasswordUse::MustChange;
        let active = active && met != PasswordUse::Locked;
        if active && waits.is_none() && !expired && !reset {
            return Self::Usable { expires: expires.map(|expires| expires.since(now).as_secs()) };
        }
        let left = rules.grace_limit.saturating_sub(noted.grace_used);
        Self::Restricted {
            inactive: !active,
            reset,
            expired,
            grace: expired.then_some(left).filter(|left| *left > 0),
            unlock: waits.map(|waits| waits.as_secs()),
        }
    }
}

/// Why a password is not taken, or nothing else is (draft §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordProblem {
    /// passwordExpired (0).
    Expired,
    /// accountLocked (1).
    AccountLocked,
    /// changeAfterReset (2).
    ChangeAfterReset,
    /// passwordModNotAllowed (3).
    ModificationNotAllowed,
    /// mustSupplyOldPassword (4).
    MustSupplyOld,
    /// insufficientPasswordQuality (5).
    InsufficientQuality,
    /// passwordTooShort (6).
    TooShort,
    /// passwordTooYoung (7).
    TooYoung,
    /// passwordInHistory (8).
    InHistory,
}

impl PasswordProblem {
    /// In plain words, for the one who asked. What looks like a wrong password reads like one (HB1).
    pub const fn text(self) -> &'static str {
        match self {
            Self::AccountLocked | Self::Expired => "invalid credentials",
            Self::ChangeAfterReset => "the password was set by somebody else, and has to be changed before anything else is done",
            Self::ModificationNotAllowed => "users do not change their passwords here",
            Self::MustSupplyOld => "a new password comes with the old one",
            Self::InsufficientQuality => "the password is too weak",
            Self::TooShort => "the password is too short",
            Self::TooYoung => "the password was changed a short while ago, and cannot be changed again yet",
            Self::InHistory => "this password was used before",
        }
    }
}

/// A value of `pwdHistory` for a stored password (draft §5.3.7).
pub fn history_value(stored: &[u8], now: Timestamp) -> Vec<u8> {
    let mut value = format!("{}#{OCTETS_SYNTAX}#{}#", now.generalized_millis(), stored.len()).into_bytes();
    value.extend_from_slice(stored);
    value
}

/// The stored password in a value of `pwdHistory`.
pub fn stored_in_history(value: &[u8]) -> Option<&[u8]> {
    value.splitn(4, |octet| *octet == b'#').nth(3)
}

/// The last passwords of an account: those there are and those that go now, the youngest `keep` of them.
pub fn history(before: &[Vec<u8>], replaced: &[Vec<u8>], keep: usize, now: Timestamp) -> Vec<Vec<u8>> {
    let mut values = before.to_vec();
    values.extend(replaced.iter().map(|stored| history_value(stored, now)));
    // Each begins with its time.
    values.sort();
    values.dedup();
    let surplus = values.len().saturating_sub(keep);
    values.split_off(surplus)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(days: u32) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).plus(DAY * days)
    }

    fn changed(days: u32) -> PasswordNotes {
        PasswordNotes { changed: Some(at(days)), ..PasswordNotes::default() }
    }

    #[test]
    fn a_password_expires_after_a_warning_and_some_grace() {
        let rules = PasswordRules { maximum_age: DAY * 90, expire_warning: DAY * 7, grace_limit: 2, ..PasswordRules::default() };
        assert_eq!(rules.at_bind(&changed(0), at(82)), PasswordUse::Free);
        assert_eq!(rules.at_bind(&changed(0), at(83)), PasswordUse::Expires { seconds: 7 * 86_400 });
        assert_eq!(rules.at_bind(&changed(0), at(90)), PasswordUse::Grace { left: 1 });
        assert_eq!(rules.at_bind(&PasswordNotes { grace_used: 1, ..changed(0) }, at(90)), PasswordUse::Grace { left: 0 });
        assert_eq!(rules.at_bind(&PasswordNotes { grace_used: 2, ..changed(0) }, at(90)), PasswordUse::Expired);
        assert_eq!(rules.at_bind(&PasswordNotes::default(), at(90)), PasswordUse::Free, "nobody knows how old it is");
        assert_eq!(PasswordRules::default().at_bind(&changed(0), at(9_000)), PasswordUse::Free, "none expires by default");
    }

    #[test]
    fn what_somebody_else_set_is_changed_first_where_the_policy_says_so() {
        let reset = PasswordNotes { reset: true, ..changed(0) };
        let rules = PasswordRules { must_change: true, minimum_age: DAY, ..PasswordRules::default() };
        assert_eq!(rules.at_bind(&reset, at(0)), PasswordUse::MustChange);
        assert_eq!(PasswordRules::default().at_bind(&reset, at(0)), PasswordUse::Free);
        assert_eq!(rules.own_change(&reset, false, at(0)), Ok(()), "and need not wait");
        assert_eq!(rules.own_change(&changed(0), false, at(0)), Err(PasswordProblem::TooYoung));
        assert_eq!(rules.own_change(&changed(0), false, at(1)), Ok(()));
        assert_eq!(rules.own_change(&changed(30), false, at(1)), Ok(()), "set by a clock that was ahead");
    }

    #[test]
    fn users_change_their_passwords_as_the_policy_lets_them() {
        let closed = PasswordRules { allow_user_change: false, ..PasswordRules::default() };
        assert_eq!(closed.own_change(&changed(0), true, at(1)), Err(PasswordProblem::ModificationNotAllowed));
        let safe = PasswordRules { safe_modify: true, ..PasswordRules::default() };
        assert_eq!(safe.own_change(&changed(0), false, at(1)), Err(PasswordProblem::MustSupplyOld));
        assert_eq!(safe.own_change(&changed(0), true, at(1)), Ok(()));
    }

    #[test]
    fn an_account_is_usable_or_it_is_said_why_not() {
        let rules = PasswordRules { maximum_age: DAY * 90, grace_limit: 2, must_change: true, ..PasswordRules::default() };
        let usable = |noted, active, waits, days| Usability::of(&rules, &noted, active, waits, at(days));
        assert_eq!(usable(changed(0), true, None, 89), Usability::Usable { expires: Some(86_400) });
        assert_eq!(usable(PasswordNotes::default(), true, None, 89), Usability::Usable { expires: None });
        let said = |inactive, reset, expired, grace, unlock| Usability::Restricted { inactive, reset, expired, grace, unlock };
        assert_eq!(usable(changed(0), false, Some(DAY), 1), said(true, false, false, None, Some(86_400)));
        assert_eq!(usable(PasswordNotes { reset: true, ..changed(0) }, true, None, 1), said(false, true, false, None, None));
        assert_eq!(usable(PasswordNotes { grace_used: 1, ..changed(0) }, true, None, 91), said(false, false, true, Some(1), None));
    }

    #[test]
    fn the_youngest_former_passwords_are_kept() {
        let first = history(&[], &[b"{X}one#1".to_vec()], 2, at(0));
        assert_eq!(first.iter().filter_map(|value| stored_in_history(value)).collect::<Vec<_>>(), [b"{X}one#1"]);
        let second = history(&first, &[b"{X}two".to_vec()], 2, at(1));
        let third = history(&second, &[b"{X}three".to_vec()], 2, at(2));
        let kept: Vec<_> = third.iter().filter_map(|value| stored_in_history(value)).collect();
        assert_eq!(kept, [&b"{X}two"[..], b"{X}three"]);
        assert!(history(&third, &[b"{X}four".to_vec()], 0, at(3)).is_empty());
    }
}
