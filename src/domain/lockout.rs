//! Failed sign-ins of one account: how many there were, and until when further ones wait (hardening §2.1, HB3, HB4).
//!
//! A pure state machine. An attempt is counted when it begins, before any password is verified, so that many at one time
//! get no more tries than one after another; where those under way may use up what is free, the next waits to see what
//! becomes of them, so that many right ones at one time all get in. After so many failures each further try has to wait, longer each time, but
//! never for good. Rules that the password policy of an account adds are counted beside those of the config, and nobody sees
//! from outside whether there are any: an attempt that they refuse is [held](Begun::Admitted), which costs and answers what a
//! wrong password does. Addresses from which the account has signed in lately are counted apart: whoever guesses elsewhere
//! cannot keep the user out there, and whoever guesses there waits like everybody.

use crate::base::Timestamp;
use crate::base::network::peer_network;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// Addresses of an account that are remembered.
const KNOWN_LIMIT: usize = 8;
/// Times of failures that are kept to be shown.
const RECENT_LIMIT: usize = 128;

/// When failures make an account wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// Failures in a row that are free; 0 for no waiting at all.
    pub failures: u32,
    /// The first wait.
    pub first_wait: Duration,
    /// No wait is longer.
    pub longest_wait: Duration,
    /// Failures are forgotten after so long without another.
    pub forget_after: Duration,
    /// How long an address is known after a success from it.
    pub known_for: Duration,
}

impl Default for Lockout {
    fn default() -> Self {
        Self {
            failures: 5,
            first_wait: Duration::from_secs(30),
            longest_wait: Duration::from_secs(3_600),
            forget_after: Duration::from_secs(24 * 3_600),
            known_for: Duration::from_secs(30 * 24 * 3_600),
        }
    }
}

/// What the password policy of an account adds: its lockout, and its delays. Either may be missing.
pub type PolicyLockouts = [Option<Lockout>; 2];

/// When attempts on one account have to wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockoutRules {
    /// What holds for every name, whether there is such an account or not.
    pub general: Lockout,
    /// What the policy of the account adds.
    pub policy: PolicyLockouts,
}

impl Lockout {
    /// The wait after the first `waits` ones: each is twice as long as the one before.
    fn wait(&self, waits: u32) -> Duration {
        let doubled = 1_u32.checked_shl(waits).and_then(|factor| self.first_wait.checked_mul(factor));
        doubled.unwrap_or(self.longest_wait).min(self.longest_wait)
    }
}

/// Where an attempt comes from: an IPv6 address counts by its network of 64 bits, since one peer has all of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place(String);

impl Place {
    /// The place of an address; local sockets are one place.
    pub fn of(address: Option<IpAddr>) -> Self {
        Self(address.map_or_else(|| "local".to_owned(), |address| peer_network(address).to_string()))
    }
}

/// Failures in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Track {
    /// All of them, those that had to wait among them.
    count: u32,
    /// How many waits were imposed.
    waits: u32,
    last: Option<Timestamp>,
    /// Since when, and until when, further attempts wait.
    wait: Option<(Timestamp, Timestamp)>,
}

impl Track {
    /// Whether a try has to wait now. What is to be forgotten is.
    fn waits(&mut self, rules: &Lockout, now: Timestamp) -> bool {
        // A clock that was set back must not lengthen a wait.
        let waits = self.wait.is_some_and(|(_, until)| now < until && until <= now.plus(rules.longest_wait));
        if !waits && self.last.is_some_and(|last| now.since(last) >= rules.forget_after) {
            *self = Self::default();
        }
        waits
    }

    /// Whether the try after one more failure has to wait.
    const fn locks(&self, rules: &Lockout) -> bool {
        rules.failures > 0 && self.count.saturating_add(1) >= rules.failures
    }

    fn fail(&mut self, rules: &Lockout, now: Timestamp, locks: bool) {
        self.count = self.count.saturating_add(1);
        self.last = Some(now);
        if locks {
            self.wait = Some((now, now.plus(rules.wait(self.waits))));
            self.waits = self.waits.saturating_add(1);
        }
    }
}

