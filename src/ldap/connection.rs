//! One connection: one task, one loop. It waits for whatever comes first of input, room for output, a finished
//! operation and the clock; takes all messages that have arrived; lets each search under way go one step; and sends
//! all answers there are in one write. So abandon, back-pressure and fairness need no further machinery.
//!
//! Searches and compares are done on the spot. What waits for the writer or for a hash is a future in [`Connection::pending`].
//! A bind waits until nothing else is under way, and nothing else is taken while it is (RFC 4511 §4.2.1).

mod lifetime;
mod tally;

use super::Door;
use super::controls::{self, Controls};
use super::decode;
use super::encode::{Outcome, put_notice, put_result};
use super::follow::Following;
use super::frame::{self, Frame, FrameLimits, Operation, Refusal};
use super::output::Output;
use super::paging::Cookies;
use super::result::Failure;
use super::sasl::Exchange;
use super::search::Running;
use super::transaction::OpenTransaction;
use super::transport::Transport;
use crate::base::counts::COUNTS;
use crate::directory::{Caller, Identity, Origin, SeatHold, Settings, Standing};
use bytes::{Buf, BytesMut};
use futures_util::Stream;
use futures_util::stream::FuturesUnordered;
use ldap3_proto::proto::LdapResultCode;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tally::Tally;
use tokio::io::AsyncWrite;
use tokio::time::Sleep;
use tokio_util::io::poll_read_buf;
use tokio_util::sync::WaitForCancellationFutureOwned;
use zeroize::{Zeroize, Zeroizing};

/// Octets read at a time.
const READ: usize = 4 << 10;
/// Octets read ahead of a message that has to wait.
const READ_AHEAD: usize = 16 << 10;
/// How often a busy connection looks at the clock; after so long without activity buffers are given back.
const TICK: Duration = Duration::from_secs(2);
/// How long the last words of a connection may take.
const LINGER: Duration = Duration::from_secs(1);

/// Whether messages are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intake {
    /// They are.
    Open,
    /// A bind is under way.
    Binding,
    /// TLS begins once the answer to StartTLS is out.
    StartTls,
    /// The connection ends when what is under way has ended.
    Closed,
}

/// The answer of an operation that took its time.
pub(crate) struct Reply {
    /// The message id of the request.
    pub(crate) id: i32,
    /// The operation.
    pub(crate) operation: Operation,
    /// The answer.
    pub(crate) result: Result<Done, Failure>,
}

/// What a successful operation has to say.
#[derive(Default)]
pub(crate) struct Done {
    /// Components after the LDAPResult, encoded.
    pub(crate) extra: Zeroizing<Vec<u8>>,
    /// Response controls, encoded.
    pub(crate) controls: Vec<u8>,
    /// Who the connection is from now on; only a bind says so.
    pub(crate) identity: Option<Arc<Identity>>,
    /// What holds its seat.
    pub(crate) hold: Option<Arc<SeatHold>>,
}

/// What the loop waited for.
enum Event {
    Finished,
    Flushed(io::Result<()>),
    Read(io::Result<usize>),
    Stop,
    Tick,
    /// Nothing came, but a search can go on.
    Turn,
    Wrote(io::Result<usize>),
}

/// How long a connection goes on before the others of its thread come first.
const TURN: Duration = Duration::from_millis(10);

