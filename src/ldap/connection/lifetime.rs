//! How a connection changes and ends: TLS beginning, silence, peers that do not read, the server stopping.

use super::{Connection, Intake, LINGER, TICK};
use crate::directory::Origin;
use crate::ldap::transport::Transport;
use bytes::BytesMut;
use ldap3_proto::proto::LdapResultCode;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

impl Connection {
    pub(super) fn wrote(&mut self, count: usize) {
        self.output.sent(count);
        self.stalled_since = None;
        self.unflushed = matches!(self.transport, Transport::Tls(_));
    }

    /// The peer is gone.
    pub(super) fn break_off(&mut self) {
        self.unbind();
        self.unflushed = false;
        self.transport = Transport::Closed;
    }

    /// No more messages are taken; when what is under way is done, the peer is told why.
    pub(super) fn say_farewell(&mut self, text: &'static str) {
        self.stopped = true;
        if self.intake != Intake::Closed {
            self.intake = Intake::Closed;
            self.farewell = Some(text);
        }
    }

    /// Begins TLS after the answer to StartTLS is out: the answers before it are for a peer that nobody knows (HA10).
    pub(super) async fn start_tls(&mut self) {
        let Transport::Tcp(stream) = std::mem::replace(&mut self.transport, Transport::Closed) else {
            return self.break_off();
        };
        match self.door.handshake(stream).await {
            Ok(stream) => {
                self.transport = Transport::Tls(Box::new(stream));
                self.become_anonymous();
                self.release_former();
                let certificate = self.transport.client_certificate();
                let subject = certificate.and_then(|der| self.door.directory.subject_of_certificate(der));
                let origin = Origin { encrypted: true, certificate: certificate.is_some(), subject, ..(*self.caller.origin).clone() };
                self.caller.origin = Arc::new(origin);
                self.intake = Intake::Open;
            }
            Err(error) => {
                tracing::debug!(request = %self.caller.origin.request, peer = %self.caller.origin.describe(), %error, "TLS did not begin");
                self.break_off();
            }
        }
    }

    /// Makes sure that the clock is looked at soon.
    pub(super) fn note_activity(&mut self) {
        if self.wake_at > self.now + TICK {
            self.settings = self.door.directory.settings();
            self.wake_in(TICK);
        }
    }

    fn wake_in(&mut self, duration: Duration) {
        self.wake_at = self.now + duration;
        self.timer.set(tokio::time::sleep(duration));
    }

    /// Looks at the clock: a peer that does not read, or has not sent a whole message for too long, is cut off.
    pub(super) fn tick(&mut self) {
        self.settings = self.door.directory.settings();
        self.cookies.forget_old(self.now);
        let searches = !self.searches.is_empty() || !self.followers.is_empty();
        if searches && !self.review() {
            return self.wake_in(TICK);
        }
        let limits = &self.settings.limits;
        if self.stalled_since.is_some_and(|since| self.now.saturating_sub(since) >= limits.write_stall) {
            tracing::debug!(request = %self.caller.origin.request, peer = %self.caller.origin.describe(), "the peer does not read");
            self.break_off();
            return self.wake_in(TICK);
        }
        if !self.is_at_rest() || !self.followers.is_empty() || !self.output.is_empty() || self.unflushed {
            return self.wake_in(TICK);
        }
        let at_most = if self.is_bound() && !self.partial { limits.idle_bound } else { limits.idle_anonymous };
        let idle = self.now.saturating_sub(self.last_message);
        if idle >= at_most {
            self.disconnect(&LdapResultCode::Unavailable, "the connection was idle for too long");
            return self.wake_in(TICK);
        }
        if self.caller.identity.session.as_ref().is_some_and(|session| session.has_ended()) && !self.refresh() {
            return self.wake_in(TICK);
        }
        if idle < TICK {
            return self.wake_in(TICK);
        }
        self.output.shrink();
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        self.wake_in(at_most.saturating_sub(idle));
    }

    /// Ends the stream so that the last words arrive: what the peer still sends is read, for a moment, because an
    /// unread octet would make the system throw away what we wrote.
    pub(super) async fn close(&mut self) {
        let words = async {
            let mut scratch = [0; 1 << 10];
            self.transport.shutdown().await?;
            while !self.end_of_input && self.transport.read(&mut scratch).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        if tokio::time::timeout(LINGER, words).await.is_err() {
            tracing::debug!(request = %self.caller.origin.request, peer = %self.caller.origin.describe(), "the peer did not end the connection");
        }
    }
}
