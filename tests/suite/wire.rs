//! A small LDAP client that writes octets itself, so that it can send what no library would.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// The response control that tells about the session (S4), and the request control that names the client (S2).
pub(crate) const SESSION_CONTROL: &str = "2.25.128590336736012936669972887359999261034.3.1";

/// A tag, a definite length in its shortest form, and the content.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u32::try_from(content.len()).unwrap() {
        short @ 0..=0x7f => out.push(short as u8),
        long => {
            let octets: Vec<u8> = long.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
            out.push(0x80 | octets.len() as u8);
            out.extend(octets);
        }
    }
    out.extend_from_slice(content);
    out
}

/// An INTEGER or, with another tag, an ENUMERATED.
pub(crate) fn number(tag: u8, value: i64) -> Vec<u8> {
    let octets = value.to_be_bytes();
    let mut start = 0;
    while start < 7 && matches!((octets[start], octets[start + 1] & 0x80), (0, 0) | (0xff, 0x80)) {
        start += 1;
    }
    tlv(tag, &octets[start..])
}

/// A SEQUENCE.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// An OCTET STRING.
pub(crate) fn octets(value: impl AsRef<[u8]>) -> Vec<u8> {
    tlv(0x04, value.as_ref())
}

/// An LDAPMessage.
pub(crate) fn message(id: i64, operation: &[u8], controls: &[Vec<u8>]) -> Vec<u8> {
    let controls = if controls.is_empty() { Vec::new() } else { tlv(0xa0, &controls.concat()) };
    sequence(&[&number(0x02, id), operation, &controls])
}

/// A Control.
pub(crate) fn control(oid: &str, critical: bool, value: Option<&[u8]>) -> Vec<u8> {
    let critical = if critical { vec![0x01, 0x01, 0xff] } else { Vec::new() };
    sequence(&[&octets(oid), &critical, &value.map_or_else(Vec::new, octets)])
}

/// A BindRequest with a password.
pub(crate) fn bind_request(name: &str, password: &[u8]) -> Vec<u8> {
    tlv(0x60, &[number(0x02, 3), octets(name), tlv(0x80, password)].concat())
}

/// A BindRequest with a SASL mechanism.
pub(crate) fn sasl_request(mechanism: &str, credentials: Option<&[u8]>) -> Vec<u8> {
    let choice = [octets(mechanism), credentials.map_or_else(Vec::new, octets)].concat();
    tlv(0x60, &[number(0x02, 3), octets(""), tlv(0xa3, &choice)].concat())
}

/// An AddRequest; values of one attribute stand side by side.
pub(crate) fn add_request(dn: &str, attributes: &[(&str, &[u8])]) -> Vec<u8> {
    let one = |values: &[(&str, &[u8])]| {
        let all: Vec<Vec<u8>> = values.iter().map(|(_, value)| octets(value)).collect();
        sequence(&[&octets(values[0].0), &tlv(0x31, &all.concat())])
    };
    let attributes: Vec<Vec<u8>> = attributes.chunk_by(|left, right| left.0 == right.0).map(one).collect();
    tlv(0x68, &[octets(dn), tlv(0x30, &attributes.concat())].concat())
}

/// A SearchRequest with a filter in octets.
pub(crate) fn search_request(base: &str, scope: i64, filter: &[u8], attributes: &[&str]) -> Vec<u8> {
    let attributes: Vec<Vec<u8>> = attributes.iter().map(octets).collect();
    let never = number(0x0a, 0);
    let parts: [&[u8]; 8] = [
        &octets(base),
        &number(0x0a, scope),
        &never,
        &number(0x02, 0),
        &number(0x02, 0),
        &[0x01, 0x01, 0x00],
        filter,
        &tlv(0x30, &attributes.concat()),
    ];
    tlv(0x63, &parts.concat())
}

/// `(attribute=*)`.
pub(crate) fn present(attribute: &str) -> Vec<u8> {
    tlv(0x87, attribute.as_bytes())
}

/// `(attribute=value)`.
pub(crate) fn equal(attribute: &str, value: &[u8]) -> Vec<u8> {
    tlv(0xa3, &[octets(attribute), octets(value)].concat())
}

/// An ExtendedRequest.
pub(crate) fn extended_request(oid: &str, value: Option<&[u8]>) -> Vec<u8> {
    tlv(0x77, &[tlv(0x80, oid.as_bytes()), value.map_or_else(Vec::new, |value| tlv(0x81, value))].concat())
}

/// A ModifyRequest that replaces one attribute.
pub(crate) fn replace_request(dn: &str, attribute: &str, values: &[&str]) -> Vec<u8> {
    let values: Vec<Vec<u8>> = values.iter().map(octets).collect();
    let change = sequence(&[&number(0x0a, 2), &sequence(&[&octets(attribute), &tlv(0x31, &values.concat())])]);
    tlv(0x66, &[octets(dn), tlv(0x30, &change)].concat())
}

