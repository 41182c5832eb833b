//! The seat book by example, and against a naive model.

use super::*;
use crate::base::{Clock, ManualClock};
use proptest::prelude::*;
use std::collections::BTreeMap;

const LICENCE: EntryId = EntryId(1);
const MINUTE: Duration = Duration::from_secs(60);

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_millis(1_800_000_000_000))
}

fn terms(limit: u32) -> LicenceTerms {
    LicenceTerms { limit, ..LicenceTerms::default() }
}

/// Does what the directory does: acquires, ends who gives way, begins. Answers the session where there is one.
fn bind(book: &mut SeatBook, next: &mut u32, clock: &ManualClock, terms: &LicenceTerms, user: u32, client: &str) -> Option<EntryId> {
    let now = clock.moment();
    match book.acquire(now, LICENCE, terms, EntryId(user), client, &[]) {
        Decision::Seated(session) => {
            session.touch(now.monotonic);
            Some(session.entry)
        }
        Decision::Granted { end, .. } => {
            for session in end {
                book.end(session.entry);
            }
            *next += 1;
            let session = Arc::new(SessionHandle::new(EntryId(*next), &next.to_string(), now));
            book.begin(Seat { session, licence: LICENCE, user: EntryId(user), client: client.into() });
            Some(EntryId(*next))
        }
        Decision::Refused { .. } | Decision::Closed { .. } => None,
    }
}

#[test]
fn s2_users_share_one_seat_over_clients_and_sessions_do_not() {
    let (clock, mut book, mut next) = (clock(), SeatBook::default(), 100);
    let by_user = terms(1);
    let first = bind(&mut book, &mut next, &clock, &by_user, 1, "a").unwrap();
    assert_eq!(bind(&mut book, &mut next, &clock, &by_user, 1, "b"), Some(first));
    let by_session = LicenceTerms { counting: Counting::Sessions, ..by_user };
    assert_eq!(bind(&mut book, &mut next, &clock, &by_session, 1, "a"), Some(first));
    assert_eq!(bind(&mut book, &mut next, &clock, &by_session, 1, "b"), None);
}

#[test]
fn s2_a_cap_per_user_refuses_or_lets_the_own_oldest_give_way() {
    let (clock, mut book, mut next) = (clock(), SeatBook::default(), 100);
    let capped = LicenceTerms { counting: Counting::Sessions, per_user: Some(1), when_full: WhenFull::Overdraft(5), ..terms(9) };
    let first = bind(&mut book, &mut next, &clock, &capped, 1, "a").unwrap();
    let refused = book.acquire(clock.moment(), LICENCE, &capped, EntryId(1), "b", &[]);
    assert!(matches!(refused, Decision::Refused { bound: Bound::User, limit: 1, in_use: 1 }));
    let gives_way = LicenceTerms { when_full: WhenFull::EndOldestIdle(MINUTE), ..capped };
    assert_eq!(bind(&mut book, &mut next, &clock, &gives_way, 1, "b"), None, "not idle for long enough");
    clock.advance(MINUTE);
    assert!(bind(&mut book, &mut next, &clock, &gives_way, 1, "b").is_some());
    assert!(book.get(first).is_none());
}

#[test]
fn s4_the_refusal_tells_limit_and_use_and_s6_ending_frees() {
    let (clock, mut book, mut next) = (clock(), SeatBook::default(), 100);
    let two = terms(2);
    let first = bind(&mut book, &mut next, &clock, &two, 1, "").unwrap();
    bind(&mut book, &mut next, &clock, &two, 2, "").unwrap();
    let refused = book.acquire(clock.moment(), LICENCE, &two, EntryId(3), "", &[]);
    assert!(matches!(refused, Decision::Refused { bound: Bound::Licence, limit: 2, in_use: 2 }));
    let seat = book.end(first).unwrap();
    assert!(seat.session.has_ended());
    assert!(book.end(first).is_none());
    assert!(bind(&mut book, &mut next, &clock, &two, 3, "").is_some());
}

