//! Tests of connections: a real listener, a real directory, and a client that says exactly what the test wants.

use super::connection::Connection;
use super::controls::{ASSERTION, PAGED_RESULTS, POST_READ, PRE_READ};
use super::extended::{PASSWORD_MODIFY, START_TLS, WHO_AM_I};
use super::transport::Transport;
use super::{Door, Endpoint, features};
use crate::base::connections::{Bounds, Connections};
use crate::base::{Clock, Limits, ManualClock, SystemClock, Timestamp};
use crate::directory::settings::{Hashing, Lockout, Operator};
use crate::directory::{Directory, Origin, Protocol, RequestId, Settings};
use arc_swap::ArcSwap;
use bytes::BytesMut;
use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::*;
use proptest::prelude::*;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::codec::{Decoder, Encoder};

const OPERATOR: &str = "cn=operator";
const PASSWORD: &str = "the operator says so";
const PASSWORD_HASH: &str = "{SSHA}fzsQeI/YZtS3cECxPLKwFS9BvqxzYWx0c2FsdA==";

/// A server of one test; its folder goes with it.
struct Server {
    door: Arc<Door>,
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    folder: tempfile::TempDir,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        Self::start_at(limits, Arc::new(SystemClock::default())).await
    }

    async fn start_at(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            operator: Some(Operator { dn: OPERATOR.to_owned(), password: PASSWORD_HASH.to_owned() }),
            reserve: 0,
            limits: limits.clone(),
            hashing: Hashing { memory: 64, passes: 1, ..Hashing::default() },
            protocol_features: features(),
            // Tests that bind wrongly by the dozen are about something else.
            lockout: Lockout { failures: 0, ..Lockout::default() },
            ..Settings::new(folder.path().join("data"), &["dc=example,dc=com"])
        };
        let connections = Connections::new(Bounds { all: limits.connections, per_network: limits.connections_per_address });
        let directory = std::thread::spawn(move || Directory::open(settings, clock).unwrap()).join().unwrap();
        let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = key.cert.der().clone();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
        let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], private).unwrap();
        let door = Door::new(directory, Some(Arc::new(ArcSwap::from_pointee(tls))), connections);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(Arc::clone(&door).serve("ldap".to_owned(), Endpoint::Plain(listener), Vec::new()));
        Self { door, address, certificate, folder }
    }

    async fn client(&self) -> Client<TcpStream> {
        Client::over(TcpStream::connect(self.address).await.unwrap())
    }

    /// A client that is the operator.
    async fn operator(&self) -> Client<TcpStream> {
        let mut client = self.client().await;
        assert_eq!(client.bind(OPERATOR, PASSWORD).await, LdapResultCode::Success);
        client
    }

    /// A server with the suffix and `count` people in it.
    async fn with_people(count: usize, limits: Limits) -> (Self, Client<TcpStream>) {
        let server = Self::start(limits).await;
        let client = server.fill(count).await;
        (server, client)
    }

    async fn fill(&self, count: usize) -> Client<TcpStream> {
        let mut client = self.operator().await;
        let suffix = [("objectClass", "domain"), ("dc", "example")];
        assert_eq!(client.add("dc=example,dc=com", &suffix).await, LdapResultCode::Success);
        for number in 0..count {
            client.send_add(&person(number), &[("objectClass", "person"), ("cn", &format!("p{number}")), ("sn", "Person")]).await;
        }
        for _ in 0..count {
            assert_eq!(client.result().await, LdapResultCode::Success);
        }
        client
    }
}

fn person(number: usize) -> String {
    format!("cn=p{number},dc=example,dc=com")
}

/// A client that writes and reads messages one by one.
struct Client<S> {
    stream: S,
    buffer: BytesMut,
    next: i32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn over(stream: S) -> Self {
        Self { stream, buffer: BytesMut::new(), next: 0 }
    }

    fn message(&mut self, op: LdapOp, controls: Vec<LdapControl>) -> Vec<u8> {
        self.next += 1;
        let mut out = BytesMut::new();
        LdapCodec::default().encode(LdapMsg::new_with_ctrls(self.next, op, controls), &mut out).unwrap();
        out.to_vec()
    }

    async fn send(&mut self, op: LdapOp) -> i32 {
        self.send_with(op, Vec::new()).await
    }