/// A DelRequest.
pub(crate) fn delete_request(dn: &str) -> Vec<u8> {
    tlv(0x4a, dn.as_bytes())
}

/// The elements that follow each other in `octets`: tag and content.
pub(crate) fn elements(mut octets: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while octets.len() >= 2 {
        let (tag, first) = (octets[0], octets[1]);
        let count = if first & 0x80 == 0 { 0 } else { usize::from(first & 0x7f) };
        let length = match count {
            0 => usize::from(first),
            _ => octets[2..2 + count].iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)),
        };
        found.push((tag, &octets[2 + count..2 + count + length]));
        octets = &octets[2 + count + length..];
    }
    found
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).expect("the server's text is UTF-8")
}

/// One message of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The message id.
    pub(crate) id: i64,
    /// The tag of the operation.
    pub(crate) tag: u8,
    /// The content of the operation.
    pub(crate) content: Vec<u8>,
    /// The controls: OID and value.
    pub(crate) controls: Vec<(String, Vec<u8>)>,
    /// The message as it travelled.
    pub(crate) octets: Vec<u8>,
}

impl Answer {
    fn of(octets: &[u8]) -> Self {
        let outer = elements(octets);
        let parts = elements(outer[0].1);
        let id = parts[0].1.iter().fold(0, |sum, octet| sum << 8 | i64::from(*octet));
        let controls = parts.get(2).map_or_else(Vec::new, |(_, list)| {
            let one = |content| {
                let fields = elements(content);
                let value = fields.iter().skip(1).find(|(tag, _)| *tag == 0x04);
                (text(fields[0].1), value.map_or_else(Vec::new, |(_, value)| value.to_vec()))
            };
            elements(list).into_iter().map(|(_, content)| one(content)).collect()
        });
        Self { id, tag: parts[1].0, content: parts[1].1.to_vec(), controls, octets: octets.to_vec() }
    }

    /// The result code of a response that ends an operation.
    pub(crate) fn code(&self) -> u32 {
        assert!(!matches!(self.tag, 0x64 | 0x73 | 0x79), "{:#x} carries no result", self.tag);
        elements(&self.content)[0].1.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet))
    }

    /// The diagnostic text.
    pub(crate) fn text(&self) -> String {
        text(elements(&self.content)[2].1)
    }

    /// The DN of an entry.
    pub(crate) fn dn(&self) -> String {
        assert_eq!(self.tag, 0x64, "not an entry");
        text(elements(&self.content)[0].1)
    }

    /// The values of an attribute of an entry.
    pub(crate) fn values(&self, description: &str) -> Vec<String> {
        let parts = elements(&self.content);
        let attributes = elements(parts[1].1);
        let named = |content: &&[u8]| text(elements(content)[0].1).eq_ignore_ascii_case(description);
        let wanted = attributes.iter().map(|(_, content)| *content).filter(named);
        wanted.flat_map(|content| elements(elements(content)[1].1).into_iter().map(|(_, value)| text(value)).collect::<Vec<_>>()).collect()
    }

    /// The `responseName` and `responseValue` of an extended response.
    pub(crate) fn extended(&self) -> (Option<String>, Option<Vec<u8>>) {
        let parts = elements(&self.content);
        let find = |wanted| parts.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| value.to_vec());
        (find(0x8a).map(|name| text(&name)), find(0x8b))
    }

    /// Whether it is a Notice of Disconnection (RFC 4511 §4.4.1).
    pub(crate) fn is_notice(&self) -> bool {
        self.id == 0 && self.tag == 0x78 && self.extended().0.as_deref() == Some("1.3.6.1.4.1.1466.20036")
    }
}

/// What carries a connection: TCP, TLS, a local socket.
pub(crate) trait Channel: Read + Write + Send {}

impl<T: Read + Write + Send> Channel for T {}

/// A connection.
pub(crate) struct Wire {
    stream: Box<dyn Channel>,
    next_id: i64,
}

impl Wire {
    /// Connects from wherever the system likes.
    pub(crate) fn connect(server: SocketAddr) -> Self {
        Self::of(TcpStream::connect_timeout(&server, PATIENCE).expect("the server accepts"))
    }