#[test]
fn s5_idle_sessions_give_their_seat_up_at_the_timeout_and_not_before() {
    let (clock, mut book, mut next) = (clock(), SeatBook::default(), 100);
    let one = terms(1);
    let first = bind(&mut book, &mut next, &clock, &one, 1, "").unwrap();
    clock.advance(29 * MINUTE);
    assert_eq!(bind(&mut book, &mut next, &clock, &one, 1, ""), Some(first), "a further bind counts as activity");
    clock.advance(29 * MINUTE);
    assert_eq!(bind(&mut book, &mut next, &clock, &one, 2, ""), None);
    assert!(book.expired(clock.moment(), |_| Some(one.clone())).is_empty());
    clock.advance(MINUTE);
    assert_eq!(book.expired(clock.moment(), |_| Some(one.clone())).len(), 1);
    assert!(bind(&mut book, &mut next, &clock, &one, 2, "").is_some());
    assert!(book.get(first).is_none());
}

#[test]
fn s5_released_on_disconnect_lasts_as_long_as_a_connection() {
    let (clock, mut book, mut next) = (clock(), SeatBook::default(), 100);
    let released = LicenceTerms { release: Release::Disconnect, ..terms(1) };
    let session = bind(&mut book, &mut next, &clock, &released, 1, "").unwrap();
    let handle = Arc::clone(&book.get(session).unwrap().session);
    handle.attach();
    handle.attach();
    clock.advance(300 * MINUTE);
    assert!(book.expired(clock.moment(), |_| Some(released.clone())).is_empty());
    assert!(!handle.detach());
    assert!(handle.detach());
    assert_eq!(book.expired(clock.moment(), |_| Some(released.clone())).len(), 1);
}

#[test]
fn s6_nobody_is_seated_on_a_session_whose_end_is_being_written() {
    let (clock, mut book, mut next) = (clock(), SeatBook::default(), 100);
    let session = bind(&mut book, &mut next, &clock, &terms(1), 1, "").unwrap();
    let handle = Arc::clone(&book.get(session).unwrap().session);
    handle.begin_ending();
    let decision = book.acquire(clock.moment(), LICENCE, &terms(1), EntryId(1), "", &[]);
    assert!(matches!(&decision, Decision::Granted { end, .. } if end.len() == 1), "{decision:?}");
    assert!(!handle.has_ended(), "who is on it is told when that is durable");
    handle.go_on();
    assert!(
        matches!(book.acquire(clock.moment(), LICENCE, &terms(1), EntryId(1), "", &[]), Decision::Seated(_)),
        "it could not be written"
    );
}

#[test]
fn s6_the_maximum_age_ends_even_a_busy_session() {
    let (clock, mut book, mut next) = (clock(), SeatBook::default(), 100);
    let aged = LicenceTerms { maximum_age: Some(60 * MINUTE), ..terms(1) };
    for _ in 0..6 {
        bind(&mut book, &mut next, &clock, &aged, 1, "").unwrap();
        assert!(book.expired(clock.moment(), |_| Some(aged.clone())).is_empty());
        clock.advance(10 * MINUTE);
    }
    assert_eq!(book.expired(clock.moment(), |_| Some(aged.clone())).len(), 1);
}

#[test]
fn s8_overdraft_grants_its_number_and_says_so() {
    let (clock, mut book, mut next) = (clock(), SeatBook::default(), 100);
    let overdrawn = LicenceTerms { when_full: WhenFull::Overdraft(1), ..terms(1) };
    bind(&mut book, &mut next, &clock, &overdrawn, 1, "").unwrap();
    let second = book.acquire(clock.moment(), LICENCE, &overdrawn, EntryId(2), "", &[]);
    assert!(matches!(second, Decision::Granted { over_limit: true, .. }));
    bind(&mut book, &mut next, &clock, &overdrawn, 2, "").unwrap();
    assert_eq!(bind(&mut book, &mut next, &clock, &overdrawn, 3, ""), None);
}

