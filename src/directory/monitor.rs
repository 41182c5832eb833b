//! `cn=Monitor`: how the server is doing, as entries that are made when they are asked for. Names and classes are those
//! that monitoring tools know from OpenLDAP. The operator may read them, and whom a rule of the config names.

use super::request::Scope;
use super::root::VirtualEntry;
use super::search::Base;
use super::{Directory, Error};
use crate::base::Timestamp;
use crate::base::counts::{COUNTS, OPERATIONS};
use crate::model::{Dn, Rdn};
use crate::schema::Schema;

/// Where it is; the root DSE says so as `monitorContext`.
pub(super) const MONITOR: &str = "cn=Monitor";
/// Licences that are shown: those in most use.
const LICENCES: usize = 1_000;

/// Where a name stands in the monitor: the normal forms of its RDNs, the nearest to the top first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    keys: Vec<Box<[u8]>>,
    /// How many names stand before `cn=Monitor`.
    pub(super) depth: usize,
}

impl Place {
    /// Whether it stands somewhere below the other.
    pub(super) fn is_below(&self, other: &Self) -> bool {
        self.depth > other.depth && self.keys.starts_with(&other.keys)
    }
}

/// Where the name stands, if it is that of the monitor or of something below it.
pub(super) fn place_of(schema: &Schema, dn: &Dn) -> Option<Place> {
    let monitor = Dn::parse(MONITOR).ok()?;
    let keys: Vec<Box<[u8]>> = dn.0.iter().rev().map(|rdn| schema.rdn_key(rdn)).collect();
    let top = monitor.rdn().map(|rdn| schema.rdn_key(rdn))?;
    (keys.first() == Some(&top)).then(|| Place { depth: keys.len() - 1, keys })
}

impl Directory {
    /// The entries of the monitor that are in scope.
    pub(super) fn monitored(&self, base: &Place, scope: Scope) -> Result<Base, Error> {
        let entries = entries(self).into_iter().map(|(dn, entry)| (place_of(self.schema(), &dn), entry));
        let mut found = Vec::new();
        let mut exists = false;
        for (place, entry) in entries.filter_map(|(place, entry)| Some((place?, entry))) {
            let is_base = place == *base;
            exists |= is_base;
            let below = place.depth > base.depth && place.is_below(base);
            let wanted = match scope {
                Scope::Base => is_base,
                Scope::One => below && place.depth == base.depth + 1,
                Scope::Subtree => is_base || below,
                Scope::Children => below,
            };
            if wanted {
                found.push(entry);
            }
        }
        match exists {
            true => Ok(Base::Monitor(found)),
            false => Err(Error::NoSuchObject { matched: MONITOR.to_owned() }),
        }
    }
}

/// The entries, each with its name.
fn entries(directory: &Directory) -> Vec<(Dn, VirtualEntry)> {
    let mut tree = Tree { directory, entries: Vec::new() };
    tree.server();
    tree.connections();
    tree.databases();
    tree.licences();
    tree.operations();
    tree.statistics();
    tree.threads();
    tree.time();
    tree.entries
}

struct Tree<'d> {
    directory: &'d Directory,
    entries: Vec<(Dn, VirtualEntry)>,
}