    /// Connects from this address, for instance 127.0.0.2.
    pub(crate) fn connect_from(source: IpAddr, server: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::for_address(server), socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        socket.connect(&server.into()).unwrap();
        Self::of(socket.into())
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// Over whatever the test has made.
    pub(crate) fn over(stream: impl Channel + 'static) -> Self {
        Self { stream: Box::new(stream), next_id: 1 }
    }

    /// Sends octets as they are. A peer that has closed already is no failure of the test.
    pub(crate) fn send(&mut self, octets: &[u8]) {
        let _ = self.stream.write_all(octets);
    }

    /// The next message, or `None` where the server has closed. Fails where neither comes in time.
    pub(crate) fn receive(&mut self) -> Option<Answer> {
        let mut octets = vec![0; 2];
        self.fill(&mut octets, 0)?;
        let count = if octets[1] & 0x80 == 0 { 0 } else { usize::from(octets[1] & 0x7f) };
        octets.resize(2 + count, 0);
        self.fill(&mut octets, 2)?;
        let length = match count {
            0 => usize::from(octets[1]),
            _ => octets[2..].iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)),
        };
        octets.resize(2 + count + length, 0);
        self.fill(&mut octets, 2 + count)?;
        Some(Answer::of(&octets))
    }

    fn fill(&mut self, octets: &mut [u8], from: usize) -> Option<()> {
        match self.stream.read_exact(&mut octets[from..]) {
            Ok(()) => Some(()),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                panic!("no answer and no end within {PATIENCE:?}")
            }
            Err(_) => None,
        }
    }

    /// Everything until the server closes.
    pub(crate) fn receive_all(&mut self) -> Vec<Answer> {
        std::iter::from_fn(|| self.receive()).collect()
    }

    /// Sends an operation and takes its answers, the last one being the result.
    pub(crate) fn ask_all(&mut self, operation: &[u8], controls: &[Vec<u8>]) -> Vec<Answer> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&message(id, operation, controls));
        let mut answers = Vec::new();
        loop {
            let answer = self.receive().expect("the server answers");
            assert_eq!(answer.id, id, "an answer to another message: {answer:?}");
            let last = !matches!(answer.tag, 0x64 | 0x73 | 0x79);
            answers.push(answer);
            if last {
                return answers;
            }
        }
    }

    /// Sends operations one behind the other and takes the answers of each.
    pub(crate) fn ask_together(&mut self, operations: &[(Vec<u8>, Vec<Vec<u8>>)]) -> Vec<Vec<Answer>> {
        let first = self.next_id;
        let messages = operations.iter().zip(first..).flat_map(|((operation, controls), id)| message(id, operation, controls));
        self.send(&messages.collect::<Vec<u8>>());
        self.next_id += operations.len() as i64;
        let (mut answers, mut left) = (vec![Vec::new(); operations.len()], operations.len());
        while left > 0 {
            let answer = self.receive().expect("the server answers");
            left -= usize::from(!matches!(answer.tag, 0x64 | 0x73 | 0x79));
            answers[usize::try_from(answer.id - first).unwrap()].push(answer);
        }
        answers
    }

    /// The result of an operation.
    pub(crate) fn ask(&mut self, operation: &[u8], controls: &[Vec<u8>]) -> Answer {
        self.ask_all(operation, controls).pop().unwrap()
    }

    /// Binds.
    pub(crate) fn bind(&mut self, name: &str, password: &str) -> Answer {
        self.ask(&bind_request(name, password.as_bytes()), &[])
    }

    /// One step of a SASL bind.
    pub(crate) fn sasl(&mut self, mechanism: &str, credentials: Option<&[u8]>) -> Answer {
        self.ask(&sasl_request(mechanism, credentials), &[])
    }

    /// Adds an entry, and fails unless that works.
    pub(crate) fn add(&mut self, dn: &str, attributes: &[(&str, &str)]) {
        let attributes: Vec<(&str, &[u8])> = attributes.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let answer = self.ask(&add_request(dn, &attributes), &[]);
        assert_eq!(answer.code(), 0, "{dn}: {}", answer.text());
    }

    /// The values of an attribute of the root DSE.
    pub(crate) fn root_dse(&mut self, attribute: &str) -> Vec<String> {
        let answers = self.ask_all(&search_request("", 0, &present("objectClass"), &[attribute]), &[]);
        answers[0].values(attribute)
    }

    /// Who the server takes us for: `dn:…`, or nothing for anonymous.
    pub(crate) fn who_am_i(&mut self) -> String {
        let answer = self.ask(&extended_request("1.3.6.1.4.1.4203.1.11.3", None), &[]);
        assert_eq!(answer.code(), 0, "{}", answer.text());
        answer.extended().1.map_or_else(String::new, |value| text(&value))
    }

    /// The same, where the test has used the message ids before this one itself.
    pub(crate) fn who_am_i_after(&mut self, id: i64) -> String {
        self.next_id = id;
        self.who_am_i()
    }

    /// The entries of a subtree that match, once the search has ended well.
    pub(crate) fn entries(&mut self, base: &str, filter: &[u8], attributes: &[&str]) -> Vec<Answer> {
        let mut answers = self.ask_all(&search_request(base, 2, filter, attributes), &[]);
        let done = answers.pop().unwrap();
        assert_eq!(done.code(), 0, "{}", done.text());
        answers
    }

    /// Replaces an attribute, and fails unless that works.
    pub(crate) fn replace(&mut self, dn: &str, attribute: &str, values: &[&str]) {
        let answer = self.ask(&replace_request(dn, attribute, values), &[]);
        assert_eq!(answer.code(), 0, "{dn} {attribute}: {}", answer.text());
    }
}