    async fn send_with(&mut self, op: LdapOp, controls: Vec<LdapControl>) -> i32 {
        let octets = self.message(op, controls);
        self.stream.write_all(&octets).await.unwrap();
        self.next
    }

    /// The next message; `None` where the server has ended the connection.
    async fn next(&mut self) -> Option<LdapMsg> {
        let read = async {
            loop {
                if let Some(message) = LdapCodec::new(Some(16 << 20), None).decode(&mut self.buffer).unwrap() {
                    return Some(message);
                }
                match self.stream.read_buf(&mut self.buffer).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), read).await.expect("no answer")
    }

    async fn result(&mut self) -> LdapResultCode {
        match self.next().await.expect("the connection has ended").op {
            LdapOp::BindResponse(response) => response.res.code,
            LdapOp::ExtendedResponse(response) => response.res.code,
            LdapOp::AddResponse(result)
            | LdapOp::ModifyResponse(result)
            | LdapOp::DelResponse(result)
            | LdapOp::ModifyDNResponse(result)
            | LdapOp::CompareResult(result)
            | LdapOp::SearchResultDone(result) => result.code,
            other => panic!("{other:?}"),
        }
    }

    async fn bind(&mut self, name: &str, password: &str) -> LdapResultCode {
        self.send(bind(name, password)).await;
        self.result().await
    }

    async fn send_add(&mut self, dn: &str, attributes: &[(&str, &str)]) -> i32 {
        let attributes = attributes.iter().map(|(atype, value)| attribute(atype, value)).collect();
        self.send(LdapOp::AddRequest(LdapAddRequest { dn: dn.to_owned(), attributes })).await
    }

    async fn add(&mut self, dn: &str, attributes: &[(&str, &str)]) -> LdapResultCode {
        self.send_add(dn, attributes).await;
        self.result().await
    }

    async fn extended(&mut self, name: &str, value: Option<Vec<u8>>) -> LdapExtendedResponse {
        self.send(extended(name, value)).await;
        match self.next().await.expect("the connection has ended").op {
            LdapOp::ExtendedResponse(response) => response,
            other => panic!("{other:?}"),
        }
    }

    async fn who_am_i(&mut self) -> String {
        String::from_utf8(self.extended(WHO_AM_I, None).await.value.unwrap()).unwrap()
    }