#[test]
fn s8_the_longest_idle_gives_way_after_its_minutes() {
    let (clock, mut book, mut next) = (clock(), SeatBook::default(), 100);
    let gives_way = LicenceTerms { when_full: WhenFull::EndOldestIdle(5 * MINUTE), ..terms(2) };
    let first = bind(&mut book, &mut next, &clock, &gives_way, 1, "").unwrap();
    clock.advance(4 * MINUTE);
    let second = bind(&mut book, &mut next, &clock, &gives_way, 2, "").unwrap();
    assert_eq!(bind(&mut book, &mut next, &clock, &gives_way, 3, ""), None);
    clock.advance(MINUTE);
    assert!(bind(&mut book, &mut next, &clock, &gives_way, 3, "").is_some());
    assert!(book.get(first).is_none() && book.get(second).is_some());
}

#[test]
fn s9_lowering_the_limit_ends_nobody_and_stops_new_sessions() {
    let (clock, mut book, mut next) = (clock(), SeatBook::default(), 100);
    for user in 1..=3 {
        bind(&mut book, &mut next, &clock, &terms(3), user, "").unwrap();
    }
    let lowered = LicenceTerms { when_full: WhenFull::EndOldestIdle(Duration::ZERO), ..terms(1) };
    assert!(matches!(book.acquire(clock.moment(), LICENCE, &lowered, EntryId(9), "", &[]), Decision::Refused { limit: 1, in_use: 3, .. }));
    assert!(matches!(book.acquire(clock.moment(), LICENCE, &lowered, EntryId(1), "", &[]), Decision::Seated(_)));
    assert_eq!(book.in_use(LICENCE, Counting::Users), 3);
}

#[test]
fn s5_a_reporting_licence_refuses_nobody_and_o3_an_ended_one_everybody() {
    let (clock, mut book, mut next) = (clock(), SeatBook::default(), 100);
    let reporting = LicenceTerms { report_only: true, ..terms(1) };
    bind(&mut book, &mut next, &clock, &reporting, 1, "").unwrap();
    assert!(matches!(
        book.acquire(clock.moment(), LICENCE, &reporting, EntryId(2), "", &[]),
        Decision::Granted { over_limit: true, ref end } if end.is_empty()
    ));
    let ended = LicenceTerms { end: Some(clock.now()), ..reporting.clone() };
    assert!(matches!(book.acquire(clock.moment(), LICENCE, &ended, EntryId(1), "", &[]), Decision::Closed { not_begun: false }));
    let later = LicenceTerms { start: Some(clock.now().plus(MINUTE)), ..reporting };
    assert!(matches!(book.acquire(clock.moment(), LICENCE, &later, EntryId(1), "", &[]), Decision::Closed { not_begun: true }));
}

#[test]
fn hg4_a_jump_of_the_wall_clock_neither_frees_nor_freezes() {
    for jump in [-86_400_000_i64, 86_400_000] {
        let (clock, mut book, mut next) = (clock(), SeatBook::default(), 100);
        bind(&mut book, &mut next, &clock, &terms(1), 1, "").unwrap();
        book.take_unsaved(clock.moment());
        clock.advance(10 * MINUTE);
        clock.jump_to(Timestamp::from_millis(clock.now().millis().checked_add_signed(jump).unwrap()));
        assert!(book.expired(clock.moment(), |_| Some(terms(1))).is_empty(), "not freed");
        let unsaved = book.take_unsaved(clock.moment());
        assert_eq!(unsaved.len(), 1, "kept anew by the clock that will read it");
        let kept = unsaved[0].last_activity_at(clock.moment());
        let restored = SessionHandle::restored(EntryId(5), "5", kept, kept, clock.moment());
        assert_eq!(restored.idle(clock.monotonic()), 10 * MINUTE);
        clock.advance(20 * MINUTE);
        assert_eq!(book.expired(clock.moment(), |_| Some(terms(1))).len(), 1, "not frozen");
    }
}

