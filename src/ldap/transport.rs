//! The three ways a connection's octets travel.

use futures_util::FutureExt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// The stream under a connection.
pub(crate) enum Transport {
    /// None: it is being turned into another, or was closed.
    Closed,
    /// A local socket.
    Local(UnixStream),
    /// TCP.
    Tcp(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// The certificate (DER) that the peer has shown and proven to own, if any.
    pub(crate) fn client_certificate(&self) -> Option<&[u8]> {
        match self {
            Self::Tls(stream) => stream.get_ref().1.peer_certificates()?.first().map(AsRef::as_ref),
            Self::Closed | Self::Local(_) | Self::Tcp(_) => None,
        }
    }

    /// Whether the peer takes no more: it has reset the connection, or closed a local socket. That is known without reading, and of
    /// one that has only said all it has to say (half a close) it is not so.
    pub(crate) fn is_gone(&self) -> bool {
        // What the system has told by now; this asks it nothing and waits for nothing.
        let ready = match self {
            Self::Closed => None,
            Self::Local(stream) => stream.ready(Interest::WRITABLE).now_or_never(),
            Self::Tcp(stream) => stream.ready(Interest::WRITABLE).now_or_never(),
            Self::Tls(stream) => stream.get_ref().0.ready(Interest::WRITABLE).now_or_never(),
        };
        ready.and_then(Result::ok).is_some_and(|ready| ready.is_write_closed())
    }

    /// Whether TLS has something of its own to say, such as that it does not renegotiate (HD9).
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.get_ref().1.wants_write(),
            Self::Closed | Self::Local(_) | Self::Tcp(_) => false,
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Closed => Poll::Ready(Ok(())),
            Self::Local(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Closed => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Self::Local(stream) => Pin::new(stream).poll_write(context, octets),
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, octets),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Closed => Poll::Ready(Ok(())),
            Self::Local(stream) => Pin::new(stream).poll_flush(context),
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Closed => Poll::Ready(Ok(())),
            Self::Local(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