    /// The DNs a search finds, its code, and its controls.
    async fn search(&mut self, op: LdapOp, controls: Vec<LdapControl>) -> (Vec<String>, LdapResultCode, Vec<LdapControl>) {
        let id = self.send_with(op, controls).await;
        let mut found = Vec::new();
        loop {
            let message = self.next().await.expect("the connection has ended");
            assert_eq!(message.msgid, id);
            match message.op {
                LdapOp::SearchResultEntry(entry) => found.push(entry.dn),
                LdapOp::SearchResultDone(result) => return (found, result.code, message.ctrl),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The Notice of Disconnection that ends the connection.
    async fn notice(&mut self) -> LdapResultCode {
        let message = self.next().await.expect("no notice");
        let LdapOp::ExtendedResponse(notice) = message.op else { panic!("{message:?}") };
        assert_eq!((message.msgid, notice.name.as_deref()), (0, Some("1.3.6.1.4.1.1466.20036")));
        assert!(self.next().await.is_none(), "something follows the notice");
        notice.res.code
    }
}

fn bind(name: &str, password: &str) -> LdapOp {
    LdapOp::BindRequest(LdapBindRequest { version: 3, dn: name.to_owned(), cred: LdapBindCred::Simple(password.to_owned()) })
}

fn attribute(atype: &str, value: &str) -> LdapPartialAttribute {
    LdapPartialAttribute { atype: atype.to_owned(), vals: vec![value.as_bytes().to_vec()] }
}

fn extended(name: &str, value: Option<Vec<u8>>) -> LdapOp {
    LdapOp::ExtendedRequest(LdapExtendedRequest { name: name.to_owned(), value })
}

fn search(base: &str, scope: LdapSearchScope, filter: LdapFilter) -> LdapOp {
    LdapOp::SearchRequest(LdapSearchRequest {
        base: base.to_owned(),
        scope,
        aliases: LdapDerefAliases::Never,
        sizelimit: 0,
        timelimit: 0,
        typesonly: false,
        filter,
        attrs: Vec::new(),
    })
}

fn people() -> LdapOp {
    search("dc=example,dc=com", LdapSearchScope::Subtree, LdapFilter::Equality("objectClass".into(), "person".into()))
}

fn present() -> LdapFilter {
    LdapFilter::Present("objectClass".into())
}

fn replace(dn: &str, atype: &str, value: &str) -> LdapOp {
    let change = LdapModify { operation: LdapModifyType::Replace, modification: attribute(atype, value) };
    LdapOp::ModifyRequest(LdapModifyRequest { dn: dn.to_owned(), changes: vec![change] })
}

async fn lists_start_tls<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>) -> bool {
    let lists = LdapFilter::Equality("supportedExtension".into(), START_TLS.into());
    !client.search(search("", LdapSearchScope::Base, lists), Vec::new()).await.0.is_empty()
}

#[tokio::test]
async fn the_root_dse_lists_what_works() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    let LdapOp::SearchRequest(mut request) = search("", LdapSearchScope::Base, present()) else { panic!() };
    request.attrs = vec!["supportedExtension".to_owned(), "supportedControl".to_owned(), "supportedSASLMechanisms".to_owned()];
    client.send(LdapOp::SearchRequest(request)).await;
    let LdapOp::SearchResultEntry(entry) = client.next().await.unwrap().op else { panic!() };
    assert_eq!(client.result().await, LdapResultCode::Success);
    let values = |name: &str| -> Vec<String> {
        let held = entry.attributes.iter().find(|held| held.atype == name).unwrap();
        held.vals.iter().map(|value| String::from_utf8(value.clone()).unwrap()).collect()
    };
    assert!(values("supportedExtension").contains(&START_TLS.to_owned()));
    assert_eq!(values("supportedControl").len(), super::controls::supported().count());
    assert_eq!(values("supportedSASLMechanisms"), ["PLAIN"], "nothing outside LDAP says who a peer over TCP is");
    // Every extended operation that is listed is known: a damaged value is not an unknown name.
    for name in values("supportedExtension").iter().filter(|name| *name != START_TLS) {
        let response = client.extended(name, Some(vec![0xff])).await;
        assert!(!response.res.message.contains("unknown"), "{name}: {}", response.res.message);
    }
}

#[tokio::test]
async fn ha9_a_failed_bind_leaves_nobody() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    assert_eq!(client.who_am_i().await, "");
    let failing = [
        (LdapBindRequest { version: 2, dn: OPERATOR.into(), cred: LdapBindCred::Simple(PASSWORD.into()) }, LdapResultCode::ProtocolError),
        (
            LdapBindRequest { version: 3, dn: OPERATOR.into(), cred: LdapBindCred::Simple("wrong".into()) },
            LdapResultCode::InvalidCredentials,
        ),
        (
            LdapBindRequest { version: 3, dn: "cn=nobody".into(), cred: LdapBindCred::Simple("x".into()) },
            LdapResultCode::InvalidCredentials,
        ),
        (
            LdapBindRequest { version: 3, dn: OPERATOR.into(), cred: LdapBindCred::Simple(String::new()) },
            LdapResultCode::UnwillingToPerform,
        ),
        (LdapBindRequest { version: 3, dn: "=,".into(), cred: LdapBindCred::Simple("x".into()) }, LdapResultCode::InvalidDNSyntax),
        (sasl("EXTERNAL"), LdapResultCode::AuthMethodNotSupported),
        (sasl("NO-SUCH"), LdapResultCode::AuthMethodNotSupported),
    ];
    for (request, expected) in failing {
        assert_eq!(client.bind(OPERATOR, PASSWORD).await, LdapResultCode::Success);
        assert_eq!(client.who_am_i().await, format!("dn:{OPERATOR}"));
        client.send(LdapOp::BindRequest(request.clone())).await;
        assert_eq!(client.result().await, expected, "{request:?}");
        assert_eq!(client.who_am_i().await, "", "{request:?}");
    }
    assert_eq!(client.bind(OPERATOR, PASSWORD).await, LdapResultCode::Success);
    assert_eq!(client.bind("", "").await, LdapResultCode::Success);
    assert_eq!(client.who_am_i().await, "");
    // A bind that is damaged inside is a failed bind too.
    assert_eq!(client.bind(OPERATOR, PASSWORD).await, LdapResultCode::Success);
    client.stream.write_all(&[0x30, 0x07, 0x02, 0x01, 0x63, 0x60, 0x02, 0x02, 0x05]).await.unwrap();
    assert_eq!(client.result().await, LdapResultCode::ProtocolError);
    assert_eq!(client.who_am_i().await, "");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever came before, the connection is who the last bind said, and nobody after one that failed.
    #[test]
    fn ha9_the_last_bind_says_who_it_is(steps in prop::collection::vec(0..6_u8, 1..12)) {
        static SERVER: std::sync::OnceLock<(tokio::runtime::Runtime, Server)> = std::sync::OnceLock::new();
        let (runtime, server) = SERVER.get_or_init(|| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let server = runtime.block_on(Server::start(Limits::default()));
            (runtime, server)
        });
        runtime.block_on(async {
            let mut client = server.client().await;
            let mut who = String::new();
            for step in steps {
                let (name, password) = match step {
                    0 | 1 => (OPERATOR, PASSWORD),
                    2 => (OPERATOR, "wrong"),
                    3 => (OPERATOR, ""),
                    4 => ("", ""),
                    _ => ("cn=nobody,dc=example,dc=com", PASSWORD),
                };
                // The question is on its way together with the bind.
                let octets = [client.message(bind(name, password), Vec::new()), client.message(extended(WHO_AM_I, None), Vec::new())];
                client.stream.write_all(&octets.concat()).await.unwrap();
                let bound = client.result().await == LdapResultCode::Success;
                who = if bound && !name.is_empty() { format!("dn:{name}") } else { String::new() };
                assert_eq!(bound, matches!(step, 0 | 1 | 4));
                let LdapOp::ExtendedResponse(answer) = client.next().await.unwrap().op else { panic!("no answer") };
                assert_eq!(String::from_utf8(answer.value.unwrap()).unwrap(), who);
            }
            assert_eq!(client.who_am_i().await, who);
        });
    }
}