#[test]
fn s10_the_time_the_daemon_was_down_counts_as_idle() {
    let clock = clock();
    let kept = clock.now().minus(20 * MINUTE);
    let session = SessionHandle::restored(EntryId(5), "5", kept, kept, clock.moment());
    assert_eq!(session.idle(clock.monotonic()), 20 * MINUTE);
    assert_eq!(terms(1).over_at(&session, clock.moment()), clock.now().plus(10 * MINUTE));
    let future = clock.now().plus(1_000 * MINUTE);
    let session = SessionHandle::restored(EntryId(5), "5", future, future, clock.moment());
    assert_eq!(session.idle(clock.monotonic()), Duration::ZERO);
}

#[derive(Clone, Debug)]
enum Step {
    Bind { user: u32, client: u8 },
    End { nth: usize },
    Wait { minutes: u64 },
    Sweep,
    Limit(u32),
    Policy(u8),
    Count(bool),
    Restart { minutes: u64 },
    Jump { hours: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..8_u32, 0..3_u8).prop_map(|(user, client)| Step::Bind { user, client }),
        2 => (0..9_usize).prop_map(|nth| Step::End { nth }),
        3 => (1..20_u64).prop_map(|minutes| Step::Wait { minutes }),
        1 => Just(Step::Sweep),
        1 => (1..6_u32).prop_map(Step::Limit),
        1 => (0..4_u8).prop_map(Step::Policy),
        1 => any::<bool>().prop_map(Step::Count),
        1 => (0..20_u64).prop_map(|minutes| Step::Restart { minutes }),
        1 => (-24..24_i64).prop_map(|hours| Step::Jump { hours }),
    ]
}

/// A session as the model keeps it: user, client, last activity on the true time line.
type Model = BTreeMap<EntryId, (u32, u8, Duration)>;

/// The holders of the model that are still alive at `now`, each with its least idle time.
fn holders(model: &Model, terms: &LicenceTerms, now: Duration) -> BTreeMap<(u32, u8), Duration> {
    let mut holders = BTreeMap::new();
    for (user, client, last) in model.values() {
        let idle = now - *last;
        if idle < terms.idle_timeout {
            let client = if terms.counting == Counting::Users { 0 } else { *client };
            holders.entry((*user, client)).and_modify(|least: &mut Duration| *least = idle.min(*least)).or_insert(idle);
        }
    }
    holders
}

