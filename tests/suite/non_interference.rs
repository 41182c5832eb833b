//! HC5: what an organisation is answered says nothing of another one. A trace of questions is played before and while the
//! other organisation changes, and one of own changes on two stores begun alike, beside only one of which there is another
//! that changes; every answer, to its tag and its controls, is the same.

use crate::house::{
    ACME, House, OTHER, SUFFIX, add_request, begins, compare_request, group, page_control, person, put, rename_request, settle, user,
};
use crate::oracles::{modify_request, not};
use crate::wire::{
    Answer, Wire, control, delete_request, elements, equal, extended_request, message, number, octets, present, replace_request,
    search_request, sequence, tlv,
};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

const PAGED: &str = "1.2.840.113556.1.4.319";
const SORT: &str = "1.2.840.113556.1.4.473";
const LIST_VIEW: &str = "2.16.840.1.113730.3.4.9";
const LIST_VIEW_RESPONSE: &str = "2.16.840.1.113730.3.4.10";
const SYNC: &str = "1.3.6.1.4.1.4203.1.9.1.1";
const SYNC_STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
const SYNC_DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
const PERSISTENT: &str = "2.16.840.1.113730.3.4.3";
const DEREFERENCE: &str = "1.3.6.1.4.1.4203.666.5.16";
const EFFECTIVE_RIGHTS: &str = "1.3.6.1.4.1.42.2.27.9.5.2";
const CANCEL: &str = "1.3.6.1.1.8";

/// Whether as much is to be tried as hardening HC5 asks for.
fn is_long() -> bool {
    std::env::var("HEADCOUNT_LONG").is_ok()
}

/// Adds to the record of what was tried over all long runs (`tests/run --long` names the file).
fn count(what: &str, tried: usize) {
    let Ok(record) = std::env::var("HEADCOUNT_COUNTS") else { return };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(record).unwrap();
    writeln!(file, "{now}\t{what}\t{tried}").unwrap();
}

/// Numbers that look random: a long run makes others than every recorded run before it, any other run the same ones.
struct Numbers(u64);

impl Numbers {
    fn drawn() -> Self {
        let record = std::env::var("HEADCOUNT_COUNTS").ok().and_then(|record| std::fs::read_to_string(record).ok());
        let runs = record.map_or(0, |record| record.lines().count() as u64);
        let seed = std::env::var("HEADCOUNT_SEED").ok().map_or(20_261_123 + runs, |seed| seed.parse().unwrap());
        println!("drawn with HEADCOUNT_SEED={seed}");
        Self(seed)
    }

    /// Other numbers, which are the same for the same place.
    fn at(&self, place: u64) -> Self {
        Self(self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (place + 1).wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn one<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len())]
    }
}

/// Names of both organisations in every spelling, and some that are no names of either.
const BASES: [&str; 16] = [
    "",
    SUFFIX,
    ACME,
    OTHER,
    "O=ACME,DC=example,dc=COM",
    "o=\\41cme,dc=example,dc=com",
    "o=Othe\\72,dc=example,dc=com",
    "o=xOther,dc=example,dc=com",
    "o=Ｏｔｈｅｒ,dc=example,dc=com",
    "o= other ,dc=example,dc=com",
    "ou=users,o=Acme,dc=example,dc=com",
    "ou=users,o=Other,dc=example,dc=com",
    "uid=ann,ou=users,o=Acme,dc=example,dc=com",
    "uid=eve,ou=users,o=Other,dc=example,dc=com",
    "cn=team,ou=groups,o=Other,dc=example,dc=com",
    "ou=sessions,o=Other,dc=example,dc=com",
];
const ATTRIBUTES: [&str; 14] = [
    "uid",
    "cn",
    "sn",
    "mail",
    "objectClass",
    "member",
    "memberOf",
    "manager",
    "hcRole",
    "telephoneNumber",
    "entryDN",
    "description",
    "o",
    "noSuchThing",
];
const VALUES: [&str; 12] = [
    "ann",
    "eve",
    "e",
    "EVE",
    "eve@example.com",
    "hcUser",
    "hcGroup",
    "uid=eve,ou=users,o=Other,dc=example,dc=com",
    "uid=gil,ou=users,o=Acme,dc=example,dc=com",
    "cn=team,ou=groups,o=Other,dc=example,dc=com",
    "Other",
    "+64 3 123",
];