/// A connection.
pub(crate) struct Connection {
    pub(super) door: Arc<Door>,
    pub(super) settings: Arc<Settings>,
    pub(super) caller: Caller,
    pub(super) peer_user: Option<u32>,
    pub(super) transport: Transport,
    pub(super) output: Output,
    pub(super) searches: VecDeque<Running>,
    pub(super) followers: Vec<Following>,
    pub(super) transactions: Vec<OpenTransaction>,
    /// Message ids and operations of what is pending.
    pub(super) under_way: Vec<(i32, Operation)>,
    pub(super) cookies: Cookies,
    pub(super) intake: Intake,
    /// A bind in several steps that waits for its next one.
    pub(super) exchange: Option<Exchange>,
    /// Whether octets follow the message in hand.
    pub(super) pipelined: bool,
    /// The clock at the last event.
    pub(super) now: Duration,
    pending: FuturesUnordered<Pin<Box<dyn Future<Output = Reply> + Send>>>,
    finished: Vec<Reply>,
    input: BytesMut,
    end_of_input: bool,
    /// Whether the beginning of a message is there.
    partial: bool,
    /// Whether a whole message waits for others to finish.
    blocked: bool,
    /// Whether whole messages wait for the next turn.
    left: bool,
    /// Whether nothing is answered any more.
    mute: bool,
    unflushed: bool,
    /// Whether the answer to the bind under way says who the peer is by then.
    pub(super) tells_identity: bool,
    /// Whether the answer to the operation that begins says what the policy for passwords has to say.
    pub(super) tells_password_policy: bool,
    farewell: Option<&'static str>,
    stopped: bool,
    /// What holds the seat of who the peer is.
    hold: Option<Arc<SeatHold>>,
    /// What held the one of who it was before the bind under way.
    former: Option<Arc<SeatHold>>,
    /// The operations that are to be answered.
    tally: Tally,
    last_message: Duration,
    stalled_since: Option<Duration>,
    wake_at: Duration,
    timer: Pin<Box<Sleep>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    /// A connection that nobody has signed in on.
    pub(crate) fn new(door: &Arc<Door>, transport: Transport, origin: Origin, peer_user: Option<u32>) -> Self {
        let now = door.directory.clock().monotonic();
        Self {
            door: Arc::clone(door),
            settings: door.directory.settings(),
            caller: Caller { identity: Arc::clone(&door.anonymous), origin: Arc::new(origin) },
            peer_user,
            transport,
            output: Output::default(),
            searches: VecDeque::new(),
            followers: Vec::new(),
            transactions: Vec::new(),
            under_way: Vec::new(),
            cookies: Cookies::default(),
            intake: Intake::Open,
            exchange: None,
            pipelined: false,
            now,
            pending: FuturesUnordered::new(),
            finished: Vec::new(),
            input: BytesMut::new(),
            end_of_input: false,
            partial: false,
            blocked: false,
            left: false,
            mute: false,
            unflushed: false,
            tells_identity: false,
            tells_password_policy: false,
            farewell: None,
            stopped: false,
            hold: None,
            former: None,
            tally: Tally::default(),
            last_message: now,
            stalled_since: None,
            wake_at: now + TICK,
            timer: Box::pin(tokio::time::sleep(TICK)),
            stop: Box::pin(door.stopping.child_token().cancelled_owned()),
        }
    }

    /// Serves the peer until either side ends it.
    pub(crate) async fn run(mut self) {
        while !self.is_over() {
            let event = poll_fn(|context| self.poll_event(context)).await;
            self.now = self.door.directory.clock().monotonic();
            match event {
                Event::Finished => std::mem::take(&mut self.finished).into_iter().for_each(|reply| self.finish(&reply)),
                Event::Flushed(Ok(())) => self.unflushed = false,
                Event::Read(Ok(0)) => self.end_of_input = true,
                Event::Read(Ok(count)) => {
                    COUNTS.octets_in.add(count as u64);
                    self.note_activity();
                }
                Event::Stop => self.say_farewell("the server is stopping"),
                Event::Tick => self.tick(),
                Event::Turn => tokio::task::yield_now().await,
                Event::Wrote(Ok(count)) if count > 0 => self.wrote(count),
                Event::Flushed(Err(_)) | Event::Read(Err(_)) | Event::Wrote(_) => self.break_off(),
            }
            self.take_messages();
            let long = self.step_searches();
            self.step_followers();
            if long || self.left {
                // Whoever reads much does not keep others waiting: all that is ready comes first, twice for each step.
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
            }
            if self.intake == Intake::StartTls && self.output.is_empty() {
                Box::pin(self.start_tls()).await;
            }
        }
        self.become_anonymous();
        self.release_former();
        Box::pin(self.close()).await;
    }

