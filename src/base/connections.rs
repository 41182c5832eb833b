//! How many connections there may be: one budget for all doors, because each connection is a descriptor, whichever door it
//! came to, and the store, the logs, backups, the config and the command line need some too (HD3). Each kind of door has
//! a sixteenth of the budget to itself, so that a flood at one does not close the others. Networks are counted over
//! all doors.

use super::network::peer_network;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Descriptors that no connection takes.
pub const RESERVE: usize = 64;
/// The part of the budget that each kind of door has to itself.
const SHARE: usize = 16;
/// The first wait after accepting failed; each further one is twice as long.
const BACK_OFF: Duration = Duration::from_millis(50);
/// The longest wait.
const BACK_OFF_MOST: Duration = Duration::from_secs(1);

/// Where a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// SCIM, pages, health and metrics.
    Http,
    /// LDAP over TCP, with TLS or without.
    Ldap,
    /// LDAP over a local socket.
    Local,
}

/// How many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// In all.
    pub all: usize,
    /// From one IPv4 address or one IPv6 network of 64 bits; loopback and local sockets only count in all.
    pub per_network: usize,
}

impl Bounds {
    /// The same for a process of so many descriptors: there are no more connections than descriptors beside the [`RESERVE`].
    #[must_use]
    pub fn within(self, descriptors: u64) -> Self {
        let most = usize::try_from(descriptors).unwrap_or(usize::MAX).saturating_sub(RESERVE).max(1);
        Self { all: self.all.min(most), ..self }
    }
}

/// The budget, and what is taken of it.
#[derive(Debug)]
pub struct Connections {
    book: Mutex<Book>,
    /// Told whenever a connection ends or the bounds change.
    room: Notify,
}

#[derive(Debug)]
struct Book {
    bounds: Bounds,
    http: usize,
    ldap: usize,
    local: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// Counts as one connection as long as it lives.
#[derive(Debug)]
pub struct Counted {
    connections: Arc<Connections>,
    way: Way,
    network: Option<IpAddr>,
}

impl Book {
    const fn held(&mut self, way: Way) -> &mut usize {
        match way {
            Way::Http => &mut self.http,
            Way::Ldap => &mut self.ldap,
            Way::Local => &mut self.local,
        }
    }

    /// Whether there is room for one more, beside what the other doors have to themselves and do not use.
    fn has_room(&self, way: Way) -> bool {
        let share = self.bounds.all / SHARE;
        let kept = |other: Way, held: usize| if other == way { 0 } else { share.saturating_sub(held) };
        let kept = kept(Way::Http, self.http) + kept(Way::Ldap, self.ldap) + kept(Way::Local, self.local);
        self.bounds.all.saturating_sub(self.http + self.ldap + self.local) > kept
    }

    /// Counts one more of a network; false where that has too many.
    fn enter(&mut self, network: IpAddr) -> bool {
        let most = self.bounds.per_network;
        let held = self.by_network.entry(network).or_default();
        if *held >= most {
            // With a bound of 0 there may have been none.
            self.by_network.retain(|_, held| *held > 0);
            return false;
        }
        *held += 1;
        true
    }

    fn leave(&mut self, network: IpAddr) {
        if let Some(held) = self.by_network.get_mut(&network) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.by_network.remove(&network);
            }
        }
    }
}

impl Connections {
    /// None yet.
    pub fn new(bounds: Bounds) -> Arc<Self> {
        let book = Book { bounds, http: 0, ldap: 0, local: 0, by_network: HashMap::new() };
        Arc::new(Self { book: Mutex::new(book), room: Notify::new() })
    }

    /// Puts other bounds in force for new connections.
    pub fn bound(&self, bounds: Bounds) {
        self.book.lock().bounds = bounds;
        self.room.notify_waiters();
    }

    /// How many there are of LDAP, local ones included.
    pub fn ldap(&self) -> usize {
        let book = self.book.lock();
        book.ldap + book.local
    }

