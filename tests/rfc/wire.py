"""A client of octets: it can send what no library would, and it looks at what is answered octet by octet."""

import socket
import ssl
import time

import ber
from ber import boolean, enumerated, integer, octets, sequence, set_of, tlv

#: Seconds an answer may take before a test gives up.
PATIENCE = 20

BASE, ONE, SUB, CHILDREN = range(4)
ADD, DELETE, REPLACE, INCREMENT = range(4)
#: The tag of the response that ends each request.
BIND, SEARCH, MODIFY, ADDED, DELETED, RENAMED, COMPARED, EXTENDED = 0x61, 0x65, 0x67, 0x69, 0x6B, 0x6D, 0x6F, 0x78
ENTRY, REFERENCE, INTERMEDIATE = 0x64, 0x73, 0x79
DISCONNECTION = "1.3.6.1.4.1.1466.20036"
START_TLS = "1.3.6.1.4.1.1466.20037"
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1"


# Requests (RFC 4511 §4.2 to §4.12), each as the protocolOp.


def bind(name="", password=b"", version=3):
    return tlv(0x60, integer(version), octets(name), octets(password, 0x80))


def sasl(mechanism, credentials=None, name=""):
    parts = [octets(mechanism)] + ([] if credentials is None else [octets(credentials)])
    return tlv(0x60, integer(3), octets(name), tlv(0xA3, *parts))


def unbind():
    return tlv(0x42)


def abandon(message_id):
    return integer(message_id, 0x50)


def search(base, scope=BASE, text="(objectClass=*)", attributes=(), size=0, time_limit=0, types_only=False, dereference=0):
    encoded = filter_of(text) if isinstance(text, str) else text
    selection = sequence(*map(octets, attributes))
    limits = integer(size) + integer(time_limit) + boolean(types_only)
    return tlv(0x63, octets(base), enumerated(scope), enumerated(dereference), limits, encoded, selection)


def partial(description, values):
    return sequence(octets(description), set_of(*map(octets, values)))


def modify(dn, *changes):
    """Changes are triples: what, description, values."""
    return tlv(0x66, octets(dn), sequence(*(sequence(enumerated(what), partial(d, v)) for what, d, v in changes)))


def add(dn, attributes):
    """Attributes are a dictionary, or pairs where one is to come twice."""
    pairs = attributes.items() if isinstance(attributes, dict) else attributes
    return tlv(0x68, octets(dn), sequence(*(partial(d, v) for d, v in pairs)))


def delete(dn):
    return octets(dn, 0x4A)


def rename(dn, rdn, delete_old=True, superior=None):
    return tlv(0x6C, octets(dn), octets(rdn), boolean(delete_old), b"" if superior is None else octets(superior, 0x80))


def compare(dn, description, value):
    return tlv(0x6E, octets(dn), sequence(octets(description), octets(value)))


def extended(oid, value=None):
    return tlv(0x77, octets(oid, 0x80), b"" if value is None else octets(value, 0x81))


def control(oid, critical=False, value=None):
    return sequence(octets(oid), boolean(True) if critical else b"", b"" if value is None else octets(value))


def message(message_id, operation, controls=()):
    return sequence(integer(message_id), operation, tlv(0xA0, *controls) if controls else b"")


# Filters (RFC 4511 §4.5.1.7) from their text (RFC 4515).


def filter_of(text):
    """The octets of a filter's text. Escapes may be in all values."""
    encoded, rest = _filter(text)
    if rest:
        raise ValueError(f"after the filter: {rest}")
    return encoded


def _filter(text):
    if not text.startswith("("):
        raise ValueError(f"no filter: {text}")
    kind = text[1]
    if kind in "&|!":
        parts, rest = [], text[2:]
        while rest.startswith("("):
            part, rest = _filter(rest)
            parts.append(part)
        if not rest.startswith(")"):
            raise ValueError(f"not closed: {rest}")
        return tlv({"&": 0xA0, "|": 0xA1, "!": 0xA2}[kind], *parts), rest[1:]
    end = text.index(")")
    return _item(text[1:end]), text[end + 1 :]


def _item(text):
    at = text.index("=")
    left, value = text[:at], text[at + 1 :]
    if left.endswith(":"):
        return extensible(left[:-1], unescape(value))
    for sign, tag in ((">", 0xA5), ("<", 0xA6), ("~", 0xA8)):
        if left.endswith(sign):
            return tlv(tag, octets(left[:-1]), octets(unescape(value)))
    if value == "*":
        return octets(left, 0x87)
    if "*" in value:
        return substrings(left, [unescape(part) for part in value.split("*")])
    return tlv(0xA3, octets(left), octets(unescape(value)))


def substrings(description, parts):
    """Initial, any of them, and final; empty ones are left out."""
    tags = [0x80] + [0x81] * (len(parts) - 2) + [0x82]
    return tlv(0xA4, octets(description), sequence(*(octets(part, tag) for tag, part in zip(tags, parts) if part)))


def extensible(left, value):
    """`type:dn:rule` and the value of a MatchingRuleAssertion."""
    kind, *more = left.split(":")
    dn = [word for word in more if word.casefold() == "dn"]
    rule = [word for word in more if word.casefold() != "dn"]
    parts = [octets(rule[0], 0x81)] if rule else []
    parts += [octets(kind, 0x82)] if kind else []
    return tlv(0xA9, *parts, octets(value, 0x83), boolean(True, 0x84) if dn else b"")


def unescape(text):
    """Undoes `\\2a` (RFC 4515 §3)."""
    head, *tail = text.encode().split(b"\\")
    return head + b"".join(bytes([int(part[:2], 16)]) + part[2:] for part in tail)