/// The failures in a row by each set of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tracks {
    #[serde(flatten)]
    general: Track,
    #[serde(default)]
    policy: [Track; 2],
}

impl Tracks {
    fn of_policy<'a>(&'a mut self, policy: &'a PolicyLockouts) -> impl Iterator<Item = (&'a mut Track, &'a Lockout)> {
        self.policy.iter_mut().zip(policy).filter_map(|(track, rules)| Some((track, rules.as_ref()?)))
    }

    fn all(&self) -> impl Iterator<Item = &Track> {
        std::iter::once(&self.general).chain(&self.policy)
    }
}

/// An address from which the account has signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KnownPlace {
    place: Place,
    last_success: Timestamp,
    track: Tracks,
}

/// What became of an attempt that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It may go on.
    Admitted {
        /// Whether the next attempt has to wait, should the password be wrong.
        locks: bool,
        /// Whether the policy of the account refuses it. Nothing is verified then, and it takes as long as if it were.
        held: bool,
    },
    /// It has to wait: refused whatever the password, which must not be verified.
    Refused,
    /// It is not counted yet: whether it is admitted depends on others under way. To be begun again when one has ended.
    Later,
}

/// What a right proof is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merit {
    /// All that is asked for to sign in: failures before it are forgotten.
    Whole,
    /// A password of one application, which is no proof of the password: failures stay, and the place becomes a known one.
    Application,
    /// The old password at a change of it, to which a one-time code may be missing: failures stay, and that is all.
    Part,
}

/// The attempts to sign in to one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    others: Tracks,
    known: Vec<KnownPlace>,
    recent: Vec<Timestamp>,
    last_success: Option<Timestamp>,
    /// Where the attempts under way come from.
    #[serde(skip)]
    under_way: Vec<Place>,
}

impl Attempts {
    /// An attempt begins: by the general rules it counts as a failure until it has succeeded. Those of the policy look at it
    /// when it ends, so that nothing that is seen from outside hangs on them.
    pub fn begin(&mut self, rules: &LockoutRules, place: &Place, now: Timestamp) -> Begun {
        self.known.retain(|known| now.since(known.last_success) <= rules.general.known_for);
        let others_under_way = self.under_way_beside(place) > 0;
        let Tracks { general, .. } = self.tracks(place);
        let waits = general.waits(&rules.general, now);
        let locks = !waits && general.locks(&rules.general);
        if others_under_way && (waits || locks) {
            return Begun::Later;
        }
        general.fail(&rules.general, now, locks);
        self.note_failure(now);
        if waits {
            return Begun::Refused;
        }
        self.under_way.push(place.clone());
        Begun::Admitted { locks, held: self.is_held(&rules.policy, place, now) }
    }

    /// The password was wrong, or nobody waits for the answer any more: an attempt that was admitted stays a failure.
    pub fn failed(&mut self, policy: &PolicyLockouts, place: &Place, now: Timestamp) {
        self.is_over(place);
        for (track, rules) in self.tracks(place).of_policy(policy) {
            let locks = !track.waits(rules, now) && track.locks(rules);
            track.fail(rules, now, locks);
        }
    }

    /// The password was not verified after all: the attempt counts for nothing.
    pub fn withdraw(&mut self, place: &Place, begun: Begun) {
        self.is_over(place);
        let track = &mut self.tracks(place).general;
        track.count = track.count.saturating_sub(1);
        if matches!(begun, Begun::Admitted { locks: true, .. }) {
            track.wait = None;
            track.waits = track.waits.saturating_sub(1);
        }
        self.recent.pop();
    }

    /// What was given was right, and is worth so much; answers as [`Self::succeeded`] does.
    pub fn proven(&mut self, merit: Merit, policy: &PolicyLockouts, place: &Place, begun: Begun, now: Timestamp) -> Option<bool> {
        if merit == Merit::Whole || self.is_held(policy, place, now) {
            return self.succeeded(policy, place, now);
        }
        self.withdraw(place, begun);
        if merit == Merit::Application {
            self.last_success = Some(now);
            self.seen_at(place, now);
        }
        Some(true)
    }

