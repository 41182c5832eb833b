//! The seat book beside a naive model (S11): a list of sessions that is looked through whole for every question. The long run
//! (HEADCOUNT_LONG) is a million events, the short one some ten thousand; HEADCOUNT_SEED says another beginning.

use super::*;
use crate::base::{Clock, ManualClock};
use std::collections::BTreeMap;

const LICENCES: [EntryId; 2] = [EntryId(1), EntryId(2)];
const MINUTE: Duration = Duration::from_secs(60);

/// Numbers that look random (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn maybe<T>(&mut self, value: T) -> Option<T> {
        (self.below(2) == 0).then_some(value)
    }
}

/// A session as the model keeps it; times are monotonic milliseconds, those on disk of the wall clock.
#[derive(Clone, Debug)]
struct Sitting {
    licence: EntryId,
    user: u32,
    client: u64,
    began: i128,
    active: i128,
    connections: u32,
    ending: bool,
    began_on_disk: i128,
    active_on_disk: i128,
}

struct Model {
    sittings: BTreeMap<EntryId, Sitting>,
    terms: BTreeMap<EntryId, LicenceTerms>,
}

/// What the model says to somebody who wants a seat.
#[derive(Debug)]
enum Answer {
    Seated(Vec<EntryId>),
    /// The sessions that give way: any one of these sets.
    Granted(Vec<Vec<EntryId>>, bool),
    Refused(Bound, u32, u32),
    Closed(bool),
}

fn millis(duration: Duration) -> i128 {
    i128::try_from(duration.as_millis()).unwrap()
}

impl Model {
    fn is_over(&self, sitting: &Sitting, now: Moment) -> bool {
        let terms = &self.terms[&sitting.licence];
        let (now, held) = (millis(now.monotonic), terms.release == Release::Disconnect && sitting.connections > 0);
        sitting.ending
            || (!held && now - sitting.active >= millis(terms.idle_timeout))
            || terms.maximum_age.is_some_and(|age| now - sitting.began >= millis(age))
    }

    /// Who takes a seat, by the sessions of each.
    fn holders(&self, licence: EntryId, counts: impl Fn(EntryId, &Sitting) -> bool) -> BTreeMap<(u32, u64), Vec<EntryId>> {
        let mut holders: BTreeMap<(u32, u64), Vec<EntryId>> = BTreeMap::new();
        for (entry, sitting) in self.sittings.iter().filter(|(entry, sitting)| sitting.licence == licence && counts(**entry, sitting)) {
            let client = if self.terms[&licence].counting == Counting::Users { 0 } else { sitting.client };
            holders.entry((sitting.user, client)).or_default().push(*entry);
        }
        holders
    }

    /// The sets of sessions of which one gives way where the limit is reached, `None` for nobody more; without any, there is
    /// more room than the limit.
    fn at_limit(
        &self,
        now: Moment,
        terms: &LicenceTerms,
        when_full: WhenFull,
        limit: u32,
        holders: &[Vec<EntryId>],
    ) -> Option<Vec<Vec<EntryId>>> {
        let in_use = u32::try_from(holders.len()).unwrap();
        let idle =
            |sessions: &Vec<EntryId>| sessions.iter().map(|entry| millis(now.monotonic) - self.sittings[entry].active).min().unwrap();
        match when_full {
            _ if terms.report_only => Some(Vec::new()),
            WhenFull::Deny => None,
            WhenFull::Overdraft(more) => (in_use < limit + more).then(Vec::new),
            WhenFull::EndOldestIdle(_) if in_use > limit => None,
            WhenFull::EndOldestIdle(least) => {
                let most = holders.iter().map(idle).max().unwrap();
                (most >= millis(least)).then(|| holders.iter().filter(|sessions| idle(sessions) == most).cloned().collect())
            }
        }
    }