impl Tree<'_> {
    /// Adds an entry; `above` are the names between it and the top, the nearest first.
    fn add(&mut self, class: &str, names: &[&str], more: Vec<(&str, Vec<String>)>) {
        let rdn = |name: &&str| Rdn(vec![crate::model::Ava { attribute: "cn".to_owned(), value: name.as_bytes().to_vec() }]);
        let dn = Dn(names.iter().chain(&["Monitor"]).map(rdn).collect());
        let own = names.first().copied().unwrap_or("Monitor");
        let mut values = vec![
            ("objectClass".to_owned(), vec![class.to_owned()]),
            ("structuralObjectClass".to_owned(), vec![class.to_owned()]),
            ("cn".to_owned(), vec![own.to_owned()]),
            ("entryDN".to_owned(), vec![dn.to_string()]),
            ("subschemaSubentry".to_owned(), vec![super::derived::SUBSCHEMA.to_owned()]),
        ];
        values.extend(more.into_iter().map(|(name, values)| (name.to_owned(), values)));
        let entry = VirtualEntry::new(self.directory.schema(), &dn.to_string(), &values);
        self.entries.push((dn, entry));
    }

    fn counter(&mut self, names: &[&str], count: &impl ToString) {
        self.add("monitorCounterObject", names, vec![("monitorCounter", vec![count.to_string()])]);
    }

    fn info(&mut self, names: &[&str], text: &impl ToString) {
        self.add("monitoredObject", names, vec![("monitoredInfo", vec![text.to_string()])]);
    }

    fn container(&mut self, name: &str, description: &str) {
        self.add("monitorContainer", &[name], vec![("description", vec![description.to_owned()])]);
    }

    fn server(&mut self) {
        let version = concat!("Headcount ", env!("CARGO_PKG_VERSION"));
        self.add(
            "monitorServer",
            &[],
            vec![
                ("description", vec!["How the server is doing; the numbers are since its start.".to_owned()]),
                ("monitoredInfo", vec![version.to_owned()]),
            ],
        );
    }

    fn connections(&mut self) {
        self.container("Connections", "LDAP connections");
        self.counter(&["Total", "Connections"], &COUNTS.connections.get());
        self.counter(&["Current", "Connections"], &COUNTS.open.get());
        self.counter(&["Bound", "Connections"], &COUNTS.bound.get());
        self.counter(&["Refused", "Connections"], &COUNTS.refused.get());
    }

    fn databases(&mut self) {
        let telemetry = self.directory.telemetry();
        self.add("monitorContainer", &["Databases"], vec![("monitoredInfo", vec![format!("{} entries", telemetry.entries)])]);
        for (number, (suffix, _)) in telemetry.suffixes.into_iter().enumerate() {
            let name = format!("Database {}", number + 1);
            self.add(
                "monitoredObject",
                &[&name, "Databases"],
                vec![("namingContexts", vec![suffix]), ("monitoredInfo", vec!["headcount".to_owned()])],
            );
        }
    }

    fn licences(&mut self) {
        self.container("Licences", "Seats in use of each licence, those in most use first");
        for seats in self.directory.seat_use(LICENCES) {
            let counter = vec![
                ("monitorCounter", vec![seats.in_use.to_string()]),
                ("monitoredInfo", vec![format!("{} of {} seats", seats.in_use, seats.limit)]),
                ("seeAlso", vec![seats.licence.clone()]),
            ];
            self.add("monitorCounterObject", &[&seats.licence, "Licences"], counter);
        }
    }

    fn operations(&mut self) {
        let sum = |count: fn(&crate::base::counts::OperationCounts) -> u64| COUNTS.operations.iter().map(count).sum::<u64>().to_string();
        let all = vec![
            ("monitorOpInitiated", vec![sum(|counts| counts.initiated.get())]),
            ("monitorOpCompleted", vec![sum(|counts| counts.completed.get())]),
        ];
        self.add("monitorContainer", &["Operations"], all);
        for (name, counts) in OPERATIONS.iter().zip(&COUNTS.operations) {
            let numbers = vec![
                ("monitorOpInitiated", vec![counts.initiated.get().to_string()]),
                ("monitorOpCompleted", vec![counts.completed.get().to_string()]),
            ];
            self.add("monitorOperation", &[name, "Operations"], numbers);
        }
    }

    fn statistics(&mut self) {
        self.container("Statistics", "What LDAP has sent");
        self.counter(&["Bytes", "Statistics"], &COUNTS.octets_out.get());
        self.counter(&["PDU", "Statistics"], &COUNTS.messages.get());
        self.counter(&["Entries", "Statistics"], &COUNTS.entries.get());
        self.counter(&["Referrals", "Statistics"], &COUNTS.references.get());
    }

    fn threads(&mut self) {
        let telemetry = self.directory.telemetry();
        self.container("Threads", "Passwords being checked, and work for the writer");
        self.info(&["Active", "Threads"], &telemetry.hashing.running);
        self.info(&["Pending", "Threads"], &telemetry.hashing.waiting);
        self.info(&["Shed", "Threads"], &COUNTS.shed.get());
        self.info(&["Write queue", "Threads"], &telemetry.write_queue);
    }

    fn time(&mut self) {
        let (clock, started) = (self.directory.clock(), self.directory.core().started);
        self.container("Time", "When the server started, and how long it has served");
        let stamp = |time: Timestamp| vec![("monitorTimestamp", vec![time.generalized()])];
        self.add("monitoredObject", &["Start", "Time"], stamp(started.wall));
        self.add("monitoredObject", &["Current", "Time"], stamp(clock.now()));
        let uptime = clock.monotonic().saturating_sub(started.monotonic);
        self.info(&["Uptime", "Time"], &uptime.as_secs());
    }
}