    /// The account is used from this place: those who guess elsewhere do not keep it out there any more. Failures so far count at
    /// either from now on, and no other place is forgotten for it, or whoever has many could begin anew.
    fn seen_at(&mut self, place: &Place, now: Timestamp) {
        let room = self.known.len() < KNOWN_LIMIT;
        match self.known.iter_mut().find(|known| known.place == *place) {
            Some(known) => known.last_success = now,
            None if room => {
                self.known.push(KnownPlace { place: place.clone(), last_success: now, track: self.others.clone() });
                let moved = self.under_way.iter().filter(|held| *held == place).count();
                let count = &mut self.others.general.count;
                *count = count.saturating_sub(u32::try_from(moved).unwrap_or(u32::MAX));
            }
            None => {}
        }
    }

    /// The password was right. Answers whether anything but the time of the last success changed; `None` where the policy
    /// refuses it all the same, because of others that have failed meanwhile.
    pub fn succeeded(&mut self, policy: &PolicyLockouts, place: &Place, now: Timestamp) -> Option<bool> {
        if self.is_held(policy, place, now) {
            self.failed(policy, place, now);
            return None;
        }
        self.is_over(place);
        let tracks = self.tracks(place);
        let waited = tracks.all().any(|track| track.waits > 0) || self.recent.len() > 1;
        let known = self.known.iter().position(|known| known.place == *place);
        match known.and_then(|at| self.known.get_mut(at)) {
            Some(known) => (known.last_success, known.track) = (now, Tracks::default()),
            None => {
                self.others = Tracks::default();
                if self.known.len() >= KNOWN_LIMIT
                    && let Some(oldest) = (0..self.known.len()).min_by_key(|at| self.known.get(*at).map(|known| known.last_success))
                {
                    self.known.remove(oldest);
                }
                self.known.push(KnownPlace { place: place.clone(), last_success: now, track: Tracks::default() });
            }
        }
        // Those still under way count as failures until they succeed too.
        let under_way = self.under_way_beside(place);
        self.tracks(place).general.count = under_way;
        let all_forgotten = self.others.general.count == 0 && self.known.iter().all(|known| known.track.general.count == 0);
        if all_forgotten {
            self.recent.clear();
        } else {
            self.recent.pop();
        }
        self.last_success = Some(now);
        Some(waited || known.is_none())
    }

    /// Forgets all failures: an administrator unlocked the account, or set its password.
    pub fn clear(&mut self) {
        self.others = Tracks::default();
        self.known.iter_mut().for_each(|known| known.track = Tracks::default());
        self.recent.clear();
    }