    fn ask(&self, now: Moment, licence: EntryId, user: u32, client: u64) -> Answer {
        let terms = &self.terms[&licence];
        if terms.start.is_some_and(|start| now.wall < start) {
            return Answer::Closed(true);
        }
        if terms.end.is_some_and(|end| now.wall >= end) {
            return Answer::Closed(false);
        }
        let is_live = |sitting: &Sitting| !self.is_over(sitting, now);
        let own: Vec<EntryId> = self
            .sittings
            .iter()
            .filter(|(_, sitting)| sitting.licence == licence && sitting.user == user && is_live(sitting))
            .map(|(entry, _)| *entry)
            .collect();
        let fits = |entry: &&EntryId| terms.counting == Counting::Users || self.sittings[*entry].client == client;
        let seated: Vec<EntryId> = own.iter().filter(fits).copied().collect();
        if !seated.is_empty() {
            return Answer::Seated(seated);
        }
        let mut over_limit = false;
        let mut choices = vec![Vec::new()];
        let in_use = u32::try_from(own.len()).unwrap();
        if let Some(cap) = terms.per_user.filter(|cap| in_use >= *cap) {
            let when_full = if matches!(terms.when_full, WhenFull::Overdraft(_)) { WhenFull::Deny } else { terms.when_full };
            match self.at_limit(now, terms, when_full, cap, &own.iter().map(|entry| vec![*entry]).collect::<Vec<_>>()) {
                None => return Answer::Refused(Bound::User, cap, in_use),
                Some(given) if given.is_empty() => over_limit = true,
                Some(given) => choices = given,
            }
        }
        // Who has the cap of a user gives a seat of one's own up: whichever it is, one holder less is left.
        let gone = choices[0].clone();
        let holders = self.holders(licence, |entry, sitting| is_live(sitting) && !gone.contains(&entry));
        let in_use = u32::try_from(holders.len()).unwrap();
        if in_use < terms.limit {
            return Answer::Granted(choices, over_limit);
        }
        match self.at_limit(now, terms, terms.when_full, terms.limit, &holders.into_values().collect::<Vec<_>>()) {
            None => Answer::Refused(Bound::Licence, terms.limit, in_use),
            Some(given) if given.is_empty() => Answer::Granted(choices, true),
            Some(given) => {
                let both = choices.iter().flat_map(|own| given.iter().map(|other| [own.clone(), other.clone()].concat()));
                Answer::Granted(both.collect(), over_limit)
            }
        }
    }
}