def escape(value):
    """All octets of a value as escapes, so that any value can stand in a filter's text."""
    return "".join(f"\\{octet:02x}" for octet in (value.encode() if isinstance(value, str) else value))


# Answers.


class Answer:
    """A message of the server, taken apart strictly."""

    def __init__(self, data):
        (outer,) = ber.elements(data)
        if outer.tag != 0x30:
            raise ValueError(f"no LDAPMessage: {data[:20]!r}")
        self.octets = data
        self.id_element, operation, *more = outer.parts
        self.id, self.tag, self.operation = self.id_element.number, operation.tag, operation
        self.controls = [self._control(part) for part in more[0].parts] if more else []
        self.parts = [] if self.tag == 0x42 else operation.parts

    @staticmethod
    def _control(element):
        oid, *rest = element.parts
        critical = any(part.tag == 0x01 and part.content != b"\x00" for part in rest)
        value = next((part.content for part in rest if part.tag == 0x04), None)
        return oid.text, critical, value

    @property
    def code(self):
        assert self.tag not in (ENTRY, REFERENCE, INTERMEDIATE), f"{self.tag:#x} carries no result"
        assert self.parts[0].tag == 0x0A, "resultCode is an ENUMERATED"
        return self.parts[0].number

    @property
    def matched(self):
        return self.parts[1].text

    @property
    def text(self):
        return self.parts[2].text

    @property
    def referral(self):
        return next(([uri.text for uri in part.parts] for part in self.parts[3:] if part.tag == 0xA3), None)

    def field(self, tag):
        """A component after the LDAPResult, by its tag."""
        return next((part.content for part in self.parts[3:] if part.tag == tag), None)

    @property
    def name(self):
        """The responseName of an extended response."""
        found = self.field(0x8A)
        return None if found is None else found.decode()

    @property
    def value(self):
        """The responseValue of an extended response."""
        return self.field(0x8B)

    @property
    def dn(self):
        assert self.tag == ENTRY, f"{self.tag:#x} is no entry"
        return self.parts[0].text

    @property
    def attributes(self):
        """The attributes of an entry as they were sent: description and values."""
        assert self.tag == ENTRY, f"{self.tag:#x} is no entry"
        return {d.text: [v.content for v in values.parts] for d, values in (a.parts for a in self.parts[1].parts)}

    def values(self, description):
        """The values of an attribute in text, whatever the case of its name."""
        found = [v for d, v in self.attributes.items() if d.casefold() == description.casefold()]
        return [value.decode() for values in found for value in values]

    def control(self, oid):
        """The value of a response control, which must be there."""
        found = [value for known, _, value in self.controls if known == oid]
        assert len(found) == 1, f"not one control {oid} in {self.controls}"
        return found[0]

    @property
    def is_notice(self):
        """Whether it is a Notice of Disconnection (RFC 4511 §4.4.1)."""
        return self.id == 0 and self.tag == EXTENDED and self.name == DISCONNECTION

    def __repr__(self):
        if self.tag == ENTRY:
            return f"<{self.id}: entry {self.dn} {self.attributes}>"
        if self.tag in (REFERENCE, INTERMEDIATE):
            return f"<{self.id}: {self.parts}>"
        return f"<{self.id}: {self.tag:#x} code {self.code} matched {self.matched!r} text {self.text!r} controls {self.controls}>"


class Closed(Exception):
    """The server has ended the connection."""


class Wire:
    """A connection."""

    def __init__(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(address)
        self.input = b""
        self.last = 0

    def close(self):
        self.socket.close()

    def send(self, data):
        """Octets as they are."""
        self.socket.sendall(data)

    def ask(self, operation, controls=(), message_id=None):
        """Sends a request and answers its message id."""
        if message_id is None:
            self.last += 1
            message_id = self.last
        self.send(message(message_id, operation, controls))
        return message_id

    def receive(self, seconds=PATIENCE):
        """The next message."""
        deadline = time.monotonic() + seconds
        while True:
            where = ber.header(self.input)
            if where and len(self.input) >= where[1]:
                data, self.input = self.input[: where[1]], self.input[where[1] :]
                return Answer(data)
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                more = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError) as error:
                raise Closed(str(error)) from None
            if not more:
                raise Closed(f"with {len(self.input)} octets of a message")
            self.input += more

    def request(self, operation, controls=(), message_id=None):
        """Sends a request and answers the message that ends it."""
        return self.exchange(operation, controls, message_id)[-1]

    def exchange(self, operation, controls=(), message_id=None):
        """Sends a request and answers all messages of it."""
        asked = self.ask(operation, controls, message_id)
        found = []
        while not found or found[-1].tag in (ENTRY, REFERENCE, INTERMEDIATE):
            found.append(self.receive())
            assert found[-1].id == asked, f"an answer to {found[-1].id} and not to {asked}: {found[-1]}"
        return found

    def entries(self, *arguments, controls=(), **options):
        """The entries of a search that must succeed."""
        *found, done = self.exchange(search(*arguments, **options), controls)
        assert done.code == 0, done
        return [answer for answer in found if answer.tag == ENTRY]

    def entry(self, dn, *attributes):
        """One entry."""
        (found,) = self.entries(dn, attributes=attributes)
        return found

    def is_closed(self, seconds=PATIENCE):
        """Whether the server ends the connection in time, whatever it says before."""
        try:
            while True:
                self.receive(seconds)
        except Closed:
            return True
        except TimeoutError:
            return False

    def start_tls(self, context):
        """Begins TLS on the socket, after StartTLS was answered."""
        assert not self.input, "octets before the handshake"
        self.socket.settimeout(PATIENCE)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