    /// Counts one more from `client`, which is `None` where it is not known yet, or does not count; `None` where there are
    /// too many.
    pub fn count(self: &Arc<Self>, way: Way, client: Option<IpAddr>) -> Option<Counted> {
        let network = counting(client);
        let mut book = self.book.lock();
        if !book.has_room(way) || !network.is_none_or(|network| book.enter(network)) {
            return None;
        }
        *book.held(way) += 1;
        Some(Counted { connections: Arc::clone(self), way, network })
    }

    /// Waits until there may be one more.
    pub async fn room(&self, way: Way) {
        loop {
            let told = self.room.notified();
            if self.book.lock().has_room(way) {
                return;
            }
            told.await;
        }
    }
}

impl Counted {
    /// Counts for another client from now on; false where that one has too many.
    pub fn is_of(&mut self, client: IpAddr) -> bool {
        let network = counting(Some(client));
        if network == self.network {
            return true;
        }
        let mut book = self.connections.book.lock();
        if let Some(former) = self.network.take() {
            book.leave(former);
        }
        if !network.is_none_or(|network| book.enter(network)) {
            return false;
        }
        self.network = network;
        true
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut book = self.connections.book.lock();
        if let Some(network) = self.network.take() {
            book.leave(network);
        }
        let held = book.held(self.way);
        *held = held.saturating_sub(1);
        drop(book);
        self.connections.room.notify_waiters();
    }
}

/// What a client is counted by.
fn counting(client: Option<IpAddr>) -> Option<IpAddr> {
    client.map(peer_network).filter(|network| !network.is_loopback())
}

/// The waits of a listener that cannot accept, so that it does not spin.
#[derive(Debug)]
pub struct BackOff(Duration);

impl Default for BackOff {
    fn default() -> Self {
        Self(BACK_OFF)
    }
}

impl BackOff {
    /// Waits, and the next time for longer.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = BACK_OFF_MOST.min(self.0 * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn hd3_all_doors_share_one_budget_and_each_has_a_part_to_itself() {
        let connections = Connections::new(Bounds { all: 32, per_network: 1_000 });
        let mut held: Vec<Counted> = std::iter::from_fn(|| connections.count(Way::Http, None)).collect();
        assert_eq!(held.len(), 28, "two are kept for each of the other doors");
        held.extend(std::iter::from_fn(|| connections.count(Way::Ldap, None)));
        assert_eq!(held.len(), 30);
        held.extend(std::iter::from_fn(|| connections.count(Way::Local, None)));
        assert_eq!((held.len(), connections.ldap()), (32, 4));
        assert!(connections.count(Way::Http, None).is_none());
        held.clear();
        assert_eq!(connections.ldap(), 0);
        assert!(connections.count(Way::Ldap, None).is_some());
    }

    #[test]
    fn hd3_no_connection_takes_a_descriptor_of_the_reserve() {
        let bounds = Bounds { all: 12_000, per_network: 1 };
        assert_eq!(bounds.within(256).all, 256 - RESERVE);
        assert_eq!(bounds.within(20_000), bounds);
        assert_eq!(bounds.within(10).all, 1);
    }

    #[test]
    fn hd3_a_network_of_64_bits_is_one_client_over_all_doors() {
        let connections = Connections::new(Bounds { all: 100, per_network: 2 });
        let one = connections.count(Way::Ldap, address("2001:db8::1")).unwrap();
        let mut two = connections.count(Way::Http, None).unwrap();
        assert!(two.is_of(address("2001:db8::2:2").unwrap()));
        assert!(connections.count(Way::Http, address("2001:db8::3")).is_none());
        let mut three = connections.count(Way::Http, address("2001:db8:0:1::3")).unwrap();
        assert!(!three.is_of(address("2001:db8::4").unwrap()));
        drop(one);
        assert!(three.is_of(address("2001:db8::4").unwrap()));
        let near: Vec<_> = (0..9).filter_map(|_| connections.count(Way::Ldap, address("127.0.0.1"))).collect();
        assert_eq!(near.len(), 9);
        drop((two, three, near));
        assert_eq!(connections.book.lock().by_network, HashMap::new());
    }

    #[tokio::test]
    async fn hd3_who_waits_for_room_is_told() {
        let connections = Connections::new(Bounds { all: 1, per_network: 1 });
        let held = connections.count(Way::Ldap, None).unwrap();
        let waiting = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.room(Way::Http).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    }
}