fn some_filter(numbers: &mut Numbers, depth: usize) -> Vec<u8> {
    let attribute = numbers.one(&ATTRIBUTES);
    let value = numbers.one(&VALUES).as_bytes();
    match numbers.below(if depth == 0 { 6 } else { 9 }) {
        0 | 1 => equal(attribute, value),
        2 => present(attribute),
        3 => begins(attribute, &value[..1]),
        4 => tlv(0xa5, &equal(attribute, value)[2..]),
        5 => tlv(0xa8, &equal(attribute, value)[2..]),
        6 => not(&some_filter(numbers, depth - 1)),
        7 => tlv(0xa0, &[some_filter(numbers, depth - 1), some_filter(numbers, depth - 1)].concat()),
        _ => tlv(0xa1, &[some_filter(numbers, depth - 1), some_filter(numbers, depth - 1)].concat()),
    }
}

type Request = (Vec<u8>, Vec<Vec<u8>>);

/// A search that shows everything there is but what a change of anything changes.
fn some_search(numbers: &mut Numbers, controls: Vec<Vec<u8>>) -> Request {
    let (base, scope) = (numbers.one(&BASES), numbers.below(4) as i64);
    let filter = some_filter(numbers, 2);
    (search_request(base, scope, &filter, &["*", "entryUUID", "memberOf", "numSubordinates", "hasSubordinates"]), controls)
}

fn some_sort(numbers: &mut Numbers) -> Vec<u8> {
    let reverse = if numbers.below(2) == 0 { vec![] } else { vec![0x81, 0x01, 0xff] };
    control(SORT, numbers.below(2) == 0, Some(&tlv(0x30, &sequence(&[&octets(numbers.one(&ATTRIBUTES)), &reverse]))))
}

fn some_view(numbers: &mut Numbers) -> Vec<u8> {
    let target = match numbers.below(2) {
        0 => tlv(0x81, numbers.one(&VALUES).as_bytes()),
        _ => tlv(0xa0, &[number(0x02, 1 + numbers.below(6) as i64), number(0x02, numbers.below(20) as i64)].concat()),
    };
    let (before, after) = (numbers.below(3) as i64, numbers.below(4) as i64);
    control(LIST_VIEW, true, Some(&sequence(&[&number(0x02, before), &number(0x02, after), &target])))
}

fn sync_control(persist: bool) -> Vec<u8> {
    control(SYNC, true, Some(&sequence(&[&number(0x0a, if persist { 3 } else { 1 })])))
}

fn persistent_control() -> Vec<u8> {
    let yes = [0x01, 0x01, 0xff];
    control(PERSISTENT, true, Some(&sequence(&[&number(0x02, 15), &yes, &yes])))
}

/// Something to ask that changes nothing of one's own organisation. A search that would not end is cancelled by what comes
/// behind it, with the id that it gets.
fn some_questions(numbers: &mut Numbers, id: i64) -> Vec<Request> {
    let base = numbers.one(&BASES);
    let foreign = numbers.one(&[BASES[11], BASES[13], BASES[14], BASES[3], BASES[7], BASES[8]]);
    let attribute = numbers.one(&ATTRIBUTES);
    let operation = match numbers.below(20) {
        0..=5 => {
            let controls = if numbers.below(3) == 0 { vec![page_control(1 + numbers.below(3) as i64)] } else { vec![] };
            return vec![some_search(numbers, controls)];
        }
        6 | 7 => {
            let mut controls = vec![some_sort(numbers)];
            controls.extend((numbers.below(3) == 0).then(|| page_control(1 + numbers.below(3) as i64)));
            return vec![some_search(numbers, controls)];
        }
        8 | 9 => {
            let controls = vec![some_sort(numbers), some_view(numbers)];
            return vec![some_search(numbers, controls)];
        }
        10 => return vec![some_search(numbers, vec![sync_control(false)])],
        11 => {
            let cancel = extended_request(CANCEL, Some(&sequence(&[&number(0x02, id)])));
            return vec![some_search(numbers, vec![persistent_control()]), (cancel, vec![])];
        }
        12 => {
            let wanted = ["member", "manager"].map(|link| sequence(&[&octets(link), &tlv(0x30, &octets(attribute))])).concat();
            return vec![some_search(numbers, vec![control(DEREFERENCE, true, Some(&tlv(0x30, &wanted)))])];
        }
        13 => {
            let wish = sequence(&[&octets(format!("dn:{}", numbers.one(&BASES))), &tlv(0x30, &octets("*"))]);
            return vec![some_search(numbers, vec![control(EFFECTIVE_RIGHTS, true, Some(&wish))])];
        }
        14 | 15 => compare_request(base, attribute, numbers.one(&VALUES).as_bytes()),
        16 => replace_request(foreign, attribute, &[numbers.one(&VALUES)]),
        17 => delete_request(foreign),
        18 => rename_request(foreign, "cn=else", Some(BASES[10])),
        _ => add_request(&format!("cn=new,{foreign}"), &[("objectClass", "device")]),
    };
    vec![(operation, vec![])]
}