fn policy(number: u8, terms: &mut LicenceTerms) {
    terms.report_only = number == 3;
    terms.when_full = match number {
        1 => WhenFull::EndOldestIdle(4 * MINUTE),
        2 => WhenFull::Overdraft(2),
        _ => WhenFull::Deny,
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// S11: never a grant at the limit, never a leak, whatever happens in whatever order; and no refusal where there is room.
    #[test]
    fn s11_the_book_agrees_with_a_naive_model(steps in prop::collection::vec(step(), 1..80)) {
        let (clock, mut book, mut next) = (clock(), SeatBook::default(), 100_u32);
        let mut terms = LicenceTerms { limit: 3, ..LicenceTerms::default() };
        let mut model = Model::new();
        for step in steps {
            let now = clock.moment();
            match step {
                Step::Bind { user, client } => {
                    let before = holders(&model, &terms, now.monotonic);
                    let key = (user, if terms.counting == Counting::Users { 0 } else { client });
                    let in_use = u32::try_from(before.len()).unwrap();
                    match book.acquire(now, LICENCE, &terms, EntryId(user), &client.to_string(), &[]) {
                        Decision::Seated(session) => {
                            prop_assert!(before.contains_key(&key));
                            session.touch(now.monotonic);
                            model.get_mut(&session.entry).unwrap().2 = now.monotonic;
                        }
                        Decision::Granted { end, over_limit } => {
                            prop_assert!(!before.contains_key(&key));
                            for session in end {
                                book.end(session.entry);
                                let (.., last) = model.remove(&session.entry).unwrap();
                                let idle = now.monotonic - last;
                                let gave_way = matches!(terms.when_full, WhenFull::EndOldestIdle(least) if idle >= least);
                                prop_assert!(idle >= terms.idle_timeout || gave_way);
                            }
                            next += 1;
                            let session = Arc::new(SessionHandle::new(EntryId(next), &next.to_string(), now));
                            book.begin(Seat { session, licence: LICENCE, user: EntryId(user), client: client.to_string().into() });
                            model.insert(EntryId(next), (user, client, now.monotonic));
                            let after = u32::try_from(holders(&model, &terms, now.monotonic).len()).unwrap();
                            let most = match terms.when_full { WhenFull::Overdraft(more) => terms.limit + more, _ => terms.limit };
                            prop_assert!(after <= most || terms.report_only, "{after} in use of {most}");
                            prop_assert_eq!(over_limit, after > terms.limit);
                        }
                        Decision::Refused { limit, in_use: told, .. } => {
                            prop_assert_eq!((limit, told), (terms.limit, in_use));
                            prop_assert!(!before.contains_key(&key) && in_use >= terms.limit && !terms.report_only);
                        }
                        Decision::Closed { .. } => prop_assert!(false, "no dates are set"),
                    }
                }
                Step::End { nth } => {
                    if let Some(session) = model.keys().nth(nth).copied() {
                        prop_assert!(book.end(session).is_some());
                        model.remove(&session);
                    }
                }
                Step::Wait { minutes } => clock.advance(Duration::from_secs(minutes * 60)),
                Step::Sweep => {
                    let over: Vec<EntryId> = book.expired(now, |_| Some(terms.clone())).iter().map(|seat| seat.session.entry).collect();
                    for session in &over {
                        book.end(*session);
                    }
                    let count = model.len();
                    model.retain(|_, (.., last)| now.monotonic - *last < terms.idle_timeout);
                    prop_assert_eq!(count - model.len(), over.len());
                    prop_assert_eq!(book.iter().count(), model.len(), "none leaked");
                }
                Step::Limit(limit) => terms.limit = limit,
                Step::Policy(number) => policy(number, &mut terms),
                Step::Count(users) => terms.counting = if users { Counting::Users } else { Counting::Sessions },
                Step::Restart { minutes } => {
                    let kept: Vec<(Seat, Timestamp)> =
                        book.iter().map(|seat| (seat.clone(), seat.session.last_activity_at(now))).collect();
                    clock.advance(Duration::from_secs(minutes * 60));
                    book = SeatBook::default();
                    for (seat, last) in kept {
                        let entry = seat.session.entry;
                        let session = Arc::new(SessionHandle::restored(entry, "kept", last, last, clock.moment()));
                        book.begin(Seat { session, ..seat });
                    }
                }
                Step::Jump { hours } => {
                    let to = clock.now().millis().checked_add_signed(hours * 3_600_000).unwrap();
                    clock.jump_to(Timestamp::from_millis(to));
                }
            }
            prop_assert_eq!(book.iter().count(), model.len());
        }
        clock.advance(terms.idle_timeout);
        for seat in book.expired(clock.moment(), |_| Some(terms.clone())) {
            book.end(seat.session.entry);
        }
        prop_assert_eq!(book.iter().count(), 0);
        prop_assert_eq!(book.in_use(LICENCE, Counting::Users) + book.in_use(LICENCE, Counting::Sessions), 0);
    }
}

/// Binds as [`bind`] does, where `members` have a share of the licence.
fn bind_sharing(
    book: &mut SeatBook,
    clock: &ManualClock,
    terms: &LicenceTerms,
    share: (u32, Option<u32>, &[u32]),
    user: u32,
) -> Result<u32, Bound> {
    let (reserved, most, members) = share;
    let shares = [Share::new("team", reserved, most, |user: EntryId| members.contains(&user.0))];
    match book.acquire(clock.moment(), LICENCE, terms, EntryId(user), "", &shares) {
        Decision::Granted { end, .. } => {
            let ended = count(end.len());
            end.iter().for_each(|session| drop(book.end(session.entry)));
            let session = Arc::new(SessionHandle::new(EntryId(1_000 + user), "", clock.moment()));
            book.begin(Seat { session, licence: LICENCE, user: EntryId(user), client: "".into() });
            Ok(ended)
        }
        Decision::Refused { bound, .. } => Err(bound),
        decision => panic!("{decision:?}"),
    }
}

#[test]
fn s14_reserved_seats_are_there_for_their_group_and_for_nobody_else() {
    let (clock, mut book) = (clock(), SeatBook::default());
    let share = (2, None, &[1, 2, 3][..]);
    let mut ask = |user| bind_sharing(&mut book, &clock, &terms(4), share, user);
    assert_eq!([ask(10), ask(11), ask(12)], [Ok(0), Ok(0), Err(Bound::Reserved)]);
    assert_eq!([ask(1), ask(13)], [Ok(0), Err(Bound::Reserved)], "one of two is still kept");
    assert_eq!([ask(2), ask(3), ask(14)], [Ok(0), Err(Bound::Licence), Err(Bound::Licence)], "all are taken");
    book.end(EntryId(1_010));
    let mut ask = |user| bind_sharing(&mut book, &clock, &terms(4), share, user);
    assert_eq!(ask(3), Ok(0), "the group may have more than is reserved for it");
    book.end(EntryId(1_001));
    let mut ask = |user| bind_sharing(&mut book, &clock, &terms(4), share, user);
    assert_eq!([ask(10), ask(12)], [Ok(0), Err(Bound::Licence)], "it still has its two");
}

#[test]
fn s14_a_group_takes_no_more_seats_than_it_may() {
    let (clock, mut book) = (clock(), SeatBook::default());
    let share = (0, Some(2), &[1, 2, 3, 4][..]);
    let mut ask = |terms: &LicenceTerms, user| bind_sharing(&mut book, &clock, terms, share, user);
    assert_eq!([ask(&terms(9), 1), ask(&terms(9), 2), ask(&terms(9), 3)], [Ok(0), Ok(0), Err(Bound::Share(0))]);
    assert_eq!(ask(&terms(9), 10), Ok(0), "others are not held up");
    let overdrawn = LicenceTerms { when_full: WhenFull::Overdraft(5), ..terms(9) };
    assert_eq!(ask(&overdrawn, 3), Err(Bound::Share(0)), "an overdraft is of the licence");
    clock.advance(MINUTE);
    let gives_way = LicenceTerms { when_full: WhenFull::EndOldestIdle(MINUTE), ..terms(9) };
    assert_eq!(bind_sharing(&mut book, &clock, &gives_way, share, 3), Ok(1), "one of the group gives way");
    let reporting = LicenceTerms { report_only: true, ..terms(9) };
    assert_eq!(bind_sharing(&mut book, &clock, &reporting, share, 4), Ok(0));
}

#[test]
fn s14_s8_nobody_gives_way_whose_seat_would_stay_reserved() {
    let (clock, mut book) = (clock(), SeatBook::default());
    let gives_way = LicenceTerms { when_full: WhenFull::EndOldestIdle(MINUTE), ..terms(3) };
    let share = (2, None, &[1, 2][..]);
    for user in [1, 10] {
        bind_sharing(&mut book, &clock, &gives_way, share, user).unwrap();
        clock.advance(MINUTE);
    }
    assert_eq!(bind_sharing(&mut book, &clock, &gives_way, share, 11), Ok(1));
    assert!(book.get(EntryId(1_001)).is_some() && book.get(EntryId(1_010)).is_none(), "the one of the group was idle longer");
    let overdrawn = LicenceTerms { when_full: WhenFull::Overdraft(1), ..terms(3) };
    assert_eq!(bind_sharing(&mut book, &clock, &overdrawn, share, 12), Ok(0), "an overdraft leaves what is reserved");
    assert_eq!(bind_sharing(&mut book, &clock, &overdrawn, share, 13), Err(Bound::Licence));
    assert_eq!(bind_sharing(&mut book, &clock, &overdrawn, share, 2), Ok(0));
}