struct Run {
    dice: Dice,
    clock: ManualClock,
    book: SeatBook,
    model: Model,
    next: u32,
    /// Whether the wall clock was set since the last batch.
    jumped: bool,
    grants: u64,
    refusals: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let terms = LICENCES.iter().map(|licence| (*licence, LicenceTerms { limit: 3, ..LicenceTerms::default() })).collect();
        Self {
            dice: Dice(seed),
            clock: ManualClock::at(Timestamp::from_millis(1_800_000_000_000)),
            book: SeatBook::default(),
            model: Model { sittings: BTreeMap::new(), terms },
            next: 100,
            jumped: false,
            grants: 0,
            refusals: 0,
        }
    }

    fn event(&mut self) {
        match self.dice.below(40) {
            0..=15 => self.bind(),
            16..=18 => self.with_one(|book, entry, sitting, now| {
                book.get(entry).unwrap().session.touch(now.monotonic);
                sitting.active = millis(now.monotonic);
            }),
            19 => self.with_one(|book, entry, sitting, _| {
                book.get(entry).unwrap().session.attach();
                sitting.connections += 1;
            }),
            20 => self.with_one(|book, entry, sitting, _| {
                if sitting.connections > 0 {
                    assert_eq!(book.get(entry).unwrap().session.detach(), sitting.connections == 1);
                    sitting.connections -= 1;
                }
            }),
            21..=22 => self.end_one(),
            23 => self.with_one(|book, entry, sitting, _| {
                book.get(entry).unwrap().session.begin_ending();
                sitting.ending = true;
            }),
            24..=25 => self.with_one(|book, entry, sitting, _| {
                book.get(entry).unwrap().session.go_on();
                sitting.ending = false;
            }),
            26..=29 => self.clock.advance(Duration::from_millis(self.dice.below(12 * 60_000))),
            30..=31 => self.sweep(),
            32 => self.enforce(),
            33..=35 => self.change(),
            36 => self.save(),
            37 => self.restart(),
            38 => self.jump(),
            _ => self.fail(),
        }
    }

    fn pick(&mut self) -> Option<EntryId> {
        let count = self.model.sittings.len() as u64;
        let nth = usize::try_from(self.dice.below(count.max(1))).unwrap();
        self.model.sittings.keys().nth(nth).copied()
    }

    fn with_one(&mut self, change: impl FnOnce(&mut SeatBook, EntryId, &mut Sitting, Moment)) {
        if let Some(entry) = self.pick() {
            change(&mut self.book, entry, self.model.sittings.get_mut(&entry).unwrap(), self.clock.moment());
        }
    }

    fn seeker(&mut self) -> (EntryId, u32, u64) {
        (LICENCES[usize::try_from(self.dice.below(2)).unwrap()], 1 + u32::try_from(self.dice.below(8)).unwrap(), self.dice.below(3))
    }

    fn bind(&mut self) {
        let ((licence, user, client), now) = (self.seeker(), self.clock.moment());
        let expected = self.model.ask(now, licence, user, client);
        let terms = self.model.terms[&licence].clone();
        match (self.book.acquire(now, licence, &terms, EntryId(user), &client.to_string(), &[]), expected) {
            (Decision::Seated(session), Answer::Seated(own)) => {
                assert!(own.contains(&session.entry), "{own:?}");
                session.touch(now.monotonic);
                self.model.sittings.get_mut(&session.entry).unwrap().active = millis(now.monotonic);
            }
            (Decision::Granted { end, over_limit }, Answer::Granted(choices, is_over)) => {
                self.check_ending(now, licence, &end, &choices);
                assert_eq!(over_limit, is_over, "{choices:?}");
                for session in end {
                    assert!(self.book.end(session.entry).is_some() && self.model.sittings.remove(&session.entry).is_some());
                }
                self.begin(now, licence, user, client);
                let in_use = self.model.holders(licence, |_, sitting| !self.model.is_over(sitting, now)).len();
                let most = terms.limit + if let WhenFull::Overdraft(more) = terms.when_full { more } else { 0 };
                assert!(terms.report_only || in_use <= most as usize, "{in_use} of {most}");
                self.grants += 1;
            }
            (Decision::Refused { bound, limit, in_use }, Answer::Refused(by, of, taken)) => {
                assert_eq!((bound, limit, in_use), (by, of, taken));
                self.refusals += 1;
            }
            (Decision::Closed { not_begun }, Answer::Closed(early)) => assert_eq!(not_begun, early),
            (decision, answer) => panic!("{decision:?} where the model says {answer:?} by {terms:?}"),
        }
    }

    /// Nobody ends but who is over, and one of those who may have to give way.
    fn check_ending(&self, now: Moment, licence: EntryId, end: &[Arc<SessionHandle>], choices: &[Vec<EntryId>]) {
        let mut gave_way: Vec<EntryId> = end.iter().map(|session| session.entry).collect();
        assert!(gave_way.iter().all(|entry| self.model.sittings[entry].licence == licence));
        gave_way.retain(|entry| !self.model.is_over(&self.model.sittings[entry], now));
        gave_way.sort();
        let sorted = |choice: &Vec<EntryId>| {
            let mut choice = choice.clone();
            choice.sort();
            choice
        };
        assert!(choices.iter().any(|choice| sorted(choice) == gave_way), "{gave_way:?} of {choices:?}");
    }

    fn begin(&mut self, now: Moment, licence: EntryId, user: u32, client: u64) {
        self.next += 1;
        let session = Arc::new(SessionHandle::new(EntryId(self.next), &self.next.to_string(), now));
        self.book.begin(Seat { session, licence, user: EntryId(user), client: client.to_string().into() });
        let (at, on_disk) = (millis(now.monotonic), i128::from(now.wall.millis()));
        let sitting = Sitting {
            licence,
            user,
            client,
            began: at,
            active: at,
            connections: 0,
            ending: false,
            began_on_disk: on_disk,
            active_on_disk: on_disk,
        };
        self.model.sittings.insert(EntryId(self.next), sitting);
    }

    fn end_one(&mut self) {
        if let Some(entry) = self.pick() {
            let seat = self.book.end(entry).unwrap();
            assert!(seat.session.has_ended() && self.book.end(entry).is_none());
            self.model.sittings.remove(&entry);
        }
    }

    /// A session that was granted and whose commit failed is struck out again; it holds no seat.
    fn fail(&mut self) {
        let (licence, user, client) = self.seeker();
        let before = self.book.in_use(licence, Counting::Sessions);
        self.begin(self.clock.moment(), licence, user, client);
        assert!(self.book.end(EntryId(self.next)).is_some());
        self.model.sittings.remove(&EntryId(self.next));
        assert_eq!(self.book.in_use(licence, Counting::Sessions), before);
    }

    fn sweep(&mut self) {
        let now = self.clock.moment();
        // Rarely, a licence is gone: all of it is over.
        let gone = if self.dice.below(20) == 0 { self.dice.maybe(LICENCES[0]) } else { None };
        let terms = |licence| self.model.terms.get(&licence).filter(|_| Some(licence) != gone).cloned();
        let mut over: Vec<EntryId> = self.book.expired(now, terms).iter().map(|seat| seat.session.entry).collect();
        over.sort();
        let is_over = |sitting: &Sitting| Some(sitting.licence) == gone || self.model.is_over(sitting, now);
        let expected: Vec<EntryId> = self.model.sittings.iter().filter(|(_, sitting)| is_over(sitting)).map(|(entry, _)| *entry).collect();
        assert_eq!(over, expected);
        for entry in over {
            self.book.end(entry);
            self.model.sittings.remove(&entry);
        }
    }

    fn enforce(&mut self) {
        let (licence, now) = (self.seeker().0, self.clock.moment());
        let terms = self.model.terms[&licence].clone();
        let idle =
            |sessions: &Vec<EntryId>| sessions.iter().map(|entry| millis(now.monotonic) - self.model.sittings[entry].active).min().unwrap();
        let holders: Vec<Vec<EntryId>> = self.model.holders(licence, |_, _| true).into_values().collect();
        let ended: Vec<EntryId> = self.book.surplus(now, licence, &terms).iter().map(|session| session.entry).collect();
        let (out, left): (Vec<_>, Vec<_>) = holders.into_iter().partition(|sessions| sessions.iter().any(|entry| ended.contains(entry)));
        assert_eq!(out.iter().map(Vec::len).sum::<usize>(), ended.len(), "holders go whole");
        assert!(left.len() <= terms.limit as usize && (out.is_empty() || left.len() == terms.limit as usize));
        if let (Some(least), Some(most)) = (out.iter().map(idle).min(), left.iter().map(idle).max()) {
            assert!(least >= most, "those idle longest go");
        }
        for entry in ended {
            self.book.end(entry);
            self.model.sittings.remove(&entry);
        }
    }

    fn change(&mut self) {
        let (licence, wall) = (self.seeker().0, self.clock.now());
        let mut terms = self.model.terms[&licence].clone();
        let minutes = |dice: &mut Dice, most| u32::try_from(1 + dice.below(most)).unwrap() * MINUTE;
        match self.dice.below(10) {
            0..=2 => terms.limit = 1 + u32::try_from(self.dice.below(6)).unwrap(),
            3 => terms.counting = if self.dice.below(2) == 0 { Counting::Users } else { Counting::Sessions },
            4 => {
                terms.when_full = match self.dice.below(3) {
                    0 => WhenFull::Deny,
                    1 => WhenFull::EndOldestIdle(minutes(&mut self.dice, 10)),
                    _ => WhenFull::Overdraft(u32::try_from(self.dice.below(3)).unwrap()),
                }
            }
            5 => terms.per_user = Some(1 + u32::try_from(self.dice.below(3)).unwrap()).and_then(|cap| self.dice.maybe(cap)),
            6 => terms.maximum_age = Some(minutes(&mut self.dice, 90)).and_then(|age| self.dice.maybe(age)),
            7 => terms.release = if self.dice.below(2) == 0 { Release::Idle } else { Release::Disconnect },
            8 => {
                terms.report_only = self.dice.below(4) == 0;
                terms.idle_timeout = minutes(&mut self.dice, 40);
            }
            _ => {
                let soon = minutes(&mut self.dice, 20);
                (terms.start, terms.end) = match self.dice.below(6) {
                    0 => (Some(wall.plus(soon)), None),
                    1 => (None, Some(wall.plus(soon))),
                    _ => (None, None),
                };
            }
        }
        self.model.terms.insert(licence, terms);
    }

    /// A batch of activity goes to disk (S10): what it leaves out must be there already.
    fn save(&mut self) {
        self.jumped = false;
        let now = self.clock.moment();
        let unsaved = self.book.take_unsaved(now);
        for session in &unsaved {
            let on_disk = i128::from(session.last_activity_at(now).millis());
            self.model.sittings.get_mut(&session.entry).unwrap().active_on_disk = on_disk;
        }
        for (entry, sitting) in &self.model.sittings {
            let active = i128::from(now.wall.millis()) - (millis(now.monotonic) - sitting.active);
            assert_eq!(sitting.active_on_disk, active, "{entry:?}");
        }
    }

    /// The daemon ends, cleanly or not, and comes back a while later with what is on disk.
    fn restart(&mut self) {
        if self.dice.below(2) == 0 {
            self.save();
        }
        self.clock.advance(Duration::from_millis(self.dice.below(20 * 60_000)));
        let now = self.clock.moment();
        let kept: Vec<Seat> = self.book.iter().cloned().collect();
        assert_eq!(kept.len(), self.model.sittings.len(), "the same sit after it");
        self.book = SeatBook::default();
        for seat in kept {
            let sitting = self.model.sittings.get_mut(&seat.session.entry).unwrap();
            let wall = |millis: i128| Timestamp::from_millis(u64::try_from(millis).unwrap());
            let (began, active) = (wall(sitting.began_on_disk), wall(sitting.active_on_disk));
            let session = Arc::new(SessionHandle::restored(seat.session.entry, "kept", began, active, now));
            self.book.begin(Seat { session, ..seat });
            // What the wall clock has not reached yet counts as now.
            let since = |on_disk: i128| (i128::from(now.wall.millis()) - on_disk).max(0);
            sitting.began = millis(now.monotonic) - since(sitting.began_on_disk);
            sitting.active = millis(now.monotonic) - since(sitting.active_on_disk);
            (sitting.connections, sitting.ending) = (0, false);
        }
    }

    /// The wall clock is set. One that jumps there and back between two batches is not seen, and nothing promises that.
    fn jump(&mut self) {
        if std::mem::replace(&mut self.jumped, true) {
            self.save();
            self.jumped = true;
        }
        let hours = i64::try_from(self.dice.below(49)).unwrap() - 24;
        self.clock.jump_to(Timestamp::from_millis(self.clock.now().millis().checked_add_signed(hours * 3_600_000).unwrap()));
    }

    /// Nothing more is in the book and nothing less, however it is counted.
    fn check(&self) {
        assert_eq!(self.book.iter().count(), self.model.sittings.len());
        for licence in LICENCES {
            let of: Vec<&Sitting> = self.model.sittings.values().filter(|sitting| sitting.licence == licence).collect();
            let users: std::collections::BTreeSet<u32> = of.iter().map(|sitting| sitting.user).collect();
            assert_eq!(self.book.in_use(licence, Counting::Sessions) as usize, of.len());
            assert_eq!(self.book.in_use(licence, Counting::Users) as usize, users.len());
        }
    }

    /// In the end all are over, and nothing is left.
    fn drain(&mut self) {
        for entry in self.model.sittings.keys().copied().collect::<Vec<_>>() {
            while self.model.sittings[&entry].connections > 0 {
                self.book.get(entry).unwrap().session.detach();
                self.model.sittings.get_mut(&entry).unwrap().connections -= 1;
            }
        }
        self.clock.advance(60 * MINUTE);
        self.sweep();
        self.check();
        assert!(self.model.sittings.is_empty() && self.book.iter().next().is_none());
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the environment says whether this is the long run, and where it begins")]
fn s11_no_grant_at_the_limit_and_no_leak_whatever_happens() {
    let events = if std::env::var("HEADCOUNT_LONG").is_ok() { 1_000_000 } else { 30_000 };
    let seed = std::env::var("HEADCOUNT_SEED").ok().map_or(20_261_123, |seed| seed.parse().unwrap());
    println!("HEADCOUNT_SEED={seed}");
    let mut run = Run::new(seed);
    for event in 0..events {
        run.event();
        run.check();
        if event % 5_000 == 4_999 {
            run.drain();
        }
    }
    assert!(run.grants * 10 > events / 10 && run.refusals * 100 > events / 10, "{} grants, {} refusals", run.grants, run.refusals);
}