/// One message. What is random by itself, or sealed, is there by its length.
#[derive(PartialEq, Eq)]
struct Heard {
    id: i64,
    tag: u8,
    content: Vec<Vec<u8>>,
    controls: Vec<(String, Vec<Vec<u8>>)>,
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text =
            |parts: &[Vec<u8>]| parts.iter().map(|part| String::from_utf8_lossy(part).escape_debug().to_string()).collect::<Vec<_>>();
        let controls: Vec<_> = self.controls.iter().map(|(oid, parts)| (oid, text(parts))).collect();
        write!(to, "{} {:#x} {:?} {controls:?}", self.id, self.tag, text(&self.content))
    }
}

/// Blanks what stands behind a name.
fn blank(part: &mut [u8], name: &[u8], length: usize) {
    let found: Vec<usize> = part.windows(name.len()).enumerate().filter(|(_, here)| *here == name).map(|(at, _)| at + name.len()).collect();
    found.into_iter().for_each(|at| part[at..at + length].fill(b'x'));
}

fn heard(answer: &Answer) -> Heard {
    let length = |content: &[u8]| content.len().to_be_bytes().to_vec();
    let parts = |value: &[u8], sealed: &dyn Fn(usize, u8) -> bool| -> Vec<Vec<u8>> {
        let fields = elements(elements(value)[0].1);
        let one = |(at, (tag, content)): (usize, &(u8, &[u8]))| if sealed(at, *tag) { length(content) } else { content.to_vec() };
        fields.iter().enumerate().map(one).collect()
    };
    let controls = answer.controls.iter().map(|(oid, value)| {
        let told = match oid.as_str() {
            PAGED => parts(value, &|at, _| at == 1),
            LIST_VIEW_RESPONSE => parts(value, &|at, _| at == 3),
            SYNC_STATE => parts(value, &|at, _| at > 0),
            SYNC_DONE => parts(value, &|_, tag| tag == 0x04),
            _ => vec![value.clone()],
        };
        (oid.clone(), told)
    });
    let content = match answer.tag {
        // What content sync tells beside entries: cookies, and UUIDs of entries that were told before.
        0x79 => elements(&answer.content).into_iter().map(|(tag, content)| [&[tag][..], &length(content)].concat()).collect(),
        _ => vec![answer.content.clone()],
    };
    let mut heard = Heard { id: answer.id, tag: answer.tag, content, controls: controls.collect() };
    // The clock of the own session: tags, lengths and a time.
    heard.content.iter_mut().for_each(|part| blank(part, b"hcLastActivity", 4 + 19));
    heard
}

/// Plays a trace and answers what came back.
fn play(wire: &mut Wire, mut numbers: Numbers, count: usize) -> Vec<Vec<Heard>> {
    const BATCH: usize = 8;
    let mut all = Vec::with_capacity(count);
    for _ in 0..count.div_ceil(BATCH) {
        let mut requests: Vec<Request> = Vec::new();
        for _ in 0..BATCH {
            requests.extend(some_questions(&mut numbers, requests.len() as i64 + 1));
        }
        let batch = requests.iter().zip(1..).flat_map(|((operation, controls), id)| message(id, operation, controls));
        wire.send(&batch.collect::<Vec<u8>>());
        let mut answers: BTreeMap<i64, Vec<_>> = BTreeMap::new();
        let mut done = 0;
        while done < requests.len() {
            let answer = wire.receive().expect("the server answers");
            done += usize::from(!matches!(answer.tag, 0x64 | 0x73 | 0x79));
            answers.entry(answer.id).or_default().push(heard(&answer));
        }
        all.extend(answers.into_values());
    }
    all
}

/// Somebody who follows all there is.
struct Follower {
    who: &'static str,
    wire: Wire,
    told: Vec<Heard>,
}