fn sasl(mechanism: &str) -> LdapBindRequest {
    let credentials = SaslCredentials { mechanism: mechanism.to_owned(), credentials: Vec::new() };
    LdapBindRequest { version: 3, dn: String::new(), cred: LdapBindCred::SASL(credentials) }
}

#[tokio::test]
async fn ha11_a_name_without_a_password_is_no_bind() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    for name in [OPERATOR, "uid=anyone,dc=example,dc=com", "not a name"] {
        assert_eq!(client.bind(name, "").await, LdapResultCode::UnwillingToPerform, "{name}");
    }
}

#[tokio::test]
async fn hb6_a_password_from_afar_needs_tls() {
    let server = Server::start(Limits::default()).await;
    for (address, encrypted, expected) in [
        ("192.0.2.1", false, LdapResultCode::ConfidentialityRequired),
        ("::ffff:192.0.2.1", false, LdapResultCode::ConfidentialityRequired),
        ("192.0.2.1", true, LdapResultCode::Success),
        ("::ffff:127.0.0.1", false, LdapResultCode::Success),
        ("::1", false, LdapResultCode::Success),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let origin = Origin {
            protocol: Protocol::Ldap,
            address: Some(address.parse::<std::net::IpAddr>().unwrap().to_canonical()),
            encrypted,
            certificate: false,
            service: None,
            subject: None,
            tracking: None,
            listener: "ldap".to_owned(),
            request: RequestId::Connection(1),
        };
        let accepted = listener.accept().await.unwrap().0;
        tokio::spawn(Connection::new(&server.door, Transport::Tcp(accepted), origin, None).run());
        let mut client = Client::over(stream);
        assert_eq!(client.bind(OPERATOR, PASSWORD).await, expected, "{address}");
        let modify = client.extended(PASSWORD_MODIFY, None).await.res.code;
        assert_eq!(modify == LdapResultCode::ConfidentialityRequired, expected != LdapResultCode::Success, "{address}");
        assert_eq!(client.bind("", "").await, LdapResultCode::Success, "nobody needs no TLS");
    }
}

#[tokio::test]
async fn hd5_a_password_has_a_length() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    assert_eq!(client.bind(OPERATOR, &"x".repeat(1_025)).await, LdapResultCode::InvalidCredentials);
}