    /// Since when somebody at an unknown address, or else at a known one, has to wait; `None` where nobody has to.
    pub fn waits_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.all_tracks().filter_map(|track| track.wait).find(|(_, until)| now < *until).map(|(since, _)| since)
    }

    /// How long somebody, at an unknown address or at a known one, has to wait yet; `None` where nobody has to.
    pub fn waits_for(&self, now: Timestamp) -> Option<Duration> {
        self.all_tracks().filter_map(|track| track.wait).filter(|(_, until)| now < *until).map(|(_, until)| until.since(now)).max()
    }

    /// Since when attempts had to wait last; as long as no attempt has succeeded since.
    pub fn locked_since(&self) -> Option<Timestamp> {
        self.all_tracks().filter_map(|track| track.wait).map(|(since, _)| since).max()
    }

    /// The times of the failures in a row, the oldest first.
    pub fn failures(&self) -> &[Timestamp] {
        &self.recent
    }

    /// When a password was right last.
    pub const fn last_success(&self) -> Option<Timestamp> {
        self.last_success
    }

    fn all_tracks(&self) -> impl Iterator<Item = &Track> {
        std::iter::once(&self.others).chain(self.known.iter().map(|known| &known.track)).flat_map(Tracks::all)
    }

    fn is_held(&mut self, policy: &PolicyLockouts, place: &Place, now: Timestamp) -> bool {
        self.tracks(place).of_policy(policy).any(|(track, rules)| track.waits(rules, now))
    }

    fn is_over(&mut self, place: &Place) {
        if let Some(at) = self.under_way.iter().position(|held| held == place) {
            self.under_way.swap_remove(at);
        }
    }

    /// How many attempts are under way that count together with one from this place.
    fn under_way_beside(&self, place: &Place) -> u32 {
        let is_known = |place: &Place| self.known.iter().any(|known| known.place == *place);
        let beside = |held: &&Place| if is_known(place) { *held == place } else { !is_known(held) };
        u32::try_from(self.under_way.iter().filter(beside).count()).unwrap_or(u32::MAX)
    }

    fn tracks(&mut self, place: &Place) -> &mut Tracks {
        match self.known.iter_mut().find(|known| known.place == *place) {
            Some(known) => &mut known.track,
            None => &mut self.others,
        }
    }

    /// Each failure has a time of its own, since the times are shown as a set.
    fn note_failure(&mut self, now: Timestamp) {
        if self.recent.len() >= RECENT_LIMIT {
            self.recent.remove(0);
        }
        let next = self.recent.last().map(|last| last.plus(Duration::from_millis(1)));
        self.recent.push(next.map_or(now, |next| next.max(now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn at(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn place(last: u8) -> Place {
        Place::of(Some(IpAddr::from([192, 0, 2, last])))
    }

    #[test]
    fn hb3_a_hundred_at_one_time_count_a_hundred_and_five_are_verified() {
        let (mut attempts, rules) = (Attempts::default(), LockoutRules::default());
        let (mut admitted, mut refused) = (0, 0);
        // Whoever is told to come again comes again when one has ended.
        while admitted + refused < 100 {
            match attempts.begin(&rules, &place(1), at(0)) {
                Begun::Admitted { .. } => admitted += 1,
                Begun::Refused => refused += 1,
                Begun::Later => attempts.failed(&rules.policy, &place(1), at(0)),
            }
        }
        assert_eq!(admitted, 5);
        assert_eq!(attempts.others.general.count, 100);
        assert_eq!(attempts.failures().len(), 100);
        assert!(attempts.failures().is_sorted_by(|left, right| left < right));
    }

    #[test]
    fn s11_however_many_right_ones_come_at_one_time_all_get_in() {
        let (mut attempts, rules) = (Attempts::default(), LockoutRules::default());
        let (mut under_way, mut let_in) = (0, 0);
        while let_in < 200 {
            match attempts.begin(&rules, &place(1), at(0)) {
                Begun::Admitted { .. } if under_way + let_in < 200 => under_way += 1,
                Begun::Admitted { .. } | Begun::Later => {
                    attempts.succeeded(&rules.policy, &place(1), at(0));
                    (under_way, let_in) = (under_way - 1, let_in + 1);
                }
                Begun::Refused => panic!("refused after {let_in}"),
            }
            if under_way == 0 && let_in == 200 {
                break;
            }
        }
    }

    #[test]
    fn hb3_what_is_not_the_whole_proof_forgets_no_failure_wherever_it_comes_from() {
        for merit in [Merit::Application, Merit::Part] {
            let (mut attempts, rules) = (Attempts::default(), LockoutRules::default());
            let mut verified = 0;
            for try_ in 0..200_u8 {
                let from = place(try_ % 20);
                for _ in 0..4 {
                    verified += u32::from(guess(&mut attempts, &rules, &from, at(0)) != Begun::Refused);
                }
                let begun = attempts.begin(&rules, &from, at(0));
                if begun != Begun::Refused {
                    assert!(attempts.proven(merit, &rules.policy, &from, begun, at(0)).is_some());
                }
            }
            assert!(verified <= 5 + 8, "{merit:?}: {verified}");
        }
    }

    #[test]
    fn hb4_where_an_application_signs_in_it_is_not_kept_out_from_elsewhere() {
        let (mut attempts, rules) = (Attempts::default(), LockoutRules::default());
        let sign_in = |attempts: &mut Attempts| {
            let begun = attempts.begin(&rules, &place(1), at(0));
            (begun != Begun::Refused).then(|| attempts.proven(Merit::Application, &rules.policy, &place(1), begun, at(0)))
        };
        assert!(sign_in(&mut attempts).is_some());
        assert_eq!((attempts.last_success(), attempts.failures()), (Some(at(0)), &[][..]));
        for _ in 0..50 {
            guess(&mut attempts, &LockoutRules::default(), &place(2), at(0));
        }
        assert!(sign_in(&mut attempts).is_some());
    }

    /// An attempt whose password turns out to be wrong.
    fn guess(attempts: &mut Attempts, rules: &LockoutRules, from: &Place, now: Timestamp) -> Begun {
        let begun = attempts.begin(rules, from, now);
        if begun != Begun::Refused {
            attempts.failed(&rules.policy, from, now);
        }
        begun
    }

    #[test]
    fn hb4_waits_rise_to_their_limit_and_end() {
        let (mut attempts, rules) = (Attempts::default(), LockoutRules::default());
        (0..4).for_each(|_| assert_eq!(guess(&mut attempts, &rules, &place(1), at(0)), Begun::Admitted { locks: false, held: false }));
        let mut now = 0;
        for wait in [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
            assert_eq!(guess(&mut attempts, &rules, &place(1), at(now)), Begun::Admitted { locks: true, held: false }, "{now}");
            assert_eq!(attempts.waits_since(at(now)), Some(at(now)));
            assert_eq!(guess(&mut attempts, &rules, &place(1), at(now + wait - 1)), Begun::Refused, "{now}");
            now += wait;
        }
        assert_eq!(
            guess(&mut attempts, &rules, &place(1), at(now + 24 * 3_600)),
            Begun::Admitted { locks: false, held: false },
            "forgotten"
        );
    }

    #[test]
    fn hb4_guessing_elsewhere_does_not_keep_the_user_out_at_home() {
        let (mut attempts, rules) = (Attempts::default(), LockoutRules::default());
        guess(&mut attempts, &rules, &place(1), at(0));
        attempts.succeeded(&rules.policy, &place(1), at(0));
        for second in 0..1_000 {
            guess(&mut attempts, &rules, &place(2), at(second));
        }
        assert_eq!(guess(&mut attempts, &rules, &place(2), at(1_000)), Begun::Refused);
        assert_eq!(guess(&mut attempts, &rules, &place(1), at(1_000)), Begun::Admitted { locks: false, held: false });
        attempts.succeeded(&rules.policy, &place(1), at(1_000));
        assert_eq!(guess(&mut attempts, &rules, &place(2), at(1_001)), Begun::Refused, "a success at home gives no tries elsewhere");
        for _ in 0..5 {
            guess(&mut attempts, &rules, &place(1), at(1_002));
        }
        assert_eq!(guess(&mut attempts, &rules, &place(1), at(1_003)), Begun::Refused, "whoever guesses at home waits too");
        let later = 31 * 24 * 3_600;
        assert!(matches!(guess(&mut attempts, &rules, &place(1), at(later)), Begun::Admitted { .. }));
        assert!(attempts.known.is_empty(), "an address is not known for ever");
    }

    #[test]
    fn hb1_a_policy_refuses_what_is_admitted_by_all_that_can_be_seen() {
        let strict = Lockout { failures: 2, first_wait: Duration::from_secs(600), ..Lockout::default() };
        let rules = LockoutRules { policy: [Some(strict), None], ..LockoutRules::default() };
        let (mut attempts, mut plain) = (Attempts::default(), Attempts::default());
        for second in 0..20 {
            let shown = |begun| match begun {
                Begun::Admitted { locks, .. } => Begun::Admitted { locks, held: false },
                other => other,
            };
            let (begun, expected) =
                (attempts.begin(&rules, &place(1), at(second)), plain.begin(&LockoutRules::default(), &place(1), at(second)));
            assert_eq!(shown(begun), expected, "{second}");
            if let Begun::Admitted { held, .. } = begun {
                assert_eq!(held, second >= 2, "{second}");
                attempts.failed(&rules.policy, &place(1), at(second));
                plain.failed(&[None, None], &place(1), at(second));
            }
        }
    }

    #[test]
    fn hb3_of_many_at_one_time_one_gets_in_only_while_the_policy_still_lets_it() {
        let strict = Lockout { failures: 2, ..Lockout::default() };
        let rules = LockoutRules { policy: [Some(strict), None], ..LockoutRules::default() };
        let mut attempts = Attempts::default();
        for _ in 0..4 {
            assert_eq!(attempts.begin(&rules, &place(1), at(0)), Begun::Admitted { locks: false, held: false });
        }
        attempts.failed(&rules.policy, &place(1), at(0));
        assert_eq!(attempts.clone().succeeded(&rules.policy, &place(1), at(0)), Some(true), "after one failure");
        attempts.failed(&rules.policy, &place(1), at(0));
        assert_eq!(attempts.succeeded(&rules.policy, &place(1), at(0)), None, "after two");
    }

    #[test]
    fn what_was_saved_before_there_were_policies_is_read() {
        let old = r#"{"others":{"count":3,"waits":0,"last":1800000000000,"wait":null},"known":[],"recent":[],"last_success":null}"#;
        assert_eq!(serde_json::from_str::<Attempts>(old).unwrap().others.general.count, 3);
    }

    #[test]
    fn a_network_of_64_bits_is_one_place_and_mapped_addresses_are_what_they_are() {
        let of = |text: &str| Place::of(Some(text.parse().unwrap()));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Guess(u8, u64),
        Busy(u8, u64),
        Right(u8, u64),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..3_u8, 0..4_000_u64).prop_map(|(place, pause)| Step::Guess(place, pause)),
            1 => (0..3_u8, 0..100_u64).prop_map(|(place, pause)| Step::Busy(place, pause)),
            1 => (0..3_u8, 0..4_000_u64).prop_map(|(place, pause)| Step::Right(place, pause)),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        /// Whatever happens: no wait is longer than the longest, nobody gets more tries than are free and one per wait, and
        /// what is kept reads back as it was.
        #[test]
        fn the_machine_keeps_its_promises(steps in prop::collection::vec(step(), 1..200)) {
            let rules = LockoutRules::default();
            let (mut attempts, mut now) = (Attempts::default(), 0);
            let mut tries = std::collections::HashMap::<Place, Vec<u64>>::new();
            for step in steps {
                match step {
                    Step::Guess(from, pause) => {
                        now += pause;
                        if guess(&mut attempts, &rules, &place(from), at(now)) != Begun::Refused {
                            tries.entry(place(from)).or_default().push(now);
                        }
                    }
                    Step::Busy(from, pause) => {
                        now += pause;
                        let before = attempts.clone();
                        let begun = attempts.begin(&rules, &place(from), at(now));
                        if begun != Begun::Refused {
                            attempts.withdraw(&place(from), begun);
                        }
                        prop_assert!(attempts.others.general.waits <= before.others.general.waits);
                    }
                    Step::Right(from, pause) => {
                        now += pause;
                        if attempts.begin(&rules, &place(from), at(now)) != Begun::Refused {
                            attempts.succeeded(&rules.policy, &place(from), at(now));
                            tries.clear();
                            prop_assert_eq!(attempts.last_success(), Some(at(now)));
                        }
                    }
                    Step::Clear => {
                        attempts.clear();
                        tries.clear();
                        prop_assert_eq!(attempts.waits_since(at(now)), None);
                    }
                }
                let latest = attempts.others.general.wait.map_or_else(|| at(now), |(_, until)| until);
                prop_assert!(latest <= at(now).plus(rules.general.longest_wait));
                for tried in tries.values() {
                    let within = tried.iter().filter(|time| **time + 30 > now).count();
                    prop_assert!(within <= 5, "{} tries in 30 s", within);
                }
                let octets = serde_json::to_vec(&attempts).unwrap();
                prop_assert_eq!(&serde_json::from_slice::<Attempts>(&octets).unwrap(), &attempts);
            }
        }
    }
}