impl Follower {
    fn begin(house: &House, who: &'static str, kind: Vec<u8>) -> Self {
        const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
        let mut wire = house.signed_in(who, ACME);
        let shown = ["cn", "uid", "member", "telephoneNumber"];
        let synced = kind == sync_control(true);
        // But for sessions, whose clocks are written down as time goes by.
        let followed = not(&equal("objectClass", b"hcSession"));
        wire.send(&message(77, &search_request(SUFFIX, 2, &followed, &shown), &[kind]));
        wire.send(&message(78, &extended_request(WHO_AM_I, None), &[]));
        let mut follower = Self { who, wire, told: Vec::new() };
        let is_refreshed = |answer: &Answer| answer.tag == 0x79 && matches!(elements(elements(&answer.content)[1].1)[0].0, 0xa1 | 0xa2);
        let (mut begun, mut refreshed) = (false, !synced);
        while !(begun && refreshed) {
            let answer = follower.next();
            begun |= answer.id == 78;
            refreshed |= is_refreshed(&answer);
        }
        follower
    }

    fn next(&mut self) -> Answer {
        let answer = self.wire.receive().expect("the server goes on");
        if answer.id == 77 {
            self.told.push(heard(&answer));
        }
        answer
    }
}

/// Lets people sign in for the first time. Of them bob has no seat afterwards.
fn settle_all(house: &House, people: &[&str]) {
    people.iter().for_each(|who| settle(house, who, ACME));
    let (mut operator, of_bob) = (house.server.as_operator(), equal("hcSessionUser", user("bob", ACME).as_bytes()));
    for session in operator.entries(&format!("ou=sessions,{ACME}"), &of_bob, &["1.1"]) {
        assert_eq!(operator.ask(&delete_request(&session.dn()), &[]).code(), 0);
    }
}

/// These people, each by both ways.
fn followers(house: &House, people: &[&'static str]) -> Vec<Follower> {
    let both = |who: &&'static str| [persistent_control(), sync_control(true)].map(|kind| Follower::begin(house, who, kind));
    people.iter().flat_map(both).collect()
}

/// Changes somebody of our organisation and waits until all who see it have heard of it, and so of all that was before. A sync
/// that a change of memberships has ended begins anew.
fn mark(house: &House, followers: &mut [Follower], who: &str, number: &str) {
    let dn = user(who, ACME);
    house.server.as_operator().replace(&dn, "telephoneNumber", &[number]);
    for follower in followers.iter_mut().filter(|follower| [who, "sam", "ada"].contains(&follower.who)) {
        loop {
            let answer = follower.next();
            if answer.tag == 0x65 {
                let told = std::mem::take(&mut follower.told);
                *follower = Follower::begin(house, follower.who, sync_control(true));
                follower.told.splice(..0, told);
                break;
            }
            if answer.tag == 0x64 && answer.dn() == dn && answer.values("telephoneNumber") == [number] {
                break;
            }
        }
    }
}

/// What somebody of the organisation hears for whom there is no seat: how many there are, and no more.
fn refused(house: &House) -> Heard {
    let answer = house.server.connect().bind(&user("bob", ACME), crate::server::PASSWORD);
    assert_eq!(answer.code(), 11, "{}", answer.text());
    heard(&answer)
}

/// Ends what goes on beside, whatever becomes of the test.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Changes the other organisation for as long as `beside` takes: names, numbers and addresses are those that ours uses.
fn beside_changes<T>(house: &House, beside: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let change = scope.spawn(|| {
            let (mut operator, mut numbers) = (house.server.as_operator(), Numbers(7));
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                for (operation, _) in [some_change(&mut numbers, OTHER), some_change(&mut numbers, OTHER)] {
                    operator.ask(&operation, &[]);
                }
                if round % 16 == 0 {
                    assert_eq!(house.server.connect().bind(&user("eve", OTHER), crate::server::PASSWORD).code(), 0);
                    let licence = format!("cn=main,ou=licences,{OTHER}");
                    operator.replace(&licence, "hcSessionLimit", &[&(2 + round % 7).to_string()]);
                }
                round += 1;
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            round
        });
        let ending = Ending(&done);
        let outcome = beside();
        drop(ending);
        assert!(change.join().unwrap() > 2, "the other organisation changed meanwhile");
        outcome
    })
}

/// Fails where the one did not hear what the other did.
fn compare(whose: &str, one: &[Vec<Heard>], other: &[Vec<Heard>]) {
    for (number, (one, other)) in one.iter().zip(other).enumerate() {
        let differs = one.iter().zip(other).position(|(one, other)| one != other);
        assert_eq!((differs, one.len()), (None, other.len()), "{whose} {number}: {:?}", differs.map(|at| (&one[at], &other[at])));
    }
    assert_eq!(one.len(), other.len());
}