#[tokio::test]
async fn ha13_damage_inside_is_answered_and_the_connection_goes_on() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    // A delete with id 99 whose critical control is cut off.
    client.stream.write_all(&[0x30, 0x0a, 0x02, 0x01, 0x63, 0x4a, 0x01, b'x', 0xa0, 0x02, 0x30, 0x05]).await.unwrap();
    let message = client.next().await.unwrap();
    let LdapOp::DelResponse(result) = message.op else { panic!("{message:?}") };
    assert_eq!((message.msgid, result.code), (99, LdapResultCode::ProtocolError));
    assert_eq!(client.who_am_i().await, "");
    let response = client.extended("1.2.3.4", None).await;
    assert_eq!(response.res.code, LdapResultCode::ProtocolError);
}

#[tokio::test]
async fn ha2_what_is_no_message_ends_the_connection() {
    let server = Server::start(Limits::default()).await;
    for octets in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], &[0x30, 0x80], &[0x30, 5, 2, 1, 0, 0x42, 0]] {
        let mut client = server.client().await;
        client.stream.write_all(octets).await.unwrap();
        assert_eq!(client.notice().await, LdapResultCode::ProtocolError);
    }
}

#[tokio::test]
async fn ha10_nothing_that_came_before_tls_counts() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    let mut octets = client.message(extended(START_TLS, None), Vec::new());
    octets.extend(client.message(bind(OPERATOR, PASSWORD), Vec::new()));
    client.stream.write_all(&octets).await.unwrap();
    assert_eq!(client.notice().await, LdapResultCode::ProtocolError);

    // Not while a change is under way, and the identity stays what it is.
    let mut client = server.operator().await;
    let mut octets = client.message(replace("dc=example,dc=com", "description", "x"), Vec::new());
    octets.extend(client.message(extended(START_TLS, None), Vec::new()));
    client.stream.write_all(&octets).await.unwrap();
    let answers = [client.next().await.unwrap().op, client.next().await.unwrap().op];
    let refused = |op: &LdapOp| matches!(op, LdapOp::ExtendedResponse(response) if response.res.code == LdapResultCode::OperationsError);
    assert!(answers.iter().any(refused), "{answers:?}");
    assert_eq!(client.who_am_i().await, format!("dn:{OPERATOR}"));

    assert_eq!(client.extended(START_TLS, None).await.res.code, LdapResultCode::Success);
    let mut client = Client::over(tls(&server, client.stream).await);
    assert_eq!(client.who_am_i().await, "", "the identity outlived StartTLS");
    assert!(!lists_start_tls(&mut client).await, "it works once");
    assert_eq!(client.extended(START_TLS, None).await.res.code, LdapResultCode::OperationsError);
    assert_eq!(client.bind(OPERATOR, PASSWORD).await, LdapResultCode::Success);
    assert_eq!(client.who_am_i().await, format!("dn:{OPERATOR}"));
}

async fn tls(server: &Server, stream: TcpStream) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(server.certificate.clone()).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn ldaps_and_large_results_over_tls() {
    let (server, _) = Server::with_people(300, Limits::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Arc::clone(&server.door).serve("ldaps".to_owned(), Endpoint::Tls(listener), Vec::new()));
    let mut client = Client::over(tls(&server, TcpStream::connect(address).await.unwrap()).await);
    assert_eq!(client.bind(OPERATOR, PASSWORD).await, LdapResultCode::Success);
    let (found, code, _) = client.search(people(), Vec::new()).await;
    assert_eq!((found.len(), code), (300, LdapResultCode::Success));
}

#[tokio::test]
async fn a_local_socket_knows_its_peer() {
    let server = Server::start(Limits::default()).await;
    let path = server.folder.path().join("ldapi");
    tokio::spawn(Arc::clone(&server.door).serve("ldapi".to_owned(), Endpoint::Local(UnixListener::bind(&path).unwrap()), Vec::new()));
    let mut client = Client::over(UnixStream::connect(&path).await.unwrap());
    client.send(LdapOp::BindRequest(sasl("EXTERNAL"))).await;
    assert_eq!(client.result().await, LdapResultCode::Success);
    assert_eq!(client.who_am_i().await, format!("dn:{OPERATOR}"));
    assert_eq!(client.extended(START_TLS, None).await.res.code, LdapResultCode::ProtocolError);
    assert!(!lists_start_tls(&mut client).await, "what does not work there");
}