    /// Whether somebody has signed in.
    pub(super) fn is_bound(&self) -> bool {
        self.caller.identity.standing != Standing::Anonymous
    }

    /// Whether no operation is under way that would end. Followers do not.
    pub(super) fn is_at_rest(&self) -> bool {
        self.searches.is_empty() && self.pending.is_empty() && !self.followers.iter().any(Following::has_to_finish)
    }

    /// Hands over an operation that takes its time.
    pub(super) fn later(&self, work: impl Future<Output = Reply> + Send + 'static) {
        self.pending.push(Box::pin(work));
    }

    /// Answers an operation at once.
    pub(super) fn answer(&mut self, id: i32, operation: Operation, outcome: &Outcome<'_>) {
        if let Some(tag) = operation.response_tag().filter(|_| !self.mute) {
            put_result(&mut self.output.octets, id, tag, outcome);
            self.tally.answered(id, operation, outcome.code, &**self.door.directory.clock());
            tracing::debug!(request = %self.caller.origin.request.message(id), ?operation, code = ?outcome.code, "answered");
        }
    }

    /// Ends the connection now, with a Notice of Disconnection (RFC 4511 §4.4.1). Changes under way are still made.
    pub(super) fn disconnect(&mut self, code: &LdapResultCode, text: &str) {
        tracing::debug!(request = %self.caller.origin.request, peer = %self.caller.origin.describe(), text, "disconnected");
        if !self.mute {
            put_notice(&mut self.output.octets, code, text);
        }
        self.searches.clear();
        self.followers.clear();
        self.mute = true;
        self.intake = Intake::Closed;
    }