#[test]
fn hc5_nothing_of_another_organisation_changes_an_answer() {
    let house = House::start("[limits]\nlook_through = 100\n");
    let mut operator = house.server.as_operator();
    let each = if is_long() { 25_000 } else { 400 };
    let drawn = Numbers::drawn();
    let people = ["ann", "sam", "ada", "svc"];
    settle_all(&house, &["ann", "sam", "ada", "svc", "bob"]);
    let mut wires: Vec<Wire> = people.iter().map(|who| house.signed_in(who, ACME)).collect();
    // Three of them have a seat each, and there are no more.
    operator.replace(&format!("cn=main,ou=licences,{ACME}"), "hcSessionLimit", &["3"]);
    let mut trace = |operator: &mut Wire| -> (Vec<_>, Vec<_>, Vec<_>) {
        let mut following = followers(&house, &people);
        let mut refusals = Vec::new();
        let mut answered = Vec::new();
        for (wire, place) in wires.iter_mut().zip(0..) {
            refusals.push(refused(&house));
            answered.push(play(wire, drawn.at(place), each));
        }
        for who in people {
            mark(&house, &mut following, who, "+64 3 999");
        }
        people.iter().for_each(|who| operator.replace(&user(who, ACME), "telephoneNumber", &[]));
        (answered, refusals, following.into_iter().map(|follower| follower.told).collect())
    };
    let before = trace(&mut operator);
    // The other organisation grows past the look-through limit, loses, moves and renames, and goes on to.
    for number in 0..150 {
        person(&mut operator, &format!("ev{number}"), OTHER, &[("telephoneNumber", "+64 3 123"), ("description", "Acme")]);
    }
    operator.replace(&group("team", OTHER), "member", &[&user("ev1", OTHER), &user("ev2", OTHER)]);
    assert_eq!(operator.ask(&delete_request(&user("ev3", OTHER)), &[]).code(), 0);
    put(&mut operator, "o=xOther,dc=example,dc=com", &[("objectClass", "organization"), ("objectClass", "hcOrganisation")]);
    let after = beside_changes(&house, || trace(&mut operator));
    for (who, (before, after)) in people.iter().zip(before.0.iter().zip(&after.0)) {
        compare(who, before, after);
    }
    assert_eq!(before.1, after.1, "who is refused a seat");
    compare("follower", &before.2, &after.2);
    assert!(before.2.iter().flatten().all(|heard: &Heard| heard.tag != 0x65), "nobody is told that a sync ends");
    let kinds: std::collections::BTreeSet<u8> = before.0.iter().flatten().flatten().map(|heard| heard.tag).collect();
    assert!([0x64, 0x65, 0x67, 0x69, 0x6b, 0x6d, 0x6f, 0x78].iter().all(|tag| kinds.contains(tag)), "{kinds:x?}");
    count("HC5 questions beside another organisation", each * people.len());
    // What must be unique is so within the organisation only.
    let twin = [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "t"), ("sn", "t"), ("mail", "ev9@example.com")];
    let mut ada = house.signed_in("ada", ACME);
    let twin_of_other = ada.ask(&add_request(&user("twin", ACME), &twin), &[]);
    assert_eq!(twin_of_other.code(), 0, "{}", twin_of_other.text());
    assert_ne!(ada.ask(&add_request(&user("twin2", ACME), &twin), &[]).code(), 0);
}