#[tokio::test]
async fn hd7_ten_thousand_pipelined_operations_are_all_answered() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    let octets: Vec<u8> = (0..10_000).flat_map(|_| client.message(search("", LdapSearchScope::Base, present()), Vec::new())).collect();
    let (mut reader, mut writer) = client.stream.into_split();
    let writing = tokio::spawn(async move { writer.write_all(&octets).await.map(|()| writer) });
    let mut buffer = BytesMut::new();
    let mut done = 0;
    while done < 10_000 {
        match LdapCodec::default().decode(&mut buffer).unwrap() {
            Some(LdapMsg { msgid, op: LdapOp::SearchResultDone(_), .. }) => {
                done += 1;
                assert_eq!(msgid, done);
            }
            Some(_) => {}
            None => assert!(reader.read_buf(&mut buffer).await.unwrap() > 0),
        }
    }
    writing.await.unwrap().unwrap();
}

#[tokio::test]
async fn hd7_costly_searches_of_one_peer_take_turns_with_others() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
    let server = Server::start_at(Limits::default(), Arc::clone(&clock) as Arc<dyn Clock>).await;
    let mut costly = server.fill(600).await;
    let mut other = server.client().await;
    // Each look at the clock takes a millisecond from now on, so that it tells how much is done before the other has its answer.
    clock.hurry(Duration::from_millis(1));
    let unindexed = || LdapFilter::Equality("description".to_owned(), "nobody".to_owned());
    let one =
        |client: &mut Client<TcpStream>| client.message(search("dc=example,dc=com", LdapSearchScope::Subtree, unindexed()), Vec::new());
    let octets: Vec<u8> = (0..200).flat_map(|_| one(&mut costly)).collect();
    costly.stream.write_all(&octets).await.unwrap();
    for _ in 0..10 {
        let asked = clock.monotonic();
        other.search(search("", LdapSearchScope::Base, present()), Vec::new()).await;
        let waited = clock.monotonic().saturating_sub(asked);
        assert!(waited < Duration::from_millis(150), "{waited:?}");
    }
}

#[tokio::test]
async fn ha9_operations_in_flight_end_before_a_bind_begins() {
    let (_server, mut client) = Server::with_people(1, Limits::default()).await;
    let mut octets = Vec::new();
    for round in 0..20 {
        octets.extend(client.message(replace(&person(0), "description", &round.to_string()), Vec::new()));
    }
    octets.extend(client.message(bind("", ""), Vec::new()));
    octets.extend(client.message(replace(&person(0), "description", "too late"), Vec::new()));
    client.stream.write_all(&octets).await.unwrap();
    for _ in 0..20 {
        let message = client.next().await.unwrap();
        assert!(matches!(&message.op, LdapOp::ModifyResponse(result) if result.code == LdapResultCode::Success), "{message:?}");
    }
    assert!(matches!(client.next().await.unwrap().op, LdapOp::BindResponse(_)));
    assert_ne!(client.result().await, LdapResultCode::Success, "nobody changed an entry");
}

#[tokio::test]
async fn ha8_changes_before_an_unbind_are_made() {
    let (server, mut client) = Server::with_people(1, Limits::default()).await;
    let mut octets = client.message(replace(&person(0), "description", "kept"), Vec::new());
    octets.extend(client.message(LdapOp::UnbindRequest, Vec::new()));
    client.stream.write_all(&octets).await.unwrap();
    assert!(client.next().await.is_none(), "an unbind is not answered, nor what was under way");
    let mut client = server.operator().await;
    let filter = LdapFilter::Equality("description".into(), "kept".into());
    let (found, ..) = client.search(search(&person(0), LdapSearchScope::Base, filter), Vec::new()).await;
    assert_eq!(found, [person(0)]);
}