    /// What comes first. All that has finished is gathered before anything is written, and writing comes before reading.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        while !self.pending.is_empty()
            && let Poll::Ready(Some(reply)) = Pin::new(&mut self.pending).poll_next(context)
        {
            self.finished.push(reply);
        }
        if !self.finished.is_empty() {
            return Poll::Ready(Event::Finished);
        }
        if !self.output.is_empty() {
            match Pin::new(&mut self.transport).poll_write(context, self.output.unsent()) {
                Poll::Ready(wrote) => return Poll::Ready(Event::Wrote(wrote)),
                Poll::Pending => drop(self.stalled_since.get_or_insert(self.now)),
            }
        } else if self.unflushed {
            match Pin::new(&mut self.transport).poll_flush(context) {
                Poll::Ready(flushed) => return Poll::Ready(Event::Flushed(flushed)),
                Poll::Pending => drop(self.stalled_since.get_or_insert(self.now)),
            }
        }
        if self.wants_input() {
            if self.input.capacity() - self.input.len() < READ / 4 {
                self.make_room();
            }
            if let Poll::Ready(read) = poll_read_buf(Pin::new(&mut self.transport), context, &mut self.input) {
                return Poll::Ready(Event::Read(read));
            }
            if self.transport.has_unsent()
                && let Poll::Ready(flushed) = Pin::new(&mut self.transport).poll_flush(context)
            {
                return Poll::Ready(Event::Flushed(flushed));
            }
        } else if self.transport.is_gone() {
            // Nobody reads here what would tell so, and what is under way may take long.
            return Poll::Ready(Event::Read(Err(io::ErrorKind::ConnectionReset.into())));
        }
        if self.timer.as_mut().poll(context).is_ready() {
            return Poll::Ready(Event::Tick);
        }
        if !self.stopped && self.stop.as_mut().poll(context).is_ready() {
            return Poll::Ready(Event::Stop);
        }
        let news = self.followers.iter_mut().any(|following| following.poll(context));
        match (!self.searches.is_empty() || self.left || news) && self.output.has_room() {
            true => Poll::Ready(Event::Turn),
            false => Poll::Pending,
        }
    }

    /// Room for more input. What is there of a message may be a password, and no copy of it stays where it was (HB6).
    fn make_room(&mut self) {
        if self.input.is_empty() {
            return self.input.reserve(READ);
        }
        let mut roomier = BytesMut::with_capacity(2 * self.input.len() + READ);
        roomier.extend_from_slice(&self.input);
        self.input.as_mut().zeroize();
        self.input = roomier;
    }

    fn wants_input(&self) -> bool {
        self.intake == Intake::Open && !self.end_of_input && (!(self.blocked || self.left) || self.input.len() < READ_AHEAD)
    }

    fn is_over(&mut self) -> bool {
        if self.intake != Intake::Closed || !self.is_at_rest() {
            return false;
        }
        if let Some(text) = self.farewell.take() {
            put_notice(&mut self.output.octets, &LdapResultCode::Unavailable, text);
        }
        self.output.is_empty() && !self.unflushed
    }

    /// Whether others of the thread should come first now, however much this peer has asked for (HD7).
    pub(super) fn is_turn_over(&self) -> bool {
        self.door.directory.clock().monotonic().saturating_sub(self.now) > TURN
    }

    /// Takes the messages that are there and may be taken, as long as the turn lasts.
    fn take_messages(&mut self) {
        let mut input = std::mem::take(&mut self.input);
        let mut taken = 0;
        let mut secret = false;
        self.blocked = false;
        self.left = false;
        while self.intake == Intake::Open && !self.blocked && !self.left {
            let rest = input.get(taken..).unwrap_or_default();
            match frame::read(rest, &self.frame_limits()) {
                Ok(Some(frame)) if self.admits(frame.operation) => {
                    self.pipelined = rest.len() > frame.length;
                    self.last_message = self.now;
                    taken += frame.length;
                    secret |= may_hold_password(frame.operation);
                    self.begin(&frame);
                    self.left = self.is_turn_over();
                }
                Ok(Some(_)) => self.blocked = true,
                Ok(None) if self.end_of_input => self.intake = Intake::Closed,
                Ok(None) => break,
                Err(Refusal::Answer { id, operation, length, reason }) => {
                    taken += length;
                    secret |= may_hold_password(operation);
                    self.refuse(id, operation, reason);
                }
                Err(Refusal::Disconnect(reason)) => {
                    (taken, secret) = (input.len(), true);
                    self.disconnect(&LdapResultCode::ProtocolError, reason);
                }
            }
        }
        if secret && let Some(octets) = input.get_mut(..taken) {
            octets.zeroize();
        }
        match taken == input.len() {
            true => input.clear(),
            false => input.advance(taken),
        }
        // A message has its time from its first octet on, not from the message before.
        if !input.is_empty() && !std::mem::replace(&mut self.partial, true) {
            self.last_message = self.now;
        }
        self.partial = !input.is_empty();
        self.input = input;
    }

    fn frame_limits(&self) -> FrameLimits {
        match self.is_bound() {
            true => FrameLimits::bound(&self.settings.limits),
            false => FrameLimits::anonymous(&self.settings.limits),
        }
    }

    /// Whether an operation may begin now. Abandon and unbind never wait; all others wait for room, and a bind until
    /// nothing else is under way.
    fn admits(&self, operation: Operation) -> bool {
        match operation {
            Operation::Abandon | Operation::Unbind => true,
            Operation::Bind => self.is_at_rest() && self.output.has_room(),
            Operation::Add
            | Operation::Compare
            | Operation::Delete
            | Operation::Extended
            | Operation::Modify
            | Operation::ModifyDn
            | Operation::Search => {
                let under_way = self.searches.len() + self.followers.len() + self.pending.len();
                // Nobody's bound is none at all, so what is alone is not asked for one.
                (under_way == 0 || under_way < self.door.directory.limits(&self.caller).pending) && self.output.has_room()
            }
        }
    }

    /// Begins an operation.
    fn begin(&mut self, frame: &Frame<'_>) {
        self.tally.begun(frame.id, frame.operation, self.now);
        let begun = self.exchange.take();
        match frame.operation {
            // It has no answer, so a control that cannot be heeded leaves all as it is (RFC 4511 §4.1.11).
            Operation::Abandon if controls::decode(frame.operation, frame.controls, &self.settings.limits).is_err() => return,
            Operation::Abandon => return self.abandon(frame.content),
            Operation::Unbind => return self.unbind(),
            Operation::Bind => {
                // What is followed was asked for by who the peer was (RFC 4511 §4.2.1).
                self.followers.drain(..).for_each(|following| self.tally.dropped(following.id));
                // As are transactions, without notice (RFC 5805 §3.5).
                self.transactions.clear();
                self.become_anonymous();
            }
            _ if !self.refresh() => return,
            _ => {}
        }
        let pending = self.pending.len();
        if let Err(failure) = self.dispatch(frame, begun) {
            self.answer(frame.id, frame.operation, &Outcome::from(&failure));
        }
        if self.pending.len() > pending {
            self.under_way.push((frame.id, frame.operation));
        }
        if frame.operation == Operation::Bind && self.intake != Intake::Binding {
            self.release_former();
        }
    }

    fn dispatch(&mut self, frame: &Frame<'_>, begun: Option<Exchange>) -> Result<(), Failure> {
        let mut controls = controls::decode(frame.operation, frame.controls, &self.settings.limits)?;
        self.tells_identity = controls.authorization_identity;
        self.tells_password_policy = controls.password_policy;
        self.require_own_password(frame, controls.proxied.is_some())?;
        let tracking = controls.tracking.take();
        if tracking.is_none() && !is_recorded(frame.operation) {
            return self.perform_as(frame, controls, begun);
        }
        // For this operation alone, in its audit records and here.
        let request = self.caller.origin.request.message(frame.id);
        if let Some(tracking) = &tracking {
            let peer = self.caller.origin.describe();
            tracing::info!(%request, peer, operation = ?frame.operation, tracking, "on behalf of another");
        }
        let origin = Origin { tracking: tracking.map(Arc::from), request, ..(*self.caller.origin).clone() };
        let own = std::mem::replace(&mut self.caller.origin, Arc::new(origin));
        let performed = self.perform_as(frame, controls, begun);
        self.caller.origin = own;
        performed
    }

    fn perform_as(&mut self, frame: &Frame<'_>, controls: Controls<'_>, begun: Option<Exchange>) -> Result<(), Failure> {
        let Some(authorization) = controls.proxied else { return self.perform(frame, controls, begun) };
        // What the operation rests on is taken while it begins, so only then is the connection somebody else (RFC 4370).
        let assumed = self.door.directory.assume(&self.caller, authorization)?;
        let own = std::mem::replace(&mut self.caller.identity, assumed);
        let performed = self.perform(frame, controls, begun);
        self.caller.identity = own;
        performed
    }

    fn perform(&mut self, frame: &Frame<'_>, controls: Controls<'_>, begun: Option<Exchange>) -> Result<(), Failure> {
        match frame.operation {
            Operation::Add | Operation::Delete | Operation::Modify | Operation::ModifyDn => self.update(frame, controls),
            Operation::Bind => self.bind(frame, controls, begun),
            Operation::Compare => self.compare(frame, controls),
            Operation::Extended => self.extended(frame, &controls),
            Operation::Search => self.search(frame, controls),
            // Neither is answered; `begin` has done them.
            Operation::Abandon | Operation::Unbind => Ok(()),
        }
    }

    /// Answers a message that is damaged inside. One that has no answer ends the connection.
    fn refuse(&mut self, id: i32, operation: Operation, reason: &'static str) {
        self.exchange = None;
        if operation.response_tag().is_none() {
            return self.disconnect(&LdapResultCode::ProtocolError, reason);
        }
        if operation == Operation::Bind {
            self.become_anonymous();
            self.release_former();
        }
        self.answer(id, operation, &Outcome::from(&Failure::protocol(reason)));
    }

    /// Looks up who the peer is by now. A peer whose session or account has ended is told so, and is out (S6, HC7).
    fn refresh(&mut self) -> bool {
        let refreshed = self.door.directory.refresh(&self.caller.identity);
        self.take_identity(refreshed)
    }

    /// Goes on as who the peer is by now, or tells it that it is nobody any more.
    pub(super) fn take_identity(&mut self, identity: Option<Arc<Identity>>) -> bool {
        match identity {
            Some(identity) => {
                self.caller.identity = identity;
                true
            }
            None => {
                let session = self.caller.identity.session.clone();
                let farewell = session.as_ref().and_then(|session| session.farewell());
                let text = farewell.unwrap_or("the session was ended, or the account or its password may not be used any more");
                self.disconnect(&LdapResultCode::StrongerAuthRequired, text);
                false
            }
        }
    }

    /// Stops a search (RFC 4511 §4.11). Changes are not stopped: they may be made already.
    fn abandon(&mut self, content: &[u8]) {
        if let Some(id) = decode::abandon(content)
            && self.stop_search(id)
        {
            self.tally.dropped(id);
        }
    }

    /// The peer has no more to say and listens no more (RFC 4511 §4.3). Changes under way are still made.
    fn unbind(&mut self) {
        self.output.clear();
        self.searches.clear();
        self.followers.clear();
        self.farewell = None;
        self.mute = true;
        self.intake = Intake::Closed;
    }

    /// Forgets who the peer is. What rests on it is let go of by [`Self::release_former`]. An identity keeps what it may do,
    /// which depends on where the peer is and on TLS, so nobody's is replaced by a fresh nobody.
    pub(super) fn become_anonymous(&mut self) {
        let bound = self.is_bound();
        if self.caller.identity.standing == Standing::Service {
            let service = self.caller.identity.entry;
            self.caller.origin = Arc::new(Origin { service, ..(*self.caller.origin).clone() });
        }
        self.caller.identity = Arc::clone(&self.door.anonymous);
        if bound {
            self.tally.bound(false);
            self.former = self.hold.take();
        }
    }

    /// Lets go of who the peer was before.
    pub(super) fn release_former(&mut self) {
        self.former = None;
    }

    /// Answers an operation that took its time.
    fn finish(&mut self, reply: &Reply) {
        if let Some(at) = self.under_way.iter().position(|(id, _)| *id == reply.id) {
            self.under_way.swap_remove(at);
        }
        if reply.operation == Operation::Bind && self.intake == Intake::Binding {
            self.intake = Intake::Open;
        }
        match &reply.result {
            Ok(done) => {
                if let Some(identity) = &done.identity {
                    self.caller.identity = Arc::clone(identity);
                    self.tally.bound(self.is_bound());
                    self.hold = done.hold.clone();
                    self.settings = self.door.directory.settings();
                }
                let mut controls = done.controls.clone();
                if reply.operation == Operation::Bind && self.tells_identity {
                    controls::put_authorization_identity(&mut controls, &self.authorization_identity());
                }
                self.output.is_sensitive |= !done.extra.is_empty();
                self.answer(reply.id, reply.operation, &Outcome { extra: &done.extra, controls: &controls, ..Outcome::SUCCESS });
            }
            Err(failure) => self.answer(reply.id, reply.operation, &Outcome::from(failure)),
        }
        if reply.operation == Operation::Bind {
            self.release_former();
        }
        self.last_message = self.now;
    }
}

/// Whether audit records may come of it: then they name the message.
const fn is_recorded(operation: Operation) -> bool {
    match operation {
        Operation::Add | Operation::Bind | Operation::Delete | Operation::Extended | Operation::Modify | Operation::ModifyDn => true,
        Operation::Abandon | Operation::Compare | Operation::Search | Operation::Unbind => false,
    }
}

/// Whether a request may carry a password, which must not stay in memory (HB6).
const fn may_hold_password(operation: Operation) -> bool {
    match operation {
        Operation::Add | Operation::Bind | Operation::Compare | Operation::Extended | Operation::Modify => true,
        Operation::Abandon | Operation::Delete | Operation::ModifyDn | Operation::Search | Operation::Unbind => false,
    }
}

impl Drop for Connection {
    /// Even a connection that ended by a panic lets go of its session. Half a message may be half a password.
    fn drop(&mut self) {
        self.input.as_mut().zeroize();
        self.output.clear();
        self.become_anonymous();
        self.release_former();
    }
}