/// A change in an organisation, of few entries that come and go, so that names, numbers and addresses are often taken.
fn some_change(numbers: &mut Numbers, organisation: &str) -> Request {
    let uid = |numbers: &mut Numbers| format!("p{}", numbers.below(12));
    let (one, other) = (uid(numbers), uid(numbers));
    let (number, mail) = (numbers.below(9).to_string(), format!("p{}@example.com", numbers.below(12)));
    let team = group(&format!("g{}", numbers.below(3)), organisation);
    let whom = [user(&other, organisation), user("eve", OTHER), user("p1", OTHER), user("gil", ACME), user("p1", ACME)];
    let whom = whom[numbers.below(5)].as_str();
    let above = group(&format!("g{}", numbers.below(3)), organisation);
    let operation = match numbers.below(19) {
        0..=3 => {
            let home = format!("/home/{one}");
            let classes = ["inetOrgPerson", "posixAccount", "hcUser"].map(|class| ("objectClass", class));
            let rest =
                [("cn", &*one), ("sn", "x"), ("mail", &*mail), ("uidNumber", &*number), ("gidNumber", "7"), ("homeDirectory", &*home)];
            add_request(&user(&one, organisation), &[&classes[..], &rest[..]].concat())
        }
        4 => delete_request(&user(&one, organisation)),
        5 => rename_request(&user(&one, organisation), &format!("uid={other}"), None),
        6 => replace_request(&user(&one, organisation), "mail", &[&mail]),
        7 => replace_request(&user(&one, organisation), "uidNumber", &[&number]),
        8 => replace_request(&user(&one, organisation), "manager", &[whom]),
        9 => replace_request(&user(&one, organisation), "hcRole", &[&format!("cn=clerk,ou=roles,{organisation}")]),
        10 => modify_request(&team, &[(0, "member", &[whom])]),
        11 => modify_request(&team, &[(1, "member", &[whom])]),
        12 => add_request(&team, &[("objectClass", "hcGroup"), ("description", "a team")]),
        13 => modify_request(&team, &[(0, "member", &[&above])]),
        14 => replace_request(&team, "hcParentGroup", &[&above]),
        15 => {
            let permissions = [&["people.search"][..], &["people.search", "groups.search-own"], &[]];
            replace_request(&format!("cn=clerk,ou=roles,{organisation}"), "hcRolePermission", permissions[numbers.below(3)])
        }
        16 => {
            let url = format!("ldap:///{organisation}??sub?(uidNumber={number})");
            add_request(&group("dynamic", organisation), &[("objectClass", "groupOfURLs"), ("memberURL", &url)])
        }
        17 => delete_request(&group("dynamic", organisation)),
        _ => delete_request(&team),
    };
    (operation, vec![])
}

/// The same without message ids and the names of sessions, which differ between stores.
fn without_chance(mut heard: Heard) -> Heard {
    heard.content.iter_mut().for_each(|part| blank(part, b"hcSessionId=", 32));
    Heard { id: 0, ..heard }
}

/// What a trace of own changes is answered, and what searches and followers say of it.
fn own_changes(house: &House, numbers: &Numbers, count: usize) -> (Vec<Vec<Heard>>, Vec<Vec<Heard>>) {
    const SHOWN: [&str; 10] =
        ["uid", "cn", "mail", "uidNumber", "member", "memberOf", "manager", "hcEffectiveMember", "numSubordinates", "hcAccountState"];
    let mut following = followers(house, &["sam", "ada"]);
    let mut wires = ["ada", "gil", "sam"].map(|who| house.signed_in(who, ACME));
    let mut all = Vec::with_capacity(2 * count);
    let (mut changes, mut looks) = (numbers.at(1), numbers.at(2));
    let told = |answers: Vec<Answer>| -> Vec<Heard> { answers.iter().map(heard).map(without_chance).collect() };
    for round in 0..count {
        // Mostly the administrator, who may.
        let wire = &mut wires[if round % 6 == 0 { 1 + round / 6 % 2 } else { 0 }];
        let (operation, controls) = some_change(&mut changes, ACME);
        all.push(told(wire.ask_all(&operation, &controls)));
        let search = search_request(looks.one(&[SUFFIX, ACME]), 2, &some_filter(&mut looks, 1), &SHOWN);
        let sort = if looks.below(2) == 0 { vec![] } else { vec![some_sort(&mut looks)] };
        all.push(told(wire.ask_all(&search, &sort)));
        mark(house, &mut following, "ada", &round.to_string());
    }
    (all, following.into_iter().map(|follower| follower.told.into_iter().map(without_chance).collect()).collect())
}

#[test]
fn hc5_own_changes_are_answered_alike_whatever_another_organisation_does() {
    let (alone, beside) = (House::start(""), House::start(""));
    [&alone, &beside].iter().for_each(|house| settle_all(house, &["sam", "ada", "gil"]));
    let count_of = if is_long() { 5_000 } else { 250 };
    let drawn = Numbers::drawn();
    let quiet = own_changes(&alone, &drawn, count_of);
    let loud = beside_changes(&beside, || own_changes(&beside, &drawn, count_of));
    compare("answer", &quiet.0, &loud.0);
    compare("follower", &quiet.1, &loud.1);
    let codes: std::collections::BTreeSet<u8> =
        quiet.0.iter().flatten().filter(|heard| heard.tag == 0x69).map(|heard| heard.content[0][2]).collect();
    assert!([0, 19, 50, 68].iter().filter(|code| codes.contains(code)).count() >= 3, "adds end in several ways: {codes:?}");
    count("HC5 own changes beside another organisation", 2 * count_of);
}