#[tokio::test]
async fn ha8_a_connection_may_end_at_any_octet() {
    let (server, mut client) = Server::with_people(20, Limits::default()).await;
    let abandoned = client.next + 2;
    let octets = [
        client.message(bind(OPERATOR, PASSWORD), Vec::new()),
        client.message(people(), Vec::new()),
        client.message(replace(&person(0), "description", "x"), Vec::new()),
        client.message(LdapOp::AbandonRequest(abandoned), Vec::new()),
        client.message(extended(WHO_AM_I, None), Vec::new()),
        client.message(LdapOp::UnbindRequest, Vec::new()),
    ]
    .concat();
    for end in 0..=octets.len() {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&octets[..end]).await.unwrap();
        if end % 2 == 0 {
            // A reset in the place of an orderly end.
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
    for _ in 0..100 {
        if server.door.connections() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.door.connections(), 1, "connections were left over");
    assert_eq!(client.who_am_i().await, format!("dn:{OPERATOR}"));
}

#[tokio::test]
async fn ha8_all_is_answered_to_a_peer_that_only_listens() {
    let (_server, mut client) = Server::with_people(50, Limits::default()).await;
    let mut octets = client.message(people(), Vec::new());
    octets.extend(client.message(replace(&person(0), "description", "x"), Vec::new()));
    client.stream.write_all(&octets).await.unwrap();
    client.stream.shutdown().await.unwrap();
    let mut answers = 0;
    while let Some(message) = client.next().await {
        answers += usize::from(matches!(message.op, LdapOp::SearchResultDone(_) | LdapOp::ModifyResponse(_)));
    }
    assert_eq!(answers, 2);
}

#[tokio::test]
async fn an_abandoned_search_ends_without_an_answer() {
    let (_server, mut client) = Server::with_people(600, Limits::default()).await;
    let mut octets = client.message(people(), Vec::new());
    let abandoned = client.next;
    octets.extend(client.message(LdapOp::AbandonRequest(abandoned), Vec::new()));
    octets.extend(client.message(extended(WHO_AM_I, None), Vec::new()));
    let after = client.next;
    client.stream.write_all(&octets).await.unwrap();
    loop {
        let message = client.next().await.unwrap();
        assert!(!matches!(message.op, LdapOp::SearchResultDone(_)), "the search was finished");
        if message.msgid == after {
            break;
        }
    }
    assert_eq!(client.who_am_i().await, format!("dn:{OPERATOR}"));
}

#[tokio::test]
async fn ha7_pages() {
    let (server, mut client) = Server::with_people(25, Limits::default()).await;
    let page = |size: i64, cookie: &[u8]| vec![LdapControl::SimplePagedResults { size, cookie: cookie.to_vec() }];
    let cookie = |controls: &[LdapControl]| match controls {
        [LdapControl::SimplePagedResults { cookie, .. }] => cookie.clone(),
        other => panic!("{other:?}"),
    };
    let mut all = Vec::new();
    let mut next = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let (found, code, controls) = client.search(people(), page(10, &next)).await;
        assert_eq!(code, LdapResultCode::Success);
        sizes.push(found.len());
        all.extend(found);
        next = cookie(&controls);
        if next.is_empty() {
            break;
        }
    }
    all.sort();
    all.dedup();
    assert_eq!((all.len(), sizes), (25, vec![10, 10, 5]));
    let (found, code, controls) = client.search(people(), page(0, b"")).await;
    assert_eq!((found.len(), code, cookie(&controls)), (0, LdapResultCode::Success, Vec::new()));
    let (found, ..) = client.search(people(), page(i64::from(i32::MAX), b"")).await;
    assert_eq!(found.len(), 25);

    let (_, _, controls) = client.search(people(), page(10, b"")).await;
    let good = cookie(&controls);
    let other = search("dc=example,dc=com", LdapSearchScope::Subtree, present());
    let mut stranger = server.operator().await;
    assert_eq!(client.search(other, page(10, &good)).await.1, LdapResultCode::UnwillingToPerform);
    assert_eq!(stranger.search(people(), page(10, &good)).await.1, LdapResultCode::UnwillingToPerform);
    assert_eq!(client.search(people(), page(10, &good)).await.1, LdapResultCode::Success);
    assert_eq!(client.search(people(), page(10, &good)).await.1, LdapResultCode::UnwillingToPerform, "used twice");
}

#[tokio::test]
async fn assertion_and_read_controls() {
    let (_server, mut client) = Server::with_people(1, Limits::default()).await;
    let control = |oid: &str, value: Vec<u8>| vec![LdapControl::Unknown { oid: oid.to_owned(), criticality: true, value: Some(value) }];
    let sn = |value: &str| [&[0xa3, 6 + value.len() as u8, 4, 2, b's', b'n', 4, value.len() as u8][..], value.as_bytes()].concat();
    let change = || replace(&person(0), "description", "x");
    let base = || search(&person(0), LdapSearchScope::Base, present());
    let compare = || LdapOp::CompareRequest(LdapCompareRequest { dn: person(0), atype: "sn".to_owned(), val: b"person".to_vec() });
    let cases = [
        (change(), control(ASSERTION, sn("Someone")), LdapResultCode::AssertionFailed),
        (change(), control(ASSERTION, sn("Person")), LdapResultCode::Success),
        (base(), control(ASSERTION, sn("Someone")), LdapResultCode::AssertionFailed),
        (compare(), control(ASSERTION, sn("Someone")), LdapResultCode::AssertionFailed),
        (compare(), control(ASSERTION, sn("Person")), LdapResultCode::CompareTrue),
        (change(), control(PAGED_RESULTS, Vec::new()), LdapResultCode::UnavailableCriticalExtension),
    ];
    for (op, controls, expected) in cases {
        client.send_with(op.clone(), controls).await;
        assert_eq!(client.result().await, expected, "{op:?}");
    }
    // Pre-read shows what was, post-read what is; both only what was asked for.
    let description = [&[0x30, 13, 4, 11][..], b"description"].concat();
    for (oid, shown) in [(PRE_READ, "x"), (POST_READ, "y")] {
        client.send_with(replace(&person(0), "description", "x"), Vec::new()).await;
        assert_eq!(client.result().await, LdapResultCode::Success);
        client.send_with(replace(&person(0), "description", "y"), control(oid, description.clone())).await;
        let answer = client.next().await.unwrap();
        let [LdapControl::Unknown { oid: answered, value: Some(value), .. }] = &answer.ctrl[..] else { panic!("{answer:?}") };
        let held = [&[4, 11][..], b"description", &[0x31, 3, 4, 1], shown.as_bytes()].concat();
        let expected = [&[0x64, 47, 4, 23][..], person(0).as_bytes(), &[0x30, 20, 0x30, 18], &held].concat();
        assert_eq!((answered.as_str(), value), (oid, &expected));
    }
}

#[tokio::test]
async fn password_modify_is_decoded_strictly() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.operator().await;
    for damaged in [vec![], vec![0x30, 1], vec![0x30, 2, 4, 0], vec![0x31, 0], vec![0x30, 0, 0]] {
        let response = client.extended(PASSWORD_MODIFY, Some(damaged.clone())).await;
        assert_eq!(response.res.code, LdapResultCode::ProtocolError, "{damaged:?}");
    }
    let empty = client.extended(PASSWORD_MODIFY, Some(vec![0x30, 2, 0x82, 0])).await;
    assert_eq!(empty.res.code, LdapResultCode::ConstraintViolation);
}

#[tokio::test]
async fn hd2_a_silent_peer_and_a_slow_one_are_sent_away() {
    let server = Server::start(Limits { idle_anonymous: Duration::from_secs(1), ..Limits::default() }).await;
    let mut silent = server.client().await;
    let mut slow = server.client().await;
    let message = slow.message(people(), Vec::new());
    let (mut reader, mut writer) = slow.stream.into_split();
    let dripping = tokio::spawn(async move {
        for octet in message {
            if writer.write_all(&[octet]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    });
    assert_eq!(silent.notice().await, LdapResultCode::Unavailable);
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), reader.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the slow peer was not sent away");
    dripping.abort();
}

#[tokio::test]
async fn hd1_a_peer_that_never_reads_is_cut_off() {
    let limits = Limits { write_stall: Duration::from_secs(1), ..Limits::default() };
    let (server, mut client) = Server::with_people(600, limits).await;
    let octets: Vec<u8> = (0..200).flat_map(|_| client.message(people(), Vec::new())).collect();
    let (reader, mut writer) = client.stream.into_split();
    drop(tokio::spawn(async move { writer.write_all(&octets).await.map(|()| writer) }));
    for _ in 0..100 {
        if server.door.connections() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(server.door.connections(), 0, "still there after 10 s");
    drop(reader);
}

#[tokio::test]
async fn hd3_there_are_so_many_connections_and_no_more() {
    let server = Server::start(Limits { connections: 2, ..Limits::default() }).await;
    let mut first = server.client().await;
    let mut second = server.client().await;
    assert_eq!((first.who_am_i().await, second.who_am_i().await), (String::new(), String::new()));
    assert!(server.client().await.next().await.is_none(), "a third one was let in");
    drop(first);
    for _ in 0..50 {
        if server.door.connections() < 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.client().await.who_am_i().await, "");
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.operator().await;
    let stopping = tokio::spawn({
        let door = Arc::clone(&server.door);
        async move { door.stop(Duration::from_secs(10)).await }
    });
    assert_eq!(client.notice().await, LdapResultCode::Unavailable);
    drop(client);
    stopping.await.unwrap();
    assert_eq!(server.door.connections(), 0);
}
